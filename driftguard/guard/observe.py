"""Reads the resources of a job and says what is found of each: the part of a check that asks ARM.

Rules:
- Every recorded resource is read at the api-version of its baseline; each gets exactly one finding.
- What is in flight is read again until the settling time is over; then it is InFlight.
- Moved and Gone count once `stability_reads` readings in a row agree. Where readings disagree it is read on, at most
  `stability_reads` times more: agreed on "as recorded" it is Touched and told as flapping; never agreed it is InFlight,
  so that no run goes on over it. One reading is believed where the policy asks for one.
- A body that no canonical form can be made of is Unreadable, never unchanged.
- What the open halt tells in marks is a mark in what is read, so that the same difference is the same one to it, also where
  the rule for secrets was taken back since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from driftguard.flow.check import Finding, FindingKind, Side, Signs, collapse_groups, find
from driftguard.flow.classify import PathRules
from driftguard.flow.compare import compare, etag_moved
from driftguard.flow.path import PatternSet, TooDeep
from driftguard.flow.policy import JobPolicy, Policy, Response
from driftguard.flow.ports import Sealer
from driftguard.flow.reading import Cause, Outcome, Reading, Wanted
from driftguard.flow.record import Entry, Snapshot, reseal_snapshot, take_snapshot, with_sealed_body
from driftguard.flow.resource import ResourceRef, holder_of, parse_ref
from driftguard.flow.review import UNREAD
from driftguard.flow.secrets import align
from driftguard.guard.blobs import Bodies
from driftguard.guard.context import Guard
from driftguard.guard.neighbours import Neighbours
from driftguard.guard.rows import JobRow
from driftguard.guard.stability import Readings, told
from driftguard.guard.unsettled import unsettled
from driftguard.guard.work import sealed_under

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
        self,
        guard: Guard,
        job: JobRow,
        policy: Policy,
        entries: dict[str, Entry],
        rules: JobPolicy | None = None,
        told: Mapping[str, Snapshot] | None = None,
    ) -> None:
        """`told` are live snapshots that a halt holds: what is a mark there is one in what is read now."""
        self._guard = guard
        self._job = job
        self._policy = policy
        self._rules = rules or policy.for_job(job.name)
        self._entries = entries
        self._told = told or {}
        self._sealed_today = job.sealed == sealed_under(policy)
        self._bodies = Bodies(guard.store)
        self._today = guard.today()
        self._deadline = guard.clock.monotonic() + self._rules.check_budget
        self._neighbours = Neighbours(guard, job.name)
        self._missing_groups: dict[str, ResourceRef] = {}

    def observe(self, entries: Sequence[Entry]) -> list[Seen]:
        """The finding of each entry, a missing resource group as one."""
        seen = {item.finding.ref.key: item for item in self._read(entries)}
        until = self._settling_ends()
        self._settle(seen, until)
        busy = self._read_again(seen)
        while busy and self._guard.clock.monotonic() + _POLL <= until:
            unsettled = {key: seen[key] for key in busy}
            self._settle(unsettled, until)
            busy = self._read_again(unsettled)
            seen.update(unsettled)
        return self._collapsed(seen)

    def observe_each(self, entries: Sequence[Entry]) -> list[Seen]:
        """The finding of each entry by itself, also where its resource group is gone."""
        seen = {item.finding.ref.key: item for item in self._read(entries)}
        self._settle(seen, self._settling_ends())
        return list(seen.values())

    def first_readings(self, refs: Sequence[ResourceRef]) -> list[Seen]:
        """Resources without a baseline: Unrecorded with its snapshot, Gone, Unreadable, or InFlight after settling."""
        until = self._settling_ends()
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
        old, new = align(before.body, live.body, self.sealer)
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
        """The recorded snapshot of a resource, with its body, sealed by the rules of today."""
        entry = self._entries.get(key)
        return self.recorded(entry) if entry else None

    def key_of(self, key: str) -> str:
        """The id of the key by which a recorded resource is sealed; empty for one that is not recorded."""
        entry = self._entries.get(key)
        return entry.key_id if entry else ""

    @property
    def sealer(self) -> Sealer:
        """What makes the marks."""
        return self._guard.sealer

    def recorded(self, entry: Entry) -> Snapshot:
        """A recorded snapshot with its body, sealed by the rules of today."""
        stored = self._bodies.of(entry)
        return stored if self._sealed_today else reseal_snapshot(stored, self.sealer, self._redact(entry.ref))

    def _redact(self, ref: ResourceRef) -> PatternSet:
        return self._policy.redact(ref, self._today)

    def snapshot(self, reading: Reading, ref: ResourceRef, key_id: str | None = None) -> Snapshot:
        """The sealed snapshot of a reading. What a halt tells in marks stays a mark, also where its rule was taken back."""
        live = take_snapshot(reading, self.sealer, self._redact(ref), key_id=key_id)
        told = self._told.get(ref.key)
        if told is None or told.key_id != live.key_id:
            return live
        return with_sealed_body(live, align(told.body, live.body, self.sealer)[1])

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
            if detail := unsettled(reading, self.sealer, self._redact(reading.ref)):
                return Seen(replace(found, kind=FindingKind.IN_FLIGHT, cause=Cause.IN_FLIGHT, detail=detail))
            live = self.snapshot(reading, reading.ref)
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

    def _settling_ends(self) -> float:
        return min(self._deadline, self._guard.clock.monotonic() + self._rules.settle)

    def _settle(self, seen: dict[str, Seen], until: float) -> None:
        while unsettled := _entries_of(seen, self._entries, (FindingKind.IN_FLIGHT,)):
            if self._guard.clock.monotonic() + _POLL > until:
                return
            self._guard.clock.sleep(_POLL)
            seen.update((item.finding.ref.key, item) for item in self._read(unsettled))

    def _read_again(self, seen: dict[str, Seen]) -> list[str]:
        """Read what differs until its readings agree; the keys of resources on which an operation began meanwhile."""
        needed = self._rules.stability_reads
        readings: dict[str, Readings] = {}
        busy: list[str] = []
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
                    if item.finding.kind is FindingKind.IN_FLIGHT:
                        busy.append(key)
                else:
                    readings[key].add(item.finding)
        for key, known in readings.items():
            finding = told(seen[key].finding, known, needed)
            unclear = finding.kind is FindingKind.IN_FLIGHT
            seen[key] = Seen(finding, None if unclear else seen[key].live)
        return busy

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
            if detail := unsettled(reading, self.sealer, self._redact(entry.ref), key_id=entry.key_id):
                return Seen(replace(found, kind=FindingKind.IN_FLIGHT, cause=Cause.IN_FLIGHT, detail=detail))
            live = self.snapshot(reading, entry.ref, entry.key_id)
        except TooDeep as error:
            return Seen(replace(found, kind=FindingKind.UNREADABLE, cause=Cause.TOO_LARGE, detail=error.message))
        return self._compare(entry, live, found)

    def _compare(self, entry: Entry, live: Snapshot, found: Finding) -> Seen:
        moved = etag_moved(entry.etags, live.etags)
        if live.fingerprint == entry.fingerprint:
            kind = find(Signs(recorded=True, etag_moved=moved))
            return Seen(replace(found, kind=kind, fingerprint=live.fingerprint))
        before, after = align(self.recorded(entry).body, live.body, self.sealer)
        rules = self.rules_of(entry.ref)
        compared = compare(before, entry.etags, after, live.etags, entry.ref.type, rules)
        found = replace(found, changes=compared.changes, fingerprint=live.fingerprint)
        other_job = self._neighbours.whose(entry, live) if found.configuration else ""
        signs = Signs(
            recorded=True,
            configuration_change=bool(found.configuration),
            other_jobs_state=bool(other_job),
            other_difference=bool(compared.changes),
            etag_moved=moved,
        )
        return Seen(replace(found, kind=find(signs), other_job=other_job), live)

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
        group = holder_of(ref)
        if group is not None:
            self._missing_groups[group.key] = group

    def _collapsed(self, seen: dict[str, Seen]) -> list[Seen]:
        live = {key: item.live for key, item in seen.items()}
        findings = collapse_groups((item.finding for item in seen.values()), self._missing_groups)
        return [Seen(finding, live.get(finding.ref.key)) for finding in findings]


_STRANGER = "in the job's scope, never recorded"


def _entries_of(seen: dict[str, Seen], entries: dict[str, Entry], kinds: Sequence[FindingKind]) -> list[Entry]:
    return [entries[key] for key, item in seen.items() if item.finding.kind in kinds]
