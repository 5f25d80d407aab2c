"""Rewriting a job's ledger shows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.flow.ledger import GENESIS, LedgerEntry, first_fault, next_entry

plain = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
data = st.dictionaries(st.text(max_size=5), plain | st.lists(plain, max_size=3), max_size=3)
told = st.lists(st.tuples(st.sampled_from(["halted", "decided", "recorded"]), data), min_size=1, max_size=6)


def chain(entries: list[tuple[str, dict[str, Any]]]) -> list[LedgerEntry]:
    written: list[LedgerEntry] = []
    for event, more in entries:
        previous = written[-1].hash if written else GENESIS
        written.append(next_entry(len(written) + 1, previous, "2026-03-01T12:00:00.000000Z", event, more))
    return written


def fault(entries: list[LedgerEntry], head: LedgerEntry) -> str:
    return first_fault(entries, head.number, head.hash)


@given(told)
def test_a_ledger_as_it_was_written_is_whole(entries: list[tuple[str, dict[str, Any]]]) -> None:
    written = chain(entries)
    stored = [LedgerEntry.from_dict(json.loads(json.dumps(entry.to_dict()))) for entry in written]
    assert stored == written
    assert fault(stored, written[-1]) == ""


def test_an_empty_ledger_is_whole_at_its_beginning_only() -> None:
    assert first_fault([], 0, GENESIS) == ""
    assert first_fault([], 1, "x") != ""
    assert first_fault(chain([("a", {})]), 0, GENESIS) != ""


EDITS: dict[str, Any] = {
    "number": st.integers(),
    "at": st.text(max_size=30),
    "event": st.text(max_size=8),
    "data": data,
    "previous": st.text(max_size=64),
    "hash": st.text(max_size=64),
}


@given(told, st.data(), st.sampled_from(sorted(EDITS)))
def test_any_edit_shows(entries: list[tuple[str, dict[str, Any]]], draw: st.DataObject, member: str) -> None:
    written = chain(entries)
    place = draw.draw(st.integers(0, len(written) - 1))
    before = getattr(written[place], member)
    other = draw.draw(EDITS[member].filter(lambda value: json.dumps(value) != json.dumps(before)))
    edited = [*written]
    edited[place] = replace(written[place], **{member: other})
    same = json.dumps(edited[place].to_dict(), sort_keys=True) == json.dumps(written[place].to_dict(), sort_keys=True)
    assert same or fault(edited, written[-1])


@given(told, st.data())
def test_an_edit_that_is_hashed_again_shows_in_the_next_entry_or_the_head(
    entries: list[tuple[str, dict[str, Any]]], draw: st.DataObject
) -> None:
    written = chain(entries)
    place = draw.draw(st.integers(0, len(written) - 1))
    old = written[place]
    forged = next_entry(old.number, old.previous, old.at, old.event + "!", old.data)
    assert fault([*written[:place], forged, *written[place + 1 :]], written[-1])


@given(told, st.data())
def test_a_removed_doubled_or_appended_entry_shows(
    entries: list[tuple[str, dict[str, Any]]], draw: st.DataObject
) -> None:
    written = chain(entries)
    place = draw.draw(st.integers(0, len(written) - 1))
    assert fault([*written[:place], *written[place + 1 :]], written[-1])
    assert fault([*written[: place + 1], *written[place:]], written[-1])
    after = next_entry(len(written) + 1, written[-1].hash, "later", "decided", {})
    assert fault([*written, after], written[-1])


@given(told, st.randoms())
def test_another_order_shows(entries: list[tuple[str, dict[str, Any]]], random: Any) -> None:
    written = chain(entries)
    shuffled = list(written)
    random.shuffle(shuffled)
    assert bool(fault(shuffled, written[-1])) is (shuffled != written)


@given(told, st.data())
def test_a_ledger_cut_short_shows_against_the_jobs_row(
    entries: list[tuple[str, dict[str, Any]]], draw: st.DataObject
) -> None:
    written = chain(entries)
    left = draw.draw(st.integers(0, len(written) - 1))
    assert "the job's row says" in fault(written[:left], written[-1])


def test_a_wholly_forged_ledger_shows_against_the_head_that_a_note_carries() -> None:
    written, forged = chain([("halted", {"run": "1"})]), chain([("halted", {"run": "2"})])
    assert fault(forged, forged[-1]) == ""
    assert fault(forged, written[-1])


@pytest.mark.parametrize("member", ["number", "at", "event", "data", "previous", "hash"])
def test_a_member_that_was_taken_out_or_replaced_is_a_fault_and_no_crash(member: str) -> None:
    [written] = chain([("halted", {"run": "1"})])
    stored = written.to_dict()
    taken_out = {key: value for key, value in stored.items() if key != member}
    for edited in (taken_out, {**stored, member: None}, {**stored, member: [1]}):
        assert fault([LedgerEntry.from_dict(edited)], written)


def test_the_order_of_the_members_of_data_does_not_matter() -> None:
    one, other = chain([("e", {"a": 1, "b": 2})]), chain([("e", {"b": 2, "a": 1})])
    assert one[0].hash == other[0].hash
