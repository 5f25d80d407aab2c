"""The Functions app as Azure's Python worker sees it, and what the host reads of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftguard import __version__
from tests.runtime_harness import FunctionsApp, functions_app

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def app() -> Iterator[FunctionsApp]:
    with functions_app(ROOT) as loaded:
        yield loaded


def test_the_worker_finds_exactly_the_functions_of_the_app(app: FunctionsApp) -> None:
    assert sorted(app.bindings) == ["drift_scan", "healthz"]


def test_health_is_an_anonymous_get(app: FunctionsApp) -> None:
    trigger = app.bindings["healthz"][0]
    assert (trigger["type"], trigger["route"], trigger["authLevel"]) == ("httpTrigger", "healthz", "ANONYMOUS")
    assert trigger["methods"] == ["GET"]


def test_the_scan_runs_by_the_schedule_of_the_settings_and_never_at_start(app: FunctionsApp) -> None:
    trigger = app.bindings["drift_scan"][0]
    assert (trigger["type"], trigger["schedule"]) == ("timerTrigger", "%DRIFT_SCAN_SCHEDULE%")
    assert trigger["runOnStartup"] is False


def test_health_answers_with_the_version(app: FunctionsApp) -> None:
    answer = app.http("healthz", url="http://localhost/healthz")
    assert answer.succeeded
    assert answer.status == 200
    assert json.loads(answer.body) == {"status": "ok", "version": __version__}
    assert answer.headers == {"content-type": "application/json"}


def test_the_scan_of_an_empty_store_succeeds(
    app: FunctionsApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("driftguard.wiring", reason="the timer needs the wiring")
    monkeypatch.setenv("DRIFTGUARD_STORE", str(tmp_path / "store.db"))
    with caplog.at_level("INFO"):
        ran = app.timer("drift_scan", past_due=True)
    assert ran.succeeded, ran.trace
    assert "drift scan: {" in caplog.text


def test_a_scan_that_cannot_tell_shows_as_a_failed_invocation(
    app: FunctionsApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("driftguard.wiring", reason="the timer needs the wiring")
    damaged = tmp_path / "store.db"
    damaged.write_bytes(b"no database" * 1000)
    monkeypatch.setenv("DRIFTGUARD_STORE", str(damaged))
    ran = app.timer("drift_scan")
    assert not ran.succeeded
    assert str(damaged) in ran.error


def test_the_app_file_has_no_package_of_its_name_beside_it() -> None:
    assert not (ROOT / "function_app").exists(), "the worker would load the package and not the file"


def test_host_json_leaves_the_routes_to_the_app_and_takes_the_fourth_bundle() -> None:
    host = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    assert host["version"] == "2.0"
    assert host["extensionBundle"]["version"] == "[4.*, 5.0.0)"
    assert host["extensions"]["http"]["routePrefix"] == ""
