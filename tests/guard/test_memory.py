"""What a job remembers from check to check: silence is counted, a difference keeps the time when it was first seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from driftguard.adapters.stores.sqlite import SqliteStore
from driftguard.errors import StoreUnavailable
from driftguard.flow.check import FindingKind, Side
from driftguard.flow.ports import Store
from driftguard.guard import memory
from driftguard.guard.blobs import put_named
from driftguard.guard.memory import Memory
from driftguard.guard.rows import JobRow
from tests.flow.findings import NOON, finding

MINUTE = timedelta(minutes=1)
SILENT = finding(FindingKind.UNREADABLE)
MOVED = finding(FindingKind.MOVED, fingerprint="c1:a", after=Side(at=NOON))


@pytest.mark.parametrize("kind", [FindingKind.UNREADABLE, FindingKind.IN_FLIGHT])
def test_silence_lasts_after_three_checks_or_fifteen_minutes(kind: FindingKind) -> None:
    silent = finding(kind)
    once = Memory().after([silent], NOON, partial=False)
    twice = once.after([silent], NOON + MINUTE, partial=False)
    thrice = twice.after([silent], NOON + 2 * MINUTE, partial=False)
    assert [each.lasts(silent, NOON + 2 * MINUTE) for each in (once, twice, thrice)] == [False, False, True]
    assert once.lasts(silent, NOON + 15 * MINUTE) and not once.lasts(silent, NOON + 14 * MINUTE)


def test_an_answer_ends_the_silence() -> None:
    known = Memory().after([SILENT], NOON, partial=False)
    answered = known.after([finding(FindingKind.UNCHANGED)], NOON, partial=False)
    assert answered == Memory() and not answered.lasts(SILENT, NOON + 60 * MINUTE)


def test_a_difference_keeps_the_time_when_it_was_first_seen() -> None:
    known = Memory().after([MOVED], NOON, partial=False)
    later = replace(MOVED, after=Side(at=NOON + 30 * MINUTE))
    assert known.after([later], NOON + 30 * MINUTE, partial=False).first_seen(later) == NOON


def test_another_state_is_another_difference() -> None:
    known = Memory().after([MOVED], NOON, partial=False)
    other = replace(MOVED, fingerprint="c1:b", after=Side(at=NOON + MINUTE))
    assert known.first_seen(other) is None
    assert known.after([other], NOON + MINUTE, partial=False).first_seen(other) == NOON + MINUTE


def test_a_difference_that_is_gone_is_forgotten_and_silence_forgets_nothing() -> None:
    known = Memory().after([MOVED], NOON, partial=False)
    assert known.after([finding(FindingKind.UNCHANGED)], NOON, partial=False).first_seen(MOVED) is None
    assert known.after([SILENT], NOON, partial=False).first_seen(MOVED) == NOON


def test_a_check_of_named_resources_leaves_the_others_as_they_are_remembered() -> None:
    known = Memory().after([MOVED, finding(FindingKind.UNREADABLE, "vnet-2")], NOON, partial=False)
    named = [finding(FindingKind.UNCHANGED, "vnet-3")]
    assert known.after(named, NOON, partial=True) == known
    assert known.after(named, NOON, partial=False) == Memory()


def test_a_memory_is_read_as_it_was_written(store: Store) -> None:
    job = JobRow("shop-prod")
    known = Memory().after([MOVED, finding(FindingKind.UNREADABLE, "vnet-2")], NOON, partial=False)
    memory.save(store, job, known)
    assert memory.load(store, job) == known
    memory.save(store, job, Memory())
    assert job.memory == "" and memory.load(store, job) == Memory()


WRONG = [
    5,
    [],
    {},
    {"silent": {}},
    {"silent": [], "changed": []},
    {"silent": {"a": 1}, "changed": {}},
    {"silent": {"a": {"since": "soon", "times": 1}}, "changed": {}},
    {"silent": {"a": {"since": "2026-03-01T12:00:00.000000Z", "times": "x"}}, "changed": {}},
    {"silent": {}, "changed": {"a": {"at": "2026-03-01T12:00:00.000000Z"}}},
]


@pytest.mark.parametrize("value", WRONG)
def test_a_memory_of_another_form_is_an_empty_one(store: Store, value: Any) -> None:
    assert memory.load(store, JobRow("shop-prod", memory=put_named(store, "shop-prod/memory", value))) == Memory()


def test_a_memory_that_is_lost_is_an_empty_one(store: Store) -> None:
    assert memory.load(store, JobRow("shop-prod", memory="shop-prod/memory-0123456789ab")) == Memory()


def test_a_store_that_does_not_answer_is_no_empty_memory(store: SqliteStore) -> None:
    job = JobRow("shop-prod")
    memory.save(store, job, Memory().after([MOVED], NOON, partial=False))
    store.path.unlink()
    with pytest.raises(StoreUnavailable):
        memory.load(store, job)


def test_what_is_remembered_again_is_another_blob_than_before(store: Store) -> None:
    job = JobRow("shop")
    first, second = (Memory({key: {"since": "2026-03-02T02:00:00.000000Z", "times": 1}}, {}) for key in "ab")
    names = []
    for known in (first, second, first, second):
        memory.save(store, job, known)
        names.append(job.memory)
    assert len(set(names)) == 4
