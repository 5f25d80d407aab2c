"""Faults of Azure Storage while a verb works: it never proceeds on what it could not read or write, and loses nothing.

For every verb and fault: at one request, and at all requests from one on. `make test` takes a sample of the requests,
`make soak` every one. What the same command answers once the storage is well again is what it had answered without a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from driftguard.adapters.stores import azure_errors
from driftguard.errors import DriftGuardError
from driftguard.flow.halt import Decision, State
from driftguard.flow.ticket import Delivery
from driftguard.guard.deliver import deliver_due, list_deliveries
from driftguard.guard.review import Deciding, decide, list_halts
from driftguard.guard.scan import gate_every_job
from driftguard.sandbox import Sandbox
from tests.azurite.server import Azurite
from tests.scenarios.other_processes import left_at, notes
from tests.scenarios.places import Place, behind, on
from tests.scenarios.steps import BOTH, NAT, ROBS_DNS, START, deploy, set_dns
from tests.scenarios.storage_proxy import Fault, StorageProxy, commits, storage_proxy
from tests.world import DANA, JOB, VNET, World, world

CANNOT_TELL, BUSY = 2, 4


@dataclass
class Shop:
    """A world on Azure Storage behind the proxy; `place` leads past it."""

    world: World
    proxy: StorageProxy
    place: Place
    clearance: str | None = None
    halt: str = ""


def _nothing(_: Shop) -> None:
    """A store that is not begun."""


def _recorded(shop: Shop) -> None:
    shop.world.first_record(VNET, NAT)


def _moved(shop: Shop) -> None:
    _recorded(shop)
    set_dns(shop.world, ROBS_DNS)


def _cleared(shop: Shop) -> None:
    _recorded(shop)
    shop.clearance = shop.world.check().clearance
    deploy(shop.world, NAT, idleTimeoutInMinutes=9)


def _halted(shop: Shop) -> None:
    _moved(shop)
    found = shop.world.check().halt
    assert found is not None
    shop.halt = found.id


def _undelivered(shop: Shop) -> None:
    blocked = shop.world.folder / "tickets"
    blocked.write_text("a file where the folder should be")
    _halted(shop)
    blocked.unlink()


def _record_first(shop: Shop) -> int:
    return shop.world.record(None, naming=BOTH).exit_code


def _check(shop: Shop) -> int:
    return shop.world.check("run-9").exit_code


def _record(shop: Shop) -> int:
    return shop.world.record("run-1", clearance=shop.clearance, naming=BOTH).exit_code


def _decide(shop: Shop) -> int:
    decide(shop.world.guard, Deciding(shop.halt, Decision.KEEP, "needed until Friday", DANA))
    return 0


def _deliver(shop: Shop) -> int:
    deliver_due(shop.world.guard, now=True)
    waiting = [
        one for one in list_deliveries(shop.world.guard, JOB, all_states=True) if one.state is not Delivery.DELIVERED
    ]
    return CANNOT_TELL if waiting else 0


def _scan(shop: Shop) -> int:
    return gate_every_job(shop.world.guard).exit_code


@dataclass(frozen=True)
class Case:
    """A verb: what is before it, what it does, what it answers without a fault.

    `requests` is how many it makes at most, `sample` which of them are spoiled in every run.
    """

    before: Callable[[Shop], None]
    act: Callable[[Shop], int]
    right: int
    requests: int
    sample: tuple[int, ...]


CASES = {
    "first record": Case(_nothing, _record_first, 0, 24, (0, 9, 12)),
    "check": Case(_recorded, _check, 0, 8, (1, 4, 5)),
    "check that halts": Case(_moved, _check, 1, 30, (4, 9, 12)),
    "record": Case(_cleared, _record, 0, 20, (2, 6, 9)),
    "decide": Case(_halted, _decide, 0, 32, (3, 8, 12)),
    "deliver": Case(_undelivered, _deliver, 0, 14, (1, 2, 3)),
    "scan": Case(_moved, _scan, 1, 60, (6, 20, 30)),
}
# (fault, whether it lasts): what lasts outlives the tries of one request.
FAULTS = (
    (Fault.BUSY, True),
    (Fault.RESET_AFTER, False),
    (Fault.HALF_AN_ANSWER, False),
    (Fault.RESET_AFTER, True),
    (Fault.RESET_BEFORE, False),
    (Fault.SLOW, False),
)


def _cases() -> Iterator[Any]:
    for turn, (name, case) in enumerate(CASES.items()):
        for which, (fault, lasting) in enumerate(FAULTS):
            for number in range(case.requests):
                # In a short run a third of the faults meet a verb, each at one request; the next verb meets the next third.
                often = which % 3 == (turn + 2) % 3 and number == case.sample[(which + turn) % 3]
                when = f"{'from' if lasting else 'at'} request {number}"
                marks = [] if often else [pytest.mark.soak]
                yield pytest.param(name, fault, number, lasting, marks=marks, id=f"{name}: {fault} {when}")


def _storms() -> Iterator[Any]:
    for turn, name in enumerate(CASES):
        for which, fault in enumerate((Fault.PRECONDITION, Fault.CONFLICT)):
            often = which == turn % 2 and name in ("check", "check that halts", "record", "scan")
            yield pytest.param(name, fault, marks=[] if often else [pytest.mark.soak])


@pytest.fixture(scope="module")
def proxy(azurite: Azurite) -> Iterator[StorageProxy]:
    with storage_proxy(azurite) as made:
        yield made


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tries the store waits next to nothing, as often as ever."""
    monkeypatch.setattr(azure_errors, "PAUSES", (0.001,) * len(azure_errors.PAUSES))


@contextmanager
def _shop(folder: Path, azurite: Azurite, proxy: StorageProxy) -> Iterator[Shop]:
    place = on(azurite)
    proxy.heal()
    with world(folder, sandbox=Sandbox(now=lambda: START), place=behind(place, proxy.connection)) as made:
        yield Shop(made, proxy, place)


def _outcome(act: Callable[[Shop], int], shop: Shop) -> int:
    """The exit code. What is not one of our errors is a fault of the verb, and fails the test."""
    try:
        return act(shop)
    except DriftGuardError as error:
        return error.exit_code


@pytest.mark.parametrize(("name", "fault", "number", "lasting"), list(_cases()))
def test_no_verb_proceeds_on_a_storage_that_fails_and_the_same_command_again_completes_it(
    name: str, fault: Fault, number: int, lasting: bool, tmp_path: Path, azurite: Azurite, proxy: StorageProxy
) -> None:
    case = CASES[name]
    with _shop(tmp_path, azurite, proxy) as shop:
        case.before(shop)
        proxy.fresh()
        proxy.spoil(fault, first=number, last=None if lasting else number)
        outcome = _outcome(case.act, shop)
        asked = len(proxy.fresh())
        proxy.heal()
        if asked <= number:
            pytest.skip(f"{name} makes no more than {asked} requests")
        assert outcome in (case.right, CANNOT_TELL, BUSY), outcome
        if outcome == case.right:
            _require_done(name, shop)
        _complete(name, case, shop)


@pytest.mark.parametrize(("name", "fault"), list(_storms()))
def test_conflicts_without_end_are_told_as_busy_and_nothing_is_half_done(
    name: str, fault: Fault, tmp_path: Path, azurite: Azurite, proxy: StorageProxy
) -> None:
    case = CASES[name]
    with _shop(tmp_path, azurite, proxy) as shop:
        case.before(shop)
        proxy.spoil(fault, only=commits)
        proxy.fresh()
        assert _outcome(case.act, shop) in (CANNOT_TELL, BUSY)
        assert len(proxy.fresh()) < 1000
        proxy.heal()
        _complete(name, case, shop)


def _require_done(name: str, shop: Shop) -> None:
    """What the verb answered is what stands in the store."""
    left = left_at(shop.place)
    if name == "check":
        assert left.job.lease is not None and left.job.lease.run == "run-9"
    elif name in ("first record", "record"):
        assert left.job.generation == (1 if name == "first record" else 2) and left.job.lease is None
    elif name in ("check that halts", "scan"):
        assert [halt.state for halt in left.halts] == [State.OPEN]
    elif name == "decide":
        assert [halt.state for halt in left.halts] == [State.KEPT]


def _complete(name: str, case: Case, shop: Shop) -> None:
    """The same command again, on a storage that is well: as if nothing had been."""
    if name == "decide" and [one.state for one in list_halts(shop.world.guard)] == [State.KEPT]:
        pass  # the answer was lost, the decision was not: to decide it once more is another decision
    else:
        assert _outcome(case.act, shop) == case.right
    _require_done(name, shop)
    deliver_due(shop.world.guard, now=True)
    left = left_at(shop.place)
    assert len(left.halts) == (1 if name in ("check that halts", "decide", "deliver", "scan") else 0)
    assert all(halt.evidence == 1 for halt in left.halts)
    assert {one["state"] for one in left.outbox} <= {"delivered"}
    assert [note.stem for note in notes(shop.world.folder)] == [halt.id for halt in left.halts]


@pytest.mark.parametrize(("name", "made"), [("check", 1), ("check that halts", 2)])  # lists across jobs, then the job
def test_a_key_that_is_rotated_after_the_commit_does_not_hide_what_was_decided(
    name: str, made: int, tmp_path: Path, azurite: Azurite, proxy: StorageProxy
) -> None:
    case = CASES[name]
    with _shop(tmp_path, azurite, proxy) as shop:
        case.before(shop)
        proxy.fresh()
        proxy.spoil(Fault.REFUSED, only=lambda _: sum(map(commits, proxy.requests)) >= made)
        assert _outcome(case.act, shop) == case.right
        proxy.heal()
        _require_done(name, shop)
