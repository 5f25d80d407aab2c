"""The lists across jobs in a store copy: copied before the jobs, then completed from the jobs as they were copied.

Rules:
- The source goes on meanwhile, and a job in the copy is younger than the lists: what they lack of it is added. So no open
  halt and no due note of the copy is in no list.
- A row that is there stays as it is; where nothing was missing, the lists of the copy are those of the source.
- A job that cannot be read is copied as it is, and its lists are then the ones that were copied: a damaged store has a
  backup too.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from driftguard.errors import BadConfiguration
from driftguard.flow.ports import Store
from driftguard.guard.blobs import Damaged, load_baseline
from driftguard.guard.index import rebuild_of
from driftguard.guard.neighbours import scope_of
from driftguard.guard.rows import JOB, JOB_ROW, JobRow

# What a completed row names is committed already, so the row may look old; and no row that is there is older.
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def complete_lists(target: Store, jobs: Iterable[str]) -> None:
    """Add what the lists lack of these jobs."""
    for job in jobs:
        try:
            rebuild_of(target, job, _LONG_AGO, _scopes_of(target, job))
        except (
            Damaged,
            BadConfiguration,
            KeyError,
            TypeError,
        ):  # reason: rows of another form, which are copied all the same
            continue


def _scopes_of(store: Store, job: str) -> set[str]:
    row = store.get(job, JOB, JOB_ROW)
    baseline = JobRow.from_body(row.body).baseline if row else ""
    try:
        return {scope_of(entry.ref) for entry in load_baseline(store, baseline).entries.values()} if baseline else set()
    except Damaged:
        return set()
