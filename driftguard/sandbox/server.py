"""The sandbox over HTTP/1.1 on loopback: reads requests, asks `Arm`, writes answers with ARM's headers.

Rules:
- It binds to a loopback address only.
- Connections stay open (keep-alive), each with a thread of its own; an answer leaves in one piece, without delay.
- Order: control endpoints; then latency, faults, throttling, and ARM.
- Stopping closes every connection, and ends requests that hang.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import socket
import socketserver
import sys
import threading
import time
import uuid
from collections.abc import Callable
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from driftguard.errors import WrongUse
from driftguard.sandbox import faults, throttle
from driftguard.sandbox.actors import actor_of_header
from driftguard.sandbox.answers import Answer, Refused, Request, error, invalid_body
from driftguard.sandbox.arm import Arm
from driftguard.sandbox.traffic import Traffic

Json = Any  # what json.loads gives
CONTROL = "/sandbox/"
MAX_BODY = 64 * 1024 * 1024
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/?]+)", re.IGNORECASE)
_HANG = 120.0  # seconds; longer than any client of the product waits


class Server(ThreadingHTTPServer):
    """The listening socket and what all requests share. `control` answers what lies under /sandbox/."""

    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(
        self, host: str, port: int, arm: Arm, traffic: Traffic, control: Callable[[str, str, Json], Answer]
    ) -> None:
        self.arm, self.traffic, self.control = arm, traffic, control
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._serving: set[threading.Thread] = set()
        address = _loopback(host)
        if ":" in address:
            self.address_family = socket.AF_INET6
        super().__init__((address, port), Handler)

    def server_bind(self) -> None:
        """Bind without asking the name service for this machine's name, as HTTPServer would."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection in a thread, known so that stopping can close it."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection in this thread, known so that stopping can wait for it."""
        self._serving.add(threading.current_thread())
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.discard(request)
            self._serving.discard(threading.current_thread())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that the other side closed is no news; anything else is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Stop listening, close all connections and wait for their threads."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._serving):
            thread.join(timeout=5)


def _loopback(host: str) -> str:
    address = "127.0.0.1" if host == "localhost" else host
    try:
        if ipaddress.ip_address(address).is_loopback:
            return address
    except ValueError:
        pass
    raise WrongUse(f"the sandbox does not listen on {host!r}", "use a loopback address such as 127.0.0.1")


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer leaves in one piece

    def do_any(self) -> None:
        """Answer one request."""
        path = unquote(urlsplit(self.path).path)
        correlation_id = self._correlation_id()
        status = 0
        try:
            if path.startswith(CONTROL):
                status = self._send(self._service.control(self.command, path, self._body()), correlation_id)
            else:
                status = self._arm_call(path, correlation_id)
        except Refused as refused:
            status = self._send(refused.answer, correlation_id)
        finally:
            if not path.startswith(CONTROL):
                self._service.traffic.note(self.command, path, status)

    do_GET = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_POST = do_any

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: `GET /sandbox/log` tells what was asked."""

    @property
    def _service(self) -> Server:
        return cast(Server, self.server)

    def _arm_call(self, path: str, correlation_id: str) -> int:
        """A call of ARM, after latency, faults and throttling; returns the status that was sent."""
        request = Request(
            method=self.command,
            path=path,
            query=dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self._body(),
            correlation_id=correlation_id,
            client_ip=self.client_address[0],
        )
        if self._service.traffic.latency:
            time.sleep(self._service.traffic.latency)
        fault = self._service.arm.faults.take(request.method, path)
        if fault is not None:
            return self._faulty(fault, request)
        remaining, wait = self._throttled(request)
        if wait:
            return self._send(_too_many(request, wait), correlation_id)
        headers = throttle.headers_of(request.method, remaining)
        return self._send(self._answer(request).with_headers(headers), correlation_id)

    def _answer(self, request: Request) -> Answer:
        return self._service.arm.answer(request, actor_of_header(request.headers.get("authorization", "")))

    def _throttled(self, request: Request) -> tuple[int, float]:
        match = _SUBSCRIPTION.match(request.path)
        subscription = match[1].lower() if match else ""
        return self._service.traffic.throttle.take(
            subscription, request.headers.get("authorization", ""), request.method
        )

    def _faulty(self, fault: faults.Fault, request: Request) -> int:
        if fault.after:
            self._answer(request)
        if fault.fault in faults.STATUSES:
            raise fault.refusal()
        if fault.fault == "hang":
            self._service.stopping.wait(_HANG)
            self.close_connection = True
            return 0
        if fault.fault == "half-body":
            body = self._answer(request).encoded()
            self._head(Answer(200), request.correlation_id, len(body), "application/json")
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return 200
        answer, body, content_type = faults.unlike_arm(fault)
        self._head(answer, request.correlation_id, len(body), content_type)
        self.wfile.write(body)
        return answer.status

    def _send(self, answer: Answer, correlation_id: str) -> int:
        body = answer.encoded()
        self._head(answer, correlation_id, len(body), "application/json; charset=utf-8")
        if self.command != "HEAD":
            self.wfile.write(body)
        return answer.status

    def _head(self, answer: Answer, correlation_id: str, length: int, content_type: str) -> None:
        """Status line and headers, with those that ARM sets on every answer."""
        now = self._service.arm.clock.now()
        request_id = str(uuid.uuid4())
        headers: dict[str, str] = {
            "Cache-Control": "no-cache",
            "Pragma": "no-cache",
            "Content-Type": content_type,
            "Content-Length": str(length),
            "Date": format_datetime(now, usegmt=True),
            "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
            "X-Content-Type-Options": "nosniff",
            "x-ms-request-id": request_id,
            "x-ms-correlation-request-id": correlation_id,
            "x-ms-routing-request-id": f"WESTEUROPE:{now:%Y%m%dT%H%M%SZ}:{request_id}",
            **answer.headers,
        }
        self.send_response_only(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _correlation_id(self) -> str:
        given = self.headers.get("x-ms-correlation-request-id", "")
        return given.lower() if _GUID.match(given) else str(uuid.uuid4())

    def _body(self) -> Json:
        """The request's JSON; None where there is none. Raises Refused for what is no JSON or too long."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit() or int(length) > MAX_BODY:
            self.close_connection = True
            raise error(411, "LengthRequired", "A body needs a Content-Length of at most 64 MiB.")
        data = self.rfile.read(int(length))
        try:
            return json.loads(data) if data else None
        except (ValueError, RecursionError) as wrong:
            raise invalid_body(f"{type(wrong).__name__} while reading JSON") from wrong


def _too_many(request: Request, wait: float) -> Answer:
    seconds = throttle.retry_after(wait)
    match = _SUBSCRIPTION.match(request.path)
    message = (
        f"Number of requests for subscription '{match[1] if match else ''}' and operation "
        f"'{request.method}/{request.path.rpartition('/providers/')[2]}' exceeded the backend storage limit. "
        f"Please try again after '{seconds}' seconds."
    )
    refused = error(429, "SubscriptionRequestsThrottled", message, gateway=True)
    return refused.answer.with_headers({"Retry-After": str(seconds)})
