"""The one place where requests for blobs pass: how they are sent, and how their answers are read.

Rules:
- No cookie is kept, no .netrc read; a proxy is for Azure only.
- An answer is read as it was sent, all of it, up to the deadline of the call and `_LARGEST_ANSWER` bytes: one that comes byte
  by byte ends like one that does not come.
- A success that is not one of Azure Storage, such as the page of a proxy, or no list where one was asked for, is no answer.
- Each answer is counted, once, by what was asked for: tags apart from blobs, since a role that reads blobs need not read them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree  # as the SDK reads it; expat expands no entity without bound

from driftguard.adapters.timed_connections import Times, timed_session
from driftguard.flow.http_answers import INVALID, OK, OUTAGE, answer_class

if TYPE_CHECKING:
    from azure.core.pipeline.transport import RequestsTransport
    from requests import Session

PIECE = 4 * 1024 * 1024  # bytes of a blob that one request gets
_LARGEST_ANSWER = 64 * 1024 * 1024  # a page of a list of 5,000 long names
_WITHIN = 120.0  # seconds for an answer, where no call says less
_CONNECT_SECONDS, _SILENT_SECONDS = 10.0, 30.0
_BLOCK = 256 * 1024
_EMPTY = "InvalidRange"  # what a blob without a byte answers to any range
# What a success holds, as XML: the root, what is in it, and what each of that has.
_ROOTS = {"list": ("EnumerationResults", "Blobs", "Name"), "tags": ("Tags", "TagSet", "Key")}
_TIMES = Times(_SILENT_SECONDS)
_give_up_at: ContextVar[float] = ContextVar("_give_up_at")


class NotOfStorage(ValueError):
    """A success that is not one of Azure Storage."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """In this thread all requests end within these seconds, also those whose options the SDK does not pass on."""
    token = _give_up_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _give_up_at.reset(token)


def _left() -> float:
    return max(0.1, _give_up_at.get(time.monotonic() + _WITHIN) - time.monotonic())


def new_session(connections: int, *, on_this_machine: bool) -> Session:
    """A connection pool with room for every worker."""
    return timed_session(_TIMES, connections, on_this_machine=on_this_machine)


def new_transport(session: Session, counted: Callable[[str, str], None]) -> RequestsTransport:
    """A transport; `counted` is told of each answer what was asked for, and the class of the answer."""
    import requests
    import urllib3
    from azure.core.exceptions import AzureError, ServiceResponseError, ServiceResponseTimeoutError
    from azure.core.pipeline.transport import RequestsTransport

    class AsSent(RequestsTransport):  # type: ignore[misc]  # reason: imported where it is used, it has no type here
        """Gives an answer when all of it is there, not decompressed: a blob's own encoding is part of it."""

        def send(self, request: Any, **options: Any) -> Any:
            asked, left = _asked(request.url), _left()
            timeouts = {"connection_timeout": min(_CONNECT_SECONDS, left), "read_timeout": min(_SILENT_SECONDS, left)}
            told = OUTAGE
            try:
                with _TIMES.within(min(_WITHIN, left)):
                    response = super().send(request, **{**options, **timeouts, "stream": True})
                    told = INVALID  # whatever of it is not believed
                    body = self._read(response.internal_response)
                if wrong := _not_what_was_asked_for(asked, response.status_code, response.headers, body):
                    raise NotOfStorage(wrong)
                told = _class_of(request, response)
                return response
            except (requests.RequestException, urllib3.exceptions.HTTPError, ServiceResponseTimeoutError) as error:
                told = OUTAGE
                if isinstance(error, AzureError):
                    raise
                if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
                    raise ServiceResponseTimeoutError("the answer takes too long", error=error) from None
                raise ServiceResponseError(type(error).__name__, error=error) from None
            finally:
                counted(asked, told)

        def _read(self, answer: requests.Response) -> bytes:
            until = time.monotonic() + min(_WITHIN, _left())
            pieces: list[bytes] = []
            size = 0
            try:
                # What there is, not a block: a block of an answer that comes byte by byte takes for ever.
                while piece := answer.raw.read1(_BLOCK, decode_content=False):
                    size += len(piece)
                    pieces.append(piece)
                    if time.monotonic() > until:
                        raise ServiceResponseTimeoutError("the answer takes too long")
                    if size > _LARGEST_ANSWER:
                        raise NotOfStorage("the answer is too large")
            finally:
                answer.close()  # one that was read whole gives its connection back, another one ends it
            # What `requests` itself does after reading: everything behind here reads from memory.
            answer._content = b"".join(pieces)
            answer._content_consumed = True  # type: ignore[attr-defined]  # reason: not in the stubs of requests
            return answer._content

    return AsSent(
        session=session,
        connection_timeout=_CONNECT_SECONDS,
        read_timeout=_SILENT_SECONDS,
        connection_data_block_size=PIECE,
    )


def names_in(page: bytes) -> list[str]:
    """The names of the blobs in a page of a list, which was read by this transport."""
    held = ElementTree.fromstring(page).find("Blobs")
    named = [one.find("Name") for one in held or ()]
    return [_name_of(name) for name in named if name is not None]


def _name_of(name: ElementTree.Element) -> str:
    """A name with a character that no XML can hold comes percent-encoded, and says so."""
    text = name.text or ""
    return unquote(text) if name.get("Encoded", "").lower() == "true" else text


def _asked(url: str) -> str:
    """What a request is about: a blob, its tags or page ranges, a container or a list of one."""
    query = parse_qs(urlsplit(url).query)
    part = query.get("comp", [""])[0]
    if "restype" in query:
        return "list" if part == "list" else "container"
    return {"tags": "tags", "pagelist": "ranges"}.get(part, "blob")


def _not_what_was_asked_for(asked: str, status: int, headers: Mapping[str, str], body: bytes) -> str:
    """Why a success is not believed; empty for one that is. The SDK makes an empty list of an answer that holds none."""
    if not 200 <= status < 300:
        return ""
    if "x-ms-request-id" not in headers:
        return "not an answer of Azure Storage"
    if asked not in _ROOTS:
        return ""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return "not XML"
    name, inside, each = _ROOTS[asked]
    held = root.find(inside)
    if root.tag != name or held is None or any(one.find(each) is None for one in held):
        return f"no {asked}"
    return ""


def _class_of(request: Any, response: Any) -> str:
    """The class of an answer. A blob is asked for by a range, and an empty one has none: that is its answer."""
    status, code = response.status_code, response.headers.get("x-ms-error-code") or ""
    if status == 416 and code == _EMPTY and (request.headers.get("x-ms-range") or "").startswith("bytes=0-"):
        return OK
    return answer_class(status, code)
