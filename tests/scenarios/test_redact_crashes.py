"""Bodies are sealed again by a process that is killed before any one of its writes, and by many processes at once."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from driftguard.flow.halt import State
from driftguard.sandbox import Sandbox, default_estate
from tests.scenarios.other_processes import Processes, left_in, notes, processes
from tests.scenarios.steps import NAT
from tests.scenarios.traces import traces
from tests.scenarios.worker import KILLED
from tests.world import JOB, NETWORK, VNET

ESTATE = [(one, body) for one, body in default_estate() if one in (NETWORK, VNET, NAT)]
FIRST, SECOND, THIRD = "Quiet-Otter-4711", "Loud-Heron-0815", "Slow-Mole-2342"
REDACTING = """version: 1
defaults: {stability_gap: 0s}
rules:
  - name: the note is a secret
    match: {type: "Microsoft.Network/*"}
    redact: [tags.note]
"""
MANY = 8


@dataclass
class Shop:
    """A prepared store with an open halt, one that was closed, and the processes that work on copies of it."""

    others: Processes
    prepared: Path
    policy: str

    def note(self, text: str, as_: str = "person-portal") -> None:
        self.others.sandbox.patch(VNET, {"tags": {"note": text}}, as_=as_)
        self.others.advance(60)

    def call(self, folder: Path, **call: Any) -> dict[str, Any]:
        return self.others.call(folder, job=JOB, **call)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    (tmp_path / "policy.yaml").write_text(REDACTING)
    with Sandbox(ESTATE) as sandbox, processes(sandbox) as others:
        made = Shop(others, tmp_path / "prepared", str(tmp_path / "policy.yaml"))
        made.prepared.mkdir()
        made.note(FIRST)
        call = {"verb": "record", "run": None, "clearance": None, "resources": [VNET, NAT]}
        assert made.call(made.prepared, **call)["exit"] == 0
        for text in (SECOND, THIRD):
            made.note(text)
            assert made.call(made.prepared, verb="check", run="run-1")["exit"] == 1
        yield made


def _require_sealed(folder: Path, halt: str) -> None:
    """Everything is whole; the values stand in evidence that was written before, and in the closed halt's note only."""
    left = left_in(folder)
    assert (left.job.generation, left.job.forget) == (1, [])
    assert [one.state for one in left.halts if not one.final] == [State.OPEN]
    assert left.job.open_halt == halt
    assert left.recorded[VNET.lower()]["tags"]["note"].startswith("secret:")
    for text in (FIRST, SECOND, THIRD):
        for place in traces(folder, text):
            assert "evidence" in place or "tickets" in place or place == "file store.db", place
    [note] = [note.read_text() for note in notes(folder) if note.stem == halt]
    assert not [text for text in (FIRST, SECOND, THIRD) if text in note]


def test_wherever_it_is_killed_the_next_check_completes_it(shop: Shop, tmp_path: Path) -> None:
    halt = str(left_in(shop.prepared).job.open_halt)
    place = 0
    while True:
        folder = tmp_path / f"killed-before-{place}"
        shutil.copytree(shop.prepared, folder)
        ended = shop.call(folder, verb="check", run="run-2", policy=shop.policy, kill_before=place)
        if ended["exit"] != KILLED:
            break
        assert left_in(folder).recorded[VNET.lower()]["tags"]["note"]
        again = shop.call(folder, verb="check", run="run-3", policy=shop.policy)
        assert (again["exit"], again["said"]["halt"]) == (1, halt), again
        _require_sealed(folder, halt)
        place += 1
    assert place >= 8, "too few places between two writes to show anything"
    assert ended["exit"] == 1
    _require_sealed(folder, halt)


def test_many_at_once_seal_it_once(shop: Shop) -> None:
    halt = str(left_in(shop.prepared).job.open_halt)
    calls = [
        {"verb": "check", "job": JOB, "run": f"run-{number}", "policy": shop.policy, "gate": True}
        for number in range(MANY)
    ]
    answers = shop.others.at_once(shop.prepared, *calls)
    assert Counter((one["exit"], one["said"]["halt"]) for one in answers) == {(1, halt): MANY}, answers
    assert shop.call(shop.prepared, verb="check", run="run-9", policy=shop.policy)["exit"] == 1
    assert [one.evidence for one in left_in(shop.prepared).halts if one.id == halt] == [2]
    _require_sealed(shop.prepared, halt)


def test_a_record_and_a_check_at_once_leave_the_new_set_sealed(shop: Shop, tmp_path: Path) -> None:
    shop.note(FIRST)
    clearance = shop.call(shop.prepared, verb="check", run="run-2")["said"]["clearance"]
    shop.note(SECOND, as_="pipeline")
    record = {"verb": "record", "job": JOB, "run": "run-2", "clearance": clearance, "resources": [VNET, NAT]}
    look = {"verb": "check", "job": JOB, "run": "run-3", "gate": True}
    answers = shop.others.at_once(
        shop.prepared, *({**call, "policy": shop.policy} for call in (record, look, look, look))
    )
    assert answers[0]["exit"] == 0, answers
    assert {one["exit"] for one in answers[1:]} <= {0, 4}, answers
    assert shop.call(shop.prepared, verb="check", run="run-4", policy=shop.policy)["exit"] == 0
    left = left_in(shop.prepared)
    assert (left.job.generation, left.job.forget) == (2, [])
    for text in (FIRST, SECOND):
        assert all(
            "evidence" in place or place == "file store.db"
            for place in traces(shop.prepared, text)
            if "tickets" not in place
        )
