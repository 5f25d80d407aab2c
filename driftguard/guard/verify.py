"""Verify: is this evidence what was written, and is the ledger that it stands in whole?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from driftguard.errors import WrongUse
from driftguard.flow.evidence import SCHEMA, digest_of
from driftguard.flow.ledger import LedgerEntry, first_fault
from driftguard.guard import index
from driftguard.guard.context import Guard
from driftguard.guard.rows import LEDGER, JobRow
from driftguard.guard.work import Work


@dataclass(frozen=True, slots=True)
class Verified:
    """The result: `faults` are one line each, none where everything is as written. `checked` says what was looked at."""

    checked: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 where all is as written, else 1."""
        return 1 if self.faults else 0


def read_evidence(data: bytes) -> dict[str, Any]:
    """The document in a file. Raises WrongUse for anything that is no evidence, also for members given twice."""
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=_no_doubles)
    except (ValueError, RecursionError) as error:
        raise WrongUse(f"this is no evidence: {error}", "give the JSON file, not the note") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise WrongUse("this is no evidence of Drift Guard", f"its member `schema` must be {SCHEMA}")
    return document


def verify_file(document: dict[str, Any]) -> Verified:
    """Whether the document's digest is the one that it carries."""
    try:
        actual = digest_of(document)
    except RecursionError:
        return Verified(("digest",), ("the file was changed: it nests deeper than any evidence",))
    if document.get("digest") != actual:
        return Verified(
            ("digest",), (f"the file was changed: its digest is {actual}, it says {document.get('digest')}",)
        )
    return Verified((f"digest {actual}",), ())


def verify_in_store(guard: Guard, document: dict[str, Any]) -> Verified:
    """As `verify_file`, and that the ledger of its job is whole and knows exactly this evidence."""
    first = verify_file(document)
    job = document.get("job")
    ledger = verify_ledger(guard, str(job))
    known = _known_digests(guard, str(job))
    faults = [*first.faults, *ledger.faults]
    if document.get("digest") not in known:
        faults.append(f"the ledger of the job {job} knows no evidence with this digest")
    return Verified((*first.checked, *ledger.checked, "evidence in the ledger"), tuple(faults))


def verify_ledger(guard: Guard, job: str) -> Verified:
    """Whether a job's hash chain is whole up to the head that its row names."""
    row: JobRow = Work(guard.store, job, guard.clock.now()).job
    entries = [LedgerEntry.from_dict(entry.body) for entry in index.all_rows(guard.store, job, LEDGER)]
    fault = first_fault(entries, row.ledger_number, row.ledger_head)
    checked = f"ledger of {job}: {len(entries)} entries"
    return Verified((checked,), (f"ledger of {job}: {fault}",) if fault else ())


def verify_store(guard: Guard) -> Verified:
    """The ledgers of all jobs."""
    results = [verify_ledger(guard, job) for job in index.jobs(guard.store)]
    return Verified(
        tuple(text for result in results for text in result.checked),
        tuple(fault for result in results for fault in result.faults),
    )


def _known_digests(guard: Guard, job: str) -> set[str]:
    rows = index.all_rows(guard.store, job, LEDGER)
    entries = (LedgerEntry.from_dict(row.body) for row in rows)
    return {entry.data["evidence"] for entry in entries if isinstance(entry.data.get("evidence"), str)}


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is given twice")
    return found
