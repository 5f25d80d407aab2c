"""Retention: what was kept long enough is removed, kind by kind; nothing of a job under legal hold is.

Rules:
- Nothing is removed where no policy is named: in a shell without its settings the built-in periods must not undo those that
  the policy of this store gives.
- A job is looked at once a day, and a bounded portion of it is removed then; where more is due, by the next scan as well. A
  scan does so for LONGEST; the jobs that it does not reach are the first ones of the next.
- A first look at a job removes nothing, and neither does the first one after more than AT_MOST_APART without any: a clock that
  jumped ahead must not empty a store at once. The next day's look does. A job that waited for its turn has lost nothing.
- Rows go first, in commits that the ledger tells of; then their blobs, which the job's row names until they are gone. So a
  process may be killed anywhere: the next one removes the rest.
- A job that changes meanwhile is left to the next scan. One that cannot be purged stops no other, is named, and comes last in
  the next scans.
- The ledger is never purged. Answers to long calls go a day later, whatever the policy says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import takewhile

from driftguard.errors import BadConfiguration, CannotTell, Conflict, DriftGuardError, StoreUnavailable
from driftguard.flow.moment import from_text, to_text
from driftguard.flow.policy import BUILT_IN, Policy
from driftguard.flow.ports import Put, Row
from driftguard.flow.retention import Retention
from driftguard.guard import calls, index
from driftguard.guard.blobs import Damaged
from driftguard.guard.context import Guard
from driftguard.guard.reseal_rest import forget
from driftguard.guard.retention_blobs import TABLE, PacksNamed, packs_named_by_jobs, remove_unnamed
from driftguard.guard.retention_rows import remove_old_rows
from driftguard.guard.work import Work, attempts

SWEEP = "~sweep"
MARK = "purge"
AT_MOST_APART = timedelta(days=30)
LONGEST = timedelta(minutes=2)
_ALL = "~all"  # the mark of the looks as such; no job is called so
_EVERY = timedelta(days=1)
_MOST_PORTIONS = 10  # of old calls, in one look


@dataclass(frozen=True, slots=True)
class _Mark:
    """What the last purge left of a job: when it was, whether more was due or it failed, the table of unnamed blobs; the
    row's version."""

    at: datetime | None = None
    more: bool = False
    failed: bool = False
    table: str = ""
    version: str | None = None

    @property
    def text(self) -> str:
        """When, as text; empty for never."""
        return to_text(self.at) if self.at else ""

    def is_due(self, now: datetime) -> bool:
        """Whether the job's turn has come; a mark of the future was made by a clock that was wrong."""
        return self.more or self.failed or self.at is None or not self.at <= now < self.at + _EVERY


def purge(guard: Guard, policy: Policy) -> dict[str, int]:
    """Remove what is due, of the jobs whose turn it is, a bounded portion of each; counts by kind.

    Raises CannotTell at the end where a job could not be purged, BadConfiguration where a store that is purged by a policy
    meets none, StoreUnavailable.
    """
    marks = {row.id: row for row in index.all_rows(guard.store, SWEEP, MARK)}
    if policy.source == BUILT_IN:
        if marks:
            raise BadConfiguration(
                "nothing is removed: no policy is named here, and this store is purged by one", "set DRIFTGUARD_POLICY"
            )
        return {}
    counts: Counter[str] = Counter()
    faults: list[tuple[str, DriftGuardError]] = []
    since = _without_a_gap_since(guard, marks.pop(_ALL, None))
    packs_named = cache(partial(packs_named_by_jobs, guard))
    began = guard.clock.monotonic()
    for name, mark in _whose_turn_it_is(guard, marks):
        try:
            counts += _purge_job(guard, name, policy.retention, mark, since, packs_named)
        except Conflict:
            continue  # somebody works on the job: the next scan looks again
        except DriftGuardError as error:
            faults.append((name, error))
            if isinstance(error, StoreUnavailable) and not isinstance(error, Damaged):
                break
            _note_failure(guard, name, mark)
        except Exception as error:  # noqa: BLE001  # reason: what nobody foresaw in one job must not keep the others
            kind = CannotTell(f"an unforeseen {type(error).__name__}", "see whether driftguard doctor says more")
            faults.append((name, kind))
            _note_failure(guard, name, mark)
        if guard.clock.monotonic() - began > LONGEST.total_seconds():
            break
    if faults:
        raise _not_all(faults, counts)
    return dict(sorted(counts.items()))


def _whose_turn_it_is(guard: Guard, marks: Mapping[str, Row]) -> list[tuple[str, _Mark]]:
    """The jobs that were not looked at for a day, or of which more is due; those that waited longest first."""
    now = guard.clock.now()
    known = {name: _mark(row) for name, row in marks.items()}
    names = [name for name in guard.store.partitions() if not name.startswith("~") or name == calls.SCANS]
    waiting = [(name, known.get(name, _Mark())) for name in names]
    due = [(name, mark) for name, mark in waiting if mark.is_due(now)]
    return sorted(due, key=lambda one: (one[1].failed, one[1].text, one[0]))


def _mark(row: Row) -> _Mark:
    """The mark in a row; one that looked at nothing yet where it is of another form than was ever written."""
    at, more, failed, table = (row.body.get(name) for name in ("at", "more", "failed", "table"))
    try:
        when = from_text(str(at))
    except ValueError:
        return _Mark(version=row.version)
    own = isinstance(table, str) and table.startswith(f"{row.id}/{TABLE}/")
    return _Mark(when, more is True, failed is True, str(table) if own else "", row.version)


def _without_a_gap_since(guard: Guard, row: Row | None) -> datetime:
    """Since when no two looks of scans were more than AT_MOST_APART from each other; noted once a day."""
    now = guard.clock.now()
    try:
        at, since = (from_text(str(row.body.get(name))) for name in ("at", "since")) if row else (None, now)
    except ValueError:
        at, since = None, now
    if at is None or not since <= at <= now < at + AT_MOST_APART:
        since = now
    if at is None or since == now or now >= at + _EVERY:
        body = {"schema": 1, "at": to_text(now), "since": to_text(since)}
        with suppress(Conflict):  # another scan noted it
            guard.store.commit(SWEEP, [Put(MARK, _ALL, body, row.version if row else None)])
    return since


def _purge_job(
    guard: Guard, name: str, keep: Retention, mark: _Mark, since: datetime, packs_named: PacksNamed
) -> Counter[str]:
    now = guard.clock.now()
    counts: Counter[str] = Counter()
    more, table = False, mark.table
    if mark.at is not None and since <= mark.at <= now:
        work = Work(guard.store, name, now) if name != calls.SCANS else None
        if work is None or work.job.hold is None:
            counts["calls"] = sum(takewhile(bool, (calls.remove_old(guard, name) for _ in range(_MOST_PORTIONS))))
        if work and work.exists and work.job.hold is None:
            if work.job.forget:
                attempts(partial(forget, guard, name))
            removed, more = remove_old_rows(guard, name, keep)
            counts += removed
            if removed["blobs"]:
                attempts(partial(forget, guard, name))
            if not more:
                table, unnamed = remove_unnamed(guard, name, keep, mark.table, packs_named)
                counts["blobs"] += unnamed
    body = {"schema": 1, "at": to_text(now), "more": more, "table": table}
    guard.store.commit(SWEEP, [Put(MARK, name, body, mark.version)])
    if mark.table and mark.table != table:
        guard.store.forget([mark.table])
    return +counts


def _note_failure(guard: Guard, name: str, mark: _Mark) -> None:
    """Let the job wait behind the others; what was known of it stays."""
    at = mark.text or to_text(guard.clock.now())
    body = {"schema": 1, "at": at, "more": mark.more, "failed": True, "table": mark.table}
    with suppress(Conflict):  # another scan looked at it
        guard.store.commit(SWEEP, [Put(MARK, name, body, mark.version)])


def _not_all(faults: list[tuple[str, DriftGuardError]], counts: Counter[str]) -> CannotTell:
    name, first = faults[0]
    others = f", and {len(faults) - 1} more jobs could not be purged" if len(faults) > 1 else ""
    removed = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    done = f"; removed: {removed}" if removed else ""
    return CannotTell(f"the job {name} could not be purged: {first.message}{others}{done}", first.remedy)
