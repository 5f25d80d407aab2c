"""What a check finds besides a changed resource: gone, unmanaged, another job's work; and what halts nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftguard.flow.check import FindingKind
from driftguard.flow.decide import Verdict
from driftguard.flow.halt import Decision, State
from driftguard.flow.record import Fate
from driftguard.guard.check import Answer
from driftguard.guard.record import Naming
from tests.scenarios.steps import (
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
from tests.world import JOB, NETWORK, PROVIDERS, VNET

IPS = f"{PROVIDERS}/ipGroups/ipg-offices"
STRAY = f"{PROVIDERS}/routeTables/rt-stray"
ROUTES = {"location": "westeurope", "properties": {"routes": []}}
OTHER = "network-team"


def _kinds(answer: Answer) -> dict[str, FindingKind]:
    return {item.finding.ref.name: item.finding.kind for item in answer.judgement.judged}


def test_a_deleted_resource_halts_and_is_resolved_when_the_run_made_it_again(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, IPS)
        body = shop.sandbox.get(IPS) or {}
        shop.sandbox.delete(IPS, as_="person-portal")
        shop.advance(minutes=1)
        halt = halted(shop.check("run-1"))
        assert halt.summary[0]["finding"] == "gone" and halt.actor == "rob@contoso.com"
        decided(shop, halt, Decision.OVERWRITE)
        clearance = cleared(shop.check("run-2"))
        shop.sandbox.put(IPS, {"location": body["location"], "tags": body["tags"], "properties": body["properties"]})
        assert shop.record("run-2", clearance=clearance).exit_code == 0
        assert stored_halt(shop, halt).state is State.RESOLVED


def test_a_deletion_that_is_kept_and_survives_retires_the_resource(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, IPS)
        shop.sandbox.delete(IPS, as_="person-portal")
        shop.advance(minutes=1)
        halt = decided(shop, halted(shop.check("run-1")), Decision.KEEP, in_code="0ddba11")
        confirmed(shop, halt, for_run="run-2")
        recorded = shop.record("run-2", clearance=cleared(shop.check("run-2")))
        assert [ref.id for ref in recorded.refs(Fate.RETIRED)] == [IPS]
        assert cleared(shop.check("run-3"))


def test_a_kept_deletion_that_the_run_undid_halts_until_somebody_decides(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, IPS)
        body = shop.sandbox.get(IPS) or {}
        shop.sandbox.delete(IPS, as_="person-portal")
        shop.advance(minutes=1)
        halt = decided(shop, halted(shop.check("run-1")), Decision.KEEP, in_code="0ddba11")
        confirmed(shop, halt, for_run="run-2")
        clearance = cleared(shop.check("run-2"))
        shop.sandbox.put(IPS, {"location": body["location"], "properties": body["properties"]})
        shop.advance(minutes=1)
        reverted = held(shop.record("run-2", clearance=clearance))
        assert reverted.cause == "reverted" and reverted.summary[0]["resource"] == IPS
        for run in ("run-3", "run-4"):
            shop.advance(hours=30)
            assert halted(shop.check(run)).id == reverted.id

        again = decided(shop, reverted, Decision.KEEP, in_code="0ddba11")
        confirmed(shop, again, for_run="run-5")
        assert shop.record("run-5", clearance=cleared(shop.check("run-5"))).exit_code == 0
        assert cleared(shop.check("run-6"))


def test_a_kept_change_whose_resource_is_gone_after_the_run_is_held_as_gone(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT, IPS)
        addresses = {"ipAddresses": ["203.0.113.99"]}
        shop.sandbox.put(IPS, {"location": "westeurope", "properties": addresses}, as_="person-portal")
        shop.advance(minutes=1)
        halt = decided(shop, halted(shop.check("run-1")), Decision.KEEP, in_code="0ddba11")
        confirmed(shop, halt, for_run="run-2")
        clearance = cleared(shop.check("run-2"))
        shop.sandbox.delete(IPS)
        shop.advance(minutes=1)
        gone = held(shop.record("run-2", clearance=clearance))
        assert gone.summary[0]["finding"] == "gone"
        assert halted(shop.check("run-3")).id == gone.id


def test_a_missing_resource_group_is_one_finding(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        group = NETWORK.replace("rg-shop-network", "rg-lab")
        inside = [f"{group}/providers/Microsoft.Network/routeTables/rt-{number}" for number in range(3)]
        shop.sandbox.put(group, {"location": "westeurope"})
        for resource in inside:
            shop.sandbox.put(resource, ROUTES)
        shop.first_record(VNET, *inside)
        shop.sandbox.delete(group, as_="person-portal")
        shop.advance(minutes=1)
        halt = halted(shop.check("run-1"))
        assert [one["resource"] for one in halt.summary] == [group]
        assert len(halted(shop.check("run-2")).summary) == 1


def test_noise_is_told_and_halts_nothing(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        shop.sandbox.touch(VNET)
        answer = shop.check("run-1", gate=True)
        assert answer.exit_code == 0 and _kinds(answer)["vnet-shop"] is FindingKind.TOUCHED
        nic = f"{PROVIDERS}/networkInterfaces/nic-test"
        subnet = {"privateIPAllocationMethod": "Dynamic", "subnet": {"id": f"{VNET}/subnets/web"}}
        shop.sandbox.put(
            nic, {"location": "westeurope", "properties": {"ipConfigurations": [{"name": "a", "properties": subnet}]}}
        )
        answer = shop.check("run-1", gate=True)
        assert answer.exit_code == 0 and _kinds(answer)["vnet-shop"] is FindingKind.TOUCHED


def test_an_unmanaged_resource_is_told_by_default(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.record(None, naming=GROUP)
        shop.sandbox.put(STRAY, ROUTES, as_="person-portal")
        answer = shop.check("run-1")
        assert cleared(answer) and _kinds(answer)["rt-stray"] is FindingKind.UNMANAGED


def test_an_unmanaged_resource_halts_where_the_policy_says_so_until_it_is_recorded(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.with_policy("version: 1\ndefaults: {on_unmanaged: halt}\n")
        shop.record(None, naming=GROUP)
        shop.sandbox.put(STRAY, ROUTES, as_="person-portal")
        shop.advance(minutes=1)
        halt = halted(shop.check("run-1"))
        assert [(one["resource"], one["finding"]) for one in halt.summary] == [(STRAY, "unmanaged")]
        assert halted(shop.check("run-2", resources=(STRAY,))).id == halt.id  # naming it does not make it managed
        assert halted(shop.check("run-2")).id == halt.id


def test_a_gate_halts_as_a_check_does_and_takes_no_lease(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        for asking in ({"gate": True}, {"resources": (NAT,)}):
            answer = shop.check("run-1", **asking)
            assert (answer.exit_code, answer.clearance) == (0, None)
        set_dns(shop, ROBS_DNS)
        assert shop.check("run-1", resources=(NAT,)).exit_code == 0
        halt = halted(shop.check("run-1", gate=True))
        assert halted(shop.check("run-1", resources=(NAT,))).id == halt.id  # what it did not read stays as it was
        decided(shop, halt, Decision.OVERWRITE)
        assert shop.check("run-2", gate=True).exit_code == 0
        assert stored_halt(shop, halt).state is State.OVERWRITE_ALLOWED
        assert job_row(shop).lease is None


def test_a_check_of_one_changed_resource_opens_the_halt_that_the_whole_check_meets(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-1", resources=(VNET,)))
        assert halted(shop.check("run-2")).id == halt.id


def _two_jobs(shop_policy: str) -> str:
    return f'version: 1\njobs: [{{match: "*", {PIPELINE_IS_KNOWN}{shop_policy}}}]\n'


@pytest.mark.parametrize(("word", "exit_code"), [("accept", 0), ("warn", 0), ("halt", 1)])
def test_what_another_guarded_job_deployed_is_judged_by_on_other_job(tmp_path: Path, word: str, exit_code: int) -> None:
    with story(tmp_path) as shop:
        shop.with_policy(_two_jobs(f", on_other_job: {word}"))
        shop.first_record(VNET, NAT)
        shop.first_record(NAT, job=OTHER)
        clearance = cleared(shop.check("net-1", job=OTHER))
        deployment = deploy(shop, NAT, idleTimeoutInMinutes=9)
        naming = Naming(deployments=(deployment,))
        assert shop.record("net-1", clearance=clearance, naming=naming, job=OTHER).exit_code == 0
        answer = shop.check("run-1")
        assert _kinds(answer)["nat-shop"] is FindingKind.MOVED_BY_JOB
        assert answer.exit_code == exit_code


def test_a_first_record_or_a_proposal_of_another_job_excuses_nothing(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.with_policy(_two_jobs(""))
        shop.first_record(VNET, NAT)
        set_timeout(shop, 30)
        shop.first_record(NAT, job=OTHER)
        assert _kinds(shop.check("run-1"))["nat-shop"] is FindingKind.MOVED


def test_a_persons_write_under_another_jobs_clearance_excuses_nothing(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=1200) as shop:
        shop.with_policy(_two_jobs(""))
        shop.first_record(VNET, NAT)
        shop.first_record(NAT, job=OTHER)
        clearance = cleared(shop.check("net-1", job=OTHER))
        set_timeout(shop, 30)
        assert shop.record("net-1", clearance=clearance, job=OTHER).exit_code == 0  # the log is late
        assert _kinds(shop.check("run-1"))["nat-shop"] is FindingKind.MOVED


def test_observe_mode_tells_everything_and_stops_nothing(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.with_policy('version: 1\njobs: [{match: "*", mode: observe}]\n')
        shop.first_record(VNET, NAT)
        set_dns(shop, ROBS_DNS)
        answer = shop.check("run-1")
        assert (answer.exit_code, answer.verdict, answer.observed) == (0, Verdict.HALT, True)
        assert "would answer halt" in answer.why
        assert answer.clearance is not None
        assert job_row(shop).open_halt is None
        set_dns(shop, SHOP_DNS)
        assert shop.record("run-1", clearance=answer.clearance).exit_code == 0
        assert shop.notes() == []


def test_observe_mode_holds_nothing_at_record(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.with_policy('version: 1\njobs: [{match: "*", mode: observe}]\n')
        shop.first_record(VNET, NAT)
        answer = shop.check("run-1")
        set_dns(shop, ROBS_DNS)
        assert shop.record("run-1", clearance=answer.clearance).exit_code == 0
        assert job_row(shop).open_halt is None and shop.notes() == []
        assert "halted" not in ledger(shop, JOB)
