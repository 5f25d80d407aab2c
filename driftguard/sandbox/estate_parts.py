"""What the files of the default estate share: the scope, and how an id is put together."""

from __future__ import annotations

import uuid
from typing import Any

Json = Any  # what json.loads gives
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
TENANT = "22222222-2222-2222-2222-222222222222"
OTHER_SUBSCRIPTION = "33333333-3333-3333-3333-333333333333"
OTHER_TENANT = "44444444-4444-4444-4444-444444444444"
LOCATION = "westeurope"
NETWORK, APP, DATA = "rg-shop-network", "rg-shop-app", "rg-shop-data"
GROUPS = (NETWORK, APP, DATA)
TAGS = {"environment": "prod", "team": "shop", "costCenter": "4711"}
MADE_AT = "2026-01-15T08:30:00.0000000Z"


def group_id(group: str, subscription: str = SUBSCRIPTION) -> str:
    """The id of a resource group."""
    return f"/subscriptions/{subscription}/resourceGroups/{group}"


def resource_id(group: str, path: str) -> str:
    """The id of a resource in a group; `path` is such as `Microsoft.Network/virtualNetworks/vnet-shop`."""
    return f"{group_id(group)}/providers/{path}"


def fixed_guid(text: str) -> str:
    """A GUID that is the same for the same text."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "estate:" + text))


def tracked(properties: dict[str, Json], **more: Json) -> dict[str, Json]:
    """The body of a tracked resource: location, tags, properties, and what else it has (sku, kind, identity, zones)."""
    return {"location": LOCATION, "tags": dict(TAGS), **more, "properties": properties}
