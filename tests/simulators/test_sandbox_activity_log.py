"""The Activity Log: events, who is behind them, and the query."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from driftguard.sandbox import Sandbox
from tests.simulators.sandbox_client import ACCOUNT, EVENTS, NSG, RULE, START, VAULT, Client

API = "2015-04-01"
SINCE = (START - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
WINDOW = f"eventTimestamp ge '{SINCE}'"
UPN = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
SCOPE = "http://schemas.microsoft.com/identity/claims/scope"


def _events(client: Client, text: str = WINDOW, **query: str) -> list[dict[str, Any]]:
    answer = client.get(EVENTS, api=API, query={"$filter": text, **query})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["value"]
    return found


def test_one_operation_is_started_and_succeeded_with_the_same_ids_newest_first(client: Client) -> None:
    correlation = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
    client.send("PATCH", ACCOUNT, {"tags": {}}, api="2024-01-01", headers={"x-ms-correlation-request-id": correlation})
    succeeded, started = _events(client)
    assert [it["status"]["value"] for it in (succeeded, started)] == ["Succeeded", "Started"]
    assert started["correlationId"] == succeeded["correlationId"] == correlation
    assert started["operationId"] == succeeded["operationId"]
    assert started["operationName"]["value"] == "Microsoft.Storage/storageAccounts/write"
    assert started["httpRequest"]["method"] == "PATCH"
    assert "httpRequest" not in succeeded


def test_the_casing_of_the_resource_id_varies(client: Client) -> None:
    for _ in range(3):
        client.send("PATCH", ACCOUNT, {"tags": {}}, api="2024-01-01")
    ids = {it["resourceId"] for it in _events(client)}
    assert len(ids) == 3
    assert {it.lower() for it in ids} == {ACCOUNT.lower()}


def test_a_person_in_the_portal_is_told_by_claims(client: Client) -> None:
    client.put(f"{NSG}/securityRules/x", RULE, token="person-portal:anna@contoso.com")
    event = _events(client)[0]
    assert event["caller"] == event["claims"][UPN] == "anna@contoso.com"
    assert event["claims"]["appid"] == "c44b4083-3bb0-49c1-b47d-974e53cbdf3c"
    assert (event["claims"]["idtyp"], event["claims"][SCOPE]) == ("user", "user_impersonation")
    assert event["operationName"]["value"] == "Microsoft.Network/networkSecurityGroups/securityRules/write"


@pytest.mark.parametrize(
    ("token", "app_id"),
    [
        ("person-cli", "04b07795-8ddb-461a-bbee-02f9e1bf7b46"),
        ("pipeline", "aaaaaaaa-0001-4000-8000-000000000001"),
        ("other-pipeline", "aaaaaaaa-0002-4000-8000-000000000002"),
    ],
)
def test_each_actor_has_its_application(client: Client, token: str, app_id: str) -> None:
    client.send("PATCH", ACCOUNT, {"tags": {}}, api="2024-01-01", token=token)
    claims = _events(client)[0]["claims"]
    assert claims["appid"] == app_id
    assert (UPN in claims) == token.startswith("person")


def test_azure_policy_writes_as_a_managed_identity_and_leaves_a_row_of_its_own_category(client: Client) -> None:
    client.send("PATCH", VAULT, {"tags": {"by": "policy"}}, api="2023-07-01", token="azure-policy")
    policy, write, _ = _events(client)
    assert policy["category"]["value"] == "Policy"
    assert policy["operationName"]["value"] == "Microsoft.Authorization/policies/deployIfNotExists/action"
    assert policy["correlationId"] == write["correlationId"]
    assert "/policyAssignments/" in write["claims"]["xms_mirid"]
    assert write["claims"]["idtyp"] == "app"


def test_a_refused_write_is_logged_as_failed(client: Client) -> None:
    client.put(NSG, {"location": "westeurope"}, headers={"If-Match": '"wrong"'})
    assert [it["status"]["value"] for it in _events(client)] == ["Failed", "Started"]


def test_delete_and_action_are_logged_but_no_read(client: Client) -> None:
    client.get(ACCOUNT, api="2024-01-01")
    client.send("POST", f"{ACCOUNT}/listKeys", {}, api="2024-01-01")
    client.send("DELETE", ACCOUNT, api="2024-01-01")
    names = [it["operationName"]["value"] for it in _events(client)]
    assert names[::2] == [
        "Microsoft.Storage/storageAccounts/delete",
        "Microsoft.Storage/storageAccounts/listKeys/action",
    ]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (f"resourceUri eq '{ACCOUNT.upper()}'", 2),
        ("resourceGroupName eq 'RG-SHOP-data'", 2),
        ("resourceGroupName eq 'rg-shop-app'", 0),
        ("resourceProvider eq 'microsoft.storage'", 2),
        ("correlationId eq 'AAAAAAAA-bbbb-cccc-dddd-eeeeeeeeeeee'", 2),
    ],
)
def test_one_property_may_narrow_the_query(client: Client, condition: str, found: int) -> None:
    headers = {"x-ms-correlation-request-id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"}
    client.send("PATCH", ACCOUNT, {"tags": {}}, api="2024-01-01", headers=headers)
    assert len(_events(client, f"{WINDOW} and {condition}")) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "resourceGroupName eq 'rg'",
        f"{WINDOW} and caller eq 'anna@contoso.com'",
        f"{WINDOW} and resourceGroupName eq 'rg' and resourceProvider eq 'Microsoft.Web'",
        f"{WINDOW} or resourceGroupName eq 'rg'",
        "eventTimestamp ge 'yesterday'",
        f"eventTimestamp ge '{SINCE}' and eventTimestamp le '2020-01-01T00:00:00Z'",
        "eventTimestamp ge '2026-06-01T00:00:00Z'",
    ],
)
def test_any_other_filter_is_refused_in_the_logs_own_shape(client: Client, text: str) -> None:
    answer = client.get(EVENTS, api=API, query={"$filter": text})
    assert answer.status_code == 400
    assert set(answer.json()) == {"Code", "Message"}


def test_the_log_reaches_back_90_days(client: Client) -> None:
    old = (START - timedelta(days=91)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = client.get(EVENTS, api=API, query={"$filter": f"eventTimestamp ge '{old}'"})
    assert answer.json()["Message"] == "The start time cannot be more than 90 days in the past."


def test_pages_of_200_lead_through_all_events_without_doubles(client: Client, sandbox: Sandbox) -> None:
    for number in range(150):
        sandbox.patch(ACCOUNT, {"tags": {"n": str(number)}})
    seen: list[str] = []
    page = client.get(EVENTS, api=API, query={"$filter": WINDOW}).json()
    assert len(page["value"]) == 200
    seen += [it["eventDataId"] for it in page["value"]]
    sandbox.patch(ACCOUNT, {"tags": {}})  # what comes in between does not shift the pages
    page = client.get(page["nextLink"], api=None).json()
    seen += [it["eventDataId"] for it in page["value"]]
    assert "nextLink" not in page
    assert len(seen) == len(set(seen)) == 300


def test_select_leaves_the_named_properties_and_the_caller(client: Client) -> None:
    client.send("PATCH", ACCOUNT, {"tags": {}}, api="2024-01-01")
    assert set(_events(client, WINDOW, **{"$select": "resourceId,status"})[0]) == {"resourceId", "status", "caller"}
    refused = client.get(EVENTS, api=API, query={"$filter": WINDOW, "$select": "secrets"})
    assert refused.status_code == 400


def test_events_show_late_where_the_log_is_slow(client: Client, sandbox: Sandbox) -> None:
    client.control("POST", "activity-log", {"latency": 300})
    client.send("PATCH", ACCOUNT, {"tags": {}}, api="2024-01-01")
    assert _events(client) == []
    sandbox.advance(300)
    late = _events(client)
    assert len(late) == 2
    assert late[0]["submissionTimestamp"] > late[0]["eventTimestamp"]


def test_the_estate_has_no_events_and_holds_no_secret_of_a_token(client: Client) -> None:
    assert _events(client) == []
    client.send("PATCH", ACCOUNT, {"tags": {}}, api="2024-01-01", token="person-portal")
    assert "Bearer" not in json.dumps(_events(client))


def test_an_evaluation_is_a_row_that_changes_nothing(sandbox: Sandbox) -> None:
    before = sandbox.get(NSG)
    sandbox.evaluate(NSG, effect="audit")
    event = sandbox.events()[0]
    assert event["category"]["value"] == "Policy"
    assert event["operationName"]["value"] == "Microsoft.Authorization/policies/audit/action"
    assert sandbox.get(NSG) == before
