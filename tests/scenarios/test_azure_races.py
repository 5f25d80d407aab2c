"""Processes that begin at the same moment on one job of a store on Azure Storage: one halt, one lease, one decision, one note."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from driftguard.flow.halt import State
from driftguard.guard.index import OPEN_HALTS, pairs
from driftguard.guard.rows import HALT
from driftguard.sandbox import Sandbox, default_estate
from tests.azurite.server import Azurite
from tests.scenarios.other_processes import Left, Processes, left_at, notes, processes
from tests.scenarios.places import on
from tests.scenarios.steps import NAT, ROBS_DNS, SHOP_DNS
from tests.world import JOB, NETWORK, VNET

ESTATE = [(one, body) for one, body in default_estate() if one in (NETWORK, VNET, NAT)]
MANY = 20
FEW_SEEDS, ALL_SEEDS = range(1), range(1, 60)


@dataclass
class Shop:
    """A store on Azure Storage with one recorded job, and the processes that work on it."""

    others: Processes
    folder: Path

    def at_once(self, *calls: dict[str, Any]) -> list[dict[str, Any]]:
        return self.others.at_once(self.folder, *calls)

    def change_by_hand(self, server: str = ROBS_DNS, as_: str = "person-portal") -> None:
        self.others.advance(60)
        self.others.sandbox.patch(VNET, {"properties": {"dhcpOptions": {"dnsServers": [server]}}}, as_=as_)
        self.others.advance(60)

    def left(self) -> Left:
        return left_at(self.others.place(self.folder))


@pytest.fixture(scope="module")
def others() -> Iterator[Processes]:
    with Sandbox(ESTATE) as sandbox, processes(sandbox) as made:
        yield made


@pytest.fixture
def shop(others: Processes, azurite: Azurite, tmp_path: Path) -> Shop:
    others.places[tmp_path] = on(azurite)
    made = Shop(others, tmp_path)
    made.change_by_hand(SHOP_DNS, "pipeline")
    first = others.call(tmp_path, verb="record", job=JOB, run=None, clearance=None, resources=[VNET, NAT])
    assert first["exit"] == 0, first
    return made


def _checks(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"verb": "check", "job": JOB, "run": f"run-{number}"} for number in range(first, first + count)]


def test_twenty_checks_at_once_make_one_halt_one_evidence_and_one_note(shop: Shop) -> None:
    shop.change_by_hand()
    answers = shop.at_once(*_checks(MANY))
    assert Counter(one["exit"] for one in answers) == {1: MANY}, answers
    left = shop.left()
    [halt] = left.halts
    assert {one["said"]["halt"] for one in answers} == {halt.id}
    assert (halt.state, halt.evidence) == (State.OPEN, 1)
    shop.at_once({"verb": "deliver"})
    assert [note.stem for note in notes(shop.folder)] == [halt.id]
    assert {one["state"] for one in shop.left().outbox} == {"delivered"}
    with shop.others.place(shop.folder).opened(create=False) as (store, _):
        assert [(job, one) for job, one, _ in pairs(store, OPEN_HALTS)] == [(JOB, halt.id)]


def test_of_twenty_clearances_at_once_one_is_given(shop: Shop) -> None:
    answers = shop.at_once(*_checks(MANY))
    assert Counter(one["exit"] for one in answers) == {0: 1, 4: MANY - 1}, answers
    lease = shop.left().job.lease
    assert [one["said"]["clearance"] for one in answers if one["exit"] == 0] == [lease and lease.clearance]


def test_of_two_reviewers_at_once_one_wins_and_the_other_is_told(shop: Shop) -> None:
    shop.change_by_hand()
    shop.at_once(*_checks(1))
    [halt] = shop.left().halts
    with shop.others.place(shop.folder).opened(create=False) as (store, _):
        row = store.get(JOB, HALT, halt.id)
    assert row is not None
    seen = {"verb": "decide", "halt": halt.id, "if_match": row.version}
    decisions = {"dana@contoso.com": "keep", "erin@contoso.com": "overwrite"}
    answers = shop.at_once(*({**seen, "by": who, "decision": what} for who, what in decisions.items()))
    assert sorted(one["exit"] for one in answers) == [0, 3], answers
    [winner] = [who for who, one in zip(decisions, answers, strict=True) if one["exit"] == 0]
    [loser] = [one for one in answers if one["exit"] == 3]
    assert loser["said"].startswith("Stale")
    [decided] = shop.left().halts
    assert decided.decision is not None
    assert (decided.decision["by"], decided.decision["decision"]) == (winner, decisions[winner])


@pytest.mark.parametrize("seed", [*FEW_SEEDS, *(pytest.param(number, marks=pytest.mark.soak) for number in ALL_SEEDS)])
def test_checks_records_and_decisions_at_once_leave_everything_whole(shop: Shop, seed: int) -> None:
    """In any order: nothing is half done, at most one run was let pass at a time, and the same commands end it well."""
    order = random.Random(seed)
    cleared = shop.at_once({"verb": "check", "job": JOB, "run": "run-1"})[0]["said"]["clearance"]
    if order.random() < 0.7:
        shop.change_by_hand()
    record = {"verb": "record", "job": JOB, "run": "run-1", "clearance": cleared, "resources": [VNET, NAT]}
    calls = [record, *_checks(order.randint(3, 8), first=2), {"verb": "deliver"}]
    order.shuffle(calls)
    answers = shop.at_once(*calls)
    assert {one["exit"] for one in answers} <= {0, 1, 4}, answers
    assert sum(1 for call, one in zip(calls, answers, strict=True) if call["verb"] == "check" and one["exit"] == 0) <= 1
    left = shop.left()
    if left.job.open_halt is None:
        assert left.job.generation == 2
        return
    by = [
        {"verb": "decide", "halt": left.job.open_halt, "by": who, "decision": "overwrite", "if_match": None}
        for who in ("dana@contoso.com", "erin@contoso.com")
    ]
    assert {one["exit"] for one in shop.at_once(*by, *_checks(2, first=20), {"verb": "deliver"})} <= {0, 1, 3, 4}
    shop.at_once({"verb": "deliver"})
    left = shop.left()
    assert {one["state"] for one in left.outbox} == {"delivered"}
    assert [note.stem for note in notes(shop.folder)] == [one.id for one in left.halts]
