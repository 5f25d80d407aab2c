"""The contract of the command line: with a service and without, the same JSON on its output and the same exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from driftguard.entry.cli import COMMANDS
from driftguard.settings import read_settings
from driftguard.wiring import SharedGuard
from tests.entry.cli_shop import Shop, cli_shop
from tests.scenarios.steps import NAT, ROBS_DNS
from tests.served import TOKEN, served
from tests.world import VNET

HAND = "change the DNS server by hand"
DANA = ("--as", "dana@contoso.com", "--reason", "agreed")
SERVED = {"record", "check", "scan", "halts", "jobs", "explain", "deliveries"}

# The words of each command, in this order; HALT is the id of the halt that was told last, CLEARANCE the clearance.
# The first one begins the store: without one, a command in process says that there is none, and a service has begun its own.
COMMAND_LINES: list[tuple[str, ...] | str] = [
    ("record", "--job", "beside", "--resource", NAT),
    ("jobs", "list"),
    ("check", "--job", "shop", "--run", "r1"),
    ("record", "--job", "shop", "--resource", "nothing"),
    ("record", "--job", "shop", "--resource", VNET),
    ("jobs", "list"),
    ("jobs", "show", "shop"),
    ("jobs", "show", "nobody"),
    ("check", "--job", "shop", "--run", "r1"),
    ("check", "--job", "shop", "--run", "r2"),
    ("record", "--job", "shop", "--run", "r1", "--clearance", "CLEARANCE"),
    ("check", "--job", "shop", "--run", "r2"),
    ("jobs", "release", "shop", "--clearance", "CLEARANCE"),
    ("check", "--job", "shop", "--run", "r3", "--gate"),
    ("check", "--job", "shop", "--run", "r3", "--resource", VNET),
    ("record", "--job", "shop", "--run", "r3"),
    ("jobs", "proposals"),
    ("jobs", "accept", "shop", "none-such", *DANA),
    HAND,
    ("explain", "--job", "shop", VNET),
    ("check", "--job", "shop", "--run", "r4", "--ticket", "CHG1"),
    ("halts", "list"),
    ("halts", "list", "--job", "nobody"),
    ("halts", "show", "HALT"),
    ("halts", "show", "HALT", "--version", "7"),
    ("deliveries", "--all"),
    ("scan",),
    ("scan", "--job", "nobody"),
    ("halts", "decide", "HALT", "overwrite", *DANA, "--if-match", "1"),
    ("halts", "decide", "HALT", "overwrite", "--reason", "agreed"),
    ("halts", "decide", "HALT", "overwrite", "--reason", " ", "--as", "dana"),
    ("halts", "confirm", "HALT", "--in-code", "abc1234", "--as", "dana@contoso.com"),
    ("halts", "decide", "HALT", "overwrite", *DANA),
    ("check", "--job", "shop", "--run", "r5"),
    ("halts", "decide", "HALT", "stop", *DANA),
    ("record", "--job", "shop", "--run", "r6", "--clearance", "CLEARANCE"),
    ("jobs", "release", "shop", *DANA),
    ("halts", "decide", "HALT", "stop", *DANA),
    ("halts", "decide", "HALT", "stop", *DANA),
    ("halts", "list", "--all"),
    ("jobs", "move", "shop", "other", "--resource", VNET, *DANA),
    ("jobs", "retire", "shop", *DANA, "--if-match", "1"),
    ("jobs", "retire", "shop", *DANA),
    ("check", "--job", "shop", "--run", "r7"),
    ("scan", "--job", "shop"),
    ("check", "--job", "beside", "--run", "x" * 300),
    ("check", "--job", "beside", "--run", "r8", "--ticket", "x" * 300),
    ("record", "--job", "beside", "--run", "r8", "--stage", "x" * 300),
    ("check", "--job", "beside", "--run", "r9", "--ticket", ""),
    ("jobs", "release", "beside", "--clearance", "CLEARANCE", "--if-match", "1"),
    ("jobs", "release", "beside", "--clearance", "CLEARANCE"),
]


def test_every_served_command_tells_the_same_with_a_service_and_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftguard.entry.client.long_calls._PAUSES", (0.05, 0.05))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with cli_shop(tmp_path / "a", capsys) as shop:
        here = told(shop, shop.environ)
    with cli_shop(tmp_path / "b", capsys) as shop, service_of(shop) as environ:
        there = told(shop, environ)
    for line, one, other in zip(COMMAND_LINES, here, there, strict=True):
        assert other == one, line
    assert {code for code, _ in here} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - SERVED))
@pytest.mark.parametrize("named", ["the option", "the variable"])
def test_every_other_command_refuses_a_service(
    command: str, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"policy": ("policy", "check"), "replay": ("replay", "pairs"), "onboard": ("onboard", "--job", "shop")}
    words["store"] = ("store", "copy", "from.db", "to.db")
    with cli_shop(tmp_path, capsys) as shop:
        before = shop.written()
        address = "https://guard.example.com"
        option = ("--server", address) if named == "the option" else ()
        environ = {"DRIFTGUARD_SERVER": address} if named == "the variable" else {}
        refused = shop(*words.get(command, (command,)), *option, environ=environ)
        assert refused.code == 3
        assert "service" in refused.err or "server" in refused.err
        assert shop.written() == before


@contextmanager
def service_of(shop: Shop) -> Iterator[dict[str, str]]:
    """The environment of a client of a service that works with the shop's store."""
    settings = read_settings(shop.environ)
    guard = SharedGuard(settings)
    with served(guard, user=settings.starter or "") as address:
        yield {"DRIFTGUARD_SERVER": address, "DRIFTGUARD_TOKEN": TOKEN}
    guard.close()


def told(shop: Shop, environ: dict[str, str]) -> list[tuple[int, Any]]:
    """Exit code and JSON of each command, comparable with those of another shop."""
    shop.environ = environ
    known = {"HALT": "h-000000000000", "CLEARANCE": "c-none"}
    names = _Names(str(shop.folder))
    outcomes: list[tuple[int, Any]] = []
    for line in COMMAND_LINES:
        if isinstance(line, str):
            shop.sandbox.patch(VNET, {"properties": {"dhcpOptions": {"dnsServers": [ROBS_DNS]}}}, as_="person-portal")
            outcomes.append((0, None))
            continue
        ran = shop(*(known.get(word, word) for word in line), "--json")
        view = ran.json()
        halt = view.get("halt")
        known["HALT"] = halt["id"] if isinstance(halt, dict) else known["HALT"]
        known["CLEARANCE"] = view.get("clearance") or known["CLEARANCE"]
        outcomes.append((ran.code, names.of(view)))
    return outcomes


class _Names:
    """Gives ids, moments, and what names the place of a shop, one form everywhere."""

    _ID = re.compile(
        r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{16}\b|\b[0-9a-f]{32}\b|\b[0-9a-f]{64}\b"
    )
    _MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?( UTC|Z)")
    _NEVER_THE_SAME = ("version", "request_id", "correlation_id")

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._seen: dict[str, str] = {}

    def of(self, view: Any) -> Any:
        text = json.dumps(self._comparable(view), sort_keys=True).replace(self._folder, "FOLDER")
        text = self._MOMENT.sub("MOMENT", text)
        return json.loads(self._ID.sub(lambda found: self._seen.setdefault(found[0], f"id-{len(self._seen)}"), text))

    def _comparable(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: f"({key})" if key in self._NEVER_THE_SAME and isinstance(one, str) else self._comparable(one)
                for key, one in value.items()
            }
        return [self._comparable(one) for one in value] if isinstance(value, list) else value
