"""Whether a change that a halt holds is in place after a run, though the rules for secrets may have changed between the two.

Rules:
- What is a mark on one side is made one on the other by the same key, and then they are compared.
- Marks that the halt took with the whole body tell exactly whether a value is the same. Marks that were made of a change
  alone, or by another key, prove only that it is: another spelling of the same value has another mark.
- What is not proven either way is in place where it was to be overwritten, and reverted where it was to be kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from driftguard.flow.canonical import canonical
from driftguard.flow.check import Finding
from driftguard.flow.diff import MISSING, Change, Missing, same
from driftguard.flow.identity import identity_of
from driftguard.flow.path import Element, Path
from driftguard.flow.ports import Sealer
from driftguard.flow.presence import holds_all, holds_any
from driftguard.flow.reading import Json
from driftguard.flow.record import Snapshot
from driftguard.flow.secrets import align, is_mark


@dataclass(frozen=True)
class Held:
    """What a halt holds of one resource: its finding, and the live snapshot of then where the halt has one."""

    finding: Finding
    then: Snapshot | None
    sealer: Sealer

    def any_is_in(self, live: Snapshot | None, now: Finding) -> bool:
        """Whether some of the change is in the live state, or may be. `now` is what is found of the resource."""
        bodies, trusted, as_recorded = self._bodies(live), self._trusted(live), self._is_as_recorded(now)
        for change in self.finding.configuration:
            for aligned, body in (self._aligned(change, body) for body in bodies):
                proven = as_recorded or trusted.issuperset(_marks_of(aligned))
                if holds_any(aligned, body) or not proven:
                    return True
        return False

    def all_is_in(self, live: Snapshot | None) -> bool:
        """Whether all of the change is proven to be in the live state."""
        bodies = self._bodies(live)
        return all(
            any(holds_all(*self._aligned(change, body)) for body in bodies) for change in self.finding.configuration
        )

    def is_exactly(self, now: Finding) -> bool:
        """Whether the change is proven to be all that differs now."""
        kept, present = self.finding.configuration, now.configuration
        return (
            bool(kept)
            and all(any(self._same(one, other) for other in kept) for one in present)
            and all(any(self._same(other, one) for other in present) for one in kept)
        )

    def _is_as_recorded(self, now: Finding) -> bool:
        """Whether the resource is as it was recorded before the change was made, whatever its marks say."""
        before = self.finding.before
        return not now.configuration and (before.etags, before.at) == (now.before.etags, now.before.at)

    def _trusted(self, live: Snapshot | None) -> set[str]:
        """The marks that were made of the whole body, by the key of the live one."""
        if self.then is None or live is None or self.then.key_id != live.key_id:
            return set()
        return set(_marks(self.then.body))

    def _bodies(self, live: Snapshot | None) -> list[Json]:
        """The canonical live state: with the marks of then, and as it is."""
        if live is None:
            return [{}]
        type_ = live.ref.type
        as_it_is = canonical(live.body, type_)
        if self.then is None:
            return [as_it_is]
        marked = align(self.then.body, live.body, self.sealer)[1]
        return [as_it_is] if marked is live.body else [canonical(marked, type_), as_it_is]

    def _aligned(self, change: Change, body: Json) -> tuple[Change, Json]:
        path, after, body = _aligned_at(change.path, change.after, body, "", self.sealer)
        return replace(change, path=path, after=after), body

    def _same(self, one: Change, other: Change) -> bool:
        """Whether two changes lead to the same value at the same place."""
        if len(one.path) != len(other.path) or (one.after is MISSING) != (other.after is MISSING):
            return False
        if not all(_same_text(a, b, self.sealer) for a, b in zip(one.path, other.path, strict=True)):
            return False
        if one.after is MISSING:
            return True
        return same(*_aligned_values(one.after, other.after, _name(one.path), self.sealer))


def _same_text(one: object, other: object, sealer: Sealer) -> bool:
    if isinstance(one, Element) and isinstance(other, Element):
        return one.key == other.key and _same_identity(one.value, other.value, one.key, sealer)
    return one == other


def _same_identity(one: str, other: str, key: str, sealer: Sealer) -> bool:
    one, other = (str(text) for text in _aligned_values(one, other, key, sealer))
    return one.lower() == other.lower()


def _aligned_values(one: Json, other: Json, name: str, sealer: Sealer) -> tuple[Json, Json]:
    left, right = align({name: one}, {name: other}, sealer)
    assert isinstance(left, dict) and isinstance(right, dict)
    return left[name], right[name]


def _aligned_at(
    path: Path, value: Json | Missing, body: Json, name: str, sealer: Sealer
) -> tuple[Path, Json | Missing, Json]:
    """A value, the path to it, and a body that may have it: what is a mark in one of them is a mark in all."""
    if not path:
        if value is MISSING:
            return path, value, body
        return (), *_aligned_values(value, body, name, sealer)
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        if not isinstance(body, dict) or step not in body:
            return path, value, body
        rest, value, inner = _aligned_at(rest, value, body[step], step, sealer)
        return (step, *rest), value, {**body, step: inner}
    if not isinstance(body, list):
        return path, value, body
    if isinstance(step, int):
        return _aligned_by_index(step, rest, value, body, name, sealer)
    return _aligned_by_identity(step, rest, value, body, name, sealer)


def _aligned_by_index(
    step: int, rest: Path, value: Json | Missing, body: list[Json], name: str, sealer: Sealer
) -> tuple[Path, Json | Missing, Json]:
    """As `_aligned_at`; without an identity an element may stand anywhere, so that one is taken that has the value."""
    if rest:
        if step < len(body):
            rest, value, inner = _aligned_at(rest, value, body[step], name, sealer)
            body = [*body[:step], inner, *body[step + 1 :]]
        return (step, *rest), value, body
    if value is MISSING:
        return (step,), value, body
    for index, item in enumerate(body):
        left, right = _aligned_values(value, item, name, sealer)
        if same(left, right):
            return (step,), left, [*body[:index], right, *body[index + 1 :]]
    return (step,), value, body


def _aligned_by_identity(
    step: Element, rest: Path, value: Json | Missing, body: list[Json], name: str, sealer: Sealer
) -> tuple[Path, Json | Missing, Json]:
    for index, item in enumerate(body):
        text = identity_of(item, step.key) if isinstance(item, dict) else None
        if text is None or not _same_identity(step.value, text, step.key, sealer):
            continue
        wanted, there = _aligned_values(step.value, text, step.key, sealer)
        item = {**item, step.key: there} if is_mark(there) else item
        rest, value, inner = _aligned_at(rest, value, item, name, sealer)
        return (Element(step.key, str(wanted)), *rest), value, [*body[:index], inner, *body[index + 1 :]]
    return (step, *rest), value, body


def _marks_of(change: Change) -> Iterator[str]:
    """The marks in the path and in the later value of a change."""
    yield from (step.value for step in change.path if isinstance(step, Element) and is_mark(step.value))
    if change.after is not MISSING:
        yield from _marks(change.after)


def _marks(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _marks(item)
    elif isinstance(value, list):
        for item in value:
            yield from _marks(item)
    elif is_mark(value):
        yield value


def _name(path: Path) -> str:
    return next((step for step in reversed(path) if isinstance(step, str)), "")
