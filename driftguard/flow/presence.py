"""Whether a change is in place in a state: what a record asks of a manual change that was to be overwritten or kept.

Rules:
- Values count leaf by leaf: a run that touches another part of a rule which somebody added has not taken the rule away, and
  one that adds a description to a kept rule has not reverted it.
- Of a list without identities an element is in place wherever it stands: a run may shift it.
- What was taken out is in place while it is not there.
- The name by which an element is known says nothing by itself, unless it is all that the element has.
"""

from __future__ import annotations

from collections.abc import Iterator

from driftguard.flow.diff import MISSING, Change, Missing, same
from driftguard.flow.identity import element_steps, identity_of
from driftguard.flow.path import Element, Path, Step
from driftguard.flow.reading import Json


def holds_all(change: Change, body: Json) -> bool:
    """Whether every value of the change is in the canonical body."""
    return all(_holds(path, value, body) for path, value in _values(change))


def holds_any(change: Change, body: Json) -> bool:
    """Whether some value of the change is still in the canonical body."""
    return any(_holds(path, value, body) for path, value in _values(change))


def _values(change: Change) -> list[tuple[Path, Json | Missing]]:
    if change.after is MISSING or (change.path and isinstance(change.path[-1], int)):
        return [(change.path, change.after)]
    leaves = list(_leaves(change.path, change.after))
    telling = [(path, value) for path, value in leaves if not _names_its_element(path)]
    return [*(telling or leaves)]


def _leaves(path: Path, value: Json) -> Iterator[tuple[Path, Json]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves((*path, key), item)
    elif isinstance(value, list) and value:
        for step, item in element_steps(_list_name(path), value):
            yield from [((*path, step), item)] if isinstance(step, int) else _leaves((*path, step), item)
    else:
        yield path, value


def _names_its_element(path: Path) -> bool:
    """Whether the path is the property by which its list element is known, or its id, which follows from the name."""
    if len(path) < 2 or not isinstance(path[-2], Element):
        return False
    return path[-1] in (path[-2].key, "id")


def _holds(path: Path, value: Json | Missing, body: Json) -> bool:
    if path and isinstance(path[-1], int):
        items = _at(body, path[:-1])
        there = isinstance(items, list) and any(same(item, value) for item in items)
        return not there if value is MISSING else there
    found = _at(body, path)
    if value is MISSING or found is MISSING:
        return value is MISSING and found is MISSING
    return same(found, value)


def _at(body: Json, path: Path) -> Json | Missing:
    for step in path:
        body = _step(body, step)
        if body is MISSING:
            return MISSING
    return body


def _step(body: Json, step: Step) -> Json | Missing:
    if isinstance(step, Element):
        items = body if isinstance(body, list) else []
        wanted = step.value.lower()
        of_name = (
            item for item in items if isinstance(item, dict) and (identity_of(item, step.key) or "").lower() == wanted
        )
        return next(of_name, MISSING)
    if isinstance(step, int):
        return body[step] if isinstance(body, list) and step < len(body) else MISSING
    return body.get(step, MISSING) if isinstance(body, dict) else MISSING


def _list_name(path: Path) -> str:
    return next((step for step in reversed(path) if isinstance(step, str)), "")
