"""Deployments: a template's resources under one correlation id."""

from __future__ import annotations

from typing import Any

from driftguard.sandbox import Sandbox
from tests.simulators.sandbox_client import ACCOUNT, EVENTS, NETWORK, START, SUB, VNET, Client

GROUP = f"{SUB}/resourceGroups/rg-shop-network"
DEPLOYMENT = f"{GROUP}/providers/Microsoft.Resources/deployments/release-42"
ROUTES = f"{NETWORK}/routeTables/rt-new"
CORRELATION = {"x-ms-correlation-request-id": "aaaaaaaa-bbbb-cccc-dddd-000000000042"}


def _template(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"properties": {"mode": "Incremental", "template": {"resources": list(resources)}}}


def test_a_deployment_writes_its_resources_and_tells_what_it_wrote(client: Client) -> None:
    template = _template(
        {"id": ROUTES, "apiVersion": "2024-05-01", "location": "westeurope"},
        {
            "type": "Microsoft.Network/virtualNetworks/subnets",
            "name": "vnet-shop/cache",
            "apiVersion": "2024-05-01",
            "properties": {"addressPrefix": "10.20.7.0/24"},
        },
    )
    answer = client.put(DEPLOYMENT, template, api="2022-09-01", headers=CORRELATION)
    assert answer.status_code == 201
    assert answer.json()["properties"]["provisioningState"] == "Running"
    read = client.get(DEPLOYMENT, api="2022-09-01").json()["properties"]
    assert read["provisioningState"] == "Succeeded"
    assert read["correlationId"] == CORRELATION["x-ms-correlation-request-id"]
    assert read["timestamp"] == "2026-10-01T12:00:00.0000000Z"
    assert read["duration"].startswith("PT")
    assert read["outputResources"] == [{"id": ROUTES}, {"id": f"{VNET}/subnets/cache"}]
    assert client.get(f"{VNET}/subnets/cache").json()["properties"]["addressPrefix"] == "10.20.7.0/24"


def test_all_its_events_have_one_correlation_id(client: Client) -> None:
    entry = {"id": ROUTES, "apiVersion": "2024-05-01", "location": "westeurope"}
    client.put(DEPLOYMENT, _template(entry), api="2022-09-01", headers=CORRELATION)
    text = f"eventTimestamp ge '{START:%Y-%m-%dT%H:%M:%SZ}' and correlationId eq '{CORRELATION['x-ms-correlation-request-id']}'"
    events = client.get(EVENTS, api="2015-04-01", query={"$filter": text}).json()["value"]
    assert {it["operationName"]["value"] for it in events} == {
        "Microsoft.Network/routeTables/write",
        "Microsoft.Resources/deployments/write",
    }


def test_a_refused_resource_fails_the_deployment_and_what_came_before_stays(client: Client, sandbox: Sandbox) -> None:
    sandbox.fault(ACCOUNT, "409", method="PUT", code="StorageAccountOperationInProgress")
    template = _template(
        {"id": ROUTES, "apiVersion": "2024-05-01", "location": "westeurope"},
        {"id": ACCOUNT, "apiVersion": "2024-01-01", "location": "westeurope"},
        {"id": f"{NETWORK}/routeTables/rt-later", "apiVersion": "2024-05-01", "location": "westeurope"},
    )
    client.put(DEPLOYMENT, template, api="2022-09-01")
    read = client.get(DEPLOYMENT, api="2022-09-01").json()["properties"]
    assert read["provisioningState"] == "Failed"
    assert read["outputResources"] == [{"id": ROUTES}]
    assert read["error"]["code"] == "DeploymentFailed"
    assert read["error"]["details"][0]["code"] == "StorageAccountOperationInProgress"
    assert client.get(ROUTES).status_code == 200
    assert client.get(f"{NETWORK}/routeTables/rt-later").status_code == 404
    operations = client.get(f"{DEPLOYMENT}/operations", api="2022-09-01").json()["value"]
    assert [it["properties"]["provisioningState"] for it in operations] == ["Succeeded", "Failed"]


def test_a_slow_deployment_is_running_until_its_time_has_passed(client: Client, sandbox: Sandbox) -> None:
    sandbox.slow("Microsoft.Resources/deployments", 60)
    client.put(DEPLOYMENT, _template(), api="2022-09-01")
    assert client.get(DEPLOYMENT, api="2022-09-01").json()["properties"]["provisioningState"] == "Running"
    sandbox.advance(60)
    assert client.get(DEPLOYMENT, api="2022-09-01").json()["properties"]["provisioningState"] == "Succeeded"


def test_a_missing_deployment_and_a_broken_template_are_refused(client: Client) -> None:
    missing = client.get(DEPLOYMENT, api="2022-09-01")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "DeploymentNotFound")
    assert client.get(f"{DEPLOYMENT}/operations", api="2022-09-01").status_code == 404
    broken = client.put(DEPLOYMENT, {"properties": {}}, api="2022-09-01")
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, "InvalidTemplate")


def test_a_reader_deploys_nothing(client: Client) -> None:
    entry = {"id": ROUTES, "apiVersion": "2024-05-01", "location": "westeurope"}
    assert client.put(DEPLOYMENT, _template(entry), api="2022-09-01", token="reader").status_code == 403
    assert client.get(ROUTES).status_code == 404


def test_within_the_process_a_deployment_takes_the_newest_api_versions(sandbox: Sandbox) -> None:
    deployed = sandbox.deploy("release-1", [{"id": ROUTES, "location": "westeurope"}], as_="other-pipeline")
    assert deployed["id"] == f"{GROUP}/providers/Microsoft.Resources/deployments/release-1"
    assert deployed["properties"]["provisioningState"] == "Succeeded"
    assert sandbox.events()[0]["claims"]["appid"] == "aaaaaaaa-0002-4000-8000-000000000002"
