"""An ingestion endpoint of Application Insights on this machine: keeps what is really sent to it, and can misbehave."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from driftguard.flow.telemetry import INSTRUMENTS

KEY = "0f0e0d0c-1111-4222-8333-444444444444"


@dataclass
class Ingestion:
    """`raw` are the requests as bytes (head and body), `items` what they hold. `behaviour` is what it answers.

    ok, a status ("500"), garbage, half (an answer that breaks off), or hang (until it is closed).
    """

    address: str
    behaviour: str = "ok"
    raw: list[bytes] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)

    @property
    def connection(self) -> str:
        return f"InstrumentationKey={KEY};IngestionEndpoint={self.address}/;LiveEndpoint=https://live.invalid/"

    def points(self, name: str) -> list[tuple[float, dict[str, str]]]:
        """(value, attributes) of every point of a metric, in the order in which they came."""
        assert name in INSTRUMENTS, name
        data = [item["data"]["baseData"] for item in self.items if item["data"]["baseType"] == "MetricData"]
        return [(one["metrics"][0]["value"], one["properties"]) for one in data if one["metrics"][0]["name"] == name]

    def total(self, name: str, **attributes: str) -> float:
        """The sum of a metric's points that have these attributes."""
        return sum(value for value, told in self.points(name) if attributes.items() <= told.items())

    def spans(self, name: str) -> list[dict[str, Any]]:
        """The spans of this name: what Application Insights calls dependencies."""
        found = [item for item in self.items if item["data"]["baseType"] == "RemoteDependencyData"]
        return [item for item in found if item["data"]["baseData"]["name"] == name]


@contextmanager
def ingestion(behaviour: str = "ok") -> Iterator[Ingestion]:
    """The endpoint, listening."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            told.raw.append(f"{self.path}\n{self.headers}".encode() + plain)
            told.items += json.loads(plain)
            self.answer(len(json.loads(plain)))

        do_GET = do_PUT = do_POST

        def answer(self, count: int) -> None:
            if told.behaviour == "hang":
                told.closed.wait(60)
                self.close_connection = True
                return
            good = json.dumps({"itemsReceived": count, "itemsAccepted": count, "errors": []}).encode()
            page = {"ok": good, "half": good, "garbage": b"<html>" + b"\xff" * 50}.get(told.behaviour, b"{}")
            self.send_response(int(told.behaviour) if told.behaviour.isdecimal() else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(page)))
            if told.behaviour == "429":
                self.send_header("Retry-After", "3600")
            self.end_headers()
            self.wfile.write(page[:5] if told.behaviour == "half" else page)
            self.close_connection = told.behaviour == "half"

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told = Ingestion(f"http://127.0.0.1:{server.server_address[1]}", behaviour)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield told
    finally:
        told.closed.set()
        server.shutdown()
        server.server_close()
