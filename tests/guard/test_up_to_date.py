"""What a verb does before its own work, and how the job that it read for that is used once more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.counted_store import CountedStore
from driftguard.adapters.stores.sqlite import SqliteStore
from driftguard.errors import Conflict, WrongUse
from driftguard.flow.moment import to_text
from driftguard.guard.blobs import Damaged
from driftguard.guard.up_to_date import bring_up_to_date
from driftguard.guard.work import Work, attempts_on, sealed_under
from tests.flow.findings import NOON
from tests.world import JOB, World, world

MINE = "mine"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.first_record()
        yield made


def _keep(shop: World, **changed: object) -> None:
    work = Work(shop.guard.store, JOB, NOON)
    for name, value in changed.items():
        setattr(work.job, name, value)
    work.commit()


def test_where_nothing_is_to_be_done_the_job_is_read_once_and_handed_on(shop: World) -> None:
    store = CountedStore(shop.guard.store)
    guard = type(shop.guard)(**{**vars(shop.guard), "store": store})
    told, work = bring_up_to_date(guard, JOB, guard.policy())
    assert told == () and work is not None and work.job.sealed == sealed_under(guard.policy())
    assert store.fresh() == [("get", "job")]


@pytest.mark.parametrize("left", ["sealed under other rules", "blobs to be removed", "a time that the log may tell of"])
def test_where_something_is_to_be_done_it_is_done_and_the_job_read_anew(shop: World, left: str) -> None:
    now = to_text(shop.guard.clock.now())
    window = {
        "since": now,
        "until": now,
        "baseline": Work(shop.guard.store, JOB, NOON).job.baseline,
        "correlations": [],
    }
    if left == "sealed under other rules":
        _keep(shop, sealed="")
    elif left == "blobs to be removed":
        _keep(shop, forget=[f"{JOB}/pack/x"])
    else:
        _keep(shop, window=window)
    shop.advance(hours=1)
    _, work = bring_up_to_date(shop.guard, JOB, shop.guard.policy())
    assert work is None
    job = Work(shop.guard.store, JOB, NOON).job
    assert (job.sealed, job.forget, job.window) == (sealed_under(shop.guard.policy()), [], None)


def test_a_name_that_cannot_be_a_job_is_refused(shop: World) -> None:
    with pytest.raises(WrongUse):
        bring_up_to_date(shop.guard, "no/job", shop.guard.policy())


def test_a_step_begins_with_the_job_at_hand_and_loads_it_anew_for_each_further_try(store: SqliteStore) -> None:
    first, loaded, seen = Work(store, MINE, NOON), list[Work](), list[Work]()

    def load() -> Work:
        loaded.append(Work(store, MINE, NOON))
        return loaded[-1]

    def step(work: Work) -> str:
        seen.append(work)
        if len(seen) < 3:
            raise Conflict("somebody else was faster", "again")
        return "done"

    assert attempts_on(load, step, first) == "done"
    assert seen == [first, *loaded] and len(loaded) == 2


def test_what_is_lost_while_the_job_changed_is_looked_for_again_and_else_is_damage(store: SqliteStore) -> None:
    def load() -> Work:
        return Work(store, MINE, NOON)

    load().commit()
    tries: list[str | None] = []

    def lost_once(work: Work) -> str:
        tries.append(work.version)
        if len(tries) == 1:
            load().commit()  # somebody sealed the bodies again, and removed the old ones
            raise Damaged("the store has lost it", "restore it")
        return "found"

    assert attempts_on(load, lost_once) == "found"
    assert tries[0] != tries[1]

    def lost(_: Work) -> str:
        raise Damaged("the store has lost it", "restore it")

    with pytest.raises(Damaged):
        attempts_on(load, lost)
