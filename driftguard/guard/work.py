"""One transaction on one job: what a verb read of the job, what it wants to change, and one commit for all of it.

Rules:
- The job's row is written with every commit, at the version that was read: two verbs never change a job side by side.
- Job, checks, halts, outbox and ledger commit together; blobs that they name are written before.
- A verb that loses the race gets Conflict, loads the job anew and judges again (`attempts`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from driftguard.errors import Conflict, NotFound, WrongUse
from driftguard.flow.ledger import next_entry
from driftguard.flow.moment import to_text
from driftguard.flow.policy import Policy
from driftguard.flow.ports import Delete, Put, Row, Store, Write
from driftguard.flow.secrets import SECRETS_VERSION
from driftguard.flow.ticket import outbox_rows
from driftguard.guard import index
from driftguard.guard.blobs import Damaged
from driftguard.guard.rows import HALT, JOB, JOB_ROW, LEDGER, OUTBOX, HaltRow, JobRow

_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_TRIES = 40
_FEW = 100
T = TypeVar("T")


def require_job_name(name: str) -> str:
    """The name. Raises WrongUse for one that cannot be a job."""
    if not _JOB_NAME.match(name):
        raise WrongUse(
            f"{name[:100]!r} cannot be the name of a job", "use letters, digits, dot, dash and underscore, at most 100"
        )
    return name


def few(texts: Sequence[str]) -> list[str]:
    """The first texts of a list that may be long, and how many more there are: rows stay small."""
    more = len(texts) - _FEW
    return [*texts[:_FEW], *([f"and {more} more"] if more > 0 else [])]


class Work:
    """A job as read, and the changes to it. Nothing is written before `commit`.

    `store` is where it was read; `version` that of the job's row, None where there is none.
    """

    def __init__(self, store: Store, job: str, now: datetime) -> None:
        self.store = store
        self.now = now
        row = store.get(require_job_name(job), JOB, JOB_ROW)
        self.job = JobRow.from_body(row.body) if row else JobRow(job)
        self.exists = row is not None
        self.used_up: HaltRow | None = None  # a halt that this transaction closed, and that the next one follows
        self.version = row.version if row else None
        self._halt_versions: dict[str, str | None] = {}
        self._writes: dict[tuple[str, str], Put] = {}
        self._removed: list[Delete] = []
        self._notes: list[tuple[str, str]] = []
        self._open: list[tuple[str, str]] = []
        self._new_halts: list[tuple[str, str]] = []

    def halt(self, halt_id: str) -> HaltRow:
        """A halt of the job. Raises NotFound."""
        pending = self._writes.get((HALT, halt_id))
        if pending:
            return HaltRow.from_body(dict(pending.body))
        row = self.store.get(self.job.name, HALT, halt_id)
        if row is None:
            raise NotFound(f"there is no halt {halt_id} of the job {self.job.name}", "see driftguard halts list --all")
        self._halt_versions[halt_id] = row.version
        return HaltRow.from_body(row.body)

    def known_halt(self, halt_id: str) -> HaltRow | None:
        """A halt of the job, or None."""
        try:
            return self.halt(halt_id)
        except NotFound:
            return None

    def current(self) -> HaltRow | None:
        """The one halt that is not final, or None."""
        return self.halt(self.job.open_halt) if self.job.open_halt else None

    def save_halt(self, halt: HaltRow) -> None:
        """Write the halt with this commit and keep the job's pointer to the open one true."""
        expected = self._halt_versions.get(halt.id)
        self._writes[HALT, halt.id] = Put(HALT, halt.id, halt.to_body(), expected)
        if expected is None:
            self._new_halts.append((halt.id, self.job.name))
        if not halt.final:
            self.job.open_halt = halt.id
            self._open.append((self.job.name, halt.id))
        elif self.job.open_halt == halt.id:
            self.job.open_halt = None

    def put_new(self, kind: str, row_id: str, body: Mapping[str, Any]) -> None:
        """Write a row that must not exist yet."""
        self._writes[kind, row_id] = Put(kind, row_id, {"schema": 1, **body}, None)

    def put_over(self, kind: str, row_id: str, body: Mapping[str, Any], version: str) -> None:
        """Write a row over the version that was read."""
        self._writes[kind, row_id] = Put(kind, row_id, {"schema": 1, **body}, version)

    def remove(self, row: Row) -> None:
        """Remove a row that is as it was read."""
        self._removed.append(Delete(row.kind, row.id, row.version))

    def tell(self, halt: HaltRow, event: str, targets: Sequence[str]) -> None:
        """Put a note for every target into the outbox; the halt is saved with its count of notes."""
        halt.told += 1
        for row_id, body in outbox_rows(halt.id, halt.told, event, targets, self.now).items():
            self.put_new(OUTBOX, row_id, body)
            self._notes.append((self.job.name, row_id))
        self.save_halt(halt)

    def wrote_bodies(self, sealed: str) -> None:
        """Say under which rules (`sealed_under`) the bodies of this transaction were sealed.

        Where others were sealed under other rules all of them are gone through again.
        """
        if not self.exists:
            self.job.sealed = sealed
        elif self.job.sealed != sealed:
            self.job.sealed = ""

    def log(self, event: str, **data: Any) -> None:
        """Add an entry to the job's ledger."""
        entry = next_entry(self.job.ledger_number + 1, self.job.ledger_head, to_text(self.now), event, data)
        self.job.ledger_number, self.job.ledger_head = entry.number, entry.hash
        self.put_new(LEDGER, f"{entry.number:010d}", entry.to_dict())

    def commit(self) -> None:
        """Write everything or nothing. Raises Conflict where somebody else changed the job first."""
        new_halts = {halt for halt, _ in self._new_halts}
        known = [(index.OPEN_HALTS, job, halt) for job, halt in self._open if halt not in new_halts]
        new = [(index.OPEN_HALTS, job, halt) for job, halt in self._open if halt in new_halts]
        new += [(index.DUE_NOTES, job, note) for job, note in self._notes]
        new += [(index.HALT_JOBS, halt, job) for halt, job in self._new_halts]
        index.add_all(self.store, known, self.now)
        index.add_all(self.store, new, self.now, expect_new=True)
        job: Write = Put(JOB, JOB_ROW, self.job.to_body(), self.version)
        self.store.commit(self.job.name, [job, *self._writes.values(), *self._removed])


def sealed_under(policy: Policy) -> str:
    """What names the rules for secrets: which are known by themselves, and what the policy adds."""
    return f"{SECRETS_VERSION}:{policy.digest}"


def attempts(step: Callable[[], T]) -> T:
    """Run a step that loads a job, judges and commits; again where somebody else was faster. Raises Conflict at last."""
    for left in range(_TRIES, 0, -1):
        try:
            return step()
        except Conflict:
            if left == 1:
                raise
    raise Conflict("the job changed too often", "try again in a moment")


def read_steadily(store: Store, job: str, step: Callable[[], T]) -> T:
    """As the step; Conflict instead of Damaged where the job's row changed meanwhile: what it named may have been replaced.

    Bodies are replaced, and the old ones removed, when more of them counts as a secret than before.
    """
    before = store.get(job, JOB, JOB_ROW)
    with _steady(store, job, before.version if before else None):
        return step()


def attempts_on(load: Callable[[], Work], step: Callable[[Work], T], first: Work | None = None) -> T:
    """`attempts` of a step on the job as loaded, and on `first` where it was loaded already; read steadily, too."""

    def once() -> T:
        nonlocal first
        work, first = first or load(), None
        with _steady(work.store, work.job.name, work.version):
            return step(work)

    return attempts(once)


@contextmanager
def _steady(store: Store, job: str, version: str | None) -> Iterator[None]:
    try:
        yield
    except Damaged:
        now = store.get(job, JOB, JOB_ROW)
        if version is None or now is None or now.version == version:
            raise
        raise Conflict("the bodies of the job were sealed again meanwhile", "try again in a moment") from None
