"""A copy of a store is whole and verified, or it is marked as unfinished and the same call goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.filled_store import fill
from driftguard.adapters.stores.first_use import StoreAtFirstUse
from driftguard.adapters.stores.keys import REMEMBERED
from driftguard.adapters.stores.sqlite import SqliteStore, open_sqlite
from driftguard.errors import BadConfiguration, CannotTell, Conflict, WrongUse
from driftguard.flow.copy_mark import FACT, KIND, PARTITION, ROW
from driftguard.flow.ledger import LedgerEntry, first_fault
from driftguard.flow.ports import MAX_WRITES, Delete, Put, Row, Store, Write
from driftguard.guard.index import all_rows
from driftguard.guard.rows import HALT, JOB, JOB_ROW, LEDGER, HaltRow, JobRow
from driftguard.guard.store_copy import Copied, End, copy_store
from driftguard.guard.store_copy_rows import PAGE, batches
from driftguard.guard.work import Work

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY_ID = "0123456789abcdef"
Rows = dict[tuple[str, str, str], dict[str, Any]]


class StandingClock:
    """A clock that stands still; what it was asked to wait is counted."""

    def __init__(self) -> None:
        self.waited = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.waited)

    def monotonic(self) -> float:
        return self.waited

    def sleep(self, seconds: float) -> None:
        self.waited += seconds


class Around:
    """A store with something in its way: `calls` maps the name of a call to what is done instead, with the store first."""

    def __init__(self, store: SqliteStore, **calls: Callable[..., Any]) -> None:
        self._store = store
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        if name not in self._calls:
            return getattr(self._store, name)
        return lambda *given, **named: self._calls[name](self._store, *given, **named)


class Killed(Exception):
    """Stands for the end of the process."""


def killed_before_write(store: SqliteStore, number: int) -> Around:
    """A store whose user dies right before its write `number` (from 0), and does nothing afterwards."""
    left, turn = [number], threading.Lock()

    def dies(call: str) -> Callable[..., Any]:
        def write(store: SqliteStore, *given: Any) -> Any:
            with turn:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
                return getattr(store, call)(*given)

        return write

    return Around(store, **{call: dies(call) for call in ("commit", "put_once", "forget", "update_meta")})


@pytest.fixture
def opened() -> Iterator[Callable[..., SqliteStore]]:
    """Opens stores that are closed at the end."""
    with ExitStack() as stack:
        yield lambda path, **more: stack.enter_context(closing(open_sqlite(path, **more)))


@pytest.fixture
def source(opened: Callable[..., SqliteStore], tmp_path: Path) -> SqliteStore:
    """A store with a few jobs, halts, a blob that no job has, and a key."""
    store = opened(tmp_path / "source.db")
    fill(store, 60, 12, NOW)
    store.put_once("readme", b"of no job")
    store.update_meta(lambda: {REMEMBERED + KEY_ID: ""})
    return store


@pytest.fixture
def target(opened: Callable[..., SqliteStore], tmp_path: Path) -> SqliteStore:
    return opened(tmp_path / "target.db", unfinished=True)


def copied(source: Any, target: Any, name: str = "source") -> Copied:
    return copy_store(End(source, name, "here"), End(target, "target", "there"), StandingClock(), key_ids=REMEMBERED)


def rows_of(store: Store) -> Rows:
    """All rows but the mark."""
    return {
        (partition, row.kind, row.id): row.body
        for partition in store.partitions()
        if partition != PARTITION
        for kind in store.kinds(partition)
        for row in all_rows(store, partition, kind)
    }


def blobs_of(store: Store) -> dict[str, bytes | None]:
    return {key: store.read(key) for key in store.blobs("")}


def require_equal(source: SqliteStore, target: SqliteStore) -> None:
    assert rows_of(source) == rows_of(target)
    assert blobs_of(source) == blobs_of(target)
    assert source.meta(REMEMBERED) == target.meta(REMEMBERED)


def require_whole_jobs(store: Store) -> list[str]:
    """Whatever job can be seen has its halts, their evidence and its ledger; the names of these jobs."""
    seen = [name for name in store.partitions() if not name.startswith("~") and store.get(name, JOB, JOB_ROW)]
    blobs = {*store.blobs("")}
    for name in seen:
        row = store.get(name, JOB, JOB_ROW)
        assert row is not None
        job = JobRow.from_body(row.body)
        entries = [LedgerEntry.from_dict(one.body) for one in all_rows(store, name, LEDGER)]
        assert first_fault(entries, job.ledger_number, job.ledger_head) == ""
        halts = [HaltRow.from_body(one.body) for one in all_rows(store, name, HALT)]
        assert len(halts) == job.halts
        assert [halt.id for halt in halts if not halt.final] == ([job.open_halt] if job.open_halt else [])
        named = {job.baseline, *(key for halt in halts for key in (*halt.evidence_keys, halt.findings))}
        assert named <= blobs
    return seen


def mark_of(store: Store) -> Mapping[str, Any]:
    row = store.get(PARTITION, KIND, ROW)
    assert row is not None
    return row.body


# Whole


def test_a_copy_holds_everything_and_says_how_much(source: SqliteStore, target: SqliteStore) -> None:
    told = copied(source, target)
    require_equal(source, target)
    assert (told.jobs, told.rows, told.blobs) == (4, len(rows_of(source)), len(source.blobs("")))
    assert (told.rows_written, told.blobs_written, told.resumed) == (told.rows, told.blobs, False)
    assert told.bytes == sum(len(data or b"") for data in blobs_of(source).values())
    assert (told.key_ids, told.keys_in, told.keys_to, told.exit_code) == ((KEY_ID,), "here", "there", 0)
    assert mark_of(target)["state"] == "copied" and mark_of(target)["result"]["digest"] == told.digest
    assert json.loads(json.dumps(told.to_dict()))["recovery_point"] == "2026-03-01T12:00:00.000000Z"


def test_a_copy_of_a_copy_has_the_same_digest_and_another_store_another_one(
    source: SqliteStore, target: SqliteStore, opened: Callable[..., SqliteStore], tmp_path: Path
) -> None:
    first = copied(source, target)
    again = copy_store(
        End(target, "target"),
        End(opened(tmp_path / "third.db", unfinished=True), "third"),
        StandingClock(),
        key_ids=REMEMBERED,
    )
    assert again.digest == first.digest
    digests = {first.digest}
    row = source.list("payments-0", HALT)[0]
    changes: tuple[Callable[[], object], ...] = (
        lambda: source.commit("payments-0", [Put(HALT, row.id, {**row.body, "run": "other"}, row.version)]),
        lambda: source.put_once("payments-0/another", b""),
        lambda: source.update_meta(lambda: {REMEMBERED + "f" * 16: ""}),
    )
    for number, change in enumerate(changes):
        change()
        digests.add(copied(source, opened(tmp_path / f"changed-{number}.db", unfinished=True)).digest)
    assert len(digests) == 4


def test_a_store_without_anything_is_copied_too(opened: Callable[..., SqliteStore], tmp_path: Path) -> None:
    told = copied(opened(tmp_path / "empty.db"), opened(tmp_path / "copy.db", unfinished=True))
    assert (told.jobs, told.rows, told.blobs, told.key_ids) == (0, 0, 0, ())


# Unfinished


def test_who_opens_an_unfinished_copy_for_work_is_refused(
    source: SqliteStore, target: SqliteStore, opened: Callable[..., SqliteStore]
) -> None:
    with pytest.raises(Killed):
        copied(source, killed_before_write(target, 9))
    for use in (lambda: opened(target.path), lambda: StoreAtFirstUse(target.path, may_begin=True).partitions()):
        with pytest.raises(BadConfiguration, match="unfinished copy") as caught:
            use()
        assert "driftguard store copy" in caught.value.remedy
    copied(source, target)
    assert opened(target.path).partitions()


def test_killed_before_any_write_it_shows_no_job_without_its_halts_and_goes_on(
    source: SqliteStore, opened: Callable[..., SqliteStore], tmp_path: Path
) -> None:
    whole = copied(source, opened(tmp_path / "whole.db", unfinished=True))
    places, killed = 0, True
    while killed:
        target = opened(tmp_path / f"killed-{places}.db", unfinished=True)
        killed = False
        try:
            copied(source, killed_before_write(target, places))
        except Killed:
            killed = True
            require_whole_jobs(target)
            was_whole = places > 1 and mark_of(target)["state"] == "copied"
            told = copied(source, target)
            assert (told.digest, told.resumed, told.whole_before) == (whole.digest, places > 1, was_whole)
            assert (told.rows, told.blobs, told.key_ids) == (whole.rows, whole.blobs, whole.key_ids)
            assert mark_of(target)["state"] == target.meta(FACT)[FACT] == "copied"
            assert target.kinds(PARTITION) == [KIND]
            assert told.rows_written + told.blobs_written <= whole.rows + whole.blobs
            require_equal(source, target)
        places += 1 if places < 4 else 5
    assert places > 50


def killed_before_it_is_whole(store: SqliteStore) -> Around:
    """A store whose user dies when everything is copied, right before the mark says so."""

    def commit(store: SqliteStore, partition: str, writes: Sequence[Write]) -> Any:
        if any(isinstance(one, Put) and one.kind == KIND and one.body.get("state") == "copied" for one in writes):
            raise Killed
        return store.commit(partition, writes)

    return Around(store, commit=commit)


def test_what_is_there_is_left_what_differs_replaced_and_what_is_gone_removed(
    source: SqliteStore, target: SqliteStore
) -> None:
    source.commit("payments-1", [Put("old", "gone", {}, None)])
    source.commit("retired-job", [Put(JOB, JOB_ROW, {"name": "retired-job"}, None)])
    source.put_once("payments-1/gone", b"x")
    source.put_once("nobody's", b"x")
    with pytest.raises(Killed):
        copied(source, killed_before_it_is_whole(target))
    require_equal(source, target)
    halt = source.list("payments-0", HALT)[0]
    source.commit("payments-0", [Put(HALT, halt.id, {**halt.body, "run": "other"}, halt.version)])
    for partition, kind, one in (("payments-1", "old", "gone"), ("retired-job", JOB, JOB_ROW)):
        row = source.get(partition, kind, one)
        assert row is not None
        source.commit(partition, [Delete(kind, one, row.version)])
    source.forget(["payments-1/gone", "nobody's"])
    source.put_once("payments-1/new", b"x")
    told = copied(source, target)
    require_equal(source, target)
    # payments-0: its halt, its row removed and put; payments-1: two blobs and a row, its row removed and put; a job that is gone
    assert (told.rows_written, told.blobs_written) == (3 + 3 + 1, 1)


def test_a_job_that_changed_since_the_interruption_is_hidden_while_it_is_changed(
    source: SqliteStore, target: SqliteStore
) -> None:
    with pytest.raises(Killed):
        copied(source, killed_before_it_is_whole(target))
    halt_more(source, "payments-2", 77)
    for number in range(1, 12):
        with pytest.raises(Killed):
            copied(source, killed_before_write(target, number))
        require_whole_jobs(target)
        if "payments-2" not in require_whole_jobs(target):
            break
    else:
        pytest.fail("the job was changed while its row was there")
    copied(source, target)
    require_equal(source, target)


# In use


def halt_more(store: SqliteStore, job: str, number: int) -> None:
    """Another halt is met and resolved on the job, with a blob of its own."""
    work = Work(store, job, NOW)
    open_halt = work.current()
    assert open_halt is not None
    key = f"{job}/evidence/more-{number}"
    store.put_once(key, str(number).encode())
    body = open_halt.to_body() | {"id": f"h-more-{number}", "state": "resolved", "evidence_keys": [key]}
    work.save_halt(HaltRow.from_body(body))
    work.job.halts += 1
    work.log("halted", halt=f"h-more-{number}")
    work.commit()


def test_a_job_is_copied_as_it_was_at_one_moment_while_a_writer_goes_on(
    source: SqliteStore, target: SqliteStore
) -> None:
    reads, written = [0], [0]

    def meanwhile(call: str) -> Callable[..., Any]:
        def read(store: SqliteStore, *given: Any, **named: Any) -> Any:
            reads[0] += 1
            if reads[0] % 4 == 0 and written[0] < 14:
                written[0] += 1
                halt_more(store, f"payments-{written[0] % 4}", written[0])
                store.forget([f"payments-{written[0] % 4}/evidence/unnamed"])
            return getattr(store, call)(*given, **named)

        return read

    busy = Around(source, **{call: meanwhile(call) for call in ("list", "get", "version", "kinds", "partitions")})
    told = copied(busy, target)
    assert written == [14]
    assert require_whole_jobs(target) == [f"payments-{number}" for number in range(4)]
    assert told.rows <= len(rows_of(source))


def test_a_blob_that_was_forgotten_meanwhile_is_not_in_the_copy(source: SqliteStore, target: SqliteStore) -> None:
    source.put_once("payments-3/old", b"held a secret")

    def forgets_late(store: SqliteStore, *given: Any, **named: Any) -> list[Row]:
        store.forget(["payments-3/old"])
        return store.list(*given, **named)

    copied(Around(source, list=forgets_late), target)
    require_equal(source, target)
    assert target.read("payments-3/old") is None


def test_a_job_that_never_stands_still_is_told_and_the_copy_stays_marked(
    source: SqliteStore, target: SqliteStore
) -> None:
    number = [0]

    def restless(store: SqliteStore, partition: str, kind: str, **named: Any) -> list[Row]:
        if (partition, kind, named["after"]) == ("payments-1", LEDGER, ""):  # with every pass
            number[0] += 1
            halt_more(store, partition, number[0])
        return store.list(partition, kind, **named)

    with pytest.raises(CannotTell, match="payments-1 changed"):
        copied(Around(source, list=restless), target)
    assert mark_of(target)["state"] == "copying"
    assert "payments-1" not in require_whole_jobs(target)
    copied(source, target)
    require_equal(source, target)


# Refused


def test_a_place_that_holds_something_is_refused(source: SqliteStore, target: SqliteStore) -> None:
    target.put_once("something", b"")
    with pytest.raises(WrongUse, match="not empty"):
        copied(source, target)
    assert target.partitions() == []


def test_a_whole_copy_is_not_written_over_and_the_same_command_tells_the_result_of_then(
    source: SqliteStore, target: SqliteStore
) -> None:
    first = copied(source, target)
    halt_more(source, "payments-1", 5)
    held = rows_of(target), blobs_of(target)
    again = copied(source, target)
    assert again == replace(first, resumed=True, rows_written=0, blobs_written=0, whole_before=True)
    with pytest.raises(WrongUse, match="whole copy already, finished 2026"):
        copied(source, target, name="another")
    assert (rows_of(target), blobs_of(target)) == held


def test_the_unfinished_copy_of_another_store_and_the_store_itself_are_refused(
    source: SqliteStore, target: SqliteStore
) -> None:
    with pytest.raises(Killed):
        copied(source, killed_before_write(target, 5))
    before = rows_of(target), blobs_of(target)
    with pytest.raises(WrongUse, match="unfinished copy of another store, source"):
        copied(source, target, name="yet another")
    with pytest.raises(WrongUse, match="onto itself"):
        copied(source, target, name="target")
    assert (rows_of(target), blobs_of(target)) == before


def test_a_place_with_a_key_of_its_own_is_refused(source: SqliteStore, target: SqliteStore) -> None:
    target.update_meta(lambda: {REMEMBERED + "f" * 16: ""})
    with pytest.raises(WrongUse, match="keys of its own"):
        copied(source, target)


def test_of_two_copies_into_one_store_the_earlier_one_does_not_call_it_whole(
    source: SqliteStore, target: SqliteStore
) -> None:
    begun = [False]

    def begins_another(store: SqliteStore, prefix: str) -> list[str]:
        if not begun[0]:
            begun[0] = True
            with pytest.raises(Killed):
                copied(source, killed_before_write(target, 3))
        return store.blobs(prefix)

    with pytest.raises(Conflict):
        copied(Around(source, blobs=begins_another), target)
    assert mark_of(target)["state"] == "copying"


# Verified


def _spoilt_row(store: SqliteStore, partition: str, writes: Sequence[Write]) -> Any:
    spoilt = [
        Put(one.kind, one.id, {**one.body, "lost": 1}, one.expected)
        if isinstance(one, Put) and one.kind == LEDGER
        else one
        for one in writes
    ]
    return store.commit(partition, spoilt)


def _spoilt_job(store: SqliteStore, partition: str, writes: Sequence[Write]) -> Any:
    return store.commit(partition, [Put(o.kind, o.id, {}, o.expected) if o.kind == JOB else o for o in writes])


@pytest.mark.parametrize(
    "calls",
    [
        {"commit": _spoilt_row},
        {"commit": _spoilt_job},
        {"put_once": lambda store, key, data: store.put_once(key, data[:-1])},
        {"put_once": lambda store, key, data: True},
        {"update_meta": lambda store, change: None},
        {"partitions": lambda store: [*store.partitions(), *(["strange"] if len(store.partitions()) > 1 else [])]},
    ],
    ids=["a row", "a job's row", "a cut blob", "a lost blob", "a lost key id", "a strange job"],
)
def test_what_is_not_read_back_as_it_was_written_is_told_and_the_copy_stays_marked(
    source: SqliteStore, target: SqliteStore, calls: dict[str, Callable[..., Any]]
) -> None:
    with pytest.raises(CannotTell, match="not in the copy as it was written") as caught:
        copied(source, Around(target, **calls))
    assert "same command again" in caught.value.remedy
    assert mark_of(target)["state"] == "copying"


# Pages and batches


def test_more_rows_than_a_page_are_compared_in_order_whatever_the_copy_holds_between_them(
    source: SqliteStore, target: SqliteStore
) -> None:
    ids = [f"{number:05d}" for number in range(3 * PAGE + 7)]
    for start in range(0, len(ids), MAX_WRITES):
        source.commit("many", [Put("k", one, {"n": one}, None) for one in ids[start : start + MAX_WRITES]])
    for start in range(0, len(ids), MAX_WRITES):
        source.commit("many", [Put("k", f"{one}+", {}, None) for one in ids[start : start + MAX_WRITES]])
    with pytest.raises(Killed):
        copied(source, killed_before_it_is_whole(target))
    for row in [*all_rows(source, "many", "k")]:
        if row.id.endswith("+"):
            source.commit("many", [Delete("k", row.id, row.version)])
        elif int(row.id) % 2:
            source.commit("many", [Put("k", row.id, {"n": "new"}, row.version)])
    told = copied(source, target)
    require_equal(source, target)
    assert told.resumed


@given(st.lists(st.integers(0, 60), max_size=260))
def test_batches_keep_the_order_and_hold_no_more_than_a_commit_takes(sizes: list[int]) -> None:
    writes: list[Write] = [
        Put("k", str(number), {"a": "x" * size}, None) if size else Delete("k", str(number), "1")
        for number, size in enumerate(sizes)
    ]
    made = list(batches(writes, most_bytes=500))
    assert [one for batch in made for one in batch] == writes
    for batch in made:
        bodies = [len(json.dumps(one.body)) for one in batch if isinstance(one, Put)]
        assert 1 <= len(batch) <= MAX_WRITES and (sum(bodies) <= 560 or len(batch) == 1)
