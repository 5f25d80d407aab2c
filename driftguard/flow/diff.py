"""What differs between two canonical bodies, path by path.

Rules:
- Each change is of the class of its path (classify.py).
- Lists with an identity on both sides are compared by it, so that reordering is no change; others by index, after what
  is equal at their beginnings and ends.
- What appears or disappears is one change; parts of it that are of another class are changes of their own.
- `apply(before, diff(before, after))` is exactly `after`, and two bodies have one fingerprint exactly where `diff` is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from driftguard.flow.classify import ChangeClass, PathRules
from driftguard.flow.identity import Standing, element_steps, identity_key, identity_of
from driftguard.flow.path import Element, Path, Step, path_order
from driftguard.flow.place import is_resource_id
from driftguard.flow.reading import Json


class Missing(Enum):
    """The type of MISSING."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
"""Stands for "not there", where None is a value of a list."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. A side that is not there is MISSING. `rule` says which rule decided on the class, where one did."""

    path: Path
    before: Json
    after: Json
    kind: ChangeClass
    rule: str | None = None


def diff(before: Json, after: Json, rules: PathRules | None = None) -> tuple[Change, ...]:
    """The differences of two canonical bodies, sorted by path; by default only ARM's own names are known as platform."""
    if _surely_same(before, after):
        return ()
    comparing = _Comparing(rules or PathRules(), Standing(before, after))
    comparing.values((), before, after)
    return tuple(sorted(comparing.changes, key=lambda change: path_order(change.path)))


Emit = Callable[[Path, Json, ChangeClass, str | None], None]


class _Comparing:
    """One walk over two bodies."""

    def __init__(self, rules: PathRules, standing: Standing) -> None:
        self._rules = rules
        self._standing = standing
        self.changes: list[Change] = []

    def values(self, path: Path, before: Json, after: Json) -> None:
        if before is after:
            return
        if isinstance(before, dict) and isinstance(after, dict):
            self._objects(path, before, after)
        elif isinstance(before, list) and isinstance(after, list):
            self._lists(path, before, after)
        elif before is MISSING:
            self._one_side(path, after, self._appeared)
        elif after is MISSING:
            self._one_side(path, before, self._disappeared)
        elif not same(before, after):
            self._replaced(path, before, after)

    def _objects(self, path: Path, before: dict[str, Json], after: dict[str, Json]) -> None:
        for key, value in before.items():
            other = after.get(key, MISSING)
            if not (type(value) is str and value == other):  # most are equal texts
                self.values((*path, key), value, other)
        for key in after.keys() - before.keys():
            self.values((*path, key), MISSING, after[key])

    def _lists(self, path: Path, before: list[Json], after: list[Json]) -> None:
        if _surely_same(before, after):
            return
        key = identity_key(_list_name(path), before, after)
        if key is None:
            self._by_index(path, before, after)
        else:
            self._by_identity(path, key, before, after)

    def _by_identity(self, path: Path, key: str, before: list[Json], after: list[Json]) -> None:
        old, new = _by(key, before), _by(key, after)
        for folded in old.keys() | new.keys():
            was, now = old.get(folded, MISSING), new.get(folded, MISSING)
            if not _surely_same(was, now):
                item = now if was is MISSING else was
                self.values((*path, Element(key, str(item[key]))), was, now)

    def _by_index(self, path: Path, before: list[Json], after: list[Json]) -> None:
        shorter = min(len(before), len(after))
        start = next((i for i in range(shorter) if not same(before[i], after[i])), shorter)
        rest = shorter - start
        end = next((i for i in range(rest) if not same(before[-1 - i], after[-1 - i])), rest)
        for index in range(start, max(len(before), len(after)) - end):
            old = before[index] if index < len(before) - end else MISSING
            new = after[index] if index < len(after) - end else MISSING
            self.values((*path, index), old, new)

    def _replaced(self, path: Path, before: Json, after: Json) -> None:
        kind, rule = self._classify(path)
        for leaf in (*_leaves(path, before), *_leaves(path, after)):
            if kind is ChangeClass.PLATFORM:  # a watched part of what is replaced makes all of it count
                kind, rule = self._classify(leaf)
        self.changes.append(Change(path, before, after, kind, rule))

    def _classify(self, path: Path) -> tuple[ChangeClass, str | None]:
        return self._rules.classify(path, self._standing)

    def _classify_with_identity(self, path: Path) -> tuple[ChangeClass, str | None]:
        """The class of what stands on one side only: an element whose identity somebody watches counts."""
        kind, rule = self._classify(path)
        if kind is ChangeClass.PLATFORM and isinstance(path[-1], Element):
            identity = self._classify((*path, path[-1].key))
            return identity if identity[0] is ChangeClass.CONFIGURATION else (kind, rule)
        return kind, rule

    def _appeared(self, path: Path, value: Json, kind: ChangeClass, rule: str | None) -> None:
        self.changes.append(Change(path, MISSING, value, kind, rule))

    def _disappeared(self, path: Path, value: Json, kind: ChangeClass, rule: str | None) -> None:
        self.changes.append(Change(path, value, MISSING, kind, rule))

    def _one_side(self, path: Path, value: Json, emit: Emit) -> None:
        """What stands on one side only: a list element by element, anything else as one change of its own class."""
        if isinstance(value, list) and value and isinstance(path[-1], str):
            for step, item in element_steps(_list_name(path), value):
                self._one_side((*path, step), item, emit)
            return
        kind, rule = self._classify_with_identity(path)
        own_part = self._of_class(kind, path, value, emit)
        if own_part != {} or exists_when_empty(path[-1]):
            emit(path, own_part, kind, rule)

    def _of_class(self, kind: ChangeClass, path: Path, value: Json, emit: Emit) -> Json:
        """The value without the properties of another class, which become changes of their own."""
        if isinstance(value, list):
            steps = element_steps(_list_name(path), value)
            return [self._of_class(kind, (*path, step), item, emit) for step, item in steps]
        if not isinstance(value, dict):
            return value
        own_part = {}
        for key, item in value.items():
            below = (*path, key)
            is_other = self._classify(below)[0] is not kind and not _is_identity(path, key)
            if is_other or self._has_other_elements(kind, below, item):
                self._one_side(below, item, emit)
                continue
            own_item = self._of_class(kind, below, item, emit)
            if own_item != {} or exists_when_empty(key):
                own_part[key] = own_item
        return own_part

    def _has_other_elements(self, kind: ChangeClass, path: Path, value: Json) -> bool:
        """Whether it is a list with an element of another class."""
        if not isinstance(value, list):
            return False
        return any(self._classify((*path, step))[0] is not kind for step, _ in element_steps(_list_name(path), value))


def same(before: Json, after: Json) -> bool:
    """Whether two canonical values are the same JSON: 1 and true differ, NaN equals NaN."""
    return _surely_same(before, after) or _same_throughout(before, after)


def _surely_same(before: Json, after: Json) -> bool:
    """Whether two values are the same JSON, where nothing in them is NaN: quick, whether they are or not."""
    return bool(before == after) and _same_types(before, after)


def _same_types(before: Json, after: Json) -> bool:
    """Whether two values that `==` finds equal are the same: it takes 1 for true and for 1.0, and nothing else for another."""
    kind = type(before)
    if kind is not type(after):
        return False
    if kind is list:
        return all(map(_same_types, before, after))
    if kind is dict:
        for key, value in before.items():
            if type(value) is not str and not _same_types(value, after[key]):
                return False
    return True


def _same_throughout(before: Json, after: Json) -> bool:
    if type(before) is not type(after):
        return False
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(
            _same_throughout(value, after[key]) for key, value in before.items()
        )
    if isinstance(before, list):
        return len(before) == len(after) and all(map(_same_throughout, before, after))
    return bool(before == after or (before != before and after != after))


def exists_when_empty(step: Step) -> bool:
    """Whether an empty object at this step says something: a list element does, and a named resource id does."""
    return not isinstance(step, str) or is_resource_id(step.lower())


def _is_identity(path: Path, key: str) -> bool:
    return bool(path) and isinstance(path[-1], Element) and path[-1].key == key


def _by(key: str, items: list[Json]) -> dict[str, Json]:
    return {(identity_of(item, key) or "").lower(): item for item in items}


def _list_name(path: Path) -> str:
    return next((step for step in reversed(path) if isinstance(step, str)), "")


def _leaves(path: Path, value: Json) -> Iterator[Path]:
    """The paths of all values below, none for a plain value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            yield from _leaves((*path, key), item)
    elif isinstance(value, list):
        for step, item in element_steps(_list_name(path), value):
            yield (*path, step)
            yield from _leaves((*path, step), item)
