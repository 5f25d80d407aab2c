"""Seals everything that is stored of a job once more, where more of it counts as a secret than when it was stored.

Rules:
- Every verb that works on a job asks first. Where the rules for secrets are those of the last time, nothing is loaded.
- Nothing of the judgement changes: the generation stays, and so do the open halt, its decision and what was remembered.
- New blobs are written first, then the rows that name them; the old blobs are removed last. A row keeps the keys of what is
  still to be removed, so that the next verb does it where this one was killed.
- A rule that is taken back changes nothing that is stored: what was sealed stays sealed.
- The ledger says that it was done, under which policy, and which evidence holds such values still.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from driftguard.errors import Conflict
from driftguard.flow.policy import Policy
from driftguard.flow.record import Entry
from driftguard.guard import calls, halt_file, index, late_writes, memory, pending
from driftguard.guard.blobs import Damaged, get_json, get_named, load_baseline, put_json, put_named
from driftguard.guard.context import Guard
from driftguard.guard.observe import Observer
from driftguard.guard.reseal_bodies import (
    Moved,
    entries_of,
    move_bodies,
    open_proposals,
    proposed_packs,
)
from driftguard.guard.reseal_evidence import evidence_holding
from driftguard.guard.reseal_halts import findings_hold_secret, seal_closed, seal_open
from driftguard.guard.reseal_rest import forget, now_holding, room_left, to_forget
from driftguard.guard.rows import HALT, JOB, JOB_ROW, PROPOSAL, HaltRow, JobRow
from driftguard.guard.sealing import Sealing
from driftguard.guard.work import Work, attempts, few, read_steadily, require_job_name, sealed_under

_AT_ONCE = 40  # halts in one commit, each with an entry in the ledger
_MOST_PORTIONS = 100  # of blobs to be removed, in one verb
_KINDS = ("pack", "pending", "halts")  # of blobs that hold bodies or values; evidence is another matter


def reseal(guard: Guard, name: str, policy: Policy) -> tuple[str, ...]:
    """Bring what is stored of a job under the rules for secrets of today; what is worth telling, one line each.

    Raises SecretKeyMissing, StoreUnavailable, Conflict.
    """
    row = guard.store.get(require_job_name(name), JOB, JOB_ROW)
    if row is None:
        return ()
    job, under = JobRow.from_body(row.body), sealed_under(policy)
    if job.sealed == under and job.forget:
        attempts(partial(forget, guard, name))
    told: tuple[str, ...] = ()
    if job.sealed != under:
        calls.forget_other_rules(guard, name, under)
        calls.forget_other_rules(guard, calls.SCANS, under)  # they tell the findings of many jobs
    for _ in range(_MOST_PORTIONS):
        if job.sealed == under:
            break
        told += attempts(lambda: read_steadily(guard.store, name, partial(_reseal, guard, name, policy)))
        job = attempts(partial(forget, guard, name))
        if not room_left(job):
            break  # somebody still uses what is to be removed: the next verb goes on
    return told


def is_sealed(job: JobRow, policy: Policy) -> bool:
    """Whether everything of the job is sealed under the rules of today, and nothing is left to be removed."""
    return job.sealed == sealed_under(policy) and not job.forget


@dataclass
class _Done:
    """What was sealed so far; `named` are the findings that a halt names, `old` the blobs to forget, `holding` evidence."""

    halts: int = 0
    named: set[str] = field(default_factory=set)
    old: list[str] = field(default_factory=list)
    holding: list[str] = field(default_factory=list)


def _reseal(guard: Guard, name: str, policy: Policy) -> tuple[str, ...]:
    # Listed before the row is read: whoever writes a blob later has to read the row later as well, or loses to this commit.
    listed = [key for kind in _KINDS for key in guard.store.blobs(f"{name}/{kind}/")]
    job = Work(guard.store, name, guard.clock.now()).job
    if job.sealed == sealed_under(policy):
        return ()  # another process was faster
    sealing = Sealing.of(guard, policy, job)
    done = _Done()
    for row_id, entries in open_proposals(guard, name):
        _seal_proposal(guard, name, row_id, entries, sealing)
    _seal_closed_halts(guard, name, sealing, done)
    work = Work(guard.store, name, guard.clock.now())
    if work.job.ledger_number != job.ledger_number:
        raise Conflict(f"the job {name} changed while its bodies were sealed again", "try again in a moment")
    return _seal_job(guard, work, policy, sealing, listed, done)


def _seal_proposal(guard: Guard, name: str, proposal: str, entries: list[Entry], sealing: Sealing) -> None:
    """What a proposal read, in a pack of its own."""
    work = Work(guard.store, name, guard.clock.now())
    row = guard.store.get(name, PROPOSAL, proposal)
    moved = move_bodies(guard, name, sealing, entries)
    if row is None or not moved.old:
        return
    stored = get_json(guard.store, row.body["blob"])
    blob = f"{name}/proposals/{proposal}-sealed-{guard.new_id()}"
    put_json(guard.store, blob, {**stored, "entries": [moved.entry(entry).to_dict() for entry in entries]})
    work.put_over(PROPOSAL, proposal, {**row.body, "blob": blob}, row.version)
    to_forget(work.job, moved.old)
    work.commit()


def _seal_closed_halts(guard: Guard, name: str, sealing: Sealing, done: _Done) -> None:
    work = Work(guard.store, name, guard.clock.now())
    changed: list[HaltRow] = []
    untold = {note.body["halt"] for of_job, note in index.due_notes(guard.store, guard.clock.now()) if of_job == name}
    for row in list(index.all_rows(guard.store, name, HALT)):
        halt = HaltRow.from_body(row.body)
        done.named.add(halt.findings)
        done.holding += evidence_holding(guard, halt, sealing)
        old = halt.findings
        if halt.final and seal_closed(guard, work, halt := work.halt(halt.id), sealing, untold=halt.id in untold):
            changed.append(halt)
            done.named = (done.named - {old}) | {halt.findings}
            done.old += [old] if halt.findings != old else []
            if len(changed) % _AT_ONCE == 0:
                _commit(work, done)
                work = Work(guard.store, name, guard.clock.now())
    done.halts = len(changed)
    if len(changed) % _AT_ONCE:
        _commit(work, done)


def _commit(work: Work, done: _Done) -> None:
    to_forget(work.job, done.old)
    work.commit()


def _seal_job(
    guard: Guard, work: Work, policy: Policy, sealing: Sealing, listed: Iterable[str], done: _Done
) -> tuple[str, ...]:
    """What the job's row names: the baselines, the open halt, what is pending; and what nobody names any more."""
    job, listed = work.job, [key for key in listed if key not in work.job.forget]
    packs = {key for key in listed if key.startswith(f"{job.name}/pack/")}
    unnamed = packs - proposed_packs(guard, job.name)
    moved = move_bodies(guard, job.name, sealing, entries_of(guard, job), unnamed, most=room_left(job) + 1)
    renamed = {key: moved.baseline(guard, key) for key in late_writes.named_baselines(job) | {job.baseline} if key}
    job.baseline = renamed.get(job.baseline, "")
    late_writes.rename_baselines(job, renamed)
    old = [*moved.old, *_seal_pending(guard, job, sealing, listed)]
    halt = work.current()
    if halt is not None:
        done.named.discard(halt.findings)
        done.halts += _seal_open_halt(guard, work, policy, halt, sealing)
        done.named.add(halt.findings)
    findings = [key for key in listed if key.startswith(f"{job.name}/halts/") and not _is_kept(key)]
    unnamed_findings = (key for key in findings if key not in done.named)
    secret = (key for key in unnamed_findings if findings_hold_secret(guard, key, sealing))
    old += islice(secret, max(0, room_left(job) + 1 - len(old)))
    # What the row has no room for is found again, in the next round.
    job.sealed = sealed_under(policy) if to_forget(job, old) else ""
    new = now_holding(job, done.holding)
    if moved.sealed or done.halts or job.forget or new:
        work.log(
            "sealed again",
            policy=policy.digest,
            bodies=moved.sealed,
            halts=done.halts,
            removed=len(job.forget),
            still_in_evidence=few(new),
        )
    work.commit()
    return _told(moved, new)


def _seal_open_halt(guard: Guard, work: Work, policy: Policy, halt: HaltRow, sealing: Sealing) -> bool:
    """Seal the open halt; a difference that is remembered by its fingerprint is remembered by the new one."""
    entries = load_baseline(guard.store, work.job.baseline).entries if work.job.baseline else {}
    before = _fingerprints(guard, halt)
    if not seal_open(guard, work, halt, sealing, Observer(guard, work.job, policy, entries)):
        return False
    after = _fingerprints(guard, halt)
    memory.rename(guard.store, work.job, {old: after[key] for key, old in before.items() if key in after})
    return True


def _fingerprints(guard: Guard, halt: HaltRow) -> dict[str, str]:
    try:
        live = halt_file.load(guard.store, halt.findings).live
    except Damaged:
        return {}
    return {key: snapshot.fingerprint for key, snapshot in live.items()}


def _seal_pending(guard: Guard, job: JobRow, sealing: Sealing, listed: Iterable[str]) -> list[str]:
    """Seal the candidates that a record waits with; the keys of what is to be forgotten, also of earlier ones."""
    old = []
    earlier = {key for key in listed if key.startswith(f"{job.name}/pending/")}
    for key in sorted(earlier | ({job.pending} if job.pending else set())):
        try:
            stored = get_named(guard.store, key)
            sealed = pending.sealed_again(stored, sealing.snapshot, sealing.detail)
        except (Damaged, KeyError, TypeError, ValueError, AttributeError):
            continue  # what needs it says so
        if sealed == stored:
            continue
        old.append(key)
        if key == job.pending:
            job.pending = put_named(guard.store, f"{job.name}/pending/sealed-{guard.new_id()}", sealed)
    return old


def _is_kept(key: str) -> bool:
    """Whether the blob of a halt lists what was kept: ids only."""
    return key.rsplit("/", 1)[-1].startswith("kept-")


def _told(moved: Moved, holding: list[str]) -> tuple[str, ...]:
    told = []
    if moved.sealed:
        told.append(f"the rules for secrets changed: {moved.sealed} recorded bodies were sealed again")
    told += [
        f"evidence of {one.replace(' ', ' version ')} and the notes made from it hold a value that is a secret now, "
        "and evidence never changes: change that secret where it is used"
        for one in few(holding)
    ]
    return tuple(told)
