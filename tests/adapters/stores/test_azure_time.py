"""Time: what is slow and goes on is waited for, what stands still or crawls ends, in the clear and by TLS and a proxy."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from driftguard.adapters.stores import azure_clients, azure_errors
from driftguard.adapters.stores.azure import AzureStore
from driftguard.adapters.timed_connections import Times
from driftguard.errors import StoreUnavailable
from tests.adapters.stores.azure_stores import opened

KEY = "Q0FOQVJZQ0FOQVJZQ0FOQVJZ"
HOST = "stshop.table.core.windows.net"
ETAG = "W/\"datetime'2026-11-22T20%3A44%3A34Z'\""
Serve = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """One try; and a peer may be silent for a quarter of a second, a request takes one at most."""
    monkeypatch.setattr(azure_errors, "PAUSES", ())
    for name, seconds in (("CONNECT_WITHIN", 0.25), ("SILENT_FOR", 0.25), ("TABLE_WITHIN", 1.0), ("BLOB_WITHIN", 1.0)):
        monkeypatch.setattr(azure_clients, name, seconds)


@contextmanager
def peer(serve: Serve, ended: threading.Event | None = None) -> Iterator[int]:
    """A server on loopback that does this with each connection, one after the other; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        listening.settimeout(5.0)

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connected, _ = listening.accept()
                    with connected, contextlib.suppress(OSError):
                        connected.settimeout(5.0)
                        serve(connected)
                    if ended:
                        ended.set()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def used(store: AzureStore) -> AzureStore:
    """The store as one that was found a moment ago."""
    store._seen = store._monotonic()
    return store


@contextmanager
def store_at(port: int) -> Iterator[AzureStore]:
    here = f"http://127.0.0.1:{port}/stshop"
    string = f"AccountName=stshop;AccountKey={KEY};BlobEndpoint={here};TableEndpoint={here}"
    store = used(opened("azure://stshop", string))
    with contextlib.closing(store):
        yield store


def head_of(connected: socket.socket) -> bytes:
    """What came up to the end of the request's headers, and perhaps behind them."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connected.recv(65536)
        if not piece:
            raise ConnectionError
        got += piece
    return got


def crawl(connected: socket.socket, data: bytes) -> None:
    for byte in data:
        connected.sendall(bytes([byte]))
        time.sleep(0.02)  # reason: the bound is one of the wall clock, and of the kernel's sockets


def entity_answer(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nx-ms-request-id: 1\r\nContent-Type: application/json\r\nETag: {ETAG}\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_an_upload_that_takes_longer_than_a_connect_and_than_a_request_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, seconds in (("CONNECT_WITHIN", 0.1), ("BLOB_WITHIN", 0.1), ("SILENT_FOR", 3.0)):
        monkeypatch.setattr(azure_clients, name, seconds)
    data = b"x" * 8_000_000
    got = [0]

    def slowly(connected: socket.socket) -> None:
        got[0] = len(head_of(connected).partition(b"\r\n\r\n")[2])
        while got[0] < len(data):
            got[0] += len(connected.recv(1_000_000))
            time.sleep(0.01)  # reason: a slow link
        connected.sendall(b"HTTP/1.1 201 Created\r\nx-ms-request-id: 1\r\nContent-Length: 0\r\n\r\n")

    with peer(slowly) as port, store_at(port) as store:
        begun = time.monotonic()
        assert store.put_once("a", data) is True
        assert time.monotonic() - begun > 0.3
    assert got[0] == len(data)


def test_an_upload_that_stands_still_ends_and_its_connection_too() -> None:
    ended = threading.Event()

    def never_read(connected: socket.socket) -> None:
        head_of(connected)
        time.sleep(0.6)  # reason: stands still for longer than a silence may last
        while connected.recv(1_000_000):  # up to the end that the client makes
            pass

    before = threading.active_count()
    with peer(never_read, ended) as port, store_at(port) as store:
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable, match="out of reach"):
            store.put_once("a", b"x" * 30_000_000)
        assert time.monotonic() - begun < 5.0
        assert ended.wait(5.0)
    assert threading.active_count() == before


@pytest.mark.parametrize("part", ["status line", "headers", "body"])
def test_an_answer_that_crawls_ends_wherever_it_crawls_and_its_connection_too(part: str) -> None:
    ended = threading.Event()
    whole = entity_answer(b'{"x": "' + b"x" * 4000 + b'"}')
    at = {"status line": 0, "headers": 20, "body": whole.index(b"\r\n\r\n") + 4}[part]

    def crawling(connected: socket.socket) -> None:
        head_of(connected)
        connected.sendall(whole[:at])
        crawl(connected, whole[at:] + b"x" * 4000)

    with peer(crawling, ended) as port, store_at(port) as store:
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable, match="out of reach"):
            store.get("job", "k", "one")
        assert 0.8 < time.monotonic() - begun < 4.0
        assert ended.wait(5.0)


def test_one_request_that_was_slow_takes_no_time_from_the_next_and_none_from_another_thread() -> None:
    now = [0.0]
    times = Times(20.0, lambda: now[0])
    with times.within(30.0):
        assert times.left() == 20.0
        now[0] = 25.0
        assert times.left() == 5.0
        elsewhere: list[float] = []
        thread = threading.Thread(target=lambda: elsewhere.append(times.left()))
        thread.start()
        thread.join()
        assert elsewhere == [20.0]
        now[0] = 30.0
        with pytest.raises(TimeoutError):
            times.left()
    with times.within(30.0):
        assert times.left() == 20.0


# By a proxy and TLS, as in Azure


@pytest.fixture
def secured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What a server needs to be taken for the account; the process trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    day = timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - day)
        .not_valid_after(datetime.now(UTC) + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, secret = tmp_path / "trusted.pem", tmp_path / "key.pem"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, secret)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    return context


@contextmanager
def store_by_proxy(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureStore]:
    for name in ("NO_PROXY", "no_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    store = used(opened("azure://stshop", f"AccountName=stshop;AccountKey={KEY}"))
    with contextlib.closing(store):
        yield store


def test_requests_by_a_proxy_and_tls_are_answered_on_one_connection(
    secured: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    entity = {"odata.etag": ETAG, "PartitionKey": "job", "RowKey": "k!one", "body": json.dumps({"text": "x" * 30_000})}
    answer = entity_answer(json.dumps(entity).encode())

    def tunnel(connected: socket.socket) -> None:
        asked.append(head_of(connected))
        connected.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with secured.wrap_socket(connected, server_side=True) as inside:
            while True:
                asked.append(head_of(inside))
                inside.sendall(answer)

    with peer(tunnel) as port, store_by_proxy(port, monkeypatch) as store:
        for _ in range(3):
            found = store.get("job", "k", "one")
            assert found is not None and len(found.body["text"]) == 30_000
    assert [line.split()[0] for line in asked] == [b"CONNECT", b"GET", b"GET", b"GET"]


@pytest.mark.parametrize("where", ["the proxy", "the account"])
def test_a_proxy_or_an_account_behind_it_that_crawls_ends(
    where: str, secured: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def tunnel(connected: socket.socket) -> None:
        head_of(connected)
        if where == "the proxy":
            crawl(connected, b"HTTP/1.1 200 Connection established\r\nX: " + b"x" * 4000)
        connected.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with secured.wrap_socket(connected, server_side=True) as inside:
            head_of(inside)
            crawl(inside, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 4000)

    with peer(tunnel, ended) as port, store_by_proxy(port, monkeypatch) as store:
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable, match="out of reach"):
            store.get("job", "k", "one")
        assert 0.8 < time.monotonic() - begun < 4.0
        assert ended.wait(5.0)
