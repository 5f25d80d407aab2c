"""What reaches Application Insights, by the real exporter to an endpoint on this machine; and what a bad endpoint changes."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from driftguard.adapters.telemetry import TELEMETRY
from driftguard.adapters.telemetry.azure_monitor import AzureMonitor
from driftguard.adapters.telemetry.bounds import MOST_JOBS, MOST_SERIES
from driftguard.errors import Busy
from driftguard.flow.telemetry import FORMS, INSTRUMENTS
from tests.adapters.telemetry.ingestion import KEY, Ingestion, ingestion
from tests.source_tree import ROOT

IN_TIME = 3.0  # seconds; closing takes two at most


@contextmanager
def measuring(endpoint: Ingestion) -> Iterator[AzureMonitor]:
    measured = TELEMETRY["azure-monitor"](endpoint.connection, "1.2.3")
    try:
        yield measured
    finally:
        measured.close()


def measure_each(measured: AzureMonitor) -> None:
    """Something of every instrument."""
    for name, one in INSTRUMENTS.items():
        attributes = dict.fromkeys(one.attributes, "x")
        if one.kind == "counter":
            measured.count(name, 2, **attributes)
        elif one.kind == "gauge":
            measured.level(name, 3, **attributes)
        else:
            measured.took(name, 1.5, **attributes)


def test_every_instrument_arrives_with_its_value() -> None:
    with ingestion() as endpoint:
        with measuring(endpoint) as measured:
            measure_each(measured)
        values = {name: [value for value, _ in endpoint.points(name)] for name in INSTRUMENTS}
    wanted = {"counter": [2], "gauge": [3], "histogram": [1.5]}
    assert values == {name: wanted[one.kind] for name, one in INSTRUMENTS.items()}


def test_counts_are_told_as_what_came_since_the_last_time() -> None:
    with ingestion() as endpoint, measuring(endpoint) as measured:
        measured.count("driftguard.decisions", decision="keep")
        measured.flush()
        measured.count("driftguard.decisions", decision="keep")
        measured.count("driftguard.decisions", decision="keep")
        measured.flush()
        measured.flush()
        assert [value for value, _ in endpoint.points("driftguard.decisions")] == [1, 2]


def test_a_level_is_told_once_and_a_later_one_takes_its_place() -> None:
    with ingestion() as endpoint, measuring(endpoint) as measured:
        measured.level("driftguard.halts.open", 1, job="shop")
        measured.level("driftguard.halts.open", 2, job="shop")
        measured.level("driftguard.halts.open", 5, job="other")
        for _ in range(3):
            measured.flush()
        told = endpoint.points("driftguard.halts.open")
    assert sorted(told, key=str) == sorted([(2, {"job": "shop"}), (5, {"job": "other"})], key=str)


def test_what_no_table_knows_is_not_told() -> None:
    with ingestion() as endpoint:
        with measuring(endpoint) as measured:
            measured.count("driftguard.unknown")
            measured.count("driftguard.halts.open", job="shop")  # it is a gauge
            measured.took("driftguard.checks", 1, verdict="halt")
            measured.count("driftguard.checks", verdict="a secret", mode="check", job="shop", body="{}")
            with measured.span("unknown", job="shop") as span:
                span.tell(job="shop")
        assert len(endpoint.items) == 1
        told = {"verdict": "other", "mode": "check", "job": "shop"}
        assert endpoint.points("driftguard.checks") == [(1, told)]


def test_no_more_than_so_many_jobs_are_told_by_name() -> None:
    with ingestion() as endpoint:
        with measuring(endpoint) as measured:
            for number in range(600):
                measured.count("driftguard.checks", verdict="proceed", mode="check", job=f"job-{number}")
            measured.count("driftguard.checks", verdict="proceed", mode="check", job="job-1")
        told = {attributes["job"]: value for value, attributes in endpoint.points("driftguard.checks")}
    assert len(told) == 501 and told["other"] == 100 and told["job-1"] == 2


def test_every_series_of_many_jobs_is_told_with_its_attributes() -> None:
    """More than the 2,000 beyond which OpenTelemetry puts all counts into one point without attributes."""
    verdicts = ("proceed", "halt", "cannot-tell", "busy", "refused")
    with ingestion() as endpoint:
        with measuring(endpoint) as measured:
            for number in range(600):
                for verdict in verdicts:
                    measured.count("driftguard.checks", verdict=verdict, mode="check", job=f"job-{number}")
        points = endpoint.points("driftguard.checks")
    assert {tuple(sorted(told)) for _, told in points} == {("job", "mode", "verdict")}
    assert sum(value for value, _ in points) == 3_000 and len(points) == 501 * 5
    assert [endpoint.total("driftguard.checks", verdict=verdict, job="other") for verdict in verdicts] == [100] * 5


def test_no_metric_has_more_series_than_are_told() -> None:
    """Of the attributes with a closed set of values. The others are few by nature: targets, and calls of the service."""
    for name, one in INSTRUMENTS.items():
        closed = [form for attribute in one.attributes if isinstance(form := FORMS[attribute], frozenset)]
        jobs = MOST_JOBS + 2 if "job" in one.attributes else 1  # with all of them together, and the others
        assert jobs * math.prod(len(form) + 1 for form in closed) <= MOST_SERIES, name


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_value_that_json_does_not_have_spoils_nothing_that_is_sent_with_it(value: float) -> None:
    with ingestion() as endpoint:
        with measuring(endpoint) as measured:
            measured.level("driftguard.halts.oldest_age", value, job="*")
            measured.took("driftguard.scan.duration", value)
            measured.took("driftguard.scan.duration", 2.0)
        assert endpoint.points("driftguard.scan.duration") == [(2.0, {})]
        assert endpoint.points("driftguard.halts.oldest_age") == []


def test_a_span_says_what_it_is_told_and_of_an_error_the_kind_only() -> None:
    with ingestion() as endpoint:
        with measuring(endpoint) as measured:
            with measured.span("driftguard.check", job="shop", mode="gate") as span:
                span.tell(verdict="halt", resources=3, changed=1, reason="somebody's words")
            for error in (Busy("secret words of run 7", "wait"), ValueError("a body")):
                with pytest.raises(type(error)), measured.span("driftguard.check", job="shop"):
                    raise error
        spans = [item["data"]["baseData"] for item in endpoint.spans("driftguard.check")]
        sent = b"".join(endpoint.raw)
    assert [span["properties"] for span in spans] == [
        {"verdict": "halt", "mode": "gate", "job": "shop", "resources": "3", "changed": "1"},
        {"job": "shop", "error": "busy"},
        {"job": "shop", "error": "internal-fault"},
    ]
    assert [span["success"] for span in spans] == [True, False, False]
    assert b"words" not in sent and b"a body" not in sent and b"Traceback" not in sent


def test_spans_belong_to_the_trace_of_the_caller_and_to_each_other() -> None:
    trace, parent = "a" * 32, "b" * 16
    with ingestion() as endpoint:
        with measuring(endpoint) as measured:
            joined, scanning = measured.joined(f"00-{trace}-{parent}-00"), measured.span("driftguard.scan")
            with joined, scanning, measured.span("driftguard.check"):
                pass
            with measured.joined("no such thing\r\n"), measured.span("driftguard.deliver"):
                pass
        (scan,), (check,) = endpoint.spans("driftguard.scan"), endpoint.spans("driftguard.check")
        (alone,) = endpoint.spans("driftguard.deliver")
    assert scan["tags"]["ai.operation.id"] == check["tags"]["ai.operation.id"] == trace
    assert scan["tags"]["ai.operation.parentId"] == parent
    assert check["tags"]["ai.operation.parentId"] == scan["data"]["baseData"]["id"]
    assert alone["tags"]["ai.operation.id"] != trace and "ai.operation.parentId" not in alone["tags"]


def test_an_item_says_nothing_of_the_machine_the_user_or_the_process() -> None:
    with ingestion() as endpoint:
        with measuring(endpoint) as measured:
            measure_each(measured)
            with measured.span("driftguard.scan"):
                pass
        items, raw = endpoint.items, b"".join(endpoint.raw)
    allowed = {"ai.cloud.role", "ai.application.ver", "ai.internal.sdkVersion", "ai.operation.id", "ai.operation.name"}
    assert all(set(item["tags"]) <= allowed for item in items)
    assert all(set(item) <= {"ver", "name", "time", "iKey", "sampleRate", "tags", "data"} for item in items)
    assert {item["tags"]["ai.cloud.role"] for item in items} == {"driftguard"}
    assert {item["tags"]["ai.application.ver"] for item in items} == {"1.2.3"}
    for word in (b"host.name", b"process.", b"device", b"pid", str(Path.home()).encode(), sys.executable.encode()):
        assert word not in raw


@pytest.mark.parametrize("behaviour", ["500", "503", "429", "400", "307", "garbage", "half", "hang", "down"])
def test_a_bad_endpoint_slows_nothing_and_fails_nothing(
    behaviour: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with ingestion("ok" if behaviour == "down" else behaviour) as endpoint, caplog.at_level(logging.INFO):
        if behaviour == "down":
            endpoint.address = "http://127.0.0.1:9"  # nobody listens there
        measured = TELEMETRY["azure-monitor"](endpoint.connection, "1.2.3")
        began = time.monotonic()
        for _ in range(200):
            measure_each(measured)
            with measured.span("driftguard.check", job="shop"):
                pass
        worked = time.monotonic() - began
        measured.flush()
        measured.close()
        took = time.monotonic() - began - worked
        measure_each(measured)
        measured.close()
    assert worked < IN_TIME and took < 2 * IN_TIME
    assert len(endpoint.raw) <= 4, "an item is sent once, and no redirect is followed"
    told = capfd.readouterr()
    assert told.out + told.err + caplog.text == ""


def test_a_hanging_endpoint_leaves_no_threads_behind_that_keep_the_process() -> None:
    with ingestion("hang") as endpoint:
        measured = TELEMETRY["azure-monitor"](endpoint.connection, "1.2.3")
        measured.count("driftguard.scans", outcome="calm")
        began = time.monotonic()
        measured.close()
        assert time.monotonic() - began < IN_TIME
        assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "InstrumentationKey=not-a-guid",
        f"InstrumentationKey={KEY};IngestionEndpoint=http://telemetry.example.com/",
        f"InstrumentationKey={KEY};IngestionEndpoint=https://user@telemetry.example.com/",
        f"InstrumentationKey={KEY};IngestionEndpoint=https://telemetry.example.com/?x=1",
        f"InstrumentationKey={KEY};IngestionEndpoint=ftp://telemetry.example.com/",
        f"InstrumentationKey={KEY};IngestionEndpoint=https://telemetry.example.com:port/",
    ],
)
def test_a_wrong_connection_string_turns_telemetry_off_and_is_not_quoted(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    measured = TELEMETRY["azure-monitor"](text, "1.2.3")
    measure_each(measured)
    with measured.span("driftguard.check"), measured.joined("x"):
        pass
    measured.flush()
    measured.close()
    assert len(caplog.records) == 1 and "telemetry is off" in caplog.text and "copy it again" in caplog.text
    assert KEY not in caplog.text and "example.com" not in caplog.text


def test_a_release_of_the_exporter_that_cannot_be_kept_quiet_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from azure.monitor.opentelemetry.exporter.export._base import BaseExporter

    monkeypatch.delattr(BaseExporter, "_is_stats_exporter")
    with ingestion() as endpoint:
        with measuring(endpoint) as measured:
            measure_each(measured)
        assert endpoint.raw == [] and "telemetry is off" in caplog.text


WATCHED = """
import sys, time
connected, written = [], []
def watch(event, arguments):
    if event == "socket.connect":
        connected.append(arguments[1])
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        written.append(str(arguments[0]))
    if event in ("os.mkdir", "socket.getaddrinfo"):
        written.append(f"{event} {arguments[0]}")
sys.addaudithook(watch)
from driftguard.adapters.telemetry import TELEMETRY
measured = TELEMETRY["azure-monitor"](sys.argv[1], "1.2.3", every=0.2)
for _ in range(4):
    measured.count("driftguard.scans", outcome="calm")
    with measured.span("driftguard.scan"):
        time.sleep(0.25)
measured.close()
port = int(sys.argv[1].split("127.0.0.1:")[1].split("/")[0])
strange = [one for one in connected if one != ("127.0.0.1", port)]
written = [one for one in written if one not in (f"socket.getaddrinfo 127.0.0.1", "/dev/null")]
from opentelemetry import metrics, trace
providers = [type(one).__name__ for one in (metrics.get_meter_provider(), trace.get_tracer_provider())]
print(len(connected) > 0, strange, written, *providers)
"""


@pytest.mark.parametrize("behaviour", ["ok", "500"])
def test_nobody_else_is_asked_nothing_is_written_and_nothing_is_global(tmp_path: Path, behaviour: str) -> None:
    """With an environment in which the exporter has every reason to collect about itself and to store what it could not send."""
    with ingestion(behaviour) as endpoint:
        environ = {
            "TMPDIR": str(tmp_path),
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        environ |= {
            "APPLICATIONINSIGHTS_SDKSTATS_ENABLED_PREVIEW": "true",
            "OTEL_RESOURCE_ATTRIBUTES": "host.name=here",
        }
        ran = subprocess.run(
            [sys.executable, "-c", WATCHED, endpoint.connection],
            capture_output=True,
            text=True,
            check=False,
            env=environ,
        )
        sent = b"".join(endpoint.raw)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.split() == ["True", "[]", "[]", "_ProxyMeterProvider", "ProxyTracerProvider"], ran.stdout
    assert list(tmp_path.rglob("*")) == []
    assert b"host.name" not in sent and (b"driftguard.scans" in sent)
