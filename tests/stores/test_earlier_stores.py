"""Stores that earlier versions wrote open with today's code, and everything in them goes on.

Each `<name>.sql` is the dump of a store in which one halt was decided on and one is open, and `<name>.json` beside it has
its key file, the open halt and the resources as they were: {"key_file", "halt", "estate": [[id, body], …], "now"}.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from driftguard.flow.halt import Decision
from driftguard.guard.doctor import examine
from driftguard.guard.review import list_halts
from driftguard.guard.verify import verify_store
from driftguard.sandbox import Sandbox
from tests.scenarios.steps import BOTH, NAT, SHOP_DNS, cleared, decided, deploy, halted, job_row, ledger, over
from tests.world import JOB, VNET, World

STORES = sorted(Path(__file__).parent.glob("*.json"))


def restored(written: Path, folder: Path) -> dict[str, Any]:
    """Put the store and its key file into the folder; what else is known of it."""
    known: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
    with closing(sqlite3.connect(folder / "store.db")) as connection:
        connection.executescript(written.with_suffix(".sql").read_text(encoding="utf-8"))
    key_file = folder / "store.db.key"
    key_file.touch(mode=0o600)
    key_file.write_text(json.dumps(known["key_file"]), encoding="utf-8")
    return known


@pytest.fixture(params=STORES, ids=lambda path: path.stem)
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[World, str]]:
    """Today's guard on an earlier store, and the halt that is open in it."""
    known = restored(request.param, tmp_path)
    now = datetime.fromisoformat(known["now"])
    sandbox = Sandbox([(one, body) for one, body in known["estate"]], now=lambda: now)
    with over(sandbox, tmp_path, 0.0) as telling:
        telling.advance(minutes=30)
        yield telling, known["halt"]


def test_there_is_a_store_of_every_earlier_form() -> None:
    assert len(STORES) >= 4


def test_it_opens_and_is_whole(earlier: tuple[World, str]) -> None:
    telling, halt = earlier
    assert verify_store(telling.guard).exit_code == 0
    assert [symptom for symptom in examine(telling.guard) if not symptom.ok] == []
    assert [one.id for one in list_halts(telling.guard)] == [halt]
    assert len(list_halts(telling.guard, all_states=True)) == 2


def test_a_check_finds_the_same_halt_and_its_decision_is_carried_out(earlier: tuple[World, str]) -> None:
    telling, open_halt = earlier
    halt = halted(telling.check("run-5"))
    assert halt.id == open_halt
    assert len(list_halts(telling.guard, all_states=True)) == 2
    decided(telling, halt, Decision.OVERWRITE)
    clearance = cleared(telling.check("run-6"))
    deploy(telling, VNET, dhcpOptions={"dnsServers": [SHOP_DNS]})
    assert telling.record("run-6", naming=BOTH, clearance=clearance).exit_code == 0
    assert job_row(telling).generation == 4 and list_halts(telling.guard) == []
    cleared(telling.check("run-7"))
    assert ledger(telling, JOB)[-2:] == ["resolved", "cleared"]
    assert verify_store(telling.guard).exit_code == 0


def test_a_secret_in_it_is_compared_with_its_own_key(earlier: tuple[World, str]) -> None:
    telling, open_halt = earlier
    telling.sandbox.patch(NAT, {"properties": {"sharedKey": "another-one"}}, as_="person-portal")
    telling.advance(minutes=1)
    halt = halted(telling.check("run-5"))
    assert halt.id != open_halt
    assert "another-one" not in json.dumps(halt.to_body()) and "sharedKey" in json.dumps(halt.summary)
