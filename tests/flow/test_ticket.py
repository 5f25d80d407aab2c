"""The rows of the outbox: one for each halt, target and event, in order, tried again without end."""

from __future__ import annotations

from datetime import timedelta

from driftguard.flow.ticket import outbox_id, outbox_rows, wait_after
from tests.flow.findings import NOON

TARGETS = ["file", "jira", "azure-devops"]
STORY = ["halted", "amended-2", "decided-3", "amended-3", "decided-10", "resolved"]


def test_every_halt_target_sequence_and_event_has_an_id_of_its_own() -> None:
    ids = [
        outbox_id(halt, target, sequence, event)
        for halt in ("h-1", "h-2")
        for target in TARGETS
        for sequence in (1, 2, 11)
        for event in STORY
    ]
    assert len(set(ids)) == len(ids)


def test_the_ids_of_one_halt_and_target_are_in_the_order_of_its_events() -> None:
    for target in TARGETS:
        ids = [outbox_id("h-1", target, number, event) for number, event in enumerate(STORY * 20, start=1)]
        assert ids == sorted(ids)


def test_every_target_gets_one_row_that_is_due_now() -> None:
    rows = outbox_rows("h-1", 2, "amended-2", TARGETS, NOON)
    assert [row["target"] for row in rows.values()] == TARGETS
    assert rows["h-1.jira.0002.amended-2"] == {
        "halt": "h-1",
        "target": "jira",
        "event": "amended-2",
        "sequence": 2,
        "state": "due",
        "attempts": 0,
        "at": "2026-03-01T12:00:00.000000Z",
        "next_at": "2026-03-01T12:00:00.000000Z",
        "where": "",
        "problem": "",
    }
    assert outbox_rows("h-1", 2, "amended-2", TARGETS, NOON) == rows
    assert outbox_rows("h-1", 1, "halted", [], NOON) == {}


def test_a_target_that_fails_is_tried_again_after_1_2_4_and_at_most_60_minutes_without_end() -> None:
    minutes = [wait_after(attempt) / timedelta(minutes=1) for attempt in (1, 2, 3, 4, 5, 6, 7, 8, 100, 100_000)]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
