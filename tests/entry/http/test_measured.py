"""What the service answers is counted by call and class: 304, 412 and 428 apart from each other and from outages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from driftguard.entry.http.measured import Measured as HttpMeasured
from driftguard.entry.http.service import Service
from driftguard.errors import CannotTell, StoreUnavailable
from driftguard.flow.telemetry import strict
from tests.entry.http.service import Shop
from tests.entry.http.service import shop as open_shop
from tests.measuring import Measured
from tests.world import JOB

NAME = "driftguard.http.answers"


@pytest.fixture
def measured() -> Measured:
    return Measured()


@pytest.fixture
def shop(tmp_path: Path, measured: Measured) -> Iterator[Shop]:
    with open_shop(tmp_path, telemetry=lambda: measured) as opened:
        yield opened


def answers(measured: Measured) -> dict[tuple[str, str], int]:
    return {(key[1], key[3]): count for key, count in measured.counts(NAME).items()}


def test_every_call_of_the_service_may_be_told_by_its_row(shop: Shop) -> None:
    routes = [route for route in shop.app.routes if isinstance(route, APIRoute)]
    names = [f"{method} {route.path}" for route in routes for method in route.methods or ()]
    assert len(names) > 20
    assert [name for name in names if strict(("route",), {"route": name}) != {"route": name}] == []


def test_a_good_answer_and_one_that_found_nothing_new(shop: Shop, measured: Measured) -> None:
    tag = shop.job_tag()
    assert shop.get(f"/api/jobs/{JOB}", If_None_Match=tag).status_code == 304
    assert answers(measured) == {("GET /api/jobs/{job}", "ok"): 1, ("GET /api/jobs/{job}", "not-modified"): 1}


def test_a_halt_is_no_failed_precondition(shop: Shop, measured: Measured) -> None:
    shop.halted()
    assert answers(measured)["POST /api/jobs/{job}/checks", "halt"] == 1
    assert measured.total(NAME, answer="precondition") == 0


def test_nothing_recorded_a_stale_and_a_missing_condition_are_three_things(shop: Shop, measured: Measured) -> None:
    halt = shop.halted()
    path, body = f"/api/halts/{halt['id']}/decisions", {"decision": "stop", "reason": "not this week"}
    assert shop.check(job="shop-new").status_code == 428
    assert shop.post(path, body, "erin").status_code == 428
    assert shop.post(path, body, "erin", If_Match='"another"').status_code == 412
    found = answers(measured)
    assert found["POST /api/jobs/{job}/checks", "nothing-recorded"] == 1
    assert found["POST /api/halts/{halt}/decisions", "unconditional"] == 1
    assert found["POST /api/halts/{halt}/decisions", "precondition"] == 1
    assert measured.total(NAME, answer="outage") == 0


def test_a_job_that_another_run_holds_is_busy_and_no_conflict_or_outage(shop: Shop, measured: Measured) -> None:
    assert shop.check("run-1").status_code == 200
    assert shop.check("run-2").status_code == 409
    assert answers(measured) == {
        ("POST /api/jobs/{job}/checks", "ok"): 1,
        ("POST /api/jobs/{job}/checks", "busy"): 1,
    }


@pytest.mark.parametrize("ends_with", [ClientDisconnect(), asyncio.CancelledError()])
def test_a_caller_who_went_away_before_the_answer_is_no_outage(measured: Measured, ends_with: BaseException) -> None:
    async def gone(scope: Scope, receive: Receive, send: Send) -> None:
        raise ends_with

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ends_with

    def ask(app: ASGIApp) -> None:
        async def nothing(*_: object) -> None:
            pass

        scope = {"type": "http", "method": "GET", "path": "/api/jobs"}
        layer = HttpMeasured(app, Service(guard=lambda: pytest.fail("not needed"), telemetry=lambda: measured))
        with pytest.raises(type(ends_with)):
            asyncio.run(layer(scope, nothing, nothing))  # type: ignore[arg-type]  # reason: nobody receives anything

    ask(gone)
    assert measured.counts(NAME) == {}
    ask(answered)
    assert answers(measured) == {("none", "ok"): 1}


def test_who_is_not_let_in_what_is_not_there_and_what_is_no_call(shop: Shop, measured: Measured) -> None:
    shop.get("/api/jobs", as_=None)
    shop.get(f"/api/jobs/{JOB}/secret-name-of-somebody")
    shop.get("/api/jobs/other-name-of-somebody")
    shop.get("/ui/halts/h-0123456789ab", as_=None)
    told = answers(measured)
    assert told["GET /api/jobs", "refused"] == 1 and told["none", "not-found"] == 1
    assert told["GET /api/jobs/{job}", "refused"] == 1
    assert "somebody" not in str(told) and "h-0123" not in str(told)


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (StoreUnavailable("the store is down"), "outage"),
        (CannotTell("it cannot be told"), "could-not-tell"),
        (ValueError("x"), "outage"),
    ],
)
def test_an_outage_is_an_outage(shop: Shop, measured: Measured, error: Exception, answer: str) -> None:
    class Down:
        def __getattr__(self, name: str) -> object:
            raise error

    shop.telling.guard = replace(shop.telling.guard, store=Down())  # type: ignore[arg-type]  # reason: it is down
    assert shop.get("/api/jobs").status_code >= 500
    assert measured.total(NAME, answer=answer) == 1 == sum(measured.counts(NAME).values())
