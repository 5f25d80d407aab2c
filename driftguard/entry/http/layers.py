"""The layers around the calls: by which name the service is called, how large a body may be, headers, HEAD.

Rules:
- A body is refused by what it says of its own length, and counted while it is read: at most 64 KiB; 4 MiB where a call names
  many resources or jobs, a record 32 MiB.
- Called by another name than its own the service answers nothing: a page of somebody else's cannot reach it by a name that it
  controls (DNS rebinding).
- Nothing is kept by a cache that is not told to, nothing is framed, nothing is taken for another type than it says.
- HEAD is answered as GET, without the body.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from driftguard.entry.http import problems

MOST = 64 * 1024
MOST_OF_MANY = 4 * 1024 * 1024
MOST_OF_A_RECORD = 32 * 1024 * 1024
_MANY = re.compile(r"/api/(?:jobs/[^/]+/(?:checks|retire|move)|halts/[^/]+/decisions|scans)\Z")
_RECORDS = re.compile(r"/api/jobs/[^/]+/records\Z")
LOOKS_ONLY = "driftguard.looks-only"  # in the scope of a HEAD, which is answered as GET
CSP = "default-src 'none'; frame-ancestors 'none'"
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", CSP.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class Headers:
    """Adds the headers that every answer has, where it does not bring its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                have = {name.lower() for name, _ in message.get("headers", [])}
                message["headers"] = [*message.get("headers", []), *(one for one in _HEADERS if one[0] not in have)]
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class Head:
    """Answers HEAD as GET, with the headers only."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET", LOOKS_ONLY: True}, receive, send_without_body)


class Hosts:
    """Refuses a request that names another host; no hosts: any."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self.app = app
        self.hosts = {host.strip("[]").lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self.hosts or self._is_ours(scope):
            await self.app(scope, receive, send)
            return
        await _refuse(
            problems.Refused("wrong-use", "the service has another name", "call it by the address that it printed"),
            scope,
            receive,
            send,
        )

    def _is_ours(self, scope: Scope) -> bool:
        named = [value.decode("latin-1").lower() for name, value in scope["headers"] if name.lower() == b"host"]
        host = re.fullmatch(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]+))(?::\d{1,5})?", named[0]) if len(named) == 1 else None
        return host is not None and (host[1] or host[2]) in self.hosts


class Sizes:
    """Refuses a body that is too large."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = _most(scope["path"])
        told = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
        if any(not value.isdigit() or len(value) > 18 for value in told):
            await _refuse(
                problems.invalid("the Content-Length is no number", "send the body's length"), scope, receive, send
            )
            return
        if any(int(value) > most for value in told):
            await _refuse(too_large(most), scope, receive, send)
            return
        had = 0

        async def receive_so_much() -> Message:
            nonlocal had
            message = await receive()
            if message["type"] == "http.request":
                had += len(message.get("body", b""))
                if had > most:
                    raise too_large(most)
            return message

        await self.app(scope, receive_so_much, send)


def _most(path: str) -> int:
    """How many bytes the body of a call at this address may have."""
    if _RECORDS.match(path):
        return MOST_OF_A_RECORD
    return MOST_OF_MANY if _MANY.match(path) else MOST


def too_large(most: int) -> problems.Refused:
    """The refusal of a body that is too large."""
    return problems.Refused("too-large", f"the body has more than {most} bytes", f"send at most {most} bytes")


async def _refuse(refused: problems.Refused, scope: Scope, receive: Receive, send: Send) -> None:
    answer = await problems.answer_refused(Request(scope), refused)
    await answer(scope, receive, send)
