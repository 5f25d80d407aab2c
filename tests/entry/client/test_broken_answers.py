"""No answer but a whole one of the service lets anything go on: everything else is exit code 2 or 3, never 0."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from driftguard.entry.client.address import service_address
from driftguard.entry.client.sign_in import SignIn
from driftguard.entry.client.transport import Transport
from driftguard.entry.remote import Remote
from driftguard.entry.verbs import JobChange, Verbs
from driftguard.errors import DriftGuardError, NotAllowed, NotSignedIn, Unavailable
from driftguard.flow.halt import Decision
from driftguard.flow.review import Person
from driftguard.guard.answer import Ask
from driftguard.guard.recorded import Recording
from driftguard.guard.review import Confirming, Deciding
from tests.entry.client import views
from tests.entry.client.conftest import Sleepless
from tests.entry.client.scripted_server import JSON, PROBLEM, Asked, Reply, Script, as_json, as_problem
from tests.world import Checkout

ASK = Ask("shop", "run-1")
DANA = Person("dana@contoso.com", asserted=True)

# Every verb, asked in a way that a good service would answer.
VERBS: dict[str, Callable[[Verbs], Any]] = {
    "check": lambda v: v.check(ASK),
    "gate": lambda v: v.check(Ask("shop", "run-1", gate=True)),
    "record": lambda v: v.record(Recording("shop", "run-1")),
    "jobs": lambda v: v.jobs(),
    "job": lambda v: v.job("shop"),
    "release": lambda v: v.release(JobChange("shop", DANA, "why")),
    "release with clearance": lambda v: v.release(JobChange("shop", DANA, "", clearance="c-1")),
    "retire": lambda v: v.retire(JobChange("shop", DANA, "why")),
    "move": lambda v: v.move(JobChange("shop", DANA, "why", ("/subscriptions/1",)), "other"),
    "proposals": lambda v: v.proposals(None),
    "accept": lambda v: v.accept(JobChange("shop", DANA, "why"), "000001"),
    "halts": lambda v: v.halts(None, all_states=False),
    "halt": lambda v: v.halt(views.HALT_ID, None),
    "evidence": lambda v: v.evidence(views.HALT_ID, None),
    "decide": lambda v: v.decide(Deciding(views.HALT_ID, Decision.KEEP, "why", DANA)),
    "confirm": lambda v: v.confirm(Confirming(views.HALT_ID, "abc1234", DANA)),
    "explain": lambda v: v.explain("shop", "/subscriptions/1", None),
    "deliveries": lambda v: v.deliveries(None, all_states=True),
    "scan": lambda v: v.scan(None),
}

HTML = b"<html><body>Sign in to the proxy</body></html>"
BROKEN: dict[str, Reply] = {
    "a proxy's page with 200": Reply(200, HTML, {"Content-Type": "text/html"}),
    "a proxy's page that says it is JSON": Reply(200, HTML, {"Content-Type": JSON}),
    "a proxy's 502": Reply(502, HTML, {"Content-Type": "text/html"}),
    "a gateway's 504 in JSON": as_json({"message": "timeout"}, 504),
    "a redirect": Reply(302, b"", {"Location": "https://login.example/"}),
    "an answer without a body": Reply(200, b"", {"Content-Type": JSON}),
    "204": Reply(204),
    "half a body": Reply(200, json.dumps(views.check()).encode()[:80], {"Content-Type": JSON}, length=400),
    "a connection that breaks": Reply(reset=True),
    "another JSON": as_json({"hello": "world"}),
    "a list": as_json([views.check()]),
    "JSON without its type": Reply(200, json.dumps(views.check()).encode(), {}),
    "text in JSON's place": Reply(200, b'"proceed"', {"Content-Type": JSON}),
    "a key twice": Reply(200, b'{"exit_code": 1, "exit_code": 0}', {"Content-Type": JSON}),
    "NaN": Reply(200, b'{"exit_code": NaN}', {"Content-Type": JSON}),
    "nested too deeply": Reply(200, b"[" * 100_000 + b"]" * 100_000, {"Content-Type": JSON}),
    "404 of another site": Reply(404, HTML, {"Content-Type": "text/html"}),
    "401 without a problem": Reply(401),
    "403 without a problem": Reply(403, HTML, {"Content-Type": "text/html"}),
    "an unknown problem": as_problem("brand-new", 418),
    "a problem that names another status": Reply(404, as_problem("not-found", 410).body, {"Content-Type": PROBLEM}),
    "a problem with status 200": as_problem("not-found", 200),
    "a problem without a message": as_problem("not-found", 404, detail=None),
    "a problem that is HTML": Reply(404, HTML, {"Content-Type": PROBLEM}),
    "a problem of somebody else": as_problem("x", 400, type="about:blank"),
    "202 without an address": as_json({"state": "running"}, 202),
    "202 with an address elsewhere": as_json({}, 202, Location="http://127.0.0.2:1/api/jobs/shop/checks/1"),
    "202 with an address of another call": as_json({}, 202, Location="/api/jobs/other/checks/1"),
    "202 with an address that climbs": as_json({}, 202, Location="/api/jobs/shop/checks/../../x"),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_answer_is_an_error_of_two_or_three(remote: Remote, script: Script, verb: str, broken: str) -> None:
    script.replies = [BROKEN[broken]]
    with pytest.raises(DriftGuardError) as raised:
        VERBS[verb](remote)
    assert raised.value.exit_code in (2, 3)
    assert "<html>" not in str(raised.value)


@pytest.mark.parametrize(("status", "kind"), [(401, NotSignedIn), (403, NotAllowed)])
def test_a_refused_function_key_is_no_fault_that_passes(
    remote: Remote, script: Script, status: int, kind: type[DriftGuardError]
) -> None:
    script.replies = [Reply(status)]
    with pytest.raises(kind) as raised:
        remote.check(ASK)
    assert raised.value.exit_code == 3
    assert "DRIFTGUARD_FUNCTION_KEY" in raised.value.remedy


def test_an_answer_that_is_too_large_is_not_read_to_its_end(
    remote: Remote, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftguard.entry.client.transport.MOST_BYTES", 1000)
    script.replies = [as_json(views.check(why="x" * 2000))]
    with pytest.raises(Unavailable, match="larger than"):
        remote.check(ASK)


def test_a_service_that_is_silent_is_given_up(clock: Sleepless) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = service_address(f"http://127.0.0.1:{silent.getsockname()[1]}")
        transport = Transport(address, SignIn(lambda: "token"), clock, read_seconds=0.2)
        with pytest.raises(Unavailable, match="ReadTimeout"):
            Remote(transport, address.base, clock, Checkout()).check(ASK)
        transport.close()


WRONG_CHECKS: dict[str, dict[str, Any]] = {
    "another job": views.check(job="other"),
    "another run": views.check(run="run-2"),
    "halt with exit code 0": views.halted(exit_code=0),
    "cannot tell with exit code 0": views.unclear(exit_code=0),
    "proceed with exit code 1": views.check(exit_code=1),
    "no clearance": views.check(clearance=None),
    "an empty clearance": views.check(clearance=""),
    "a clearance without an end": views.check(until=None),
    "an exit code that is true": views.check(exit_code=False),
    "an exit code in text": views.check(exit_code="0"),
    "an unknown verdict": views.check(verdict="go"),
    "observed in text": views.halted(observed="true", exit_code=0),
    "a halt that stops, without its halt": views.halted(halt=None),
    "a halt of another job": views.halted(halt=views.halt(job="other")),
    "a halt with a clearance": views.halted(clearance="c-1"),
    **{
        f"proceed under a halt that is {state}": views.check(halt=views.halt(state=state, final=final))
        for state, final in [
            ("open", False),
            ("proposed", False),
            ("kept", False),
            ("stopped", True),
            ("resolved", True),
            ("superseded", True),
            ("expired", True),
            ("unheard-of", False),
            ("overwrite-allowed", True),
        ]
    },
    "proceed under a decision that another run uses": views.check(
        halt=views.halt(state="in-use", in_use={"run": "run-2"})
    ),
    "a halt that stops, and is closed": views.halted(halt=views.halt(state="resolved", final=True)),
    "no coverage": {name: value for name, value in views.check().items() if name != "coverage"},
}


@pytest.mark.parametrize("wrong", WRONG_CHECKS)
@pytest.mark.parametrize("later", [False, True])
def test_200_with_a_check_that_contradicts_itself_clears_nothing(
    remote: Remote, script: Script, wrong: str, later: bool
) -> None:
    if later:
        place = "/api/jobs/shop/checks/1"
        script.replies = [as_json({}, 202, Location=place), as_json({"state": "done", "answer": WRONG_CHECKS[wrong]})]
    else:
        script.replies = [as_json(WRONG_CHECKS[wrong])]
    with pytest.raises(Unavailable):
        remote.check(ASK)


def test_a_gate_that_comes_with_a_clearance_is_not_believed(remote: Remote, script: Script) -> None:
    script.replies = [as_json(views.check())]
    with pytest.raises(Unavailable):
        remote.check(Ask("shop", "run-1", gate=True))
    with pytest.raises(Unavailable):
        remote.check(Ask("shop", "run-1", resources=("/subscriptions/1",)))


@pytest.mark.parametrize(
    ("name", "status", "view"),
    [
        ("halt", 412, views.check()),
        ("halt", 412, views.halted(exit_code=0)),
        ("could-not-tell", 503, views.check()),
        ("halt", 503, views.halted()),
        ("could-not-tell", 412, views.unclear()),
        ("halt", 412, "proceed"),
        ("halt", 412, None),
    ],
)
def test_a_problem_never_carries_a_yes(remote: Remote, script: Script, name: str, status: int, view: Any) -> None:
    script.replies = [as_problem(name, status, check=view)]
    with pytest.raises(DriftGuardError) as raised:
        remote.check(ASK)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("state", ["overwrite-allowed", "waived", "in-use", "kept-confirmed"])
def test_a_decision_that_lets_a_run_pass_is_believed(remote: Remote, script: Script, state: str) -> None:
    view = views.check(halt=views.halt(state=state, in_use={"run": "run-1"} if state == "in-use" else None))
    script.replies = [as_json(view)]
    assert remote.check(ASK) == view


@pytest.mark.parametrize(
    ("reply", "view"),
    [
        (as_json(views.halted()), "a halt with 200"),
        (as_json(views.unclear()), "could not tell with 200"),
        (as_problem("could-not-tell", 503, check=views.halted()), "a halt that could not be told"),
        (as_problem("halt", 412, check=views.unclear()), "a halt that is none"),
    ],
)
def test_status_problem_and_view_say_one_thing_or_nothing_is_believed(
    remote: Remote, script: Script, reply: Reply, view: str
) -> None:
    script.replies = [reply]
    with pytest.raises(Unavailable, match="contradict each other"):
        remote.check(ASK)


WRONG_RECORDS: dict[str, dict[str, Any]] = {
    "another job": views.record(job="other"),
    "held, with exit code 0": views.record(halt=views.halt()),
    "pending, with exit code 0": views.record(resources=[{"resource": "/x", "fate": "pending"}], counts={"pending": 1}),
    "counts of something else": views.record(counts={}),
    "held, without its halt": views.record(
        resources=[{"resource": "/x", "fate": "held by a halt", "held": {}}], counts={"held by a halt": 1}
    ),
    "held by a halt that is closed": views.record(halt=views.halt(state="resolved", final=True), exit_code=1),
    "resolved a halt that is open": views.record(resolved=views.halt()),
    "resolved a halt of another job": views.record(resolved=views.halt(job="other", state="resolved", final=True)),
    "exit code 2": views.record(exit_code=2),
    "neither record nor proposal": views.record(provenance=None),
    "both record and proposal": views.record(proposal="p-1"),
    "no resources": views.record(resources=None),
}


@pytest.mark.parametrize("wrong", WRONG_RECORDS)
def test_201_with_a_record_that_contradicts_itself_is_not_believed(remote: Remote, script: Script, wrong: str) -> None:
    script.replies = [as_json(WRONG_RECORDS[wrong], 201)]
    with pytest.raises(Unavailable):
        remote.record(Recording("shop", "run-1"))


@pytest.mark.parametrize(
    "view",
    [
        views.scan(("shop", "halt"), exit_code=0),
        views.scan(("shop", "cannot tell"), exit_code=0),
        views.scan(("shop", "proceed"), exit_code=1),
        views.scan(("shop", "fine"), exit_code=0),
        views.scan(("other", "proceed"), exit_code=0),
        views.scan(exit_code=0),
        views.scan(("shop", "proceed"), ("shop", "proceed"), exit_code=0),
        views.scan(("shop", "proceed"), ("other", "proceed"), exit_code=0),
    ],
)
def test_a_scan_that_contradicts_itself_is_not_believed(remote: Remote, script: Script, view: dict[str, Any]) -> None:
    place = "/api/scans/1"
    script.replies = [as_json({}, 202, Location=place), as_json({"state": "done", "answer": view})]
    with pytest.raises(Unavailable):
        remote.scan(["shop"])


@pytest.mark.parametrize(
    "page",
    [
        {"jobs": []},
        {"jobs": [], "next": "https://elsewhere.example/api/jobs?after=x"},
        {"jobs": [], "next": "//elsewhere.example/api/jobs?after=x"},
        {"jobs": [], "next": "/api/halts?after=x"},
        {"jobs": [], "next": "/api/jobs?after=x\r\nX: y"},
        {"jobs": [], "next": 1},
        {"jobs": ["shop"], "next": None},
        {"jobs": {}, "next": None},
    ],
)
def test_a_page_that_leads_elsewhere_or_holds_no_rows_is_refused(
    remote: Remote, script: Script, page: dict[str, Any]
) -> None:
    script.replies = [as_json(page)]
    with pytest.raises(Unavailable):
        remote.jobs()
    assert len(script.asked) == 1


def test_a_list_that_comes_back_to_a_page_is_refused(remote: Remote, script: Script) -> None:
    script.answer = lambda asked: as_json(
        {"jobs": [], "next": "/api/jobs?after=a" if "=a" not in asked.path else asked.path}
    )
    with pytest.raises(Unavailable, match="does not end"):
        remote.jobs()


def test_a_list_without_end_is_refused(remote: Remote, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftguard.entry.client.pages.MOST_PAGES", 5)

    def one_more(asked: Asked) -> Reply:
        return as_json({"jobs": [], "next": f"/api/jobs?after={len(script.asked)}"})

    script.answer = one_more
    with pytest.raises(Unavailable, match="does not end"):
        remote.jobs()
    assert len(script.asked) == 5
