"""Notes as files in a folder: one folder a ticket, one note a halt, and the evidence beside it.

Rules:
- `<folder>/<ticket>/<halt>.md` is the note, written anew with every event: there is one note for a halt, the latest.
- `<halt>.evidence-<version>.json` holds the exact bytes of the evidence, and is never changed once it is there.
- A file appears whole or not at all, under its name in one step: a reader never sees half a note.
- Two stores may have halts of one name, since its name says what differs. The note says in its last line of which halt it
  is; the second store's note and evidence are `<halt>-<8 hex digits>.…`, so that both are told.
- A note that is older than the one in place (a process that was held up) changes nothing. It counts as told only where the
  note in place says the same; otherwise it is tried again, with the state of then.
- Notes are for others to read: files have mode 0644, folders 0755 less the umask. They hold no secrets: evidence is sealed.
- Ticket names come from callers: see names.py. A halt without a ticket has its note in `no-ticket`.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from driftguard.adapters.stores.files import draft, fill, replace
from driftguard.adapters.tickets.names import safe_name
from driftguard.errors import Unavailable
from driftguard.flow.ports import Note, Receipt, Target
from driftguard.render.markdown import note_markdown

NO_TICKET = "no-ticket"

_FILE_MODE, _FOLDER_MODE = 0o644, 0o755
_LAST_LINE = re.compile(r"<!-- halt ([0-9a-f]{8}) state ([0-9a-f]{8}) ledger ([0-9]{1,18}) -->\Z")


class FileTickets(Target):
    """Writes notes below `folder`, which is made when it is first needed."""

    name = "file"
    claim = 0.0  # a file appears whole, under one name, with the same bytes

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def deliver(self, note: Note) -> Receipt:
        """Write or amend the note; `where` is its path. Raises Unavailable where the folder cannot be written."""
        folder = self._folder / safe_name(note.ticket or NO_TICKET)
        path = folder / f"{safe_name(note.halt)}.md"
        try:
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            path = _place(folder, note)
            evidence = _evidence_beside(path, note)
            _keep(evidence, note.evidence)
            return Receipt(str(path), amended=_amend(path, note, evidence.name))
        except OSError as error:
            raise Unavailable(
                f"the note {path} cannot be written ({error.strerror or type(error).__name__})",
                "check that the folder exists, has space and can be written; then: driftguard deliver",
            ) from error


def _keep(path: Path, data: bytes) -> None:
    """Put the evidence in place once. Raises Unavailable where other bytes stand there: somebody changed them."""
    if path.exists():
        if path.read_bytes() != data:
            raise Unavailable(
                f"{path} is not the evidence that was written there",
                "keep the file aside, for somebody changed it; then: driftguard deliver",
            )
        return
    _write(path, data)


def _amend(path: Path, note: Note, evidence_name: str) -> bool:
    """Write the note, unless a later one is in place; whether there was one. Raises Unavailable where that says another thing."""
    number = note.ledger_head.partition(":")[0]
    existed, last = path.exists(), _last_line(path)
    if last and number.isdecimal() and last.ledger > int(number):
        if last.state == _state_of(note):
            return True
        raise Unavailable(
            f"the note {path} was written from a later state of the store than this one",
            "driftguard deliver tells the state of now; was the store restored from a backup, move the note aside first",
        )
    text = note_markdown(note, evidence_at=evidence_name)
    _write(path, f"{text}\n<!-- halt {_halt_of(note)} state {_state_of(note)} ledger {number} -->".encode())
    return existed


@dataclass(frozen=True, slots=True)
class _LastLine:
    """What a note says of itself: of which halt it is, what it tells, and how far the job's ledger was."""

    halt: str
    state: str
    ledger: int


def _last_line(path: Path) -> _LastLine | None:
    """The last line of the note in place; None where there is no note, or it does not say."""
    try:
        found = _LAST_LINE.search(path.read_text("utf-8", "replace"))
    except FileNotFoundError:
        return None
    return _LastLine(found[1], found[2], int(found[3])) if found else None


def _place(folder: Path, note: Note) -> Path:
    """Where the note stands: under the halt's name, or beside another store's note of that name."""
    plain = folder / f"{safe_name(note.halt)}.md"
    beside = folder / f"{safe_name(note.halt)}-{_halt_of(note)}.md"
    if beside.exists():
        return beside
    last = _last_line(plain)
    if last is not None:
        return plain if last.halt == _halt_of(note) else beside
    evidence = _evidence_beside(plain, note)
    return beside if evidence.exists() and evidence.read_bytes() != note.evidence else plain


def _evidence_beside(path: Path, note: Note) -> Path:
    return path.with_name(f"{path.name.removesuffix('.md')}.evidence-{note.version}.json")


def _halt_of(note: Note) -> str:
    """What tells a halt from another store's of the same name: when it was opened, and for which job."""
    return _short_digest([note.job, note.halt, note.status.get("opened_at")])


def _state_of(note: Note) -> str:
    """What tells one state of a halt from another: all that the note shows but the head of the ledger."""
    return _short_digest([dict(note.status), note.evidence_digest])


def _short_digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


def _write(path: Path, data: bytes) -> None:
    with draft(path) as new:
        fill(new, data)
        new.chmod(_FILE_MODE)
        replace(new, path)
