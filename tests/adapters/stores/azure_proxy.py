"""Stands between a store and Azurite on loopback: counts what is asked, and loses or replaces answers."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from tests.azurite.server import ACCOUNT, KEY, Azurite


@dataclass(frozen=True)
class Asked:
    """One request; `path` is decoded, with its query."""

    service: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def is_batch(self) -> bool:
        return self.path.endswith("$batch")


@dataclass(frozen=True)
class Lost:
    """The answer is lost after Azurite did what was asked: all of it, or what comes behind `keep` bytes of its body."""

    keep: int | None = None


@dataclass(frozen=True)
class Never:
    """The request does not reach Azurite, and no answer comes."""


@dataclass(frozen=True)
class Canned:
    """Another answer, without asking Azurite."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    drip: threading.Event | None = None  # send the body byte by byte until this is set


Action = Lost | Never | Canned | None


@dataclass
class Between:
    """The proxy: `act` says for each request what happens; None: it passes."""

    azurite: Azurite
    connection: str = ""
    asked: list[Asked] = field(default_factory=list)
    act: Callable[[Asked], Action] = lambda asked: None
    before: Callable[[Asked], None] = lambda asked: None

    def once(self, action: Action, when: Callable[[Asked], bool]) -> None:
        """Do this for the first request of which `when` holds."""
        left = [action]

        def act(asked: Asked) -> Action:
            return left.pop() if left and when(asked) else None

        self.act = act


@contextmanager
def between(azurite: Azurite) -> Iterator[Between]:
    """A proxy to both services of the emulator, until the block ends."""
    proxy = Between(azurite)
    servers = {
        name: ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy, name, endpoint))
        for name, endpoint in (("table", azurite.table_endpoint), ("blob", azurite.blob_endpoint))
    }
    threads = [threading.Thread(target=server.serve_forever, args=(0.02,)) for server in servers.values()]
    for thread in threads:
        thread.start()
    at = {name: f"http://127.0.0.1:{server.server_address[1]}/{ACCOUNT}" for name, server in servers.items()}
    proxy.connection = f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={at['blob']};TableEndpoint={at['table']}"
    try:
        yield proxy
    finally:
        for server in servers.values():
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


def _handler(proxy: Between, service: str, endpoint: str) -> type[BaseHTTPRequestHandler]:
    upstream = urlsplit(endpoint).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:  # reason: the client gave up, which some tests ask it to
                self.close_connection = True

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(service, self.command, unquote(self.path), dict(self.headers), body)
            proxy.asked.append(asked)
            action = proxy.act(asked)
            if isinstance(action, Canned):
                self._tell(action.status, action.headers, action.body, drip=action.drip)
                return
            if isinstance(action, Never):
                self.close_connection = True
                return
            status, headers, answer = self._forward(body)
            proxy.before(asked)
            if isinstance(action, Lost) and action.keep is None:
                self.close_connection = True
            elif isinstance(action, Lost):
                self._tell(status, headers, answer, keep=action.keep)
                self.close_connection = True
            else:
                self._tell(status, headers, answer)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any

        def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection(upstream, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            told = {
                name: value
                for name, value in answer.getheaders()
                if name.lower() not in ("connection", "keep-alive", "transfer-encoding", "content-length")
            }
            data = answer.read()
            if self.command == "HEAD":
                told["Content-Length"] = answer.getheader("Content-Length") or "0"
            connection.close()
            return answer.status, told, data

        def _tell(
            self,
            status: int,
            headers: dict[str, str],
            body: bytes,
            *,
            keep: int | None = None,
            drip: threading.Event | None = None,
        ) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if self.command != "HEAD" and status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if drip is None:
                self.wfile.write(body[:keep])
                return
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if drip.wait(0.02):
                    break
            self.close_connection = True

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler
