"""What every target keeps, whichever system is behind it. A new target joins by a row in TARGETS."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from driftguard.adapters.pipelines import PIPELINES
from driftguard.adapters.tickets import TICKETS
from driftguard.errors import Unavailable
from driftguard.flow.moment import to_text
from driftguard.flow.ports import Note, Receipt, Target
from tests.render.told import HALTING, HOSTILE, NOW, decision, evidence, note

WRITERS = 8


def nothing_is_kept(_: Path) -> list[str]:
    """For a target that sends nothing: there is no note to look at."""
    return []


def notes_in_folder(place: Path) -> list[str]:
    return [path.read_text("utf-8") for path in sorted(place.rglob("*")) if path.suffix == ".md" and path.is_file()]


@dataclass(frozen=True)
class TargetUnderTest:
    """How a test makes the target on a place of its own, and reads the notes that stand there."""

    name: str
    make: Callable[[Path], Target]
    notes: Callable[[Path], list[str]]


TARGETS = {
    "file": TargetUnderTest("file", lambda place: TICKETS["file"](place), notes_in_folder),
    "exit-code": TargetUnderTest("exit-code", lambda place: PIPELINES["exit-code"](), nothing_is_kept),
}

STORY = (
    note(),
    note(evidence(HALTING, version=2), event="amended-2", ledger=2),
    note(evidence(HALTING, version=2), event="decided-3", ledger=3, state="overwrite-allowed", decision=decision("overwrite")),
    note(
        evidence(HALTING, version=2), event="resolved", ledger=4, state="resolved", decision=decision("overwrite"),
        closed_at=to_text(NOW), closed_because="the manual change was overwritten, as decided",
    ),
)  # fmt: skip


@pytest.fixture(params=list(TARGETS))
def kind(request: pytest.FixtureRequest) -> TargetUnderTest:
    return TARGETS[request.param]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "place"


def test_every_target_that_can_be_chosen_is_under_contract() -> None:
    assert set(TARGETS) == {*TICKETS, *PIPELINES}


def test_a_target_has_the_name_it_is_chosen_by(kind: TargetUnderTest, place: Path) -> None:
    assert kind.make(place).name == kind.name


def test_a_receipt_says_where_the_note_stands(kind: TargetUnderTest, place: Path) -> None:
    receipt = kind.make(place).deliver(note())
    assert receipt.where and not receipt.amended


def test_the_same_event_twice_leaves_one_note(kind: TargetUnderTest, place: Path) -> None:
    first = kind.make(place).deliver(note())
    once = kind.notes(place)
    second = kind.make(place).deliver(note())
    assert kind.notes(place) == once
    assert first.where == second.where


def test_a_story_told_in_order_leaves_one_note_with_its_end(kind: TargetUnderTest, place: Path) -> None:
    places = {kind.make(place).deliver(event).where for event in STORY}
    assert len(places) == 1
    for text in kind.notes(place):
        assert "State now: `resolved`" in text
        assert "the manual change was overwritten, as decided" in text
        assert "Evidence version 2" in text
    assert len(kind.notes(place)) <= 1


def test_telling_an_event_again_at_any_point_leaves_one_note_with_the_end(kind: TargetUnderTest, place: Path) -> None:
    for upto in range(1, len(STORY) + 1):
        for event in STORY[:upto]:
            with suppress(Unavailable):  # an old state is to be tried again, with the state of then
                kind.make(place).deliver(event)
        assert len(kind.notes(place)) <= 1
    assert all("State now: `resolved`" in text for text in kind.notes(place))


def test_two_halts_of_one_ticket_have_two_notes(kind: TargetUnderTest, place: Path) -> None:
    kind.make(place).deliver(note())
    kind.make(place).deliver(replace(note(), halt="h-ba9876543210"))
    assert len(kind.notes(place)) in (0, 2)


HOSTILE_TICKETS = [
    "", ".", "..", "../../outside", "/etc/x", "a\\b", "CON", "nul.md", "x" * 5000, "a\x00b", "é\ud800", "a\nb", HOSTILE,
    "%2E%2E",
]  # fmt: skip


@pytest.mark.parametrize("ticket", HOSTILE_TICKETS)
def test_a_hostile_ticket_is_told_in_its_place_and_nowhere_else(
    kind: TargetUnderTest, place: Path, ticket: str
) -> None:
    receipt = kind.make(place).deliver(note(ticket=ticket))
    assert "\n" not in receipt.where and "\x00" not in receipt.where
    assert len(kind.notes(place.parent)) == len(kind.notes(place))
    assert [path for path in place.parent.iterdir() if path != place] == []


def test_threads_that_tell_the_same_leave_one_note(kind: TargetUnderTest, place: Path) -> None:
    barrier = threading.Barrier(WRITERS)

    def tell(_: int) -> Receipt:
        barrier.wait()
        return kind.make(place).deliver(note())

    with ThreadPoolExecutor(WRITERS) as pool:
        receipts = list(pool.map(tell, range(WRITERS)))
    assert len({receipt.where for receipt in receipts}) == 1
    kind.make(place / "alone").deliver(note())
    assert kind.notes(place) == 2 * kind.notes(place / "alone")


def tell_in_a_process(name: str, place: Path, told: Note) -> str:
    return TARGETS[name].make(place).deliver(told).where


def test_processes_that_tell_the_same_leave_one_note(kind: TargetUnderTest, place: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        told = [pool.submit(tell_in_a_process, kind.name, place, note()) for _ in range(WRITERS)]
        assert len({one.result() for one in told}) == 1
    assert len(kind.notes(place)) <= 1
    assert all(text.count("# Halt") == 1 for text in kind.notes(place))
