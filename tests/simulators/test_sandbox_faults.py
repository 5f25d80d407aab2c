"""Faults on request."""

from __future__ import annotations

import http.client
from typing import Any

import pytest
import requests

from driftguard.sandbox import Sandbox
from tests.simulators.sandbox_client import ACCOUNT, NSG, RULE, SUB, VNET, Client


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("403", "AuthorizationFailed"),
        ("404", "ResourceNotFound"),
        ("409", "AnotherOperationInProgress"),
        ("429", "SubscriptionRequestsThrottled"),
        ("500", "InternalServerError"),
        ("503", "ServerTimeout"),
    ],
)
def test_a_status_comes_with_arms_error_body(client: Client, fault: str, code: str) -> None:
    client.control("POST", "faults", {"match": VNET.upper(), "fault": fault, "retry_after": 7})
    answer = client.get(VNET)
    assert (str(answer.status_code), answer.json()["error"]["code"]) == (fault, code)
    assert answer.headers["Retry-After"] == "7"
    client.control("DELETE", "faults")
    assert client.get(VNET).status_code == 200


def test_a_fault_holds_for_its_method_its_ids_and_its_number_of_times(client: Client, sandbox: Sandbox) -> None:
    sandbox.fault("*/virtualnetworks/*", "500", method="GET", times=2)
    assert client.get(f"{SUB}/resourceGroups/rg-shop-app", api="2021-04-01").status_code == 200
    assert client.send("PATCH", VNET, {"tags": {}}).status_code == 200
    assert [client.get(VNET).status_code for _ in range(3)] == [500, 500, 200]


def test_the_code_can_be_chosen(client: Client, sandbox: Sandbox) -> None:
    sandbox.fault(VNET, "404", code="ResourceGroupNotFound")
    assert client.get(VNET).json()["error"]["code"] == "ResourceGroupNotFound"


def test_a_write_whose_answer_was_lost_was_carried_out(client: Client, sandbox: Sandbox) -> None:
    sandbox.fault(NSG, "500", method="PUT", times=1, after=True)
    assert client.put(f"{NSG}/securityRules/x", RULE).status_code == 500
    assert client.get(f"{NSG}/securityRules/x").status_code == 200


def test_a_fault_without_after_changes_nothing(client: Client, sandbox: Sandbox) -> None:
    sandbox.fault(NSG, "503", method="PUT")
    client.put(f"{NSG}/securityRules/x", RULE)
    assert sandbox.get(f"{NSG}/securityRules/x") is None


@pytest.mark.parametrize(
    ("fault", "content_type", "start"),
    [
        ("html", "text/html", b"<!DOCTYPE html>"),
        ("empty", "application/json", b""),
        ("not-object", "application/json", b"[]"),
        ("huge", "application/json", b'{"properties":{"text":"xxx'),
    ],
)
def test_an_answer_that_is_not_arms_has_status_200(client: Client, fault: str, content_type: str, start: bytes) -> None:
    client.control("POST", "faults", {"match": VNET, "fault": fault, "size": 200_000})
    answer = client.get(VNET)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
    assert answer.content.startswith(start)
    assert len(answer.content) > 200_000 if fault == "huge" else len(answer.content) < 200


def test_half_a_body_ends_before_its_length(sandbox: Sandbox) -> None:
    sandbox.fault(VNET, "half-body")
    connection = http.client.HTTPConnection(sandbox.endpoint.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", f"{VNET}?api-version=2024-05-01", headers={"Authorization": "Bearer pipeline"})
        answer = connection.getresponse()
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
    finally:
        connection.close()


def test_a_hanging_request_times_out_and_ends_with_the_sandbox(client: Client, sandbox: Sandbox) -> None:
    sandbox.fault(VNET, "hang", times=1)
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.get(VNET, timeout=0.1)
    assert client.get(VNET).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"match": "/", "fault": "418"},
        {"match": "/", "fault": "500", "times": "two"},
        {"match": "/", "default": "500"},
    ],
)
def test_an_unknown_fault_is_refused(client: Client, body: dict[str, Any]) -> None:
    answer = client.control("POST", "faults", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "WrongUse")


def test_faults_do_not_disturb_the_verbs_within_the_process(sandbox: Sandbox) -> None:
    sandbox.fault("/", "500")
    assert sandbox.get(ACCOUNT) is not None
    sandbox.clear_faults()
