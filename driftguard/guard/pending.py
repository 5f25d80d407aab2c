"""What a record still waits for: resources that were not settled or not readable, and writes that a log may still tell.

Rules:
- Every verb that works on a job first tries again what is pending.
- A settled reading is kept as the candidate. It is accepted only where a source of attribution covers the time from the
  clearance to that reading and knows no other writer; a job's first record needs no such proof.
- Another writer in that time holds the resource: it keeps its old snapshot, and a halt opens.
- After `pending_limit` what is still pending halts as unreadable, so that a reviewer can waive it for one run.
- A write between clearance and record that the log tells late holds its resource all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from driftguard.flow.attribute import (
    DATE_TICK,
    Attribution,
    Event,
    Events,
    Own,
    Principal,
    attribute,
    deletes,
    is_covered,
    is_foreign,
    writers_of,
)
from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.evidence import Coverage
from driftguard.flow.moment import for_people, from_text
from driftguard.flow.policy import JobPolicy, Mode, Policy, Response
from driftguard.flow.reading import Cause
from driftguard.flow.record import Entry, Fate, Provenance, Snapshot
from driftguard.flow.resource import ResourceRef, with_parents
from driftguard.flow.review import Person
from driftguard.guard import accepting, halt_file, halting
from driftguard.guard.blobs import get_json, load_baseline, put_named
from driftguard.guard.context import Guard
from driftguard.guard.observe import Observer, Seen
from driftguard.guard.rows import HaltRow, JobRow
from driftguard.guard.work import Work, attempts

_SILENT = (FindingKind.UNREADABLE, FindingKind.IN_FLIGHT)


def save(guard: Guard, job: JobRow, record: str, context: dict[str, Any], taken: Sequence[accepting.Taken]) -> None:
    """Write down what is pending after a record; an empty list clears it."""
    items = {item.seen.finding.ref.key: _item(item.seen) for item in taken if item.fate is Fate.PENDING}
    _store(guard, job, record, {"context": context, "items": items})


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


def catch_up(guard: Guard, name: str, policy: Policy, *, renewing: str | None = None) -> None:
    """Try again what the job's last record left pending, and what a late log may tell of it.

    While the job is updating, its run's own record speaks next. `renewing` is a run that asks for its lease once more: it
    must not pass over what a log has told since.
    """

    def step(of_job: Callable[[Guard, Work, Policy], None], holder: str | None = None) -> None:
        work = Work(guard.store, name, guard.clock.now())
        lease = work.job.lease
        if lease is None or from_text(lease.until) <= work.now or lease.run == holder:
            of_job(guard, work, policy)

    attempts(partial(step, _retry))
    attempts(partial(step, _late_writes, renewing))


def foreign_writers(
    answers: Sequence[Events], ref: ResourceRef, window: tuple[datetime, datetime], own: Own
) -> list[Event]:
    """The events by somebody else on the resource inside the window."""
    return [event for event in writers_of(ref, answers, window) if is_foreign(event, own)]


def deleted_by_run(answers: Sequence[Events], ref: ResourceRef, window: tuple[datetime, datetime], own: Own) -> bool:
    """Whether the run itself is known to have deleted the resource inside the window, and nobody else did."""
    deletions = [event for event in writers_of(ref, answers, window) if deletes(event, ref)]
    return bool(deletions) and not any(is_foreign(event, own) for event in deletions)


def holds_writes(rules: JobPolicy) -> bool:
    """Whether somebody else's write between clearance and record is held; in observe mode nothing is."""
    return rules.on_window_write is Response.HALT and rules.mode is Mode.ENFORCE


def told_writes(
    answers: Sequence[Events], refs: Sequence[ResourceRef], span: tuple[datetime, datetime], own: Own
) -> list[str]:
    """What names each write by somebody else that the sources tell of by now; a log tells one operation in several rows."""
    return sorted({_name_of(event) for ref in refs for event in foreign_writers(answers, ref, span, own)})


def await_the_log(job: JobRow, window: dict[str, Any]) -> None:
    """Remember one more window that a log may still tell of.

    Beyond `_MOST_WINDOWS` the two oldest become one: rather a halt too many than a write that nobody learns of.
    """
    windows = [*_windows(job), window]
    if len(windows) > _MOST_WINDOWS:
        windows[:2] = [{**windows[0], "until": windows[1]["until"]}]
    _set_windows(job, windows)


def occasion(guard: Guard, policy: Policy, context: dict[str, Any], coverage: Coverage) -> halting.Occasion:
    """For whom a halt opens that a record made."""
    starter = Person.from_dict(context["started_by"]) if context.get("started_by") else None
    return halting.Occasion(context["run"], context.get("stage"), context["ticket"], starter, coverage, policy)


def own_writing(rules: JobPolicy, context: dict[str, Any]) -> Own:
    """What is known of the run's own writing."""
    learned = [Principal(**stored) for stored in context.get("learned", [])]
    return Own((*rules.principals, *learned), frozenset(context["correlations"]))


def _retry(guard: Guard, work: Work, policy: Policy) -> None:
    if not work.job.pending:
        return
    job, stored = work.job, get_json(guard.store, work.job.pending)
    rules, context = policy.for_job(job.name), stored["context"]
    entries = load_baseline(guard.store, job.baseline).entries if job.baseline else {}
    observer = Observer(guard, job, policy, entries, replace(rules, settle=0.0, stability_reads=1))
    seen = _read_again(observer, entries, stored["items"])
    halt, held = halt_of(guard, work, context.get("halt"))
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
    if context["since"]:
        window = (from_text(context["since"]), found.after.at or guard.clock.now())
        refs = with_parents([found.ref])
        answers = [source.events(refs, window[0], window[1] + DATE_TICK) for source in guard.sources]
        own = own_writing(rules, context)
        foreign = bool(foreign_writers(answers, found.ref, window, own)) and holds_writes(rules)
        author = attribute(found.ref, answers, window, own)
        own_deletion = deleted_by_run(answers, found.ref, window, own)
        if not foreign and not is_covered(answers, window[1]):
            return accepting.Taken(replace(item, finding=replace(found, detail=_UNCOVERED)), Fate.PENDING)
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
        own_deletion=own_deletion,
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


def halt_of(guard: Guard, work: Work, halt_id: str | None) -> tuple[HaltRow | None, halt_file.HaltFile | None]:
    """The halt under which a run was cleared, with what it is about."""
    halt = work.known_halt(halt_id) if halt_id else None
    return halt, halt_file.load(guard.store, halt.findings) if halt else None


def _late_writes(guard: Guard, work: Work, policy: Policy) -> None:
    """Ask the log again about each time between clearance and record; hold what somebody else wrote in it."""
    job, windows = work.job, _windows(work.job)
    if not windows:
        return
    rules = policy.for_job(job.name)
    waiting: list[dict[str, Any]] = []
    late: dict[str, _Late] = {}
    for window in windows:
        before = _before(guard, window)
        span, own = (from_text(window["since"]), from_text(window["until"])), own_writing(rules, window)
        # Of all that was recorded before, also of what this record retired as gone: somebody else may have deleted it.
        accepted = set(window.get("accepted", []))
        refs = [entry.ref for entry in before.values() if entry.ref.key not in accepted]
        answers = [source.events(with_parents(refs), span[0], span[1] + DATE_TICK) for source in guard.sources]
        known = set(window.get("known", []))
        for ref in refs:
            if any(_name_of(event) not in known for event in foreign_writers(answers, ref, span, own)):
                late.setdefault(ref.key, _Late(before[ref.key], attribute(ref, answers, span, own), window))
        if not is_covered(answers, span[1]) and work.now < span[1] + _ASK_THE_LOG:
            known |= set(told_writes(answers, refs, span, own))
            # What an earlier window's record should not have taken is no state to go back to for a later one.
            instead = {key: one.came_from for key, one in late.items() if one.window is not window}
            waiting.append({**window, "known": sorted(known), "instead": {**window.get("instead", {}), **instead}})
    if late and holds_writes(rules):
        _hold_back(guard, work, policy, late)
    if waiting != windows:
        _set_windows(job, waiting)
        work.commit()


_UNCOVERED = "settled, but no source of attribution covers the time since the clearance yet"
_ASK_THE_LOG = timedelta(days=1)
_MOST_WINDOWS = 40


@dataclass(frozen=True)
class _Late:
    """A resource that somebody else wrote in a window: its snapshot from before, who wrote it, and the window."""

    before: Entry
    author: Attribution
    window: dict[str, Any]

    @property
    def came_from(self) -> str:
        """The baseline that holds the snapshot from before."""
        return str(self.window.get("instead", {}).get(self.before.ref.key, self.window["baseline"]))


def _before(guard: Guard, window: dict[str, Any]) -> dict[str, Entry]:
    """The entries that were recorded before the window."""
    before = load_baseline(guard.store, window["baseline"]).entries
    older = {name: load_baseline(guard.store, name).entries for name in set(window.get("instead", {}).values())}
    return {**before, **{key: older[name][key] for key, name in window.get("instead", {}).items()}}


def forget_writes(job: JobRow, keys: Sequence[str]) -> None:
    """What a reviewer accepted since is no longer held for a write that a log tells late."""
    windows = _windows(job)
    _set_windows(job, [{**each, "accepted": sorted({*each.get("accepted", []), *keys})} for each in windows])


def _windows(job: JobRow) -> list[dict[str, Any]]:
    """What a log may still tell of, oldest first."""
    if job.window is None:
        return []
    latest = {key: value for key, value in job.window.items() if key != "earlier"}
    return [*job.window.get("earlier", []), latest]


def _set_windows(job: JobRow, windows: Sequence[dict[str, Any]]) -> None:
    job.window = {**windows[-1], "earlier": list(windows[:-1])} if windows else None


def _name_of(event: Event) -> str:
    return " ".join((event.correlation_id or event.id, event.operation, event.resource)).lower()


def _hold_back(guard: Guard, work: Work, policy: Policy, late: dict[str, _Late]) -> None:
    """Give the resources their old snapshot back, and open the halt that the record would have opened.

    The snapshot also goes back where nothing differs from it at the moment, or nothing can be read: nobody has accepted
    what the record took in its place.
    """
    entries = load_baseline(guard.store, work.job.baseline).entries
    before = {key: one.before for key, one in late.items()}
    observer = Observer(guard, work.job, policy, before, replace(policy.for_job(work.job.name), stability_reads=1))
    seen = observer.observe_each([before[key] for key in sorted(before)])
    taken = []
    for item in seen:
        found = replace(item.finding, attribution=late[item.finding.ref.key].author)
        if found.kind is FindingKind.GONE or found.ref.key in entries:
            halts = found.kind is FindingKind.GONE or found.configuration
            taken.append(accepting.Taken(item, Fate.HELD, held=found if halts else None))
    if not taken:
        return
    window = next(reversed(late.values())).window
    record = "r-" + guard.new_id()
    change = accepting.Swap(taken, Provenance.CLEARANCE, window["by"], window["run"], window["ticket"], record)
    back = {key: before[key] for key in (item.seen.finding.ref.key for item in taken)}
    coverage = Coverage(read=len(seen))
    halt = accepting.swap(guard, work, change, occasion(guard, policy, window, coverage), {**entries, **back})
    if halt and work.job.lease and from_text(work.job.lease.until) > work.now:
        work.job.lease = None  # the run that held it is being stopped
