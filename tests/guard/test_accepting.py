"""What becomes of the baseline, and of the halt under which a run was cleared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from driftguard.errors import WrongUse
from driftguard.flow.evidence import Coverage
from driftguard.flow.halt import Decision, State
from driftguard.flow.record import Fate, Provenance
from driftguard.guard import accepting, run_window
from driftguard.guard.blobs import Bodies, load_baseline
from driftguard.guard.context import Guard
from driftguard.guard.observe import Observer
from driftguard.guard.record import Naming
from driftguard.guard.work import Work
from tests.scenarios.steps import (
    NAT,
    ROBS_DNS,
    SHOP_DNS,
    cleared,
    confirmed,
    decided,
    halted,
    held,
    job_row,
    set_dns,
    set_timeout,
    stored_halt,
    story,
)
from tests.world import VNET, World


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with story(tmp_path) as telling:
        telling.first_record(VNET, NAT)
        yield telling


def body_of(shop: World, resource: str) -> object:
    """The recorded body of a resource, as a check would load it."""
    baseline = load_baseline(shop.guard.store, job_row(shop).baseline)
    return Bodies(shop.guard.store).of(baseline.entries[resource.lower()]).body


def test_a_try_that_was_lost_leaves_nothing_in_the_place_of_the_one_that_won(shop: World) -> None:
    """Two tries of one record with the same id, as after a conflict: the first took in both, the second only one."""
    set_dns(shop, ROBS_DNS, as_="pipeline")
    set_timeout(shop, 7, as_="pipeline")
    lost = swap_to(shop, shop.guard, VNET, NAT)
    won = swap_to(shop, shop.guard, NAT)
    assert won.job.baseline != lost.job.baseline
    won.commit()
    assert ROBS_DNS not in str(body_of(shop, VNET))
    assert "natGateways" in str(body_of(shop, NAT))
    assert "'idleTimeoutInMinutes': 7" in str(body_of(shop, NAT))


def swap_to(shop: World, guard: Guard, *resources: str) -> Work:
    """One try of the record r-1 that takes these resources in, not committed."""
    policy = guard.policy()
    work = Work(guard.store, "shop-prod", guard.clock.now())
    entries = load_baseline(guard.store, work.job.baseline).entries
    observer = Observer(guard, work.job, policy, entries)
    seen = observer.observe_each([entries[resource.lower()] for resource in resources])
    taken = [accepting.Taken(item, Fate.RECORDED) for item in seen]
    change = accepting.Swap(taken, Provenance.CLEARANCE, "pipeline", "run-1", None, "r-1")
    context = {"run": "run-1", "ticket": None}
    occasion = run_window.occasion(guard, policy, context, Coverage())
    assert accepting.swap(guard, work, change, occasion) is None
    return work


def test_a_halt_is_not_said_to_be_overwritten_while_its_resource_cannot_be_read(shop: World) -> None:
    set_dns(shop, ROBS_DNS)
    halt = decided(shop, halted(shop.check("run-1")), Decision.OVERWRITE)
    clearance = cleared(shop.check("run-1"))
    shop.sandbox.fault(VNET, "403", method="GET")
    shop.record("run-1", clearance=clearance, naming=Naming(resources=(NAT,)))
    assert stored_halt(shop, halt).state is not State.RESOLVED
    shop.sandbox.clear_faults()
    again = halted(shop.check("run-2"))
    assert again.id != halt.id and again.state is State.OPEN
    assert again.earlier and again.earlier["decision"]["decision"] == "overwrite"


def test_a_kept_change_is_told_from_a_reverted_one_although_a_later_halt_took_it_over_unread(shop: World) -> None:
    set_dns(shop, ROBS_DNS)
    first = halted(shop.check("run-1"))
    set_timeout(shop, 7)
    shop.sandbox.fault(VNET, "403", method="GET")
    second = halted(shop.check("run-2"))
    assert second.id != first.id and len(second.summary) == 2
    shop.sandbox.clear_faults()
    shop.checkout.commits["0ddba11"] = True
    confirmed(shop, decided(shop, second, Decision.KEEP, in_code="0ddba11"))
    clearance = cleared(shop.check("run-3"))
    set_dns(shop, SHOP_DNS, as_="pipeline")  # the run reverts one of the two kept changes
    reverted = held(shop.record("run-3", clearance=clearance))
    assert (reverted.cause, [one["resource"] for one in reverted.summary]) == ("reverted", [VNET])
    [change] = reverted.summary[0]["changes"]
    assert (ROBS_DNS in change["before"], SHOP_DNS in change["after"]) == (True, True)
    assert halted(shop.check("run-4")).id == reverted.id


def test_a_kept_change_is_not_taken_in_together_with_another_one_that_nobody_named(shop: World) -> None:
    set_dns(shop, ROBS_DNS)
    shop.checkout.commits["0ddba11"] = True
    confirmed(shop, decided(shop, halted(shop.check("run-1")), Decision.KEEP, in_code="0ddba11"))
    clearance = cleared(shop.check("run-1"))
    before = body_of(shop, VNET)
    shop.advance(minutes=1)
    shop.sandbox.platform(VNET, {"properties.flowTimeoutInMinutes": 9})
    shop.record("run-1", clearance=clearance, naming=Naming(resources=(NAT,)))
    assert body_of(shop, VNET) == before
    assert halted(shop.check("run-2")).summary[0]["resource"] == VNET


def test_the_old_baseline_stays_as_it_was(shop: World) -> None:
    key = job_row(shop).baseline
    old = shop.guard.store.read(key)
    set_dns(shop, ROBS_DNS, as_="pipeline")
    proposal = shop.record("run-9").proposal
    assert proposal and job_row(shop).baseline == key
    work = swap_to(shop, shop.guard, VNET)
    work.commit()
    assert (work.job.generation, shop.guard.store.read(key)) == (2, old)
    with pytest.raises(WrongUse):
        Work(shop.guard.store, "", shop.guard.clock.now())
