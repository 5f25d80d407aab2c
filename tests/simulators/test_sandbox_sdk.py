"""Azure's own SDK takes the sandbox for ARM: models, pages, errors and long-running operations."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.resource.resources import ResourceManagementClient

from driftguard.sandbox import SUBSCRIPTION, Sandbox
from tests.simulators.sandbox_client import NETWORK, SUB, VNET

HTTP: dict[str, Any] = {"enforce_https": False, "retry_total": 0}


class _Token:
    def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        return AccessToken("pipeline", int(time.time()) + 3600)


@pytest.fixture
def arm(sandbox: Sandbox) -> Iterator[ResourceManagementClient]:
    with ResourceManagementClient(_Token(), SUBSCRIPTION, base_url=sandbox.endpoint) as client:
        yield client


def test_the_sdk_reads_a_resource_with_its_etag(arm: ResourceManagementClient) -> None:
    found = arm.resources.get_by_id(VNET, api_version="2024-05-01", **HTTP)
    assert found.name == "vnet-shop"
    assert found["etag"].startswith('W/"')


def test_the_sdk_follows_the_pages_of_the_generic_list(arm: ResourceManagementClient, sandbox: Sandbox) -> None:
    rows = list(arm.resources.list(top=7, **HTTP))
    assert len(rows) == len({row.id for row in rows}) == len(sandbox.call("GET", f"{SUB}/resources").body["value"])


def test_the_sdk_reads_providers_and_groups(arm: ResourceManagementClient) -> None:
    types = arm.providers.get("Microsoft.Network", **HTTP).resource_types or []
    assert "2024-05-01" in next(it.api_versions or [] for it in types if it.resource_type == "virtualNetworks")
    assert {it.name for it in arm.resource_groups.list(**HTTP)} == {"rg-shop-network", "rg-shop-app", "rg-shop-data"}


def test_the_sdk_waits_for_an_operation_to_end(arm: ResourceManagementClient) -> None:
    poller = arm.resources.begin_create_or_update_by_id(
        f"{NETWORK}/routeTables/rt-sdk",
        {"location": "westeurope"},
        api_version="2024-05-01",
        polling_interval=0,
        **HTTP,
    )
    assert poller.result()["properties"]["provisioningState"] == "Succeeded"


def test_the_sdk_understands_errors(arm: ResourceManagementClient) -> None:
    with pytest.raises(ResourceNotFoundError) as missing:
        arm.resources.get_by_id(f"{VNET}x", api_version="2024-05-01", **HTTP)
    assert missing.value.error is not None and missing.value.error.code == "ResourceNotFound"
    wrong: dict[str, Any] = {"headers": {"If-Match": '"wrong"'}}
    with pytest.raises(HttpResponseError) as conflict:
        arm.resources.begin_create_or_update_by_id(VNET, {"location": "x"}, api_version="2024-05-01", **wrong, **HTTP)
    assert conflict.value.status_code == 412
