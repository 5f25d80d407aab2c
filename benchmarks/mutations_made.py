"""Every single edit of a resource body that a person could have made, one at a time.

Rules:
- Edited is what people configure: the members of `CONFIGURED`. ETags are no configuration, wherever ARM writes them.
- A leaf is changed to another value of its kind that no normal form takes back, removed where it is not empty, and filled
  where it is; every object gets a property; of every list each element is removed, one is added, and one is doubled.
- The body given is never changed: each edit shares with it what it leaves as it is.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from driftguard.flow.identity import element_steps
from driftguard.flow.path import Path
from driftguard.flow.place import USER_NAMED

CONFIGURED = ("properties", "tags", "sku", "identity", "zones", "kind", "plan", "location")
CHANGED, REMOVED, FILLED, ADDED = "leaf changed", "leaf removed", "leaf filled", "property added"
ELEMENT_REMOVED, ELEMENT_ADDED, ELEMENT_DOUBLED = "element removed", "element added", "element doubled"

_NEW = "addedByHand"
_IDENTITIES = ("name", "id", "key", "locationName", "objectId", "category")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+")
_ETAGS = frozenset({"etag", "@odata.etag", "odata.etag", "_etag"})

Place = tuple[str | int, ...]  # keys and indexes


@dataclass(frozen=True, slots=True)
class Mutation:
    """One edit: what kind, at which path, and the whole body after it."""

    kind: str
    path: Path
    body: Any


def mutations(body: dict[str, Any]) -> Iterator[Mutation]:
    """All edits of one body."""
    for name in CONFIGURED:
        if name in body:
            yield from _at(body, (name,), (name,), body[name])


def _at(body: Any, place: Place, path: Path, value: Any) -> Iterator[Mutation]:
    if isinstance(value, dict) and value:
        yield Mutation(ADDED, (*path, _NEW), _with(body, (*place, _NEW), "x"))
        for key, item in value.items():
            if not (key.lower() in _ETAGS and isinstance(item, str)):
                yield from _at(body, (*place, key), (*path, key), item)
    elif isinstance(value, list) and value:
        yield from _of_list(body, place, path, value)
    else:
        yield from _of_leaf(body, place, path, value)


def _of_leaf(body: Any, place: Place, path: Path, value: Any) -> Iterator[Mutation]:
    if value in (None, "", [], {}):
        yield Mutation(FILLED, path, _with(body, place, {_NEW: "x"} if value == {} else ["x"] if value == [] else "x"))
        if value != "" or not _is_named_by_people(path):
            return  # an empty text is a value where people chose the name
    else:
        yield Mutation(CHANGED, path, _with(body, place, another(value)))
    if isinstance(place[-1], str):
        yield Mutation(REMOVED, path, _without(body, place))


def _of_list(body: Any, place: Place, path: Path, items: list[Any]) -> Iterator[Mutation]:
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    steps = [step for step, _ in element_steps(name, items)]
    for index, (step, item) in enumerate(zip(steps, items, strict=True)):
        yield Mutation(ELEMENT_REMOVED, (*path, step), _without(body, (*place, index)))
        yield from _at(body, (*place, index), (*path, step), item)
    for kind, more in ((ELEMENT_ADDED, _another_element(items[-1])), (ELEMENT_DOUBLED, copy.deepcopy(items[-1]))):
        yield Mutation(kind, (*path, steps[-1]), _with(body, place, [*items, more]))


def _another_element(item: Any) -> Any:
    """An element that is not there yet."""
    if not isinstance(item, dict):
        return another(item) if isinstance(item, str | int | float) else ["x"]
    new = copy.deepcopy(item)
    told_apart = [key for key in _IDENTITIES if isinstance(new.get(key), str)]
    for key in told_apart or [_NEW]:
        new[key] = f"{new.get(key, '')}-{_NEW}"
    if type(new.get("lun")) is int:
        new["lun"] += 1000
    return new


def another(value: Any) -> Any:
    """Another value of the same kind, which stays another in every normal form."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if _INSTANT.match(value):
        return value[:3] + str((int(value[3]) + 1) % 10) + value[4:]
    if value[-1:].isdecimal():  # another address, prefix, number or version
        return value[:-1] + str((int(value[-1]) + 1) % 10)
    return value + "x"


def _is_named_by_people(path: Path) -> bool:
    return len(path) > 1 and isinstance(path[-2], str) and path[-2].lower() in USER_NAMED


def _with(value: Any, place: Place, new: Any) -> Any:
    if not place:
        return new
    made = copy.copy(value)
    made[place[0]] = _with(made.get(place[0]) if isinstance(made, dict) else made[int(place[0])], place[1:], new)
    return made


def _without(value: Any, place: Place) -> Any:
    made = copy.copy(value)
    if len(place) == 1:
        del made[place[0]]
    else:
        made[place[0]] = _without(made[place[0]], place[1:])
    return made
