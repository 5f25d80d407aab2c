"""What is left after bodies were sealed again: notes that wait, blobs to be removed, evidence, and lines to be told."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driftguard.errors import Busy, Unavailable
from driftguard.flow.halt import Decision, State
from driftguard.flow.ports import Note, Receipt
from driftguard.guard import doctor, halting, reseal_rest
from driftguard.guard.record import Naming
from driftguard.guard.verify import verify_in_store, verify_store
from tests.scenarios.steps import cleared, decided, halted, job_row, ledger, stored_halt, story
from tests.scenarios.test_redact_later import FIRST, PLAIN, REDACTING, SECOND, gated, note, recorded_bodies
from tests.scenarios.traces import traces
from tests.world import JOB, VNET, World


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with story(tmp_path) as telling:
        telling.with_policy(PLAIN)
        note(telling, FIRST)
        telling.first_record(VNET)
        note(telling, SECOND)
        yield telling


class IsDown:
    """A target that can be down."""

    def __init__(self, target: Any) -> None:
        self._target, self.down, self.name, self.claim = target, True, target.name, target.claim

    def deliver(self, note_: Note) -> Receipt:
        if self.down:
            raise Unavailable("it is down", "wait")
        return self._target.deliver(note_)  # type: ignore[no-any-return]  # reason: any target


def test_a_note_of_a_closed_halt_that_waits_is_told_without_the_value(shop: World) -> None:
    target = IsDown(shop.guard.targets["file"])
    shop.guard = replace(shop.guard, targets={**shop.guard.targets, "file": target})
    halt = halted(shop.check("run-1"))
    decided(shop, halt, Decision.STOP)
    assert stored_halt(shop, halt).state is State.STOPPED and shop.notes() == []
    note(shop, FIRST, as_="pipeline")
    target.down = False
    shop.with_policy(REDACTING)
    shop.advance(hours=1)
    gated(shop)
    assert shop.notes()
    assert not [place for place in traces(shop.folder, SECOND) if "tickets" in place]
    now = stored_halt(shop, halt)
    assert (now.state, now.evidence, now.digest) == (State.STOPPED, 2, halt.digest)
    assert job_row(shop).holding == [f"{halt.id} 1"]
    assert verify_in_store(shop.guard, json.loads(halting.load_evidence(shop.guard, now))).faults == ()
    assert verify_store(shop.guard).faults == ()


def test_a_closed_halt_that_was_told_keeps_the_evidence_that_was_told(shop: World) -> None:
    halt = halted(shop.check("run-1"))
    decided(shop, halt, Decision.STOP)
    note(shop, FIRST, as_="pipeline")
    shop.with_policy(REDACTING)
    gated(shop)
    assert stored_halt(shop, halt).evidence == 1


def test_what_was_done_is_told_also_where_the_verb_is_refused(shop: World) -> None:
    halt = halted(shop.check("run-1"))
    decided(shop, halt, Decision.OVERWRITE)
    clearance = cleared(shop.check("run-2"))
    shop.with_policy(REDACTING)
    with pytest.raises(Busy) as refused:
        shop.check("run-3")
    assert "is updating" in refused.value.message and refused.value.remedy.startswith("ask again")
    assert "1 recorded bodies were sealed again" in refused.value.message
    assert f"evidence of {halt.id} version 1" in refused.value.message
    with pytest.raises(Busy) as again:
        shop.check("run-3")
    assert "sealed again" not in again.value.message
    note(shop, FIRST, as_="pipeline")
    assert shop.record("run-2", clearance=clearance, naming=Naming(resources=(VNET,))).exit_code == 0


def lost_packs(shop: World, number: int, text: str) -> None:
    """Packs that hold this text and that nobody names: what killed processes left behind."""
    body = {"id": VNET, "tags": {"note": text}}
    data = gzip.compress(json.dumps(body).encode() + b"\n")
    with closing(sqlite3.connect(shop.folder / "store.db")) as hand, hand:
        rows = [(f"{JOB}/pack/lost-{one:06}", data) for one in range(number)]
        hand.executemany("insert into blobs (key, data) values (?, ?)", rows)


def test_more_blobs_than_a_row_may_name_are_removed_in_portions(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reseal_rest, "MOST_FORGOTTEN", 10)
    note(shop, FIRST)
    lost_packs(shop, 64, FIRST)
    shop.with_policy(REDACTING)
    assert gated(shop).exit_code == 0
    assert job_row(shop).forget == [] and traces(shop.folder, FIRST) == []
    assert 7 <= ledger(shop).count("sealed again") <= 8


def test_what_cannot_be_removed_yet_fills_the_row_and_no_more(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reseal_rest, "MOST_FORGOTTEN", 10)
    note(shop, FIRST)
    lost_packs(shop, 64, FIRST)
    store = shop.guard.store

    class StillRead:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def forget(self, keys: Any) -> bool:
            return False

    shop.with_policy(REDACTING)
    guard = shop.guard
    shop.guard = replace(guard, store=StillRead())
    for _ in range(2):
        assert gated(shop).exit_code == 0
        assert len(job_row(shop).forget) == 10
        assert job_row(shop).sealed == "", "there is more to do"
    assert "secret:" in str(stored_body(shop)), "what is recorded was sealed all the same"
    shop.guard = guard
    assert gated(shop).exit_code == 0
    assert job_row(shop).forget == [] and traces(shop.folder, FIRST) == []


def stored_body(shop: World) -> Any:
    return recorded_bodies(shop)[VNET.lower()]["tags"]["note"]


def test_evidence_is_named_up_to_a_number_and_the_rest_is_counted(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reseal_rest, "_MOST_HOLDING", 2)
    for number in range(4):
        note(shop, f"Many-Wren-{number}")
        halted(shop.check(f"run-{number}"))
    shop.with_policy(REDACTING)
    told = [line for line in halted_told(shop) if "evidence" in line]
    assert len(told) == 4
    row = job_row(shop)
    assert (len(row.holding), row.holding_more) == (2, 2)
    symptom = next(one for one in doctor.examine(shop.guard) if one.name == "secrets")
    assert "and 3 more" in symptom.told


def halted_told(shop: World) -> tuple[str, ...]:
    answer = shop.check("run-9")
    halted(answer)
    return answer.told
