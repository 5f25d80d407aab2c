"""Record: what a deployment left becomes the job's baseline.

Rules:
- It needs the clearance of the same job and run, and is refused while a halt of the job is open. An expired clearance is
  still good while no other was given since. Who names only the run must be who was given its clearance; who presents the
  clearance itself need not.
- While a halt is open, a person (a call that names no run) may still propose: accepted, it resolves what it explains.
- The first record of a job needs none, and the ledger says so. A later one without clearance, or under the name of a retired
  job, is a proposal: it changes nothing until a reviewer accepts it.
- Every recorded resource is read, after the deployment has ended, from a GET; the whole set is swapped in one step.
- What somebody else wrote between clearance and record is held, as the sources know it now; what they tell later is held then.
- A record that read nothing is refused; recording the same state again under a used clearance changes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from driftguard.errors import Busy, HaltOpen, NoClearance, OtherScope
from driftguard.flow.halt import LETS_PASS
from driftguard.flow.moment import for_people, from_text
from driftguard.flow.policy import JobPolicy, Mode
from driftguard.guard import halting, pending
from driftguard.guard.context import Guard
from driftguard.guard.deliver import deliver_after
from driftguard.guard.measured import measured_record
from driftguard.guard.naming import Named, resolve
from driftguard.guard.proposing import Read
from driftguard.guard.recorded import Naming, Recorded, Recording
from driftguard.guard.recorder import Recorder, read_all
from driftguard.guard.reseal_rest import also_told
from driftguard.guard.rows import Lease
from driftguard.guard.up_to_date import bring_up_to_date
from driftguard.guard.work import Work, attempts_on

__all__ = ["Naming", "Recorded", "Recording", "record"]


@measured_record
def record(guard: Guard, call: Recording) -> Recorded:
    """Record a job. Raises NoClearance, HaltOpen, Busy, OtherScope, WrongUse, CannotTell."""
    policy = guard.policy()
    rules = policy.for_job(call.job)
    read: tuple[int, Named, Read] | None = None

    def load() -> Work:
        return Work(guard.store, call.job, guard.clock.now())

    def step(work: Work) -> Recorded:
        nonlocal read
        lease = _admit(guard, work, call, rules)
        if read is None or read[0] != work.job.generation:
            named = resolve(guard, work, call)
            read = (work.job.generation, named, read_all(guard, work, policy, rules, named, lease))
            # Reading takes a while: what is written says when it is written, on the job as it is then.
            work = load()
            lease = _admit(guard, work, call, rules)
            if read[0] != work.job.generation:
                return step(load())
        # A new id for every attempt: blobs are written once, and another attempt may have other things to write.
        record_id = "r-" + guard.new_id()
        return Recorder(guard, work, call, policy, rules, lease, read[1], read[2], record_id).commit()

    try:
        told, first = bring_up_to_date(guard, call.job, policy)
        with also_told(told):
            recorded = attempts_on(load, step, first)
        return replace(recorded, told=(*told, *recorded.told))
    finally:
        deliver_after(guard, call.job)  # also where this was refused: an earlier process may have died before it told


def _admit(guard: Guard, work: Work, call: Recording, rules: JobPolicy) -> Lease | None:
    """The clearance that the record stands on; None for a first record or a proposal. Raises where it is refused."""
    job = work.job
    if work.exists and job.cloud != guard.cloud:
        raise OtherScope(f"the job {job.name} is recorded in the cloud {job.cloud!r}", "set DRIFTGUARD_CLOUD to it")
    halting.age(guard, work, settling=pending.is_settling(guard, job, rules, work.now))
    if not work.exists or (not job.baseline and not job.retired_at):
        if call.clearance:
            raise NoClearance(
                f"{call.clearance} is no clearance of the job {job.name}: nothing is recorded yet",
                "record without --clearance: the first record needs none",
            )
        return None
    halt = work.current()
    last = job.lease or job.last_clearance
    passing = halt is not None and last is not None and halt.id == last.halt and halt.state in LETS_PASS
    by_a_run = bool(call.run or call.clearance)
    if halt and by_a_run and not passing and rules.mode is Mode.ENFORCE:
        raise HaltOpen(
            f"the halt {halt.id} of the job {job.name} is {halt.state}: nothing is recorded over it",
            f"see driftguard halts show {halt.id}",
        )
    lease = _standing(work, call, rules)
    if job.lease and lease is None and not job.lease.is_of(call.run, call.caller):
        raise Busy(
            f"the job {job.name} is updating: run {job.lease.run} until {for_people(from_text(job.lease.until))}",
            "record with that run's clearance, or wait until it has recorded",
        )
    return lease


def _standing(work: Work, call: Recording, rules: JobPolicy) -> Lease | None:
    """The lease of the call's run: the one in force, or the last one given, however long ago it ended."""
    job = work.job
    lease = job.lease or job.last_clearance
    if job.retired_at:
        return None
    if call.clearance:
        if lease is None or lease.clearance != call.clearance:
            raise NoClearance(
                f"{call.clearance} is not the job's last clearance", "run `driftguard check` before the next update"
            )
        if call.run and call.run != lease.run:
            raise NoClearance(f"{call.clearance} was given to run {lease.run}, not to {call.run}", "use its own run")
        if _only_observed(lease, rules):
            raise NoClearance(
                f"{call.clearance} was given in observe mode to a run that would have been stopped",
                "record without a clearance: a reviewer accepts the proposal",
            )
        return lease
    if lease and lease.is_of(call.run or None, call.caller):
        return lease if not _only_observed(lease, rules) else None
    return None


def _only_observed(lease: Lease, rules: JobPolicy) -> bool:
    """Whether the clearance was given only because nothing was stopped then: under enforcement it stands for nothing."""
    return lease.observed and rules.mode is Mode.ENFORCE
