"""Which property tells the elements of a list apart.

Rules:
- A list has an identity where every element is an object with the same identity property, and the values are unique
  without regard to case. The first such property of `IDENTITY_PROPERTIES` is taken.
- A list whose order means something has none, whatever its elements hold. It is known by its name and, where the name
  is a common one, by a property that elements of no other list of that name have: one element that has it is enough.
- Elements of a list without an identity are told apart by index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from driftguard.flow.path import Element, Path, Step

IDENTITY_PROPERTIES = ("name", "id", "key", "lun", "locationName", "objectId", "category", "ipv4Address", "ipv6Address")

# Lists that are documented as processed in the order given, and the property that marks their elements (empty: the name
# is enough). All in lower case.
_ORDERED_LISTS: Mapping[str, str] = {
    "rulesets": "",  # routes of Front Door
    "pathrules": "",  # URL path maps of Application Gateway
    "initcontainers": "",  # container groups, Container Apps
    "customize": "",  # Microsoft.VirtualMachineImages/imageTemplates: how the image is made, step by step
    "invmvalidations": "",  # the same: what checks the image
    "steps": "",  # Microsoft.Chaos/experiments, and steps of anything else
    "branches": "",  # the branches of such a step
    "actions": "selectorid",  # the actions of such a branch
    "profiles": "capacity",  # Microsoft.Insights/autoscaleSettings: of those that apply now, the first is used
    "rules": "nextstepifmatched",  # Microsoft.Network/virtualHubs/routeMaps
}


def identity_of(element: dict[str, Any], key: str) -> str | None:
    """The element's identity under `key` as text, or None where it has no usable one."""
    value = element.get(key)
    if type(value) is str:
        return value or None
    return str(value) if type(value) is int and -(2**63) <= value < 2**63 else None


def identities(items: list[Any], key: str) -> list[str] | None:
    """The identities under `key` in lower case, one for each element, or None where it does not tell them all apart."""
    found: list[str] = []
    for item in items:
        value = identity_of(item, key) if type(item) is dict else None
        if value is None:
            return None
        found.append(value.lower())
    return found if len(set(found)) == len(found) else None


def has_identity(items: list[Any], key: str) -> bool:
    """Whether `key` tells all elements of the list apart."""
    return identities(items, key) is not None


def best_identities(name: str, items: list[Any]) -> list[str] | None:
    """The `identities` under the best of `identity_keys` for one list, or None where there is none."""
    if not items or type(items[0]) is not dict or _is_ordered(name, items):
        return None
    for key in IDENTITY_PROPERTIES:
        if key in items[0] and (found := identities(items, key)) is not None:
            return found
    return None


def identity_keys(name: str, *lists: list[Any]) -> Iterator[str]:
    """The identity properties, best first, that tell the elements of each list apart; `name` is the lists' property."""
    firsts = [items[0] for items in lists if items]
    if any(type(first) is not dict for first in firsts) or _is_ordered(name, *lists):
        return
    for key in IDENTITY_PROPERTIES:
        if all(key in first for first in firsts) and all(has_identity(items, key) for items in lists):
            yield key


def _is_ordered(name: str, *lists: list[Any]) -> bool:
    mark = _ORDERED_LISTS.get(name.lower())
    if not mark:
        return mark is not None
    return any(key.lower() == mark for items in lists for item in items if type(item) is dict for key in item)


def identity_key(name: str, *lists: list[Any]) -> str | None:
    """The best of `identity_keys`, or None where elements are told apart by index only."""
    return next(identity_keys(name, *lists), None)


def element_steps(name: str, items: list[Any]) -> Iterator[tuple[Step, Any]]:
    """Each element of the list with the step that leads to it."""
    key = identity_key(name, items) if items else None
    for index, item in enumerate(items):
        yield (index if key is None else Element(key, str(item[key]))), item


class Standing:
    """Finds what stands at a path in one or more bodies; each list is looked through once."""

    def __init__(self, *bodies: Any) -> None:
        self._bodies = bodies
        self._elements: dict[tuple[int, str], dict[str, list[Any]]] = {}
        self._names: dict[
            int, dict[str, str]
        ] = {}  # of objects, by their id: the names as written by those in lower case

    def __call__(self, path: Path) -> list[Any]:
        """What stands there, once for each body that has the path."""
        return self._found(list(self._bodies), path)

    def in_body(self, number: int, path: Path) -> list[Any]:
        """What stands there in the body of this number, counted from 0: one value, none, or all that the path may mean."""
        return self._found(list(self._bodies[number : number + 1]), path)

    def along(self, path: Path) -> Iterator[list[Any]]:
        """What stands at each step of the path, in turn: one pass, where asking for each beginning of it would be many."""
        found = list(self._bodies)
        for step in path:
            found = self._below(found, step)
            yield found

    def _found(self, found: list[Any], path: Path) -> list[Any]:
        for step in path:
            found = self._below(found, step)
        return found

    def _below(self, found: list[Any], step: Step) -> list[Any]:
        return [inner for value in found for inner in self._inner(value, step)]

    def _inner(self, value: Any, step: Step) -> list[Any]:
        if isinstance(step, str):
            return self._member(value, step) if isinstance(value, dict) else []
        if not isinstance(value, list):
            return []
        if isinstance(step, int):
            return [value[step]] if step < len(value) else []
        return self._by_identity(value, step.key).get(step.value.lower(), [])

    def _by_identity(self, items: list[Any], key: str) -> dict[str, list[Any]]:
        """The elements by their identity: several where it does not tell them apart."""
        known = (id(items), key)  # the bodies are held, so no other list can take the place of one
        if known not in self._elements:
            elements: dict[str, list[Any]] = {}
            for item in items:
                if type(item) is dict and (value := identity_of(item, key)) is not None:
                    elements.setdefault(value.lower(), []).append(item)
            self._elements[known] = elements
        return self._elements[known]

    def _member(self, value: dict[str, Any], name: str) -> list[Any]:
        """What stands under a name, else under the first that differs from it in letter case only."""
        if name in value:
            return [value[name]]
        if id(value) not in self._names:
            self._names[id(value)] = {key.lower(): key for key in reversed(value)}
        key = self._names[id(value)].get(name.lower())
        return [] if key is None else [value[key]]
