"""Applies changes to the canonical body that they were found in: shows that evidence says all of a difference.

Rules:
- `apply(before, diff(before, after))` is `after`, whatever the classes of the changes.
- What is not there any more is taken out from the end backwards, so that an index means what it meant in `before`;
  then what is new or different is put in from the start, so that an index means what it means in `after`.
- What ends up empty is gone, as in the canonical form.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

from driftguard.flow.canonical import in_order
from driftguard.flow.diff import MISSING, Change, exists_when_empty
from driftguard.flow.identity import identity_of
from driftguard.flow.path import Element, Path, Step, path_order
from driftguard.flow.reading import Json


def apply(before: Json, changes: Iterable[Change]) -> Json:
    """The canonical body after the changes; `before` is left as it is. Raises ValueError for changes of another body."""
    root = {"": copy.deepcopy(before)}  # the root is a property too, so that it can be replaced
    ordered = sorted(changes, key=lambda change: path_order(change.path))
    for change in reversed(ordered):
        if change.after is MISSING:
            _take_out(root, ("", *change.path))
    for change in ordered:
        if change.after is not MISSING:
            _put_in(root, ("", *change.path), copy.deepcopy(change.after), new=change.before is MISSING)
    return _ordered(root.get("", {}), "")


def _take_out(container: Json, path: Path) -> None:
    step = path[0]
    if len(path) > 1:
        inner = _get(container, step)
        _take_out(inner, path[1:])
        if inner or not isinstance(step, str) or (isinstance(inner, dict) and exists_when_empty(step)):
            return
    if isinstance(container, dict) and step in container:
        del container[step]
    else:
        del container[_index(container, step)]


def _put_in(container: Json, path: Path, value: Json, *, new: bool) -> None:
    step = path[0]
    if len(path) > 1:
        if isinstance(container, dict) and isinstance(step, str) and step not in container:
            container[step] = {} if isinstance(path[1], str) else []
        _put_in(_get(container, step), path[1:], value, new=new)
    elif isinstance(container, dict):
        container[step] = value
    elif not new or not isinstance(container, list):
        container[_index(container, step)] = value
    else:
        container.insert(step if isinstance(step, int) else len(container), value)


def _get(container: Json, step: Step) -> Json:
    if isinstance(container, dict) and step in container:
        return container[step]
    return container[_index(container, step)]


def _index(items: Json, step: Step) -> int:
    if isinstance(items, list):
        if isinstance(step, int) and step < len(items):
            return step
        if isinstance(step, Element):
            for index, item in enumerate(items):
                if isinstance(item, dict) and (identity_of(item, step.key) or "").lower() == step.value.lower():
                    return index
    raise ValueError("the changes are not of this body")


def _ordered(value: Json, name: str) -> Json:
    if isinstance(value, dict):
        return {key: _ordered(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return in_order([_ordered(item, name) for item in value], name)
    return value
