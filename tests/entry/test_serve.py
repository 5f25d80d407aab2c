"""`driftguard serve` as somebody starts it: a process of its own, asked over HTTP and through the command line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.entry.cli_shop import Shop, cli_shop
from tests.world import VNET

_GENEROUS = 20.0  # seconds, on a busy machine; `make bench` keeps the bound of 3


@dataclass
class Serving:
    """A running service: what it printed, and its process."""

    server: str
    token: str | None
    browser: str | None
    scope: str | None
    process: subprocess.Popen[str]

    @property
    def environ(self) -> dict[str, str]:
        return {"DRIFTGUARD_SERVER": self.server, "DRIFTGUARD_TOKEN": self.token or ""}

    def get(self, path: str, **headers: str) -> HTTPResponse:
        """The answer, with its body read."""
        place = urlsplit(self.server)
        connection = HTTPConnection(str(place.hostname), place.port, timeout=_GENEROUS)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.body = answer.read()  # type: ignore[attr-defined]  # reason: kept for the test, after the connection
        connection.close()
        return answer


@contextmanager
def serving(environ: Mapping[str, str], folder: Path, *words: str) -> Iterator[Serving]:
    """A service in a process of its own."""
    command = [sys.executable, "-m", "driftguard", "serve", "--port", "0", "--scan-every", "off", "--json", *words]
    full = {**environ, "PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, env=full, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        if not line:
            raise AssertionError(process.stderr.read())
        told = json.loads(line)
        try:
            yield Serving(told["server"], told["token"], told["browser"], told["scope"], process)
        finally:
            process.kill()


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    with cli_shop(tmp_path, capsys) as running:
        yield running


def test_a_service_is_the_command_lines_own_with_what_it_prints(shop: Shop) -> None:
    with serving(shop.environ, shop.folder) as service:
        recorded = shop("record", "--job", "shop", "--resource", VNET, environ=_client(service))
        assert recorded.code == 0, recorded.err
        assert shop("check", "--job", "shop", "--run", "r", "--json", environ=_client(service)).json()["clearance"]
        wrong = shop("jobs", "list", environ={**_client(service), "DRIFTGUARD_TOKEN": "x" * 40})
        assert wrong.code == 3 and "token" in wrong.err
    # What it wrote is what a command in process finds.
    assert shop("check", "--job", "shop", "--run", "r", "--json").code == 0


def _client(service: Serving) -> dict[str, str]:
    """The environment of a client: nothing but what the service printed."""
    return service.environ


def test_a_halt_is_told_with_its_page_here_where_a_browser_can_sign_in(shop: Shop) -> None:
    with serving(shop.environ, shop.folder) as service:
        assert shop("record", "--job", "shop", "--resource", VNET, environ=service.environ).code == 0
        shop.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")
        halted = shop("check", "--job", "shop", "--run", "r", environ=service.environ)
        assert halted.code == 1
        assert f"Review: {service.server}/ui/halts/h-" in halted.out


@pytest.mark.parametrize("policy", ["missing.yaml", "wrong.yaml"])
def test_a_policy_that_is_missing_or_wrong_ends_it_before_it_serves(shop: Shop, policy: str) -> None:
    (shop.folder / "wrong.yaml").write_text("version: 1\njobs: {\n")
    told = shop("serve", "--port", "0", "--policy", str(shop.folder / policy))
    assert (told.code, told.out) == (3, "")
    assert policy in told.err and "Traceback" not in told.err


def test_a_store_that_is_none_of_ours_is_told_at_the_start(shop: Shop) -> None:
    shop.store.write_text("this is no database" * 500)
    with serving(shop.environ, shop.folder) as service:
        assert service.get("/healthz").status == 200
        service.process.send_signal(signal.SIGTERM)
        service.process.wait(timeout=_GENEROUS)
        assert service.process.stderr is not None
        assert str(shop.store) in service.process.stderr.read()


def test_connections_that_send_nothing_take_nothing_from_others(shop: Shop) -> None:
    with serving(shop.environ, shop.folder) as service:
        place = urlsplit(service.server)
        with ExitStack() as idle:
            for number in range(700):
                connection = idle.enter_context(socket.create_connection((str(place.hostname), place.port or 0)))
                if number % 2:
                    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127")
            for _ in range(20):
                assert service.get("/healthz").status == 200


def test_it_answers_health_soon_and_says_nothing_of_itself(shop: Shop) -> None:
    begun = time.monotonic()
    with serving(shop.environ, shop.folder) as service:
        answer = service.get("/healthz")
        assert time.monotonic() - begun < _GENEROUS
        assert answer.status == 200
        assert answer.getheader("Server") is None
        assert service.get("/api/jobs").status == 401
        assert service.get("/api/jobs", Authorization=f"Bearer {service.token}").status == 200


def test_the_address_for_the_browser_works_once(shop: Shop) -> None:
    with serving(shop.environ, shop.folder) as service:
        assert service.browser is not None and service.browser.startswith(f"{service.server}/ui/sign-in?token=")
        path = service.browser.removeprefix(service.server)
        first = service.get(path)
        assert first.status == 303
        cookie = str(first.getheader("Set-Cookie")).partition(";")[0]
        assert service.get("/ui/", Cookie=cookie).status == 200
        assert service.get(path).status == 401
        assert service.get("/api/jobs", Cookie=cookie).status == 401


@pytest.mark.parametrize("name", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example"])
def test_a_name_that_only_points_here_is_refused(shop: Shop, name: str) -> None:
    with serving(shop.environ, shop.folder) as service:
        refused = service.get("/api/jobs", Host=name, Authorization=f"Bearer {service.token}")
        assert 400 <= refused.status < 500
        assert service.get("/healthz", Host="localhost").status == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_within_seconds_with_exit_code_0(shop: Shop, number: int) -> None:
    with serving(shop.environ, shop.folder) as service:
        service.get("/healthz")
        service.process.send_signal(number)
        assert service.process.wait(timeout=_GENEROUS) == 0
        assert service.process.stderr is not None
        assert "Traceback" not in service.process.stderr.read()


def test_it_ends_while_a_check_waits_for_arm(shop: Shop) -> None:
    assert shop("record", "--job", "shop", "--resource", VNET).code == 0
    shop.sandbox.fault("*", "hang")
    environ = {**shop.environ, "DRIFTGUARD_READ_TIMEOUT": "60"}
    with serving(environ, shop.folder) as service:
        place = urlsplit(service.server)
        asking = HTTPConnection(str(place.hostname), place.port)
        headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/json"}
        asking.request("POST", "/api/jobs/shop/checks", b'{"run": "r", "gate": true}', headers)
        time.sleep(1.0)  # until the check asks ARM, which tells nobody
        asking.close()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(timeout=_GENEROUS) == 0
        assert service.process.stderr is not None
        assert service.process.stderr.read() == ""


def test_a_port_that_is_taken_is_told_in_one_line(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = shop("serve", "--port", str(taken.getsockname()[1]))
    assert told.code == 3
    assert told.err.count("\n") <= 2 and "is in use" in told.err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "guard.example.com", ""])
def test_without_an_identity_provider_it_listens_on_this_machine_only(shop: Shop, host: str) -> None:
    told = shop("serve", "--port", "0", "--host", host)
    assert told.code == 3
    assert "DRIFTGUARD_AUTH_TENANT" in told.err


def test_with_an_identity_provider_there_is_no_local_token(shop: Shop) -> None:
    environ = {
        **shop.environ,
        "DRIFTGUARD_AUTH_TENANT": "22222222-2222-2222-2222-222222222222",
        "DRIFTGUARD_AUTH_AUDIENCE": "api://guard",
    }
    with serving(environ, shop.folder) as service:
        assert service.token is None and service.browser is None
        assert service.scope == "api://guard/.default"
        assert service.get("/healthz").status == 200
        assert service.get("/api/jobs", Authorization="Bearer " + "x" * 40).status in (401, 503)


def test_the_default_store_is_refused_inside_ci(shop: Shop) -> None:
    environ = {name: value for name, value in shop.environ.items() if name != "DRIFTGUARD_STORE"}
    shop.environ = environ
    told = shop("serve", "--port", "0", environ={"CI": "true"})
    assert told.code == 3 and "inside CI" in told.err


@pytest.mark.parametrize(
    "words", [("--scan-every", "5"), ("--scan-every", "10s"), ("--scan-every", "x"), ("--tls-cert", "a.pem")]
)
def test_wrong_options_are_told_in_one_line(shop: Shop, words: tuple[str, ...]) -> None:
    told = shop("serve", "--port", "0", *words)
    assert told.code == 3
    assert "Traceback" not in told.err


def test_a_certificate_that_is_none_is_told_in_one_line(shop: Shop) -> None:
    pem = shop.folder / "not.pem"
    pem.write_text("nothing")
    told = shop("serve", "--port", "0", "--tls-cert", str(pem), "--tls-key", str(pem))
    assert told.code == 3 and "certificate" in told.err


def test_a_service_refuses_to_be_one_of_another_service(shop: Shop) -> None:
    assert shop("serve", "--server", "https://guard.example.com").code == 3
