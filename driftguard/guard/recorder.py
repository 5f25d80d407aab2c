"""Recorder: decides what a record does with everything that it read, and writes it in one commit.

Rules:
- Under a clearance, or as the first record, the set is swapped (accepting.py); otherwise it is written down as a proposal.
- A clearance that ended in time is taken up again with the halt that it passed under.
- Where no source tells who writes resources of a kind, the run's own word counts for what it names, and for nothing else.
- What an earlier record waits for, and this one does not take over, is waited for still: it was named once.
- What a late log may still tell of the time between clearance and record is remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from driftguard.errors import Busy, CannotTell
from driftguard.flow.attribute import (
    DATE_TICK,
    Events,
    Own,
    Principal,
    attribute,
    is_covered,
    is_proven,
    is_untold,
    writers_of,
)
from driftguard.flow.check import FindingKind
from driftguard.flow.evidence import Coverage
from driftguard.flow.halt import Event, State, transition
from driftguard.flow.moment import from_text, to_text
from driftguard.flow.policy import JobPolicy, Policy
from driftguard.flow.record import Entry, Fate, Provenance
from driftguard.flow.resource import ResourceRef, with_parents
from driftguard.guard import accepting, halt_file, index, late_writes, pending, run_window
from driftguard.guard.blobs import load_baseline
from driftguard.guard.context import Guard
from driftguard.guard.naming import Named
from driftguard.guard.neighbours import scope_of
from driftguard.guard.observe import Observer, Seen
from driftguard.guard.proposing import Read, by_whom, propose
from driftguard.guard.recorded import Recorded, Recording
from driftguard.guard.rows import RECORD, HaltRow, Lease, used_by
from driftguard.guard.work import Work

_SILENT = (FindingKind.UNREADABLE, FindingKind.IN_FLIGHT)
_KNOWN_CORRELATIONS = 50


def read_all(guard: Guard, work: Work, policy: Policy, rules: JobPolicy, named: Named, lease: Lease | None) -> Read:
    """Read what was named and what is recorded, and ask who wrote since the clearance."""
    entries = load_baseline(guard.store, work.job.baseline).entries if work.job.baseline else {}
    told = halt_file.live_of(guard.store, work.job.name, lease.halt if lease else None)
    observer = Observer(guard, work.job, policy, entries, replace(rules, stability_reads=1), told)
    fresh = [ref for ref in named.refs if ref.key not in entries]
    seen = [*observer.observe_each(list(entries.values())), *observer.first_readings(fresh)]
    seen = _gone_again(guard, observer, entries, rules, seen)
    times = [item.finding.after.at for item in seen if item.finding.after.at]
    until = max(times) if times else guard.clock.now()
    answers: list[Events] = []
    if lease is not None:
        refs = [*(item.finding.ref for item in seen), *(deployment.ref for deployment in named.deployments)]
        since = from_text(lease.read_at)
        answers = [source.events(with_parents(refs), since, until + DATE_TICK) for source in guard.sources]
    named_keys = frozenset(ref.key for ref in named.refs)
    return Read(tuple(seen), named_keys, tuple(answers), until, work.job.baseline, entries)


def _gone_again(
    guard: Guard, observer: Observer, entries: dict[str, Entry], rules: JobPolicy, seen: list[Seen]
) -> list[Seen]:
    """What is gone is read again, as often as a check does: one stale answer takes nothing out of the baseline."""
    found = {item.finding.ref.key: item for item in seen}
    for _ in range(rules.stability_reads - 1):
        gone = [key for key, item in found.items() if item.finding.kind is FindingKind.GONE and key in entries]
        if not gone:
            break
        guard.clock.sleep(rules.stability_gap)
        found.update((item.finding.ref.key, item) for item in observer.observe_each([entries[key] for key in gone]))
    return list(found.values())


class Recorder:
    """One attempt at deciding and writing, on the job as it is loaded now."""

    def __init__(
        self,
        guard: Guard,
        work: Work,
        call: Recording,
        policy: Policy,
        rules: JobPolicy,
        lease: Lease | None,
        named: Named,
        read: Read,
        record_id: str,
    ) -> None:
        self.guard, self.work, self.call, self.policy, self.rules = guard, work, call, policy, rules
        self.lease, self.named, self.read, self.id = lease, named, read, record_id

    def commit(self) -> Recorded:
        job = self.work.job
        first = not self.work.exists
        if not first and self.lease is None:
            return propose(self.guard, self.work, self.call, self.policy, self.named, self.read, self.id)
        if self.lease and job.lease is None and self._is_repeat():
            return self._repeated()
        halt, held = run_window.halt_of(self.guard, self.work, self.lease.halt if self.lease else None)
        self._reenter(halt)
        context = self._context()
        window = (from_text(self.lease.read_at), self.read.until) if self.lease else None
        own = run_window.own_writing(self.rules, context)
        entries = self._recorded()
        observer = Observer(self.guard, job, self.policy, entries)
        holds = run_window.holds_writes(self.rules)
        waited = {ref.key for ref in pending.waiting_for(self.guard, job)} - entries.keys()
        taken, would_hold = [], []
        for item in self.read.seen:
            ref = item.finding.ref
            if item.finding.kind is FindingKind.GONE and ref.key in self.named.only_listed - entries.keys():
                continue  # ARM's lists show a deleted resource for a while: nobody named it, and it was never recorded
            foreign = bool(window and run_window.foreign_writers(self.read.answers, ref, window, own))
            proven = bool(window and self._is_proven(ref, window, own))
            own_deletion = bool(window and run_window.deleted_by_run(self.read.answers, ref, window, own))
            if ref.key in entries:
                would_hold.append(run_window.would_hold(self.rules, item.finding, foreign, own_deletion))
            one = accepting.judge_fate(
                item,
                named=self._is_named(ref),
                recorded=ref.key in entries,
                foreign=foreign and holds,
                author=attribute(ref, self.read.answers, window, own) if window else None,
                halt=halt,
                held=held,
                observer=observer,
                policy=self.policy,
                proven=proven,
                own_deletion=own_deletion or run_window.is_observed(self.rules),
                log_complete=run_window.nothing_more_is_told(self.read.answers, self.read.until, ref.kind),
            )
            left_out = one.fate is Fate.UNTOUCHED and ref.key in waited
            taken.append(pending.waited_for_still(one) if left_out else one)
        if first and not any(item.fate is Fate.RECORDED for item in taken):
            raise CannotTell(_nothing_readable(taken), "nothing was recorded: mend it and record again")
        recorded = self._swap(taken, entries, halt, context)
        untold = run_window.told_of_untold(taken, self.read.answers, self.named.claimed)
        return replace(recorded, told=(*recorded.told, *filter(None, would_hold), *untold))

    def _is_named(self, ref: ResourceRef) -> bool:
        """Whether the record takes the resource over as it is. Of a kind whose writers no source tells, the run itself says
        what it wrote: what only an earlier record named keeps its old snapshot where it differs."""
        if is_untold(self.read.answers, ref.kind):
            return ref.key in self.named.claimed
        return ref.key in self.read.named

    def _recorded(self) -> dict[str, Entry]:
        """What is recorded; what was loaded for reading is not loaded once more."""
        job, read = self.work.job, self.read
        if job.baseline == read.baseline:
            return read.entries
        return load_baseline(self.guard.store, job.baseline).entries if job.baseline else {}

    def _swap(
        self, taken: list[accepting.Taken], entries: dict[str, Entry], halt: HaltRow | None, context: dict[str, Any]
    ) -> Recorded:
        job, call, before = self.work.job, self.call, self.work.job.baseline
        first = not entries and not before
        provenance = Provenance.FIRST if first else Provenance.CLEARANCE
        self._take_over(first)
        change = accepting.Swap(taken, provenance, by_whom(call), call.run, call.ticket, self.id)
        unread = [item for item in taken if item.seen.finding.kind in _SILENT]
        coverage = Coverage(
            len(taken) - len(unread),
            tuple((i.seen.finding.ref.id, str(i.seen.finding.cause), i.seen.finding.detail) for i in unread),
        )
        new = accepting.swap(
            self.guard, self.work, change, run_window.occasion(self.guard, self.policy, context, coverage), entries
        )
        accepting.end_halt(self.guard, self.work, halt, taken, new)
        pending.save(self.guard, job, self.id, context, taken)
        self._await_the_log(context, before)
        scopes = {scope_of(item.seen.finding.ref) for item in taken}
        index.add(self.guard.store, index.SCOPES, ((scope, job.name) for scope in scopes), self.work.now)
        self.work.put_new(RECORD, self.id, self._row(taken, provenance, new))
        self.work.commit()
        resolved = halt if halt and halt.state is State.RESOLVED else None
        return Recorded(
            job.name,
            self.id,
            job.generation,
            provenance,
            tuple(taken),
            halt=new,
            resolved=resolved,
            told=self._told(first),
        )

    def _take_over(self, first: bool) -> None:
        """What the job's row learns from this record."""
        job = self.work.job
        tenants = {ref.tenant for ref in self.named.refs if ref.tenant}
        job.cloud, job.tenant = self.guard.cloud, job.tenant or next(iter(sorted(tenants)), "")
        job.selectors, job.good_at, job.memory = self.named.selectors, "", ""
        if job.lease and self.lease and job.lease.clearance == self.lease.clearance:
            job.lease = None
        ids = [d.correlation_id.lower() for d in self.named.deployments if d.correlation_id]
        job.own_correlations = [*job.own_correlations, *ids][-_KNOWN_CORRELATIONS:]
        if first:
            self.work.log("first record", by=by_whom(self.call), run=self.call.run, clearance=None)

    def _context(self) -> dict[str, Any]:
        """What a retry needs to know of this record."""
        call, lease = self.call, self.lease
        ids = [d.correlation_id.lower() for d in self.named.deployments if d.correlation_id]
        known = Provenance.CLEARANCE if lease else Provenance.FIRST
        return {
            "at": to_text(self.work.now),
            "since": lease.read_at if lease else None,
            "halt": lease.halt if lease else None,
            "provenance": str(known),
            "by": by_whom(call),
            "run": call.run,
            "stage": call.stage,
            "ticket": call.ticket,
            "started_by": call.started_by.to_dict() if call.started_by else None,
            "correlations": sorted({*ids, *self.work.job.own_correlations}),
            "learned": [asdict(principal) for principal in self._learned(ids)],
        }

    def _learned(self, correlation_ids: list[str]) -> list[Principal]:
        """The applications that made this run's own deployments, where the policy names no principal of the job.

        A person is never learned: whoever re-deploys by hand under the same name would become the pipeline.
        """
        if self.rules.principals:
            return []
        deployments = {deployment.ref.key for deployment in self.named.deployments}
        found: dict[str, Principal] = {}
        for answer in self.read.answers:
            for event in answer.events:
                of_deployment = event.resource in deployments
                by_application = event.is_person is False and bool(event.object_id)
                if of_deployment and by_application and event.correlation_id.lower() in correlation_ids:
                    found[event.object_id] = Principal(object_id=event.object_id)
        return list(found.values())

    def _is_proven(self, ref: ResourceRef, window: tuple[datetime, datetime], own: Own) -> bool:
        writers = writers_of(ref, self.read.answers, window)
        return bool(writers) and all(is_proven(event, own) for event in writers)

    def _reenter(self, halt: HaltRow | None) -> None:
        """A clearance that ended in time is good for its record: the halt that it passed under is taken up again."""
        if halt is None or halt.final or halt.state in (State.IN_USE, State.KEPT_CONFIRMED):
            return
        halt.state_before = halt.state
        halt.state = transition(halt.state, Event.CLEARED)

    def _await_the_log(self, context: dict[str, Any], before: str) -> None:
        """Remember the window while a log may still tell of somebody else's write in it."""
        if self.lease and before and not is_covered(self.read.answers, self.read.until):
            span = from_text(self.lease.read_at), self.read.until
            refs = [item.finding.ref for item in self.read.seen]
            known = late_writes.told_writes(self.read.answers, refs, span, run_window.own_writing(self.rules, context))
            window = {**context, "until": to_text(self.read.until), "baseline": before, "known": known}
            late_writes.await_the_log(self.work.job, window)

    def _is_repeat(self) -> bool:
        """Whether this clearance has recorded already."""
        row = self.guard.store.get(self.work.job.name, RECORD, _used(self.lease))
        return row is not None

    def _repeated(self) -> Recorded:
        """A second record under a used clearance: fine where nothing differs, else a proposal."""
        job = self.work.job
        if job.pending:
            raise Busy(
                f"the job {job.name} is settling: {pending.in_words(self.guard, job)}",
                "record again in a few minutes; what waits for too long halts at the next check",
            )
        calm = (FindingKind.UNCHANGED, FindingKind.TOUCHED)
        if all(item.finding.kind in calm for item in self.read.seen):
            told = ("this clearance has recorded already, and nothing differs",)
            return Recorded(job.name, self.id, job.generation, Provenance.CLEARANCE, (), told=told)
        return propose(self.guard, self.work, self.call, self.policy, self.named, self.read, self.id)

    def _row(self, taken: list[accepting.Taken], provenance: Provenance, new: HaltRow | None) -> dict[str, Any]:
        counts: dict[str, int] = {}
        for item in taken:
            counts[item.fate] = counts.get(item.fate, 0) + 1
        if self.lease:
            used = {"record": self.id, "at": to_text(self.work.now)}
            known = self.guard.store.get(self.work.job.name, RECORD, _used(self.lease))
            if known is None:
                self.work.put_new(RECORD, _used(self.lease), used)
        return {
            "id": self.id,
            "at": to_text(self.work.now),
            "run": self.call.run,
            "ticket": self.call.ticket,
            "provenance": str(provenance),
            "clearance": self.lease.clearance if self.lease else None,
            "generation": self.work.job.generation,
            "counts": counts,
            "halt": new.id if new else None,
        }

    def _told(self, first: bool) -> tuple[str, ...]:
        told = ["the first record of this job: it needed no clearance"] if first else []
        if self.lease and not self.rules.principals and not self.named.deployments:
            told.append(
                "the policy names no principal of this job: its own writes cannot be told from other automation"
            )
        told += [f"{answer.source}: {answer.problem}" for answer in self.read.answers if answer.problem]
        return tuple(told)


def _used(lease: Lease | None) -> str:
    return used_by(lease.clearance if lease else "none")


def _nothing_readable(taken: Sequence[accepting.Taken]) -> str:
    finding = taken[0].seen.finding
    return f"none of {len(taken)} resources could be recorded; {finding.ref.id}: {finding.cause or finding.detail}"
