"""A proxy on loopback between the SDKs of Azure Storage and the emulator: counts what is asked, and spoils answers.

Rules:
- Every request is one HTTP request as the SDK sends it, its retries too. A commit is one request, however many rows it has.
- `fault` is asked before each request is passed on; what it names is done to this request.
- What was asked is kept in order: `requests`; it never holds a header or a body.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.azurite.server import ACCOUNT, KEY, Azurite

SLOW = 0.3  # seconds
_ENDS_A_CONNECTION = struct.pack("ii", 1, 0)  # SO_LINGER: a reset instead of an orderly end


class Fault(StrEnum):
    """What becomes of one request. `…_AFTER`: the storage has done it, and the caller is not told."""

    NONE = "none"
    BUSY = "503"
    RESET_BEFORE = "reset before"
    RESET_AFTER = "reset after"
    HALF_AN_ANSWER = "half an answer"
    SLOW = "slow"
    PRECONDITION = "412"
    CONFLICT = "409"
    REFUSED = "403"


_REFUSALS = {
    Fault.BUSY: (503, "ServerBusy"),
    Fault.PRECONDITION: (412, "UpdateConditionNotSatisfied"),
    Fault.CONFLICT: (409, "EntityAlreadyExists"),
    Fault.REFUSED: (403, "AuthenticationFailed"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: `service` blob or table, the path without the account, and the status that the storage answered."""

    service: str
    method: str
    path: str
    status: int = 0

    @property
    def reads(self) -> bool:
        """Whether it only reads."""
        return self.method in ("GET", "HEAD")


def _any(_: Asked) -> bool:
    return True


def commits(asked: Asked) -> bool:
    """Whether it is a transaction on rows."""
    return asked.service == "table" and asked.method == "POST" and asked.path.endswith("$batch")


@dataclass
class StorageProxy:
    """Both services of one emulator, seen through the proxy."""

    blob_port: int = 0
    table_port: int = 0
    requests: list[Asked] = field(default_factory=list)
    fault: Callable[[Asked], Fault] = lambda asked: Fault.NONE

    @property
    def connection(self) -> str:
        """The connection string through the proxy."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint=http://127.0.0.1:{self.blob_port}/{ACCOUNT};"
            f"TableEndpoint=http://127.0.0.1:{self.table_port}/{ACCOUNT};"
        )

    def fresh(self) -> list[Asked]:
        """What was asked since this was last called."""
        asked, self.requests[:] = list(self.requests), []
        return asked

    def spoil(
        self, fault: Fault, *, first: int = 0, last: int | None = None, only: Callable[[Asked], bool] = _any
    ) -> None:
        """From now on spoil of the requests that `only` names number `first` (from 0) to `last`; None: all from there on."""
        numbers = iter(range(1_000_000))
        turn = threading.Lock()

        def named(asked: Asked) -> Fault:
            if not only(asked):
                return Fault.NONE
            with turn:
                number = next(numbers)
            return fault if first <= number and (last is None or number <= last) else Fault.NONE

        self.fault = named

    def heal(self) -> None:
        """Pass everything on."""
        self.fault = lambda asked: Fault.NONE


@contextmanager
def storage_proxy(azurite: Azurite) -> Iterator[StorageProxy]:
    """A proxy that ends with the block."""
    proxy = StorageProxy()
    servers = [_Server(proxy, "blob", azurite.blob_port), _Server(proxy, "table", azurite.table_port)]
    proxy.blob_port, proxy.table_port = (server.server_address[1] for server in servers)
    threads = [threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield proxy
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: StorageProxy, service: str, upstream: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy, self.service, self.upstream = proxy, service, upstream

    def handle_error(self, request: object, client_address: object) -> None:
        """Quiet: that a client or the proxy breaks a connection is what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    _onward: http.client.HTTPConnection | None = None

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path.removeprefix(f"/{ACCOUNT}")
        asked = Asked(self.server.service, self.command, path)
        fault = self.server.proxy.fault(asked)
        if fault is Fault.SLOW:
            time.sleep(SLOW)
        if fault is Fault.RESET_BEFORE:
            self._reset(asked, 0)
        elif fault in _REFUSALS:
            self._refuse(asked, fault)
        else:
            status, headers, data = self._ask(body)
            if fault is Fault.RESET_AFTER:
                self._reset(asked, status)
            elif fault is Fault.HALF_AN_ANSWER:
                self._answer(asked, status, headers, data, len(data) // 2)
                self._end()
            else:
                self._answer(asked, status, headers, data, len(data))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_MERGE = do_PATCH = _pass_on

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        if self._onward is None:
            self._onward = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        self._onward.request(self.command, self.path, body, headers)
        answer = self._onward.getresponse()
        data = answer.read()
        skipped = ("transfer-encoding", "connection", "keep-alive", "content-length")
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in skipped]
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        return answer.status, [*kept, ("Content-Length", length or "0")], data

    def _answer(self, asked: Asked, status: int, headers: list[tuple[str, str]], data: bytes, sent: int) -> None:
        self._note(asked, status)
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[:sent])
        self.wfile.flush()

    def _refuse(self, asked: Asked, fault: Fault) -> None:
        status, code = _REFUSALS[fault]
        if asked.service == "table":
            data, kind = b'{"odata.error":{"code":"%s","message":{"value":"no"}}}' % code.encode(), "application/json"
        else:
            data, kind = b"<?xml version='1.0'?><Error><Code>%s</Code></Error>" % code.encode(), "application/xml"
        headers = [("x-ms-error-code", code), ("Content-Type", kind), ("Content-Length", str(len(data)))]
        self._answer(asked, status, headers, data, 0 if self.command == "HEAD" else len(data))

    def _reset(self, asked: Asked, status: int) -> None:
        self._note(asked, status)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ENDS_A_CONNECTION)
        self._end()

    def _end(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _note(self, asked: Asked, status: int) -> None:
        self.server.proxy.requests.append(Asked(asked.service, asked.method, asked.path, status))

    def finish(self) -> None:
        if self._onward is not None:
            self._onward.close()
        super().finish()

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""
