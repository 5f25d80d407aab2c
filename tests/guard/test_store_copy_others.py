"""A store copy among others: who works with the target meanwhile, who goes on with the source, and who purges it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.filled_store import fill
from driftguard.adapters.stores.keys import REMEMBERED
from driftguard.adapters.stores.sqlite import SqliteStore, open_sqlite
from driftguard.adapters.stores.unfinished import refuse_unfinished_fact
from driftguard.errors import BadConfiguration, CannotTell, Conflict, WrongUse
from driftguard.flow.copy_mark import COPIED, COPYING, FACT, KIND, PARTITION, ROW
from driftguard.flow.ports import Delete, Put
from driftguard.guard import index
from driftguard.guard.rows import HALT, JOB, JOB_ROW
from tests.guard.test_store_copy import NOW, Around, Killed, copied, killed_before_write, mark_of

LAST_JOB = "payments-3"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., SqliteStore]]:
    """Opens stores by name that are closed at the end."""
    with ExitStack() as stack:
        yield lambda name, **more: stack.enter_context(closing(open_sqlite(tmp_path / name, **more)))


@pytest.fixture
def source(opened: Callable[..., SqliteStore]) -> SqliteStore:
    store = opened("source.db")
    fill(store, 40, 12, NOW)
    return store


@pytest.fixture
def target(opened: Callable[..., SqliteStore]) -> SqliteStore:
    return opened("target.db", unfinished=True)


def meanwhile(source: SqliteStore, partition: str, do: Callable[[], object]) -> Any:
    """The source; when the copy comes to this partition for the first time, `do` happens."""
    done: list[bool] = []

    def kinds(store: SqliteStore, name: str) -> list[str]:
        if name == partition and not done:
            done.append(True)
            do()
        return store.kinds(name)

    return Around(source, kinds=kinds)


# Somebody works with the target


def test_who_had_the_target_open_before_is_refused_from_the_first_change_on(
    source: SqliteStore, target: SqliteStore, opened: Callable[..., SqliteStore]
) -> None:
    before = opened("target.db")
    assert before.partitions() == []
    with pytest.raises(Killed):
        copied(source, killed_before_write(target, 20))
    held = target.blobs("")
    for use in (
        lambda: before.commit("mine", [Put(JOB, JOB_ROW, {}, None)]),
        lambda: before.put_once("mine", b""),
        lambda: before.forget(held),
        lambda: before.update_meta(lambda: {REMEMBERED + "a": ""}),
        before.partitions,
        lambda: before.get("payments-0", JOB, JOB_ROW),
        lambda: before.read(held[0]),
        lambda: before.meta(""),
    ):
        with pytest.raises(BadConfiguration, match="unfinished copy"):
            use()
    assert target.blobs("") == held
    copied(source, target)
    assert before.commit("mine", [Put(JOB, JOB_ROW, {}, None)])


def _their_record(store: SqliteStore) -> None:
    store.commit("theirs", [Put(JOB, JOB_ROW, {}, None)])


def _their_body(store: SqliteStore) -> None:
    store.put_once("theirs/pack/1", b"theirs")


def _their_key(store: SqliteStore) -> None:
    store.update_meta(lambda: {REMEMBERED + "theirs": ""})


THEIR_FIRST = pytest.mark.parametrize("write", [_their_record, _their_body, _their_key])


def before_the_mark(target: SqliteStore, do: Callable[[], object], *, killed_at: int = 1000) -> Any:
    """The target; `do` happens right before the first row, which is the mark. Its user dies before commit `killed_at`."""
    commits = [0]

    def commit(store: SqliteStore, *given: Any) -> Any:
        if commits[0] == 0:
            do()
        commits[0] += 1
        if commits[0] > killed_at:
            raise Killed
        return store.commit(*given)

    return Around(target, commit=commit)


@THEIR_FIRST
def test_who_writes_first_into_the_empty_target_before_the_mark_keeps_the_store(
    source: SqliteStore, target: SqliteStore, opened: Callable[..., SqliteStore], write: Callable[[SqliteStore], None]
) -> None:
    rightful = opened("target.db")
    with pytest.raises(WrongUse, match=r"is not empty|has keys of its own") as caught:
        copied(source, before_the_mark(target, lambda: write(rightful)))
    assert "name a new store" in caught.value.remedy
    _require_free(rightful)


@THEIR_FIRST
@pytest.mark.parametrize("killed_at", [0, 1])
def test_where_the_copy_is_killed_before_it_looked_its_next_run_takes_the_mark_back(
    source: SqliteStore,
    target: SqliteStore,
    opened: Callable[..., SqliteStore],
    write: Callable[[SqliteStore], None],
    killed_at: int,
) -> None:
    rightful = opened("target.db")
    with pytest.raises(Killed):
        copied(source, before_the_mark(target, lambda: write(rightful), killed_at=killed_at))
    assert target.meta(FACT) == {FACT: COPYING}
    with pytest.raises(WrongUse):
        copied(source, target)
    _require_free(rightful)


def test_a_copy_that_was_killed_before_it_looked_at_an_empty_target_goes_on(
    source: SqliteStore, target: SqliteStore
) -> None:
    with pytest.raises(Killed):
        copied(source, killed_before_write(target, 2))
    assert mark_of(target)["looked"] is False
    assert copied(source, target).resumed
    assert "looked" not in mark_of(target)


def test_another_copy_that_goes_on_with_the_mark_is_not_taken_for_somebody_else(
    source: SqliteStore, target: SqliteStore
) -> None:
    """One run has put its mark; before it looks, a second one of the same source goes on and copies everything."""
    done: list[bool] = []

    def partitions(store: SqliteStore) -> list[str]:
        if store.get(PARTITION, KIND, ROW) is not None and not done:
            done.append(True)
            copied(source, store)
        return store.partitions()

    with pytest.raises(Conflict):
        copied(source, Around(target, partitions=partitions))
    assert mark_of(target)["state"] == target.meta(FACT)[FACT] == COPIED


def _require_free(rightful: SqliteStore) -> None:
    """The store has neither mark nor a fact that refuses it, and whoever works with it goes on."""
    assert rightful.get(PARTITION, KIND, ROW) is None
    refuse_unfinished_fact(rightful.meta(FACT), "target")
    rightful.commit("theirs", [Put(HALT, "later", {}, None)])


def _a_job(store: SqliteStore) -> None:
    store.commit("theirs", [Put(JOB, JOB_ROW, {}, None), Put(HALT, "theirs", {"state": "open"}, None)])


def _a_halt(store: SqliteStore) -> None:
    store.commit(LAST_JOB, [Put(HALT, "theirs", {"state": "open"}, None)])


def _a_jobs_row(store: SqliteStore) -> None:
    row = store.get(LAST_JOB, JOB, JOB_ROW)
    store.commit(LAST_JOB, [Put(JOB, JOB_ROW, {"theirs": 1}, row.version if row else None)])


def _another_body(store: SqliteStore) -> None:
    store.commit(LAST_JOB, [Put(HALT, _its_halt(store), {"theirs": 1}, None)])


def _its_halt(_: SqliteStore) -> str:
    return "h-000000000003"


def _a_blob(store: SqliteStore) -> None:
    store.put_once(f"{LAST_JOB}/evidence/theirs", b"theirs")


def _a_blob_of_no_job(store: SqliteStore) -> None:
    store.put_once("theirs", b"theirs")


@pytest.mark.parametrize("at", ["payments-0", LAST_JOB])
@pytest.mark.parametrize("write", [_a_job, _a_halt, _a_jobs_row, _another_body, _a_blob, _a_blob_of_no_job])
def test_what_the_copy_did_not_write_is_never_removed_and_ends_it(
    source: SqliteStore, target: SqliteStore, write: Callable[[SqliteStore], None], at: str
) -> None:
    with pytest.raises(CannotTell, match=r"was not written by the copy|not in the copy as it was written"):
        copied(meanwhile(source, at, lambda: write(target)), target)
    for _ in range(2):
        assert mark_of(target)["state"] == target.meta(FACT)[FACT] == COPYING
        kept = [
            target.get("theirs", HALT, "theirs"),
            target.get(LAST_JOB, HALT, "theirs"),
            *(row for row in target.list(LAST_JOB, HALT) + target.list(LAST_JOB, JOB) if "theirs" in row.body),
            target.read(f"{LAST_JOB}/evidence/theirs"),
            target.read("theirs"),
        ]
        assert any(kept)
        with pytest.raises(CannotTell, match="was not written by the copy") as caught:
            copied(source, target)
        assert "free again once the store is deleted" in caught.value.remedy


def test_what_somebody_wrote_into_a_job_that_was_copied_already_is_found_at_the_end(
    source: SqliteStore, target: SqliteStore
) -> None:
    def write() -> None:
        row = target.list("payments-0", HALT)[0]
        target.commit("payments-0", [Delete(HALT, row.id, row.version), Put(HALT, "theirs", {"state": "open"}, None)])

    with pytest.raises(CannotTell, match="a row of 'payments-0' is not in the copy as it was written"):
        copied(meanwhile(source, LAST_JOB, write), target)
    assert mark_of(target)["state"] == COPYING
    assert target.get("payments-0", HALT, "theirs")


def test_a_blob_that_somebody_wrote_under_a_key_of_the_source_is_not_replaced(
    source: SqliteStore, target: SqliteStore
) -> None:
    key = f"{LAST_JOB}/evidence/new"

    def write() -> None:
        source.put_once(key, b"ours")
        target.put_once(key, b"theirs")

    with pytest.raises(CannotTell, match="blob"):
        copied(meanwhile(source, "payments-0", write), target)
    assert target.read(key) == b"theirs"
    assert mark_of(target)["state"] == COPYING


def test_the_state_is_told_as_a_fact_too_before_the_row_and_after_it(source: SqliteStore, target: SqliteStore) -> None:
    with pytest.raises(Killed):
        copied(source, killed_before_write(target, 1))
    assert (target.meta(FACT), target.get(PARTITION, KIND, ROW)) == ({FACT: COPYING}, None)
    copied(source, target)
    assert target.meta(FACT) == {FACT: COPIED}


# The source goes on


def test_a_halt_that_opens_after_the_lists_were_copied_is_in_the_lists_of_the_copy(
    source: SqliteStore, target: SqliteStore
) -> None:
    opened_later = "h-later"

    def halts() -> None:
        halt = source.list(LAST_JOB, HALT)[-1]
        row = source.get(LAST_JOB, JOB, JOB_ROW)
        assert row is not None
        index.add(source, index.OPEN_HALTS, [(LAST_JOB, opened_later)], NOW)
        source.commit(
            LAST_JOB,
            [
                Put(HALT, opened_later, {**halt.body, "id": opened_later, "state": "open"}, None),
                Put(JOB, JOB_ROW, {**row.body, "halts": 4}, row.version),
            ],
        )

    copied(meanwhile(source, LAST_JOB, halts), target)
    later = NOW + timedelta(days=1)
    assert opened_later in [halt.id for halt in index.open_halts(target, later)]
    assert index.job_of_halt(target, opened_later) == LAST_JOB


def test_a_halt_that_ends_while_the_lists_are_copied_is_in_the_lists_of_the_copy_as_it_is_in_its_job(
    source: SqliteStore, target: SqliteStore
) -> None:
    later = NOW + timedelta(days=1)
    [halt] = [one for one in index.open_halts(source, NOW) if one.job == LAST_JOB]

    def ends() -> None:
        for name, one, row in list(index.pairs(source, index.OPEN_HALTS)):
            if (name, one) == (LAST_JOB, halt.id):
                source.commit(index.INDEX, [Delete(row.kind, row.id, row.version)])

    copied(meanwhile(source, index.INDEX, ends), target)
    stored = target.get(LAST_JOB, HALT, halt.id)
    assert stored is not None and stored.body["state"] == "open"
    assert halt.id in [one.id for one in index.open_halts(target, later)]


def test_lists_that_the_source_has_whole_are_copied_without_a_change(source: SqliteStore, target: SqliteStore) -> None:
    copied(source, target)
    for kind in source.kinds(index.INDEX):
        held = [[(row.id, row.body) for row in index.all_rows(one, index.INDEX, kind)] for one in (source, target)]
        assert held[0] == held[1] != []


def test_a_store_with_a_job_that_cannot_be_read_is_copied_as_it_is(source: SqliteStore, target: SqliteStore) -> None:
    row = source.get(LAST_JOB, JOB, JOB_ROW)
    assert row is not None
    source.commit(LAST_JOB, [Put(JOB, JOB_ROW, {"schema": 99}, row.version), Put(HALT, "bad", {"state": 7}, None)])
    source.forget(source.blobs("payments-2/baseline/"))
    told = copied(source, target)
    assert told.jobs == 4
    assert [one.id for one in target.list(LAST_JOB, HALT)] == [one.id for one in source.list(LAST_JOB, HALT)]


def test_a_body_that_is_purged_under_another_jobs_name_is_not_missed_in_the_copy(
    source: SqliteStore, target: SqliteStore
) -> None:
    """payments-0 names a pack that lies under payments-3; it is recorded anew, and the pack is purged, while it is copied."""
    pack = f"{LAST_JOB}/pack/moved"
    source.put_once(pack, b"bodies")
    row = source.get("payments-0", JOB, JOB_ROW)
    assert row is not None
    version = source.commit("payments-0", [Put(JOB, JOB_ROW, {**row.body, "memory": pack}, row.version)])[JOB, JOB_ROW]

    def records_anew_and_purges() -> None:
        source.commit("payments-0", [Put(JOB, JOB_ROW, row.body, version)])
        source.forget([pack])

    copied(meanwhile(source, LAST_JOB, records_anew_and_purges), target)
    named = target.get("payments-0", JOB, JOB_ROW)
    assert named is not None and named.body["memory"] == row.body["memory"]
    assert target.read(pack) is None


def test_a_body_that_comes_under_another_jobs_name_after_that_job_was_copied_is_in_the_copy(
    source: SqliteStore, target: SqliteStore
) -> None:
    pack = "payments-0/pack/new"

    def moves() -> None:
        row = source.get(LAST_JOB, JOB, JOB_ROW)
        assert row is not None
        source.put_once(pack, b"bodies")
        source.commit(LAST_JOB, [Put(JOB, JOB_ROW, {**row.body, "memory": pack}, row.version)])

    copied(meanwhile(source, LAST_JOB, moves), target)
    named = target.get(LAST_JOB, JOB, JOB_ROW)
    assert named is not None and named.body["memory"] == pack
    assert target.read(pack) == b"bodies"


def test_a_store_that_loses_blobs_each_time_is_told_and_the_copy_stays_marked(
    source: SqliteStore, target: SqliteStore
) -> None:
    for number in range(20):
        source.put_once(f"{LAST_JOB}/pack/{number:02}", b"")
    left = source.blobs(f"{LAST_JOB}/pack/0")

    def kinds(store: SqliteStore, name: str) -> list[str]:
        if name == LAST_JOB:
            store.forget([left.pop()])
        return store.kinds(name)

    with pytest.raises(CannotTell, match="blobs were removed"):
        copied(Around(source, kinds=kinds), target)
    assert mark_of(target)["state"] == COPYING
    assert copied(source, target).resumed
