"""What a call of the service is: one row of a table, and the route that admits callers before it reads their body.

Rules:
- A row says who may call, what is answered, and which problems; the OpenAPI document is made of the same rows.
- A route admits the caller first (asked.py), then looks at the query, then at the precondition of a change, then at the body:
  strict JSON, then the call's model.
- A name in the query that the call does not know, or one that is given twice, is refused: a misspelt filter never silently
  widens a list.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.message import Message
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from driftguard.entry.http.asked import Asked, admit
from driftguard.entry.http.etags import seen_version
from driftguard.entry.http.problems import Refused, invalid
from driftguard.flow.access import Role
from driftguard.flow.strict_json import NotJson, parse_object

if TYPE_CHECKING:
    from driftguard.entry.http.long_calls import LongCalls
    from driftguard.entry.http.service import Service

Handler = Callable[[Request], Awaitable[Response]]


async def _asked(request: Request) -> Asked:
    asked = request.state.asked
    assert isinstance(asked, Asked)
    return asked


async def _seen(request: Request) -> str:
    return str(request.state.seen)


Caller = Annotated[Asked, Depends(_asked)]
"""What an endpoint is given of the request: who asks, on which guard, for which job."""
Seen = Annotated[str, Depends(_seen)]
"""The version of the row that a change names in If-Match, and which is the present one."""


@dataclass(frozen=True)
class Call:
    """One call. `roles`: any of them will do; none: everybody may call.

    `status`, `model` and `told` are its good answer; `problems` the names of what it may refuse with, beside those that every
    call has. `changes` is what If-Match must name: "halt", "job", or nothing. `media` are the types of an answer that is not
    (only) JSON. `conditional`: it has an ETag; `later`: it may be answered with 202. `at_once` answers what needs nothing
    loaded, None where it does. `any_query`: what the query says is not looked at, as probes add to it.
    """

    method: str
    path: str
    endpoint: Callable[..., Any]
    told: str
    roles: tuple[Role, ...] = ()
    model: type[Any] | None = None
    status: int = 200
    problems: tuple[str, ...] = ()
    changes: str = ""
    media: tuple[str, ...] = ()
    conditional: bool = False
    later: bool = False
    at_once: Callable[[Asked], Response | None] | None = None
    any_query: bool = False


def guarded(call: Call, service: Service, calls: LongCalls) -> type[APIRoute]:
    """The class of the route of this call."""

    class Guarded(APIRoute):
        def get_route_handler(self) -> Any:
            handler = super().get_route_handler()
            known = frozenset(param.alias for param in self.dependant.query_params)
            has_body = self.body_field is not None
            return partial(_answer, call, service, calls, handler, known, has_body)

    return Guarded


async def _answer(
    call: Call,
    service: Service,
    calls: LongCalls,
    handler: Handler,
    known: frozenset[str],
    has_body: bool,
    request: Request,
) -> Response:
    before_body = partial(_before_body, call, service, calls, known, request)
    # One hop to a thread for all of it: what is unchanged is answered from there, and costs nothing more.
    answer = await calls.signing.run(before_body) if call.roles else before_body()
    if answer is not None:
        return answer
    if has_body:
        request = await _with_strict_body(request)
    return await handler(request)


def _before_body(
    call: Call, service: Service, calls: LongCalls, known: frozenset[str], request: Request
) -> Response | None:
    """Admits the caller and looks at query and conditions; an answer where that is all it needs."""
    asked = admit(service, calls, request, call.roles) if call.roles else None
    if not call.any_query:
        _require_known(request, known)
    if asked and call.changes:
        now = asked.halt_version() if call.changes == "halt" else asked.job_version()
        request.state.seen = seen_version(request, now, asked.stale())
    return call.at_once(asked) if asked and call.at_once else None


def _require_known(request: Request, known: frozenset[str]) -> None:
    names = [name for name, _ in request.query_params.multi_items()]
    if set(names) - known:
        takes = f"this call takes {', '.join(sorted(known))}" if known else "this call takes nothing in the query"
        raise invalid("the query has a name that this call does not know", takes)
    if len(names) != len(set(names)):
        raise invalid("the query names something twice", "give each name once")


class _Parsed(Request):
    """A request whose body was read strictly."""

    def __init__(self, request: Request, raw: bytes, value: dict[str, Any]) -> None:
        super().__init__(request.scope, request.receive)
        self._raw, self._value = raw, value

    async def body(self) -> bytes:
        return self._raw

    async def json(self) -> Any:
        return self._value


async def _with_strict_body(request: Request) -> Request:
    """The request with its body as one strict JSON object. Raises Refused."""
    told = Message()
    told["content-type"] = request.headers.get("content-type", "")
    if told.get_content_type() != "application/json" or "content-type" not in request.headers:
        raise Refused(
            "unsupported-media-type", "the body is not said to be JSON", "send Content-Type: application/json"
        )
    raw = await request.body()
    try:
        return _Parsed(request, raw, parse_object(raw))
    except NotJson as why:
        raise invalid(str(why), "send one JSON object") from None
