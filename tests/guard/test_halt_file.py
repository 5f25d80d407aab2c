"""What a halt is about comes back from its blob as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.adapters.stores.sqlite import SqliteStore
from driftguard.errors import StoreUnavailable
from driftguard.flow.attribute import Actor
from driftguard.flow.check import Finding, FindingKind, Side
from driftguard.flow.classify import ChangeClass
from driftguard.flow.diff import MISSING, Change, diff, same
from driftguard.flow.halt import difference_digest
from driftguard.flow.reading import ETags
from driftguard.flow.record import Snapshot
from driftguard.guard import halt_file
from driftguard.guard.blobs import put_named
from driftguard.guard.observe import Seen
from tests.flow.bodies import bodies
from tests.flow.findings import NOON, attribution, change, event, finding, ref

SIDE = Side(ETags('W/"1"', None, "1"), "2024-05-01", NOON, "request", None)
LIVE = Snapshot(ref(), "2024-05-01", ETags("1"), "print", NOON, {"properties": {"a": None}}, "request", None, "k1")


def full(kind: FindingKind) -> Finding:
    return finding(
        kind,
        "vnet-1",
        change("properties.a", 1, None),
        change("properties.b", MISSING, 2),
        change("properties['c.d'][name='x y'].e[3]", [], MISSING),
        Change((), 1, 2, ChangeClass.IGNORED, "rule"),
        before=SIDE,
        after=Side(),
        detail="detail",
        fingerprint="print",
        attribution=replace(attribution(Actor.PERSON, event(), event(id="2")), at=NOON, why="why"),
        lasting=True,
        covers=("/A", "/b"),
        other_job="other",
    )


@pytest.mark.parametrize("kind", FindingKind)
def test_every_finding_comes_back_whole(store: SqliteStore, kind: FindingKind) -> None:
    found = [full(kind), finding(kind, "plain")]
    key = halt_file.save(store, "job/halts/h-1/1", [Seen(found[0], LIVE), Seen(found[1])])
    loaded = halt_file.load(store, key)
    assert key.startswith("job/halts/h-1/1-")
    assert loaded.findings == tuple(found)
    assert loaded.live == {ref().key: LIVE}
    assert difference_digest(loaded.findings) == difference_digest(found)


@given(before=bodies, after=bodies)
def test_any_difference_comes_back_with_the_same_digest(before: dict[str, Any], after: dict[str, Any]) -> None:
    found = finding(FindingKind.MOVED, "v", *diff(before, after))
    back = halt_file._from_json(json.loads(json.dumps(halt_file._to_json(Seen(found)))))
    assert difference_digest([back]) == difference_digest([found])
    for one, other in zip(back.changes, found.changes, strict=True):
        assert (one.path, one.kind, one.rule) == (other.path, other.kind, other.rule)
        assert same(one.before, other.before) and same(one.after, other.after)


def test_a_lost_trys_findings_are_never_taken_for_anothers(store: SqliteStore) -> None:
    first, second = (
        halt_file.save(store, "job/halts/h-1/1", [Seen(finding(FindingKind.GONE, name))])
        for name in ("first", "second")
    )
    assert [one.ref.name for one in halt_file.load(store, first).findings] == ["first"]
    assert [one.ref.name for one in halt_file.load(store, second).findings] == ["second"]


def test_a_lost_file_is_no_empty_halt(store: SqliteStore) -> None:
    with pytest.raises(StoreUnavailable, match="h-1"):
        halt_file.load(store, "job/halts/h-1/1-0123456789ab")


@pytest.mark.parametrize("value", [[], {}, 5, None, "text", [{"x": 1}], [5], [[]], [{"ref": ["arm"], "live": None}]])
def test_findings_of_another_form_or_none_at_all_are_damaged(store: SqliteStore, value: Any) -> None:
    with pytest.raises(StoreUnavailable, match="damaged job/halts/h-1/1"):
        halt_file.load(store, put_named(store, "job/halts/h-1/1", value))


def test_findings_that_do_not_match_their_name_are_damaged(store: SqliteStore) -> None:
    key = put_named(store, "job/halts/h-1/1", [halt_file._to_json(Seen(full(FindingKind.MOVED)))])
    other = key[:-12] + "0" * 12
    data = store.read(key)
    assert data and store.put_once(other, data)
    with pytest.raises(StoreUnavailable, match="damaged"):
        halt_file.load(store, other)


@given(st.sampled_from(FindingKind))
def test_that_a_finding_was_carried_is_not_written_down(kind: FindingKind) -> None:
    stored = halt_file._to_json(Seen(replace(full(kind), carried=True)))
    assert halt_file._from_json(stored) == full(kind)
