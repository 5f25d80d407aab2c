"""Provisioning that goes on after the answer, by the virtual clock."""

from __future__ import annotations

import pytest

from driftguard.errors import WrongUse
from driftguard.sandbox import Sandbox
from tests.simulators.sandbox_client import ACCOUNT, NSG, RULE, VNET, Client


def test_the_answer_of_a_put_is_updating_and_its_etag_is_not_the_last(client: Client) -> None:
    answer = client.send("PATCH", VNET, {"tags": {"a": "1"}})
    read = client.get(VNET)
    assert answer.json()["properties"]["provisioningState"] == "Updating"
    assert read.json()["properties"]["provisioningState"] == "Succeeded"
    assert answer.headers["ETag"] != read.headers["ETag"]
    status = client.get(answer.headers["Azure-AsyncOperation"], api=None)
    assert status.json() == {"status": "Succeeded"}


def test_a_slow_type_stays_updating_until_its_time_has_passed(client: Client, sandbox: Sandbox) -> None:
    client.control("POST", "provisioning", {"type": "Microsoft.Network/virtualNetworks", "seconds": 30})
    answer = client.send("PATCH", VNET, {"tags": {"a": "1"}})
    waiting = client.get(VNET)
    assert waiting.json()["properties"]["provisioningState"] == "Updating"
    assert waiting.json()["properties"]["subnets"][0]["properties"]["provisioningState"] == "Updating"
    assert client.get(answer.headers["Azure-AsyncOperation"], api=None).json() == {"status": "InProgress"}
    sandbox.advance(30)
    done = client.get(VNET)
    assert done.json()["properties"]["provisioningState"] == "Succeeded"
    assert done.headers["ETag"] != waiting.headers["ETag"]


def test_a_resource_in_provisioning_refuses_further_writes(client: Client, sandbox: Sandbox) -> None:
    sandbox.slow("Microsoft.Network/networkSecurityGroups", 60)
    assert client.put(f"{NSG}/securityRules/a", RULE).status_code == 201
    refused = client.put(f"{NSG}/securityRules/b", RULE)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "AnotherOperationInProgress")
    sandbox.advance(60)
    assert client.put(f"{NSG}/securityRules/b", RULE).status_code == 201


def test_the_success_is_logged_when_provisioning_ends(sandbox: Sandbox) -> None:
    sandbox.slow("Microsoft.Network/virtualNetworks", 60)
    sandbox.patch(VNET, {"tags": {}})
    assert [event["status"]["value"] for event in sandbox.events()] == ["Accepted", "Started"]
    sandbox.advance(100)
    ended = sandbox.events()[0]
    assert ended["status"]["value"] == "Succeeded"
    assert ended["eventTimestamp"] == "2026-10-01T12:01:00.0000000Z"


def test_a_type_without_provisioning_answers_with_its_last_state(client: Client) -> None:
    answer = client.send("PATCH", ACCOUNT, {"tags": {}}, api="2024-01-01")
    assert answer.json() == client.get(ACCOUNT, api="2024-01-01").json()
    assert "Azure-AsyncOperation" not in answer.headers


def test_within_the_process_a_refusal_is_an_error_with_arms_words(sandbox: Sandbox) -> None:
    sandbox.slow("Microsoft.Network/virtualNetworks", 60)
    sandbox.patch(VNET, {"tags": {}})
    with pytest.raises(WrongUse, match="409 AnotherOperationInProgress"):
        sandbox.patch(VNET, {"tags": {}})
