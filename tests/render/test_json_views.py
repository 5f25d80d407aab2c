from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from driftguard.errors import Busy, HaltOpen
from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.decide import Action, Judged, Verdict
from driftguard.flow.halt import State
from driftguard.flow.moment import to_text
from driftguard.flow.policy import Mode
from driftguard.flow.reading import ETags
from driftguard.flow.record import Baseline, Entry, Fate, Provenance
from driftguard.flow.ticket import Delivery
from driftguard.guard.accepting import Taken
from driftguard.guard.deliver import Delivered
from driftguard.guard.jobs import JobView
from driftguard.guard.observe import Seen
from driftguard.guard.record import Recorded
from driftguard.guard.rows import JobRow, Lease
from driftguard.guard.scan import ScanReport
from driftguard.render.json_views import (
    check_view,
    deliveries_view,
    error_view,
    halt_view,
    halts_view,
    job_view,
    jobs_view,
    proposals_view,
    record_view,
    scan_view,
)
from tests.render import told
from tests.render.told import HALT, MOVED, NOW, NSG, answer, decision, evidence, halt

UNCHANGED = Judged(Finding(told.ref(told.VAULT), FindingKind.UNCHANGED), Action.PROCEED, "nothing differs")
HALT_MEMBERS = {
    "id", "job", "state", "final", "digest", "generation", "attempt", "number", "cause", "opened_at", "run", "ticket",
    "started_by", "actor", "author_unknown", "summary", "evidence", "decision", "proposal", "confirmation", "in_use",
    "expires_at", "earlier", "closed_at", "closed_because",
}  # fmt: skip


def test_a_check_has_its_members_and_its_exit_code() -> None:
    view = check_view(
        answer(judged=(told.HALTING, told.TOLD, told.UNCLEAR, UNCHANGED), halt=halt(), told=("a warning",))
    )
    assert set(view) == {
        "check", "job", "run", "verdict", "observed", "why", "clearance", "until", "halt", "findings", "counts", "coverage",
        "told", "exit_code",
    }  # fmt: skip
    assert (view["verdict"], view["exit_code"], view["clearance"], view["until"]) == ("halt", 1, None, None)
    assert view["counts"] == {"moved": 1, "touched": 1, "unchanged": 1, "unreadable": 1}
    assert view["coverage"]["not_read"][0]["cause"] == "forbidden"
    assert view["halt"]["evidence"] == {"version": 1, "digest": "sha256:" + "0" * 64}
    assert set(view["halt"]) == HALT_MEMBERS
    json.dumps(view)


def test_findings_have_the_form_of_the_evidence_what_halts_first() -> None:
    judged = (told.TOLD, told.UNCLEAR, told.HALTING)
    document = evidence(*judged)
    findings = check_view(answer(judged=judged))["findings"]
    assert findings == [*document["findings"], *document["also_seen"]]
    assert [finding["action"] for finding in findings] == ["halt", "warn", "cannot tell"]
    assert findings[0]["changes"][1] == {
        "path": "properties.securityRules[name=allow-ssh]", "class": "configuration", "after": told.RULE,
    }  # fmt: skip


def test_a_proceed_has_clearance_and_its_end() -> None:
    view = check_view(answer(Verdict.PROCEED, (UNCHANGED,), clearance="c-1", until=NOW))
    assert (view["exit_code"], view["clearance"], view["until"], view["halt"]) == (0, "c-1", to_text(NOW), None)
    assert view["findings"] == []


def test_in_observe_mode_the_verdict_is_told_and_the_exit_code_is_0() -> None:
    view = check_view(answer(observed=True))
    assert (view["verdict"], view["observed"], view["exit_code"]) == ("halt", True, 0)


def test_a_record_tells_the_fate_of_every_resource() -> None:
    taken = (Taken(Seen(MOVED), Fate.HELD, held=MOVED), Taken(Seen(told.UNREAD), Fate.PENDING))
    view = record_view(Recorded("shop-prod", "r-1", 4, Provenance.CLEARANCE, taken, halt=halt()))
    assert (view["exit_code"], view["provenance"], view["proposal"]) == (1, "record under a clearance", None)
    assert view["counts"] == {"held by a halt": 1, "pending": 1}
    held, pending = view["resources"]
    assert held["held"]["resource"] == NSG and held["held"]["action"] == "halt"
    assert (pending["fate"], pending["cause"], pending["held"]) == ("pending", "forbidden", None)
    json.dumps(view)


def test_a_halt_has_its_version_and_its_evidence_where_asked_for() -> None:
    document = evidence()
    view = halt_view(halt(decision=decision(), in_use={"run": "4711", "clearance": "c-1"}), "v7", document)
    assert set(view) == HALT_MEMBERS | {"version", "document"}
    assert (view["version"], view["document"]) == ("v7", document)
    assert view["in_use"] == {"run": "4711"}
    assert "findings" not in view
    json.dumps(view)
    assert halt_view(halt())["document"] is None


def test_lists_stand_under_their_name() -> None:
    assert [one["id"] for one in halts_view([halt(), halt()])["halts"]] == [HALT, HALT]
    assert set(halts_view([halt(State.STOPPED)])["halts"][0]) == HALT_MEMBERS
    body = {
        "schema": 1, "id": "p-1", "state": "proposed", "at": to_text(NOW), "by": {"name": "Bo"}, "run": "1", "ticket": None,
        "generation": 3, "selectors": {}, "blob": "shop-prod/proposals/p-1", "counts": {"changed": 1},
    }  # fmt: skip
    [proposal] = proposals_view([("shop-prod", body)])["proposals"]
    assert proposal["job"] == "shop-prod" and "blob" not in proposal


def test_a_job_shows_no_clearance_and_no_blob() -> None:
    row = JobRow("shop-prod", generation=3, baseline="shop-prod/baseline/3", pending="shop-prod/pending/1")
    row.lease = row.last_clearance = Lease("c-secret", "9", to_text(NOW), to_text(NOW))
    entry = Entry(told.ref(NSG), "2024-05-01", ETags(header='W/"1"'), "f" * 64, NOW)
    baseline = Baseline("shop-prod", 3, NOW, "Bo", "4710", None, {entry.ref.key: entry})
    view = job_view(JobView(row, "7", baseline, halt()))
    text = json.dumps(view)
    assert "c-secret" not in text and "shop-prod/" not in text
    assert (view["settling"], view["lease"]["run"], view["halt"]["id"]) == (True, "9", HALT)
    assert view["baseline"]["resources"][0]["etag"] == "1"
    [listed] = jobs_view([JobView(row, "7", None, None)])["jobs"]
    assert "baseline" not in listed and listed["halt"] is None
    assert (listed["mode"], jobs_view([JobView(row, "7", None, None, Mode.OBSERVE)])["jobs"][0]["mode"]) == (
        None,
        "observe",
    )


def test_a_scan_tells_at_most_so_many_findings_and_how_many_are_left() -> None:
    many = tuple(replace(told.HALTING) for _ in range(60))
    answers = [replace(answer(judged=many, observed=True), job=f"job-{number:02}") for number in range(45)]
    proceed = replace(answer(Verdict.PROCEED, (UNCHANGED, told.TOLD)), job="job-99")
    rows = scan_view(ScanReport("scan-1", (*answers, proceed), (), {}, ()))["jobs"]
    assert [(len(row["findings"]), row["findings_left"]) for row in rows[:2]] == [(50, 10), (50, 10)]
    assert [(len(row["findings"]), row["findings_left"]) for row in rows[39:41]] == [(50, 10), (0, 60)]
    assert (rows[-1]["findings"], rows[-1]["findings_left"]) == ([], 0)


def test_deliveries_tell_where_or_why_not() -> None:
    later = to_text(NOW + timedelta(minutes=1))
    sent = Delivered("shop-prod", HALT, "file", "halted", Delivery.DELIVERED, where="x.md")
    due = Delivered("shop-prod", HALT, "file", "resolved", Delivery.DUE, problem="disk full", next_at=later)
    one, other = deliveries_view([sent, due])["deliveries"]
    assert (one["state"], one["where"], one["problem"], one["next_at"]) == ("delivered", "x.md", None, None)
    assert (other["state"], other["where"], other["problem"], other["next_at"]) == ("due", None, "disk full", later)


def test_an_error_has_its_stable_name_and_exit_code() -> None:
    expected = {"problem": "halt-open", "message": "m", "remedy": "r", "exit_code": 1}
    assert error_view(HaltOpen("m", "r")) == expected
    assert error_view(Busy("m"))["exit_code"] == 4
