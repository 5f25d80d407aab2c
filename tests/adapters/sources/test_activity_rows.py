"""How rows of the Activity Log become events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from driftguard.adapters.sources.activity_claims import CLIENTS, caller_of
from driftguard.adapters.sources.activity_rows import NotARow, events_of, row_of
from driftguard.flow.attribute import Event

START = datetime(2026, 10, 1, 10, 0, tzinfo=UTC)
NSG = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/RG/providers/Microsoft.Network/networkSecurityGroups/n"
UPN = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
OID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
SCOPE = "http://schemas.microsoft.com/identity/claims/scope"
PORTAL = "c44b4083-3bb0-49c1-b47d-974e53cbdf3c"
ASSIGNMENT = "/subscriptions/x/providers/Microsoft.Authorization/policyAssignments/deploy-logs"


def raw(status: str = "Succeeded", after: float = 0, **changes: Any) -> dict[str, Any]:
    """A row in the documented form."""
    return {
        "eventDataId": f"e-{status}-{after}",
        "operationId": "op-1",
        "correlationId": "c-1",
        "eventTimestamp": (START + timedelta(seconds=after)).isoformat().replace("+00:00", "Z"),
        "operationName": {"value": "Microsoft.Network/networkSecurityGroups/write", "localizedValue": "Write"},
        "category": {"value": "Administrative", "localizedValue": "Administrative"},
        "status": {"value": status},
        "resourceId": NSG,
        "caller": "anna@contoso.com",
        "claims": {"appid": PORTAL, UPN: "anna@contoso.com", OID: "0A-1", "ipaddr": "198.51.100.1"},
        **changes,
    }


def events(*raws: Any) -> list[Event]:
    return events_of(row for row in map(row_of, raws) if row is not None)


def test_one_operation_is_one_event_at_the_time_of_its_start() -> None:
    started = raw("Started", 0, httpRequest={"clientIpAddress": "203.0.113.9"})
    (event,) = events(raw("Succeeded", 7), raw("Accepted", 2), started)
    assert event == Event(
        source="activity-log",
        id="e-Started-0",
        resource=NSG.lower(),
        operation="Microsoft.Network/networkSecurityGroups/write",
        at=START,
        caller="anna@contoso.com",
        object_id="0a-1",
        app_id=PORTAL,
        is_person=True,
        client="Azure portal",
        correlation_id="c-1",
        category="Administrative",
        client_ip="203.0.113.9",
    )


def test_the_casing_of_ids_and_statuses_and_seven_digits_do_not_matter() -> None:
    started = raw("started", resourceId=NSG.upper() + "/", eventTimestamp="2026-10-01T10:00:00.1234567Z")
    (event,) = events(started, raw("SUCCEEDED", 3))
    assert event.at == START + timedelta(microseconds=123456) and event.category == "Administrative"


def test_an_operation_that_failed_before_it_was_accepted_is_no_change() -> None:
    assert events(raw("Started"), raw("Failed", 1)) == []
    assert events(raw("Started"), raw("Canceled", 1)) == []


@pytest.mark.parametrize("end", ["Failed", "Canceled"])
def test_an_operation_that_was_accepted_may_have_left_a_change_behind_and_says_how_it_ended(end: str) -> None:
    (event,) = events(raw("Started"), raw("Accepted", 1), raw(end, 2))
    assert (event.at, event.category, event.is_person) == (START, "Administrative, failed", True)
    (event,) = events(raw(end, 2), raw("Accepted", 1, category={"value": "Policy"}))
    assert event.category == "Policy, failed"


@pytest.mark.parametrize("status", ["Started", "Accepted", "", "Something new"])
def test_an_operation_whose_end_is_not_known_counts_as_a_change_and_says_so(status: str) -> None:
    (event,) = events(raw(status))
    assert event.category == "Administrative, end not known"


def test_operations_are_told_apart_by_operation_name_and_resource() -> None:
    found = events(
        raw(),
        raw(operationId="op-2"),
        raw(resourceId=f"{NSG}/securityRules/r"),
        raw(operationName={"value": "Microsoft.Network/networkSecurityGroups/delete"}),
    )
    assert len(found) == 4


def test_without_an_operation_id_the_correlation_id_joins() -> None:
    without: dict[str, Any] = {"operationId": None}
    assert len(events(raw("Started", **without), raw("Succeeded", 1, **without))) == 1
    nothing: dict[str, Any] = {"operationId": None, "correlationId": ""}
    assert len(events(raw("Started", **nothing), raw("Succeeded", 1, **nothing))) == 2


@pytest.mark.parametrize(
    ("operation", "category"),
    [
        ("Microsoft.Network/networkSecurityGroups/read", "Administrative"),
        ("Microsoft.Storage/storageAccounts/listKeys/action", "Administrative"),
        ("Microsoft.Resources/deployments/validate/action", "Administrative"),
        ("Microsoft.Resources/deployments/whatIf/action", "Administrative"),
        ("Microsoft.Authorization/policies/audit/action", "Policy"),
        ("Microsoft.Authorization/policies/deny/action", "Policy"),
        ("Microsoft.Authorization/policies/auditIfNotExists/action", "Policy"),
        ("Microsoft.Authorization/policies/modify/action", "Policy"),
        ("Microsoft.ServiceHealth/incident/action", "ServiceHealth"),
        ("Microsoft.Resourcehealth/healthevent/Activated/action", "ResourceHealth"),
        ("Microsoft.Advisor/recommendations/available/action", "Recommendation"),
        ("Microsoft.Insights/AlertRules/Activated/Action", "Alert"),
        ("", "Administrative"),
    ],
)
def test_reads_evaluations_and_notices_are_no_changes(operation: str, category: str) -> None:
    assert events(raw(operationName={"value": operation}, category={"value": category})) == []


@pytest.mark.parametrize(
    "operation",
    [
        "Microsoft.Network/networkSecurityGroups/delete",
        "Microsoft.Web/sites/restart/Action",
        "Microsoft.Storage/storageAccounts/regenerateKey/action",
        "MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/WRITE",
    ],
)
def test_writes_deletes_and_actions_are_changes(operation: str) -> None:
    assert [event.operation for event in events(raw(operationName=operation))] == [operation]


def test_an_autoscale_event_is_of_the_scaled_resource_and_of_no_person() -> None:
    scale_set = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/web"
    (event,) = events(
        raw(
            category={"value": "Autoscale"},
            operationName={"value": "Microsoft.Insights/AutoscaleSettings/Scaleup/Action"},
            caller="Microsoft.Insights/autoscaleSettings",
            claims={},
            properties={"ResourceName": scale_set, "OldInstancesCount": "1"},
        )
    )
    assert (event.resource, event.category, event.is_person) == (scale_set.lower(), "Autoscale", False)
    assert event.caller == "Microsoft.Insights/autoscaleSettings"


def test_the_identity_of_a_policy_assignment_is_azure_policy() -> None:
    (event,) = events(raw(caller="oid", claims={"appid": "app-1", "idtyp": "app", "xms_mirid": ASSIGNMENT}))
    assert (event.category, event.is_person, event.client) == ("Policy", False, "managed identity deploy-logs")


@pytest.mark.parametrize(
    ("claims", "caller", "is_person"),
    [
        ({UPN: "a@b.c"}, "a@b.c", True),
        ({"upn": "a@b.c"}, "", True),
        ({"idtyp": "user", "appid": "x"}, "", True),
        ({SCOPE: "user_impersonation", "appid": "x"}, "", True),
        ({"scp": "openid user_impersonation"}, "", True),
        ({UPN: "a@b.c", "idtyp": "app"}, "", True),
        ({"idtyp": "app", "appid": "x"}, "some-oid", False),
        ({"xms_mirid": "/subscriptions/s/x"}, "some-oid", False),
        ({"appid": "x"}, "some-oid", False),
        ({}, "anna@contoso.com", True),
        ({"idtyp": "app"}, "anna@contoso.com", False),
        ({}, "some-oid", None),
        ({}, "", None),
        ({"appid": 7, UPN: None}, "", None),
    ],
)
def test_who_is_a_person(claims: dict[str, object], caller: str, is_person: bool | None) -> None:
    assert caller_of(claims, caller).is_person is is_person


def test_known_clients_have_a_name_in_any_casing_and_unknown_ones_none() -> None:
    assert caller_of({"appid": PORTAL.upper()}, "").client == "Azure portal"
    assert caller_of({"appid": "00000000-1111-2222-3333-444444444444"}, "").client == ""
    assert all(app_id == app_id.lower() and len(app_id) == 36 for app_id in CLIENTS)


def test_the_caller_falls_back_to_the_rows_text_and_the_application() -> None:
    assert events(raw(claims={"appid": "app-1"}, caller="spn"))[0].caller == "spn"
    assert events(raw(claims={"appid": "app-1"}, caller=None))[0].caller == "app-1"
    assert events(raw(claims=None, caller=None))[0].caller == ""


@pytest.mark.parametrize("strange", [None, 7, "x", [], raw(eventTimestamp=None), raw(eventTimestamp="soon")])
def test_a_row_of_no_known_form_is_an_error(strange: object) -> None:
    with pytest.raises(NotARow):
        row_of(strange)


def test_a_row_about_no_resource_is_no_change_of_one() -> None:
    assert row_of({}) is None and row_of(raw(resourceId=None)) is None


def test_texts_from_outside_come_printable_and_short() -> None:
    (event,) = events(raw(caller="a\x1b[2J" + "x" * 5000, claims={}))
    assert event.caller.isprintable() and len(event.caller) <= 256
