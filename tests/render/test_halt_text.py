from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from driftguard.flow.halt import State
from driftguard.flow.moment import to_text
from driftguard.flow.reading import ETags
from driftguard.flow.record import Baseline, Entry
from driftguard.flow.ticket import Delivery
from driftguard.guard.deliver import Delivered
from driftguard.guard.jobs import JobView
from driftguard.guard.rows import HaltRow, JobRow, Lease
from driftguard.render.json_views import (
    deliveries_view,
    halt_view,
    halts_view,
    job_view,
    jobs_view,
    proposals_view,
)
from driftguard.render.lists import deliveries_text, halts_text, job_text, jobs_text, proposals_text
from driftguard.render.text import decided_text, halt_text
from tests.render import told
from tests.render.told import HALT, HOSTILE, NOW, NSG, decision, evidence, halt

LATER = to_text(NOW + timedelta(hours=4))
LEASE = Lease("c-1", "9", LATER, LATER)


def test_a_halt_shows_its_state_for_whom_it_halted_and_its_evidence() -> None:
    document = evidence()
    text = halt_text(halt_view(halt(), evidence=document))
    assert text.startswith(f"HALT {HALT} of job shop-prod: open\n")
    assert "Halted 2026-03-01 02:14:07 UTC, run 4711, stage prod, ticket CHG0030001, started by Bo, drift" in text
    assert f"Evidence version 1, {document['digest']}" in text
    assert "was changed" in text and "Also moved" in text and "Not read" in text and "Next:" in text


def test_a_decision_is_told_with_reviewer_and_reason_and_that_the_name_was_not_proven() -> None:
    text = halt_text(halt_view(halt(State.KEPT, decision=decision()), evidence=evidence()))
    assert "keep by cy@example.com (name not proven), 2026-03-01 03:14:07 UTC: needed tonight" in text
    assert text.index(f"halts confirm {HALT} --in-code COMMIT") < text.index("halts decide")


def test_a_proposed_decision_asks_a_second_reviewer_for_the_same() -> None:
    text = decided_text(halt_view(halt(State.PROPOSED, proposal=decision("overwrite"))))
    assert "a second reviewer must take the same decision" in text
    assert f'driftguard halts decide {HALT} overwrite --reason "…"' in text.split("Next:")[1].splitlines()[2]


def test_a_seconded_decision_names_both_reviewers() -> None:
    text = decided_text(
        halt_view(halt(State.OVERWRITE_ALLOWED, decision=decision("overwrite", proposed_by="di"), expires_at=LATER))
    )
    assert "overwrite by cy@example.com and di (name not proven)" in text
    assert "overwrite-allowed until 2026-03-01 06:14:07 UTC" in text
    assert "driftguard check --job shop-prod" in text


def test_a_confirmation_says_where_and_for_which_run() -> None:
    confirmation = {"in_code": "abc123", "for_run": "4712", "by": "cy", "asserted": True, "at": to_text(NOW)}
    text = decided_text(halt_view(halt(State.KEPT_CONFIRMED, decision=decision(), confirmation=confirmation)))
    assert "confirmed to be in abc123, for run 4712 only by cy, 2026-03-01 02:14:07 UTC" in text


def test_an_earlier_decision_is_shown() -> None:
    earlier = {"halt": "h-000000000001", "decision": decision(), "kept": [NSG.lower()]}
    text = halt_text(halt_view(halt(earlier=earlier), evidence=evidence()))
    assert "earlier, on h-000000000001: keep by cy@example.com" in text
    assert f'overwrite --reason "…" --resource {NSG}' in text


def test_a_closed_halt_says_when_and_why_and_offers_no_decision() -> None:
    text = halt_text(
        halt_view(
            halt(State.RESOLVED, closed_at=to_text(NOW), closed_because="the difference is gone"), evidence=evidence()
        )
    )
    assert text.startswith(f"HALT {HALT} of job shop-prod: resolved 2026-03-01 02:14:07 UTC: the difference is gone")
    assert "halts decide" not in text


def test_a_halt_in_use_names_the_run() -> None:
    text = decided_text(halt_view(halt(State.IN_USE, in_use={"run": "4711", "clearance": "c-1"}, expires_at=LATER)))
    assert "in-use by run 4711" in text and "c-1" not in text


def test_open_halts_are_a_table_with_age_ticket_actor_state_and_resources() -> None:
    summary: list[dict[str, Any]] = [{"resource": NSG, "finding": "moved", "who": ""}] * 3
    lines = halts_text(
        halts_view([halt(), halt(summary=summary, actor="", ticket=None)]), NOW + timedelta(hours=30)
    ).splitlines()
    assert lines[0].split() == ["HALT", "AGE", "JOB", "TICKET", "ACTOR", "STATE", "RESOURCES"]
    assert lines[1].split() == [HALT, "1d", "shop-prod", "CHG0030001", "ada@example.com", "open", "nsg-web"]
    assert lines[2].split() == [HALT, "1d", "shop-prod", "-", "unknown", "open", "nsg-web", "+2"]


@pytest.mark.parametrize(
    ("passed", "shown"),
    [(-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (7200, "2h"), (86400 * 3, "3d")],
)
def test_ages_are_told_in_the_largest_unit(passed: int, shown: str) -> None:
    assert halts_text(halts_view([halt()]), NOW + timedelta(seconds=passed)).splitlines()[1].split()[1] == shown


def test_lists_of_nothing_say_so() -> None:
    assert halts_text(halts_view([]), NOW) == "No halts."
    assert jobs_text(jobs_view([])).startswith("No jobs")
    assert proposals_text(proposals_view([])) == "No proposals."
    assert deliveries_text(deliveries_view([])) == "No notes are due."


@pytest.mark.parametrize(
    ("row", "of_halt", "state"),
    [
        (JobRow("shop-prod", generation=1), None, "ready"),
        (JobRow("shop-prod"), None, "nothing recorded"),
        (JobRow("shop-prod", generation=1, lease=LEASE), None, "updating: run 9 until 2026-03-01 06:14:07 UTC"),
        (JobRow("shop-prod", generation=1), halt(), f"halt {HALT} is open"),
        (JobRow("shop-prod", generation=1, pending="x"), None, "settling: its last record waits for resources"),
        (JobRow("shop-prod", generation=1, retired_at=to_text(NOW)), None, "retired 2026-03-01 02:14:07 UTC"),
    ],
)  # fmt: skip
def test_a_job_shows_where_it_stands(row: JobRow, of_halt: HaltRow | None, state: str) -> None:
    view = JobView(row, "7", None, of_halt)
    assert state in jobs_text(jobs_view([view]))
    assert job_text(job_view(view)).startswith(f"Job shop-prod: {state}")


def test_a_job_lists_what_it_has_recorded() -> None:
    entry = Entry(told.ref(NSG), "2024-05-01", ETags(), "f" * 64, NOW)
    baseline = Baseline("shop-prod", 3, NOW, "Bo", "4710", None, {entry.ref.key: entry})
    text = job_text(job_view(JobView(JobRow("shop-prod", generation=3), "7", baseline, None)))
    assert "Generation 3, 2026-03-01 02:14:07 UTC, by Bo, run 4710: 1 resource" in text
    assert (
        "nsg-web   Microsoft.Network/networkSecurityGroups  2024-05-01   2026-03-01 02:14:07 UTC  first record" in text
    )


def test_proposals_and_deliveries_are_tables() -> None:
    body = {
        "id": "p-1",
        "state": "proposed",
        "ticket": None,
        "generation": 3,
        "selectors": {},
        "at": to_text(NOW),
        "by": {"name": "Bo", "object_id": ""},
        "run": None,
        "counts": {"changed": 2, "gone": 0},
    }
    assert proposals_text(proposals_view([("shop-prod", body)])).splitlines()[1].split("  ")[-1] == "2 changed, 0 gone"
    sent = Delivered("shop-prod", HALT, "file", "halted", Delivery.DELIVERED, where="/tickets/CHG1/h.md")
    due = Delivered("shop-prod", HALT, "file", "halted", Delivery.DUE, problem="disk full", next_at=LATER)
    lines = deliveries_text(deliveries_view([sent, due])).splitlines()
    assert lines[1].endswith("/tickets/CHG1/h.md")
    assert lines[2].endswith("disk full; next try 2026-03-01 06:14:07 UTC")


def test_hostile_names_stay_in_their_cell() -> None:
    rows = [halt(ticket=HOSTILE, actor=HOSTILE, run=HOSTILE, closed_because=HOSTILE, state=State.RESOLVED)]
    for text in (
        halts_text(halts_view(rows), NOW),
        halt_text(halt_view(rows[0], evidence=evidence(stage=HOSTILE, started_by=HOSTILE))),
        decided_text(halt_view(rows[0])),
    ):
        assert all(line.isprintable() for line in text.split("\n"))
        assert "##vso[" not in text
    assert len(halts_text(halts_view(rows), NOW).split("\n")) == 2
