"""The Functions app, indexed and invoked by the runtime that Azure's Python worker loads.

What the host does (routes, keys, schedules) is said by the bindings, which are compared literally.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from driftguard import __version__
from driftguard.entry import function_service
from driftguard.entry.http.service import Service
from driftguard.sandbox import Sandbox
from tests.runtime_harness import FunctionsApp, Invocation, Request, functions_app
from tests.simulators.identity_provider import AUDIENCE, TENANT, IdentityProvider, identity_provider
from tests.world import VNET

ROOT = Path(__file__).resolve().parents[1]
JOB = "shop-prod"
PIPELINE, READER = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"
POLICY = (
    "version: 1\ndefaults: {stability_gap: 0s, settle: 0s, unknown_author: allow}\n"
    f"jobs:\n  - match: {JOB}\n    pipelines: [{PIPELINE}]\n    readers: [{READER}]\n"
)
ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
BASE = "https://guard.azurewebsites.net"
HEAVY = {"fastapi", "starlette", "pydantic", "uvicorn", "jwt", "jinja2", "sqlite3", "requests", "click", "rich", "yaml"}


@pytest.fixture(scope="module")
def app() -> Iterator[FunctionsApp]:
    with functions_app(ROOT) as loaded:
        yield loaded


@pytest.fixture(autouse=True)
def a_process_of_its_own() -> Iterator[None]:
    """What the functions share is made anew for each test, as in a new worker process."""
    function_service.service.close()
    yield
    function_service.service.close()


@dataclass
class Shop:
    """The app with a sandbox, a store, a policy, and an identity provider."""

    app: FunctionsApp
    sandbox: Sandbox
    provider: IdentityProvider
    folder: Path

    def pipeline(self) -> dict[str, str]:
        return self._signed(self.provider.application(PIPELINE, "Pipeline"))

    def reader(self) -> dict[str, str]:
        return self._signed(self.provider.person(READER, "Reader"))

    def _signed(self, claims: dict[str, Any]) -> dict[str, str]:
        return {"authorization": f"Bearer {self.provider.sign(claims)}", "content-type": "application/json"}

    def api(self, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None) -> Invocation:
        sent = b"" if body is None else json.dumps(body).encode()
        return self.app.http("api", method, BASE + path, sent, headers)

    def record(self) -> Invocation:
        answer = self.api("POST", f"/api/jobs/{JOB}/records", self.pipeline(), {"run": "run-1", "resources": [VNET]})
        assert answer.status == 201, answer.body
        return answer

    def check(self, run: str = "run-2") -> Invocation:
        return self.api("POST", f"/api/jobs/{JOB}/checks", self.pipeline(), {"run": run, "ticket": "CHG0030001"})

    def drift(self) -> None:
        dns = {"properties": {"dhcpOptions": {"dnsServers": ["10.20.0.99"]}}}
        self.sandbox.patch(VNET, dns, as_="person-portal")


@pytest.fixture
def shop(app: FunctionsApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    (tmp_path / "policy.yaml").write_text(POLICY)
    with Sandbox() as sandbox, identity_provider() as provider:
        for name, value in {
            "DRIFTGUARD_STORE": str(tmp_path / "store.db"),
            "DRIFTGUARD_POLICY": str(tmp_path / "policy.yaml"),
            "DRIFTGUARD_ARM_ENDPOINT": sandbox.endpoint,
            "DRIFTGUARD_ARM_TOKEN": "pipeline",
            "DRIFTGUARD_READ_TIMEOUT": "5",
            "DRIFTGUARD_LOG_LATENCY": "0",
            "DRIFTGUARD_AUTH_TENANT": TENANT,
            "DRIFTGUARD_AUTH_AUDIENCE": AUDIENCE,
            "DRIFTGUARD_AUTH_AUTHORITY": provider.address,
        }.items():
            monkeypatch.setenv(name, value)
        yield Shop(app, sandbox, provider, tmp_path)


# What the host is told.


def test_the_worker_finds_exactly_these_functions_with_these_bindings(app: FunctionsApp) -> None:
    found = {}
    for name, bindings in app.bindings.items():
        one = next(binding for binding in bindings if binding["type"].endswith("Trigger"))
        keys = ("type", "route", "authLevel", "methods", "schedule", "runOnStartup", "useMonitor")
        found[name] = {key: one[key] for key in keys if key in one}
    timer = {"type": "timerTrigger", "runOnStartup": False, "useMonitor": True}
    open_get = {"type": "httpTrigger", "authLevel": "ANONYMOUS", "methods": ["GET"]}
    assert found == {
        "api": {"type": "httpTrigger", "route": "api/{*rest}", "authLevel": "FUNCTION", "methods": ALL_METHODS},
        "ui": {**open_get, "route": "ui/{*rest}", "methods": ["GET", "HEAD"]},
        "healthz": {**open_get, "route": "healthz"},
        "readyz": {**open_get, "route": "readyz"},
        "drift_scan": {**timer, "schedule": "%DRIFT_SCAN_SCHEDULE%"},
        "deliver_notes": {**timer, "schedule": "%DRIFT_DELIVER_SCHEDULE%"},
    }


def test_the_app_file_has_no_package_of_its_name_beside_it() -> None:
    assert not (ROOT / "function_app").exists(), "the worker would load the package and not the file"


def test_loading_the_app_imports_nothing_that_its_first_answer_does_not_need() -> None:
    ask = (
        "import sys, function_app; print(*sorted({name.partition('.')[0] for name in sys.modules} | set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "function_app" in loaded
    assert not loaded & (
        HEAVY | {"azure.identity", "azure.mgmt", "azure.core", "driftguard.wiring", "driftguard.entry"}
    )


def test_the_file_that_the_worker_reads_names_no_web_framework() -> None:
    assert "fastapi" not in (ROOT / "function_app.py").read_text("utf-8").lower()


# Health.


def test_health_answers_with_the_version(app: FunctionsApp) -> None:
    answer = app.http("healthz", url=f"{BASE}/healthz")
    assert (answer.succeeded, answer.status) == (True, 200)
    assert answer.json() == {"status": "ok", "version": __version__}
    assert {name.lower(): value for name, value in answer.headers.items()} == {
        "content-type": "application/json",
        "cache-control": "no-store",
    }


def test_ready_says_whether_everything_that_is_needed_is_there(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shop.app.http("readyz", url=f"{BASE}/readyz").status == 200
    function_service.service.close()
    monkeypatch.delenv("DRIFTGUARD_AUTH_TENANT")
    monkeypatch.delenv("DRIFTGUARD_AUTH_AUDIENCE")
    monkeypatch.delenv("DRIFTGUARD_AUTH_AUTHORITY")
    assert shop.app.http("readyz", url=f"{BASE}/readyz").status == 503


# The HTTP interface.


def test_a_whole_check_through_the_api_from_record_to_halt_and_its_page(shop: Shop) -> None:
    shop.record()
    clear = shop.check()
    assert clear.status == 200 and clear.json()["clearance"], clear.body
    assert shop.check("run-3").status == 409
    released = {"clearance": clear.json()["clearance"], "reason": "done"}
    assert shop.api("POST", f"/api/jobs/{JOB}/release", shop.pipeline(), released).status == 200

    shop.drift()
    stopped = shop.check("run-3")
    assert stopped.status == 412, stopped.body
    assert stopped.json()["exit_code"] == 1
    halt = stopped.json()["halt"]["id"]

    listed = shop.api("GET", "/api/halts", shop.reader())
    assert [one["id"] for one in listed.json()["halts"]] == [halt]
    page = shop.app.http("ui", url=f"{BASE}/ui/halts/{halt}", headers=shop.reader())
    assert page.status == 200 and b"10.20.0.99" in page.body
    assert page.headers["content-type"].startswith("text/html")


def test_without_a_token_the_api_and_the_pages_answer_401(shop: Shop) -> None:
    for name, path in (
        ("api", "/api/jobs"),
        ("api", f"/api/jobs/{JOB}/checks"),
        ("ui", "/ui/"),
        ("ui", "/ui/halts/h-1"),
    ):
        method = "POST" if path.endswith("checks") else "GET"
        answer = shop.app.http(name, method, BASE + path, headers={"content-type": "application/json"})
        assert answer.succeeded and answer.status == 401, path
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_function_key_opens_nothing_by_itself_and_does_not_reach_the_app(shop: Shop, caplog: Any) -> None:
    key = "0123456789abcdef-key"
    with caplog.at_level("DEBUG"):
        refused = shop.api("GET", f"/api/jobs?code={key}", {"x-functions-key": key})
        assert refused.status == 401
        answer = shop.api("GET", f"/api/jobs?code={key}&limit=5", {**shop.reader(), "x-functions-key": key})
    assert answer.status == 200, answer.body
    assert key not in caplog.text and key.encode() not in refused.body + answer.body


@pytest.mark.parametrize("half", [{}, {"DRIFTGUARD_AUTH_TENANT": TENANT}, {"DRIFTGUARD_STORE": "azure://elsewhere"}])
def test_wrong_settings_let_nothing_pass_and_are_no_crash(
    app: FunctionsApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: dict[str, str]
) -> None:
    for name, value in {"DRIFTGUARD_STORE": str(tmp_path / "store.db"), **half}.items():
        monkeypatch.setenv(name, value)
    answer = app.http("api", url=f"{BASE}/api/jobs", headers={"authorization": "Bearer x"})
    assert (answer.succeeded, answer.status) == (True, 503)
    assert answer.json()["type"] == "urn:driftguard:problem:bad-configuration"
    assert app.http("ui", url=f"{BASE}/ui/", headers={"authorization": "Bearer x"}).status == 503
    assert app.http("healthz").status == 200


def test_twenty_first_requests_at_once_build_the_app_once_and_are_all_answered(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from driftguard.entry import api

    built: list[Service] = []
    create_app = api.create_app

    def counted(service: Service) -> FastAPI:
        built.append(service)
        return create_app(service)

    monkeypatch.setattr(api, "create_app", counted)
    asked = [Request("GET", f"{BASE}/api/jobs", shop.reader()) for _ in range(20)]
    answers = shop.app.http_at_once("api", asked)
    assert [(one.succeeded, one.status) for one in answers] == [(True, 200)] * 20
    assert len(built) == 1


def test_twenty_checks_at_once_open_one_halt(shop: Shop) -> None:
    shop.record()
    shop.drift()
    body = json.dumps({"run": "run-2"}).encode()
    asked = [Request("POST", f"{BASE}/api/jobs/{JOB}/checks", shop.pipeline(), body) for _ in range(20)]
    answers = shop.app.http_at_once("api", asked)
    assert {one.status for one in answers} == {412}
    assert len({one.json()["halt"]["id"] for one in answers}) == 1
    assert len(list((shop.folder / "tickets").rglob("*.md"))) == 1


# What func.AsgiMiddleware would lose or break.


def test_a_fault_that_nobody_foresaw_is_a_problem_document_without_its_text(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("the password is hunter2")

    shop.record()
    for name in ("get", "version"):
        monkeypatch.setattr(type(function_service.service.guard().store), name, fails)
    with caplog.at_level("INFO"):
        answer = shop.api("GET", f"/api/jobs/{JOB}", shop.reader())
    assert answer.succeeded and answer.status == 500
    assert answer.json()["type"] == "urn:driftguard:problem:internal-fault"
    assert "RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text and b"hunter2" not in answer.body


def test_an_unchanged_state_is_304_without_body_and_without_a_content_type(shop: Shop) -> None:
    shop.record()
    first = shop.api("GET", f"/api/jobs/{JOB}", shop.reader())
    again = shop.api("GET", f"/api/jobs/{JOB}", {**shop.reader(), "if-none-match": first.headers["etag"]})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert "content-type" not in {name.lower() for name in again.headers}


def test_head_is_answered_without_a_body(shop: Shop) -> None:
    answer = shop.api("HEAD", "/api/jobs", shop.reader())
    assert (answer.status, answer.body) == (200, b"")


def test_a_request_without_any_body_is_answered(shop: Shop) -> None:
    answer = shop.app.http("api", "POST", f"{BASE}/api/jobs/{JOB}/checks", None, shop.pipeline())
    assert answer.succeeded and answer.status in (400, 422)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/jobs/%FF", 400),
        ("/api/jobs/%E2%98", 400),
        ("/api/jobs/caf%C3%A9", 400),
        ("/api/jobs/a%20b", 400),
        (f"/api/jobs/{JOB};v=1", 400),
        ("/api/jobs/a%2Fb", 404),
        ("/api/jobs?after=%00", 400),
        ("/api/jobs?limit=%35", 200),
        ("/api/nothing", 404),
        ("/api", 404),
        ("/api/", 404),
    ],
)
def test_an_address_means_what_is_written_in_it(shop: Shop, path: str, status: int) -> None:
    shop.record()
    answer = shop.api("GET", path, shop.reader())
    assert (answer.succeeded, answer.status) == (True, status), answer.body
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("url", ["https://[::/api/jobs", "https://host:99999999/api/jobs", "https://host:x/api/jobs"])
def test_an_address_that_cannot_be_read_is_400(shop: Shop, url: str) -> None:
    answer = shop.app.http("api", url=url, headers=shop.reader())
    assert (answer.succeeded, answer.status) == (True, 400)
    assert answer.json()["exit_code"] == 3 and answer.headers["x-correlation-id"]


def test_headers_of_any_form_are_no_fault(shop: Shop) -> None:
    strange = {
        "x-forwarded-port": "none",
        "x-correlation-id": "caf\u00e9\u202e",
        "accept": "\u2603",
        "cookie": "a=\u00e9",
    }
    answer = shop.api("GET", "/api/jobs", {**shop.reader(), **strange})
    assert answer.succeeded and answer.status in (200, 406)


def test_a_correlation_id_goes_in_and_out(shop: Shop) -> None:
    answer = shop.api("GET", "/api/jobs", {**shop.reader(), "x-correlation-id": "run-4711.a"})
    assert answer.headers["x-correlation-id"] == "run-4711.a"


def test_a_body_that_is_too_large_is_413(shop: Shop) -> None:
    answer = shop.app.http("api", "POST", f"{BASE}/api/jobs/{JOB}/checks", b" " * 5_000_000, shop.pipeline())
    assert answer.succeeded and answer.status == 413


def test_a_method_that_a_call_does_not_know_is_405(shop: Shop) -> None:
    assert shop.api("DELETE", "/api/jobs", shop.reader()).status == 405


# The timers.


def test_the_scan_judges_every_job_and_opens_the_halt(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.record()
    shop.drift()
    with caplog.at_level("INFO"):
        ran = shop.app.timer("drift_scan")
    assert ran.succeeded, ran.trace
    assert f'"halted": ["{JOB}"]' in caplog.text and "late" not in caplog.text
    assert len(shop.api("GET", "/api/halts", shop.reader()).json()["halts"]) == 1


def test_timers_run_without_an_identity_provider(
    app: FunctionsApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTGUARD_STORE", str(tmp_path / "store.db"))
    assert app.timer("drift_scan").succeeded and app.timer("deliver_notes").succeeded


@pytest.mark.parametrize(
    ("timer", "line"), [("drift_scan", "drift scan: {"), ("deliver_notes", "delivery of notes: 0 sent")]
)
def test_a_timer_that_is_past_due_runs_and_says_so(
    shop: Shop, caplog: pytest.LogCaptureFixture, timer: str, line: str
) -> None:
    with caplog.at_level("INFO"):
        ran = shop.app.timer(timer, past_due=True)
    assert ran.succeeded, ran.trace
    assert "late" in caplog.text and line in caplog.text


def test_timers_that_run_twice_at_once_leave_one_halt_and_one_note(shop: Shop) -> None:
    shop.record()
    shop.drift()
    assert all(ran.succeeded for ran in shop.app.timer_at_once("drift_scan", 2))
    assert all(ran.succeeded for ran in shop.app.timer_at_once("deliver_notes", 2))
    assert len(shop.api("GET", "/api/halts?all=true", shop.reader()).json()["halts"]) == 1
    assert len(list((shop.folder / "tickets").rglob("*.md"))) == 1


def test_a_note_that_cannot_be_sent_is_logged_and_sent_by_a_later_run(
    shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.record()
    shop.drift()
    (shop.folder / "tickets").write_text("a file where a folder is needed")
    shop.check()
    with caplog.at_level("INFO"):
        # The next try of a note waits for its time; a clock that is ahead stands for the time that passes.
        clock = function_service.service.guard().clock
        now = clock.now
        monkeypatch.setattr(clock, "now", lambda: now().replace(year=now().year + 1))
        ran = shop.app.timer("deliver_notes")
        assert ran.succeeded, "a ticket system that is down is no failure of the timer: the note waits"
        assert "note not sent" in caplog.text
        (shop.folder / "tickets").unlink()
        monkeypatch.setattr(clock, "now", lambda: now().replace(year=now().year + 2))
        assert shop.app.timer("deliver_notes").succeeded
    assert len(list((shop.folder / "tickets").rglob("*.md"))) == 1


@pytest.mark.parametrize("timer", ["drift_scan", "deliver_notes"])
def test_a_store_that_cannot_be_asked_shows_as_a_failed_invocation(
    app: FunctionsApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timer: str
) -> None:
    damaged = tmp_path / "store.db"
    damaged.write_bytes(b"no database" * 1000)
    monkeypatch.setenv("DRIFTGUARD_STORE", str(damaged))
    ran = app.timer(timer)
    assert not ran.succeeded
    assert str(damaged) in ran.error and ran.trace


def test_a_job_that_could_not_be_judged_shows_as_a_failed_scan(shop: Shop) -> None:
    shop.record()
    shop.sandbox.fault(VNET, "403")
    ran = shop.app.timer("drift_scan")
    assert not ran.succeeded and JOB in ran.error


def test_a_policy_that_becomes_wrong_stops_the_scan_and_one_that_is_mended_runs_again(shop: Shop) -> None:
    shop.record()
    good = (shop.folder / "policy.yaml").read_text()
    (shop.folder / "policy.yaml").write_text("version: 1\njbos: []\n")
    assert not shop.app.timer("drift_scan").succeeded
    assert shop.check().status == 503
    (shop.folder / "policy.yaml").write_text(good)
    assert shop.app.timer("drift_scan").succeeded
