"""A purge is killed before any one of its writes, or meets whatever else happens: what is named is there, and the rest goes."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from driftguard.adapters.stores.sqlite import open_sqlite
from driftguard.errors import DriftGuardError
from driftguard.flow.halt import Decision
from driftguard.flow.ports import Write
from driftguard.guard import index
from driftguard.guard.jobs import accept, move, proposals
from driftguard.guard.legal_hold import hold, unhold
from driftguard.guard.purged import PURGED
from driftguard.guard.retention import purge
from driftguard.guard.review import list_halts
from driftguard.guard.rows import CHECK, HALT, LEDGER, OUTBOX, PROPOSAL, RECORD
from driftguard.guard.scan import gate_every_job
from tests.scenarios.kept import (
    WHY,
    Clock,
    Dying,
    Killed,
    named,
    purged,
    require_whole,
    unnamed,
    use_policy,
    with_a_past,
)
from tests.scenarios.steps import BOTH, NAT, ROBS_DNS, SHOP_DNS, decided, deploy, set_dns, story
from tests.world import DANA, ERIN, JOB, VNET, World

KINDS = (CHECK, RECORD, HALT, OUTBOX, PROPOSAL, PURGED)


@contextmanager
def copied(shop: World, to: Path) -> Iterator[World]:
    """The shop over a copy of its store, with a clock of its own."""
    with sqlite3.connect(shop.folder / "store.db") as source, sqlite3.connect(to) as target:
        source.backup(target)
    source.close()
    target.close()
    store = open_sqlite(to)
    try:
        yield replace(shop, guard=replace(shop.guard, store=store, clock=Clock(shop.guard.clock.now())))
    finally:
        store.close()


def days_of_purges(shop: World, days: int) -> None:
    """A purge now, and one on each of the following days."""
    clock = shop.guard.clock
    assert isinstance(clock, Clock)
    for _ in range(days):
        purge(shop.guard, shop.guard.policy())
        clock.at += timedelta(days=1)


def left(shop: World) -> tuple[list[str], set[str]]:
    """The rows that are left, and the blobs, apart from how often a purge was told."""
    rows = [f"{kind} {row.id}" for kind in KINDS for row in index.all_rows(shop.guard.store, JOB, kind)]
    return rows, {key for key in shop.guard.store.blobs("") if "/retention/" not in key}


def test_wherever_a_purge_is_killed_nothing_named_is_lost_and_the_next_ones_complete_it(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        with_a_past(shop)
        shop.advance(days=100)
        with copied(shop, tmp_path / "never.db") as unharmed:
            days_of_purges(unharmed, 5)
            expected = left(unharmed)
        assert not [row for row in expected[0] if row.startswith("halt ")]
        for place in range(200):
            with copied(shop, tmp_path / f"{place}.db") as one:
                dying = Dying(one.guard.store, before=place)
                try:
                    days_of_purges(replace(one, guard=replace(one.guard, store=dying)), 3)
                except Killed:
                    named(one)
                    days_of_purges(one, 5)
                    require_whole(one)
                    assert left(one) == expected, place
                    told = [row.body["data"] for row in index.all_rows(one.guard.store, JOB, LEDGER)]
                    halts = [halt["halt"] for data in told for halt in data.get("halts", ())]
                    assert len(halts) == len(set(halts)) == 2
                    continue
            break
        assert place >= 10, "too few places between two writes to show anything"


def test_the_next_verb_removes_what_a_killed_purge_left(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        with_a_past(shop)
        shop.advance(days=100)
        purged(shop)
        shop.advance(days=1)
        whole = shop.guard.store
        dying = Dying(whole)
        dying.forget = _killed  # type: ignore[attr-defined]  # reason: the process ends between the rows and their blobs
        with pytest.raises(Killed):
            purge(replace(shop.guard, store=dying), shop.guard.policy())
        assert shop.check("run-9", gate=True).exit_code == 0
        require_whole(shop)


def _killed(*_keys: object) -> bool:
    raise Killed


def test_a_verb_between_the_two_halves_of_a_purge_wins_and_the_purge_comes_back(tmp_path: Path) -> None:
    """Whoever is about to name a blob loses to the commit before its removal, or the purge loses to theirs."""
    with story(tmp_path) as shop:
        with_a_past(shop)
        shop.advance(days=100)
        purged(shop)
        shop.advance(days=1)
        store = shop.guard.store

        class Meanwhile(Dying):
            """Before its first commit on the job somebody else checks it."""

            def commit(self, partition: str, writes: Sequence[Write]) -> dict[tuple[str, str], str]:
                if partition == JOB and not self.writes:
                    self.writes += 1
                    set_dns(shop, ROBS_DNS)
                    assert shop.check("run-9", gate=True).exit_code == 1
                return store.commit(partition, writes)

        racing = Meanwhile(store)
        assert purge(replace(shop.guard, store=racing), shop.guard.policy()) == {}
        require_whole(shop)
        purged(shop)
        require_whole(shop)


STEPS: dict[str, Callable[[World, random.Random], object]] = {
    "rob": lambda shop, dice: set_dns(shop, dice.choice((ROBS_DNS, "10.20.0.77", SHOP_DNS))),
    "check": lambda shop, dice: shop.check(f"run-{dice.randrange(3)}"),
    "deploy": lambda shop, dice: deploy(shop, VNET, dhcpOptions={"dnsServers": [SHOP_DNS]}),
    "record": lambda shop, dice: shop.record(f"run-{dice.randrange(3)}", naming=BOTH),
    "propose": lambda shop, dice: shop.record(None, naming=BOTH),
    "accept": lambda shop, dice: accept(
        shop.guard, JOB, str(proposals(shop.guard, JOB)[0][1]["id"]), by=ERIN, reason=WHY
    ),
    "decide": lambda shop, dice: decided(
        shop, list_halts(shop.guard)[0], dice.choice(list(Decision)), resources=(VNET,)
    ),
    "hold": lambda shop, dice: hold(shop.guard, JOB, by=DANA, reason=WHY),
    "unhold": lambda shop, dice: unhold(shop.guard, JOB, by=DANA, reason=WHY),
    "a while": lambda shop, dice: shop.advance(hours=dice.choice((1, 5, 25))),
    "scan": lambda shop, dice: gate_every_job(shop.guard),
    "move": lambda shop, dice: move(
        shop.guard, *dice.choice(((JOB, "other"), ("other", JOB))), by=DANA, reason=WHY, resources=(NAT,)
    ),
    "months": lambda shop, dice: shop.advance(days=dice.choice((8, 31, 95))),
}


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_in_whatever_order_nothing_named_is_ever_removed(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    with story(tmp_path) as shop:
        use_policy(shop)
        shop.first_record(VNET, NAT)
        removed = 0
        for _ in range(100):
            with suppress(DriftGuardError, IndexError):  # refused, or there is none: both are answers
                STEPS[dice.choice(list(STEPS))](shop, dice)
            removed += sum(purged(shop).values())
            for job in (JOB, "other"):
                require_whole(shop, job)
        with suppress(DriftGuardError):
            unhold(shop.guard, JOB, by=DANA, reason=WHY)
        for _ in range(4):
            shop.advance(days=25)
            removed += sum(purged(shop).values())
        require_whole(shop)
        assert unnamed(shop) - named(shop, "other") == set(), "but for bodies that moved to the other job"
        assert removed > 20
