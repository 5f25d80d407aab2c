"""The place for anchors in Azure Storage: addresses, connection strings, and what is said where it cannot be asked."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from driftguard.adapters.anchors.azure import AzureAnchors
from driftguard.adapters.readers.arm_credential import StaticToken
from driftguard.errors import BadConfiguration, Unavailable
from tests.azurite.server import ACCOUNT, KEY

ADDRESS = f"azure://{ACCOUNT}/anchors"
NAME = "heads/2026-03-02-00ab12.json"
SECRET = "sUpErSeCrEt"


def by(endpoint: str, account: str = ACCOUNT, address: str = ADDRESS) -> AzureAnchors:
    connection = f"AccountName={account};AccountKey={KEY};BlobEndpoint={endpoint}/{account}"
    return AzureAnchors(address, StaticToken("unused"), connection=connection, retries=0)


@contextmanager
def storage_that_answers(status: int, code: str, body: bytes = b"") -> Iterator[tuple[str, list[str]]]:
    """An account on this machine that answers every request alike; what it was asked is kept."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append(f"{self.command} {self.headers.get('If-None-Match', '')}")
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            if code:
                self.send_header("x-ms-error-code", code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "address",
    [
        "azure://", "azure://account", "azure://account/", "azure://a/anchors", "azure://Account/anchors", "azure://account/An",
        "azure://account/an", "azure://account/a--b", "azure://account/-ab", "azure://account/abc/", "azure://account/abc/d",
        "azure://account.blob.core.windows.net/abc", "azure://user@account/abc", "azure://account/abc?sig=x",
        "azure://account/" + "a" * 64, "azure://" + "a" * 25 + "/abc", "azure://account/abc\n", "https://account/abc",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_one_is_refused_before_anything_is_asked(address: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        AzureAnchors(address, StaticToken("unused"))
    assert refused.value.remedy


@pytest.mark.parametrize("address", ["azure://abc/abc", "azure://a1b2c3/a-b-c-d", "azure://account/" + "a" * 63])
def test_an_address_that_can_be_one_is_taken_and_nothing_is_asked(address: str) -> None:
    AzureAnchors(address, StaticToken("unused")).close()


@pytest.mark.parametrize("cloud", ["public", "usgov", "china"])
def test_every_cloud_has_its_own_host_and_is_asked_by_https(cloud: str) -> None:
    place = AzureAnchors("azure://account/anchors", StaticToken("unused"), cloud=cloud)
    suffix = {"public": "core.windows.net", "usgov": "core.usgovcloudapi.net", "china": "core.chinacloudapi.cn"}[cloud]
    client = place._client()
    assert client.url == f"https://account.blob.{suffix}/anchors"
    place.close()


@pytest.mark.parametrize(
    "connection",
    [
        SECRET, f"AccountKey={SECRET}", f"AccountName=another;AccountKey={SECRET}",
        f"AccountName={ACCOUNT};AccountKey={SECRET};BlobEndpoint=http://example.org/{ACCOUNT}",
        f"BlobEndpoint=https://another.blob.core.windows.net;SharedAccessSignature=sig={SECRET}",
    ],
)  # fmt: skip
def test_a_connection_string_of_no_use_is_wrong_configuration_and_nothing_of_it_is_told(connection: str) -> None:
    place = AzureAnchors(ADDRESS, StaticToken("unused"), connection=connection)
    with pytest.raises(BadConfiguration) as refused:
        place.names()
    assert SECRET not in str(refused.value) and "DRIFTGUARD_ANCHORS_CONNECTION" in refused.value.remedy


@pytest.mark.parametrize("code", ["BlobAlreadyExists", "BlobImmutableDueToPolicy"])
def test_what_is_there_already_is_said_by_409_and_the_write_had_its_condition(code: str) -> None:
    with storage_that_answers(409, code) as (endpoint, asked):
        place = by(endpoint)
        assert place.put_once(NAME, b"x") is False
        place.close()
    assert asked == ["PUT *"]


@pytest.mark.parametrize(
    ("status", "code", "kind", "told"),
    [
        (403, "AuthorizationPermissionMismatch", Unavailable, "Storage Blob Data Contributor"),
        (403, "AuthorizationFailure", Unavailable, "network rules"),
        (401, "NoAuthenticationInformation", Unavailable, "Storage Blob Data Contributor"),
        (404, "ContainerNotFound", BadConfiguration, "immutability policy"),
        (409, "ContainerBeingDeleted", Unavailable, "later scan"),
        (409, "AccountIsDisabled", Unavailable, "later scan"),
        (500, "InternalError", Unavailable, "later scan"),
        (503, "ServerBusy", Unavailable, "later scan"),
        (503, "", Unavailable, "later scan"),
        (404, "", Unavailable, "later scan"),
    ],
)
def test_what_the_service_refuses_is_told_by_its_code_and_never_by_its_text(
    status: int, code: str, kind: type[Exception], told: str
) -> None:
    body = (
        f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{SECRET}</Message></Error>".encode()
        if code
        else b"<html>"
    )
    with storage_that_answers(status, code, body) as (endpoint, _):
        place = by(endpoint)
        for ask in (lambda: place.put_once(NAME, b"x"), lambda: place.read(NAME), place.names):
            with pytest.raises(kind) as refused:
                ask()
            assert told in str(refused.value) and SECRET not in str(refused.value)
            assert "\n" not in str(refused.value)
        place.close()


def test_an_account_that_does_not_answer_is_unavailable() -> None:
    with storage_that_answers(200, "") as (endpoint, _):
        pass  # nobody listens there any more
    place = by(endpoint)
    with pytest.raises(Unavailable):
        place.names()
    place.close()


def test_the_parts_of_azure_are_not_imported_before_something_is_asked() -> None:
    code = (
        "import sys; from driftguard.adapters.anchors import ANCHORS; ANCHORS['azure']('azure://account/anchors', None);"
        "print([name for name in sys.modules if name.startswith('azure')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
