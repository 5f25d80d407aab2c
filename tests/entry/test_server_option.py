"""`--server` and DRIFTGUARD_SERVER: who works with a service, who refuses it, and what no service is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from driftguard.entry import remote
from driftguard.entry.cli import COMMANDS, run
from driftguard.entry.in_process import InProcess
from driftguard.entry.place import SERVED
from driftguard.entry.verbs import Verbs
from driftguard.sandbox import SUBSCRIPTION
from driftguard.settings import Settings, read_settings
from driftguard.wiring import guard_from
from driftguard.wiring_places import Opening
from tests.entry.cli_shop import Shop, cli_shop

VNET = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-network/providers/Microsoft.Network/virtualNetworks/vnet-shop"
SERVER = "https://guard.example.com"
CI = {"TF_BUILD": "True", "BUILD_BUILDID": "77"}

# Every command that no service serves, with the arguments that it needs to be called at all.
IN_PROCESS: dict[str, tuple[str, ...]] = {
    "replay": ("replay", "pairs.jsonl"),
    "policy": ("policy", "check"),
    "verify": ("verify", __file__),
    "deliver": ("deliver",),
    "onboard": ("onboard", "--job", "shop", "--resource", VNET),
    "serve": ("serve",),
    "sandbox": ("sandbox",),
    "demo": ("demo",),
    "store": ("store", "copy", "from.db", "to.db"),
    "doctor": ("doctor",),
}
# Every command that is served.
CALLS: dict[str, tuple[str, ...]] = {
    "check": ("check", "--job", "shop"),
    "record": ("record", "--job", "shop", "--resource", VNET),
    "halts": ("halts", "list"),
    "jobs": ("jobs", "show", "shop"),
    "explain": ("explain", "--job", "shop", VNET),
    "scan": ("scan",),
    "deliveries": ("deliveries",),
}
DECIDING = [
    ("halts", "decide", "h-0123456789ab", "keep", "--reason", "x"),
    ("halts", "confirm", "h-0123456789ab", "--in-code", "abc"),
    ("jobs", "release", "shop", "--reason", "x"),
    ("jobs", "retire", "shop", "--reason", "x"),
    ("jobs", "move", "shop", "--to", "web", "--resource", VNET, "--reason", "x"),
    ("jobs", "accept", "shop", "p-1", "--reason", "x"),
]


@pytest.fixture
def nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is asked for anything fails the test."""

    def asked(settings: Settings) -> None:
        pytest.fail(f"{settings.server} was asked")

    monkeypatch.setattr(remote, "open_remote", asked)


def refusal(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], environ: Mapping[str, str]) -> str:
    """The one line of a call that is refused as wrong."""
    assert run(arguments, environ) == 3
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith("driftguard: ")
    return printed.err


def test_every_command_stands_in_one_of_the_tables() -> None:
    assert set(IN_PROCESS) | set(CALLS) == set(COMMANDS)
    assert set(CALLS) == set(SERVED)
    assert not set(CALLS) & set(IN_PROCESS)


@pytest.mark.usefixtures("nothing_is_asked")
@pytest.mark.parametrize("command", IN_PROCESS)
def test_a_command_that_is_not_served_refuses_a_service(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words = IN_PROCESS[command]
    option = refusal(capsys, (*words, "--server", SERVER), {})
    assert f"{command}" in option and "works in process" in option and "leave --server out" in option
    variable = refusal(capsys, words, {"DRIFTGUARD_SERVER": SERVER})
    assert "works in process" in variable and "unset DRIFTGUARD_SERVER" in variable
    if command != "sandbox":  # it has no result to tell
        assert run([*words, "--json", "--server", SERVER], {}) == 3
        assert json.loads(capsys.readouterr().out)["problem"] == "bad-configuration"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_the_service_where_there_is_one(capsys: pytest.CaptureFixture[str], command: str) -> None:
    words = (CALLS | IN_PROCESS)[command]
    named = words[:2] if command in ("halts", "jobs", "policy") else words[:1]
    assert run([*named, "--help"], {"DRIFTGUARD_SERVER": SERVER}) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert ("A service to work with (DRIFTGUARD_SERVER)" in told) is (command in SERVED)


@pytest.mark.usefixtures("nothing_is_asked")
@pytest.mark.parametrize("option", ["--store", "--policy"])
@pytest.mark.parametrize("command", CALLS)
def test_with_a_service_neither_a_store_nor_a_policy_can_be_named(
    capsys: pytest.CaptureFixture[str], command: str, option: str
) -> None:
    for words, environ in (
        ((*CALLS[command], "--server", SERVER), {}),
        (CALLS[command], {"DRIFTGUARD_SERVER": SERVER}),
    ):
        told = refusal(capsys, (*words, option, "mine"), environ)
        assert f"which has its own {option.removeprefix('--')}" in told


@pytest.mark.usefixtures("nothing_is_asked")
@pytest.mark.parametrize("words", DECIDING, ids=lambda words: " ".join(words[:2]))
def test_inside_ci_nothing_is_decided_through_a_service(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert run([*words, "--json"], {**CI, "DRIFTGUARD_SERVER": SERVER}) == 3
    printed = capsys.readouterr()
    assert json.loads(printed.out)["problem"] == "not-allowed"
    assert "a pipeline must not release itself" in printed.err


class Served(InProcess):
    """The verbs of a guard as a service would have them: with an address to review at."""

    def review_address(self, halt_id: str) -> str | None:
        return f"{SERVER}/ui/halts/{halt_id}"


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop whose job has recorded a network; its commands work with a service over the same store."""
    with cli_shop(tmp_path, capsys) as made:
        assert made("record", "--job", "shop", "--resource", VNET).code == 0
        in_process = read_settings(made.environ)

        @contextmanager
        def open_remote(settings: Settings) -> Iterator[Verbs]:
            assert settings.server == SERVER
            with guard_from(in_process, Opening.NOW) as guard:
                yield Served(guard)

        monkeypatch.setattr(remote, "open_remote", open_remote)
        made.environ["DRIFTGUARD_SERVER"] = SERVER
        yield made


def test_a_halt_names_the_address_where_it_is_reviewed(shop: Shop) -> None:
    assert "Review:" not in shop("check", "--job", "shop", "--gate").out
    shop.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")
    halted = shop("check", "--job", "shop", "--run", "1", "--json")
    assert halted.code == 1 and "Review" not in halted.out
    review = f"Review: {SERVER}/ui/halts/{halted.json()['halt']['id']}"
    assert shop("check", "--job", "shop", "--run", "1").out.rstrip().endswith(review)
    in_process = shop("check", "--job", "shop", "--run", "1", environ={"DRIFTGUARD_SERVER": ""})
    assert in_process.code == 1 and "Review:" not in in_process.out


def test_a_decision_through_a_service_is_in_the_name_that_is_given_or_in_none(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    decide = Served.decide

    def told(self: Served, deciding: Any) -> dict[str, Any]:
        names.append(deciding.reviewer.name)
        return decide(self, deciding)

    monkeypatch.setattr(Served, "decide", told)
    shop.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")
    halt = shop("check", "--job", "shop", "--run", "1", "--json").json()["halt"]["id"]
    assert shop("halts", "decide", halt, "keep", "--reason", "x", "--as", "dana").code == 0
    shop("halts", "decide", halt, "stop", "--reason", "x")
    assert names == ["dana", ""]


def test_a_run_inside_ci_gives_back_its_own_lease_through_a_service(shop: Shop) -> None:
    clearance = shop("check", "--job", "shop", "--json", environ=CI).json()["clearance"]
    assert shop("jobs", "release", "shop", "--clearance", clearance, environ=CI).code == 0


# What a service says -> the exit code of the check: nothing of it lets a run go on.
NO_ANSWERS: dict[str, dict[str, Any]] = {
    "no exit code": {"exit_code": None},
    "an exit code that is none": {"exit_code": 7},
    "true for an exit code": {"exit_code": False},
    "a halt with exit code 0": {"exit_code": 0, "verdict": "halt"},
    "no verdict with exit code 0": {"exit_code": 0, "verdict": None},
    "observed by a word": {"exit_code": 0, "verdict": "halt", "observed": "yes"},
}


@pytest.mark.parametrize("said", NO_ANSWERS)
def test_an_answer_that_contradicts_itself_lets_nothing_proceed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    check = Served.check
    monkeypatch.setattr(Served, "check", lambda self, ask: check(self, ask) | NO_ANSWERS[said])
    ran = shop("check", "--job", "shop", "--gate")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("sent", [b'{"a": "\x1b[2J"}\n', '{"a": "\u202e"}\n'.encode(), b"\xff\xfe", b"{\r\n}"])
def test_evidence_that_could_steer_a_terminal_is_not_printed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(Served, "evidence", lambda self, halt, version: sent)
    ran = shop("halts", "show", "h-0123456789ab", "--evidence")
    assert (ran.code, ran.out) == (2, "")
