"""Retention: what was kept long enough is removed, kind by kind; nothing of a job under legal hold is.

Rules:
- A job is looked at once a day, and a bounded portion of it is removed then; where more is due, by the next scan as well.
- A first look, and one that comes more than AT_MOST_APART after the last one, removes nothing: a clock that jumped ahead must not
  empty a store at once. The next day's look does.
- Rows go first, in commits that the ledger tells of; then their blobs, which the job's row names until they are gone. So a
  process may be killed anywhere: the next one removes the rest.
- A job that changes meanwhile is left to the next scan. One that cannot be purged stops no other, and is named.
- The ledger is never purged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial

from driftguard.errors import CannotTell, Conflict, DriftGuardError
from driftguard.flow.moment import from_text, to_text
from driftguard.flow.policy import Policy
from driftguard.flow.ports import Put, Row
from driftguard.flow.retention import Retention
from driftguard.guard import index
from driftguard.guard.context import Guard
from driftguard.guard.reseal_rest import forget
from driftguard.guard.retention_blobs import TABLE, PacksNamed, packs_named_by_jobs, remove_unnamed
from driftguard.guard.retention_rows import remove_old_rows
from driftguard.guard.work import Work, attempts

SWEEP = "~sweep"
MARK = "purge"
_EVERY = timedelta(days=1)
AT_MOST_APART = timedelta(days=30)
_MOST_JOBS = 50  # in one scan


@dataclass(frozen=True, slots=True)
class _Mark:
    """What the last purge left of a job: when it was, whether more was due, the table of unnamed blobs; the row's version."""

    at: datetime | None = None
    more: bool = False
    table: str = ""
    version: str | None = None

    @property
    def text(self) -> str:
        """When, as text; empty for never."""
        return to_text(self.at) if self.at else ""

    def is_within(self, span: timedelta, now: datetime) -> bool:
        """Whether it was less than this ago; one of the future was made by a clock that was wrong."""
        return self.at is not None and self.at <= now < self.at + span


def purge(guard: Guard, policy: Policy) -> dict[str, int]:
    """Remove what is due, of the jobs whose turn it is, a bounded portion of each; counts by kind.

    Raises CannotTell at the end where a job could not be purged, StoreUnavailable.
    """
    counts: Counter[str] = Counter()
    faults: list[tuple[str, DriftGuardError]] = []
    packs_named = cache(partial(packs_named_by_jobs, guard))
    for name, mark in _whose_turn_it_is(guard):
        try:
            counts += _purge_job(guard, name, policy.retention, mark, packs_named)
        except Conflict:
            continue  # somebody works on the job: the next scan looks again
        except DriftGuardError as error:
            faults.append((name, error))
        except Exception as error:  # noqa: BLE001  # reason: what nobody foresaw in one job must not keep the others
            kind = CannotTell(f"an unforeseen {type(error).__name__}", "see whether driftguard doctor says more")
            faults.append((name, kind))
    if faults:
        raise _not_all(faults, counts)
    return dict(sorted(counts.items()))


def _whose_turn_it_is(guard: Guard) -> Iterator[tuple[str, _Mark]]:
    """The jobs that were not looked at for a day, or of which more is due; those that waited longest first."""
    now = guard.clock.now()
    marks = {row.id: _mark(row) for row in index.all_rows(guard.store, SWEEP, MARK)}
    names = [name for name in guard.store.partitions() if not name.startswith("~")]
    waiting = [(name, marks.get(name, _Mark())) for name in names]
    due = [(name, mark) for name, mark in waiting if mark.more or not mark.is_within(_EVERY, now)]
    yield from sorted(due, key=lambda one: (one[1].text, one[0]))[:_MOST_JOBS]


def _mark(row: Row) -> _Mark:
    """The mark in a row; one that looked at nothing yet where it is of another form than was ever written."""
    at, more, table = (row.body.get(name) for name in ("at", "more", "table"))
    try:
        since = from_text(str(at))
    except ValueError:
        return _Mark(version=row.version)
    own = isinstance(table, str) and table.startswith(f"{row.id}/{TABLE}/")
    return _Mark(since, more is True, str(table) if own else "", row.version)


def _purge_job(guard: Guard, name: str, keep: Retention, mark: _Mark, packs_named: PacksNamed) -> Counter[str]:
    work = Work(guard.store, name, guard.clock.now())
    counts: Counter[str] = Counter()
    more, table = False, mark.table
    if work.exists and work.job.hold is None and mark.is_within(AT_MOST_APART, work.now):
        if work.job.forget:
            attempts(partial(forget, guard, name))
        counts, more = remove_old_rows(guard, name, keep)
        if counts["blobs"]:
            attempts(partial(forget, guard, name))
        if not more:
            table, removed = remove_unnamed(guard, name, keep, mark.table, packs_named)
            counts["blobs"] += removed
    body = {"schema": 1, "at": to_text(work.now), "more": more, "table": table}
    guard.store.commit(SWEEP, [Put(MARK, name, body, mark.version)])
    if mark.table and mark.table != table:
        guard.store.forget([mark.table])
    return +counts


def _not_all(faults: list[tuple[str, DriftGuardError]], counts: Counter[str]) -> CannotTell:
    name, first = faults[0]
    others = f", and {len(faults) - 1} more jobs could not be purged" if len(faults) > 1 else ""
    removed = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    done = f"; removed: {removed}" if removed else ""
    return CannotTell(f"the job {name} could not be purged: {first.message}{others}{done}", first.remedy)
