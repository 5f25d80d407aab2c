"""Reads the resources of a job and says what is found of each: the part of a check that asks ARM.

Rules:
- Every recorded resource is read at the api-version of its baseline; each gets exactly one finding.
- What is in flight is read again until the settling time is over; then it is InFlight.
- Moved and Gone count once `stability_reads` readings in a row agree. Where readings disagree it is read on, at most
  `stability_reads` times more: agreed on "as recorded" it is Touched and told as flapping; never agreed it is InFlight,
  so that no run goes on over it. One reading is believed where the policy asks for one.
- A body that no canonical form can be made of is Unreadable, never unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from driftguard.flow.check import Finding, FindingKind, Side, Signs, collapse_groups, find
from driftguard.flow.classify import PathRules
from driftguard.flow.compare import compare, etag_moved
from driftguard.flow.path import TooDeep, format_path
from driftguard.flow.policy import JobPolicy, Policy, Response
from driftguard.flow.reading import Cause, Outcome, Reading, Wanted
from driftguard.flow.record import Entry, Provenance, Snapshot, take_snapshot
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.flow.review import UNREAD
from driftguard.flow.secrets import align
from driftguard.flow.settled import first_non_terminal
from driftguard.guard import index
from driftguard.guard.blobs import Bodies, load_baseline
from driftguard.guard.context import Guard
from driftguard.guard.rows import JobRow
from driftguard.guard.stability import Readings, told
from driftguard.guard.work import Work

_POLL = 5.0
_ASK_AGAIN = (FindingKind.MOVED, FindingKind.MOVED_BY_JOB, FindingKind.GONE)


@dataclass(frozen=True, slots=True)
class Seen:
    """One resource as found. `live` is its sealed snapshot, kept only where something differs."""

    finding: Finding
    live: Snapshot | None = None


class Observer:
    """Reads for one check of one job. Not to be kept longer than that."""

    def __init__(
        self, guard: Guard, job: JobRow, policy: Policy, entries: dict[str, Entry], rules: JobPolicy | None = None
    ) -> None:
        self._guard = guard
        self._job = job
        self._policy = policy
        self._rules = rules or policy.for_job(job.name)
        self._entries = entries
        self._bodies = Bodies(guard.store)
        self._today = guard.today()
        self._deadline = guard.clock.monotonic() + self._rules.check_budget
        self._other_jobs: dict[str, list[tuple[str, dict[str, Entry]]]] = {}
        self._missing_groups: dict[str, ResourceRef] = {}

    def observe(self, entries: Sequence[Entry]) -> list[Seen]:
        """The finding of each entry, a missing resource group as one."""
        seen = {item.finding.ref.key: item for item in self._read(entries)}
        self._settle(seen)
        self._read_again(seen)
        return self._collapsed(seen)

    def observe_each(self, entries: Sequence[Entry]) -> list[Seen]:
        """The finding of each entry by itself, also where its resource group is gone."""
        seen = {item.finding.ref.key: item for item in self._read(entries)}
        self._settle(seen)
        return list(seen.values())

    def first_readings(self, refs: Sequence[ResourceRef]) -> list[Seen]:
        """Resources without a baseline: Unrecorded with its snapshot, Gone, Unreadable, or InFlight after settling."""
        until = min(self._deadline, self._guard.clock.monotonic() + self._rules.settle)
        seen: dict[str, Seen] = {}
        asked = list(refs)
        while asked:
            left = max(0.0, self._deadline - self._guard.clock.monotonic())
            for reading in self._guard.reader.read((Wanted(ref) for ref in asked), budget=left):
                seen[reading.ref.key] = self._first(reading)
            asked = [item.finding.ref for item in seen.values() if item.finding.kind is FindingKind.IN_FLIGHT]
            if self._guard.clock.monotonic() + _POLL > until:
                break
            if asked:
                self._guard.clock.sleep(_POLL)
        return list(seen.values())

    def difference(self, ref: ResourceRef, before: Snapshot, live: Snapshot) -> Finding:
        """The finding of a live state against any earlier one."""
        rules = self._policy.path_rules(ref, self._today)
        old, new = align(before.body, live.body, self._guard.sealer)
        compared = compare(old, before.etags, new, live.etags, ref.type, rules)
        sides = (
            Side(before.etags, before.api_version, before.at, before.request_id, before.correlation_id),
            Side(live.etags, live.api_version, live.at, live.request_id, live.correlation_id),
        )
        found = Finding(ref, FindingKind.MOVED, compared.changes, *sides, fingerprint=live.fingerprint)
        kind = find(
            Signs(
                recorded=True,
                configuration_change=bool(found.configuration),
                other_difference=bool(compared.changes),
                etag_moved=compared.etag_moved,
            )
        )
        return replace(found, kind=kind)

    def as_recorded(self, key: str) -> Snapshot | None:
        """The recorded snapshot of a resource, with its body."""
        entry = self._entries.get(key)
        return self._bodies.of(entry) if entry else None

    def _severity(self, ref: ResourceRef) -> str:
        return str(self._policy.severity(ref, self._today))

    def rules_of(self, ref: ResourceRef) -> PathRules:
        """The path rules that apply to a resource today."""
        return self._policy.path_rules(ref, self._today)

    def _first(self, reading: Reading) -> Seen:
        after = Side(reading.etags, reading.api_version, reading.at, reading.request_id, reading.correlation_id)
        found = Finding(reading.ref, FindingKind.UNRECORDED, after=after, severity=self._severity(reading.ref))
        if reading.outcome in (Outcome.MISSING, Outcome.GROUP_MISSING):
            return Seen(replace(found, kind=FindingKind.GONE, detail="it does not exist"))
        if reading.body is None:
            return Seen(replace(found, kind=FindingKind.UNREADABLE, cause=reading.cause, detail=reading.detail))
        try:
            unfinished = first_non_terminal(reading.body)
            if unfinished is not None:
                detail = f"{format_path(unfinished)} is not in a final state"
                return Seen(replace(found, kind=FindingKind.IN_FLIGHT, cause=Cause.IN_FLIGHT, detail=detail))
            live = take_snapshot(reading, self._guard.sealer, self._policy.redact(reading.ref, self._today))
        except TooDeep as error:
            return Seen(replace(found, kind=FindingKind.UNREADABLE, cause=Cause.TOO_LARGE, detail=error.message))
        return Seen(replace(found, fingerprint=live.fingerprint), live)

    def unmanaged(self, scopes: Iterable[str]) -> tuple[list[Seen], list[str]]:
        """What the job's scopes list and nobody recorded, and which scopes could not be listed whole (one line each)."""
        found: list[Seen] = []
        troubles: list[str] = []
        if self._rules.on_unmanaged is Response.IGNORE:
            return found, troubles
        for text in scopes:
            scope = parse_ref(text, cloud=self._job.cloud, tenant=self._job.tenant)
            members = self._guard.reader.members(scope)
            strangers = [ref for ref in members.refs if ref.key not in self._entries]
            found.extend(self._strangers(strangers))
            if not members.complete:
                troubles.append(f"{scope.id}: {members.detail}")
                if self._rules.on_unmanaged is Response.HALT:
                    cause = Cause.REFUSED
                    found.append(Seen(Finding(scope, FindingKind.UNREADABLE, cause=cause, detail=members.detail)))
        return found, troubles

    def _read(self, entries: Iterable[Entry]) -> Iterator[Seen]:
        wanted = (Wanted(entry.ref, entry.api_version) for entry in entries)
        left = max(0.0, self._deadline - self._guard.clock.monotonic())
        for reading in self._guard.reader.read(wanted, budget=left):
            yield self._see(self._entries[reading.ref.key], reading)

    def _settle(self, seen: dict[str, Seen]) -> None:
        until = min(self._deadline, self._guard.clock.monotonic() + self._rules.settle)
        while unsettled := _entries_of(seen, self._entries, (FindingKind.IN_FLIGHT,)):
            if self._guard.clock.monotonic() + _POLL > until:
                return
            self._guard.clock.sleep(_POLL)
            seen.update((item.finding.ref.key, item) for item in self._read(unsettled))

    def _read_again(self, seen: dict[str, Seen]) -> None:
        needed = self._rules.stability_reads
        readings: dict[str, Readings] = {}
        for key, item in seen.items():
            if item.finding.kind in _ASK_AGAIN:
                readings.setdefault(key, Readings()).add(item.finding)
        for _ in range(2 * needed - 1 if needed > 1 else 0):
            doubtful = [self._entries[key] for key, known in readings.items() if not known.agree(needed)]
            if not doubtful:
                break
            self._guard.clock.sleep(self._rules.stability_gap)
            for item in self._read(doubtful):
                key = item.finding.ref.key
                seen[key] = item
                if item.finding.kind in UNREAD:
                    del readings[key]  # it answers nothing now, and that is what is told of it
                else:
                    readings[key].add(item.finding)
        for key, known in readings.items():
            finding = told(seen[key].finding, known, needed)
            unclear = finding.kind is FindingKind.IN_FLIGHT
            seen[key] = Seen(finding, None if unclear else seen[key].live)

    def _see(self, entry: Entry, reading: Reading) -> Seen:
        before = Side(entry.etags, entry.api_version, entry.at, entry.request_id, entry.correlation_id)
        after = Side(reading.etags, reading.api_version, reading.at, reading.request_id, reading.correlation_id)
        # The ref of the baseline, not of the answer: it carries tenant and the casing that was recorded.
        found = Finding(
            entry.ref, FindingKind.UNCHANGED, before=before, after=after, severity=self._severity(entry.ref)
        )
        if reading.outcome is Outcome.GROUP_MISSING:
            self._note_missing_group(entry.ref)
        if reading.body is None:
            kind = find(Signs(recorded=True, outcome=reading.outcome))
            return Seen(replace(found, kind=kind, cause=reading.cause, detail=reading.detail))
        try:
            unfinished = first_non_terminal(reading.body)
            if unfinished is not None:
                detail = f"{format_path(unfinished)} is not in a final state"
                return Seen(replace(found, kind=FindingKind.IN_FLIGHT, cause=Cause.IN_FLIGHT, detail=detail))
            live = take_snapshot(
                reading, self._guard.sealer, self._policy.redact(entry.ref, self._today), key_id=entry.key_id
            )
        except TooDeep as error:
            return Seen(replace(found, kind=FindingKind.UNREADABLE, cause=Cause.TOO_LARGE, detail=error.message))
        return self._compare(entry, live, found)

    def _compare(self, entry: Entry, live: Snapshot, found: Finding) -> Seen:
        moved = etag_moved(entry.etags, live.etags)
        if live.fingerprint == entry.fingerprint:
            kind = find(Signs(recorded=True, etag_moved=moved))
            return Seen(replace(found, kind=kind, fingerprint=live.fingerprint))
        before, after = align(self._bodies.of(entry).body, live.body, self._guard.sealer)
        rules = self.rules_of(entry.ref)
        compared = compare(before, entry.etags, after, live.etags, entry.ref.type, rules)
        found = replace(found, changes=compared.changes, fingerprint=live.fingerprint)
        other_job = self._other_job(entry, live) if found.configuration else ""
        signs = Signs(
            recorded=True,
            configuration_change=bool(found.configuration),
            other_jobs_state=bool(other_job),
            other_difference=bool(compared.changes),
            etag_moved=moved,
        )
        return Seen(replace(found, kind=find(signs), other_job=other_job), live)

    def _other_job(self, entry: Entry, live: Snapshot) -> str:
        """The job whose own run is proven to have written exactly this state, or empty."""
        for job, entries in self._neighbours(scope_of(entry.ref)):
            other = entries.get(entry.ref.key)
            if other is None or (other.fingerprint, other.api_version) != (live.fingerprint, live.api_version):
                continue
            if other.provenance is Provenance.CLEARANCE and other.proven:
                return job
        return ""

    def _neighbours(self, scope: str) -> list[tuple[str, dict[str, Entry]]]:
        if scope not in self._other_jobs:
            store = self._guard.store
            others = [Work(store, name, self._guard.clock.now()).job for name in index.jobs_in(store, scope)]
            self._other_jobs[scope] = [
                (other.name, load_baseline(store, other.baseline).entries)
                for other in others
                if other.name != self._job.name and other.baseline and not other.retired_at
            ]
        return self._other_jobs[scope]

    def _strangers(self, refs: Sequence[ResourceRef]) -> Iterator[Seen]:
        """Unmanaged findings; the state is read only where the policy halts for it, since only then it is part of a digest."""
        kind = find(Signs(recorded=False, listed=True))
        if self._rules.on_unmanaged is not Response.HALT:
            yield from (Seen(Finding(ref, kind, detail=_STRANGER)) for ref in refs)
            return
        left = max(0.0, self._deadline - self._guard.clock.monotonic())
        for reading in self._guard.reader.read((Wanted(ref) for ref in refs), budget=left):
            item = self._stranger(reading)
            if item.finding.kind is not FindingKind.GONE:  # ARM's lists show a deleted resource for a while
                yield item

    def _stranger(self, reading: Reading) -> Seen:
        item = self._first(reading)
        if item.finding.kind is not FindingKind.UNRECORDED:
            return item
        return replace(item, finding=replace(item.finding, kind=FindingKind.UNMANAGED, detail=_STRANGER))

    def _note_missing_group(self, ref: ResourceRef) -> None:
        group = "/".join(ref.id.split("/")[:5])
        self._missing_groups[group.lower()] = parse_ref(group, cloud=ref.cloud, tenant=ref.tenant)

    def _collapsed(self, seen: dict[str, Seen]) -> list[Seen]:
        live = {key: item.live for key, item in seen.items()}
        findings = collapse_groups((item.finding for item in seen.values()), self._missing_groups)
        return [Seen(finding, live.get(finding.ref.key)) for finding in findings]


_STRANGER = "in the job's scope, never recorded"


def scope_of(ref: ResourceRef) -> str:
    """The scope under which the index knows a resource: its resource group, else its subscription, else the tenant."""
    parts = ref.key.split("/")
    if ref.resource_group:
        return "/".join(parts[:5])
    return "/".join(parts[:3]) if ref.subscription else "/"


def _entries_of(seen: dict[str, Seen], entries: dict[str, Entry], kinds: Sequence[FindingKind]) -> list[Entry]:
    return [entries[key] for key, item in seen.items() if item.finding.kind in kinds]
