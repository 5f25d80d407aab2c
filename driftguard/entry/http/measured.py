"""Counts what the service answers, by call and class of answer.

Rules:
- A call is named by its row of the table (`POST /api/jobs/{job}/checks`), all pages together by `GET /ui`; never by the
  address that was asked for.
- What is no outage is told apart from one: a halt, nothing recorded, a stale or missing If-Match, a read that found nothing
  new, a job that another run holds. A caller who went away before the answer got none, and none is counted.
"""

from __future__ import annotations

import asyncio
import re

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from driftguard.entry.http.problems import MEDIA_TYPE, TYPE_PREFIX
from driftguard.entry.http.service import Service
from driftguard.flow.http_answers import answer_class

NO_CALL = "none"
_TYPE = re.compile(rb'"type":\s*"' + re.escape(TYPE_PREFIX.encode()) + rb'([a-z-]{1,40})"')
_PAGES = re.compile(r"/ui(?:/|\Z)")
_OF_PROBLEMS = {
    "halt": "halt",
    "nothing-recorded": "nothing-recorded",
    "precondition-missing": "unconditional",
    "busy": "busy",
    "could-not-tell": "could-not-tell",
}


class Measured:
    """The ASGI middleware."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, problem, is_problem, gone = 0, "", False, False

        async def send_and_look(message: Message) -> None:
            nonlocal status, problem, is_problem
            if message["type"] == "http.response.start":
                status = message["status"]
                is_problem = any(value == MEDIA_TYPE.encode() for _, value in message.get("headers", ()))
            elif is_problem and not problem:
                found = _TYPE.search(message.get("body", b"")[:500])
                problem = found[1].decode() if found else ""
            await send(message)

        try:
            await self.app(scope, receive, send_and_look)
        except (ClientDisconnect, asyncio.CancelledError):
            gone = status == 0
            raise
        finally:
            if not gone:
                answer = _OF_PROBLEMS.get(problem) or answer_class(status)
                self.service.telemetry().count("driftguard.http.answers", route=_route(scope), answer=answer)


def _route(scope: Scope) -> str:
    """The call by its row of the table; `none` where there is no such call."""
    path = getattr(scope.get("route"), "path", None) or ("/ui" if _PAGES.match(scope["path"]) else None)
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return f"{method} {path}" if path else NO_CALL
