"""The outermost layer of the app: the correlation id, and the answer to whatever nobody foresaw.

Rules:
- A correlation id of the caller's is taken over where it has a harmless form, else one is made; every answer carries it.
- An exception never leaves the app: the adapter of Azure Functions would answer a bare 500 and lose what was said. It becomes a
  problem document without the text of the exception, and a line in the log with its kind and place.
- One line in the log for each request: method, path, status, milliseconds, correlation id. No header, query or body.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from driftguard.entry.http import problems
from driftguard.render.untrusted import one_line

HEADER = b"x-correlation-id"
_FORM = re.compile(rb"[A-Za-z0-9._-]{1,128}\Z")


class Outermost:
    """The ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        correlation = _taken_or_made(scope)
        scope["state"] = {**(scope.get("state") or {}), "correlation_id": correlation}
        began, status = time.monotonic(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (HEADER, correlation.encode("ascii"))]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except ClientDisconnect:
            problems.LOG.info("the client went before its request was whole correlation=%s", correlation)
        except Exception as error:  # noqa: BLE001  # reason: the adapter of Azure Functions would lose what is not caught here
            document = problems.of_fault(problems.place(error), correlation)
            if status == 0:
                await _send_problem(send_with_id, json.dumps(document).encode("ascii"))
        finally:
            if problems.LOG.isEnabledFor(logging.INFO):
                took = round((time.monotonic() - began) * 1000)
                path = one_line(scope.get("path") or "", 200)
                problems.LOG.info("%s %s %s %d ms correlation=%s", scope["method"], path, status, took, correlation)


def _taken_or_made(scope: Scope) -> str:
    given = [value for name, value in scope["headers"] if name.lower() == HEADER]
    if len(given) == 1 and _FORM.match(given[0]):
        return str(given[0].decode("ascii"))
    return secrets.token_hex(16)


async def _send_problem(send: Send, body: bytes) -> None:
    headers = [
        (b"content-type", problems.MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
