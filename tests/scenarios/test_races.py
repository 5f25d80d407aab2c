"""Processes that begin at the same moment on the same job: they agree on one halt, one lease, one decision, one note."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftguard.adapters.stores.sqlite import open_sqlite
from driftguard.flow.halt import State
from driftguard.guard.rows import HALT
from driftguard.sandbox import Sandbox, default_estate
from tests.scenarios.other_processes import Processes, left_in, notes, processes
from tests.scenarios.steps import NAT, ROBS_DNS
from tests.world import JOB, NETWORK, VNET

ESTATE = [(one, body) for one, body in default_estate() if one in (NETWORK, VNET, NAT)]
MANY = 20


@pytest.fixture
def others(tmp_path: Path) -> Iterator[Processes]:
    with Sandbox(ESTATE) as sandbox, processes(sandbox) as made:
        first = made.call(tmp_path, verb="record", job=JOB, run=None, clearance=None, resources=[VNET, NAT])
        assert first["exit"] == 0
        made.advance(60)
        yield made


def _change_by_hand(others: Processes) -> None:
    others.sandbox.patch(VNET, {"properties": {"dhcpOptions": {"dnsServers": [ROBS_DNS]}}}, as_="person-portal")
    others.advance(60)


def test_many_checks_at_once_open_one_halt(others: Processes, tmp_path: Path) -> None:
    _change_by_hand(others)
    calls = [{"verb": "check", "job": JOB, "run": f"run-{number}"} for number in range(MANY)]
    answers = others.at_once(tmp_path, *calls)
    assert Counter(one["exit"] for one in answers) == {1: MANY}, answers
    left = left_in(tmp_path)
    [halt] = left.halts
    assert {one["said"]["halt"] for one in answers} == {halt.id}
    assert (halt.state, halt.evidence) == (State.OPEN, 1)
    others.call(tmp_path, verb="deliver")
    assert [note.stem for note in notes(tmp_path)] == [halt.id]


def test_of_many_clearances_at_once_exactly_one_is_given(others: Processes, tmp_path: Path) -> None:
    calls = [{"verb": "check", "job": JOB, "run": f"run-{number}"} for number in range(MANY)]
    answers = others.at_once(tmp_path, *calls)
    assert Counter(one["exit"] for one in answers) == {0: 1, 4: MANY - 1}, answers
    lease = left_in(tmp_path).job.lease
    assert [one["said"]["clearance"] for one in answers if one["exit"] == 0] == [lease and lease.clearance]


def test_one_run_that_asks_many_times_at_once_gets_one_clearance(others: Processes, tmp_path: Path) -> None:
    answers = others.at_once(tmp_path, *[{"verb": "check", "job": JOB, "run": "run-1"}] * MANY)
    assert {one["exit"] for one in answers} == {0}
    assert len({one["said"]["clearance"] for one in answers}) == 1


def test_of_many_decisions_on_one_state_exactly_one_is_taken(others: Processes, tmp_path: Path) -> None:
    _change_by_hand(others)
    others.call(tmp_path, verb="check", job=JOB, run="run-1")
    [halt] = left_in(tmp_path).halts
    store = open_sqlite(tmp_path / "store.db", create=False)
    row = store.get(JOB, HALT, halt.id)
    store.close()
    assert row is not None
    words = ("overwrite", "keep", "stop", "overwrite", "keep", "stop", "overwrite", "keep")
    calls = [
        {"verb": "decide", "halt": halt.id, "by": f"reviewer-{number}", "decision": word, "if_match": row.version}
        for number, word in enumerate(words)
    ]
    answers = others.at_once(tmp_path, *calls)
    assert Counter(one["exit"] for one in answers) == {0: 1, 3: len(words) - 1}, answers
    [winner] = [number for number, one in enumerate(answers) if one["exit"] == 0]
    [decided] = left_in(tmp_path).halts
    assert decided.decision is not None
    assert (decided.decision["by"], decided.decision["decision"]) == (f"reviewer-{winner}", words[winner])


def test_of_many_records_under_one_clearance_one_swaps_the_baseline(others: Processes, tmp_path: Path) -> None:
    clearance = others.call(tmp_path, verb="check", job=JOB, run="run-1")["said"]["clearance"]
    others.sandbox.patch(NAT, {"properties": {"idleTimeoutInMinutes": 7}})
    others.advance(60)
    call = {"verb": "record", "job": JOB, "run": "run-1", "clearance": clearance, "resources": [VNET, NAT]}
    answers = others.at_once(tmp_path, *[call] * 8)
    assert {one["exit"] for one in answers} == {0}, answers
    assert {one["said"]["proposal"] for one in answers} == {None}
    left = left_in(tmp_path)
    assert (left.job.generation, left.recorded[NAT.lower()]["properties"]["idleTimeoutInMinutes"]) == (2, 7)


def test_many_deliveries_at_once_leave_one_note(others: Processes, tmp_path: Path) -> None:
    _change_by_hand(others)
    (tmp_path / "tickets").write_text("a file where the folder should be")
    others.call(tmp_path, verb="check", job=JOB, run="run-1")
    [halt] = left_in(tmp_path).halts
    assert {one["state"] for one in left_in(tmp_path).outbox if one["target"] == "file"} == {"due"}
    (tmp_path / "tickets").unlink()
    assert {one["exit"] for one in others.at_once(tmp_path, *[{"verb": "deliver"}] * 8)} == {0}
    assert {one["state"] for one in left_in(tmp_path).outbox} == {"delivered"}
    assert [note.stem for note in notes(tmp_path)] == [halt.id]


def test_checks_records_and_decisions_at_once_leave_everything_whole(others: Processes, tmp_path: Path) -> None:
    clearance = others.call(tmp_path, verb="check", job=JOB, run="run-1")["said"]["clearance"]
    _change_by_hand(others)
    record = {"verb": "record", "job": JOB, "run": "run-1", "clearance": clearance, "resources": [VNET, NAT]}
    checks = [{"verb": "check", "job": JOB, "run": f"run-{number}"} for number in range(2, 10)]
    answers = others.at_once(tmp_path, *checks[:4], record, *checks[4:], {"verb": "deliver"})
    assert answers[4]["exit"] == 1  # somebody else wrote between clearance and record
    assert {one["exit"] for one in answers[:4] + answers[5:-1]} <= {1, 4}
    left = left_in(tmp_path)
    assert [halt.state for halt in left.halts] == [State.OPEN]
    others.call(tmp_path, verb="deliver")
    assert [note.stem for note in notes(tmp_path)] == [left.halts[0].id]
