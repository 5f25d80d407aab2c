"""The manual change is overwritten, or the run is stopped: the states from open to overwrite-allowed, in-use and the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftguard.errors import AlreadyFinal, Busy, HaltOpen, NoClearance, NotAllowed
from driftguard.flow.halt import Decision, State
from driftguard.flow.record import Fate
from driftguard.guard.jobs import release
from tests.scenarios.steps import (
    ROB,
    ROBS_DNS,
    SHOP_DNS,
    cleared,
    decided,
    halted,
    held,
    ledger,
    recorded_fingerprints,
    set_dns,
    stored_halt,
    story,
)
from tests.world import DANA, ERIN, VNET


def test_an_overwritten_change_resolves_its_halt(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-1", ticket="CHG0030001"))
        assert (halt.state, halt.attempt, halt.actor) == (State.OPEN, 1, ROB.name)
        assert decided(shop, halt, Decision.OVERWRITE).state is State.OVERWRITE_ALLOWED

        clearance = cleared(shop.check("run-2"))
        in_use = stored_halt(shop, halt)
        assert (in_use.state, in_use.in_use) == (State.IN_USE, {"run": "run-2", "clearance": clearance})
        set_dns(shop, SHOP_DNS, as_="pipeline")
        recorded = shop.record("run-2", clearance=clearance)

        assert recorded.exit_code == 0 and recorded.resolved is not None
        assert stored_halt(shop, halt).closed_because == "the manual change was overwritten, as decided"
        assert cleared(shop.check("run-3"))
        assert len(shop.notes()) == 1
        assert ledger(shop) == [
            "first record",
            "recorded",
            "halted",
            "decided",
            "cleared",
            "recorded",
            "resolved",
            "cleared",
        ]


def test_the_same_difference_is_one_halt_however_often_runs_meet_it(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        first = halted(shop.check("run-1"))
        for number in range(2, 6):
            shop.advance(hours=3)
            shop.sandbox.touch(VNET)
            again = halted(shop.check(f"run-{number}"))
            assert (again.id, again.evidence, again.evidence_digest) == (first.id, 1, first.evidence_digest)
        assert len(shop.notes()) == 1


def test_a_change_that_an_overwrite_left_in_place_opens_the_next_halt(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        as_accepted = recorded_fingerprints(shop)
        set_dns(shop, ROBS_DNS)
        first = halted(shop.check("run-1"))
        decided(shop, first, Decision.OVERWRITE)
        clearance = cleared(shop.check("run-2"))
        recorded = shop.record("run-2", clearance=clearance)

        second = held(recorded)
        assert [item.fate for item in recorded.taken] == [Fate.HELD]
        assert (second.cause, second.state) == ("held at record", State.OPEN)
        assert second.earlier is not None and second.earlier["decision"]["decision"] == "overwrite"
        assert stored_halt(shop, first).state is State.SUPERSEDED
        assert recorded_fingerprints(shop) == as_accepted
        assert halted(shop.check("run-3")).id == second.id


def test_the_author_of_a_change_that_was_left_in_place_may_still_not_decide_on_it(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        decided(shop, halted(shop.check("run-1")), Decision.OVERWRITE)
        second = held(shop.record("run-2", clearance=cleared(shop.check("run-2"))))
        assert second.actor == ROB.name
        with pytest.raises(NotAllowed, match="four eyes"):
            decided(shop, second, Decision.OVERWRITE, by=ROB)
        assert decided(shop, second, Decision.OVERWRITE).state is State.OVERWRITE_ALLOWED


def test_a_lease_that_ends_without_a_record_gives_the_decision_back_with_its_old_expiry(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        allowed = decided(shop, halted(shop.check("run-1")), Decision.OVERWRITE)
        cleared(shop.check("run-2"))
        shop.advance(hours=4, minutes=1)

        gate = shop.check("run-3", gate=True)
        assert gate.exit_code == 0 and gate.clearance is None
        back = stored_halt(shop, allowed)
        assert (back.state, back.expires_at) == (State.OVERWRITE_ALLOWED, allowed.expires_at)
        assert cleared(shop.check("run-4"))


def test_a_decision_that_nobody_used_expires_and_the_difference_is_the_next_attempt(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        first = decided(shop, halted(shop.check("run-1")), Decision.OVERWRITE)
        shop.advance(hours=24, minutes=1)
        second = halted(shop.check("run-2"))
        assert stored_halt(shop, first).state is State.EXPIRED
        assert (second.attempt, second.state, second.digest) == (2, State.OPEN, first.digest)
        assert len(shop.notes()) == 2


def test_a_decision_in_use_outlives_its_expiry_until_the_lease_ends(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        halt = decided(shop, halted(shop.check("run-1")), Decision.OVERWRITE)
        shop.advance(hours=23)
        clearance = cleared(shop.check("run-2"))
        shop.advance(hours=3)
        set_dns(shop, SHOP_DNS, as_="pipeline")
        assert shop.record("run-2", clearance=clearance).exit_code == 0
        assert stored_halt(shop, halt).state is State.RESOLVED


def test_while_a_run_updates_every_other_is_told_who_and_nothing_is_decided(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        halt = decided(shop, halted(shop.check("run-1")), Decision.OVERWRITE)
        first = shop.check("run-2")
        for asking in ({"gate": True}, {"resources": (VNET,)}, {}):
            with pytest.raises(Busy, match="run run-2 until"):
                shop.check("run-3", **asking)
        with pytest.raises(Busy, match="run run-2 until"):
            shop.check("run-2", gate=True)
        with pytest.raises(Busy, match="run-2 is updating"):
            decided(shop, halt, Decision.STOP)
        shop.advance(hours=1)
        again = shop.check("run-2")
        assert again.clearance == first.clearance
        assert first.until is not None and again.until is not None and again.until > first.until


def test_a_released_lease_gives_the_decision_back(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        halt = decided(shop, halted(shop.check("run-1")), Decision.OVERWRITE)
        cleared(shop.check("run-2"))
        release(shop.guard, halt.job, by=DANA, reason="the run hangs")
        assert stored_halt(shop, halt).state is State.OVERWRITE_ALLOWED
        assert cleared(shop.check("run-3"))


def test_stop_ends_the_halt_and_accepts_nothing(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        first = decided(shop, halted(shop.check("run-1")), Decision.STOP)
        assert first.state is State.STOPPED and first.closed_at
        with pytest.raises(AlreadyFinal):
            decided(shop, first, Decision.OVERWRITE)
        second = halted(shop.check("run-2"))
        assert (second.attempt, second.digest) == (2, first.digest)


def test_four_eyes_keep_the_author_and_the_starter_from_deciding(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-1"))
        with pytest.raises(NotAllowed, match="made this change"):
            decided(shop, halt, Decision.OVERWRITE, by=ROB)
        starter = shop.check("run-1").halt
        assert starter is not None and starter.started_by is not None
        with pytest.raises(NotAllowed, match="started the halted run"):
            decided(shop, halt, Decision.OVERWRITE, by=type(ROB)(starter.started_by["name"]))


def test_an_unknown_author_needs_two_reviewers_who_agree(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=1200) as shop:
        shop.first_record()
        shop.advance(hours=1)
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-1"))
        proposed = decided(shop, halt, Decision.OVERWRITE)
        assert proposed.state is State.PROPOSED
        assert halted(shop.check("run-2")).id == halt.id
        with pytest.raises(NotAllowed, match="another reviewer"):
            decided(shop, halt, Decision.OVERWRITE)
        assert decided(shop, halt, Decision.KEEP, by=ERIN).state is State.OPEN

        decided(shop, halt, Decision.OVERWRITE)
        seconded = decided(shop, halt, Decision.OVERWRITE, by=ERIN)
        assert seconded.state is State.OVERWRITE_ALLOWED
        assert seconded.decision is not None
        assert (seconded.decision["by"], seconded.decision["proposed_by"]) == (ERIN.name, DANA.name)
        assert cleared(shop.check("run-3"))


def test_an_author_who_becomes_known_late_amends_the_evidence_once(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=1200) as shop:
        shop.first_record()
        shop.advance(hours=1)
        set_dns(shop, ROBS_DNS)
        first = halted(shop.check("run-1"))
        assert (first.actor, first.evidence) == ("", 1)
        shop.advance(minutes=30)
        for _ in range(3):
            amended = halted(shop.check("run-2"))
            assert (amended.id, amended.actor, amended.evidence) == (first.id, ROB.name, 2)
        assert len(shop.notes()) == 1
        with pytest.raises(NotAllowed, match="four eyes"):
            decided(shop, amended, Decision.OVERWRITE, by=ROB)


def test_a_halt_whose_difference_is_gone_resolves_at_the_next_check(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-1"))
        set_dns(shop, SHOP_DNS)
        assert cleared(shop.check("run-2"))
        gone = stored_halt(shop, halt)
        assert gone.state is State.RESOLVED and "as recorded again" in gone.closed_because
        [note] = shop.notes()
        assert "as recorded again" in note.read_text()


def test_a_changed_difference_supersedes_the_halt_and_shows_what_had_been_decided(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        first = decided(shop, halted(shop.check("run-1")), Decision.OVERWRITE)
        set_dns(shop, "10.20.0.77")
        second = halted(shop.check("run-2"))
        assert second.id != first.id and second.state is State.OPEN
        assert stored_halt(shop, first).state is State.SUPERSEDED
        assert second.earlier is not None
        assert (second.earlier["halt"], second.earlier["decision"]["by"]) == (first.id, DANA.name)


def test_nothing_is_recorded_over_an_open_halt(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-1"))
        for run, clearance in (("run-1", None), ("run-9", None)):
            with pytest.raises(HaltOpen, match=halt.id):
                shop.record(run, clearance=clearance)
        with pytest.raises((HaltOpen, NoClearance)):
            shop.record("run-1", clearance="c-000099")


def test_a_run_that_was_cleared_and_then_halted_cannot_record(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        clearance = cleared(shop.check("run-1"))
        set_dns(shop, ROBS_DNS)
        halted(shop.check("run-1"))
        with pytest.raises(HaltOpen):
            shop.record("run-1", clearance=clearance)
