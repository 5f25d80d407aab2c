"""Lists across jobs: written first, believed last, and made again from the jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from driftguard.adapters.stores.sqlite import SqliteStore, open_sqlite
from driftguard.errors import StoreUnavailable
from driftguard.flow.halt import State
from driftguard.flow.ports import Delete, Put, Write
from driftguard.guard import index
from driftguard.guard.rows import JOB, JOB_ROW, OUTBOX
from driftguard.guard.work import Work
from tests.flow.findings import NOON
from tests.guard.halts import halt_row

MINUTE = timedelta(minutes=1)
LONG_AFTER = NOON + timedelta(hours=2)


class Dying(SqliteStore):
    """The real store, until it fails on the first commit to a job; the indexes are written all the same."""

    def commit(self, partition: str, writes: Sequence[Write]) -> dict[tuple[str, str], str]:
        if not partition.startswith("~"):
            raise StoreUnavailable("the process died here")
        return super().commit(partition, writes)


@contextmanager
def as_kind(store: SqliteStore, kind: type[SqliteStore]) -> Iterator[None]:
    """Let the open store behave as a subclass of it for a while."""
    store.__class__ = kind
    try:
        yield
    finally:
        store.__class__ = SqliteStore


def open_a_halt(store: SqliteStore, job: str = "job", halt: str = "h-1", now: datetime = NOON) -> None:
    """One halt with one note, as a verb opens it."""
    work = Work(store, job, now)
    work.tell(halt_row(halt, job), "halted", ["file"])
    work.commit()


def die_while_opening_a_halt(store: SqliteStore, now: datetime = NOON) -> None:
    with as_kind(store, Dying), pytest.raises(StoreUnavailable):
        open_a_halt(store, now=now)


def noted(store: SqliteStore, kind: str) -> list[tuple[str, str]]:
    return [(left, right) for left, right, _ in index.pairs(store, kind)]


def test_an_open_halt_and_its_note_are_listed(store: SqliteStore) -> None:
    open_a_halt(store)
    assert [halt.id for halt in index.open_halts(store, LONG_AFTER)] == ["h-1"]
    assert [(job, row.id) for job, row in index.due_notes(store, LONG_AFTER)] == [("job", "h-1.file.0001.halted")]
    assert index.jobs(store) == ["job"]


@pytest.mark.parametrize(("after", "left"), [(0, True), (9, True), (10, True), (11, False)])
def test_a_crash_before_the_jobs_commit_lists_nothing_and_is_cleared_away_only_after_the_grace(
    store: SqliteStore, after: int, left: bool
) -> None:
    die_while_opening_a_halt(store)
    now = NOON + after * MINUTE
    assert index.jobs(store) == []
    assert index.open_halts(store, now) == []
    assert index.due_notes(store, now) == []
    assert bool(noted(store, index.OPEN_HALTS)) is left
    assert bool(noted(store, index.DUE_NOTES)) is left


def test_a_reader_between_the_two_writes_takes_nothing_away_from_the_writer(store: SqliteStore) -> None:
    die_while_opening_a_halt(store)
    index.open_halts(store, NOON + MINUTE)
    open_a_halt(store)
    assert [halt.id for halt in index.open_halts(store, LONG_AFTER)] == ["h-1"]


def test_a_writer_that_comes_long_after_a_crash_is_safe_from_a_reader_between_its_two_writes(
    store: SqliteStore,
) -> None:
    class ReadBetween(SqliteStore):
        def commit(self, partition: str, writes: Sequence[Write]) -> dict[tuple[str, str], str]:
            if not partition.startswith("~"):
                assert index.open_halts(self, LONG_AFTER + MINUTE) == []
                assert index.due_notes(self, LONG_AFTER + MINUTE) == []
            return super().commit(partition, writes)

    die_while_opening_a_halt(store)
    with as_kind(store, ReadBetween):
        open_a_halt(store, now=LONG_AFTER)
    assert [halt.id for halt in index.open_halts(store, LONG_AFTER + MINUTE)] == ["h-1"]
    assert len(index.due_notes(store, LONG_AFTER + MINUTE)) == 1


def test_noting_a_pair_again_at_once_writes_nothing(store: SqliteStore) -> None:
    index.add(store, index.SCOPES, [("/s", "job"), ("/s", "job")], NOON)
    [(*_, before)] = index.pairs(store, index.SCOPES)
    index.add(store, index.SCOPES, [("/s", "job")], NOON + MINUTE)
    [(*_, after)] = index.pairs(store, index.SCOPES)
    assert after.version == before.version


def test_a_pair_that_somebody_removes_meanwhile_is_noted_all_the_same(store: SqliteStore, tmp_path: Path) -> None:
    other = open_sqlite(tmp_path / "store.db")

    class Interrupted(SqliteStore):
        def commit(self, partition: str, writes: Sequence[Write]) -> dict[tuple[str, str], str]:
            for *_, row in index.pairs(other, index.OPEN_HALTS):
                other.commit(index.INDEX, [Delete(row.kind, row.id, row.version)])
            return super().commit(partition, writes)

    index.add(store, index.OPEN_HALTS, [("job", "h-1")], NOON)
    with as_kind(store, Interrupted), closing(other):
        index.add(store, index.OPEN_HALTS, [("job", "h-1")], LONG_AFTER)
    assert noted(store, index.OPEN_HALTS) == [("job", "h-1")]


@pytest.mark.parametrize("state", State)
def test_what_the_job_says_is_believed_and_a_final_halt_is_left_out(store: SqliteStore, state: State) -> None:
    open_a_halt(store)
    work = Work(store, "job", NOON)
    halt = work.halt("h-1")
    halt.state = state
    work.save_halt(halt)
    work.commit()
    assert bool(index.open_halts(store, NOON)) is not halt.final
    assert bool(index.open_halts(store, LONG_AFTER)) is not halt.final
    assert bool(noted(store, index.OPEN_HALTS)) is not halt.final


def test_a_delivered_note_is_not_due(store: SqliteStore) -> None:
    open_a_halt(store)
    [(job, row)] = index.due_notes(store, NOON)
    store.commit(job, [Put(OUTBOX, row.id, {**row.body, "state": "delivered"}, row.version)])
    assert index.due_notes(store, NOON) == []
    assert noted(store, index.DUE_NOTES) == [("job", row.id)]
    assert index.due_notes(store, LONG_AFTER) == []
    assert noted(store, index.DUE_NOTES) == []


def empty_the_index(store: SqliteStore) -> None:
    for kind in (index.OPEN_HALTS, index.DUE_NOTES, index.SCOPES):
        for row in list(index.all_rows(store, index.INDEX, kind)):
            store.commit(index.INDEX, [Delete(kind, row.id, row.version)])


def test_everything_is_found_again_after_the_index_was_lost(store: SqliteStore) -> None:
    for job, halt in (("a", "h-1"), ("b", "h-2"), ("c", "h-3")):
        open_a_halt(store, job, halt)
    work = Work(store, "c", NOON)
    stopped = work.halt("h-3")
    stopped.state = State.STOPPED
    work.save_halt(stopped)
    work.commit()
    scopes = {"a": ["/s/1", "/s/2"], "b": ["/s/1"], "c": []}
    before = [noted(store, index.DUE_NOTES), [halt.id for halt in index.open_halts(store, NOON)]]
    empty_the_index(store)
    assert (index.open_halts(store, NOON), index.due_notes(store, NOON)) == ([], [])
    index.rebuild(store, NOON, scopes.__getitem__)
    assert [noted(store, index.DUE_NOTES), [halt.id for halt in index.open_halts(store, NOON)]] == before
    assert before[1] == ["h-1", "h-2"]
    assert (index.jobs_in(store, "/s/1"), index.jobs_in(store, "/s/2"), index.jobs_in(store, "/s/3")) == (
        ["a", "b"],
        ["a"],
        [],
    )


def test_the_jobs_of_a_scope_are_those_of_exactly_that_scope(store: SqliteStore) -> None:
    told = [("/s/rg", "one"), ("/s/rg-2", "two"), ("/s/rg.3", "three"), ("/s/r", "four"), ("/s/rg/x", "five")]
    index.add(store, index.SCOPES, told, NOON)
    assert {scope: index.jobs_in(store, scope) for scope, _ in told} == {scope: [job] for scope, job in told}
    assert index.jobs_in(store, "/s") == []


def test_a_list_longer_than_a_page_is_read_to_its_end(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_PAGE", 3)
    names = [f"job-{number:02d}" for number in range(8)]
    index.add(store, index.SCOPES, [("/s", name) for name in names] + [("/t", "other")], NOON)
    assert index.jobs_in(store, "/s") == names
    assert [right for _, right in noted(store, index.SCOPES)] == [*names, "other"]


def test_an_index_is_no_job_and_a_partition_without_a_jobs_row_neither(store: SqliteStore) -> None:
    open_a_halt(store, "job")
    store.commit("rest", [Put("check", "c-1", {}, None)])
    assert index.jobs(store) == ["job"]
    assert store.get("job", JOB, JOB_ROW)


def test_the_job_of_a_halt_is_known_by_its_id_alone(store: SqliteStore) -> None:
    open_a_halt(store, job="a", halt="h-1")
    open_a_halt(store, job="b", halt="h-10")
    assert index.job_of_halt(store, "h-1") == "a"
    assert index.job_of_halt(store, "h-10") == "b"
    assert index.job_of_halt(store, "h-100") is None


def test_a_halt_that_was_noted_and_never_written_is_of_no_job(store: SqliteStore) -> None:
    die_while_opening_a_halt(store)
    assert noted(store, index.HALT_JOBS) == [("h-1", "job")]
    assert index.job_of_halt(store, "h-1") is None


def test_the_jobs_of_halts_of_an_earlier_version_are_noted_when_the_lists_are_made_anew(store: SqliteStore) -> None:
    open_a_halt(store)
    row = store.list(index.INDEX, index.HALT_JOBS)[0]
    store.commit(index.INDEX, [Delete(row.kind, row.id, row.version)])
    assert index.job_of_halt(store, "h-1") is None
    index.rebuild(store, LONG_AFTER, lambda _: ())
    made = store.version(index.INDEX, index.HALT_JOBS, "h-1|job")
    assert index.job_of_halt(store, "h-1") == "job"
    index.rebuild(store, LONG_AFTER + timedelta(hours=2), lambda _: ())
    assert store.version(index.INDEX, index.HALT_JOBS, "h-1|job") == made, (
        "it never changes, so it is not written again"
    )
