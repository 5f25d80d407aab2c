"""The connections of `driftguard serve`: who sends nothing is closed, and takes nothing from who does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import uvicorn

from driftguard.entry import connections


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body, and answers 204."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def running() -> Iterator[tuple[str, int]]:
    config = uvicorn.Config(app, http=connections.BoundedH11, log_config=None, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join()


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", b"GET / HTT", GET[:-2]])
def test_half_a_head_is_closed_in_time(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    with running() as place, socket.create_connection(place, timeout=10) as half:
        half.sendall(sent)
        assert half.recv(1) == b""


def test_after_an_answer_half_a_head_is_closed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    with running() as place, socket.create_connection(place, timeout=10) as half:
        half.sendall(GET)
        assert half.recv(4096).startswith(b"HTTP/1.1 204")
        half.sendall(b"GET /")
        assert half.recv(1) == b""


def test_the_one_that_waited_longest_makes_room_and_a_request_under_way_never_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "MOST", 3)
    with running() as place, ExitStack() as stack:

        def connect(sent: bytes) -> socket.socket:
            made = stack.enter_context(socket.create_connection(place, timeout=10))
            made.sendall(sent)
            return made

        under_way = connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
        assert under_way.recv(4096).startswith(b"HTTP/1.1 100")
        idle = [connect(b"") for _ in range(5)]
        new = connect(GET)
        assert new.recv(4096).startswith(b"HTTP/1.1 204")
        for closed in idle[:3]:
            assert closed.recv(1) == b""
        under_way.sendall(b"x")
        assert under_way.recv(4096).startswith(b"HTTP/1.1 204")
