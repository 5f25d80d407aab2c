"""Notes as files in a folder: one folder a ticket, one note a halt, and the evidence beside it.

Rules:
- `<folder>/<ticket>/<halt>.md` is the note, written anew with every event: there is one note for a halt, the latest.
- `<halt>.evidence-<version>.json` holds the exact bytes of the evidence, and is never changed once it is there.
- A file appears whole or not at all, under its name in one step: a reader never sees half a note.
- A note that is older than the one in place (a process that was held up) changes nothing.
- Notes are for others to read: files have mode 0644, folders 0755 less the umask. They hold no secrets: evidence is sealed.
- Ticket names come from callers: see names.py. A halt without a ticket has its note in `no-ticket`.
"""

from __future__ import annotations

import re
from pathlib import Path

from driftguard.adapters.stores.files import draft, fill, replace
from driftguard.adapters.tickets.names import safe_name
from driftguard.errors import Unavailable
from driftguard.flow.ports import Note, Receipt, Target
from driftguard.render.markdown import note_markdown

NO_TICKET = "no-ticket"

_FILE_MODE, _FOLDER_MODE = 0o644, 0o755
_LEDGER_NUMBER = re.compile(r"<!-- ledger ([0-9]{1,18}) -->\Z")


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
        evidence = folder / f"{safe_name(note.halt)}.evidence-{note.version}.json"
        try:
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
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
    """Write the note, unless a later one is in place; whether there was one."""
    number = note.ledger_head.partition(":")[0]
    existed = path.exists()
    if existed and number.isdecimal() and _ledger_number(path) > int(number):
        return True
    text = note_markdown(note, evidence_at=evidence_name)
    _write(path, f"{text}\n<!-- ledger {number} -->".encode())
    return existed


def _ledger_number(path: Path) -> int:
    """How far the job's ledger was when the note in place was written; -1 where it does not say."""
    found = _LEDGER_NUMBER.search(path.read_text("utf-8", "replace"))
    return int(found[1]) if found else -1


def _write(path: Path, data: bytes) -> None:
    with draft(path) as new:
        fill(new, data)
        new.chmod(_FILE_MODE)
        replace(new, path)
