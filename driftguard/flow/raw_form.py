"""A raw body and its canonical form side by side: what became of each value, and what was dropped.

Rules:
- The canonical form itself says what it made of a value; nothing of it is computed a second time here.
- A property name that is a resource id may stand in the form in lower case; every other name stands there as it is.
- A list has as many elements as before. Where they have an identity they may stand in another order, and are found by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from driftguard.flow.canonical import canonical
from driftguard.flow.diff import MISSING, same
from driftguard.flow.identity import IDENTITY_PROPERTIES, has_identity, identity_of
from driftguard.flow.place import is_resource_id
from driftguard.flow.reading import Json


@dataclass(frozen=True, slots=True)
class Side:
    """One place of one body. `raw` is MISSING where nothing stands there, `form` where the canonical form has nothing."""

    raw: Json
    form: Json

    @property
    def is_there(self) -> bool:
        """Whether the raw body has something there."""
        return self.raw is not MISSING

    @property
    def is_dropped(self) -> bool:
        """Whether what stands there is no part of the canonical form."""
        return self.is_there and self.form is MISSING

    @property
    def is_object(self) -> bool:
        """Whether it is an object that has a form of its own."""
        return isinstance(self.raw, dict) and isinstance(self.form, dict)

    @property
    def is_list(self) -> bool:
        """Whether it is a list that has a form of its own."""
        return isinstance(self.raw, list) and isinstance(self.form, list)


NOTHING = Side(MISSING, MISSING)


@dataclass(frozen=True, slots=True)
class Member:
    """One property: its name in the raw body, and what stands under it."""

    raw_name: str
    side: Side


def root(body: Json, type_: str) -> Side:
    """A whole body of the resource type. Raises TooDeep."""
    return Side(body, canonical(body, type_))


def kept(side: Side) -> dict[str, Member]:
    """The properties that the form has, by their names in it; none where the place is no object."""
    if not side.is_object:
        return {}
    return {name: _member(side, name) for name in side.form}


def dropped(side: Side) -> dict[str, Json]:
    """The properties that the form has not, by their raw names."""
    if not side.is_object:
        return {}
    used = {member.raw_name for member in kept(side).values()}
    return {name: value for name, value in side.raw.items() if name not in used}


def _member(side: Side, name: str) -> Member:
    raw_name = next(_raw_names(side, name))
    return Member(raw_name, Side(side.raw[raw_name], side.form[name]))


def _raw_names(side: Side, name: str) -> Iterator[str]:
    """The name of the raw body that became this one, best first."""
    raw = side.raw
    if name in raw and (not _is_void(raw[name]) or same(raw[name], side.form[name])):
        yield name
    if is_resource_id(name):
        yield from (key for key in raw if key.lower() == name and key not in side.form and not _is_void(raw[key]))
    yield name


def _is_void(value: Json) -> bool:
    return value is None or value == "" or value == []


def elements(side: Side, type_: str) -> list[Side]:
    """The elements of a list in the order of the raw body, each with its form."""
    forms = side.form
    key = next((key for key in IDENTITY_PROPERTIES if has_identity(forms, key)), None)
    if key is None or len(forms) < 2:
        return [Side(raw, form) for raw, form in zip(side.raw, forms, strict=True)]
    by_identity = {(identity_of(form, key) or "").lower(): form for form in forms}
    return [Side(raw, _form_of(raw, key, by_identity, type_)) for raw in side.raw]


def _form_of(raw: dict[str, Json], key: str, by_identity: dict[str, Json], type_: str) -> Json:
    """The form of an element, found by its identity: as it is written, or as the canonical form writes it."""
    written = str(raw[key]).lower()
    if written in by_identity:
        return by_identity[written]
    return by_identity[str(canonical({key: raw[key]}, type_)[key]).lower()]
