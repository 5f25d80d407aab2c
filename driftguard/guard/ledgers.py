"""A job's ledger as it is stored, from an entry on: whether it is whole up to its head, and what its entries' hashes are.

Rules:
- What is stored is what somebody may have put there: an entry of another form is one that is missing, never a crash.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from driftguard.flow.ledger import GENESIS, LedgerEntry, first_fault
from driftguard.flow.ports import Store
from driftguard.guard import index
from driftguard.guard.blobs import Damaged
from driftguard.guard.context import Guard
from driftguard.guard.rows import JOB, JOB_ROW, LEDGER, JobRow
from driftguard.guard.work import Work

_TEXTS = ("at", "event", "previous", "hash")


def job_row(guard: Guard, job: str) -> JobRow:
    """The row of a job, which names the head of its ledger. Raises Damaged for one of another job, WrongUse,
    BadConfiguration."""
    row = Work(guard.store, job, guard.clock.now()).job
    if row.name != job:
        raise Damaged("the job's row is that of another job", "restore it from a backup; nothing was decided")
    return row


def entries(store: Store, job: str, *, after: int = 0) -> Iterator[LedgerEntry]:
    """The entries with a number > `after`, in order, page by page."""
    last = f"{after:010d}" if after else ""
    return (_entry(row.body) for row in index.all_rows(store, job, LEDGER, after=last))


def _entry(stored: Mapping[str, Any]) -> LedgerEntry:
    """The entry; an empty one where a member is of another kind than was ever written."""
    # An exact type: True is a whole number to Python.
    formed = type(stored.get("number")) is int and all(isinstance(stored.get(name), str) for name in _TEXTS)
    return LedgerEntry.from_dict(stored if formed else {})


def chain_fault(
    store: Store,
    row: JobRow,
    *,
    after: int = 0,
    previous: str = GENESIS,
    seen: Callable[[LedgerEntry], None] = lambda _: None,
) -> str:
    """What is wrong with the ledger up to the head that the job's row names, as one line; empty where it is whole.

    The chain is followed from the entry after number `after`, whose hash is `previous`; `seen` is told every entry up to
    the head. Entries that a verb added since the row was read are no fault; others after the head are.
    """
    stored = entries(store, row.name, after=after)

    def up_to_the_head() -> Iterator[LedgerEntry]:
        for entry in islice(stored, max(row.ledger_number - after, 0)):
            seen(entry)
            yield entry

    walked = up_to_the_head()
    try:
        fault = first_fault(walked, row.ledger_number, row.ledger_head, after=after, previous=previous)
    except RecursionError:
        fault = "an entry was changed: it nests deeper than any that was written"
    deque(walked, maxlen=0)  # what comes after a fault is seen too
    if fault or next(stored, None) is None:
        return fault
    now = store.get(row.name, JOB, JOB_ROW)
    head = JobRow.from_body(now.body).ledger_number if now else 0
    return "" if head > row.ledger_number else f"there are entries after entry {row.ledger_number}, its head"
