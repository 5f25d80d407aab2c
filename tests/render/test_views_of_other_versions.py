"""A view may come from a service of another version: whatever it has, lacks or says otherwise, a text is made of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from driftguard.flow.halt import State
from driftguard.flow.moment import to_text
from driftguard.flow.reading import ETags
from driftguard.flow.record import Baseline, Entry, Fate, Provenance
from driftguard.flow.ticket import Delivery
from driftguard.guard.accepting import Taken
from driftguard.guard.deliver import Delivered
from driftguard.guard.jobs import JobView
from driftguard.guard.observe import Seen
from driftguard.guard.record import Recorded
from driftguard.guard.rows import JobRow, Lease
from driftguard.render.annotations import annotate
from driftguard.render.json_views import (
    check_view,
    deliveries_view,
    halt_view,
    halts_view,
    job_view,
    jobs_view,
    proposals_view,
    record_view,
)
from driftguard.render.lists import deliveries_text, halts_text, job_text, jobs_text, proposals_text, scan_text
from driftguard.render.text import check_text, decided_text, halt_text, record_text
from driftguard.render.tools import explain_text
from tests.render import told
from tests.render.told import HALT, HOSTILE, MOVED, NOW, NSG, answer, decision, evidence, halt

View = dict[str, Any]

LATER = to_text(NOW + timedelta(hours=4))
EARLIER = {"halt": "h-000000000001", "decision": decision(), "kept": [NSG.lower()]}
CONFIRMATION = {"in_code": "abc123", "for_run": "4712", "by": "cy", "asserted": True, "at": to_text(NOW)}


def _decided() -> View:
    row = halt(State.KEPT, decision=decision(), proposal=decision(), confirmation=CONFIRMATION, earlier=EARLIER)
    return halt_view(row, "7", evidence())


def _record() -> View:
    taken = (Taken(Seen(MOVED), Fate.HELD, held=MOVED), Taken(Seen(told.UNREAD), Fate.PENDING))
    resolved = halt(State.RESOLVED, closed_because="gone")
    made = Recorded("shop-prod", "r-1", 4, Provenance.CLEARANCE, taken, halt=halt(), resolved=resolved, told=("x",))
    return record_view(made)


def _job() -> View:
    entry = Entry(told.ref(NSG), "2024-05-01", ETags(), "f" * 64, NOW)
    baseline = Baseline("shop-prod", 3, NOW, "Bo", "4710", "CHG1", {entry.ref.key: entry})
    row = JobRow("shop-prod", generation=3, lease=Lease("c-1", "9", LATER, LATER), pending="x", retired_at=LATER)
    return job_view(JobView(row, "7", baseline, halt()))


def _explain() -> View:
    path = {"path": "tags", "class": "ignored", "rule": "r", "reason": "x", "owner": "o", "note": "n", "differs": True}
    recorded = {"at": LATER, "api_version": "2024-05-01", "etag": "1", "fingerprint": "f", "provenance": "first record"}
    return {
        "job": "shop", "resource": NSG, "type": "T", "finding": "moved", "action": "halt", "reason": "x", "severity": "high",
        "detail": "d", "author": {"who": "ada", "why": None}, "recorded": recorded, "compared": False, "paths": [path],
        "normalised": [{"path": "a", "normalisation": "casing", "reason": "x"}], "not_in_body": ["locks"],
        "policy": "p", "exit_code": 0,
    }  # fmt: skip


def _scan() -> View:
    job = {"job": "shop", "verdict": "halt", "observed": True, "why": "w", "halt": HALT, "problem": None}
    swept = {"purged": {"check": 3}, "anchored": "heads/2026-03-02-57a7e.json", "faults": ["anchor: down"]}
    return {"scan": "scan-1", "jobs": [job], "notes_waiting": 2, "swept": swept, "exit_code": 1}


def _proposals() -> View:
    body = {
        "id": "p-1", "state": "proposed", "at": LATER, "by": {"name": "Bo", "object_id": "o"}, "run": "1", "ticket": None,
        "generation": 3, "selectors": {}, "counts": {"changed": 1},
    }  # fmt: skip
    return proposals_view([("shop-prod", body)])


def _deliveries() -> View:
    return deliveries_view([Delivered("s", HALT, "file", "halted", Delivery.DUE, problem="full", next_at=LATER)])


def _annotations(view: Mapping[str, Any]) -> str:
    return "\n".join([*annotate({"TF_BUILD": "1"}, view), *annotate({"GITHUB_ACTIONS": "1"}, view)])


Case = tuple[Callable[[], View], Callable[[Mapping[str, Any]], str]]
CASES: dict[str, Case] = {
    "check": (lambda: check_view(answer(halt=halt(earlier=EARLIER), told=("x",))), check_text),
    "annotations": (lambda: check_view(answer()), _annotations),
    "record": (_record, record_text),
    "halt": (_decided, halt_text),
    "decided": (_decided, decided_text),
    "halts": (lambda: halts_view([halt()]), lambda view: halts_text(view, NOW)),
    "jobs": (lambda: jobs_view([JobView(JobRow("shop", generation=3), "7", None, halt())]), jobs_text),
    "job": (_job, job_text),
    "proposals": (_proposals, proposals_text),
    "deliveries": (_deliveries, deliveries_text),
    "explain": (_explain, explain_text),
    "scan": (_scan, scan_text),
}
OTHER_FORMS: tuple[Any, ...] = (
    None,
    True,
    7,
    1.5,
    "",
    HOSTILE,
    [],
    [None, 3, "x", []],
    {},
    {"x": {"y": [1]}},
    [{"x": 1}],
)

NAMES_ITS_OWN = {"counts", "parts_not_read", "before", "after"}  # objects whose members are no fixed names


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every member and item in a view."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inner:
        yield (*before, name)
        yield from places(item, (*before, name))


def holder(view: Any, place: tuple[Any, ...]) -> Any:
    """What holds the member or item that the way leads to."""
    for name in place[:-1]:
        view = view[name]
    return view


def is_safe(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n")) and HOSTILE not in text


@pytest.mark.parametrize("case", CASES)
def test_a_member_that_is_missing_or_of_another_form_never_stops_a_text(case: str) -> None:
    make, text = CASES[case]
    view = make()
    assert is_safe(text(view))
    for place in list(places(view)):
        held, name = holder(view, place), place[-1]
        value = held[name]
        for form in OTHER_FORMS:
            held[name] = form
            assert is_safe(text(view)), place
        if isinstance(held, dict):
            del held[name]
            assert is_safe(text(view)), place
        held[name] = value
    assert is_safe(text({}))


@pytest.mark.parametrize("case", CASES)
def test_members_that_are_not_known_change_no_text(case: str) -> None:
    make, text = CASES[case]
    view = make()
    newer = copy.deepcopy(view)
    for place in [*places(view), ("at the top",)]:
        held = holder(newer, place)
        if isinstance(held, dict) and not NAMES_ITS_OWN.intersection(place):
            held["a member of a newer version"] = {"x": [HOSTILE]}
    assert text(newer) == text(view)


@pytest.mark.parametrize("verdict", ["PROCEED", "proceed later", "", None, 0, ["proceed"], HOSTILE])
def test_no_verdict_but_proceed_reads_like_one(verdict: Any) -> None:
    view = check_view(answer(halt=halt())) | {"verdict": verdict, "clearance": "c-1", "until": LATER}
    text = check_text(view)
    assert "Clearance" not in text
    assert "nothing may proceed" in text


def test_a_finding_of_a_kind_that_is_not_known_is_shown_by_its_name() -> None:
    view = check_view(answer(halt=halt()))
    view["findings"][0]["finding"] = "rewound"
    assert "nsg-web (Microsoft.Network/networkSecurityGroups) in rg-shop is found to be rewound" in check_text(view)


def test_for_a_state_that_is_not_known_no_decision_is_offered() -> None:
    view = halt_view(halt(), "7", evidence()) | {"state": "escalated"}
    text = halt_text(view)
    assert text.startswith(f"HALT {HALT} of job shop-prod: escalated\n")
    assert "halts decide" not in text and f"halts show {HALT} --evidence" in text


def test_a_fate_that_is_not_known_is_counted_after_the_others() -> None:
    view = _record() | {"counts": {"adopted": 2, "pending": 1}}
    assert record_text(view).splitlines()[0].endswith("1 pending, 2 adopted")


def test_a_scan_is_a_table_with_its_sum_below() -> None:
    view = _scan()
    view["jobs"].append({"job": "web", "verdict": "busy", "observed": False, "why": "another run", "halt": None})
    assert scan_text(view).splitlines() == [
        "JOB   VERDICT          HALT            WHY",
        f"shop  halt (observed)  {HALT}  w",
        "web   busy             -               another run",
        "1 busy, 1 halt (observed); 2 notes wait (driftguard deliveries)",
        "purged: 3 check",
        "anchored: heads/2026-03-02-57a7e.json",
        "went wrong: anchor: down",
    ]
    view["jobs"][0]["findings"] = [{"resource": "/subscriptions/s", "finding": "rewound"}] * 7
    view["jobs"][0]["findings_left"] = 3
    text = scan_text(view).splitlines()
    assert text[3:5] == ["shop:", "  s: is found to be rewound"]
    assert text[9] == "  and 5 more (--json, or driftguard check --job shop --gate)"
    assert scan_text({"jobs": []}) == "No jobs that are recorded here and open to you."
