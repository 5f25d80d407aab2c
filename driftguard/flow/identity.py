"""Which property tells the elements of a list apart.

Rules:
- A list has an identity where every element is an object with the same identity property, and the values are unique
  without regard to case. The first such property of `IDENTITY_PROPERTIES` is taken.
- A list whose order means something has none, whatever its elements hold.
- Elements of a list without an identity are told apart by index.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from driftguard.flow.path import Element, Step

IDENTITY_PROPERTIES = ("name", "id", "key", "lun", "locationName", "objectId", "category", "ipv4Address", "ipv6Address")

# Documented as processed in the order given: URL path maps of Application Gateway, init containers of container groups
# and Container Apps.
_ORDERED_LISTS = frozenset({"pathrules", "initcontainers"})


def identity_of(element: dict[str, Any], key: str) -> str | None:
    """The element's identity under `key` as text, or None where it has no usable one."""
    value = element.get(key)
    if type(value) is str:
        return value or None
    return str(value) if type(value) is int and -(2**63) <= value < 2**63 else None


def has_identity(items: list[Any], key: str) -> bool:
    """Whether `key` tells all elements of the list apart."""
    seen = set()
    for item in items:
        value = identity_of(item, key) if type(item) is dict else None
        if value is None:
            return False
        seen.add(value.lower())
    return len(seen) == len(items)


def identity_keys(name: str, *lists: list[Any]) -> Iterator[str]:
    """The identity properties, best first, that tell the elements of each list apart; `name` is the lists' property."""
    if name.lower() not in _ORDERED_LISTS:
        yield from (key for key in IDENTITY_PROPERTIES if all(has_identity(items, key) for items in lists))


def identity_key(name: str, *lists: list[Any]) -> str | None:
    """The best of `identity_keys`, or None where elements are told apart by index only."""
    return next(identity_keys(name, *lists), None)


def element_steps(name: str, items: list[Any]) -> Iterator[tuple[Step, Any]]:
    """Each element of the list with the step that leads to it."""
    key = identity_key(name, items) if items else None
    for index, item in enumerate(items):
        yield (index if key is None else Element(key, str(item[key]))), item
