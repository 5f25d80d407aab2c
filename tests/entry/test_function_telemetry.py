"""A timer of the Functions app sends what it measured when it ends, in the trace of its invocation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from driftguard.entry.function_service import FunctionService, trace_parent_of
from driftguard.flow.telemetry import NO_TELEMETRY
from driftguard.guard.deliver import deliver_due
from tests.adapters.telemetry.ingestion import Ingestion, ingestion

TRACE, PARENT = "c" * 32, "d" * 16


@pytest.fixture
def endpoint() -> Iterator[Ingestion]:
    with ingestion() as opened:
        yield opened


@pytest.fixture
def service(tmp_path: Path, endpoint: Ingestion) -> Iterator[FunctionService]:
    environ = {
        "DRIFTGUARD_STORE": str(tmp_path / "store.db"),
        "APPLICATIONINSIGHTS_CONNECTION_STRING": endpoint.connection,
    }
    made = FunctionService(environ)
    yield made
    made.close()


def invocation(trace_parent: str | None) -> Any:
    return SimpleNamespace(trace_context=SimpleNamespace(trace_parent=trace_parent))


def test_what_a_timer_measured_is_sent_when_it_ends_in_the_trace_of_its_invocation(
    service: FunctionService, endpoint: Ingestion
) -> None:
    with service.invocation(invocation(f"00-{TRACE}-{PARENT}-01")) as guard:
        deliver_due(guard)
        assert endpoint.items == []
    (span,) = endpoint.spans("driftguard.deliver")
    assert (span["tags"]["ai.operation.id"], span["tags"]["ai.operation.parentId"]) == (TRACE, PARENT)
    assert endpoint.points("driftguard.halts.open") == [(0, {"job": "*"})]
    assert service.telemetry() is guard.telemetry


def test_a_timer_that_fails_sends_what_it_measured_too(service: FunctionService, endpoint: Ingestion) -> None:
    def timer() -> None:
        with service.invocation(invocation(None)) as guard:
            guard.telemetry.count("driftguard.scans", outcome="failed")
            raise ValueError("unforeseen")

    with pytest.raises(ValueError, match="unforeseen"):
        timer()
    assert endpoint.total("driftguard.scans", outcome="failed") == 1


@pytest.mark.parametrize("context", [None, SimpleNamespace(), invocation(None), invocation("")])
def test_an_invocation_without_a_trace_has_none(context: Any) -> None:
    assert trace_parent_of(context) == ""


def test_nothing_is_opened_to_measure(tmp_path: Path) -> None:
    made = FunctionService({"DRIFTGUARD_STORE": str(tmp_path / "store.db")})
    assert made.telemetry() is NO_TELEMETRY and not (tmp_path / "store.db").exists()
