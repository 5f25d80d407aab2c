"""Check: may this run update what the job owns?

Rules:
- Every recorded resource is read and judged; only Proceed lets the run go on, and gives it the clearance (a lease).
- A gate judges and takes no lease; a check of named resources is a gate, and what it did not read stays as the open halt has it.
- While the job is updating, only the run that holds the lease is answered; every other one is told who, and until when. A
  lease is of a run and of who was given it: the same run name of another caller is another run.
- While the job is settling (a record waits for a resource), nothing is judged.
- A difference opens one halt; met again it is the same halt; a halt that was decided lets a run pass only over exactly its
  difference, and never while something of it could not be read.
- What is unreadable lastingly (3 checks or 15 minutes) halts, so that somebody can waive it.
"""

from __future__ import annotations

from dataclasses import replace

from driftguard.errors import Busy, NothingRecorded, OtherScope, WrongUse
from driftguard.flow.moment import for_people, from_text
from driftguard.flow.policy import JobPolicy
from driftguard.guard import halting, pending
from driftguard.guard.answer import Answer, Ask
from driftguard.guard.context import Guard
from driftguard.guard.deliver import deliver_after
from driftguard.guard.looking import Looked, look
from driftguard.guard.measured import measured_check
from driftguard.guard.reseal_rest import also_told
from driftguard.guard.rows import JobRow
from driftguard.guard.ruling import Ruling
from driftguard.guard.up_to_date import bring_up_to_date
from driftguard.guard.work import Work, attempts_on

__all__ = ["Answer", "Ask", "check"]


@measured_check
def check(guard: Guard, ask: Ask) -> Answer:
    """Judge the job for a run. Raises NothingRecorded, Busy, BadConfiguration, StoreUnavailable, OtherScope."""
    policy = guard.policy()
    rules = policy.for_job(ask.job)
    looked: Looked | None = None

    def load() -> Work:
        return Work(guard.store, ask.job, guard.clock.now())

    def judge_and_commit(work: Work) -> Answer:
        nonlocal looked
        job = _require_ready(guard, work, ask, rules)
        if looked is None or looked.baseline.generation != job.generation:
            looked = look(guard, job, policy, rules, ask)
            work = load()
            if _require_ready(guard, work, ask, rules).generation != looked.baseline.generation:
                return judge_and_commit(load())
        return Ruling(guard, work, ask, policy, rules, looked).commit()

    try:
        renewing = (ask.run, ask.caller) if ask.takes_lease else None
        told, first = bring_up_to_date(guard, ask.job, policy, renewing=renewing)
        with also_told(told):
            answer = attempts_on(load, judge_and_commit, first)
        return replace(answer, told=(*told, *answer.told))
    finally:
        deliver_after(guard, ask.job)  # also where this was refused: an earlier process may have died before it told


def _require_ready(guard: Guard, work: Work, ask: Ask, rules: JobPolicy) -> JobRow:
    """The job, aged. Raises where it has nothing recorded, is updating for another run, or is settling."""
    job = work.job
    if job.retired_at:
        raise WrongUse(f"the job {job.name} is retired", "record it again: driftguard record (a reviewer accepts it)")
    if not work.exists or not job.baseline:
        if job.pending:
            raise Busy(f"the job {job.name} is settling: nothing is recorded yet", "ask again in a few minutes")
        raise NothingRecorded(
            f"nothing is recorded for the job {job.name}",
            f"run `driftguard record --job {job.name} …` after its next deployment",
        )
    _require_scope(guard, job)
    settling = pending.is_settling(guard, job, rules, work.now)
    halting.age(guard, work, settling=settling)
    if job.lease and not (ask.takes_lease and job.lease.is_of(ask.run, ask.caller)):
        raise Busy(
            f"the job {job.name} is updating: run {job.lease.run} until {for_people(from_text(job.lease.until))}",
            f"ask again when it has recorded, or release it: driftguard jobs release {job.name}",
        )
    if settling:
        raise Busy(f"the job {job.name} is settling: {pending.in_words(guard, job)}", "ask again in a few minutes")
    return job


def _require_scope(guard: Guard, job: JobRow) -> None:
    if job.cloud != guard.cloud:
        raise OtherScope(
            f"the job {job.name} is recorded in the cloud {job.cloud!r}, the settings say {guard.cloud!r}",
            "set DRIFTGUARD_CLOUD to the job's cloud",
        )
    if guard.tenant and job.tenant and guard.tenant != job.tenant:
        raise OtherScope(
            f"the job {job.name} is recorded in the tenant {job.tenant}, the settings say {guard.tenant}",
            "set AZURE_TENANT_ID to the job's tenant",
        )
