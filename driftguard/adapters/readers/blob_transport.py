"""The one place where requests for blobs pass: how they are sent, and how their answers are read.

Rules:
- No cookie is kept, no .netrc read; a proxy is for Azure only.
- An answer is read as it was sent, all of it, up to `_WITHIN` seconds and `_LARGEST_ANSWER` bytes: one that comes byte by
  byte ends like one that does not come.
- Each answer is counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from azure.core.pipeline.transport import RequestsTransport
    from requests import Session

PIECE = 4 * 1024 * 1024  # bytes of a blob that one request gets
_LARGEST_ANSWER = 64 * 1024 * 1024  # a page of a list of 5,000 long names
_WITHIN = 120.0
_CONNECT_SECONDS, _SILENT_SECONDS = 10.0, 30.0
_BLOCK = 256 * 1024


def new_session(connections: int, *, on_this_machine: bool) -> Session:
    """A connection pool with room for every worker."""
    from http.cookiejar import DefaultCookiePolicy

    import requests
    from requests.adapters import HTTPAdapter

    class SignedAlready(requests.auth.AuthBase):
        """Leaves the request alone. Its presence keeps `requests` from putting a .netrc password over the signature."""

        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            return request

    session = requests.Session()
    session.auth = SignedAlready()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.trust_env = not on_this_machine
    adapter = HTTPAdapter(pool_connections=4, pool_maxsize=connections, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def new_transport(session: Session, counted: Callable[[str, int, str], None]) -> RequestsTransport:
    """A transport; `counted` is told of each answer what was asked for, its status (0: none) and its code."""
    import requests
    import urllib3
    from azure.core.exceptions import AzureError, ServiceResponseError, ServiceResponseTimeoutError
    from azure.core.pipeline.transport import RequestsTransport

    class AsSent(RequestsTransport):  # type: ignore[misc]  # reason: imported where it is used, it has no type here
        """Gives an answer when all of it is there, not decompressed: a blob's own encoding is part of it."""

        def send(self, request: Any, **options: Any) -> Any:
            asked = _asked(request.url)
            try:
                response = super().send(request, **{**options, "stream": True})
                self._read(response.internal_response)
            except (AzureError, requests.RequestException, urllib3.exceptions.HTTPError) as error:
                counted(asked, 0, "")
                if isinstance(error, AzureError):
                    raise
                raise ServiceResponseError(type(error).__name__, error=error) from None
            counted(asked, response.status_code, response.headers.get("x-ms-error-code") or "")
            return response

        def _read(self, answer: requests.Response) -> None:
            until = time.monotonic() + _WITHIN
            pieces: list[bytes] = []
            size = 0
            try:
                for piece in answer.raw.stream(_BLOCK, decode_content=False):
                    size += len(piece)
                    pieces.append(piece)
                    if time.monotonic() > until:
                        raise ServiceResponseTimeoutError("the answer takes too long")
                    if size > _LARGEST_ANSWER:
                        raise ServiceResponseError("the answer is too large")
            finally:
                answer.close()
            # What `requests` itself does after reading: everything behind here reads from memory.
            answer._content = b"".join(pieces)
            answer._content_consumed = True  # type: ignore[attr-defined]  # reason: not in the stubs of requests

    return AsSent(
        session=session,
        connection_timeout=_CONNECT_SECONDS,
        read_timeout=_SILENT_SECONDS,
        connection_data_block_size=PIECE,
    )


def _asked(url: str) -> str:
    """What a request is about: a blob, a container or a list of one."""
    query = urlsplit(url).query
    if "restype=container" in query:
        return "list" if "comp=list" in query else "container"
    return "blob"
