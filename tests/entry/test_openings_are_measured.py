"""A guard that cannot be opened is measured: by a command, by the service and by the app, whatever keeps it closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from driftguard.adapters.identities.local_token import LocalToken
from driftguard.entry.api import create_app
from driftguard.entry.function_service import FunctionService
from driftguard.entry.http.service import Service
from driftguard.entry.serve import Place, serve
from driftguard.errors import BadConfiguration, DriftGuardError, StoreUnavailable
from driftguard.guard.deliver import deliver_due
from driftguard.settings import read_settings
from driftguard.wiring import SharedGuard
from tests.adapters.telemetry.ingestion import Ingestion, ingestion
from tests.entry.cli_shop import Shop, cli_shop
from tests.entry.http.service import Client
from tests.served import TOKEN
from tests.world import VNET

OPENINGS, ANSWERS = "driftguard.openings", "driftguard.http.answers"
SETTING = "APPLICATIONINSIGHTS_CONNECTION_STRING"
GARBAGE = b"garbage" * 1000


@pytest.fixture
def endpoint() -> Iterator[Ingestion]:
    with ingestion() as opened:
        yield opened


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str], endpoint: Ingestion) -> Iterator[Shop]:
    with cli_shop(tmp_path, capsys) as opened:
        opened.environ[SETTING] = endpoint.connection
        yield opened


def openings(endpoint: Ingestion) -> dict[str, float]:
    names = [told["outcome"] for _, told in endpoint.points(OPENINGS)]
    return {name: endpoint.total(OPENINGS, outcome=name) for name in names}


def damaged(shop: Shop) -> None:
    shop.store.write_bytes(GARBAGE)


def not_there(shop: Shop) -> None:
    assert not shop.store.exists()


def without_its_key(shop: Shop) -> None:
    environ = {**shop.environ, SETTING: ""}
    assert shop("record", "--job", "shop", "--resource", VNET, environ=environ).code == 0
    (shop.folder / "store.db.key").unlink()


@pytest.mark.parametrize(
    ("makes", "codes", "outcome"),
    [(damaged, (2, 2), "cannot-tell"), (without_its_key, (2, 2), "cannot-tell"), (not_there, (2, 3), "refused")],
)
def test_a_command_whose_store_cannot_be_opened_is_measured(
    shop: Shop, endpoint: Ingestion, makes: Callable[[Shop], None], codes: tuple[int, int], outcome: str
) -> None:
    makes(shop)
    commands = [["check", "--job", "shop", "--gate"], ["scan"]]
    assert tuple(shop(*command).code for command in commands) == codes
    assert openings(endpoint) == {outcome: 2}


def test_an_opening_that_nobody_foresaw_to_fail_is_measured(
    shop: Shop, endpoint: Ingestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ValueError("words that nobody needs to read")

    monkeypatch.setattr("driftguard.wiring._assemble", fails)
    assert shop("scan").code == 2
    assert openings(endpoint) == {"failed": 1}
    assert b"nobody needs" not in b"".join(endpoint.raw)


def test_a_store_that_opens_is_measured_as_opened(shop: Shop, endpoint: Ingestion) -> None:
    assert shop("record", "--job", "shop", "--resource", VNET).code == 0
    assert openings(endpoint) == {"opened": 1}


def test_a_service_measures_what_it_answers_before_its_guard_opens_and_where_it_cannot(
    tmp_path: Path, endpoint: Ingestion
) -> None:
    store = tmp_path / "store.db"
    guard = SharedGuard(read_settings({"DRIFTGUARD_STORE": str(store), SETTING: endpoint.connection}))
    client = Client(create_app(Service(guard, LocalToken(TOKEN, "local-user"), telemetry=guard.telemetry)))
    signed_in = {"Authorization": f"Bearer {TOKEN}"}
    assert client.request("GET", "/api/jobs").status_code == 401
    assert not store.exists(), "nobody is let in: nothing is opened"
    store.write_bytes(GARBAGE)
    assert client.request("GET", "/api/jobs", headers=signed_in).status_code == 503
    store.unlink()
    assert client.request("GET", "/api/jobs", headers=signed_in).status_code == 200
    assert guard().telemetry is guard.telemetry()
    client.close()
    guard.close()
    told = {
        answer: endpoint.total(ANSWERS, route="GET /api/jobs", answer=answer) for answer in ("refused", "outage", "ok")
    }
    assert told == {"refused": 1, "outage": 1, "ok": 1}
    assert openings(endpoint) == {"cannot-tell": 1, "opened": 1}


def test_a_service_that_was_closed_measures_again_when_it_is_asked_again(tmp_path: Path, endpoint: Ingestion) -> None:
    guard = SharedGuard(read_settings({"DRIFTGUARD_STORE": str(tmp_path / "store.db"), SETTING: endpoint.connection}))
    for count in (1, 2):
        guard()
        guard.close()
        assert openings(endpoint) == {"opened": count}


def test_a_service_that_ends_at_its_start_sends_why(tmp_path: Path, endpoint: Ingestion) -> None:
    environ = {"DRIFTGUARD_STORE": str(tmp_path / "store.db"), SETTING: endpoint.connection}
    (tmp_path / "store.db").mkdir()
    settings = read_settings({**environ, "DRIFTGUARD_ANCHORS": "azure://"})
    with pytest.raises(BadConfiguration):
        serve(settings, Place("127.0.0.1", 0, None), lambda _: pytest.fail("it cannot serve"), lambda _: None)
    assert sum(openings(endpoint).values()) == 1


def invocation() -> Any:
    return SimpleNamespace(trace_context=SimpleNamespace(trace_parent=""))


@pytest.mark.parametrize(
    ("wrong", "error", "outcome"),
    [({}, StoreUnavailable, "cannot-tell"), ({"DRIFTGUARD_CLOUD": "no-such-cloud"}, BadConfiguration, "refused")],
)
def test_a_timer_that_cannot_open_the_guard_sends_so_when_it_ends(
    tmp_path: Path, endpoint: Ingestion, wrong: dict[str, str], error: type[DriftGuardError], outcome: str
) -> None:
    (tmp_path / "store.db").write_bytes(GARBAGE)
    made = FunctionService({"DRIFTGUARD_STORE": str(tmp_path / "store.db"), SETTING: endpoint.connection, **wrong})
    for count in (1, 2):
        with pytest.raises(error), made.invocation(invocation()) as guard:
            deliver_due(guard)
        assert openings(endpoint) == {outcome: count}
    made.close()


def test_the_app_counts_a_call_that_it_lets_in_nobody_for(tmp_path: Path, endpoint: Ingestion) -> None:
    """Also where its settings cannot be read: then nobody is let in at all."""
    for number, wrong in enumerate(({}, {"DRIFTGUARD_CLOUD": "no-such-cloud"}), 1):
        made = FunctionService({"DRIFTGUARD_STORE": str(tmp_path / "store.db"), SETTING: endpoint.connection, **wrong})
        client = Client(create_app(made._service()))
        assert client.request("GET", "/api/jobs").status_code in (401, 503)
        client.close()
        made.close()
        assert sum(value for value, _ in endpoint.points(ANSWERS)) == number
    assert not (tmp_path / "store.db").exists()
