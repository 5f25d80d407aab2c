from __future__ import annotations

import json
import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from driftguard.adapters.tickets.file import FileTickets
from driftguard.errors import Unavailable
from driftguard.flow.moment import to_text
from driftguard.flow.ports import Note
from tests.render.told import HALT, HALTING, NOW, decision, evidence, note

TICKET = "CHG0030001"


def test_a_note_and_the_exact_evidence_lie_in_the_tickets_folder(tmp_path: Path) -> None:
    told = note()
    receipt = FileTickets(tmp_path).deliver(told)
    folder = tmp_path / TICKET
    assert receipt.where == str(folder / f"{HALT}.md") and not receipt.amended
    assert sorted(path.name for path in folder.iterdir()) == [f"{HALT}.evidence-1.json", f"{HALT}.md"]
    assert (folder / f"{HALT}.evidence-1.json").read_bytes() == told.evidence
    text = (folder / f"{HALT}.md").read_text("utf-8")
    assert f"`{HALT}.evidence-1.json`" in text and "was stopped" in text


def test_a_halt_without_a_ticket_has_a_place_too(tmp_path: Path) -> None:
    assert FileTickets(tmp_path).deliver(note(ticket=None)).where == str(tmp_path / "no-ticket" / f"{HALT}.md")


def test_a_later_version_of_the_evidence_lies_beside_the_earlier_one(tmp_path: Path) -> None:
    first, second = note(), note(evidence(HALTING, version=2), event="amended-2", ledger=2)
    target = FileTickets(tmp_path)
    target.deliver(first)
    assert target.deliver(second).amended
    assert (tmp_path / TICKET / f"{HALT}.evidence-1.json").read_bytes() == first.evidence
    assert (tmp_path / TICKET / f"{HALT}.evidence-2.json").read_bytes() == second.evidence
    assert "Evidence version 2" in (tmp_path / TICKET / f"{HALT}.md").read_text("utf-8")


def test_a_process_that_was_held_up_does_not_put_an_older_state_back(tmp_path: Path) -> None:
    target = FileTickets(tmp_path)
    target.deliver(note(ledger=12, state="kept", decision=decision(), event="decided-2"))
    with pytest.raises(Unavailable, match="later state") as caught:
        target.deliver(note(ledger=9))
    assert "driftguard deliver" in caught.value.remedy
    assert "State now: `kept`" in (tmp_path / TICKET / f"{HALT}.md").read_text("utf-8")


def test_a_note_that_says_what_the_later_one_says_is_told_already(tmp_path: Path) -> None:
    target = FileTickets(tmp_path)
    target.deliver(note(ledger=12))
    before = (tmp_path / TICKET / f"{HALT}.md").read_bytes()
    assert target.deliver(note(ledger=9)).amended
    assert (tmp_path / TICKET / f"{HALT}.md").read_bytes() == before


LATER = to_text(NOW + timedelta(minutes=3))


def of_another_store(version: int = 1, **more: Any) -> Note:
    """A note of a halt with the same name, which another store opened a little later."""
    about = {"id": HALT, "digest": "d" * 64, "attempt": 1, "opened_at": LATER, "cause": "drift", "earlier": None}
    return note(evidence(HALTING, version=version, halt=about), opened_at=LATER, **more)


def test_two_stores_with_a_halt_of_one_name_both_have_their_note_and_their_evidence(tmp_path: Path) -> None:
    target = FileTickets(tmp_path)
    first, second = note(ledger=7), of_another_store(ledger=2)
    places = [Path(target.deliver(told).where) for told in (first, second, first, second)]
    assert places[:2] == places[2:] and len(set(places)) == 2
    assert places[0].name == f"{HALT}.md" and places[1].stem.startswith(f"{HALT}-")
    for place, told in zip(places, (first, second), strict=False):
        kept = place.with_name(f"{place.stem}.evidence-1.json")
        assert kept.read_bytes() == told.evidence and f"`{kept.name}`" in place.read_text("utf-8")


def test_what_another_stores_halt_becomes_stays_in_its_own_note(tmp_path: Path) -> None:
    target = FileTickets(tmp_path)
    target.deliver(note(ledger=7))
    started = target.deliver(of_another_store(ledger=2)).where
    amended = target.deliver(of_another_store(version=2, event="amended-2", ledger=3))
    resolved = target.deliver(of_another_store(version=2, event="resolved", state="resolved", ledger=4))
    assert amended.where == resolved.where == started and resolved.amended
    assert "State now: `resolved`" in Path(started).read_text("utf-8")
    assert "State now: `open`" in (tmp_path / TICKET / f"{HALT}.md").read_text("utf-8")
    assert not (tmp_path / TICKET / f"{HALT}.evidence-2.json").exists()


def test_another_stores_evidence_whose_note_is_not_written_yet_is_left_alone(tmp_path: Path) -> None:
    target = FileTickets(tmp_path)
    place = Path(target.deliver(note()).where)
    place.unlink()
    assert target.deliver(of_another_store()).where != str(place)
    assert place.with_name(f"{HALT}.evidence-1.json").read_bytes() == note().evidence
    assert target.deliver(note()).where == str(place)


def test_changed_evidence_is_neither_overwritten_nor_passed_over(tmp_path: Path) -> None:
    target = FileTickets(tmp_path)
    target.deliver(note())
    path = tmp_path / TICKET / f"{HALT}.evidence-1.json"
    forged = json.dumps({**evidence(), "findings": []}).encode()
    path.write_bytes(forged)
    with pytest.raises(Unavailable, match="not the evidence that was written there"):
        target.deliver(note(event="resolved", state="resolved"))
    assert path.read_bytes() == forged


def test_a_folder_that_cannot_be_made_is_unavailable_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(Unavailable) as caught:
            FileTickets(folder).deliver(note())
        assert "driftguard deliver" in caught.value.remedy


def test_a_ticket_folder_that_is_a_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / TICKET).write_text("x")
    with pytest.raises(Unavailable):
        FileTickets(tmp_path).deliver(note())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_unavailable_and_leaves_the_note_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = FileTickets(tmp_path)
    target.deliver(note())
    path = tmp_path / TICKET / f"{HALT}.md"
    before = path.read_bytes()

    def write_to_full_device(_: Path, data: bytes) -> None:
        with Path("/dev/full").open("wb", buffering=0) as file:
            file.write(data)

    monkeypatch.setattr("driftguard.adapters.tickets.file.fill", write_to_full_device)
    with pytest.raises(Unavailable, match="No space left"):
        target.deliver(note(event="resolved", state="resolved"))
    assert path.read_bytes() == before
    assert sorted(one.name for one in path.parent.iterdir()) == [f"{HALT}.evidence-1.json", f"{HALT}.md"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_notes_can_be_read_by_others_and_written_by_nobody_else(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        FileTickets(tmp_path / "tickets").deliver(note())
    finally:
        os.umask(before)
    folder = tmp_path / "tickets" / TICKET
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}


def test_a_note_that_somebody_edited_is_written_anew(tmp_path: Path) -> None:
    target = FileTickets(tmp_path)
    path = Path(target.deliver(note()).where)
    path.write_bytes(b"\xff edited")
    assert target.deliver(note()).amended
    assert "was stopped" in path.read_text("utf-8")
