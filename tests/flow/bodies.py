"""Bodies for property tests: any JSON, leaning to what ARM answers and to what is awkward about it."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from hypothesis import strategies as st

ID = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/RG/providers/Microsoft.Network/virtualNetworks/V"

NAMES = ["name", "id", "type", "location", "tags", "properties", "subnets", "etag", "provisioningState", "systemData"]
NAMES += [
    "headers",
    "steps",
    "actions",
    "selectorId",
]  # people's own names below, and lists whose order means something
TEXTS = [
    ID,
    ID.lower(),
    "West US",
    "westus",
    "2018-02-14T06:01:52.8600Z",
    "2018-02-14T06:01:52.86",
    "::1",
    "2001:DB8::/032",
]

names = st.sampled_from([*NAMES, ID, ID.lower(), "a.b", "x"]) | st.text(max_size=4)
texts = st.sampled_from([*TEXTS, "", "Succeeded", "a", "A", "1"]) | st.text(st.characters(), max_size=4)
numbers = st.integers() | st.integers(-(2**80), 2**80) | st.floats() | st.sampled_from([0, 1, 1.0, -0.0, 2.0**60])
leaves = st.none() | st.booleans() | numbers | texts


# Deferred rather than st.recursive, whose description in a failure grows with every level.
json_values: st.SearchStrategy[Any] = st.deferred(
    lambda: leaves | leaves | lists | st.dictionaries(names, json_values, max_size=4)
)
elements = st.fixed_dictionaries(
    {"name": texts},
    optional={"properties": json_values, "id": texts, "lun": st.integers(0, 3), "selectorId": texts, "etag": texts},
)
named = st.lists(elements, max_size=4, unique_by=lambda element: str(element["name"]).lower())
lists: st.SearchStrategy[Any] = st.lists(json_values, max_size=4) | st.lists(elements, max_size=4) | named
bodies = st.dictionaries(names, json_values, max_size=5)


class TestSealer:
    """Keyed digests by two keys, so that marks of different keys can be met."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    def __init__(self, key_id: str = "k1") -> None:
        self.key_id = key_id
        self.asked: list[tuple[str, str]] = []

    def mark(self, name: str, value: str, key_id: str | None = None) -> str:
        self.asked.append((name, value))
        used = key_id or self.key_id
        message = f"{name}\0{value}".encode("utf-8", "surrogatepass")
        return f"secret:{used}:{hmac.new(used.encode(), message, hashlib.sha256).hexdigest()[:32]}"
