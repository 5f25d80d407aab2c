"""Observe mode, told as stories: everything is judged and told, no run is stopped, nothing is opened, sent or held."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftguard.errors import Busy, HaltOpen, NoClearance, NothingRecorded
from driftguard.flow.check import FindingKind
from driftguard.flow.decide import Verdict
from driftguard.flow.halt import Decision, State
from driftguard.flow.record import Fate
from driftguard.guard.index import open_halts
from driftguard.guard.record import Naming
from driftguard.guard.scan import gate_every_job
from tests.scenarios.steps import (
    BOTH,
    GROUP,
    NAT,
    PIPELINE_IS_KNOWN,
    ROBS_DNS,
    SHOP_DNS,
    cleared,
    confirmed,
    decided,
    deploy,
    halted,
    held,
    job_row,
    ledger,
    set_dns,
    set_timeout,
    stored_halt,
    story,
)
from tests.world import VNET, World

OBSERVE = f'version: 1\njobs: [{{match: "*", mode: observe, {PIPELINE_IS_KNOWN}}}]\n'
ENFORCE = f'version: 1\njobs: [{{match: "*", {PIPELINE_IS_KNOWN}}}]\n'


def observing(shop: World) -> None:
    shop.with_policy(OBSERVE)


def enforcing(shop: World) -> None:
    shop.with_policy(ENFORCE)


def nothing_was_stopped(shop: World) -> None:
    """No halt, no note, and nothing of either in the ledger."""
    assert job_row(shop).open_halt is None
    assert open_halts(shop.guard.store, shop.guard.clock.now()) == []
    assert shop.notes() == []
    assert not {"halted", "held"} & set(ledger(shop))


def test_a_manual_change_is_told_and_the_run_goes_on_and_records(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        observing(shop)
        shop.first_record(VNET, NAT)
        set_dns(shop, ROBS_DNS)
        answer = shop.check("run-1")
        assert (answer.exit_code, answer.verdict, answer.observed, answer.halt) == (0, Verdict.HALT, True, None)
        assert [finding.kind for finding in answer.judgement.halting] == [FindingKind.MOVED]
        deployment = deploy(shop, VNET, dhcpOptions={"dnsServers": [SHOP_DNS]})
        recorded = shop.record("run-1", clearance=cleared(answer))
        assert (recorded.exit_code, recorded.proposal, recorded.generation) == (0, None, 2)
        assert deployment and shop.check("run-2").verdict is Verdict.PROCEED
        nothing_was_stopped(shop)


def test_a_resource_that_somebody_deleted_is_told_and_holds_no_record(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        observing(shop)
        shop.first_record(VNET, NAT)
        shop.advance(minutes=1)
        shop.sandbox.patch(VNET, {"properties": {"subnets": []}}, as_="person-portal")
        shop.sandbox.delete(NAT, as_="person-portal")
        shop.advance(minutes=1)
        answer = shop.check("run-1")
        assert FindingKind.GONE in [finding.kind for finding in answer.judgement.halting]
        recorded = shop.record("run-1", clearance=cleared(answer))
        assert (recorded.exit_code, recorded.halt) == (0, None)
        nothing_was_stopped(shop)


def test_what_somebody_deletes_while_the_run_updates_stops_no_run(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        observing(shop)
        shop.first_record(VNET, NAT)
        clearance = cleared(shop.check("run-1"))
        shop.advance(minutes=1)
        shop.sandbox.patch(VNET, {"properties": {"subnets": []}}, as_="person-portal")
        shop.sandbox.delete(NAT, as_="person-portal")
        shop.advance(minutes=1)
        recorded = shop.record("run-1", clearance=clearance)
        assert (recorded.exit_code, recorded.halt) == (0, None)
        assert [item.seen.finding.ref.name for item in recorded.taken if item.fate is Fate.RETIRED] == ["nat-shop"]
        assert [text for text in recorded.told if "it would be held" in text] == [
            f"observe mode: {VNET} was written by somebody else between clearance and record: it would be held",
            f"observe mode: {NAT} is gone, and not known to be deleted by this run: it would be held",
        ]
        nothing_was_stopped(shop)


def test_what_cannot_be_read_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        observing(shop)
        shop.first_record(VNET, NAT)
        shop.sandbox.fault(VNET, "403")
        answer = shop.check("run-1")
        assert (answer.exit_code, answer.verdict) == (0, Verdict.CANNOT_TELL)
        assert "would answer cannot tell" in answer.why
        assert answer.clearance
        nothing_was_stopped(shop)


def test_what_stays_unreadable_would_halt_and_stops_nothing(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        observing(shop)
        shop.first_record(VNET, NAT)
        shop.sandbox.fault(VNET, "403")
        verdicts = [shop.check("run-1", gate=True).verdict for _ in range(4)]
        assert verdicts[0] is Verdict.CANNOT_TELL and verdicts[-1] is Verdict.HALT
        nothing_was_stopped(shop)


def test_a_job_of_which_nothing_is_recorded_cannot_be_told_in_observe_mode_either(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        observing(shop)
        with pytest.raises(NothingRecorded) as told:
            shop.check("run-1")
        assert told.value.exit_code == 2


def test_another_run_waits_for_the_one_that_is_updating(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        observing(shop)
        shop.first_record(VNET)
        set_dns(shop, ROBS_DNS)
        cleared(shop.check("run-1"))
        with pytest.raises(Busy):
            shop.check("run-2")
        with pytest.raises(Busy):
            shop.check("scan", gate=True)


def test_a_record_that_waits_for_a_resource_settles_as_under_enforcement(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        observing(shop)
        shop.first_record(VNET, NAT)
        clearance = cleared(shop.check("run-1"))
        shop.sandbox.touch(NAT, "Updating")
        recorded = shop.record("run-1", naming=BOTH, clearance=clearance)
        assert recorded.exit_code == 4
        with pytest.raises(Busy, match="settling"):
            shop.check("run-2")
        shop.advance(minutes=61)
        answer = shop.check("run-2")
        assert (answer.exit_code, answer.verdict) == (0, Verdict.HALT), "overdue: told, and stopping nothing"
        nothing_was_stopped(shop)


def test_a_scan_tells_what_would_halt_and_ends_well(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        observing(shop)
        shop.first_record(VNET)
        set_dns(shop, ROBS_DNS)
        report = gate_every_job(shop.guard)
        assert [(one.verdict, one.observed) for one in report.answers] == [(Verdict.HALT, True)]
        assert (report.exit_code, report.could_not_tell) == (0, ())
        shop.sandbox.fault(VNET, "403")
        assert gate_every_job(shop.guard).exit_code == 0
        nothing_was_stopped(shop)


def test_a_stranger_in_the_scope_is_told_where_the_policy_would_halt_for_it(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.with_policy(OBSERVE + "defaults: {on_unmanaged: halt}\n")
        shop.record(None, naming=GROUP)
        shop.advance(minutes=1)
        shop.sandbox.put(NAT.replace("nat-shop", "nat-rogue"), {"location": "westeurope"}, as_="person-portal")
        answer = shop.check("run-1")
        assert (answer.exit_code, answer.verdict) == (0, Verdict.HALT)
        assert [finding.kind for finding in answer.judgement.halting] == [FindingKind.UNMANAGED]
        nothing_was_stopped(shop)


def test_under_enforcement_a_clearance_over_a_change_that_was_only_told_stands_for_nothing(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        observing(shop)
        shop.first_record(VNET)
        set_dns(shop, ROBS_DNS)
        clearance = cleared(shop.check("run-1"))
        enforcing(shop)
        with pytest.raises(NoClearance, match="observe mode"):
            shop.record("run-1", clearance=clearance)
        assert shop.record("run-1").proposal is not None, "without it, a reviewer has to accept"
        halt = halted(shop.check("run-1"))
        assert halt.state is State.OPEN
        assert job_row(shop).lease is None, "the run that is being stopped keeps no lease"
        with pytest.raises(HaltOpen):
            shop.record("run-1", clearance=clearance)


def test_under_enforcement_a_clearance_over_nothing_still_stands(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        observing(shop)
        shop.first_record(VNET)
        clearance = cleared(shop.check("run-1"))
        enforcing(shop)
        assert shop.record("run-1", clearance=clearance).exit_code == 0


def test_a_renewed_clearance_says_what_the_last_check_found(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        observing(shop)
        shop.first_record(VNET)
        clearance = cleared(shop.check("run-1"))
        set_dns(shop, ROBS_DNS)
        assert cleared(shop.check("run-1")) == clearance
        enforcing(shop)
        with pytest.raises(NoClearance, match="observe mode"):
            shop.record("run-1", clearance=clearance)


def test_from_observe_to_enforce_the_next_check_opens_the_halt(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        observing(shop)
        shop.first_record(VNET)
        set_dns(shop, ROBS_DNS)
        shop.check("run-1", gate=True)
        nothing_was_stopped(shop)
        enforcing(shop)
        halt = halted(shop.check("run-2"))
        assert halt.state is State.OPEN and len(shop.notes()) == 1


def test_a_halt_that_is_open_stays_as_it_is_while_the_job_is_observed(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        enforcing(shop)
        shop.first_record(VNET, NAT)
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-1"))
        observing(shop)
        set_timeout(shop, 30)
        answer = shop.check("run-2")
        assert (answer.exit_code, answer.halt, len(answer.judgement.halting)) == (0, None, 2)
        assert stored_halt(shop, halt) == halt
        recorded = shop.record("run-2", clearance=cleared(answer))
        assert recorded.exit_code == 0, "a halt of before holds up no run that is only observed"
        assert stored_halt(shop, halt) == halt


def test_back_under_enforcement_an_old_halt_is_resolved_by_the_next_check(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        enforcing(shop)
        shop.first_record(VNET)
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-1"))
        observing(shop)
        shop.record("run-2", naming=BOTH, clearance=cleared(shop.check("run-2")))
        enforcing(shop)
        assert cleared(shop.check("run-3"))
        assert stored_halt(shop, halt).state is State.RESOLVED
        shop.record("run-3")
        set_timeout(shop, 30)
        assert halted(shop.check("run-4")).id != halt.id


def test_back_under_enforcement_another_difference_supersedes_an_old_halt(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        enforcing(shop)
        shop.first_record(VNET)
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-1"))
        observing(shop)
        shop.record("run-2", clearance=cleared(shop.check("run-2")))
        set_dns(shop, "10.20.0.77")
        enforcing(shop)
        new = halted(shop.check("run-3"))
        assert (new.state, stored_halt(shop, halt).state) == (State.OPEN, State.SUPERSEDED)


def test_a_decision_of_before_is_neither_used_nor_lost_while_the_job_is_observed(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        enforcing(shop)
        shop.first_record(VNET)
        set_dns(shop, ROBS_DNS)
        halt = decided(shop, halted(shop.check("run-1")), Decision.KEEP)
        confirmed(shop, halt)
        shop.checkout.commits["0ddba11"] = False
        observing(shop)
        answer = shop.check("run-2")
        assert (answer.exit_code, answer.verdict, answer.halt) == (0, Verdict.HALT, None)
        assert stored_halt(shop, halt).state is State.KEPT_CONFIRMED
        shop.record("run-2", clearance=cleared(answer))
        enforcing(shop)
        assert cleared(shop.check("run-3"))
        assert stored_halt(shop, halt).state is State.RESOLVED, "what was kept was recorded meanwhile"


def test_a_run_that_a_decision_let_pass_is_recorded_as_the_decision_asks(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        enforcing(shop)
        shop.first_record(VNET)
        set_dns(shop, ROBS_DNS)
        decided(shop, halted(shop.check("run-1")), Decision.OVERWRITE)
        clearance = cleared(shop.check("run-2"))
        observing(shop)
        left = held(shop.record("run-2", naming=Naming(resources=(VNET,)), clearance=clearance))
        assert left.state is State.OPEN, "it was to be overwritten, and is still there"
        assert shop.check("run-3").exit_code == 0
