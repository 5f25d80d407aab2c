"""What a record takes, refuses, holds back and waits for."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftguard.errors import Busy, NoClearance
from driftguard.flow.halt import Decision, State
from driftguard.flow.record import Fate, Provenance
from driftguard.guard.jobs import accept, proposals
from driftguard.guard.record import Naming
from tests.scenarios.steps import (
    BOTH,
    NAT,
    PIPELINE_IS_KNOWN,
    ROBS_DNS,
    SHOP_DNS,
    cleared,
    decided,
    deploy,
    halted,
    held,
    job_row,
    ledger,
    recorded_fingerprints,
    set_dns,
    set_timeout,
    story,
)
from tests.world import DANA, JOB, VNET

SLOW = "Microsoft.Network/virtualNetworks"


def test_the_first_record_needs_no_clearance_and_the_ledger_says_so(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        recorded = shop.first_record(VNET, NAT)
        assert (recorded.exit_code, recorded.generation, recorded.provenance) == (0, 1, Provenance.FIRST)
        assert ledger(shop) == ["first record", "recorded"]
        with pytest.raises(NoClearance):
            shop.record("run-1", clearance="c-1", job="another-job", naming=BOTH)


def test_a_later_record_without_a_clearance_is_a_proposal(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        as_accepted = recorded_fingerprints(shop)
        set_dns(shop, ROBS_DNS)
        proposed = shop.record("run-1")
        assert (proposed.exit_code, proposed.proposal is not None) == (0, True)
        assert (job_row(shop).generation, recorded_fingerprints(shop)) == (1, as_accepted)
        assert [body["id"] for _, body in proposals(shop.guard, JOB)] == [proposed.proposal]
        assert halted(shop.check("run-2"))


def test_a_clearance_is_good_for_its_own_run_only(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        clearance = cleared(shop.check("run-1"))
        with pytest.raises(NoClearance, match="given to run run-1"):
            shop.record("run-2", clearance=clearance)
        with pytest.raises(Busy, match="run run-1 until"):
            shop.record("run-2")
        assert shop.record("run-1", clearance=clearance).exit_code == 0


def test_an_expired_clearance_is_good_for_its_record_while_no_other_was_given(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        first = cleared(shop.check("run-1"))
        shop.advance(hours=30)
        assert shop.record("run-1", clearance=first).exit_code == 0
        second = cleared(shop.check("run-2"))
        shop.advance(hours=5)
        cleared(shop.check("run-3"))
        with pytest.raises(NoClearance, match="not the job's last clearance"):
            shop.record("run-2", clearance=second)


def test_recording_twice_under_one_clearance_changes_nothing(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        clearance = cleared(shop.check("run-1"))
        shop.record("run-1", clearance=clearance)
        again = shop.record("run-1", clearance=clearance)
        assert (again.exit_code, again.generation, again.proposal) == (0, 2, None)
        assert job_row(shop).generation == 2


def test_what_the_run_did_not_name_keeps_its_snapshot(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.with_policy(f'version: 1\njobs: [{{match: "*", {PIPELINE_IS_KNOWN}}}]\n')
        shop.first_record(VNET, NAT)
        before = recorded_fingerprints(shop)
        clearance = cleared(shop.check("run-1"))
        set_timeout(shop, 7, as_="pipeline")
        set_dns(shop, "10.20.0.11", as_="pipeline")
        recorded = shop.record("run-1", clearance=clearance, naming=Naming(resources=(NAT,)))
        assert {item.seen.finding.ref.id: item.fate for item in recorded.taken} == {
            VNET: Fate.UNTOUCHED,
            NAT: Fate.RECORDED,
        }
        after = recorded_fingerprints(shop)
        assert after[VNET.lower()] == before[VNET.lower()] and after[NAT.lower()] != before[NAT.lower()]


def test_a_resource_that_the_run_deleted_is_retired(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        clearance = cleared(shop.check("run-1"))
        shop.sandbox.delete(NAT)
        recorded = shop.record("run-1", clearance=clearance)
        assert [ref.id for ref in recorded.refs(Fate.RETIRED)] == [NAT]
        assert cleared(shop.check("run-2"))


def test_what_somebody_else_wrote_between_clearance_and_record_is_held(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        before = recorded_fingerprints(shop)
        clearance = cleared(shop.check("run-1"))
        set_timeout(shop, 7, as_="pipeline")
        set_dns(shop, ROBS_DNS)
        recorded = shop.record("run-1", clearance=clearance)
        halt = held(recorded)
        assert {item.seen.finding.ref.id: item.fate for item in recorded.taken} == {
            VNET: Fate.HELD,
            NAT: Fate.RECORDED,
        }
        assert recorded_fingerprints(shop)[VNET.lower()] == before[VNET.lower()]
        assert halt.actor == "rob@contoso.com"
        assert halted(shop.check("run-2")).id == halt.id
        assert len(shop.notes()) == 1


def test_a_write_in_the_window_that_the_log_tells_late_is_held_then(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=1200) as shop:
        shop.first_record(VNET, NAT)
        before = recorded_fingerprints(shop)
        shop.advance(hours=1)
        clearance = cleared(shop.check("run-1"))
        set_dns(shop, ROBS_DNS)
        assert shop.record("run-1", clearance=clearance).exit_code == 0
        assert shop.check("run-2", gate=True).exit_code == 0  # nobody can know it yet
        shop.advance(minutes=30)
        halt = halted(shop.check("run-2"))
        assert halt.cause == "held at record" and halt.actor == "rob@contoso.com"
        assert recorded_fingerprints(shop)[VNET.lower()] == before[VNET.lower()]
        assert len(shop.notes()) == 1


def test_a_late_write_is_held_although_the_next_run_has_recorded_already(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=1200) as shop:
        shop.first_record(VNET, NAT)
        shop.advance(hours=1)
        clearance = cleared(shop.check("run-1"))
        set_dns(shop, ROBS_DNS)
        assert shop.record("run-1", clearance=clearance).exit_code == 0
        assert shop.record("run-2", clearance=cleared(shop.check("run-2"))).exit_code == 0
        shop.advance(minutes=30)
        assert halted(shop.check("run-3")).actor == "rob@contoso.com"


def test_a_state_that_should_not_have_been_taken_is_none_to_go_back_to(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=1200) as shop:
        shop.first_record(VNET, NAT)
        before = recorded_fingerprints(shop)
        shop.advance(hours=1)
        clearance = cleared(shop.check("run-1"))
        set_dns(shop, ROBS_DNS)
        assert shop.record("run-1", clearance=clearance).exit_code == 0
        clearance = cleared(shop.check("run-2"))
        shop.advance(minutes=10)
        set_dns(shop, "10.20.0.77")
        assert shop.record("run-2", clearance=clearance, naming=Naming(resources=(NAT,))).exit_code == 0
        for _ in range(3):  # the log tells of the first write, then of the second
            shop.advance(minutes=9)
            halted(shop.check("run-3"))
        assert recorded_fingerprints(shop)[VNET.lower()] == before[VNET.lower()]


@pytest.mark.parametrize("hidden", ["unreadable", "as before"])
def test_a_late_write_undoes_what_was_recorded_also_where_nothing_shows_at_the_moment(
    tmp_path: Path, hidden: str
) -> None:
    with story(tmp_path, log_latency=1200) as shop:
        shop.first_record(VNET, NAT)
        before = recorded_fingerprints(shop)
        shop.advance(hours=1)
        clearance = cleared(shop.check("run-1"))
        set_dns(shop, ROBS_DNS)
        assert shop.record("run-1", clearance=clearance).exit_code == 0
        if hidden == "unreadable":
            shop.sandbox.fault(VNET, "403", method="GET")
        else:
            set_dns(shop, SHOP_DNS)
        shop.advance(minutes=30)
        shop.check("run-2", gate=True)
        assert recorded_fingerprints(shop)[VNET.lower()] == before[VNET.lower()]
        shop.sandbox.clear_faults()
        set_dns(shop, ROBS_DNS)
        assert halted(shop.check("run-3"))


def test_a_late_write_is_held_although_a_lease_has_run_out_meanwhile(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=1200) as shop:
        shop.first_record(VNET, NAT)
        shop.advance(hours=1)
        clearance = cleared(shop.check("run-1"))
        set_dns(shop, ROBS_DNS)
        assert shop.record("run-1", clearance=clearance).exit_code == 0
        cleared(shop.check("run-2"))
        shop.advance(hours=5)
        assert halted(shop.check("run-3")).actor == "rob@contoso.com"


def test_a_run_that_renews_its_lease_is_told_of_a_late_write(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=1200) as shop:
        shop.first_record(VNET, NAT)
        shop.advance(hours=1)
        clearance = cleared(shop.check("run-1"))
        set_dns(shop, ROBS_DNS)
        assert shop.record("run-1", clearance=clearance).exit_code == 0
        cleared(shop.check("run-2"))
        shop.advance(minutes=30)
        with pytest.raises(Busy):  # nobody else opens a halt of a job that is updating
            shop.check("run-3")
        assert halted(shop.check("run-2")).actor == "rob@contoso.com"
        assert job_row(shop).lease is None


def test_a_late_write_is_held_although_a_decision_on_something_else_waits_to_be_used(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=1200) as shop:
        shop.first_record(VNET, NAT)
        shop.advance(hours=1)
        clearance = cleared(shop.check("run-1"))
        set_dns(shop, ROBS_DNS)
        assert shop.record("run-1", clearance=clearance).exit_code == 0
        set_timeout(shop, 30)
        first = halted(shop.check("run-2"))
        decided(shop, first, Decision.OVERWRITE)
        decided(shop, first, Decision.OVERWRITE, by=type(DANA)("erin@contoso.com"))
        shop.advance(minutes=30)
        both = halted(shop.check("run-3"))
        assert sorted(one["resource"] for one in both.summary) == sorted([VNET, NAT])


def test_a_write_by_somebody_else_that_left_no_difference_is_told_and_holds_nothing(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        clearance = cleared(shop.check("run-1"))
        set_dns(shop, ROBS_DNS)
        set_dns(shop, "10.20.0.10")
        recorded = shop.record("run-1", clearance=clearance)
        assert recorded.exit_code == 1 and [ref.id for ref in recorded.refs(Fate.RECORDED)] == [VNET]
        assert len(shop.notes()) == 1
        cleared(shop.check("run-2"))


def test_a_resource_that_is_not_settled_is_pending_and_taken_in_when_it_is(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        clearance = cleared(shop.check("run-1"))
        shop.sandbox.slow(SLOW, 1800)
        set_dns(shop, "10.20.0.11", as_="pipeline")
        recorded = shop.record("run-1", clearance=clearance)
        assert recorded.exit_code == 4 and [ref.id for ref in recorded.refs(Fate.PENDING)] == [VNET]
        with pytest.raises(Busy, match="settling"):
            shop.check("run-2")
        shop.advance(minutes=31)
        assert cleared(shop.check("run-2"))
        assert job_row(shop).pending == ""


def test_recording_again_while_something_is_pending_is_busy_and_proposes_nothing(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=1200) as shop:
        shop.first_record(VNET, NAT)
        shop.advance(hours=1)
        clearance = cleared(shop.check("run-1"))
        shop.sandbox.slow(SLOW, 600)
        set_dns(shop, "10.20.0.11", as_="pipeline")
        assert shop.record("run-1", clearance=clearance).exit_code == 4
        shop.advance(minutes=11)  # settled, and the log does not cover the time yet
        with pytest.raises(Busy, match="settling"):
            shop.record("run-1", clearance=clearance)
        assert proposals(shop.guard, JOB) == []
        shop.advance(minutes=30)
        assert shop.record("run-1", clearance=clearance).exit_code == 0
        assert proposals(shop.guard, JOB) == []
        assert cleared(shop.check("run-2"))


def test_a_pending_resource_that_somebody_else_wrote_is_held(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        before = recorded_fingerprints(shop)
        clearance = cleared(shop.check("run-1"))
        shop.sandbox.slow(SLOW, 600)
        set_dns(shop, "10.20.0.11", as_="pipeline")
        assert shop.record("run-1", clearance=clearance).exit_code == 4
        shop.advance(minutes=11)
        shop.sandbox.slow(SLOW, 0)
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-2"))
        assert halt.actor == "rob@contoso.com"
        assert recorded_fingerprints(shop)[VNET.lower()] == before[VNET.lower()]


def test_what_is_pending_for_too_long_halts_and_can_be_waived(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        clearance = cleared(shop.check("run-1"))
        shop.sandbox.slow(SLOW, 90_000)
        set_dns(shop, "10.20.0.11", as_="pipeline")
        assert shop.record("run-1", clearance=clearance).exit_code == 4
        shop.advance(minutes=59)
        with pytest.raises(Busy, match="settling"):
            shop.check("run-2")
        shop.advance(minutes=5)
        halt = halted(shop.check("run-2"))
        assert (halt.summary[0]["finding"], halt.summary[0]["cause"]) == ("unreadable", "in flight")
        decided(shop, halt, Decision.WAIVE, resources=(VNET,))
        clearance = cleared(shop.check("run-3"))
        shop.advance(days=2)
        assert shop.record("run-3", clearance=clearance).exit_code == 0
        assert cleared(shop.check("run-4"))


def test_nothing_opens_a_halt_of_a_job_that_is_updating(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        clearance = cleared(shop.check("run-1"))
        shop.sandbox.slow(SLOW, 7200)
        set_dns(shop, "10.20.0.11", as_="pipeline")
        assert shop.record("run-1", clearance=clearance).exit_code == 4
        shop.advance(minutes=61)
        decided(shop, halted(shop.check("run-2")), Decision.WAIVE, resources=(VNET,))
        clearance = cleared(shop.check("run-2"))
        shop.advance(hours=2)
        shop.sandbox.slow(SLOW, 0)
        set_dns(shop, ROBS_DNS)
        generation = job_row(shop).generation
        for asking in ({}, {"gate": True}):
            with pytest.raises(Busy, match="run run-2"):
                shop.check("run-3", **asking)
        assert job_row(shop).generation == generation
        assert held(shop.record("run-2", clearance=clearance)).state is State.OPEN


def test_a_first_record_that_waits_for_a_resource_takes_it_in_when_it_is_settled(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.sandbox.slow(SLOW, 600)
        set_dns(shop, "10.20.0.11", as_="pipeline")
        assert shop.first_record(VNET, NAT).exit_code == 4
        with pytest.raises(Busy, match="settling"):
            shop.check("run-1")
        shop.advance(minutes=10)
        assert cleared(shop.check("run-1"))
        assert set(recorded_fingerprints(shop)) == {VNET.lower(), NAT.lower()}


def test_a_deployment_names_what_it_wrote_and_its_own_write_is_nobody_elses(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.with_policy(f'version: 1\njobs: [{{match: "*", {PIPELINE_IS_KNOWN}}}]\n')
        shop.first_record(VNET, NAT)
        clearance = cleared(shop.check("run-1"))
        deployment = deploy(shop, NAT, idleTimeoutInMinutes=9)
        recorded = shop.record("run-1", clearance=clearance, naming=Naming(deployments=(deployment,)))
        assert recorded.exit_code == 0
        assert [ref.id for ref in recorded.refs(Fate.RECORDED)] == [NAT]
        assert cleared(shop.check("run-2"))


def test_an_accepted_proposal_resolves_the_halt_that_it_explains(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        proposed = shop.record("run-1")
        halt = halted(shop.check("run-2"))
        assert proposed.proposal is not None
        accept(shop.guard, JOB, proposed.proposal, by=DANA, reason="it is what we want")
        answer = shop.check("run-3")
        assert cleared(answer) and answer.halt is None
        assert "resolved" in ledger(shop) and halt.id
