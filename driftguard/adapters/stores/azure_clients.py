"""The SDK's clients of one store, and the one place where its requests pass.

Rules:
- No redirect is followed, nothing is retried here, nothing is logged, no .netrc is read; a proxy is for Azure only.
- A request has one time for all of it, more for more that it sends. An answer is read whole, up to a size. What stands
  still, or comes byte by byte, ends (timed_connections).
- A success that is not one of Azure Storage, such as the page of a proxy, or no list where one was asked for, is no answer.
- Each request is counted, by service and kind of answer.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from driftguard.adapters.readers.arm_credential import Credential
from driftguard.adapters.stores import limits
from driftguard.adapters.stores.azure_address import Place, Service
from driftguard.adapters.timed_connections import Times, timed_session
from driftguard.flow.http_answers import answer_class
from driftguard.flow.telemetry import Telemetry

if TYPE_CHECKING:
    from azure.core.pipeline.transport import RequestsTransport
    from azure.data.tables import TableClient
    from azure.storage.blob import ContainerClient
    from requests import Session

CONNECT_WITHIN = 5.0
SILENT_FOR = 20.0
"""Seconds without a byte after which a request is given up."""
TABLE_WITHIN, BLOB_WITHIN = 60.0, 300.0
"""Seconds for one request and its answer."""
SLOWEST = 1_000_000
"""Bytes of a request for each of which it has a second more: the largest blob at this speed, and then its answer."""
_LARGEST_ANSWER = limits.MAX_BLOB + 1024 * 1024
_BLOCK = 256 * 1024
_CONNECTIONS = 32
_STATUS_INSIDE = re.compile(rb"^HTTP/1\.[01] (\d{3})\b", re.MULTILINE)
_CODE_INSIDE = re.compile(rb'"code"\s*:\s*"([A-Za-z0-9]{1,64})"')

_SILENT = logging.getLogger("driftguard.azure_storage")
_SILENT.disabled = True


@dataclass(frozen=True, slots=True)
class Clients:
    """The table and the container of a store."""

    table: TableClient
    container: ContainerClient

    def close(self) -> None:
        """Close all connections."""
        self.table.close()
        self.container.close()


def connect(place: Place, credential: Credential, telemetry: Telemetry) -> Clients:
    """Clients that ask nothing yet."""
    from azure.data.tables import TableClient
    from azure.storage.blob import ContainerClient

    whom = _let_in_by(place, credential)
    return Clients(
        TableClient(place.table.endpoint, place.name, **_options(place, place.table, whom, telemetry, "table")),
        ContainerClient(
            place.blob.endpoint,
            place.name,
            # One request writes a blob and one reads it. In pieces, two writers' pieces of one new blob could be mixed.
            max_single_put_size=limits.MAX_BLOB,
            max_single_get_size=limits.MAX_BLOB,
            **_options(place, place.blob, whom, telemetry, "blob"),
        ),
    )


def _let_in_by(place: Place, credential: Credential) -> Any:
    from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential

    if place.key is not None:
        return AzureNamedKeyCredential(place.account, place.key)
    return AzureSasCredential(place.sas) if place.sas is not None else credential


def _options(place: Place, service: Service, whom: Any, telemetry: Telemetry, name: str) -> dict[str, Any]:
    def counted(status: int, code: str) -> None:
        telemetry.count("driftguard.storage.requests", service=name, answer=answer_class(status, code))

    within, times = BLOB_WITHIN if name == "blob" else TABLE_WITHIN, Times(SILENT_FOR)
    return {
        "credential": whom,
        "audience": service.audience,
        "transport": _transport(
            timed_session(times, _CONNECTIONS, on_this_machine=place.on_this_machine), times, within, counted
        ),
        "retry_total": 0,  # tries are made by azure_errors.Asking, which knows what a lost answer means
        "permit_redirects": False,
        "logging_enable": False,
        "logger": _SILENT,
    }


def _transport(session: Session, times: Times, within: float, counted: Callable[[int, str], None]) -> RequestsTransport:
    import requests
    from azure.core.exceptions import AzureError, ServiceResponseError
    from azure.core.pipeline.transport import RequestsTransport
    from urllib3.exceptions import HTTPError

    class WholeAnswers(RequestsTransport):  # type: ignore[misc]  # reason: azure-core gives it without types
        """Gives an answer when all of it is there, and is one of Azure Storage."""

        def send(self, request: Any, **options: Any) -> Any:
            data = request.data
            seconds = within + (len(data) / SLOWEST if isinstance(data, bytes) else 0.0)
            try:
                with times.within(seconds):
                    response = super().send(request, **{**options, "stream": True})
                    body = self._read(response.internal_response)
                if wrong := _not_what_was_asked_for(request, response, body):
                    raise ServiceResponseError(wrong)
            except (AzureError, requests.RequestException, HTTPError) as error:
                counted(0, "")
                if isinstance(error, AzureError):
                    raise
                raise ServiceResponseError(type(error).__name__, error=error) from None
            counted(*_told(response.status_code, response.headers.get("x-ms-error-code") or "", body))
            return response

        def _read(self, answer: requests.Response) -> bytes:
            pieces: list[bytes] = []
            size = 0
            try:
                # What there is, not a block: a block of an answer that comes byte by byte takes for ever.
                while piece := answer.raw.read1(_BLOCK, decode_content=True):
                    size += len(piece)
                    pieces.append(piece)
                    if size > _LARGEST_ANSWER:
                        raise ServiceResponseError("the answer is too large")
                # What `requests` itself does after reading: everything behind here reads from memory.
                answer._content = b"".join(pieces)
                answer._content_consumed = True  # type: ignore[attr-defined]  # reason: not in the stubs of requests
                return answer._content
            finally:
                answer.close()  # one that was read whole gives its connection back, another one ends it

    return WholeAnswers(session=session, connection_timeout=CONNECT_WITHIN, read_timeout=SILENT_FOR)


def _not_what_was_asked_for(request: Any, response: Any, body: bytes) -> str:
    """Why a success is not believed; empty for one that is. The SDK makes an empty list of an answer that holds none."""
    if not 200 <= response.status_code < 300:
        return ""
    if "x-ms-request-id" not in response.headers:
        return "not an answer of Azure Storage"
    path, _, query = request.url.partition("?")
    if request.method != "GET" or response.status_code != 200:
        return ""
    if path.endswith("()"):
        return "" if _is_page_of_entities(body) else "no list of entities"
    if "comp=list" in query.split("&"):
        return "" if b"<EnumerationResults" in body[:1000] and b"<Blobs" in body else "no list of blobs"
    return ""


def _is_page_of_entities(body: bytes) -> bool:
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(page, dict) and isinstance(page.get("value"), list)


def _told(status: int, code: str, body: bytes) -> tuple[int, str]:
    """Status and code that the answer tells: for a transaction those of the operation that failed, within its body."""
    if status != 202:
        return status, code
    failed = [int(found) for found in _STATUS_INSIDE.findall(body) if not found.startswith(b"2")]
    inside = _CODE_INSIDE.search(body)
    return (failed[0], inside.group(1).decode("ascii") if inside else "") if failed else (status, code)
