"""A tiny HTTP server that answers as ARM, a proxy or a broken network might, and a clock that passes only by sleeping."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from driftguard.adapters.readers.arm_options import ArmOptions

START = datetime(2026, 10, 1, 12, 0, tzinfo=UTC)
SUBSCRIPTION = "/subscriptions/11111111-1111-1111-1111-111111111111"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg-shop"
TOKEN = "stub-token-canary"


class FakeClock:
    """Time that passes only when somebody sleeps; every sleep is kept in `slept`."""

    def __init__(self, now: datetime = START) -> None:
        self._lock = threading.Lock()
        self._start = now
        self._elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self._elapsed += seconds


@dataclass(frozen=True)
class Reply:
    """One answer. `mode`: plain, hang (no answer), half (fewer bytes than promised), half-chunked, stall (half, then
    silence), drip (byte by byte, for ever), drip-head (the same before the headers end), drip-gzip (the same in the head of
    a compressed body), reset (the connection ends before any answer)."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    mode: str = "plain"


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    """An answer of JSON; header names are given with `_` for `-`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


def error_reply(status: int, code: str, message: str = "", **headers: str) -> Reply:
    """ARM's error form."""
    return json_reply({"error": {"code": code, "message": message}}, status, **headers)


class ArmStub:
    """Answers by path (any case, query left out); the last reply of a path repeats. Unknown paths get 404 of a proxy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._replies: dict[str, list[Reply]] = {}
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self.connections = 0
        self.let_go = threading.Event()
        self.endpoint = ""

    def answer(self, path: str, *replies: Reply) -> None:
        self._replies[path.lower()] = list(replies)

    def paths(self) -> list[str]:
        """The paths asked for, in lower case, without the query."""
        return [unquote(urlsplit(target).path).lower() for target, _ in self.requests]

    def reply_to(self, target: str, headers: Mapping[str, str]) -> Reply:
        with self._lock:
            self.requests.append((target, headers))
            replies = self._replies.get(unquote(urlsplit(target).path).lower())
            if not replies:
                return Reply(404, b"<html>no such page</html>", {"Content-Type": "text/html"})
            return replies.pop(0) if len(replies) > 1 else replies[0]


class _QuietServer(ThreadingHTTPServer):
    """A client that hangs up, as many of these tests let one, is no news."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def running_stub(tls: ssl.SSLContext | None = None) -> Iterator[ArmStub]:
    """A stub on a free port of this machine, over https where a context is given."""
    stub = ArmStub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            stub.connections += 1

        def do_GET(self) -> None:
            reply = stub.reply_to(self.path, dict(self.headers.items()))
            if reply.mode in ("hang", "reset"):
                if reply.mode == "hang":
                    stub.let_go.wait(5)
                self.close_connection = True
                return
            if reply.mode == "drip-head":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                self._drip(b"x")
                return
            self.send_response(reply.status)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            if reply.mode == "half-chunked":
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(reply.body), reply.body))
                self.close_connection = True
                return
            if reply.mode == "drip-gzip":
                self.send_header("Content-Encoding", "gzip")
            promised = len(reply.body) * {"plain": 1, "drip": 1000, "drip-gzip": 1000}.get(reply.mode, 2)
            self.send_header("Content-Length", str(promised))
            self.end_headers()
            self.wfile.write(reply.body if reply.mode != "drip-gzip" else b"\x1f\x8b\x08\x08\0\0\0\0\0\xff")
            if reply.mode in ("drip", "drip-gzip"):  # of a gzip: the name of its file, which has no end
                self._drip(b" ")
            if reply.mode == "stall":
                self.wfile.flush()
                stub.let_go.wait(5)
            self.close_connection = reply.mode != "plain"

        def _drip(self, byte: bytes) -> None:
            self.close_connection = True
            while not stub.let_go.wait(0.01):
                self.wfile.write(byte)

        do_HEAD = do_GET  # for answers without a body

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = _QuietServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    stub.endpoint = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    try:
        yield stub
    finally:
        stub.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()


def options_for(stub: ArmStub, **changes: Any) -> ArmOptions:
    """Options that reach the stub, with a short read timeout."""
    return ArmOptions(**{"endpoint": stub.endpoint, "token": TOKEN, "read_timeout": 0.3, **changes})
