"""A change is bound to the state that was seen: of two reviewers at once one wins, the other looks again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from driftguard.errors import DriftGuardError, NotAllowed, Stale
from driftguard.flow.halt import Decision
from driftguard.flow.review import Person
from driftguard.guard.deliver import deliver_due, list_deliveries
from driftguard.guard.jobs import accept, move, proposals, release, retire, show_job
from driftguard.guard.legal_hold import hold, unhold
from driftguard.guard.review import Deciding, decide, find_halt
from driftguard.guard.scan import gate_every_job
from tests.scenarios.steps import NAT, ROBS_DNS, cleared, halted, job_row, set_dns, story
from tests.world import DANA, ERIN, JOB, VNET, World

WHY = "agreed with the team"
PROVEN = Person("dana@contoso.com", object_id="bbbbbbbb-0001-4000-8000-000000000001")

CHANGES: dict[str, Callable[[World, str], object]] = {
    "retire": lambda shop, seen: retire(shop.guard, JOB, by=DANA, reason=WHY, resources=(NAT,), if_match=seen),
    "move": lambda shop, seen: move(shop.guard, JOB, "other", by=DANA, reason=WHY, resources=(NAT,), if_match=seen),
    "release": lambda shop, seen: release(shop.guard, JOB, by=DANA, reason=WHY, if_match=seen),
    "hold": lambda shop, seen: hold(shop.guard, JOB, by=DANA, reason=WHY, if_match=seen),
    "unhold": lambda shop, seen: unhold(shop.guard, JOB, by=DANA, reason=WHY, if_match=seen),
    "accept": lambda shop, seen: accept(
        shop.guard, JOB, str(proposals(shop.guard, JOB)[0][1]["id"]), by=ERIN, reason=WHY, if_match=seen
    ),
}


def prepared(shop: World, change: str) -> None:
    """A job on which this change is possible."""
    shop.first_record(VNET, NAT)
    if change == "release":
        cleared(shop.check("run-1"))
    if change == "unhold":
        hold(shop.guard, JOB, by=DANA, reason=WHY)
    if change == "accept":
        shop.record(None)


@pytest.mark.parametrize("change", CHANGES)
def test_a_job_changes_only_in_the_state_that_was_seen(tmp_path: Path, change: str) -> None:
    with story(tmp_path) as shop:
        prepared(shop, change)
        before = show_job(shop.guard, JOB)
        with pytest.raises(Stale, match="changed since you saw it"):
            CHANGES[change](shop, before.version + "0")
        assert show_job(shop.guard, JOB) == before
        CHANGES[change](shop, before.version)
        assert show_job(shop.guard, JOB).version != before.version


def test_of_two_reviewers_who_saw_the_same_halt_one_decides_and_the_other_looks_again(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET)
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-1"))
        _, seen = find_halt(shop.guard, halt.id)

        def take(decision: Decision) -> str:
            try:
                decide(shop.guard, Deciding(halt.id, decision, WHY, DANA, if_match=seen))
            except DriftGuardError as error:
                return type(error).__name__
            return "decided"

        with ThreadPoolExecutor(2) as reviewers:
            told = sorted(reviewers.map(take, (Decision.KEEP, Decision.OVERWRITE)))
        assert told == ["Stale", "decided"]


def test_a_proven_reviewer_decides_where_an_asserted_one_is_refused(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET)
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-1"))
        object.__setattr__(shop.guard, "in_ci", True)
        with pytest.raises(NotAllowed, match="inside CI"):
            decide(shop.guard, Deciding(halt.id, Decision.KEEP, WHY, DANA))
        kept = decide(shop.guard, Deciding(halt.id, Decision.KEEP, WHY, PROVEN))
        assert kept.decision is not None and kept.decision["asserted"] is False


def test_notes_are_listed_as_they_stand_in_the_outbox(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET)
        shop.first_record(NAT, job="quiet")
        tickets = shop.folder / "tickets"
        tickets.write_text("a file where the folder of the notes should be")
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-1"))
        waiting = list_deliveries(shop.guard)
        assert waiting and {note.halt for note in waiting} == {halt.id}
        assert any(note.problem and note.next_at for note in waiting)
        assert list_deliveries(shop.guard, "quiet") == []
        tickets.unlink()
        deliver_due(shop.guard, now=True)
        assert list_deliveries(shop.guard) == list_deliveries(shop.guard, JOB) == []
        told = list_deliveries(shop.guard, all_states=True)
        assert {str(note.state) for note in told} == {"delivered"} and all(note.where for note in told)


def test_a_scan_of_some_jobs_leaves_the_others_alone(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, job="drifted")
        shop.first_record(NAT, job="other")
        set_dns(shop, ROBS_DNS)
        report = gate_every_job(shop.guard, ["other"])
        assert [answer.job for answer in report.answers] == ["other"] and report.exit_code == 0
        assert job_row(shop, "drifted").open_halt is None
        assert gate_every_job(shop.guard, []).answers == ()
        assert gate_every_job(shop.guard).exit_code == 1
