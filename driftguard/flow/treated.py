"""What the canonical form does with one path of two bodies: where it stands, and which other spellings say the same.

Rules:
- Paths are found as people write them: names without regard to case, list elements by any of their properties or by their
  place in the body; what is told is the path of the canonical form, which is that of the diff.
- Whether another spelling says the same is tried: it is written into the body, and the canonical forms are compared.
"""

from __future__ import annotations

import copy
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from driftguard.flow.canonical import canonical
from driftguard.flow.diff import same
from driftguard.flow.identity import identity_key, identity_of
from driftguard.flow.normalised import REASONS, Normalisation, list_name, normalisation_of
from driftguard.flow.path import Element, Path, Step
from driftguard.flow.raw_form import NOTHING, Side, dropped, elements, kept, root
from driftguard.flow.reading import Json

KEPT = "compared as it is"


@dataclass(frozen=True, slots=True)
class Treated:
    """One path: as the diff writes it, what stands there in each body, and the rule of the canonical form for it.

    `what` is None where there is none: then it is compared as it is. `is_dropped`: it is no part of what is compared.
    """

    path: Path
    old: Side
    new: Side
    what: Normalisation | None
    reason: str

    @property
    def is_there(self) -> bool:
        """Whether one of the bodies has it."""
        return self.old.is_there or self.new.is_there

    @property
    def is_dropped(self) -> bool:
        """Whether no body has it in its canonical form, and one had it before."""
        return self.is_there and not any(side.is_there and not side.is_dropped for side in (self.old, self.new))


def treated(before: Json, after: Json, type_: str, path: Path) -> Treated:
    """What becomes of the path in two sealed bodies of the type; `after` may be None for one body. Raises TooDeep."""
    finding = _Finding(type_)
    sides = (root(before, type_), NOTHING if after is None else root(after, type_))
    found, (old, new) = finding.follow(path, *sides)
    body, side, at = (after, new, finding.raw_paths[1]) if new.is_there else (before, old, finding.raw_paths[0])
    what = _rule_for(body, side, found, at, type_) if side.is_there else None
    return Treated(found, old, new, what, REASONS[what] if what else KEPT)


class _Finding:
    """One walk down both bodies; `raw_paths` are the names and places in the raw bodies that led there."""

    def __init__(self, type_: str) -> None:
        self._type = type_
        self.raw_paths: tuple[list[str | int], list[str | int]] = ([], [])

    def follow(self, path: Path, old: Side, new: Side) -> tuple[Path, tuple[Side, Side]]:
        found: list[Step] = []
        sides = (old, new)
        for step in path:
            name = list_name(tuple(found))
            if isinstance(step, str):
                taken, sides = self._property(step, sides)
            else:
                taken, sides = self._element(name, step, sides)
            found.append(taken)
        return tuple(found), sides

    def _property(self, step: str, sides: tuple[Side, Side]) -> tuple[Step, tuple[Side, Side]]:
        members = [_members(side) for side in sides]
        name = next(_names_like(step, members), step)
        found = []
        for number, there in enumerate(members):
            raw_name, side = there.get(name, (name, NOTHING))
            self.raw_paths[number].append(raw_name)
            found.append(side)
        return name, (found[0], found[1])

    def _element(self, name: str, step: int | Element, sides: tuple[Side, Side]) -> tuple[Step, tuple[Side, Side]]:
        lists = [list(enumerate(elements(side, self._type))) if side.is_list else [] for side in sides]
        key = identity_key(name, *(side.form for side in sides if side.is_list)) if any(lists) else None
        if key is None:
            lists = [_as_in_form(items, side) for items, side in zip(lists, sides, strict=True)]
        chosen = _chosen(step, lists, key)
        taken: Step = step
        found = []
        for number, items in enumerate(lists):
            at = next((index for index, (_, item) in enumerate(items) if _is(item, chosen, index)), None)
            raw_index, item = (-1, NOTHING) if at is None else items[at]
            self.raw_paths[number].append(raw_index)
            found.append(item)
            if at is not None and taken is step:  # as the diff does: the earlier body's spelling
                taken = at if key is None else Element(key, str(item.form[key]))
        return taken, (found[0], found[1])


Numbered = list[tuple[int, Side]]
"""The elements of a list, each with its place in the raw body."""


def _as_in_form(items: Numbered, side: Side) -> Numbered:
    """The elements in the order of the canonical form: that is what the diff counts where they have no identity."""
    if not items or all(item.form is form for (_, item), form in zip(items, side.form, strict=True)):
        return items
    place = {id(form): index for index, form in enumerate(side.form)}
    return sorted(items, key=lambda numbered: place[id(numbered[1].form)])


def _members(side: Side) -> dict[str, tuple[str, Side]]:
    """The properties of an object by the names that the diff has for them: raw name and place."""
    gone = {name: (name, Side(value, NOTHING.form)) for name, value in dropped(side).items()}
    return gone | {name: (member.raw_name, member.side) for name, member in kept(side).items()}


def _names_like(step: str, members: list[dict[str, tuple[str, Side]]]) -> Iterator[str]:
    """The name itself, else the one that differs in letter case only."""
    names = [name for there in members for name in there]
    yield from (name for name in names if name == step)
    like = {name for name in names if name.lower() == step.lower()}
    if len(like) == 1:
        yield from like


def _chosen(step: int | Element, lists: list[Numbered], key: str | None) -> int | Element:
    """The step to find in both lists: a place in a list with identities means the element that stands there now."""
    if isinstance(step, Element) or key is None:
        return step
    named = next((items[step][1] for items in reversed(lists) if step < len(items)), None)
    return Element(key, str(named.form[key])) if named else step


def _is(item: Side, step: int | Element, index: int) -> bool:
    if isinstance(step, int):
        return step == index
    return isinstance(item.form, dict) and (identity_of(item.form, step.key) or "").lower() == step.value.lower()


def _rule_for(body: Json, side: Side, path: Path, at: list[str | int], type_: str) -> Normalisation | None:
    """The rule that made or would make other spellings of the value the same; None where every spelling counts."""
    if side.is_dropped or not (same(side.raw, side.form) or isinstance(side.raw, dict | list)):
        return normalisation_of(path, side, type_)
    form = canonical(body, type_)
    for spelling in _spellings(side):
        if not same(spelling, side.raw) and same(canonical(_with(body, at, spelling), type_), form):
            if isinstance(spelling, list):
                return Normalisation.ORDER
            return normalisation_of(path, Side(spelling, side.form), type_)
    return None


def _spellings(side: Side) -> Iterator[Json]:
    """Values that some rule of the canonical form may take for this one."""
    value = side.raw
    if isinstance(value, list):
        yield value[::-1]
    elif isinstance(value, str):
        yield value.swapcase()
        yield side.form.removesuffix("Z") + "+00:00"
        yield _long_ipv6(value)
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        yield float(value)


def _long_ipv6(text: str) -> str:
    address, slash, prefix = text.partition("/")
    try:
        return ipaddress.IPv6Address(address).exploded + slash + prefix
    except ValueError:
        return text


def _with(body: Json, at: list[str | int], value: Json) -> Json:
    """A copy of the body with another value at the place."""
    if not at:
        return value
    changed = copy.deepcopy(body)
    holder = changed
    for step in at[:-1]:
        holder = holder[step]
    holder[at[-1]] = value
    return changed
