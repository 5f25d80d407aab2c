"""Evidence printed into the log of a build is the same document, and no command to the build's agent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contracts.test_command_line_contract import service_of
from tests.entry.cli_shop import Shop, cli_shop
from tests.world import VNET

COMMANDS = ("##vso[task.setvariable variable=x]1", "##[error]x", "::error::x", "\n::set-output name=x::1")


@contextmanager
def in_process(shop: Shop) -> Iterator[dict[str, str]]:
    yield shop.environ


@pytest.mark.parametrize("where", [in_process, service_of])
def test_printed_evidence_holds_no_agent_command_and_verify_knows_it(
    where: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cli_shop(tmp_path, capsys) as shop:
        environ = shop.environ
        assert shop("record", "--job", "shop", "--resource", VNET).code == 0
        shop.sandbox.patch(VNET, {"tags": {str(n): text for n, text in enumerate(COMMANDS)}}, as_="person-portal")
        halt = shop("check", "--job", "shop", "--run", "1", "--json").json()["halt"]["id"]
        with where(shop) as reached:  # type: ignore[operator]  # reason: one of the two above
            shop.environ = reached
            printed = shop("halts", "show", halt, "--evidence")
        shop.environ = environ
        assert printed.code == 0 and "task.setvariable" in printed.out
        assert "##vso[" not in printed.out and "##[" not in printed.out
        assert not [line for line in printed.out.splitlines() if line.lstrip().startswith("::")]
        assert all(text in json.dumps(json.loads(printed.out)) for text in COMMANDS[:3])
        (tmp_path / "evidence.json").write_text(printed.out)
        verified = shop("verify", str(tmp_path / "evidence.json"), "--store")
        assert verified.code == 0, verified.out
