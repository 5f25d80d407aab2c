"""Resources in any number for benchmarks: mixed types, mostly of the network with ETags, each of about a given size."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from driftguard.errors import WrongUse
from driftguard.sandbox.estate_parts import LOCATION, fixed_guid, group_id, tracked

Json = Any  # what json.loads gives
_PER_GROUP = 500
# One in ten of each: seven of the network, one machine disk, one storage account, one workspace.
_TYPES = (
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Network/routeTables",
    "Microsoft.Network/publicIPAddresses",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Network/applicationSecurityGroups",
    "Microsoft.Network/routeTables",
    "Microsoft.Compute/disks",
    "Microsoft.Network/ipGroups",
    "Microsoft.OperationalInsights/workspaces",
)


def many(n: int, size: int = 3000) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """(id, body) of `n` resources and their groups; a body is about `size` bytes of JSON. Raises WrongUse for n < 0."""
    if n < 0 or size < 0:
        raise WrongUse(f"not a number of resources: {n} of {size} bytes", "give numbers from 0 up")
    for number in range(n):
        group = group_id(f"rg-many-{number // _PER_GROUP:03}")
        if number % _PER_GROUP == 0:
            yield group, {"location": LOCATION}
        resource_type = _TYPES[number % len(_TYPES)]
        yield f"{group}/providers/{resource_type}/many{number:06}", _body(resource_type, number, size)


def _body(resource_type: str, number: int, size: int) -> dict[str, Json]:
    """A body that is filled up to the size with what the type has many of."""
    body = tracked({"resourceGuid": fixed_guid(f"many {number}"), **_FIXED.get(resource_type, {})})
    collection, element = _FILLERS.get(resource_type, ("notes", _note))
    # What reading adds to a body: id, name, type, ETag, state, defaults.
    room = size - len(json.dumps(body)) - _ADDED.get(resource_type, 420)
    each = len(json.dumps(element(999))) + _ADDED_TO_CHILD.get(resource_type, 0)
    body["properties"][collection] = [element(index) for index in range(max(1, room // each))]
    return body


def _rule(index: int) -> dict[str, Json]:
    properties = {
        "protocol": "Tcp",
        "sourcePortRange": "*",
        "destinationPortRange": str(1000 + index),
        "sourceAddressPrefix": f"10.{index // 250}.{index % 250}.0/24",
        "destinationAddressPrefix": "*",
        "access": "Allow",
        "priority": 100 + index,
        "direction": "Inbound",
    }
    return {"name": f"rule-{index:04}", "properties": properties}


def _route(index: int) -> dict[str, Json]:
    properties = {"addressPrefix": f"10.{index // 250}.{index % 250}.0/24", "nextHopType": "VnetLocal"}
    return {"name": f"route-{index:04}", "properties": properties}


def _address(index: int) -> str:
    return f"10.{index // 62500}.{index // 250 % 250}.{index % 250}"


def _note(index: int) -> dict[str, Json]:
    return {"name": f"entry-{index:04}", "value": f"value number {index}", "enabled": index % 2 == 0}


_FILLERS: dict[str, tuple[str, Any]] = {
    "Microsoft.Network/networkSecurityGroups": ("securityRules", _rule),
    "Microsoft.Network/routeTables": ("routes", _route),
    "Microsoft.Network/ipGroups": ("ipAddresses", _address),
}
_FIXED: dict[str, dict[str, Json]] = {
    "Microsoft.Network/networkSecurityGroups": {"defaultSecurityRules": []},
}
_ADDED = {"Microsoft.Storage/storageAccounts": 640}
_ADDED_TO_CHILD = {"Microsoft.Network/networkSecurityGroups": 460, "Microsoft.Network/routeTables": 380}
