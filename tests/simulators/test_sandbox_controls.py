"""The sandbox's own levers, its log of requests, and where it listens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import requests

from driftguard.errors import NotFound, WrongUse
from driftguard.sandbox import Sandbox
from driftguard.sandbox.clock import VirtualClock
from driftguard.sandbox.paths import set_at
from tests.simulators.sandbox_client import ACCOUNT, APP, MACHINE, NSG, SUB, VNET, Client

SCALE_SET = f"{APP}/Microsoft.Compute/virtualMachineScaleSets/vmss-jobs"


def test_the_virtual_clock_can_be_advanced_and_stands_in_the_date(client: Client) -> None:
    assert client.control("POST", "clock", {"advance": 3600}).json() == {"now": "2026-10-01T13:00:00.0000000Z"}
    assert client.control("GET", "clock").json() == {"now": "2026-10-01T13:00:00.0000000Z"}
    assert client.get(VNET).headers["Date"] == "Thu, 01 Oct 2026 13:00:00 GMT"


def test_by_default_the_clock_runs_from_its_start_and_never_goes_back() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    clock = VirtualClock(start)
    first = clock.now()
    assert start <= first < start + timedelta(minutes=5)
    assert clock.advance(60) >= first + timedelta(seconds=60)
    with pytest.raises(WrongUse):
        clock.advance(-1)


def test_touch_moves_the_etag_and_changes_nothing_else(client: Client, sandbox: Sandbox) -> None:
    before = client.get(VNET)
    client.control("POST", "touch", {"id": VNET})
    after = client.get(VNET)
    assert before.headers["ETag"] != after.headers["ETag"]
    assert before.text.replace(before.json()["etag"].strip('W/"'), "") == after.text.replace(
        after.json()["etag"].strip('W/"'), ""
    )
    assert sandbox.events() == []


def test_touch_can_set_a_state_until_the_next_touch(client: Client, sandbox: Sandbox) -> None:
    client.control("POST", "touch", {"id": VNET, "state": "Updating"})
    sandbox.advance(3600)
    assert client.get(VNET).json()["properties"]["provisioningState"] == "Updating"
    sandbox.touch(VNET, "Succeeded")
    assert client.get(VNET).json()["properties"]["provisioningState"] == "Succeeded"


def test_the_platform_writes_at_paths_without_an_event(client: Client, sandbox: Sandbox) -> None:
    before = client.get(NSG).headers["ETag"]
    values = {"properties.securityRules[name=allow-https].properties.priority": 101, "tags.team": None}
    assert client.control("POST", "platform", {"id": NSG, "set": values}).status_code == 200
    after = client.get(NSG)
    assert after.json()["properties"]["securityRules"][0]["properties"]["priority"] == 101
    assert "team" not in after.json()["tags"]
    assert after.headers["ETag"] != before
    assert sandbox.events() == []


def test_the_platform_can_write_in_an_embedded_child(sandbox: Sandbox) -> None:
    sandbox.platform(f"{VNET}/subnets/web", {"properties.purpose": "PrivateEndpoints"})
    found = sandbox.get(f"{VNET}/subnets/web")
    assert found is not None and found["properties"]["purpose"] == "PrivateEndpoints"


def test_autoscale_leaves_its_event_on_the_setting_and_names_the_resource(sandbox: Sandbox) -> None:
    sandbox.platform(SCALE_SET, {"sku.capacity": 5}, as_="autoscale")
    event = sandbox.events()[0]
    assert (event["caller"], event["category"]["value"]) == ("Microsoft.Insights/autoscaleSettings", "Autoscale")
    assert "/autoscalesettings/" in event["resourceId"].lower()
    assert event["properties"]["ResourceName"] == SCALE_SET
    assert (event["properties"]["OldInstancesCount"], event["properties"]["NewInstancesCount"]) == ("2", "5")


def test_another_actor_of_the_platform_leaves_an_ordinary_event(sandbox: Sandbox) -> None:
    sandbox.platform(MACHINE, {"tags.scanned": "yes"}, as_="app-service")
    event = sandbox.events()[0]
    assert event["operationName"]["value"] == "Microsoft.Compute/virtualMachines/write"
    assert event["claims"]["appid"] == "7ab7862c-4c57-491e-8a45-d52a7e023983"


def test_what_does_not_exist_is_an_error(client: Client, sandbox: Sandbox) -> None:
    with pytest.raises(NotFound):
        sandbox.touch(f"{VNET}x")
    with pytest.raises(WrongUse):
        sandbox.platform(VNET, {"tags.x": "1"}, as_="nobody")
    assert client.control("POST", "touch", {"id": f"{VNET}x"}).status_code == 400
    assert client.control("POST", "platform", {"id": VNET}).status_code == 400
    assert client.control("GET", "nothing").status_code == 404


@pytest.mark.parametrize("path", ["", "a..b", "list[9]", "list[name=z].x", "text.x", "[", "list.x"])
def test_a_path_that_leads_nowhere_is_an_error(path: str) -> None:
    with pytest.raises(WrongUse):
        set_at({"text": "t", "list": [{"name": "a"}]}, path, 1)


def test_paths_make_set_and_remove() -> None:
    body = {"list": [{"name": "a"}, {"name": "b"}]}
    set_at(body, "new.deep", 1)
    set_at(body, "list[name=B].value", 2)
    set_at(body, "list[0]", None)
    assert body == {"list": [{"name": "b", "value": 2}], "new": {"deep": 1}}


def test_the_log_tells_what_was_asked_and_can_be_emptied(client: Client, sandbox: Sandbox) -> None:
    client.get(VNET)
    client.get(f"{VNET}x")
    log = client.control("GET", "log").json()
    assert log["requests"] == [
        {"method": "GET", "path": VNET, "status": 200},
        {"method": "GET", "path": f"{VNET}x", "status": 404},
    ]
    assert log["counters"] == {"GET 200": 1, "GET 404": 1}
    client.control("DELETE", "log")
    assert sandbox.traffic.requests() == []


def test_latency_lets_every_request_wait(client: Client, sandbox: Sandbox) -> None:
    client.control("POST", "latency", {"seconds": 0.05})
    assert client.get(VNET).elapsed.total_seconds() >= 0.05
    assert client.control("POST", "latency", {"seconds": "long"}).status_code == 400
    with pytest.raises(WrongUse):
        sandbox.latency(-1)


def test_a_new_type_can_be_registered(client: Client, sandbox: Sandbox) -> None:
    sandbox.register("Contoso.Things/things", ["2026-01-01"])
    path = f"{SUB}/resourceGroups/rg-shop-app/providers/Contoso.Things/things/one"
    assert client.put(path, {"properties": {"a": 1}}, api="2026-01-01").status_code == 201
    assert client.get(path, api="2026-01-01").json()["properties"] == {"a": 1}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", ""])
def test_it_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(WrongUse, match="does not listen"):
        Sandbox([]).start(host=host)


def test_a_port_in_use_is_an_error_with_a_remedy(sandbox: Sandbox) -> None:
    port = int(sandbox.endpoint.rpartition(":")[2])
    with pytest.raises(WrongUse, match="choose another port"):
        Sandbox([]).start(port)
    with pytest.raises(WrongUse, match="already started"):
        sandbox.start()


def test_it_can_be_stopped_and_started_again_and_knows_its_address_only_then() -> None:
    sandbox = Sandbox([])
    for _ in range(2):
        with sandbox:
            assert requests.get(f"{sandbox.endpoint}/sandbox/ids", timeout=5).json() == {"ids": []}
        with pytest.raises(WrongUse, match="not started"):
            _ = sandbox.endpoint


def test_a_request_that_is_no_json_or_too_long_is_refused(sandbox: Sandbox) -> None:
    host, port = "127.0.0.1", int(sandbox.endpoint.rpartition(":")[2])
    head = f"PUT {ACCOUNT}?api-version=2024-01-01 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer pipeline\r\n"
    for rest, status in (
        ("Content-Length: 3\r\n\r\n{x}", b"400"),
        (f"Content-Length: 100000\r\n\r\n{'[' * 100_000}", b"400"),  # nested too deeply to be read
        ("Content-Length: 999999999\r\n\r\n", b"411"),
    ):
        with socket.create_connection((host, port), timeout=5) as connection:
            connection.sendall((head + rest).encode())
            assert connection.recv(12).split()[1] == status


def test_run_tells_its_address_and_ends_with_ctrl_c() -> None:
    code = "from driftguard.sandbox import run; run(0)"
    with subprocess.Popen([sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(4)]
        endpoint = told[0].split()[-1]
        assert f"{endpoint}/sandbox/ids" in told[1]
        example = told[2].split("'")[3]
        answer = requests.get(example, headers={"Authorization": "Bearer person-portal"}, timeout=5)
        assert answer.status_code == 200
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(timeout=10) == 0
