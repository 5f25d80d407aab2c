"""Looking: reads everything that a check is about, and asks who changed what differs. Decides nothing, writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from driftguard.errors import OtherScope
from driftguard.flow.attribute import DATE_TICK, Own, attribute
from driftguard.flow.check import Finding, FindingKind, Signs, find
from driftguard.flow.evidence import Coverage
from driftguard.flow.moment import from_text, to_text
from driftguard.flow.policy import JobPolicy, Policy
from driftguard.flow.reading import Cause
from driftguard.flow.record import Baseline
from driftguard.flow.resource import ResourceRef, parse_ref, with_parents
from driftguard.flow.review import UNREAD
from driftguard.guard import halt_file, memory, pending
from driftguard.guard.answer import Ask
from driftguard.guard.blobs import load_baseline
from driftguard.guard.context import Guard
from driftguard.guard.observe import Observer, Seen
from driftguard.guard.rows import JobRow
from driftguard.guard.work import Work

_WRITTEN = (FindingKind.MOVED, FindingKind.MOVED_BY_JOB, FindingKind.GONE)


@dataclass(frozen=True)
class Looked:
    """What was read for one check, before anything is decided."""

    baseline: Baseline
    seen: tuple[Seen, ...]
    coverage: Coverage
    read_at: str


def look(guard: Guard, job: JobRow, policy: Policy, rules: JobPolicy, ask: Ask) -> Looked:
    """Read everything that the check is about, and who changed what differs."""
    baseline = load_baseline(guard.store, job.baseline)
    told = halt_file.live_of(guard.store, job.name, job.open_halt)
    observer = Observer(guard, job, policy, baseline.entries, told=told)
    named = [parse_ref(text, cloud=job.cloud, tenant=job.tenant) for text in ask.resources]
    _require_tenant(guard, job, {ref.subscription for ref in named if ref.key not in baseline.entries} - {""})
    entries = [baseline.entries[ref.key] for ref in named if ref.key in baseline.entries]
    seen = observer.observe(entries if ask.resources else list(baseline.entries.values()))
    scopes: list[str] = []
    if not ask.resources:
        strangers, scopes = observer.unmanaged(job.selectors.get("scope", []))
        late = pending.overdue(guard, job, rules)
        late_keys = {item.finding.ref.key for item in late}
        seen = [item for item in seen if item.finding.ref.key not in late_keys] + strangers + late
    seen += [_unrecorded(ref) for ref in named if ref.key not in baseline.entries]
    seen = attributed(guard, job, rules, seen)
    times = [item.finding.after.at for item in seen if item.finding.after.at]
    read_at = to_text(min(times)) if times else to_text(guard.clock.now())
    return Looked(baseline, tuple(seen), _coverage(policy, baseline, seen, scopes), read_at)


def _require_tenant(guard: Guard, job: JobRow, subscriptions: set[str]) -> None:
    """What is named and was never recorded must be of the job's tenant. Raises OtherScope."""
    for subscription in sorted(subscriptions):
        tenant = guard.reader.tenant_of(subscription)
        if job.tenant and tenant != job.tenant:
            raise OtherScope(
                f"the subscription {subscription} is of the tenant {tenant}, the job {job.name} is of {job.tenant}",
                "use a job of its own for each tenant",
            )


def _unrecorded(ref: ResourceRef) -> Seen:
    detail = "named, but never recorded: the next record takes it in"
    return Seen(Finding(ref, find(Signs(recorded=False)), detail=detail))


def attributed(guard: Guard, job: JobRow, rules: JobPolicy, seen: list[Seen]) -> list[Seen]:
    """The findings that somebody wrote, with who did."""
    remembered = memory.load(guard.store, job)
    now = guard.clock.now()
    brackets = {
        item.finding.ref.key: _bracket(
            job, item.finding, remembered.first_seen(item.finding) or item.finding.after.at or now
        )
        for item in seen
        if item.finding.kind in _WRITTEN
    }
    if not brackets:
        return seen
    refs = [item.finding.ref for item in seen if item.finding.ref.key in brackets]
    since, until = min(b[0] for b in brackets.values()), max(b[1] for b in brackets.values())
    answers = [source.events(with_parents(refs), since, until + DATE_TICK) for source in guard.sources]
    last = job.last_clearance
    own = Own(rules.principals, frozenset(job.own_correlations), from_text(last.read_at) if last else None)
    return [
        _by_that_job(
            guard,
            replace(
                item, finding=replace(item.finding, attribution=attribute(item.finding.ref, answers, bracket, own))
            ),
        )
        if (bracket := brackets.get(item.finding.ref.key))
        else item
        for item in seen
    ]


def _by_that_job(guard: Guard, item: Seen) -> Seen:
    """A state that another job recorded is that job's work only where nobody else wrote since it was last seen good."""
    finding, found = item.finding, item.finding.attribution
    if finding.kind is not FindingKind.MOVED_BY_JOB or found is None:
        return item
    theirs = Work(guard.store, finding.other_job, guard.clock.now()).job.own_correlations
    if found.covered and found.writers and all(one.correlation_id.lower() in theirs for one in found.writers):
        return item
    return replace(item, finding=replace(finding, kind=FindingKind.MOVED, other_job=""))


def _bracket(job: JobRow, finding: Finding, first_seen: datetime) -> tuple[datetime, datetime]:
    """Last seen good, first seen changed: the baseline's reading, or a later check that found everything as recorded."""
    until = min(first_seen, finding.after.at or first_seen)
    good = [finding.before.at] if finding.before.at else []
    if job.good_at:
        good.append(from_text(job.good_at))
    since = max(good) if good else from_text(job.baseline_at)
    return min(since, until), until


def _coverage(policy: Policy, baseline: Baseline, seen: Sequence[Seen], scopes: Sequence[str]) -> Coverage:
    unread = [
        (item.finding.ref.id, str(item.finding.cause or Cause.REFUSED), item.finding.detail)
        for item in seen
        if item.finding.kind in UNREAD
    ]
    types = sorted({entry.ref.type for entry in baseline.entries.values()})
    parts = {kind: told for kind in types if (told := policy.unread(kind))}
    read = [item for item in seen if item.finding.after.at and item.finding.kind not in UNREAD]
    return Coverage(len(read), tuple(unread), parts, tuple(scopes))
