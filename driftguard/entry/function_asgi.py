"""Between Azure Functions and the web application: mends what `func.AsgiMiddleware` loses or breaks.

Rules:
- Every answer is sent whole and once: Functions does not stream, and a header that stands twice would lose its first value.
- A fault that the application let through is answered with a problem document and logged by its kind and place; Functions
  would answer with an empty 500.
- The function key stays with the host, which has checked it: neither the application nor its logs see it.
- An address that cannot be read is answered with 400 before the application is asked.
- An answer to HEAD, a 204 and a 304 have no body, and the latter two no content type: a cache would take it over.
- No lifespan: Functions would begin it several times and end it on another event loop.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote_plus, unquote_to_bytes, urlsplit, urlunsplit

import azure.functions as func
from werkzeug.datastructures import Headers  # azure-functions is made of it

from driftguard.entry.http import problems

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

WITHOUT_BODY = (204, 304)
_KEY_PARAMETER, _KEY_HEADER = "code", "x-functions-key"
_FAULT = (
    "internal-fault",
    500,
    2,
    "the service failed; nothing was decided",
    "try again; its log says where it failed",
)
_ADDRESS = (
    "invalid-input",
    400,
    3,
    "the address of the request cannot be read",
    "encode it as UTF-8 and percent signs",
)


class InFunctions:
    """An ASGI application in front of the application that `AsgiMiddleware` calls."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one HTTP request, whatever the application does."""
        answer = _Answer()
        try:
            await self._app(scope, receive, answer.take)
        except Exception as error:  # noqa: BLE001  # reason: whatever escapes must be answered, and Functions answers nothing
            logging.getLogger("driftguard").error("a request failed: %s", problems.place(error))
        if not answer.complete:
            answer = _problem(_FAULT)
        await answer.send(send, str(scope["method"]))


class _Answer:
    """What the application answers, held until it is whole."""

    def __init__(self, status: int = 0, headers: list[tuple[bytes, bytes]] | None = None, body: bytes = b"") -> None:
        self.status = status
        self.headers = headers or []
        self.parts = [body]
        self.complete = False

    async def take(self, message: Message) -> None:
        """The `send` that the application gets."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self.parts.append(message.get("body", b""))
            self.complete = not message.get("more_body", False)

    async def send(self, send: Send, method: str) -> None:
        """Hand it on in one piece."""
        body = b"" if method == "HEAD" or self.status in WITHOUT_BODY else b"".join(self.parts)
        headers = _each_once(self.headers)
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _each_once(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers with each name once, but Set-Cookie; as UTF-8, which AsgiMiddleware expects instead of Latin-1."""
    joined: dict[bytes, bytes] = {}
    cookies = []
    for name, value in headers:
        text = value.decode("latin-1").encode("utf-8")
        if name.lower() == b"set-cookie":
            cookies.append((name, text))
        else:
            joined[name.lower()] = joined[name.lower()] + b", " + text if name.lower() in joined else text
    return [*joined.items(), *cookies]


def readable(request: func.HttpRequest) -> func.HttpRequest | None:
    """The request as the application may see it: without the function key. None where its address cannot be read."""
    try:
        parts = urlsplit(request.url)
        unquote_to_bytes(parts.path).decode("utf-8")
        parts.port  # noqa: B018  # reason: it raises where the address names no port that there is
    except ValueError:
        return None
    query = "&".join(one for one in parts.query.split("&") if not _is_key(unquote_plus(one.partition("=")[0])))
    # A `;` would be taken for the beginning of parameters, and the rest of the path be lost.
    path = parts.path.replace(";", "%3B")
    return func.HttpRequest(
        method=request.method,
        url=urlunsplit((parts.scheme, parts.netloc, path, query, "")),
        headers={name: value for name, value in request.headers.items() if name.lower() != _KEY_HEADER},
        params={name: value for name, value in request.params.items() if not _is_key(name)},
        route_params=dict(request.route_params),
        body=request.get_body() or b"",
    )


def _is_key(name: str) -> bool:
    """Whether the host takes this for the function key's name: it does not look at casing."""
    return name.strip().lower() == _KEY_PARAMETER


def unreadable_address() -> func.HttpResponse:
    """The answer to a request whose address cannot be read."""
    answer = _problem(_ADDRESS)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return func.HttpResponse(b"".join(answer.parts), status_code=answer.status, headers=headers)


def without_type(response: func.HttpResponse) -> func.HttpResponse:
    """The response; a 204 or 304 such that Functions adds no content type to it."""
    return _Bare(response) if response.status_code in WITHOUT_BODY else response


class _Bare(func.HttpResponse):
    """A response without body and content type."""

    def __init__(self, response: func.HttpResponse) -> None:
        super().__init__(status_code=response.status_code)
        kept = [(name, value) for name, value in response.headers.items() if name.lower() != "content-type"]
        self._bare = _SeemTyped(kept)

    @property
    def headers(self) -> Headers:
        """The headers of the response."""
        return self._bare


class _SeemTyped(Headers):
    """Headers that seem to hold a content type: Functions asks them before it adds one."""

    def __contains__(self, name: object) -> bool:
        return name == "content-type" or (isinstance(name, str) and super().__contains__(name))


def _problem(what: tuple[str, int, int, str, str]) -> _Answer:
    name, status, exit_code, message, remedy = what
    correlation = uuid.uuid4().hex
    document = problems.problem(name, status, remedy, message, exit_code, correlation)
    headers = [
        (b"content-type", problems.MEDIA_TYPE.encode("ascii")),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-correlation-id", correlation.encode("ascii")),
    ]
    return _Answer(status, headers, json.dumps(document).encode("ascii"))
