"""A server on loopback that answers what a test tells it to: as the service would, or in every wrong way."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JSON, PROBLEM = "application/json", "application/problem+json"


@dataclass(frozen=True)
class Reply:
    """`length` is the Content-Length that is told (None: the true one); `reset`: the connection breaks instead."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    reset: bool = False


@dataclass(frozen=True)
class Asked:
    """A request as it arrived; `headers` by name in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def as_json(view: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON answer of the service."""
    fields = {"Content-Type": JSON} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(view).encode(), fields)


def as_problem(name: str, status: int, **more: Any) -> Reply:
    """A problem document of the service."""
    document = {"type": f"urn:driftguard:problem:{name}", "title": "the remedy", "detail": "what happened"}
    body = json.dumps({**document, "status": status, "correlation_id": "c-1", **more}).encode()
    return Reply(status, body, {"Content-Type": PROBLEM})


class Script:
    """Gives the replies in their order, and the last one for ever; keeps what was asked."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[Asked] = []
        self.replies: list[Reply] = []
        self.answer: Callable[[Asked], Reply] | None = None

    def __call__(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        if self.answer is not None:
            return self.answer(asked)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def scripted_server() -> Iterator[Script]:
    """A running server, and its script."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = script(Asked(self.command, self.path, headers, body))
            if reply.reset:
                linger = struct.pack("ii", 1, 0)  # closing sends RST
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
            if reply.length is not None:
                self.close_connection = True
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_any

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A connection that broke is what a test asked for."""

    server = Quiet(("127.0.0.1", 0), Handler)
    script = Script(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
