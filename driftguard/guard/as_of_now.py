"""Jobs and halts as time has left them, for whoever only looks: nothing is written by a look.

Rules:
- What the next verb would find by the clock alone (a lease that ended, a decision whose time passed) is told now.
- What is told depends on the rows and on which deadlines have passed, on nothing else of the clock.
- The ledger is told as it is stored: what a verb would add to it is not there yet.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from driftguard.errors import Conflict
from driftguard.flow.halt import State
from driftguard.flow.moment import from_text, to_text
from driftguard.flow.ports import Row
from driftguard.guard import halting
from driftguard.guard.blobs import get_json
from driftguard.guard.context import Guard
from driftguard.guard.rows import HALT, HaltRow
from driftguard.guard.work import Work

_TRIES = 5


def job_as_of_now(guard: Guard, name: str) -> Work:
    """The job with its open halt; not to be committed."""
    work = Work(guard.store, name, guard.clock.now())
    apply_time(guard, work)
    return work


def halt_as_of_now(guard: Guard, job: str, row: Row) -> tuple[HaltRow, str]:
    """The halt of this row, or of the one that has taken its place, with the row's version. Raises Conflict."""
    for _ in range(_TRIES):
        halt = HaltRow.from_body(row.body)
        if not _may_have_ended(halt, guard.clock.now()):
            return halt, row.version
        work = Work(guard.store, job, guard.clock.now())
        if work.job.open_halt == halt.id:
            apply_time(guard, work)
            halt = work.halt(halt.id)
        now = guard.store.get(job, HALT, row.id)
        if now is None or now.version == row.version:
            return halt, row.version
        row = now
    raise Conflict("the halt changes too often", "try again in a moment")


def as_of_now(guard: Guard, halt: HaltRow) -> HaltRow:
    """The halt that was read a moment ago. Raises Conflict."""
    if not _may_have_ended(halt, guard.clock.now()):
        return halt
    row = guard.store.get(halt.job, HALT, halt.id)
    return halt_as_of_now(guard, halt.job, row)[0] if row else halt


def apply_time(guard: Guard, work: Work) -> None:
    """Let the job and its open halt be what time alone made of them."""
    job, before = work.job, work.current()
    number, head, lease = job.ledger_number, job.ledger_head, job.lease
    if lease is None and (before is None or not _may_have_ended(before, work.now)):
        return
    waits_until = _waits_until(guard, work) if before and before.state is State.IN_USE else None
    halting.age(guard, work, settling=waits_until is not None and work.now < waits_until)
    job.ledger_number, job.ledger_head = number, head
    if work.used_up is not None:  # closed because what its run recorded never became readable: since when
        ends = [moment for moment in (waits_until, from_text(lease.until) if lease else None) if moment]
        work.used_up.closed_at = to_text(max(ends)) if ends else work.used_up.opened_at
        work.save_halt(work.used_up)


def _may_have_ended(halt: HaltRow, now: datetime) -> bool:
    """Whether time alone may have changed the halt; in use, that is for the job to say."""
    expired = halt.expires_at is not None and from_text(halt.expires_at) <= now
    return not halt.final and (expired or halt.state is State.IN_USE)


def _waits_until(guard: Guard, work: Work) -> datetime | None:
    """Until when the job's last record may wait for what was not settled; None where it waits for nothing."""
    if not work.job.pending:
        return None
    rules = guard.policy().for_job(work.job.name)
    since = from_text(get_json(guard.store, work.job.pending)["context"]["at"])
    return since + timedelta(seconds=rules.pending_limit)
