"""The client asks what the contract says, and makes the verb's own answers and errors of what comes back."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from driftguard.entry.client.address import service_address
from driftguard.entry.client.problems import ERRORS
from driftguard.entry.client.sign_in import SignIn
from driftguard.entry.client.transport import Transport
from driftguard.entry.remote import Remote
from driftguard.entry.verbs import JobChange
from driftguard.errors import BadConfiguration, DriftGuardError, NotFound, Stale, Unavailable, WrongUse
from driftguard.flow.halt import Decision
from driftguard.flow.review import Person
from driftguard.guard.answer import Ask
from driftguard.guard.recorded import Naming, Recording
from driftguard.guard.review import Confirming, Deciding
from tests.entry.client import views
from tests.entry.client.conftest import TOKEN, Sleepless
from tests.entry.client.scripted_server import Asked, Reply, Script, as_json, as_problem
from tests.source_tree import dotted, modules
from tests.world import Checkout

ASK = Ask("shop", "run-1", "deploy", "CHG1", Person("pipeline-user"), resources=("/subscriptions/1",))
DANA = Person("dana@contoso.com", asserted=True)
GATE = views.check(clearance=None, until=None)


def test_a_check_sends_what_was_asked_with_its_token_and_no_cookie(remote: Remote, script: Script) -> None:
    script.replies = [as_json(GATE, Set_Cookie="a=b")]
    assert remote.check(ASK) == GATE
    remote.check(ASK)
    assert script.asked[0].json() == {
        "run": "run-1",
        "stage": "deploy",
        "ticket": "CHG1",
        "started_by": "pipeline-user",
        "gate": False,
        "resources": ["/subscriptions/1"],
    }
    asked = script.asked[1]
    assert (asked.method, asked.path) == ("POST", "/api/jobs/shop/checks")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert "cookie" not in asked.headers and "if-match" not in asked.headers
    assert len(asked.headers["x-correlation-id"]) == 32


def test_a_record_sends_what_it_names(remote: Remote, script: Script) -> None:
    script.replies = [as_json(views.record(), 201)]
    naming = Naming(("/d",), ("/r",), ("/s",))
    assert remote.record(Recording("shop", "run-1", "c-1", naming, after_failure=True)) == views.record()
    assert script.asked[0].json() == {
        "run": "run-1",
        "clearance": "c-1",
        "deployments": ["/d"],
        "resources": ["/r"],
        "scopes": ["/s"],
        "after_failure": True,
    }


@pytest.mark.parametrize(
    ("name", "status", "view"), [("halt", 412, views.halted()), ("could-not-tell", 503, views.unclear())]
)
def test_a_problem_with_a_check_is_the_check(
    remote: Remote, script: Script, name: str, status: int, view: dict[str, object]
) -> None:
    script.replies = [as_problem(name, status, check=view)]
    assert remote.check(Ask("shop", "run-1")) == view


@pytest.mark.parametrize("name", ERRORS)
def test_a_problem_is_the_error_of_its_name_with_its_message_and_remedy(
    remote: Remote, script: Script, name: str
) -> None:
    script.replies = [as_problem(name, 409, exit_code=0)]
    with pytest.raises(DriftGuardError) as raised:
        remote.job("shop")
    assert type(raised.value) is ERRORS[name]
    assert raised.value.message == "what happened"
    assert raised.value.remedy.startswith("the remedy")
    assert raised.value.exit_code != 0


def test_every_error_of_the_product_has_its_row() -> None:
    from driftguard import errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DriftGuardError)]
    assert {kind.problem for kind in kinds} <= set(ERRORS)
    assert all(ERRORS[kind.problem].exit_code == kind.exit_code for kind in kinds)


def test_a_long_message_is_cut(remote: Remote, script: Script) -> None:
    script.replies = [as_problem("wrong-use", 400, detail="x" * 100_000)]
    with pytest.raises(WrongUse) as raised:
        remote.job("shop")
    assert len(raised.value.message) == 4000


def test_a_call_that_takes_long_is_looked_at_as_often_as_the_service_wants(
    remote: Remote, script: Script, clock: Sleepless
) -> None:
    place = "/api/jobs/shop/checks/7"
    script.replies = [
        as_json({"id": "7", "state": "running"}, 202, Location=place, Retry_After="3"),
        as_json({"state": "running"}, Retry_After="900"),
        as_json({"state": "running"}, Retry_After="0"),
        as_json({"state": "done", "answer": views.check(), "problem": None}),
    ]
    assert remote.check(Ask("shop", "run-1"))["clearance"] == "c-1"
    assert [asked.path for asked in script.asked[1:]] == [place] * 3
    assert clock.slept == [3.0, 10.0, 1.0]


def test_a_call_that_failed_raises_its_problem(remote: Remote, script: Script) -> None:
    problem = {"type": "urn:driftguard:problem:busy", "title": "wait", "detail": "run-2 updates it", "status": 409}
    place = "/api/jobs/shop/checks/7"
    script.replies = [
        as_json({}, 202, Location=place),
        as_json({"state": "failed", "answer": None, "problem": problem}),
    ]
    with pytest.raises(ERRORS["busy"], match="run-2"):
        remote.check(Ask("shop", "run-1"))


def test_a_look_that_fails_is_tried_again_a_few_times(remote: Remote, script: Script) -> None:
    accepted, bad = as_json({}, 202, Location="/api/jobs/shop/checks/7"), Reply(502)
    done = as_json({"state": "done", "answer": views.check()})
    script.replies = [accepted, bad, bad, bad, bad, done]
    assert remote.check(Ask("shop", "run-1"))["exit_code"] == 0
    script.replies = [accepted, bad]
    with pytest.raises(Unavailable):
        remote.check(Ask("shop", "run-1"))


def test_a_lost_call_is_asked_for_once_more(remote: Remote, script: Script) -> None:
    accepted, lost = as_json({}, 202, Location="/api/jobs/shop/checks/7"), as_json({"state": "lost"})
    script.replies = [accepted, lost, as_json(views.check())]
    assert remote.check(Ask("shop", "run-1"))["exit_code"] == 0
    script.replies = [accepted, lost, accepted, lost]
    with pytest.raises(Unavailable, match="lost the check twice"):
        remote.check(Ask("shop", "run-1"))


def test_a_call_that_never_ends_is_given_up_after_twenty_minutes(
    remote: Remote, script: Script, clock: Sleepless
) -> None:
    script.replies = [
        as_json({}, 202, Location="/api/jobs/shop/checks/7", Retry_After="10"),
        as_json({"state": "running"}, Retry_After="10"),
    ]
    with pytest.raises(Unavailable, match="20 minutes"):
        remote.check(Ask("shop", "run-1"))
    assert sum(clock.slept) == 1200


@pytest.mark.parametrize("calls", ["get", "check"])
def test_a_connection_that_is_not_made_is_tried_three_times(clock: Sleepless, calls: str) -> None:
    assert _tries(clock, calls) == 2


def test_a_change_whose_connection_is_not_made_is_not_sent_again(clock: Sleepless) -> None:
    assert _tries(clock, "record") == 0


def _tries(clock: Sleepless, call: str) -> int:
    """How often the client waited for another try at a port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # taken, and not listened at
        address = service_address(f"http://127.0.0.1:{taken.getsockname()[1]}")
        transport = Transport(address, SignIn(lambda: TOKEN), clock)
        remote = Remote(transport, address.base, clock, Checkout())
        calls: dict[str, Callable[[], object]] = {
            "get": remote.jobs,
            "check": lambda: remote.check(ASK),
            "record": lambda: remote.record(Recording("shop", None)),
        }
        with pytest.raises(Unavailable, match="no whole answer"):
            calls[call]()
        transport.close()
    return len(clock.slept)


def test_a_check_whose_connection_breaks_is_not_sent_again_and_a_get_is(remote: Remote, script: Script) -> None:
    script.replies = [Reply(reset=True), as_json(GATE)]
    with pytest.raises(Unavailable):
        remote.check(ASK)
    assert len(script.asked) == 1
    script.replies = [Reply(reset=True), as_json(views.job())]
    assert remote.job("shop") == views.job()


def test_a_change_names_the_version_that_its_caller_saw(remote: Remote, script: Script) -> None:
    script.replies = [as_json(views.halt(state="kept"), 201)]
    remote.decide(Deciding(views.HALT_ID, Decision.KEEP, " why ", DANA, ("/r",), "abc1234", "41", 3))
    asked = script.asked[0]
    assert (asked.path, asked.headers["if-match"]) == (f"/api/halts/{views.HALT_ID}/decisions", '"41"')
    assert asked.json() == {
        "decision": "keep",
        "reason": "why",
        "resources": ["/r"],
        "in_code": "abc1234",
        "evidence": 3,
        "as": "dana@contoso.com",
    }


def test_a_change_without_a_version_is_made_at_the_present_one(remote: Remote, script: Script) -> None:
    script.replies = [as_json(views.job(version="9")), as_json(views.job(version="10"))]
    assert remote.retire(JobChange("shop", Person(""), "why"))["version"] == "10"
    assert script.asked[1].headers["if-match"] == '"9"'
    assert script.asked[1].json() == {"resources": [], "reason": "why"}


def test_where_somebody_else_was_faster_it_is_made_at_the_newer_version(remote: Remote, script: Script) -> None:
    versions = iter("123456789")

    def faster(asked: Asked) -> Reply:
        if asked.method == "GET":
            return as_json(views.halt(version=next(versions)))
        return as_json(views.halt(), 201) if asked.headers["if-match"] == '"3"' else as_problem("stale", 412)

    script.answer = faster
    assert remote.confirm(Confirming(views.HALT_ID, "abc1234", DANA))["id"] == views.HALT_ID


def test_a_caller_who_saw_another_version_is_told_so_at_once(remote: Remote, script: Script) -> None:
    script.replies = [as_problem("stale", 412)]
    with pytest.raises(Stale):
        remote.confirm(Confirming(views.HALT_ID, "abc1234", DANA, if_match='4"; x'))
    assert [asked.headers["if-match"] for asked in script.asked] == ['"-"']


def test_a_release_with_the_clearance_needs_no_version_and_no_reading(remote: Remote, script: Script) -> None:
    script.replies = [as_json(views.job())]
    remote.release(JobChange("shop", Person(""), "", clearance="c-1"))
    assert [asked.json() for asked in script.asked] == [{"clearance": "c-1"}]
    assert "if-match" not in script.asked[0].headers


@pytest.mark.parametrize(("seen", "sent"), [("42", '"42"'), ("no version", '"-"')])
def test_a_release_with_the_clearance_says_which_state_was_seen(
    remote: Remote, script: Script, seen: str, sent: str
) -> None:
    script.replies = [as_json(views.job())]
    remote.release(JobChange("shop", Person(""), "", clearance="c-1", if_match=seen))
    assert [asked.headers["if-match"] for asked in script.asked] == [sent]


def test_a_list_is_put_together_from_its_pages(remote: Remote, script: Script) -> None:
    script.replies = [
        as_json({"halts": [views.halt()], "next": "/api/halts?after=x&limit=200&all=true"}),
        as_json({"halts": [views.halt(state="kept")], "next": None}),
    ]
    assert [row["state"] for row in remote.halts("shop", all_states=True)["halts"]] == ["open", "kept"]
    assert script.asked[0].path == "/api/halts?job=shop&all=true&limit=200"
    assert script.asked[1].path == "/api/halts?after=x&limit=200&all=true"


def test_what_cannot_be_a_name_is_refused_as_in_process_and_never_sent(remote: Remote, script: Script) -> None:
    for name in ("a/b", "..", "", "a?b", "ä"):
        with pytest.raises(WrongUse, match="cannot be the name of a job"):
            remote.job(name)
    for halt in ("../x", "", "h-1?x", "h/1", "0123456789ab"):
        with pytest.raises(NotFound, match="there is no halt"):
            remote.halt(halt, None)
        assert remote.review_address(halt) is None
    with pytest.raises(WrongUse, match="needs a reason"):
        remote.retire(JobChange("shop", DANA, "  "))
    assert not script.asked


PAGE = f"/ui/halts/{views.HALT_ID}"


def test_a_halt_is_reviewed_where_the_service_offers_it(remote: Remote, script: Script) -> None:
    later = as_json({"state": "done", "answer": views.halted(), "review": PAGE})
    cases: list[tuple[list[Reply], Callable[[], dict[str, Any]]]] = [
        ([as_problem("halt", 412, check=views.halted(), review=PAGE)], lambda: remote.check(Ask("shop", "run-1"))),
        ([as_json(HELD | {"review": PAGE}, 201)], lambda: remote.record(Recording("shop", "run-1"))),
        ([as_json({}, 202, Location="/api/jobs/shop/checks/1"), later], lambda: remote.check(Ask("shop", "run-1"))),
    ]
    for replies, ask in cases:
        remote._calls.offered.clear()
        script.replies = replies
        assert "review" not in ask()
        assert remote.review_address(views.HALT_ID) == script.address + PAGE


@pytest.mark.parametrize(
    "review", [None, 7, "https://evil.example/ui/halts/h-0123456789ab", "/ui/x", PAGE + "\n", "/ui"]
)
def test_no_page_is_made_up_where_the_service_offers_none(remote: Remote, script: Script, review: object) -> None:
    script.replies = [as_problem("halt", 412, check=views.halted(), review=review)]
    assert remote.check(Ask("shop", "run-1"))["exit_code"] == 1
    assert remote.review_address(views.HALT_ID) is None


HELD = views.record(halt=views.halt(), exit_code=1)


KEPT = views.halt(state="kept-confirmed", confirmation={"in_code": "abc1234", "for_run": None})


@pytest.mark.parametrize(("contained", "asked"), [(True, 2), (False, 2), (None, 1)])
def test_for_a_kept_change_the_own_checkout_is_asked_once(
    remote: Remote, script: Script, checkout: Checkout, contained: bool | None, asked: int
) -> None:
    if contained is not None:
        checkout.commits["abc1234"] = contained
    script.replies = [as_problem("halt", 412, check=views.halted(halt=KEPT))]
    assert remote.check(Ask("shop", "run-1"))["exit_code"] == 1
    assert len(script.asked) == asked
    assert script.asked[-1].json().get("contains") == ({"abc1234": contained} if contained is not None else None)


@pytest.mark.parametrize(
    "halt",
    [
        views.halt(),
        views.halt(state="kept-confirmed", confirmation={"in_code": "abc1234", "for_run": "run-9"}),
        views.halt(state="kept-confirmed", confirmation={"in_code": 7}),
        views.halt(state="kept-confirmed"),
    ],
)
def test_the_checkout_is_asked_about_nothing_else(
    remote: Remote, script: Script, checkout: Checkout, halt: dict[str, object]
) -> None:
    checkout.commits["abc1234"] = True
    script.replies = [as_problem("halt", 412, check=views.halted(halt=halt))]
    remote.check(Ask("shop", "run-1"))
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com",
        "http://10.0.0.1:8765",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "https://user:secret@example.com",
        "https://secret@127.0.0.1",
        "https://example.com/?code=secret",
        "https://example.com/#secret",
        "https://example.com?",
        "https://example.com/prefix",
        "https://",
        "example.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://example.com:port",
        "https://example.com\\@127.0.0.1",
        "https://exa mple.com",
        "https://example.com\n",
        "http://[::1",
    ],
)
def test_an_address_that_a_token_must_not_go_to_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(BadConfiguration) as raised:
        service_address(address)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("https://guard.example.com", "https://guard.example.com"),
        ("https://guard.example.com:8443/", "https://guard.example.com:8443"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("http://LOCALHOST:1", "http://localhost:1"),
        ("http://[::1]:8765/", "http://[::1]:8765"),
    ],
)
def test_https_and_this_machine_are_good_addresses(address: str, base: str) -> None:
    assert service_address(address).base == base


@pytest.mark.parametrize("secret", ["", "two words", "a\r\nX-Evil: 1", "päß", "x" * 70_000])
def test_a_secret_that_no_header_can_hold_is_refused_and_not_shown(secret: str) -> None:
    for made in (SignIn(lambda: secret), SignIn(lambda: "good", secret or " ")):
        with pytest.raises(BadConfiguration) as raised:
            made.headers()
        assert len(secret) < 2 or secret not in str(raised.value)


def test_a_function_key_goes_beside_the_token(script: Script, clock: Sleepless) -> None:
    transport = Transport(service_address(script.address), SignIn(lambda: TOKEN, "the-key"), clock)
    script.replies = [as_json(views.job())]
    Remote(transport, script.address, clock, Checkout()).job("shop")
    transport.close()
    assert script.asked[0].headers["x-functions-key"] == "the-key"
    assert script.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_no_netrc_and_no_proxy_comes_between(
    remote: Remote, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    script.replies = [as_json(views.job())]
    assert remote.job("shop") == views.job()
    assert script.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_no_part_of_the_client_logs() -> None:
    """A log of requests would hold tokens."""
    client = [
        path for path in modules() if dotted(path).startswith(("driftguard.entry.client", "driftguard.entry.remote"))
    ]
    assert client
    assert not [path for path in client if "logging" in path.read_text()]
