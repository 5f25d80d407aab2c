"""What the verbs tell of themselves, over the whole story: verdicts, halts and their age, notes, decisions, scans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from driftguard.errors import (
    BadConfiguration,
    Busy,
    DriftGuardError,
    HaltOpen,
    NothingRecorded,
    StoreUnavailable,
    Unavailable,
)
from driftguard.flow.halt import Decision
from driftguard.flow.moment import to_text
from driftguard.flow.ports import Note, Receipt
from driftguard.flow.telemetry import NO_TELEMETRY
from driftguard.flow.ticket import waits_since
from driftguard.guard.anchor import Anchored
from driftguard.guard.deliver import deliver_due
from driftguard.guard.record import Naming
from driftguard.guard.scan import gate_every_job
from driftguard.guard.standing import measure_standing
from tests.measuring import Measured
from tests.scenarios.steps import NAT, ROBS_DNS, START, confirmed, decided, deploy, halted, set_dns, story
from tests.world import JOB, VNET, World

CHECKS, OPEN, AGE = "driftguard.checks", "driftguard.halts.open", "driftguard.halts.oldest_age"
WAITING, WAITS = "driftguard.notes.waiting", "driftguard.notes.oldest_age"


@pytest.fixture
def measured() -> Measured:
    return Measured()


@pytest.fixture
def shop(tmp_path: Path, measured: Measured) -> Iterator[World]:
    with story(tmp_path) as telling:
        telling.with_policy("version: 1\ndefaults: {stability_gap: 0s, settle: 0s, unknown_author: allow}\n")
        telling.guard = replace(telling.guard, telemetry=measured)
        telling.first_record(VNET)
        telling.advance(minutes=1)
        yield telling


def test_checks_are_told_by_verdict_mode_and_job(shop: World, measured: Measured) -> None:
    shop.check("run-1")
    with pytest.raises(Busy):
        shop.check("run-2", gate=True)
    shop.advance(hours=9)
    set_dns(shop, ROBS_DNS)
    shop.check("run-3")
    gate_every_job(shop.guard)
    with pytest.raises(NothingRecorded):
        shop.check("run-4", job="a-name-of-somebody")
    assert dict(measured.counts(CHECKS)) == {
        ("verdict", "proceed", "mode", "check", "job", JOB): 1,
        ("verdict", "busy", "mode", "gate", "job", JOB): 1,
        ("verdict", "halt", "mode", "check", "job", JOB): 1,
        ("verdict", "halt", "mode", "scan", "job", JOB): 1,
        ("verdict", "nothing-recorded", "mode", "check", "job", "other"): 1,
    }
    assert len(measured.durations("driftguard.check.duration")) == 5
    spans = [span.attributes for span in measured.spans if span.name == "driftguard.check"]
    assert spans[2] == {"verdict": "halt", "mode": "check", "job": JOB, "resources": "1", "changed": "1"}


def test_what_is_only_observed_is_told_as_observed_and_opens_nothing(shop: World, measured: Measured) -> None:
    shop.with_policy('version: 1\njobs: [{match: "*", mode: observe}]\ndefaults: {stability_gap: 0s, settle: 0s}\n')
    set_dns(shop, ROBS_DNS)
    shop.check("run-1", gate=True)
    gate_every_job(shop.guard)
    assert measured.total(CHECKS, verdict="halt", mode="observe") == 2
    assert measured.levels(OPEN) == {"*": 0}


def test_an_open_halt_its_age_and_its_end(shop: World, measured: Measured) -> None:
    set_dns(shop, ROBS_DNS)
    halt = halted(shop.check("run-1"))
    shop.advance(hours=2)
    measure_standing(shop.guard)
    assert measured.levels(OPEN) == {"*": 1, JOB: 1}
    assert measured.levels(AGE) == {"*": 7200, JOB: 7200}
    decided(shop, halt, Decision.STOP)
    measured.forget()
    gate_again = gate_every_job(shop.guard)
    assert gate_again.exit_code == 1, "the change is still there, and halts anew"
    assert measured.levels(OPEN) == {"*": 1, JOB: 1} and measured.levels(AGE) == {"*": 0, JOB: 0}


def test_a_halt_that_lets_a_run_pass_waits_for_nobody(shop: World, measured: Measured) -> None:
    set_dns(shop, ROBS_DNS)
    decided(shop, halted(shop.check("run-1")), Decision.OVERWRITE)
    measure_standing(shop.guard)
    assert measured.levels(OPEN) == {"*": 0} and measured.levels(AGE) == {"*": 0}


def test_a_kept_change_counts_until_it_is_confirmed(shop: World, measured: Measured) -> None:
    set_dns(shop, ROBS_DNS)
    halt = decided(shop, halted(shop.check("run-1")), Decision.KEEP)
    measure_standing(shop.guard)
    assert measured.levels(OPEN)["*"] == 1
    shop.checkout.commits["0ddba11"] = True
    confirmed(shop, halt)
    measured.forget()
    measure_standing(shop.guard)
    assert measured.levels(OPEN) == {"*": 0}
    assert measured.total("driftguard.decisions") == 2
    assert measured.total("driftguard.decisions", decision="keep") == 1
    assert measured.total("driftguard.decisions", decision="confirm") == 1


def test_a_decision_that_was_refused_is_not_counted(shop: World, measured: Measured) -> None:
    set_dns(shop, ROBS_DNS)
    halt = halted(shop.check("run-1"))
    decided(shop, halt, Decision.STOP)
    with pytest.raises(DriftGuardError):
        decided(shop, halt, Decision.STOP)
    assert measured.total("driftguard.decisions") == 1


class Down:
    """A ticket system that does not answer."""

    name, claim = "file", 0.0

    def deliver(self, note: Note) -> Receipt:
        raise Unavailable("the ticket system does not answer")


def test_a_note_that_waits_and_since_when(shop: World, measured: Measured) -> None:
    working = shop.guard
    shop.guard = replace(working, targets={**working.targets, "file": Down()})
    set_dns(shop, ROBS_DNS)
    halted(shop.check("run-1"))
    shop.advance(hours=3)
    deliver_due(shop.guard)
    assert measured.levels(WAITING) == {"*": 1, "file": 1} and measured.levels(WAITS)["file"] == 3 * 3600
    assert measured.total("driftguard.notes.sent", target="file", outcome="failed") == 2
    assert measured.total("driftguard.notes.sent", target="exit-code", outcome="sent") == 1
    shop.guard = working
    measured.forget()
    deliver_due(shop.guard, now=True)
    assert measured.levels(WAITING) == {"*": 0} and measured.levels(WAITS) == {"*": 0}
    assert measured.total("driftguard.notes.sent", target="file", outcome="sent") == 1


def test_a_note_of_an_earlier_version_waits_since_its_last_try() -> None:
    body = {"attempts": 0, "next_at": to_text(START)}
    assert waits_since(body) == START
    assert waits_since({**body, "attempts": 2}) == START - timedelta(minutes=2)
    earlier = START - timedelta(days=1)
    assert waits_since({**body, "attempts": 2, "at": to_text(earlier)}) == earlier


def test_records_are_told_by_outcome(shop: World, measured: Measured) -> None:
    name = "driftguard.records"
    assert measured.counts(name) == {("outcome", "recorded", "job", JOB): 1}
    shop.check("run-1")
    shop.record("run-1", naming=Naming(deployments=(deploy(shop, VNET),)))
    shop.record(None, naming=Naming(resources=(VNET, NAT)))
    set_dns(shop, ROBS_DNS)
    shop.check("run-2")
    with pytest.raises(HaltOpen):
        shop.record("run-2", naming=Naming(resources=(VNET,)))
    found = {outcome: measured.total(name, outcome=outcome) for outcome in ("recorded", "proposed", "refused")}
    assert found == {"recorded": 2, "proposed": 1, "refused": 1}


def test_scans_are_told_by_outcome(shop: World, measured: Measured) -> None:
    gate_every_job(shop.guard)
    set_dns(shop, ROBS_DNS)
    gate_every_job(shop.guard)
    shop.sandbox.fault(VNET, "403")
    gate_every_job(shop.guard)
    shop.with_policy("nonsense")
    with pytest.raises(BadConfiguration):
        gate_every_job(shop.guard)
    names = ("calm", "halted", "cannot-tell", "failed")
    assert sum(measured.total("driftguard.scans", outcome=name) for name in names) == 4
    assert (
        measured.total("driftguard.scans", outcome="calm") == measured.total("driftguard.scans", outcome="failed") == 1
    )
    assert len(measured.durations("driftguard.scan.duration")) == 4
    assert measured.levels(OPEN)["*"] == 1


def test_a_part_of_the_sweep_that_fails_is_told_by_its_name(
    shop: World, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise StoreUnavailable("words that nobody needs to read")

    monkeypatch.setattr("driftguard.guard.sweep.purge", fails)
    gate_every_job(shop.guard)
    assert dict(measured.counts("driftguard.sweep.faults")) == {("part", "purge"): 1}


def test_a_rewritten_ledger_is_told_apart_from_anchors_that_could_not_be_written(
    shop: World, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftguard.guard.sweep.anchor_heads", lambda _: Anchored(faults=("entry 3 was changed",)))
    assert gate_every_job(shop.guard).swept.faults == ("integrity: entry 3 was changed",)
    assert dict(measured.counts("driftguard.sweep.faults")) == {("part", "integrity"): 1}


def test_what_stands_open_is_not_looked_at_where_nothing_is_measured(shop: World) -> None:
    class Untouchable:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

    measure_standing(replace(shop.guard, store=Untouchable(), telemetry=NO_TELEMETRY))  # type: ignore[arg-type]  # reason: no store


def test_a_measurement_that_fails_hides_no_delivery(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise KeyError("target")

    set_dns(shop, ROBS_DNS)
    shop.guard = replace(shop.guard, targets={**shop.guard.targets, "file": Down()})
    halted(shop.check("run-1"))
    monkeypatch.setattr("driftguard.guard.deliver.measure_standing", fails)
    (told,) = deliver_due(shop.guard, now=True)
    assert told.target == "file" and told.problem
