"""The exporters of Azure Monitor, such that they send our items to one address and do nothing else.

Rules:
- What is sent passes `envelopes.only_ours`, right before the socket. An item is sent once: no retry, no redirect.
- Nothing is written to disk. The exporters collect nothing about themselves (statsbeat), ask no service of their maker's for
  settings (OneSettings), and log nothing of their own. Both hang on one question that they ask themselves, whether they are
  such a collector already; a release that no longer asks it is refused, rather than trusted.
- Each exchange has a short time limit: the thread that sends is never the one that works, and it never hangs.

Source: azure-monitor-opentelemetry-exporter, export/_base.py.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from driftguard.adapters.telemetry.connection import Connection
from driftguard.adapters.telemetry.envelopes import only_ours
from driftguard.errors import BadConfiguration

if TYPE_CHECKING:
    from azure.core.pipeline.transport import RequestsTransport
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.trace.export import SpanExporter

CONNECT_SECONDS, READ_SECONDS = 2.0, 5.0
# The last one says of an answer that broke off that it did: of ours nobody needs to know.
_NOISY = ("azure.monitor.opentelemetry.exporter", "opentelemetry", "azure.core.pipeline.transport")
_HOOK = "_is_stats_exporter"


def exporters(connection: Connection) -> tuple[MetricExporter, SpanExporter]:
    """One for metrics, one for spans. Raises BadConfiguration where the installed release cannot be kept quiet."""
    from azure.core.pipeline.policies import RetryPolicy
    from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter, AzureMonitorTraceExporter

    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    if not callable(getattr(AzureMonitorMetricExporter, _HOOK, None)):
        raise BadConfiguration(
            "the installed azure-monitor-opentelemetry-exporter is not known", "install the release of requirements.txt"
        )

    class Metrics(AzureMonitorMetricExporter):
        def _is_stats_exporter(self) -> bool:
            return True

        def _is_statsbeat_initializing_state(self) -> bool:
            return False

    class Spans(AzureMonitorTraceExporter):
        def _is_stats_exporter(self) -> bool:
            return True

        def _is_statsbeat_initializing_state(self) -> bool:
            return False

        def _should_collect_otel_resource_metric(self) -> bool:
            return False

    def options() -> dict[str, Any]:
        return {
            "connection_string": connection.text,
            "credential": None,
            "disable_offline_storage": True,
            "instrumentation_collection": True,
            "retry_policy": RetryPolicy.no_retries(),
            "transport": _transport(connection),
        }

    return Metrics(**options()), Spans(**options())


def _transport(connection: Connection) -> RequestsTransport:
    from azure.core.exceptions import ServiceRequestError
    from azure.core.pipeline.transport import RequestsTransport
    from azure.core.rest import HttpRequest

    host = urlsplit(connection.endpoint).netloc
    on_this_machine = connection.endpoint.startswith("http://")

    class OnlyOurs(RequestsTransport):  # type: ignore[misc]  # reason: azure.core loads it lazily, without its type
        """Sends our items to the address of the connection string; to any other address, and anything else: nothing."""

        def send(self, request: Any, **options: Any) -> Any:
            if request.method != "POST" or urlsplit(request.url).netloc != host:
                raise ServiceRequestError("not the address of the telemetry")
            try:
                body = only_ours(_bytes_of(request))
            except (AttributeError, TypeError, ValueError) as error:
                raise ServiceRequestError("telemetry of an unknown form is not sent") from error
            headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "driftguard"}
            return super().send(HttpRequest("POST", request.url, headers=headers, content=body), **options)

    return OnlyOurs(connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, use_env_settings=not on_this_machine)


def _bytes_of(request: Any) -> bytes:
    content = request.content if hasattr(request, "content") else request.data
    return content if isinstance(content, bytes) else str(content).encode()
