"""Lists across jobs: open halts, due notes, which job a halt is of, which jobs have resources in a scope.

They are derived, and never the truth.

Rules:
- An index row is written before the row it points to: a crash between the two leaves a row that points to nothing, never a
  halt or a note that no list knows.
- A reader believes the job's own row; what it does not confirm is left out, and removed once it is old enough that no
  writer can still be between the two writes. A writer makes an old index row young again before it relies on it.
- `rebuild` makes every row again from the jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import takewhile

from driftguard.errors import Conflict
from driftguard.flow.moment import from_text, to_text
from driftguard.flow.ports import Delete, Put, Row, Store
from driftguard.flow.ticket import Delivery
from driftguard.guard.rows import HALT, JOB, JOB_ROW, OUTBOX, HaltRow

INDEX = "~index"
OPEN_HALTS, DUE_NOTES, SCOPES, HALT_JOBS = "open-halt", "due-note", "scope", "halt-job"
_SEPARATOR = "|"
_GRACE = timedelta(minutes=10)
_PAGE = 1000
_TRIES = 40


def all_rows(store: Store, partition: str, kind: str, *, after: str = "", at_once: int = _PAGE) -> Iterator[Row]:
    """Every row of a kind with id > `after`, page by page of `at_once` rows."""
    while page := store.list(partition, kind, after=after, limit=at_once):
        yield from page
        after = page[-1].id


def jobs(store: Store) -> list[str]:
    """The names of all jobs."""
    return [name for name in store.partitions() if not name.startswith("~") and store.get(name, JOB, JOB_ROW)]


def add(store: Store, kind: str, names: Iterable[tuple[str, str]], now: datetime) -> None:
    """Note (left, right) pairs, such as (job, halt id) or (scope, job); a pair that was noted just now is left as it is."""
    for left, right in names:
        _note(store, kind, f"{left}{_SEPARATOR}{right}", now)


def _note(store: Store, kind: str, row_id: str, now: datetime) -> None:
    for _ in range(_TRIES):
        row = store.get(INDEX, kind, row_id)
        if row and now - from_text(row.body["at"]) < _GRACE / 2:
            return
        try:
            store.commit(INDEX, [Put(kind, row_id, {"at": to_text(now)}, row.version if row else None)])
        except Conflict:
            continue  # somebody else noted the same pair, or removed it: look again
        return
    raise Conflict("a list across jobs changed too often", "try again in a moment")


def pairs(store: Store, kind: str) -> Iterator[tuple[str, str, Row]]:
    """The noted pairs with their rows."""
    for row in all_rows(store, INDEX, kind):
        left, _, right = row.id.partition(_SEPARATOR)
        yield left, right, row


def open_halts(store: Store, now: datetime) -> list[HaltRow]:
    """The halts that are not final, of all jobs."""
    found = []
    for job, halt_id, row in pairs(store, OPEN_HALTS):
        stored = store.get(job, HALT, halt_id)
        halt = HaltRow.from_body(stored.body) if stored else None
        if halt and not halt.final:
            found.append(halt)
        else:
            _forget(store, row, now)
    return found


def due_notes(store: Store, now: datetime) -> list[tuple[str, Row]]:
    """(job, outbox row) of every note that is not delivered, in order of id."""
    found = []
    for job, note_id, row in pairs(store, DUE_NOTES):
        stored = store.get(job, OUTBOX, note_id)
        if stored and stored.body["state"] != Delivery.DELIVERED:
            found.append((job, stored))
        else:
            _forget(store, row, now)
    return found


def jobs_in(store: Store, scope: str) -> list[str]:
    """The jobs that have recorded a resource in the scope (a lower-cased resource group or subscription id)."""
    return list(_right_of(store, SCOPES, scope, _PAGE))


def job_of_halt(store: Store, halt_id: str) -> str | None:
    """The job that has a halt of exactly this id, as far as the list knows; halts of earlier versions are not in it."""
    jobs_noted = _right_of(store, HALT_JOBS, halt_id, at_once=1)  # there is one, as good as always
    return next((job for job in jobs_noted if store.version(job, HALT, halt_id)), None)


def _right_of(store: Store, kind: str, left: str, at_once: int) -> Iterator[str]:
    prefix = left + _SEPARATOR
    rows = all_rows(store, INDEX, kind, after=prefix, at_once=at_once)
    return (row.id.removeprefix(prefix) for row in takewhile(lambda row: row.id.startswith(prefix), rows))


def rebuild(store: Store, now: datetime, scopes_of: Callable[[str], Iterable[str]]) -> None:
    """Make every index row again from the jobs. `scopes_of(job)` gives the scopes of the job's baseline."""
    for job in jobs(store):
        halts = [(row.id, HaltRow.from_body(row.body).final) for row in all_rows(store, job, HALT)]
        add(store, OPEN_HALTS, ((job, halt) for halt, final in halts if not final), now)
        # Which job a halt is of never changes: an old row is as good as a young one.
        unknown = (
            (halt, job) for halt, _ in halts if store.version(INDEX, HALT_JOBS, f"{halt}{_SEPARATOR}{job}") is None
        )
        add(store, HALT_JOBS, unknown, now)
        notes = all_rows(store, job, OUTBOX)
        add(store, DUE_NOTES, ((job, row.id) for row in notes if row.body["state"] != Delivery.DELIVERED), now)
        add(store, SCOPES, ((scope, job) for scope in scopes_of(job)), now)


def _forget(store: Store, row: Row, now: datetime) -> None:
    if now - from_text(row.body["at"]) > _GRACE:
        try:
            store.commit(INDEX, [Delete(row.kind, row.id, row.version)])
        except Conflict:
            return  # somebody else removed it, or noted it again
