"""Which differences of two raw bodies the canonical form makes equal, and why each of them says nothing.

Rules:
- Every raw difference is either in the diff of the canonical forms, or is told here with the normalisation that removed it.
- Whether a difference is removed is asked of the canonical form; here is only said which of its rules it was.
- Raw bodies are sealed ones: a secret is a mark, and a mark is never normalised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from driftguard.flow.canonical import _ETAGS, _FORMS_OF_TYPE, _LOCATIONS, _TYPES, _date_time, _ipv6
from driftguard.flow.diff import MISSING, same
from driftguard.flow.identity import Standing, identity_key, identity_of
from driftguard.flow.path import Element, Path, format_path, path_order
from driftguard.flow.place import is_resource_id
from driftguard.flow.raw_form import NOTHING, Member, Side, dropped, elements, kept, root
from driftguard.flow.reading import Json


class Normalisation(StrEnum):
    """A rule of the canonical form (canonical.py), in the words that people are told."""

    ETAG = "ETag"
    EMPTY = "empty value"
    RESOURCE_ID = "letter case of a resource id"
    RESOURCE_TYPE = "letter case of a resource type"
    OWN_NAME = "letter case of the resource's name"
    LOCATION = "spelling of a location"
    DATE_TIME = "spelling of an instant"
    IPV6 = "spelling of an IPv6 address"
    NUMBER = "form of a number"
    ORDER = "order of a list"
    OF_TYPE = "spelling in this resource type"
    OTHER = "canonical form"


REASONS: Mapping[Normalisation, str] = {
    Normalisation.ETAG: "it says that something was written, not what: it is no part of what is compared",
    Normalisation.EMPTY: "null and the empty text, list and object mean the same as a property that is not there",
    Normalisation.RESOURCE_ID: "ARM's resource ids are case-insensitive (azure-resource-manager-rpc, common-api-details.md)",
    Normalisation.RESOURCE_TYPE: "ARM's types are case-insensitive (azure-resource-manager-rpc, common-api-details.md)",
    Normalisation.OWN_NAME: "a resource's name is part of its id, which is case-insensitive",
    Normalisation.LOCATION: "West US and westus are one location: recorded traffic has both for one resource",
    Normalisation.DATE_TIME: "date-times of one instant are the same; one without a zone is UTC",
    Normalisation.IPV6: "all spellings of an IPv6 address are one address (RFC 5952)",
    Normalisation.NUMBER: "numbers are compared by value: 1 = 1.0",
    Normalisation.ORDER: "elements that can be told apart are compared one by one, in whatever order they stand",
    Normalisation.OF_TYPE: "the service takes both spellings for the same thing",
    Normalisation.OTHER: "both have the same canonical form",
}


@dataclass(frozen=True, slots=True)
class Normalised:
    """One raw difference that is none, at its path in the canonical form, or where it would stand there."""

    path: Path
    what: Normalisation
    reason: str


def normalised(before: Json, after: Json, type_: str) -> tuple[Normalised, ...]:
    """All raw differences of two sealed bodies that the canonical form makes equal, by path. Raises TooDeep."""
    comparing = _Comparing(type_)
    comparing.values((), root(before, type_), root(after, type_))
    return tuple(sorted(comparing.found, key=lambda one: path_order(one.path)))


class _Comparing:
    """One walk over two bodies, beside the one of diff.py."""

    def __init__(self, type_: str) -> None:
        self._type = type_
        self.found: list[Normalised] = []

    def values(self, path: Path, old: Side, new: Side) -> None:
        if old.is_there and new.is_there and same(old.raw, new.raw):
            return
        if old.is_object and new.is_object:
            self._objects(path, old, new)
        elif old.is_list and new.is_list:
            self._lists(path, old, new)
        elif same(old.form, new.form):  # otherwise the canonical diff has it; MISSING is the same as itself
            self._add(path, _reason_of(path, (old, new), self._type))

    def _add(self, path: Path, what: Normalisation, more: str = "") -> None:
        self.found.append(Normalised(path, what, REASONS[what] + more))

    def _objects(self, path: Path, old: Side, new: Side) -> None:
        kept_old, kept_new = kept(old), kept(new)
        for name in kept_old.keys() & kept_new.keys():
            self._members((*path, name), kept_old[name], kept_new[name])
        dropped_old, dropped_new = dropped(old), dropped(new)
        for name in dropped_old.keys() | dropped_new.keys():
            if (name in kept_old) == (name in kept_new):  # otherwise the canonical diff has it
                self.values((*path, name), _dropped(dropped_old, name), _dropped(dropped_new, name))

    def _members(self, path: Path, old: Member, new: Member) -> None:
        if old.raw_name != new.raw_name:
            self._add(path, Normalisation.RESOURCE_ID)
        self.values(path, old.side, new.side)

    def _lists(self, path: Path, old: Side, new: Side) -> None:
        olds, news = elements(old, self._type), elements(new, self._type)
        key = identity_key(list_name(path), old.form, new.form)
        if key is not None:
            self._by_identity(path, key, olds, news)
            return
        if _is_moved(olds, old.form) or _is_moved(news, new.form):
            self._add(path, Normalisation.ORDER)
        self._by_index(path, _as_in(old.form, olds), _as_in(new.form, news))

    def _by_identity(self, path: Path, key: str, olds: list[Side], news: list[Side]) -> None:
        by_old, by_new = ({_identity(side, key): side for side in sides} for sides in (olds, news))
        if [one for one in by_old if one in by_new] != [one for one in by_new if one in by_old]:
            self._add(path, Normalisation.ORDER, f"; here by their {key}")
        for one in by_old.keys() & by_new.keys():
            self.values((*path, Element(key, str(by_old[one].form[key]))), by_old[one], by_new[one])

    def _by_index(self, path: Path, olds: list[Side], news: list[Side]) -> None:
        """Pairs the elements as the diff does: what is equal at the beginning and at the end, then by index."""
        shorter = min(len(olds), len(news))
        start = next((i for i in range(shorter) if not same(olds[i].form, news[i].form)), shorter)
        rest = shorter - start
        end = next((i for i in range(rest) if not same(olds[-1 - i].form, news[-1 - i].form)), rest)
        for index in range(shorter - end):
            self.values((*path, index), olds[index], news[index])
        for back in range(end):
            self.values((*path, len(news) - 1 - back), olds[-1 - back], news[-1 - back])


def _dropped(values: dict[str, Json], name: str) -> Side:
    return Side(values[name], MISSING) if name in values else NOTHING


def _identity(side: Side, key: str) -> str:
    return (identity_of(side.form, key) or "").lower()


def _is_moved(sides: list[Side], forms: list[Json]) -> bool:
    return any(side.form is not form for side, form in zip(sides, forms, strict=True))


def _as_in(forms: list[Json], sides: list[Side]) -> list[Side]:
    """The elements in the order of the canonical form."""
    if not _is_moved(sides, forms):
        return sides
    by_form = {id(side.form): side for side in sides}
    return [by_form[id(form)] for form in forms]


def list_name(path: Path) -> str:
    """The property under which a list stands; lists in a list have the name of the outer one."""
    return next((step for step in reversed(path) if isinstance(step, str)), "")


def _reason_of(path: Path, sides: tuple[Side, Side], type_: str) -> Normalisation:
    """Which rule changed the value on one of the sides; where two did, the first of `Normalisation`."""
    found = {normalisation_of(path, side, type_) for side in sides if side.is_there and not same(side.raw, side.form)}
    return next((what for what in Normalisation if what in found), Normalisation.OTHER)


def normalisation_of(path: Path, side: Side, type_: str) -> Normalisation:
    """Which rule made of this raw value its form, which is another, or none."""
    raw, name = side.raw, list_name(path).lower()
    if side.is_dropped:
        return Normalisation.ETAG if name in _ETAGS and isinstance(raw, str) and raw else Normalisation.EMPTY
    if isinstance(raw, dict | list) or raw is None:
        return Normalisation.EMPTY
    if not isinstance(raw, str):
        return Normalisation.NUMBER
    return next(_of_text(path, raw, side.form, name, type_), Normalisation.OTHER)


def _of_text(path: Path, raw: str, form: Json, name: str, type_: str) -> Iterator[Normalisation]:
    own_form = _FORMS_OF_TYPE.get(type_.lower(), {}).get(name)
    if path == ("name",):
        yield Normalisation.OWN_NAME
    if own_form is not None and own_form(raw) == form:
        yield Normalisation.OF_TYPE
    if is_resource_id(raw.lower()):
        yield Normalisation.RESOURCE_ID
    if _date_time(raw) == form:
        yield Normalisation.DATE_TIME
    if _ipv6(raw) == form:
        yield Normalisation.IPV6
    if name in _LOCATIONS:
        yield Normalisation.LOCATION
    if name in _TYPES:
        yield Normalisation.RESOURCE_TYPE


def by_index(path: Path, standing: Standing) -> str:
    """Why the first list on the path is compared by index, where one is; empty where none is."""
    ends = [end for end, step in enumerate(path) if isinstance(step, int)]
    for end in (*ends, len(path)):
        lists = [found for found in standing(path[:end]) if isinstance(found, list) and found]
        if not lists or identity_key(list_name(path[:end]), *lists) is not None:
            continue
        apart = identity_key("", *lists) is not None
        why = "their order means something" if apart else "nothing tells them apart"
        return f"the elements of {format_path(path[:end])} are compared by index: {why}"
    return ""
