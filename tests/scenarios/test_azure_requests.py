"""How often a verb asks Azure Storage: the same few times for three hundred resources as for ten thousand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.counted_store import CountedStore
from benchmarks.requests import MOST_FOR_A_RECORD, MOST_READS_OF_A_CHECK, UNCHANGED, costs_on
from driftguard.guard import index
from tests.azurite.server import Azurite
from tests.scenarios.places import in_folder
from tests.scenarios.storage_proxy import storage_proxy

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OPENING = 1  # whether there is a store, and a whole one


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.soak)])
def test_records_and_checks_keep_to_a_few_requests(azurite: Azurite, count: int) -> None:
    with storage_proxy(azurite) as proxy:
        told = {cost.what: cost for cost in costs_on(azurite, proxy, count)}
    for what, cost in told.items():
        if "record" in what:
            assert cost.requests <= MOST_FOR_A_RECORD, cost
    check, in_a_new_process = told[UNCHANGED], told[f"{UNCHANGED}, in a new process"]
    assert check.reads <= MOST_READS_OF_A_CHECK, check
    assert (check.reads, check.writes) == (4, 2), "job, recorded set, job once more, what is due; readings, commit"
    assert in_a_new_process.reads == check.reads + OPENING <= MOST_READS_OF_A_CHECK, in_a_new_process
    assert max(cost.requests for cost in told.values()) <= 60


def test_many_pairs_are_noted_and_looked_for_together(tmp_path: Path) -> None:
    scopes = [(f"/subscriptions/s/resourcegroups/rg-{number:03}", "job") for number in range(150)]
    with in_folder(tmp_path).opened() as (opened, _):
        store = CountedStore(opened)
        index.add(store, index.SCOPES, scopes, NOON)
        assert len(store.fresh()) <= 6
        index.add(store, index.SCOPES, scopes, NOON + timedelta(minutes=1))
        assert not [call for call in store.fresh() if call[0] == "commit"]
        index.add(store, index.SCOPES, scopes, NOON + timedelta(hours=1))
        assert len(store.fresh()) <= 6
        assert [(left, right) for left, right, _ in index.pairs(store, index.SCOPES)] == scopes
        assert {row.body["at"][11:16] for *_, row in index.pairs(store, index.SCOPES)} == {"13:00"}


def test_pairs_far_from_each_other_are_looked_for_one_by_one(tmp_path: Path) -> None:
    between = [(f"/{number:05}", "other") for number in range(3000)]
    with in_folder(tmp_path).opened() as (opened, _):
        store = CountedStore(opened)
        index.add(store, index.SCOPES, between, NOON)
        wanted = [(f"/{number:05}", "job") for number in (0, 500, 1700, 2900)]
        store.fresh()
        index.add(store, index.SCOPES, wanted, NOON)
        assert len([call for call in store.fresh() if call[0] == "list"]) == 1
        assert {left for left, right, _ in index.pairs(store, index.SCOPES) if right == "job"} == {
            left for left, _ in wanted
        }


def test_notes_of_one_job_are_listed_without_those_of_others(tmp_path: Path) -> None:
    with in_folder(tmp_path).opened() as (opened, _):
        store = CountedStore(opened)
        names = [(job, "h.file.0001.halted") for job in ("shop", "shop-2", "shop.a", "shops")]
        index.add(store, index.DUE_NOTES, names, NOON)
        store.fresh()
        index.due_notes(store, NOON, "shop")
        assert store.fresh() == [("list", index.DUE_NOTES), ("get", "outbox")]
