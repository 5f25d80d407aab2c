"""Calls that take longer: what is kept of them, for whom, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driftguard.errors import Conflict, NotFound
from driftguard.flow.ports import Row
from driftguard.guard import calls
from driftguard.guard.rows import CALL
from tests.scenarios.steps import cleared, story
from tests.world import JOB, World

VIEW: dict[str, Any] = {"check": "c-2", "clearance": None, "verdict": "proceed"}


@pytest.fixture
def telling(tmp_path: Path) -> Iterator[World]:
    with story(tmp_path) as opened:
        opened.first_record()
        yield opened


def begun(telling: World, by: str = "alice") -> calls.Begun:
    return calls.begin(telling.guard, JOB, "check", by)


def look(telling: World, call: calls.Begun, by: str = "alice", **more: Any) -> calls.Call:
    return calls.look(telling.guard, JOB, "check", call.id, by, **more)


def test_a_call_runs_and_ends(telling: World) -> None:
    call = begun(telling)
    assert look(telling, call).state == calls.RUNNING
    calls.finish(telling.guard, call, calls.Outcome(answer=VIEW, summary={"exit_code": 0}))
    assert look(telling, call).answer == VIEW
    assert (look(telling, call).state, look(telling, call).summary) == (calls.DONE, {"exit_code": 0})
    failed = begun(telling)
    calls.finish(telling.guard, failed, calls.Outcome(problem={"type": "x"}))
    assert (look(telling, failed).state, look(telling, failed).problem) == (calls.FAILED, {"type": "x"})


def test_a_call_is_found_by_its_own_verb_and_partition_only(telling: World) -> None:
    call = begun(telling)
    with pytest.raises(NotFound):
        calls.look(telling.guard, JOB, "record", call.id, "alice")
    with pytest.raises(NotFound):
        calls.look(telling.guard, "other", "check", call.id, "alice")
    with pytest.raises(NotFound):
        look(telling, call, "bob", own_only=True)
    assert look(telling, call, "bob").state == calls.RUNNING


def test_silence_of_a_minute_means_lost(telling: World) -> None:
    call = begun(telling)
    telling.advance(seconds=59)
    calls.say_alive(telling.guard, call)
    telling.advance(seconds=59)
    assert look(telling, call).state == calls.RUNNING
    telling.advance(seconds=2)
    assert look(telling, call).state == calls.LOST


def test_a_clearance_is_told_to_the_one_who_asked_while_it_is_the_last_one(telling: World) -> None:
    clearance = cleared(telling.check("run-1"))
    call = begun(telling)
    calls.finish(telling.guard, call, calls.Outcome(answer={**VIEW, "check": clearance, "clearance": clearance}))
    assert look(telling, call).answer == {**VIEW, "check": clearance, "clearance": clearance}
    assert look(telling, call, "bob").answer == {**VIEW, "check": None, "clearance": None}
    assert clearance not in str(telling.guard.store.list(JOB, CALL))
    telling.advance(hours=5)
    assert cleared(telling.check("run-2")) != clearance
    assert look(telling, call).answer == {**VIEW, "check": None, "clearance": None}


def test_a_large_answer_lies_in_a_blob_and_goes_with_its_row(telling: World) -> None:
    call = begun(telling)
    large = {**VIEW, "findings": ["x" * 1000] * 2000}
    calls.finish(telling.guard, call, calls.Outcome(answer=large))
    assert len(str(telling.guard.store.list(JOB, CALL))) < 2000
    assert look(telling, call).answer == large
    assert len(telling.guard.store.blobs(f"{JOB}/call/")) == 1
    telling.advance(hours=25)
    begun(telling)
    assert telling.guard.store.blobs(f"{JOB}/call/") == []
    with pytest.raises(NotFound):
        look(telling, call)


def test_an_answer_that_the_store_lost_is_asked_for_again(telling: World) -> None:
    call = begun(telling)
    calls.finish(telling.guard, call, calls.Outcome(answer={**VIEW, "findings": ["x" * 1000] * 2000}))
    telling.guard.store.forget(telling.guard.store.blobs(f"{JOB}/call/"))
    assert look(telling, call).state == calls.LOST


def test_only_so_many_old_ones_are_removed_at_once_and_no_young_one(telling: World) -> None:
    for _ in range(50):
        begun(telling)
    telling.advance(hours=25)
    young = begun(telling)
    assert len(telling.guard.store.list(JOB, CALL)) == 11
    begun(telling)
    assert len(telling.guard.store.list(JOB, CALL)) == 2
    assert look(telling, young).state == calls.RUNNING


def test_a_call_that_begins_looks_at_two_pages_at_most(telling: World) -> None:
    store, asked = telling.guard.store, list[int]()
    for _ in range(250):
        begun(telling)

    class Counts:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def list(self, partition: str, kind: str, **more: Any) -> list[Row]:
            asked.append(more["limit"])
            return store.list(partition, kind, **more)

    names = iter(["", "0001", "z"])
    telling.guard = replace(telling.guard, store=Counts(), new_id=lambda: next(names))
    for _ in range(3):
        asked.clear()
        begun(telling)
        assert asked == [100, 100]


def test_old_calls_behind_many_young_ones_are_removed_by_a_call_that_looks_there(telling: World) -> None:
    def named(*names: str) -> list[calls.Begun]:
        ids = iter(names)
        guard = replace(telling.guard, new_id=lambda: next(ids))
        return [calls.begin(guard, JOB, "check", "alice") for _ in names]

    young = named(*(f"a{number:03d}" for number in range(100)))
    old = named(*(f"m{number:03d}" for number in range(5)))
    telling.advance(hours=25)
    for call in young:
        calls.say_alive(telling.guard, call)
    named("z")
    assert [look(telling, call).state for call in old] == [calls.LOST] * 5
    named("c")
    left = {row.id for row in telling.guard.store.list(JOB, CALL, limit=1000)}
    assert left == {call.id for call in young} | {"call-z", "call-c"}


def change_rules(telling: World) -> None:
    policy = replace(telling.guard.policy(), digest="another")
    telling.guard = replace(telling.guard, policy=lambda: policy)


def test_what_was_sealed_under_other_rules_is_told_to_nobody_and_the_call_is_lost_for_a_day(telling: World) -> None:
    small, large = begun(telling), begun(telling)
    calls.finish(telling.guard, small, calls.Outcome(answer={**VIEW, "why": "Quiet-Otter"}))
    calls.finish(telling.guard, large, calls.Outcome(answer={**VIEW, "findings": ["Quiet-Otter" * 100] * 2000}))
    change_rules(telling)
    for call in (small, large, small):
        assert look(telling, call) == calls.Call(call.id, calls.LOST, call.body["started_at"])
    assert "Quiet-Otter" not in str(telling.guard.store.list(JOB, CALL))
    assert telling.guard.store.blobs(f"{JOB}/call/") == []
    telling.advance(hours=25)
    begun(telling)
    with pytest.raises(NotFound):
        look(telling, small)


def test_an_answer_made_under_rules_that_are_no_longer_those_of_today_is_not_written_down(telling: World) -> None:
    call = begun(telling)
    change_rules(telling)
    calls.finish(telling.guard, call, calls.Outcome(answer={**VIEW, "why": "Quiet-Otter"}))
    assert look(telling, call).state == calls.LOST
    assert "Quiet-Otter" not in str(telling.guard.store.list(JOB, CALL))


@pytest.mark.parametrize("change", ["before it ended", "afterwards"])
def test_a_record_that_was_written_says_so_also_where_its_answer_is_lost(telling: World, change: str) -> None:
    call = calls.begin(telling.guard, JOB, "record", "alice")
    if change == "before it ended":
        change_rules(telling)
    told = {"generation": 2, "proposal": None, "exit_code": 0, "halt": "h-1"}
    calls.finish(telling.guard, call, calls.Outcome(answer={"record": "r-1"}, summary=told))
    change_rules(telling)
    for _ in range(2):
        found = calls.look(telling.guard, JOB, "record", call.id, "alice")
        assert (found.state, found.answer) == (calls.LOST, None)
        assert found.summary == {"generation": 2, "proposal": None, "exit_code": 0}


def test_a_call_has_the_time_at_which_it_was_submitted(telling: World) -> None:
    call = calls.begin(telling.guard, JOB, "check", "alice", "2026-03-01T02:14:07.000000Z")
    assert look(telling, call).started_at == "2026-03-01T02:14:07.000000Z"
    assert look(telling, call).state == calls.RUNNING


def test_sealing_a_job_again_removes_every_answer_of_before_and_leaves_what_still_works(telling: World) -> None:
    for number in range(45):
        call = begun(telling, f"caller-{number}")
        calls.finish(telling.guard, call, calls.Outcome(answer=VIEW))
    working = begun(telling)
    change_rules(telling)
    cleared(telling.check())
    rows = {row.id: row.body for row in telling.guard.store.list(JOB, CALL)}
    assert len(rows) == 46 and rows[working.id]["state"] == calls.RUNNING
    del rows[working.id]
    assert all(body["state"] == calls.LOST and "told" not in body for body in rows.values())


def test_a_call_that_was_removed_is_not_written_again(telling: World) -> None:
    call = begun(telling)
    telling.advance(hours=25)
    begun(telling)
    with pytest.raises(Conflict):
        calls.finish(telling.guard, call, calls.Outcome(answer=VIEW))
