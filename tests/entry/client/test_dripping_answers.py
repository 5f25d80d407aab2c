"""An answer that never gets whole is given up when its time is over, whatever the service sends meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from driftguard.entry.client.address import service_address
from driftguard.entry.client.exchange import Request
from driftguard.entry.client.sign_in import SignIn
from driftguard.entry.client.transport import Transport
from driftguard.errors import Unavailable
from tests.entry.client.conftest import Sleepless

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Drip = Callable[[], Iterator[bytes]]


def body() -> Iterator[bytes]:
    yield HEAD + b"Content-Length: 100000\r\n\r\n"
    while True:
        yield b" "


def chunks() -> Iterator[bytes]:
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"1\r\n \r\n"


def header() -> Iterator[bytes]:
    yield HEAD + b"X: "
    while True:
        yield b"a"


def interim_answers() -> Iterator[bytes]:
    while True:
        yield b"HTTP/1.1 100 Continue\r\n\r\n"


@contextmanager
def dripping(drip: Drip) -> Iterator[str]:
    """The address of a server that sends the pieces of `drip`, twenty a second."""
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            for piece in drip():
                connection.sendall(piece)
                if over.wait(0.05):
                    return

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("drip", [body, chunks, header, interim_answers])
def test_an_answer_that_comes_byte_by_byte_is_given_up_in_time(
    drip: Drip, clock: Sleepless, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftguard.entry.client.transport.ALL_SECONDS", 0.4)
    with dripping(drip) as address:
        transport = Transport(service_address(address), SignIn(lambda: "token"), clock, read_seconds=0.3)
        begun = time.monotonic()
        with pytest.raises(Unavailable, match="took longer than"):
            transport.send(Request("GET", "/api/jobs"))
        assert time.monotonic() - begun < 5.0
        transport.close()
