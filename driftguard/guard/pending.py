"""What a record still waits for: resources that were not settled or not readable.

Rules:
- Every verb that works on a job first tries again what is pending.
- A settled reading is kept as the candidate. It is accepted only where a source of attribution covers the time from the
  clearance to that reading and knows no other writer; a job's first record needs no such proof.
- Where no source tells who writes resources of the kind, a recorded one is accepted as it was recorded, and held as anything
  else; a new one is not accepted, whichever record it is of: it halts after the limit.
- Another writer in that time holds the resource: it keeps its old snapshot, and a halt opens.
- After `pending_limit` what is still pending halts as unreadable, so that a reviewer can waive it for one run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from driftguard.flow.attribute import (
    DATE_TICK,
    attribute,
    is_covered,
)
from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.evidence import Coverage
from driftguard.flow.moment import for_people, from_text
from driftguard.flow.policy import JobPolicy, Policy
from driftguard.flow.reading import Cause
from driftguard.flow.record import Entry, Fate, Provenance, Snapshot
from driftguard.flow.resource import ResourceRef, with_parents
from driftguard.guard import accepting, halt_file, late_writes
from driftguard.guard.blobs import get_json, load_baseline, put_named
from driftguard.guard.context import Guard
from driftguard.guard.observe import Observer, Seen
from driftguard.guard.rows import HaltRow, JobRow
from driftguard.guard.run_window import (
    deleted_by_run,
    foreign_writers,
    halt_of,
    holds_writes,
    is_observed,
    occasion,
    own_writing,
)
from driftguard.guard.work import Work, attempts_on, sealed_under

_SILENT = (FindingKind.UNREADABLE, FindingKind.IN_FLIGHT)

_NOT_ACCEPTED = "readable now, but no source tells whether it is still what its run left: name it in a record again"
_UNCOVERED = "settled, but no source of attribution covers the time since the clearance yet"


def save(guard: Guard, job: JobRow, record: str, context: dict[str, Any], taken: Sequence[accepting.Taken]) -> None:
    """Write down what is pending after a record; an empty list clears it."""
    items = {item.seen.finding.ref.key: _item(item.seen) for item in taken if item.fate is Fate.PENDING}
    _store(guard, job, record, {"context": context, "items": items})


def waited_for_still(taken: accepting.Taken) -> accepting.Taken:
    """What waits for a record that names it, after one that does not; nothing that was read of it meanwhile counts."""
    found = taken.seen.finding
    detail = found.detail if found.kind in _SILENT else _NOT_ACCEPTED
    return accepting.Taken(Seen(replace(found, detail=detail)), Fate.PENDING)


def is_settling(guard: Guard, job: JobRow, rules: JobPolicy, now: datetime) -> bool:
    """Whether a record still waits, within its limit."""
    if not job.pending:
        return False
    since = from_text(get_json(guard.store, job.pending)["context"]["at"])
    return now < since + timedelta(seconds=rules.pending_limit)


def in_words(guard: Guard, job: JobRow) -> str:
    """What is waited for, in one line."""
    stored = get_json(guard.store, job.pending)
    keys = sorted(stored["items"])
    more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return f"the record of {for_people(from_text(stored['context']['at']))} waits for {keys[0]}{more}"


def waiting_for(guard: Guard, job: JobRow) -> list[ResourceRef]:
    """The resources that the last record still waits for."""
    items = get_json(guard.store, job.pending)["items"] if job.pending else {}
    return [ResourceRef(*item["ref"]) for item in items.values()]


def overdue(guard: Guard, job: JobRow, rules: JobPolicy) -> list[Seen]:
    """What is pending beyond the limit, as findings that halt."""
    if not job.pending or is_settling(guard, job, rules, guard.clock.now()):
        return []
    items = get_json(guard.store, job.pending)["items"].values()
    return [Seen(_overdue(item)) for item in items]


def catch_up(guard: Guard, name: str, policy: Policy, *, renewing: tuple[str, str] | None = None) -> None:
    """Try again what the job's last record left pending, and what a late log may tell of it.

    While the job is updating, its run's own record speaks next. `renewing` is a run, with its caller, that asks for its
    lease once more: it must not pass over what a log has told since.
    """

    def step(of_job: Callable[[Guard, Work, Policy], None], holder: tuple[str, str] | None, work: Work) -> None:
        lease = work.job.lease
        if lease is None or from_text(lease.until) <= work.now or (holder and lease.is_of(*holder)):
            of_job(guard, work, policy)

    for each in (partial(step, _retry, None), partial(step, late_writes.look_again, renewing)):
        attempts_on(lambda: Work(guard.store, name, guard.clock.now()), each)


def is_caught_up(job: JobRow) -> bool:
    """Whether there is nothing to try again."""
    return not job.pending and job.window is None


def sealed_again(
    stored: Any, sealed: Callable[[Snapshot], Snapshot], told: Callable[[ResourceRef, str], str]
) -> dict[str, Any]:
    """What a record waits for, with each candidate as `sealed` gives it and each detail as `told` does.

    Raises KeyError and the like for another form.
    """
    items = {
        key: {
            **item,
            "detail": told(ResourceRef(*item["ref"]), item["detail"]),
            "candidate": sealed(Snapshot.from_dict(item["candidate"])).to_dict() if item["candidate"] else None,
        }
        for key, item in stored["items"].items()
    }
    return {**stored, "items": items}


def _retry(guard: Guard, work: Work, policy: Policy) -> None:
    if not work.job.pending:
        return
    job, stored = work.job, get_json(guard.store, work.job.pending)
    rules, context = policy.for_job(job.name), stored["context"]
    entries = load_baseline(guard.store, job.baseline).entries if job.baseline else {}
    halt, held = halt_of(guard, work, context.get("halt"))
    told = held.live if held else None
    observer = Observer(guard, job, policy, entries, replace(rules, settle=0.0, stability_reads=1), told)
    seen = _read_again(observer, entries, stored["items"])
    taken, left = [], dict(stored["items"])
    for item in seen:
        outcome = _outcome(guard, rules, context, item, entries, halt, held, observer, policy)
        if outcome is None:
            continue
        if outcome.fate is Fate.PENDING:
            left[item.finding.ref.key] = _item(outcome.seen)
            continue
        taken.append(outcome)
        left.pop(item.finding.ref.key)
    if not taken and left == stored["items"]:
        return
    record = "r-" + guard.new_id()
    new = None
    if taken:
        change = accepting.Swap(
            taken, Provenance(context["provenance"]), context["by"], context["run"], context["ticket"], record
        )
        coverage = Coverage(read=len(seen))
        new = accepting.swap(guard, work, change, occasion(guard, policy, context, coverage))
        still = [accepting.Taken(Seen(_overdue(item)), Fate.PENDING) for item in left.values()]
        accepting.end_halt(guard, work, halt, [*taken, *still], new)
    _store(guard, job, record, {"context": context, "items": left})
    work.wrote_bodies(sealed_under(policy))
    work.commit()


def _outcome(
    guard: Guard,
    rules: JobPolicy,
    context: dict[str, Any],
    item: Seen,
    entries: dict[str, Entry],
    halt: HaltRow | None,
    held: halt_file.HaltFile | None,
    observer: Observer,
    policy: Policy,
) -> accepting.Taken | None:
    """What becomes of one pending resource now; None where it is as it was."""
    found = item.finding
    if found.kind in _SILENT:
        return None
    if found.kind is FindingKind.GONE and found.ref.key not in entries:
        return None  # named, and not there (yet): saying nothing would leave it unguarded
    foreign, author, own_deletion = False, None, False
    # Of such a kind nobody will ever tell whether what is read now is still what the run left.
    untold = bool(guard.sources) and not any(found.ref.kind in source.kinds for source in guard.sources)
    if untold and found.ref.key not in entries:
        return waited_for_still(accepting.Taken(item, Fate.PENDING))
    if context["since"]:
        window = (from_text(context["since"]), found.after.at or guard.clock.now())
        refs = with_parents([found.ref])
        answers = [source.events(refs, window[0], window[1] + DATE_TICK) for source in guard.sources]
        own = own_writing(rules, context)
        foreign = bool(foreign_writers(answers, found.ref, window, own)) and holds_writes(rules)
        author = attribute(found.ref, answers, window, own)
        own_deletion = deleted_by_run(answers, found.ref, window, own)
        if not (foreign or untold or is_covered(answers, window[1], found.ref.kind)):
            return accepting.Taken(replace(item, finding=replace(found, detail=_UNCOVERED)), Fate.PENDING)
    if untold:
        foreign = holds_writes(rules) and (bool(found.configuration) or found.kind is FindingKind.GONE)
    return accepting.judge_fate(
        item,
        named=True,
        recorded=found.ref.key in entries,
        foreign=foreign,
        author=author,
        halt=halt,
        held=held,
        observer=observer,
        policy=policy,
        proven=False,
        own_deletion=own_deletion or is_observed(rules),
        log_complete=True,  # without that, and without somebody else's write, it is pending still
    )


def _read_again(observer: Observer, entries: dict[str, Entry], items: dict[str, Any]) -> list[Seen]:
    """The pending resources as they are now, or their candidate where one was read settled before."""
    candidates = [_candidate(observer, entries, item) for item in items.values() if item["candidate"]]
    open_items = [item for item in items.values() if not item["candidate"]]
    known = [entries[item["ref"][3]] for item in open_items if item["ref"][3] in entries]
    unknown = [ResourceRef(*item["ref"]) for item in open_items if item["ref"][3] not in entries]
    return [*candidates, *observer.observe_each(known), *observer.first_readings(unknown)]


def _candidate(observer: Observer, entries: dict[str, Entry], item: dict[str, Any]) -> Seen:
    live = Snapshot.from_dict(item["candidate"])
    before = observer.as_recorded(live.ref.key) if live.ref.key in entries else None
    if before is None:
        after = accepting.side_of(live)
        return Seen(Finding(live.ref, FindingKind.UNRECORDED, after=after, fingerprint=live.fingerprint), live)
    return Seen(observer.difference(live.ref, before, live), live)


def _item(seen: Seen) -> dict[str, Any]:
    found = seen.finding
    ref = found.ref
    return {
        "ref": [ref.kind, ref.cloud, ref.tenant, ref.key, ref.type, ref.id],
        "cause": str(found.cause or (Cause.NOT_THERE if found.kind is FindingKind.GONE else Cause.IN_FLIGHT)),
        "detail": found.detail,
        "candidate": seen.live.to_dict() if seen.live and found.kind not in _SILENT else None,
    }


def _overdue(item: dict[str, Any]) -> Finding:
    detail = f"pending since the last record: {item['detail'] or item['cause']}"
    ref = ResourceRef(*item["ref"])
    return Finding(ref, FindingKind.UNREADABLE, cause=Cause(item["cause"]), detail=detail, lasting=True)


def _store(guard: Guard, job: JobRow, record: str, stored: dict[str, Any]) -> None:
    job.pending = ""
    if stored["items"]:
        job.pending = put_named(guard.store, f"{job.name}/pending/{record}", stored)
