"""Telemetry to Application Insights, by OpenTelemetry, from its connection string alone.

Rules:
- Own providers, nothing global: what other libraries of the process measure is not sent, and ours goes nowhere else.
- Measuring takes no request: a thread sends every half minute, and when the guard is closed. What cannot be sent is dropped;
  the store and its ledger are the record, not telemetry.
- Closing and flushing take at most two seconds, also where the other side hangs.
- Settings that are wrong turn telemetry off with one line in the log; no verb fails for it.
- What is told is held to flow/telemetry.py here, and once more where it leaves (envelopes.py).
"""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from driftguard.adapters.telemetry.bounds import MOST_SERIES, JobNames
from driftguard.adapters.telemetry.levels import Levels
from driftguard.errors import BadConfiguration, DriftGuardError
from driftguard.flow.telemetry import INSTRUMENTS, SPANS, Instrument, Span, Telemetry, strict

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.trace import Span as OtelSpan

EVERY_SECONDS = 30.0
SECONDS_TO_CLOSE = 2.0
_TRACE_PARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")
_LOG = logging.getLogger("driftguard.telemetry")


class AzureMonitor(Telemetry):
    """The port `Telemetry`. `every` in seconds; `version` is that of the product. Never raises."""

    def __init__(self, connection_string: str, version: str, *, every: float = EVERY_SECONDS) -> None:
        self._jobs = JobNames()
        self._levels = Levels()
        self._counters: dict[str, Any] = {}
        self._histograms: dict[str, Any] = {}
        self._tracer: Any = None
        self._providers: tuple[Any, Any] | None = None
        try:
            self._start(connection_string, version, every)
        except BadConfiguration as error:
            _LOG.warning("telemetry is off: %s", error)
        except Exception as error:  # noqa: BLE001  # reason: whatever a library does not like, the guard works without it
            _LOG.warning("telemetry is off: it cannot be set up (%s)", type(error).__name__)

    def count(self, name: str, amount: int = 1, **attributes: str) -> None:
        self._safely(name, "counter", lambda told: self._counters[name].add(amount, told), attributes)

    def level(self, name: str, value: float, **attributes: str) -> None:
        if math.isfinite(value):  # JSON has no other number: one would spoil all that is sent with it
            self._safely(name, "gauge", lambda told: self._levels.put(name, value, told), attributes)

    def took(self, name: str, seconds: float, **attributes: str) -> None:
        if math.isfinite(seconds):
            seconds = max(0.0, seconds)
            self._safely(name, "histogram", lambda told: self._histograms[name].record(seconds, told), attributes)

    @contextmanager
    def span(self, name: str, **attributes: str) -> Iterator[Span]:
        told = _Told(self._jobs, SPANS.get(name, ()))
        with ExitStack() as stack:
            if self._tracer is not None and name in SPANS:
                told.span = self._begun(stack, name, told.strictly(attributes))
            try:
                yield told
            except BaseException as error:  # reason: a span says that it failed, and what failed goes on
                told.failed(error)
                raise

    @contextmanager
    def joined(self, trace_parent: str) -> Iterator[None]:
        if self._tracer is None or not _TRACE_PARENT.match(trace_parent or ""):
            yield
            return
        from opentelemetry import context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        token = context.attach(TraceContextTextMapPropagator().extract({"traceparent": trace_parent}))
        try:
            yield
        finally:
            context.detach(token)

    def flush(self) -> None:
        if self._providers:
            limit = int(SECONDS_TO_CLOSE * 1000)
            _within_limit([partial(provider.force_flush, limit) for provider in self._providers])

    def close(self) -> None:
        """Send what is left, and end; measurements after that are not taken."""
        providers, self._providers, self._tracer = self._providers, None, None
        self._counters, self._histograms = {}, {}
        if providers:
            _within_limit([provider.shutdown for provider in providers])

    def _begun(self, stack: ExitStack, name: str, attributes: dict[str, str]) -> OtelSpan | None:
        try:
            span: OtelSpan = stack.enter_context(
                self._tracer.start_as_current_span(
                    name, attributes=attributes, record_exception=False, set_status_on_exception=False
                )
            )
        except Exception as error:  # noqa: BLE001  # reason: measuring must not change what the guard decides
            _LOG.debug("not measured: %s (%s)", name, type(error).__name__)
            return None
        return span

    def _safely(self, name: str, kind: str, told: Callable[[dict[str, str]], None], attributes: dict[str, str]) -> None:
        instrument = INSTRUMENTS.get(name)
        if self._providers is None or instrument is None or instrument.kind != kind:
            return
        try:
            told(self._jobs.bounded(strict(instrument.attributes, attributes)))
        except Exception as error:  # noqa: BLE001  # reason: measuring must not change what the guard decides
            _LOG.debug("not measured: %s (%s)", name, type(error).__name__)

    def _start(self, connection_string: str, version: str, every: float) -> None:
        from driftguard.adapters.telemetry.connection import read_connection

        connection = read_connection(connection_string)
        from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.metrics.view import View
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        from driftguard.adapters.telemetry.exporters import exporters

        # Made here and not by Resource.create: that one adds what the process and its environment say of themselves.
        resource = Resource({"service.name": "driftguard", "service.version": version, "service.instance.id": "one"})
        metrics, spans = exporters(connection)
        reader = PeriodicExportingMetricReader(metrics, export_interval_millis=every * 1000)
        # Beyond its limit OpenTelemetry puts what it counts into one point that says nothing: none of ours may get there.
        every_series = View(instrument_name="*", aggregation_cardinality_limit=MOST_SERIES)
        meters = MeterProvider(
            [reader], resource, AlwaysOffExemplarFilter(), shutdown_on_exit=False, views=[every_series]
        )
        tracers = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
        tracers.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=every * 1000))
        meter = meters.get_meter("driftguard", version)
        for name, one in INSTRUMENTS.items():
            self._make(meter, name, one)
        self._providers, self._tracer = (meters, tracers), tracers.get_tracer("driftguard", version)

    def _make(self, meter: Any, name: str, one: Instrument) -> None:
        if one.kind == "counter":
            self._counters[name] = meter.create_counter(name, one.unit, one.told)
        elif one.kind == "histogram":
            self._histograms[name] = meter.create_histogram(name, one.unit, one.told)
        else:
            meter.create_observable_gauge(name, [partial(self._observed, name)], one.unit, one.told)

    def _observed(self, name: str, _options: CallbackOptions) -> Iterable[Observation]:
        from opentelemetry.metrics import Observation

        return [Observation(value, attributes) for value, attributes in self._levels.take(name)]


class _Told(Span):
    """A span as it is told; without `span` it goes nowhere."""

    def __init__(self, jobs: JobNames, allowed: tuple[str, ...]) -> None:
        self.span: OtelSpan | None = None
        self._jobs, self._allowed = jobs, allowed

    def strictly(self, attributes: dict[str, Any]) -> dict[str, str]:
        """What of it may be told."""
        return self._jobs.bounded(strict(self._allowed, attributes))

    def tell(self, **attributes: object) -> None:
        if self.span is not None:
            self.span.set_attributes(self.strictly(attributes))

    def failed(self, error: BaseException) -> None:
        """Say that it ended with an error: its kind, never its text."""
        if self.span is not None:
            from opentelemetry.trace import StatusCode

            self.tell(error=error.problem if isinstance(error, DriftGuardError) else "internal-fault")
            self.span.set_status(StatusCode.ERROR)


def _within_limit(steps: list[Callable[[], Any]]) -> None:
    """Do the steps side by side; what takes longer than the limit goes on without anybody waiting for it."""
    ending = threading.Event()
    left = len(steps)
    turn = threading.Lock()

    def do(step: Callable[[], Any]) -> None:
        nonlocal left
        try:
            step()
        except Exception as error:  # noqa: BLE001  # reason: what cannot be sent is dropped, and concerns nobody's verdict
            _LOG.debug("telemetry was not sent (%s)", type(error).__name__)
        with turn:
            left -= 1
            if not left:
                ending.set()

    for step in steps:
        threading.Thread(target=do, args=(step,), name="driftguard-telemetry", daemon=True).start()
    ending.wait(SECONDS_TO_CLOSE)
