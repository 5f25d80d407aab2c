"""The default estate: a small web shop in three resource groups, in ARM's documented shapes.

Rules:
- Resources come in the order in which they can be made: what is referred to comes first.
- Every id, key and name is made up; fixed, so that two sandboxes start alike (ETags aside).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from driftguard.sandbox import estate_app, estate_data, estate_network
from driftguard.sandbox.estate_parts import (
    GROUPS,
    LOCATION,
    OTHER_SUBSCRIPTION,
    OTHER_TENANT,
    SUBSCRIPTION,
    TENANT,
    group_id,
)

Json = Any  # what json.loads gives
__all__ = ["OTHER_SUBSCRIPTION", "OTHER_TENANT", "SUBSCRIPTION", "TENANT", "TENANTS", "default_estate", "group_id"]


TENANTS = {SUBSCRIPTION: TENANT, OTHER_SUBSCRIPTION: OTHER_TENANT}


def default_estate() -> list[tuple[str, Mapping[str, Json]]]:
    """(id, body) of every resource, resource groups first."""
    groups: list[tuple[str, Mapping[str, Json]]] = [
        (group_id(name), {"location": LOCATION, "tags": {"environment": "prod", "team": "shop"}}) for name in GROUPS
    ]
    return groups + estate_network.resources() + estate_data.resources() + estate_app.resources()
