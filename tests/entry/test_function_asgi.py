"""What stands between Azure Functions and the web application, seen through `func.AsgiMiddleware` and the out-binding."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import azure.functions as func
import pytest
from azure.functions.http import HttpResponseConverter

from driftguard.entry.function_asgi import InFunctions, readable, unreadable_address, without_type

Header = tuple[bytes, bytes]


class Scripted:
    """An ASGI application that sends these messages and then raises, or not; it keeps what it was asked."""

    def __init__(self, *messages: dict[str, Any], error: Exception | None = None) -> None:
        self.messages, self.error = messages, error
        self.scopes: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        for message in self.messages:
            await send(message)
        if self.error:
            raise self.error


def start(status: int = 200, headers: Sequence[Header] = ()) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(text: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": text, "more_body": more}


def answered(app: Any, method: str = "GET") -> Any:
    """What the host is told: {status_code, headers, cookies, body} as the runtime's converter makes it."""
    request = func.HttpRequest(method, "https://x/api/a", body=b"")
    middleware = func.AsgiMiddleware(InFunctions(app))  # type: ignore[no-untyped-call]  # reason: half typed
    response = without_type(asyncio.run(middleware.handle_async(request)))
    return HttpResponseConverter.encode(response, expected_type=None).value


def test_a_header_that_stands_twice_keeps_both_values_but_cookies_stay_apart() -> None:
    headers = [(b"Vary", b"Accept"), (b"vary", b"Cookie"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2; Path=/")]
    told = answered(Scripted(start(headers=headers), body(b"x")))
    assert told["headers"]["vary"].value == "Accept, Cookie"
    assert [name for cookie in told["cookies"] for name in cookie] == ["a", "b"]


def test_a_header_outside_of_ascii_is_no_fault() -> None:
    assert answered(Scripted(start(headers=[(b"x-name", b"caf\xe9")]), body(b"")))["headers"]["x-name"].value == "café"


def test_a_body_in_parts_and_an_end_without_body_are_one_answer() -> None:
    app = Scripted(start(), body(b"a", more=True), body(b"b", more=True), {"type": "http.response.body"})
    assert answered(app)["body"].value == b"ab"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_what_has_no_body_is_sent_without_one(method: str, status: int) -> None:
    headers = [(b"content-type", b"application/json"), (b"etag", b'"1"')]
    told = answered(Scripted(start(status, headers), body(b"{}")), method)
    assert told["body"].value == b"" and told["headers"]["etag"].value == '"1"'
    assert ("content-type" in told["headers"]) is (method == "HEAD")


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (start(),),
        (start(), body(b"half", more=True)),
        (start(202), {"type": "http.response.body", "more_body": True}),
    ],
)
@pytest.mark.parametrize("error", [RuntimeError("hunter2"), None])
def test_an_answer_that_never_became_whole_is_a_problem_document(
    messages: tuple[dict[str, Any], ...], error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    told = answered(Scripted(*messages, error=error))
    assert told["status_code"].value == "500"
    document = json.loads(told["body"].value)
    assert (document["type"], document["exit_code"]) == ("urn:driftguard:problem:internal-fault", 2)
    assert told["headers"]["x-correlation-id"].value == document["correlation_id"]
    assert b"hunter2" not in told["body"].value and "hunter2" not in caplog.text
    assert ("RuntimeError at " in caplog.text) is (error is not None)


def test_an_answer_that_was_whole_before_the_fault_is_sent_and_the_fault_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = answered(Scripted(start(503), body(b"said"), error=RuntimeError("hunter2")))
    assert (told["status_code"].value, told["body"].value) == ("503", b"said")
    assert "RuntimeError at " in caplog.text and "hunter2" not in caplog.text


def test_the_application_is_never_asked_for_a_lifespan() -> None:
    app = Scripted(start(), body(b""))
    for _ in range(3):
        answered(app)
    assert [scope["type"] for scope in app.scopes] == ["http"] * 3


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://x/api/a?code=k&after=%2B&limit=1", "https://x/api/a?after=%2B&limit=1"),
        ("https://x/api/a?code=k", "https://x/api/a"),
        ("https://x/api/a?code", "https://x/api/a"),
        ("https://x/api/a?%63ode=k&Code=k&limit=1", "https://x/api/a?limit=1"),
        ("https://x/api/a?codes=1&", "https://x/api/a?codes=1&"),
        ("https://x/api/a;b=1/c;d", "https://x/api/a%3Bb=1/c%3Bd"),
        ("https://x/api/a%2Fb", "https://x/api/a%2Fb"),
    ],
)
def test_the_key_leaves_the_address_and_the_rest_stays(url: str, seen: str) -> None:
    headers = {"X-Functions-Key": "k", "Accept": "*/*"}
    request = readable(func.HttpRequest("GET", url, headers=headers, params={"Code": "k"}, body=b"1"))
    assert request is not None and request.url == seen
    assert dict(request.headers) == {"accept": "*/*"} and not request.params and request.get_body() == b"1"


@pytest.mark.parametrize("url", ["https://x/%ff", "https://[::/", "https://x:y/", "https://x:99999/"])
def test_an_address_that_cannot_be_read_is_told_apart(url: str) -> None:
    assert readable(func.HttpRequest("GET", url, body=b"")) is None
    assert unreadable_address().status_code == 400
