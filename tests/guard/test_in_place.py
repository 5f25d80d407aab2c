"""Whether a halt's change is in place, where the rules for secrets changed between the halt and the record."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from driftguard.flow.canonical import canonical
from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.diff import diff
from driftguard.flow.path import PathPattern, PatternSet
from driftguard.flow.reading import ETags
from driftguard.flow.record import Snapshot
from driftguard.flow.resource import parse_ref
from driftguard.flow.secrets import reseal_part, seal
from driftguard.guard.in_place import Held
from tests.flow.bodies import TestSealer
from tests.world import VNET

SEALER = TestSealer()
REF = parse_ref(VNET)
RULES = {
    "a tag": "tags.note",
    "a whole element": "properties.rules[*]",
    "the name of an element": "properties.rules[*].name",
    "the values of a list": "properties.words",
}
NO_RULES = PatternSet()
PLAIN: dict[str, Any] = {"tags": {}, "properties": {"rules": [{"name": "a", "port": 1}], "words": ["x"]}}
CHANGED: dict[str, Any] = {
    "tags": {"note": "Loud Heron"},
    "properties": {"rules": [{"name": "a", "port": 1}, {"name": "b", "port": 2}], "words": ["x", "y"]},
}
OTHER: dict[str, Any] = {
    "tags": {"note": "Slow Mole"},
    "properties": {"rules": [{"name": "a", "port": 1}, {"name": "c", "port": 3}], "words": ["x", "z"]},
}


def rules(name: str) -> PatternSet:
    return PatternSet([(PathPattern.parse(RULES[name]), name)])


def snapshot(body: dict[str, Any], redact: PatternSet = NO_RULES, key_id: str = "k1") -> Snapshot:
    sealed = seal(body, SEALER, redact, key_id=key_id)
    assert isinstance(sealed, dict)
    return Snapshot(REF, "1", ETags(), "", datetime(2026, 1, 1, tzinfo=UTC), sealed, key_id=key_id)


def finding(before: Snapshot, after: Snapshot) -> Finding:
    changes = diff(canonical(before.body, REF.type), canonical(after.body, REF.type))
    return Finding(REF, FindingKind.MOVED if changes else FindingKind.UNCHANGED, changes)


SIDES = [("halt", "record"), ("halt",), ("record",), ()]


@pytest.mark.parametrize("sealed", SIDES, ids=lambda sides: " and ".join(sides) or "neither")
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("has_snapshot", [True, False], ids=["with its snapshot", "without"])
def test_a_change_that_is_there_is_there_whichever_side_is_sealed(
    rule: str, sealed: tuple[str, ...], has_snapshot: bool
) -> None:
    of_halt, of_record = (rules(rule) if side in sealed else NO_RULES for side in ("halt", "record"))
    then, live = snapshot(CHANGED, of_halt), snapshot(CHANGED, of_record)
    held = Held(finding(snapshot(PLAIN, of_halt), then), then if has_snapshot else None, SEALER)
    now = finding(snapshot(PLAIN, of_record), live)
    assert held.any_is_in(live, now) and held.all_is_in(live) and held.is_exactly(now)


@pytest.mark.parametrize("sealed", SIDES, ids=lambda sides: " and ".join(sides) or "neither")
@pytest.mark.parametrize("rule", RULES)
def test_a_change_that_was_overwritten_is_not_there_whichever_side_is_sealed(
    rule: str, sealed: tuple[str, ...]
) -> None:
    of_halt, of_record = (rules(rule) if side in sealed else NO_RULES for side in ("halt", "record"))
    then = snapshot(CHANGED, of_halt)
    held = Held(finding(snapshot(PLAIN, of_halt), then), then, SEALER)
    for body in (PLAIN, OTHER):
        live = snapshot(body, of_record)
        now = finding(snapshot(PLAIN, of_record), live)
        if sealed != ("record",):  # marks of a value that the halt has in clear: its spelling then is not known
            assert not held.any_is_in(live, now)
        assert not held.all_is_in(live) and not held.is_exactly(now)


def by_path(held: Finding, redact: PatternSet, key_id: str = "k1") -> Finding:
    """The finding with changes that were sealed by their paths alone."""
    changes = []
    for change in held.changes:
        path, after = reseal_part(change.path, change.after, SEALER, redact, key_id=key_id)
        changes.append(replace(change, path=path, after=after))
    return replace(held, changes=tuple(changes))


@pytest.mark.parametrize("rule", RULES)
def test_marks_made_of_a_change_alone_prove_that_it_is_there_and_never_that_it_is_not(rule: str) -> None:
    over_sealed = by_path(finding(snapshot(PLAIN), snapshot(CHANGED)), rules(rule))
    held = Held(over_sealed, None, SEALER)
    there, other, gone = (snapshot(body) for body in (CHANGED, OTHER, PLAIN))
    before = snapshot(PLAIN)
    assert held.any_is_in(there, finding(before, there))
    assert held.any_is_in(other, finding(before, other)), "it cannot be compared: it may be there in another spelling"
    assert not held.any_is_in(gone, finding(before, gone)), "everything is as it was recorded"
    assert held.all_is_in(there) and not held.all_is_in(other)


def test_a_mark_by_another_key_proves_nothing() -> None:
    redact = rules("a tag")
    then = snapshot(CHANGED, redact, key_id="k1")
    held = Held(finding(snapshot(PLAIN, redact), then), then, SEALER)
    live = snapshot(CHANGED, redact, key_id="k2")
    now = finding(snapshot(PLAIN, redact, key_id="k2"), live)
    tags = tuple(change for change in held.finding.changes if change.path[0] == "tags")
    tag = replace(held, finding=replace(held.finding, changes=tags))
    assert tags and tag.any_is_in(live, now) and not tag.all_is_in(live)


def test_a_resource_that_was_recorded_anew_is_not_taken_to_be_as_it_was() -> None:
    over_sealed = by_path(finding(snapshot(PLAIN), snapshot(CHANGED)), rules("a tag"))
    live = snapshot(OTHER)
    anew = finding(live, live)
    assert anew.kind is FindingKind.UNCHANGED
    later = replace(anew, before=replace(anew.before, at=datetime(2026, 2, 1, tzinfo=UTC)))
    assert Held(over_sealed, None, SEALER).any_is_in(live, later)
