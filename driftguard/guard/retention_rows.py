"""Which rows of a job were kept long enough, and their removal, commit by commit.

Rules:
- A commit removes whole things: a halt goes with its notes and leaves its tombstone; each commit is an entry in the ledger.
- The job's row is written with every commit. It names the blobs of what was removed until they are removed as well.
- Never removed: a halt that is not final, that has a note to deliver, or that the job still refers to; the check of the last
  clearance and the row that says that it has recorded; a proposal that waits.
- What has no time at which it came to its end stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from driftguard.flow.moment import from_text
from driftguard.flow.ports import Row
from driftguard.flow.retention import Retention, is_over
from driftguard.flow.ticket import Delivery
from driftguard.guard import index, purged
from driftguard.guard.context import Guard
from driftguard.guard.late_writes import halts_of_windows
from driftguard.guard.reseal_rest import to_forget
from driftguard.guard.rows import CHECK, HALT, OUTBOX, PROPOSAL, RECORD, HaltRow, JobRow, used_by
from driftguard.guard.work import Work

MOST_WRITES = 400  # of one job in one scan
_AT_ONCE = 90  # writes of a commit, beside the job's row and the ledger
_MOST_HALTS = 20  # of a commit: each is told in the ledger
_MOST_BLOBS = 300  # of a commit: the job's row names them


@dataclass(frozen=True)
class Old:
    """What goes together: `rows` of one kind, counted as `what`, with the blobs that they name. `halt`: the halt among them."""

    what: str
    rows: tuple[Row, ...]
    blobs: tuple[str, ...] = ()
    halt: HaltRow | None = None

    @property
    def writes(self) -> int:
        """Writes of a commit that removes it."""
        return len(self.rows) + (self.halt is not None)


def remove_old_rows(guard: Guard, name: str, keep: Retention) -> tuple[Counter[str], bool]:
    """Remove a portion of what is due; counts by kind, and whether more is due.

    Raises Conflict where the job changes meanwhile, Damaged.
    """
    counts: Counter[str] = Counter()
    work = Work(guard.store, name, guard.clock.now())
    due = _due(guard, work, keep)
    written = 0
    for batch in _batches(due):
        if written and written + sum(one.writes for one in batch) > MOST_WRITES:
            return counts, True
        work = work if not written else Work(guard.store, name, guard.clock.now())
        if work.job.hold is not None:
            return counts, False
        counts += _remove(guard, work, batch, keep)
        written += sum(one.writes for one in batch)
    return counts, False


def named_halts(guard: Guard, work: Work) -> set[str]:
    """The halts that the job's row refers to, by itself or through its open halt."""
    job = work.job
    named = {job.open_halt or "", *(one.partition(" ")[0] for one in job.holding), *halts_of_windows(job)}
    named |= {lease.halt for lease in (job.lease, job.last_clearance) if lease}
    if (current := work.current()) is not None:
        named.add(str((current.earlier or {}).get("halt", "")))
    return named - {""}


def _due(guard: Guard, work: Work, keep: Retention) -> list[Old]:
    job = work.job
    clearances = {lease.clearance for lease in (job.lease, job.last_clearance) if lease}
    current = work.current()
    if current is not None and current.in_use:
        clearances.add(str(current.in_use.get("clearance")))
    return [
        *(_due_halts(guard, work, keep) if keep.halts is not None else ()),
        *_due_of(guard, work, CHECK, "checks", keep.checks, clearances),
        *_due_of(guard, work, RECORD, "records", keep.records, {used_by(one) for one in clearances}),
        *_due_of(guard, work, PROPOSAL, "proposals", keep.proposals, set()),
    ]


def _due_of(guard: Guard, work: Work, kind: str, what: str, days: int | None, needed: set[str]) -> Iterator[Old]:
    """Rows of a kind that came to their end long enough ago, and whose id nobody needs."""
    for row in index.all_rows(guard.store, work.job.name, kind) if days is not None else ():
        ended = _ended(kind, row.body)
        if ended is not None and row.id not in needed and is_over(ended, days, work.now):
            yield Old(what, (row,), tuple(_own_blobs(work.job, (row.body.get("readings"), row.body.get("blob")))))


def _ended(kind: str, body: dict[str, Any]) -> datetime | None:
    if kind == PROPOSAL and body.get("state") != "accepted":
        return None
    at = body.get("accepted_at", body.get("at"))
    return from_text(at) if isinstance(at, str) else None


def _due_halts(guard: Guard, work: Work, keep: Retention) -> Iterator[Old]:
    if work.job.pending:
        return  # what it waits for may name the halt under which its run was cleared
    due = {}
    for row in index.all_rows(guard.store, work.job.name, HALT):
        halt = HaltRow.from_body(row.body)
        if halt.final and halt.closed_at and is_over(from_text(halt.closed_at), keep.halts, work.now):
            due[halt.id] = (row, halt)
    for needed in named_halts(guard, work) if due else ():
        due.pop(needed, None)
    notes: dict[str, list[Row]] = {}
    for note in index.all_rows(guard.store, work.job.name, OUTBOX) if due else ():
        notes.setdefault(note.body["halt"], []).append(note)
    for row, halt in due.values():
        told = notes.get(halt.id, [])
        if any(note.body["state"] != Delivery.DELIVERED for note in told):
            continue
        most = _AT_ONCE - 2
        while len(told) > most:
            yield Old("notes", tuple(told[:_AT_ONCE]))
            told = told[_AT_ONCE:]
        yield Old("halts", (row, *told), tuple(_own_blobs(work.job, (halt.findings, *halt.evidence_keys))), halt)


def _own_blobs(job: JobRow, keys: Iterable[Any]) -> Iterator[str]:
    """Of the keys that a row names those that can be of this job's: a row is never believed for another's blobs."""
    own = tuple(f"{job.name}/{kind}/" for kind in ("checks", "halts", "evidence", "proposals"))
    return (key for key in keys if isinstance(key, str) and key.startswith(own))


def _batches(due: Iterable[Old]) -> Iterator[list[Old]]:
    batch: list[Old] = []
    for one in due:
        full = sum(old.writes for old in batch) + one.writes > _AT_ONCE
        many = sum(len(old.blobs) for old in batch) + len(one.blobs) > _MOST_BLOBS
        if batch and (full or many or sum(old.halt is not None for old in batch) >= _MOST_HALTS):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _remove(guard: Guard, work: Work, batch: list[Old], keep: Retention) -> Counter[str]:
    """Remove these in one commit; what the job refers to since they were found stays."""
    needed = named_halts(guard, work)
    batch = [old for old in batch if old.halt is None or old.halt.id not in needed]
    counts: Counter[str] = Counter()
    if not batch:
        return counts
    for old in batch:
        for row in old.rows:
            work.remove(row)
        counts[old.what] += 1 if old.halt else len(old.rows)
        counts["notes"] += len(old.rows) - 1 if old.halt else 0
    blobs = [key for old in batch for key in old.blobs]
    counts["blobs"] += len(blobs)
    # What the row has no room for is named by nothing any more, and found as such a day later.
    to_forget(work.job, blobs)
    halts = [old.halt for old in batch if old.halt]
    told = {what: count for what, count in counts.items() if count and what != "halts"}
    ids = [{"halt": halt.id, "evidence": halt.evidence_digest, "versions": halt.evidence} for halt in halts]
    work.log("purged", **told, **({"halts": ids} if ids else {}))
    for halt in halts:
        purged.leave(work, halt, keep.halts or 0)
    work.commit()
    return +counts
