"""What a person does to a job as a whole: list, show, release, retire, move, accept a proposal.

Rules:
- Release ends a lease: the run that holds it may do so with its clearance, anybody else as a reviewer.
- Retire and move take resources (or all of them) out of a baseline: they need a reviewer, no open halt and no lease. Whoever
  made a change that no check has met yet does neither with it: four eyes hold as for a proposal.
- Nothing outside the scopes that the policy gives a job becomes part of it by a move or a proposal.
- Move writes to the new job first: killed in between, a resource is guarded twice, never not at all. It takes the bodies
  along, sealed by the rules for secrets of today, into a pack of the new job: what becomes of the old one's is nothing to it.
- A proposal becomes the baseline only if what it read is still live; it resolves the halts that it explains.
- Whoever proposed, or made the change, does not accept it; where the author is not known, two reviewers do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from driftguard.errors import AlreadyFinal, BadConfiguration, Busy, HaltOpen, NotAllowed, NotFound, Stale, WrongUse
from driftguard.flow.halt import Event, State
from driftguard.flow.moment import for_people, from_text, to_text
from driftguard.flow.policy import JobPolicy, Mode
from driftguard.flow.record import Baseline, Entry, Provenance, Snapshot
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.flow.review import Person, authors_of, needs_second, require_four_eyes, require_reason, same_person
from driftguard.guard import four_eyes, halt_file, halting, index, late_writes, pending
from driftguard.guard.as_of_now import job_as_of_now
from driftguard.guard.blobs import Bodies, get_json, load_baseline, put_json, put_pack
from driftguard.guard.context import Guard
from driftguard.guard.deliver import deliver_after
from driftguard.guard.job_scopes import require_inside
from driftguard.guard.neighbours import scope_of
from driftguard.guard.observe import Observer
from driftguard.guard.review import require_person_at_hand
from driftguard.guard.rows import PROPOSAL, HaltRow, JobRow
from driftguard.guard.sealing import Sealing
from driftguard.guard.work import Work, attempts, few, read_steadily, sealed_under


@dataclass(frozen=True)
class JobView:
    """A job for people: its row with the version of it, its baseline without bodies, its open halt.

    `mode` is what the policy says of the job now; None where the policy cannot be loaded.
    """

    row: JobRow
    version: str
    baseline: Baseline | None
    halt: HaltRow | None
    mode: Mode | None = None


def mode_of(guard: Guard, name: str) -> Mode | None:
    """The job's mode by the policy of now; None where that cannot be loaded, which every check says by itself."""
    try:
        return guard.policy().for_job(name).mode
    except BadConfiguration:
        return None


def list_jobs(guard: Guard) -> list[JobView]:
    """Every job, without its baseline."""
    return [view for name in index.jobs(guard.store) if (view := view_of(guard, name))]


def view_of(guard: Guard, name: str) -> JobView | None:
    """One job as it stands now, without its baseline; None where nothing of it is recorded."""
    work = job_as_of_now(guard, name)
    return JobView(work.job, work.version, None, work.current(), mode_of(guard, name)) if work.version else None


def show_job(guard: Guard, name: str) -> JobView:
    """One job. Raises NotFound."""
    view = view_of(guard, name)
    if view is None:
        raise NotFound(f"there is no job {name}", "see driftguard jobs list")
    return replace(view, baseline=load_baseline(guard.store, view.row.baseline) if view.row.baseline else None)


def release(
    guard: Guard, name: str, *, by: Person, reason: str, clearance: str | None = None, if_match: str | None = None
) -> JobRow:
    """End the job's lease. `if_match` is the version of the job's row that was seen, as in all of these, or None.

    Raises NotAllowed inside CI without the lease's own clearance, AlreadyFinal where there is none, Stale.
    """
    if clearance is None:
        require_person_at_hand(guard, by)
        reason = require_reason(reason)

    def step() -> JobRow:
        work = _seen(_existing(guard, name), if_match)
        lease = work.job.lease
        if lease is None:
            raise AlreadyFinal(f"the job {name} is not updating", "there is nothing to release")
        if clearance is not None and lease.clearance != clearance:
            raise Stale(f"{clearance} is not the clearance in force", "it ended, or another run holds the lease")
        work.job.lease = work.job.last_clearance = None
        work.log("released", clearance=lease.clearance, run=lease.run, by=by.name, reason=reason)
        halt = work.current()
        if halt and halt.state is State.IN_USE:
            halting.end_lease(work, halt)
        work.commit()
        return work.job

    return attempts(step)


def retire(
    guard: Guard, name: str, *, by: Person, reason: str, resources: Sequence[str] = (), if_match: str | None = None
) -> JobRow:
    """Take resources out of the job's baseline, or retire the whole job.

    Raises HaltOpen, Busy, NotFound, Stale, NotAllowed for four eyes, Unavailable.
    """
    require_person_at_hand(guard, by)
    reason = require_reason(reason)

    def step() -> JobRow:
        work = _idle(guard, name, seen=if_match)
        four_eyes.require_another(guard, work, _named_entries(guard, work, resources), by)
        if resources:
            _without(guard, work, resources, by, f"retired: {reason}")
        else:
            work.job.retired_at = to_text(work.now)
        work.log("retired", by=by.name, reason=reason, resources=few(list(resources)) or "the whole job")
        work.commit()
        return work.job

    return attempts(partial(read_steadily, guard.store, name, step))


def move(
    guard: Guard, name: str, to: str, *, by: Person, reason: str, resources: Sequence[str], if_match: str | None = None
) -> JobRow:
    """Move resources with their snapshots to another job. Raises as `retire`; run again after a crash, it completes.

    `if_match` is of the job that gives them.
    """
    require_person_at_hand(guard, by)
    reason = require_reason(reason)
    if name == to or not resources:
        raise WrongUse("name another job and the resources that move", "--to JOB --resource ID …")

    def look() -> tuple[Work, list[Entry], list[Snapshot]]:
        source = _idle(guard, name, seen=if_match)
        entries = _named_entries(guard, source, resources)
        require_inside(guard.policy().for_job(to), (entry.ref for entry in entries))
        four_eyes.require_another(guard, source, entries, by)
        bodies = Bodies(guard.store)
        return source, entries, [bodies.of(entry) for entry in entries]

    def receive(source: Work, given: Sequence[Entry], snapshots: Sequence[Snapshot]) -> None:
        work = _idle(guard, to, new=True)
        if work.job.retired_at:
            raise WrongUse(f"the job {to} is retired: nobody would check what moves there", "name a job in use")
        if work.exists and work.job.tenant and work.job.tenant != source.job.tenant:
            raise WrongUse(f"the job {to} is of another tenant", "use a job of its own for each tenant")
        work.job.cloud, work.job.tenant = source.job.cloud, source.job.tenant
        have = load_baseline(guard.store, work.job.baseline).entries if work.job.baseline else {}
        policy = guard.policy()
        # Before they are written: killed before the commit, nobody seals again what a job that is sealed already does not name.
        sealed = [Sealing.of(guard, policy, source.job).snapshot(snapshot) for snapshot in snapshots]
        pack = f"{to}/pack/moved-{guard.new_id()}"
        put_pack(guard.store, pack, sealed)
        entries = [
            replace(entry, pack=pack, line=line, fingerprint=snapshot.fingerprint)
            for line, (entry, snapshot) in enumerate(zip(given, sealed, strict=True))
        ]
        _rebase(guard, work, {**have, **{entry.ref.key: entry for entry in entries}}, by)
        work.wrote_bodies(sealed_under(policy))
        work.log(
            "moved in", source=name, by=by.name, reason=reason, resources=few([entry.ref.key for entry in entries])
        )
        scopes = {scope_of(entry.ref) for entry in entries}
        index.add(guard.store, index.SCOPES, ((scope, to) for scope in scopes), work.now)
        work.commit()

    def give(entries: Sequence[Entry]) -> JobRow | None:
        work = _idle(guard, name)
        if _named_entries(guard, work, resources) != list(entries):
            return None  # its bodies were sealed again meanwhile, and lie in other packs than the new job was told
        _without(guard, work, resources, by, f"moved to {to}")
        work.log("moved out", to=to, by=by.name, reason=reason, resources=few([entry.ref.key for entry in entries]))
        work.commit()
        return work.job

    while True:
        source, entries, snapshots = attempts(partial(read_steadily, guard.store, name, look))
        attempts(partial(receive, source, entries, snapshots))
        if given := attempts(partial(give, entries)):
            return given


def proposals(guard: Guard, name: str | None = None) -> list[tuple[str, dict[str, Any]]]:
    """(job, proposal) of every proposal that waits."""
    names = [name] if name else index.jobs(guard.store)
    rows = [(job, row.body) for job in names for row in index.all_rows(guard.store, job, PROPOSAL)]
    return [(job, body) for job, body in rows if body["state"] == "proposed"]


def accept(guard: Guard, name: str, proposal: str, *, by: Person, reason: str, if_match: str | None = None) -> JobRow:
    """Make a proposal the job's baseline. Raises Stale where what it read is no longer live, NotAllowed for four eyes."""
    require_person_at_hand(guard, by)
    reason = require_reason(reason)

    def step() -> JobRow:
        work = _seen(_existing(guard, name), if_match)
        row = guard.store.get(name, PROPOSAL, proposal)
        if row is None:
            raise NotFound(f"there is no proposal {proposal} of the job {name}", "see driftguard jobs proposals")
        if row.body["state"] != "proposed":
            raise AlreadyFinal(f"the proposal is {row.body['state']}", "record again for another one")
        rules = guard.policy().for_job(name)
        halting.age(guard, work, settling=pending.is_settling(guard, work.job, rules, work.now))
        if work.job.lease:
            raise Busy(f"the job {name} is updating: run {work.job.lease.run}", "accept it after it has recorded")
        if _accept(guard, work, row.body, by, reason):
            body = {**row.body, "state": "accepted", "accepted_by": by.to_dict(), "accepted_at": to_text(work.now)}
        else:
            body = {**row.body, "first": by.to_dict()}
        work.put_over(PROPOSAL, proposal, body, row.version)
        work.commit()
        return work.job

    job = attempts(partial(read_steadily, guard.store, name, step))
    deliver_after(guard, name)
    return job


def _accept(guard: Guard, work: Work, body: dict[str, Any], by: Person, reason: str) -> bool:
    """Put the proposal in place; False where a second reviewer must accept it first."""
    policy = guard.policy()
    rules = policy.for_job(work.job.name)
    stored = get_json(guard.store, body["blob"])
    entries = [Entry.from_dict(entry) for entry in stored["entries"]]
    halt = work.current()
    held = halt_file.load(guard.store, halt.findings).findings if halt else ()
    have = load_baseline(guard.store, work.job.baseline).entries if work.job.baseline else {}
    proposed = [*(entry.ref.key for entry in entries), *stored["gone"]]
    gone = [parse_ref(key, cloud=work.job.cloud, tenant=work.job.tenant) for key in stored["gone"]]
    require_inside(rules, [*(entry.ref for entry in entries), *gone])
    differing = four_eyes.differing(guard, work, policy, [have[key] for key in proposed if key in have])
    authors, unknown = authors_of([*held, *differing])
    new_authors, may_tell = four_eyes.writers_of_new(guard, [entry for entry in entries if entry.ref.key not in have])
    authors, unknown = [*authors, *new_authors], unknown or may_tell
    starter = Person.from_dict(body["by"])
    require_four_eyes(by, authors=authors, starter=starter, identities=rules.identities)
    if needs_second(unknown, rules.unknown_author) and not _is_second(body, by, rules):
        work.log("proposal accepted by a first reviewer", proposal=body["id"], by=by.name, reason=reason)
        return False
    _require_live(guard, work, entries, gone)
    kept = {key: entry for key, entry in have.items() if key not in stored["gone"]}
    accepted = {entry.ref.key: replace(entry, provenance=Provenance.PROPOSAL) for entry in entries}
    _rebase(guard, work, {**kept, **accepted}, by)
    work.job.retired_at, work.job.selectors = None, body["selectors"]
    late_writes.forget_writes(work.job, proposed)
    work.log("proposal accepted", proposal=body["id"], by=by.name, reason=reason, asserted=by.asserted)
    explained = {*accepted, *stored["gone"]}
    if halt and all(finding.ref.key in explained for finding in held):
        halting.resolve(guard, work, halt, Event.EXPLAINED, f"a proposal was accepted by {by.name}: {reason}")
    return True


def _is_second(body: dict[str, Any], by: Person, rules: JobPolicy) -> bool:
    """Whether another reviewer accepted it before. Raises NotAllowed where it was the same one."""
    if not body.get("first"):
        return False
    first = Person.from_dict(body["first"])
    if same_person(by, first, rules.identities):
        raise NotAllowed(f"{first.name} accepted this already; the author is not known", "ask a second reviewer")
    return True


def _require_live(guard: Guard, work: Work, entries: Sequence[Entry], gone: Sequence[ResourceRef]) -> None:
    """What the proposal read must be what is there now."""
    policy = guard.policy()
    by_key = {entry.ref.key: entry for entry in entries}
    observer = Observer(guard, work.job, policy, by_key, replace(policy.for_job(work.job.name), stability_reads=1))
    for item in observer.observe_each(entries):
        if item.finding.kind not in ("unchanged", "touched"):
            raise Stale(f"{item.finding.ref.id} is {item.finding.kind} since it was proposed", "record again")
    for item in observer.first_readings(gone):
        if item.finding.kind != "gone":
            raise Stale(f"{item.finding.ref.id} is there again", "record again")


def _existing(guard: Guard, name: str) -> Work:
    work = Work(guard.store, name, guard.clock.now())
    if not work.exists:
        raise NotFound(f"there is no job {name}", "see driftguard jobs list")
    return work


def _seen(work: Work, if_match: str | None) -> Work:
    """The job, if it is as the caller saw it. Raises Stale."""
    if if_match is not None and work.version != if_match:
        raise Stale(
            f"the job {work.job.name} changed since you saw it", f"look again: driftguard jobs show {work.job.name}"
        )
    return work


def _idle(guard: Guard, name: str, *, new: bool = False, seen: str | None = None) -> Work:
    """The job, if it is as the caller saw it, no run is updating it and no halt of it is open."""
    work = Work(guard.store, name, guard.clock.now()) if new else _existing(guard, name)
    _seen(work, seen)  # first, as through a service: who saw another state is told so, whatever else is in the way
    rules = guard.policy().for_job(name)
    halting.age(guard, work, settling=pending.is_settling(guard, work.job, rules, work.now))
    if work.job.lease:
        until = for_people(from_text(work.job.lease.until))
        raise Busy(f"the job {name} is updating: run {work.job.lease.run} until {until}", "wait until it has recorded")
    if work.job.open_halt:
        raise HaltOpen(f"the halt {work.job.open_halt} of the job {name} is open", "decide on it first")
    if work.job.pending or work.job.window:
        raise Busy(f"the job {name} is settling: a log may still tell of its last update", "wait until it is complete")
    return work


def _named_entries(guard: Guard, work: Work, resources: Sequence[str]) -> list[Entry]:
    """The entries of these resources, of all where none is named. Raises NotFound."""
    entries = load_baseline(guard.store, work.job.baseline).entries if work.job.baseline else {}
    keys = [parse_ref(text, cloud=work.job.cloud).key for text in resources] or list(entries)
    missing = [key for key in keys if key not in entries]
    if missing:
        raise NotFound(f"{missing[0]} is not recorded by the job {work.job.name}", "see driftguard jobs show")
    return [entries[key] for key in keys]


def _without(guard: Guard, work: Work, resources: Sequence[str], by: Person, why: str) -> None:
    gone = {entry.ref.key for entry in _named_entries(guard, work, resources)}
    entries = load_baseline(guard.store, work.job.baseline).entries
    left = {key: entry for key, entry in entries.items() if key not in gone}
    if not left:
        raise WrongUse(f"nothing would be left of the job {work.job.name}", "retire the whole job instead")
    _rebase(guard, work, left, by)
    work.log("taken out", by=by.name, why=why, resources=few(sorted(gone)))


def _rebase(guard: Guard, work: Work, entries: dict[str, Entry], by: Person) -> None:
    """Give the job its next generation with these entries."""
    job = work.job
    job.generation += 1
    baseline = Baseline(job.name, job.generation, work.now, by.name, None, None, entries)
    job.baseline = f"{job.name}/baseline/{job.generation:06d}-{guard.new_id()}"
    job.baseline_at, job.good_at, job.memory = to_text(work.now), "", ""
    put_json(guard.store, job.baseline, baseline.to_dict())
