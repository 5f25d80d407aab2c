"""What no person decided on never becomes the baseline, and no decision counts for the one it would serve."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from driftguard.errors import Busy, HaltOpen, NoClearance, NotAllowed, WrongUse
from driftguard.flow.halt import Decision, State
from driftguard.flow.record import Fate
from driftguard.guard import jobs
from driftguard.guard.check import Ask, check
from driftguard.guard.record import Naming
from driftguard.guard.scan import gate_every_job
from tests.scenarios.steps import (
    NAT,
    PIPELINE_IS_KNOWN,
    ROB,
    ROBS_DNS,
    SHOP_DNS,
    cleared,
    decided,
    deploy,
    halted,
    recorded_fingerprints,
    set_dns,
    stored_halt,
    story,
)
from tests.world import DANA, ERIN, JOB, NETWORK, PROVIDERS, VNET, World

POLICY = f"version: 1\njobs:\n  - match: '*'\n    {PIPELINE_IS_KNOWN}\n"
NSG = f"{PROVIDERS}/networkSecurityGroups/nsg-web"
GROUP = NETWORK.replace("rg-shop-network", "rg-test")
ROUTES = f"{GROUP}/providers/Microsoft.Network/routeTables/rt-x"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    """A shop whose policy knows the release pipeline."""
    with story(tmp_path) as world:
        world.with_policy(POLICY)
        yield world


def begun(shop: World, *resources: str, run: str = "run-1") -> str:
    """Record the resources, and clear a run a minute later."""
    shop.first_record(*resources)
    shop.advance(minutes=1)
    return cleared(shop.check(run))


def test_one_stale_404_takes_nothing_out_of_the_baseline(shop: World) -> None:
    begun(shop, VNET, NAT)
    shop.sandbox.fault(VNET, "404", times=1)
    recorded = shop.record(naming=Naming(resources=(NAT,)))
    assert recorded.exit_code == 0 and not recorded.refs(Fate.RETIRED)
    set_dns(shop, ROBS_DNS)
    halted(shop.check("run-2"))


def test_what_a_person_deletes_with_its_group_is_held_and_what_the_run_deletes_is_retired(shop: World) -> None:
    shop.sandbox.put(GROUP, {"location": "westeurope"})
    shop.sandbox.put(ROUTES, {"location": "westeurope", "properties": {"routes": []}})
    begun(shop, ROUTES, NAT)
    shop.advance(minutes=1)
    shop.sandbox.delete(GROUP, as_="person-portal")
    shop.advance(minutes=1)
    recorded = shop.record(naming=Naming(resources=(NAT,)))
    assert recorded.exit_code == 1 and [ref.id for ref in recorded.refs(Fate.HELD)] == [ROUTES]
    halted(shop.check("run-2"))


def test_the_runs_own_deletion_is_retired(shop: World) -> None:
    begun(shop, VNET, NAT)
    shop.advance(minutes=1)
    shop.sandbox.delete(NAT)
    shop.advance(minutes=1)
    recorded = shop.record(naming=Naming(resources=(VNET,)))
    assert recorded.exit_code == 0 and [ref.id for ref in recorded.refs(Fate.RETIRED)] == [NAT]


def test_a_part_of_what_was_to_be_overwritten_that_is_still_there_is_held(shop: World) -> None:
    shop.first_record(NSG)
    rule = {"protocol": "Tcp", "access": "Allow", "direction": "Inbound", "priority": 300, "destinationPortRange": "22"}
    around = {"sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefix": "*"}
    shop.advance(minutes=1)
    shop.sandbox.put(f"{NSG}/securityRules/rob", {"properties": rule | around}, as_="person-portal")
    shop.advance(minutes=1)
    halt = decided(shop, halted(shop.check()), Decision.OVERWRITE)
    cleared(shop.check())
    rules = (shop.sandbox.get(NSG) or {})["properties"]["securityRules"]
    for each in rules:
        each["properties"]["description"] = "managed"
    made = deploy(shop, NSG, securityRules=rules)
    assert shop.record(naming=Naming(deployments=(made,))).exit_code == 1
    assert stored_halt(shop, halt).state is State.SUPERSEDED


def test_a_rollback_by_a_person_before_the_record_is_told(shop: World) -> None:
    begun(shop, VNET, NAT)
    made = deploy(shop, VNET, dhcpOptions={"dnsServers": ["10.20.0.55"]})
    set_dns(shop, SHOP_DNS)
    assert shop.record(naming=Naming(deployments=(made,))).exit_code == 1 and len(shop.notes()) == 1


def test_a_new_resource_that_a_person_wrote_before_its_first_record_is_told(shop: World) -> None:
    begun(shop, NAT)
    made = deploy(shop, VNET)
    set_dns(shop, ROBS_DNS)
    assert shop.record(naming=Naming(deployments=(made,))).exit_code == 1 and len(shop.notes()) == 1


def test_a_person_who_deploys_again_under_the_same_name_does_not_become_the_pipeline(shop: World) -> None:
    begun(shop, VNET, NAT)
    made = deploy(shop, VNET, name="main", dhcpOptions={"dnsServers": ["10.20.0.55"]})
    body = shop.sandbox.get(VNET) or {}
    body["properties"]["dhcpOptions"] = {"dnsServers": [ROBS_DNS]}
    again = {"id": VNET, "location": body["location"], "properties": body["properties"]}
    shop.sandbox.deploy("main", [again], as_="person-portal")
    shop.advance(minutes=1)
    recorded = shop.record(naming=Naming(deployments=(made,)))
    assert recorded.exit_code == 1 and [ref.id for ref in recorded.refs(Fate.HELD)] == [VNET]


def test_the_correlation_id_of_our_deployment_hides_no_other_pipeline(shop: World) -> None:
    begun(shop, VNET, NAT)
    made = deploy(shop, NAT, idleTimeoutInMinutes=7)
    ours = (shop.sandbox.get(made) or {})["properties"]["correlationId"]
    change = {"properties": {"dhcpOptions": {"dnsServers": [ROBS_DNS]}}}
    shop.sandbox.patch(VNET, change, as_="other-pipeline", correlation_id=ours)
    shop.advance(minutes=1)
    recorded = shop.record(naming=Naming(deployments=(made,), resources=(VNET,)))
    assert recorded.exit_code == 1 and [ref.id for ref in recorded.refs(Fate.HELD)] == [VNET]


def test_a_run_that_was_stopped_records_nothing(shop: World) -> None:
    clearance = begun(shop, VNET, NAT)
    set_dns(shop, ROBS_DNS, as_="other-pipeline")
    decided(shop, halted(shop.check()), Decision.STOP)
    with pytest.raises(NoClearance):
        shop.record(clearance=clearance)


def test_a_clearance_that_a_reviewer_released_is_spent(shop: World) -> None:
    clearance = begun(shop, VNET)
    jobs.release(shop.guard, JOB, by=DANA, reason="cancelled")
    with pytest.raises(NoClearance):
        shop.record(clearance=clearance)


def test_what_changed_while_it_was_unreadable_is_held_although_that_was_waived(shop: World) -> None:
    shop.first_record(VNET, NAT)
    shop.advance(minutes=1)
    shop.sandbox.fault(VNET, "403")
    set_dns(shop, ROBS_DNS)
    for number in range(3):
        shop.advance(minutes=6)
        answer = shop.check(f"run-{number}")
    decided(shop, halted(answer), Decision.WAIVE, resources=(VNET,))
    cleared(shop.check("run-9"))
    deploy(shop, NAT, idleTimeoutInMinutes=9)
    shop.sandbox.clear_faults()
    assert shop.record("run-9").exit_code == 1
    halted(shop.check("run-10"))


def test_a_persons_change_in_what_another_job_recorded_is_still_that_persons(shop: World) -> None:
    shop.first_record(VNET)
    shop.first_record(NAT, job="b-job")
    set_dns(shop, ROBS_DNS)
    cleared(shop.check("run-b", job="b-job"))
    made = deploy(shop, VNET)
    assert shop.record("run-b", job="b-job", naming=Naming(deployments=(made,))).exit_code == 0
    assert "rob" in halted(shop.check("run-a")).actor


def test_a_clearance_of_observe_mode_stands_for_nothing_under_enforcement(shop: World) -> None:
    shop.with_policy(POLICY.replace("match: '*'", "match: '*'\n    mode: observe"))
    shop.first_record(VNET)
    before = recorded_fingerprints(shop)
    set_dns(shop, ROBS_DNS)
    clearance = shop.check("run-1").clearance
    assert clearance
    shop.with_policy(POLICY)
    with pytest.raises(NoClearance):
        shop.record("run-1", clearance=clearance)
    assert shop.record("run-1").proposal and recorded_fingerprints(shop) == before


def test_a_renewed_clearance_of_observe_mode_is_as_good_as_its_last_verdict(shop: World) -> None:
    observe = POLICY.replace("match: '*'", "match: '*'\n    mode: observe")
    shop.with_policy(observe)
    shop.first_record(VNET)
    clearance = shop.check("run-1").clearance
    set_dns(shop, ROBS_DNS)
    assert shop.check("run-1").clearance == clearance
    shop.with_policy(POLICY)
    with pytest.raises(NoClearance):
        shop.record("run-1", clearance=clearance)


def test_a_run_that_is_refused_when_it_asks_again_loses_its_lease(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=600) as shop:
        shop.with_policy(POLICY)
        shop.first_record(VNET)
        shop.advance(minutes=30)
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check())
        decided(shop, halt, Decision.OVERWRITE, by=ROB)
        decided(shop, halt, Decision.OVERWRITE, by=DANA)
        clearance = cleared(shop.check())
        shop.advance(minutes=30)
        assert "made the change" in shop.check().why
        assert stored_halt(shop, halt).state is State.OVERWRITE_ALLOWED
        with pytest.raises((NoClearance, HaltOpen)):
            shop.record(clearance=clearance)


def test_the_starter_of_any_run_that_met_the_halt_may_not_decide_on_it(shop: World) -> None:
    shop.first_record(VNET)
    set_dns(shop, ROBS_DNS)
    assert gate_every_job(shop.guard).summary()["halted"] == [JOB]
    halt = halted(check(shop.guard, Ask(JOB, "run-d", started_by=DANA)))
    with pytest.raises(NotAllowed, match="started"):
        decided(shop, halt, Decision.OVERWRITE, by=DANA)


def test_a_decision_does_not_count_for_a_run_that_its_reviewer_starts(shop: World) -> None:
    shop.first_record(VNET)
    set_dns(shop, ROBS_DNS)
    halt = decided(shop, halted(shop.check()), Decision.OVERWRITE, by=DANA)
    answer = check(shop.guard, Ask(JOB, "run-d", started_by=DANA))
    assert halted(answer).id == halt.id and "started this run" in answer.why
    cleared(shop.check("run-2"))


def test_a_decision_does_not_count_once_its_reviewer_is_known_as_the_author(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=600) as shop:
        shop.with_policy(POLICY)
        shop.first_record(VNET)
        shop.advance(minutes=30)
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check())
        decided(shop, halt, Decision.OVERWRITE, by=ROB)
        decided(shop, halt, Decision.OVERWRITE, by=DANA)
        shop.advance(minutes=30)
        answer = shop.check("run-2")
        assert answer.exit_code == 1 and "made the change" in answer.why


def test_the_one_who_deleted_a_resource_does_not_accept_that_it_is_gone(shop: World) -> None:
    shop.first_record(VNET, NAT)
    shop.advance(minutes=1)
    shop.sandbox.delete(NAT, as_="person-portal")
    shop.advance(minutes=1)
    proposal = shop.record(None, naming=Naming(resources=(NAT,)), started_by=ERIN).proposal
    assert proposal
    with pytest.raises(NotAllowed):
        jobs.accept(shop.guard, JOB, proposal, by=ROB, reason="mine")


def test_an_accepted_proposal_leaves_the_late_writes_of_others_to_be_held(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=600) as shop:
        shop.with_policy(POLICY)
        shop.first_record(VNET, NAT)
        shop.advance(minutes=30)
        cleared(shop.check())
        set_dns(shop, ROBS_DNS)
        assert shop.record().exit_code == 0
        with pytest.raises(Busy):
            jobs.move(shop.guard, JOB, "b-job", by=DANA, reason="x", resources=(VNET,))
        proposal = shop.record(None, naming=Naming(resources=(NSG,)), started_by=ERIN).proposal
        assert proposal
        jobs.accept(shop.guard, JOB, proposal, by=DANA, reason="new")
        shop.advance(minutes=60)
        halted(shop.check("run-2"))


def test_nothing_moves_into_a_retired_job(shop: World) -> None:
    shop.first_record(VNET, NAT)
    shop.first_record(NSG, job="b-job")
    jobs.retire(shop.guard, "b-job", by=DANA, reason="x")
    with pytest.raises(WrongUse, match="retired"):
        jobs.move(shop.guard, JOB, "b-job", by=DANA, reason="x", resources=(VNET,))
    assert VNET.lower() in recorded_fingerprints(shop)
