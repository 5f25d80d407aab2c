"""Lists across jobs: open halts, due notes, which job a halt is of, which jobs have resources in a scope.

They are derived, and never the truth.

Rules:
- An index row is written before the row it points to: a crash between the two leaves a row that points to nothing, never a
  halt or a note that no list knows.
- A reader believes the job's own row; what it does not confirm is left out, and removed once it is old enough that no
  writer can still be between the two writes. A writer makes an old index row young again before it relies on it.
- `rebuild` makes every row again from the jobs.
- A left side that is long, such as a resource group's id with a name of 90 letters that are not ASCII, stands in the row's
  id as its digest: every store takes it. A reader looks for both forms, since earlier versions wrote it as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain, takewhile

from driftguard.errors import CannotTell, Conflict
from driftguard.flow.moment import from_text, to_text
from driftguard.flow.ports import MAX_WRITES, Delete, Put, Row, Store
from driftguard.flow.ticket import Delivery
from driftguard.guard.rows import HALT, JOB, JOB_ROW, OUTBOX, HaltRow

INDEX = "~index"
OPEN_HALTS, DUE_NOTES, SCOPES, HALT_JOBS = "open-halt", "due-note", "scope", "halt-job"
_SEPARATOR = "|"
_GRACE = timedelta(minutes=10)
_PAGE = 1000
_TRIES = 40
_WORTH_A_PAGE = 3  # single reads
_LEFT_ROOM = 300  # as stores may count it (see _room); leaves room for the right side, a job's or another short name


def all_rows(store: Store, partition: str, kind: str, *, after: str = "", at_once: int = _PAGE) -> Iterator[Row]:
    """Every row of a kind with id > `after`, page by page of `at_once` rows."""
    while page := store.list(partition, kind, after=after, limit=at_once):
        yield from page
        if len(page) < at_once:
            return
        after = page[-1].id


def jobs(store: Store) -> list[str]:
    """The names of all jobs."""
    return [name for name in store.partitions() if not name.startswith("~") and store.get(name, JOB, JOB_ROW)]


def add(store: Store, kind: str, names: Iterable[tuple[str, str]], now: datetime) -> None:
    """Note (left, right) pairs, such as (job, halt id) or (scope, job); a pair that was noted just now is left as it is."""
    add_all(store, [(kind, left, right) for left, right in names], now)


def add_all(store: Store, noted: Iterable[tuple[str, str, str]], now: datetime, *, expect_new: bool = False) -> None:
    """Note (kind, left, right) of any kinds, in as few commits as can be.

    `expect_new`: none of them is noted yet, as far as the caller knows, so that nothing is read first where that holds.
    """
    rows = list(dict.fromkeys((kind, _row_id(left, right)) for kind, left, right in noted))
    for start in range(0, len(rows), MAX_WRITES):
        _note(store, rows[start : start + MAX_WRITES], now, expect_new)


def _row_id(left: str, right: str) -> str:
    return f"{_short(left)}{_SEPARATOR}{right}"


def _short(left: str) -> str:
    """The left side as it stands in a row's id."""
    return left if _room(left) <= _LEFT_ROOM else f"~{hashlib.sha256(left.encode()).hexdigest()}"


def _room(text: str) -> int:
    """The most characters that a store makes of a text in a key: letters, digits, - and _ of ASCII stay one."""
    return sum(6 if not c.isascii() else 1 if c.isalnum() or c in "-_" else 2 for c in text)


def _note(store: Store, rows: Sequence[tuple[str, str]], now: datetime, expect_new: bool) -> None:
    for attempt in range(_TRIES):
        known = {} if expect_new and attempt == 0 else _known(store, rows)
        young = {name for name, row in known.items() if now - from_text(row.body["at"]) < _GRACE / 2}
        versions = {name: row.version for name, row in known.items()}
        puts = [Put(*name, {"at": to_text(now)}, versions.get(name)) for name in rows if name not in young]
        try:
            if puts:
                store.commit(INDEX, puts)
        except Conflict:
            continue  # somebody else noted one of the pairs, or removed it: look again
        return
    # Not Conflict, after which a verb would judge again and try all of this as often once more.
    raise CannotTell("a list across jobs changed too often", "try again in a moment")


def _known(store: Store, rows: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Row]:
    """Those of the rows that are there: one by one, or by a page of what lies between them where that asks less often."""
    known: dict[tuple[str, str], Row] = {}
    ids: dict[str, list[str]] = {}
    for kind, row_id in sorted(rows):
        ids.setdefault(kind, []).append(row_id)
    for kind, left in ids.items():
        pages_pay = True
        while left:
            first, *left = left
            if row := store.get(INDEX, kind, first):
                known[kind, first] = row
            if pages_pay and len(left) >= _WORTH_A_PAGE:
                page = store.list(INDEX, kind, after=first, limit=_PAGE)
                known |= {(kind, row.id): row for row in page}
                beyond = [row_id for row_id in left if len(page) == _PAGE and row_id > page[-1].id]
                pages_pay, left = len(left) - len(beyond) >= _WORTH_A_PAGE, beyond
    return known


def pairs(store: Store, kind: str, left: str | None = None) -> Iterator[tuple[str, str, Row]]:
    """The noted pairs with their rows, all or those of this left side."""
    prefix = "" if left is None else left + _SEPARATOR
    for row in takewhile(lambda row: row.id.startswith(prefix), all_rows(store, INDEX, kind, after=prefix)):
        of_left, _, right = row.id.partition(_SEPARATOR)
        yield of_left, right, row


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


def due_notes(store: Store, now: datetime, of_job: str | None = None) -> list[tuple[str, Row]]:
    """(job, outbox row) of every note that is not delivered, of one job or of all, in order of id."""
    found = []
    for job, note_id, row in pairs(store, DUE_NOTES, of_job):
        stored = store.get(job, OUTBOX, note_id)
        if stored and stored.body["state"] != Delivery.DELIVERED:
            found.append((job, stored))
        else:
            _forget(store, row, now)
    return found


def jobs_in(store: Store, scope: str) -> list[str]:
    """The jobs that have recorded a resource in the scope (a lower-cased resource group or subscription id)."""
    return list(dict.fromkeys(_right_of(store, SCOPES, scope, _PAGE)))


def job_of_halt(store: Store, halt_id: str) -> str | None:
    """The job that has a halt of exactly this id, as far as the list knows; halts of earlier versions are not in it."""
    jobs_noted = _right_of(store, HALT_JOBS, halt_id, at_once=1)  # there is one, as good as always
    return next((job for job in jobs_noted if store.version(job, HALT, halt_id)), None)


def _right_of(store: Store, kind: str, left: str, at_once: int) -> Iterator[str]:
    prefixes = dict.fromkeys(form + _SEPARATOR for form in (_short(left), left))
    return chain.from_iterable(_after_prefix(store, kind, prefix, at_once) for prefix in prefixes)


def _after_prefix(store: Store, kind: str, prefix: str, at_once: int) -> Iterator[str]:
    rows = all_rows(store, INDEX, kind, after=prefix, at_once=at_once)
    return (row.id.removeprefix(prefix) for row in takewhile(lambda row: row.id.startswith(prefix), rows))


def rebuild(store: Store, now: datetime, scopes_of: Callable[[str], Iterable[str]]) -> None:
    """Make every index row again from the jobs. `scopes_of(job)` gives the scopes of the job's baseline."""
    for job in jobs(store):
        rebuild_of(store, job, now, scopes_of(job))


def rebuild_of(store: Store, job: str, now: datetime, scopes: Iterable[str]) -> None:
    """Make every index row of one job again. A row that is there, and not old at the time `now`, is left as it is."""
    halts = [(row.id, HaltRow.from_body(row.body).final) for row in all_rows(store, job, HALT)]
    add(store, OPEN_HALTS, ((job, halt) for halt, final in halts if not final), now)
    # Which job a halt is of never changes: an old row is as good as a young one.
    known = _known(store, [(HALT_JOBS, _row_id(halt, job)) for halt, _ in halts])
    unknown = [(HALT_JOBS, halt, job) for halt, _ in halts if (HALT_JOBS, _row_id(halt, job)) not in known]
    add_all(store, unknown, now, expect_new=True)
    notes = all_rows(store, job, OUTBOX)
    add(store, DUE_NOTES, ((job, row.id) for row in notes if row.body["state"] != Delivery.DELIVERED), now)
    add(store, SCOPES, ((scope, job) for scope in scopes), now)


def _forget(store: Store, row: Row, now: datetime) -> None:
    if now - from_text(row.body["at"]) > _GRACE:
        try:
            store.commit(INDEX, [Delete(row.kind, row.id, row.version)])
        except Conflict:
            return  # somebody else removed it, or noted it again
