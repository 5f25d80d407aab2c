"""Subscriptions, providers, the generic list and the lists of a type."""

from __future__ import annotations

from datetime import timedelta

import pytest

from driftguard.sandbox import SUBSCRIPTION, TENANT, Sandbox, many
from tests.simulators.sandbox_client import ACCOUNT, NETWORK, START, SUB, VNET, Client


def test_a_subscription_names_its_tenant(client: Client) -> None:
    body = client.get(SUB, api="2022-12-01").json()
    assert (body["subscriptionId"], body["tenantId"], body["state"]) == (SUBSCRIPTION, TENANT, "Enabled")
    listed = client.get("/subscriptions", api="2022-12-01").json()["value"]
    assert [it["subscriptionId"] for it in listed] == [SUBSCRIPTION]


def test_providers_list_api_versions_newest_first_with_previews(client: Client) -> None:
    body = client.get(f"{SUB}/providers/microsoft.keyvault", api="2021-04-01").json()
    assert (body["namespace"], body["registrationState"]) == ("Microsoft.KeyVault", "Registered")
    vaults = next(it for it in body["resourceTypes"] if it["resourceType"] == "vaults")
    assert vaults["apiVersions"] == sorted(vaults["apiVersions"], reverse=True)
    assert vaults["apiVersions"][0].endswith("-preview")
    assert vaults["defaultApiVersion"] == "2025-05-01"
    everything = client.get(f"{SUB}/providers", api="2021-04-01").json()["value"]
    assert body in everything


def test_every_type_of_the_estate_has_a_provider(sandbox: Sandbox) -> None:
    for resource_id in sandbox.ids():
        assert sandbox.call("GET", resource_id).status == 200, resource_id


def test_an_unknown_provider_is_refused(client: Client) -> None:
    answer = client.get(f"{SUB}/providers/Microsoft.Nothing", api="2021-04-01")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "InvalidResourceNamespace")


def test_the_generic_list_shows_tracked_top_level_resources_without_properties(client: Client) -> None:
    rows = client.get(f"{SUB}/resources", api="2021-04-01").json()["value"]
    types = {row["type"] for row in rows}
    assert len(rows) >= 35 and len(types) >= 18
    assert all(row["type"].count("/") == 1 for row in rows)
    assert "Microsoft.Authorization/locks" not in types and "Microsoft.Resources/resourceGroups" not in types
    assert not any({"properties", "etag"} & set(row) for row in rows)


def test_the_list_of_a_group_shows_only_its_resources(client: Client) -> None:
    rows = client.get(f"{SUB}/resourceGroups/RG-shop-data/resources", api="2021-04-01").json()["value"]
    assert rows and all("/rg-shop-data/" in row["id"] for row in rows)
    missing = client.get(f"{SUB}/resourceGroups/none/resources", api="2021-04-01")
    assert missing.json()["error"]["code"] == "ResourceGroupNotFound"


def test_next_links_lead_through_the_whole_list(client: Client) -> None:
    everything = client.get(f"{SUB}/resources", api="2021-04-01").json()["value"]
    page = client.get(f"{SUB}/resources", api="2021-04-01", query={"$top": "10"}).json()
    rows = page["value"]
    while "nextLink" in page:
        assert page["nextLink"].startswith(client.sandbox.endpoint)
        page = client.get(page["nextLink"], api=None).json()
        assert len(page["value"]) <= 10
        rows += page["value"]
    assert rows == everything


def test_the_page_size_is_a_setting(sandbox: Sandbox) -> None:
    small = Sandbox(many(25), page=10)
    page = small.call("GET", f"{SUB}/resources").body
    assert len(page["value"]) == 10
    assert "nextLink" in page


def test_a_filter_on_the_type_is_known_and_any_other_refused(client: Client) -> None:
    query = {"$filter": "resourceType eq 'microsoft.network/virtualnetworks'"}
    rows = client.get(f"{SUB}/resources", api="2021-04-01", query=query).json()["value"]
    assert [row["id"] for row in rows] == [VNET]
    refused = client.get(f"{SUB}/resources", api="2021-04-01", query={"$filter": "changedTime gt '2026-01-01'"})
    assert refused.status_code == 400


def test_expand_adds_times_and_the_changed_time_runs_ten_minutes_behind(client: Client, sandbox: Sandbox) -> None:
    query = {
        "$expand": "createdTime,changedTime,provisioningState",
        "$filter": "resourceType eq 'Microsoft.Web/serverfarms'",
    }
    row = client.get(f"{SUB}/resources", api="2021-04-01", query=query).json()["value"][0]
    created = START - timedelta(days=30)
    assert row["createdTime"].startswith(f"{created:%Y-%m-%dT%H:%M:%S}")
    assert row["changedTime"].startswith(f"{created + timedelta(minutes=10):%Y-%m-%dT%H:%M:%S}")
    assert row["provisioningState"] == "Succeeded"


def test_the_list_of_a_type_shows_each_etag_in_the_body(client: Client) -> None:
    listed = client.get(f"{NETWORK}/networkSecurityGroups").json()["value"]
    assert len(listed) == 3
    assert listed[0] == client.get(listed[0]["id"]).json()
    whole = client.get(f"{SUB}/providers/Microsoft.Network/networkSecurityGroups").json()["value"]
    assert whole == listed


def test_the_list_of_embedded_children_and_of_groups(client: Client) -> None:
    subnets = client.get(f"{VNET}/subnets").json()["value"]
    assert [it["name"] for it in subnets] == ["web", "app", "data"]
    assert subnets[0] == client.get(f"{VNET}/subnets/web").json()
    groups = client.get(f"{SUB}/resourcegroups", api="2021-04-01").json()["value"]
    assert [it["name"] for it in groups] == ["rg-shop-network", "rg-shop-app", "rg-shop-data"]


def test_a_path_that_is_no_resource_is_refused(client: Client) -> None:
    assert client.get("/nonsense", api="2021-04-01").status_code == 400


@pytest.mark.parametrize("api", [None, "tomorrow"])
def test_arms_own_calls_need_an_api_version_too(client: Client, api: str | None) -> None:
    assert client.get(f"{SUB}/resources", api=api).status_code == 400
    assert client.get(ACCOUNT, api=api).status_code == 400
