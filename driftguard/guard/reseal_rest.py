"""What is left when bodies were sealed again: blobs to be removed, evidence that holds values still, and lines to be told.

Rules:
- A job's row names at most MOST_FORGOTTEN blobs that are to be removed, and the first evidence that holds values: it stays
  small. What it does not name is found again by listing, since the job does not count as sealed until then.
- A pack that another job still names waits for that job.
- What was done is told also where the verb is refused afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from driftguard.errors import DriftGuardError
from driftguard.guard.context import Guard
from driftguard.guard.reseal_bodies import still_named
from driftguard.guard.rows import JobRow
from driftguard.guard.work import Work

MOST_FORGOTTEN = 1000  # keys in a job's row, together a third of what a row may hold
_MOST_HOLDING = 200
_MOST_TOLD = 3  # lines in an error


def to_forget(job: JobRow, keys: Iterable[str]) -> bool:
    """Let the job's row name these blobs as to be removed; whether there was room for all of them."""
    new = sorted({*keys} - {*job.forget})
    room = room_left(job)
    job.forget = sorted([*job.forget, *new[:room]])
    return len(new) <= room


def room_left(job: JobRow) -> int:
    """How many more blobs the job's row may name as to be removed."""
    return max(0, MOST_FORGOTTEN - len(job.forget))


def forget(guard: Guard, name: str) -> JobRow:
    """Remove what holds secrets and is named by no row. The job as it is then."""
    work = Work(guard.store, name, guard.clock.now())
    waiting = still_named(guard, (key for key in work.job.forget if "/pack/" in key))
    gone = [key for key in work.job.forget if key not in waiting]
    if gone and guard.store.forget(gone):
        work.job.forget = waiting
        work.commit()
    return work.job


def now_holding(job: JobRow, holding: Iterable[str]) -> list[str]:
    """Let the job's row name the evidence that holds what became a secret; what of it was not named before."""
    every = sorted({*job.holding, *holding})
    new = [one for one in every if one not in job.holding]
    job.holding_more = max(job.holding_more, len(every) - _MOST_HOLDING)
    job.holding = every[:_MOST_HOLDING]
    return new


@contextmanager
def also_told(lines: Sequence[str]) -> Iterator[None]:
    """Put these lines into the error where the verb is refused."""
    try:
        yield
    except DriftGuardError as error:
        if lines:
            more = [f"{len(lines) - _MOST_TOLD} more: driftguard doctor"] if len(lines) > _MOST_TOLD else []
            error.message = f"{error.message} ({'; '.join([*lines[:_MOST_TOLD], *more])})"
        raise
