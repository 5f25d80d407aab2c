"""The verbs on a resource over HTTP: bodies, ETag forms, conditions and refusals."""

from __future__ import annotations

import json
import re

import pytest

from driftguard.sandbox import Sandbox
from driftguard.sandbox.etags import form_of, normal
from tests.simulators.sandbox_client import (
    ACCOUNT,
    DATA,
    IP_GROUP,
    MACHINE,
    NETWORK,
    NSG,
    RULE,
    SITE,
    SUB,
    VNET,
    ZONE,
    Client,
)

GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def test_a_network_resource_shows_its_weak_etag_in_header_body_and_children(client: Client) -> None:
    answer = client.get(VNET)
    etag = answer.headers["ETag"]
    assert re.fullmatch(f'W/"{GUID}"', etag)
    assert answer.json()["etag"] == etag
    subnet = answer.json()["properties"]["subnets"][0]
    assert subnet["etag"] == etag
    assert subnet["id"] == f"{VNET}/subnets/web"
    assert subnet["type"] == "Microsoft.Network/virtualNetworks/subnets"
    assert subnet["properties"]["provisioningState"] == "Succeeded"


@pytest.mark.parametrize(
    ("path", "api", "header", "field", "body"),
    [
        (IP_GROUP, "2024-05-01", f'"{GUID}"', "etag", GUID),
        (ZONE, "2018-05-01", GUID, "etag", GUID),
        (f"{ZONE}/A/www", "2018-05-01", GUID, "etag", GUID),
        (MACHINE, "2024-07-01", r'"\d+"', "etag", r'"\d+"'),
        (MACHINE, "2023-09-01", None, "etag", None),
        (SITE, "2024-04-01", r'"[0-9A-F]{15}"', "etag", None),
        (f"{DATA}/Microsoft.Search/searchServices/srch-shop", "2025-05-01", None, "etag", None),
        (ACCOUNT, "2024-01-01", None, "etag", None),
        (f"{DATA}/Microsoft.KeyVault/vaults/kv-shop-prod", "2023-07-01", None, "etag", None),
    ],
)
def test_each_type_shows_its_etag_in_its_own_form(
    client: Client, path: str, api: str, header: str | None, field: str, body: str | None
) -> None:
    answer = client.get(path, api=api)
    assert answer.status_code == 200
    for pattern, text in ((header, answer.headers.get("ETag")), (body, answer.json().get(field))):
        assert text is None if pattern is None else text is not None and re.fullmatch(pattern, text)


@pytest.mark.parametrize(
    ("path", "api"),
    [
        (f"{DATA}/Microsoft.Search/searchServices/srch-shop", "2025-05-01"),
        (
            f"{SUB}/resourceGroups/rg-shop-app/providers/Microsoft.ContainerService/managedClusters/aks-shop/agentPools/system",
            "2025-02-01",
        ),
    ],
)
def test_some_types_keep_the_etag_in_their_properties(client: Client, path: str, api: str) -> None:
    answer = client.get(path, api=api)
    assert answer.json()["properties"]["eTag"]
    assert "etag" not in answer.json()
    assert "ETag" not in answer.headers


def test_a_type_takes_the_form_of_the_nearest_row_of_the_table() -> None:
    assert form_of("MICROSOFT.NETWORK/virtualNetworks/subnets").body == 'W/"{}"'
    assert form_of("Microsoft.ApiManagement/service/apis/operations").header == '"{}"'
    assert form_of("Microsoft.Network/frontDoors").header == ""
    assert normal('W/"1"') == normal('"1"') == normal("1") == "1"


def test_put_creates_and_replaces_and_the_etag_moves(client: Client) -> None:
    path = f"{NETWORK}/routeTables/rt-new"
    created = client.put(path, {"location": "westeurope", "tags": {"a": "1"}})
    assert created.status_code == 201
    first = client.get(path)
    replaced = client.put(path, {"location": "westeurope"})
    second = client.get(path)
    assert replaced.status_code == 200
    assert "tags" not in second.json()
    assert first.headers["ETag"] != second.headers["ETag"]
    assert second.json()["properties"]["routes"] == []


def test_a_body_that_was_read_can_be_put_back_unchanged(client: Client) -> None:
    before = client.get(VNET)
    assert client.put(VNET, before.json()).status_code == 200
    after = client.get(VNET)
    old, new = normal(before.headers["ETag"]), normal(after.headers["ETag"])
    assert old != new
    assert json.loads(before.text.replace(old, new)) == after.json()


def test_patch_merges_and_null_removes(client: Client) -> None:
    answer = client.send("PATCH", ACCOUNT, {"tags": {"owner": "anna", "team": None}}, api="2024-01-01")
    assert answer.status_code == 200
    assert answer.json()["tags"] == {"environment": "prod", "costCenter": "4711", "owner": "anna"}
    assert client.get(ACCOUNT, api="2024-01-01").json()["properties"]["accessTier"] == "Hot"


def test_read_only_properties_are_not_written(client: Client) -> None:
    body = client.get(ACCOUNT, api="2024-01-01").json()
    body["properties"]["creationTime"] = "1999-01-01T00:00:00Z"
    body["properties"]["primaryEndpoints"] = {}
    client.put(ACCOUNT, body, api="2024-01-01")
    after = client.get(ACCOUNT, api="2024-01-01").json()["properties"]
    assert after["creationTime"].startswith("2026-")
    assert after["primaryEndpoints"]["blob"] == "https://stshopdata.blob.core.windows.net/"


def test_a_child_put_by_its_own_id_stands_in_its_parent_and_moves_the_parents_etag(client: Client) -> None:
    before = client.get(NSG).headers["ETag"]
    assert client.put(f"{NSG}/securityRules/open-ssh", RULE).status_code == 201
    parent, child = client.get(NSG), client.get(f"{NSG}/securityRules/OPEN-SSH")
    assert parent.headers["ETag"] != before
    assert child.headers["ETag"] == parent.headers["ETag"]
    assert child.json() in parent.json()["properties"]["securityRules"]
    assert client.send("DELETE", f"{NSG}/securityRules/open-ssh").status_code == 200
    names = [rule["name"] for rule in client.get(NSG).json()["properties"]["securityRules"]]
    assert names == ["allow-https", "allow-probe"]


def test_a_lock_extends_any_resource_and_forbids_writes_and_deletes_below(client: Client) -> None:
    lock = f"{VNET}/providers/Microsoft.Authorization/locks/no-change"
    body = {"properties": {"level": "ReadOnly"}}
    assert client.put(lock, body, api="2020-05-01").status_code == 201
    assert client.get(lock, api="2020-05-01").json()["type"] == "Microsoft.Authorization/locks"
    refused = client.put(f"{VNET}/subnets/new", {"properties": {"addressPrefix": "10.20.9.0/24"}})
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "ScopeLocked"
    assert refused.headers["x-ms-failure-cause"] == "gateway"
    assert client.send("DELETE", f"{SUB}/resourceGroups/rg-shop-network", api="2021-04-01").status_code == 409
    client.send("DELETE", lock, api="2020-05-01")
    assert client.put(f"{VNET}/subnets/new", {"properties": {"addressPrefix": "10.20.9.0/24"}}).status_code == 201


@pytest.mark.parametrize(
    ("headers", "exists", "status"),
    [
        ({}, True, 200),
        ({"If-Match": ""}, True, 200),
        ({"If-Match": "*"}, True, 200),
        ({"If-Match": "current"}, True, 200),
        ({"If-Match": "unquoted"}, True, 200),
        ({"If-Match": '"wrong"'}, True, 412),
        ({"If-None-Match": "*"}, True, 412),
        ({}, False, 201),
        ({"If-Match": "*"}, False, 412),
        ({"If-Match": '"wrong"'}, False, 412),
        ({"If-None-Match": "*"}, False, 201),
    ],
)
def test_put_follows_the_table_of_conditions(
    client: Client, headers: dict[str, str], exists: bool, status: int
) -> None:
    path = f"{NETWORK}/publicIPAddresses/pip-{'web' if exists else 'new'}"
    if "current" in headers.values() or "unquoted" in headers.values():
        current = client.get(path).headers["ETag"]
        headers = {"If-Match": current if headers["If-Match"] == "current" else normal(current)}
    answer = client.put(path, {"location": "westeurope"}, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("method", "condition", "exists", "status"),
    [
        ("PATCH", '"wrong"', False, 404),
        ("PATCH", "*", False, 404),
        ("PATCH", '"wrong"', True, 412),
        ("PATCH", "*", True, 200),
        ("DELETE", '"wrong"', False, 204),
        ("DELETE", "*", False, 204),
        ("DELETE", '"wrong"', True, 412),
        ("DELETE", "*", True, 200),
    ],
)
def test_patch_and_delete_follow_the_table_of_conditions(
    client: Client, method: str, condition: str, exists: bool, status: int
) -> None:
    path = f"{NETWORK}/publicIPAddresses/pip-{'web' if exists else 'new'}"
    body: object = {"tags": {}} if method == "PATCH" else None
    assert client.send(method, path, body, headers={"If-Match": condition}).status_code == status


def test_a_412_of_the_network_is_as_recorded(client: Client) -> None:
    current = client.get(VNET).headers["ETag"]
    error = client.put(VNET, {"location": "westeurope"}, headers={"If-Match": "invalid"}).json()["error"]
    assert error["code"] == "PreconditionFailed"
    assert error["message"] == "Precondition failed."
    assert error["details"][0]["code"] == "PreconditionFailedEtagMismatch"
    assert f'header W/"invalid" does not match etag {current} of resource {VNET}' in error["details"][0]["message"]


def test_a_412_of_a_machine_and_of_dns_are_as_recorded(client: Client) -> None:
    wrong = {"If-Match": '"77"'}
    machine = client.send("PATCH", MACHINE, {"tags": {}}, api="2024-07-01", headers=wrong).json()["error"]
    assert re.fullmatch(
        r'Etag provided in if-match header "77" does not match etag "\d+" of resource.', machine["message"]
    )
    zone = client.send("PATCH", ZONE, {"tags": {}}, api="2018-05-01", headers=wrong).json()
    assert zone == {
        "code": "PreconditionFailed",
        "message": "The Zone shop.contoso.com has been modified (etag mismatch).",
    }


def test_a_type_without_conditions_ignores_them_without_a_word(client: Client) -> None:
    answer = client.send("PATCH", ACCOUNT, {"tags": {}}, api="2024-01-01", headers={"If-Match": '"wrong"'})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("path", "api", "status", "code", "gateway"),
    [
        (f"{SUB}/resourceGroups/rg-none", "2021-04-01", 404, "ResourceGroupNotFound", True),
        (
            f"{SUB}/resourceGroups/rg-none/providers/Microsoft.Web/sites/x",
            "2024-04-01",
            404,
            "ResourceGroupNotFound",
            True,
        ),
        (f"{NETWORK}/virtualNetworks/none", "2024-05-01", 404, "ResourceNotFound", True),
        (f"{NETWORK}/virtualNetworks/none/subnets/x", "2024-05-01", 404, "ParentResourceNotFound", True),
        (f"{VNET}/subnets/none", "2024-05-01", 404, "NotFound", False),
        (VNET, None, 400, "MissingApiVersionParameter", True),
        (VNET, "1999-01-01", 400, "NoRegisteredProviderFound", True),
        (f"{SUB}/resourceGroups/rg-shop-app", "1999-01-01", 400, "InvalidApiVersionParameter", True),
        (f"{NETWORK}/flyingNetworks/x", "2024-05-01", 404, "InvalidResourceType", True),
        (f"{DATA}/Microsoft.Nothing/things/x", "2024-05-01", 404, "InvalidResourceNamespace", True),
    ],
)
def test_what_cannot_be_read_is_refused_as_arm_does(
    client: Client, path: str, api: str | None, status: int, code: str, gateway: bool
) -> None:
    answer = client.get(path, api=api)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert (answer.headers.get("x-ms-failure-cause") == "gateway") == gateway


def test_an_unsupported_api_version_names_those_that_are(client: Client) -> None:
    message = client.get(VNET, api="1999-01-01").json()["error"]["message"]
    assert "API version '1999-01-01' for type 'virtualNetworks'" in message
    assert "2024-05-01" in message


def test_an_older_api_version_does_not_show_newer_properties(client: Client) -> None:
    assert "privateEndpointVNetPolicies" in client.get(VNET, api="2024-05-01").json()["properties"]
    assert "privateEndpointVNetPolicies" not in client.get(VNET, api="2023-04-01").json()["properties"]


@pytest.mark.parametrize("body", [[], "text", {"properties": []}, {"properties": {"subnets": {}}}])
def test_a_body_of_the_wrong_shape_is_refused_and_changes_nothing(client: Client, body: object) -> None:
    before = client.get(VNET).text
    answer = client.put(VNET, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")
    assert client.get(VNET).text == before


def test_system_data_keeps_who_created_and_names_who_wrote_last(client: Client) -> None:
    path = f"{DATA}/Microsoft.KeyVault/vaults/kv-shop-prod"
    created = client.get(path, api="2023-07-01").json()["systemData"]
    client.send("PATCH", path, {"tags": {"x": "1"}}, api="2023-07-01", token="person-portal:anna@contoso.com")
    written = client.get(path, api="2023-07-01").json()["systemData"]
    assert written["createdBy"] == created["createdBy"]
    assert (written["lastModifiedBy"], written["lastModifiedByType"]) == ("anna@contoso.com", "User")
    assert written["lastModifiedAt"] == "2026-10-01T12:00:00.0000000Z"


def test_deleting_a_group_deletes_everything_in_it(client: Client, sandbox: Sandbox) -> None:
    group = f"{SUB}/resourceGroups/rg-shop-app"
    assert client.send("DELETE", group, api="2021-04-01").status_code == 200
    assert client.get(MACHINE, api="2024-07-01").json()["error"]["code"] == "ResourceGroupNotFound"
    assert not [it for it in sandbox.ids() if "/rg-shop-app" in it]
    assert client.put(group, {"location": "westeurope"}, api="2021-04-01").status_code == 201
    assert client.get(group, api="2021-04-01").json()["properties"]["provisioningState"] == "Succeeded"


def test_the_same_verbs_work_within_the_process(sandbox: Sandbox) -> None:
    rule = f"{NSG}/securityRules/r"
    assert sandbox.put(rule, RULE, as_="person-cli")["name"] == "r"
    sandbox.patch(rule, {"properties": {"priority": 301}})
    found = sandbox.get(rule)
    assert found is not None
    assert found["properties"]["priority"] == 301
    sandbox.delete(rule)
    assert sandbox.get(rule) is None


def test_head_answers_with_the_headers_of_get_and_no_body(client: Client) -> None:
    answer = client.send("HEAD", VNET)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["ETag"] == client.get(VNET).headers["ETag"]


def test_a_subscription_cannot_be_written(client: Client) -> None:
    assert client.put(SUB, {}, api="2022-12-01").status_code == 405
