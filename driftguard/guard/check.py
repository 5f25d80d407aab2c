"""Check: may this run update what the job owns?

Rules:
- Every recorded resource is read and judged; only Proceed lets the run go on, and gives it the clearance (a lease).
- A gate judges and takes no lease; a check of named resources is a gate, and what it did not read stays as the open halt has it.
- While the job is updating, only the run that holds the lease is answered; every other one is told who, and until when.
- While the job is settling (a record waits for a resource), nothing is judged.
- A difference opens one halt; met again it is the same halt; a halt that was decided lets a run pass only over exactly its
  difference, and never while something of it could not be read.
- What is unreadable lastingly (3 checks or 15 minutes) halts, so that somebody can waive it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from driftguard.errors import Busy, NothingRecorded, WrongUse
from driftguard.flow.attribute import DATE_TICK, Own, attribute
from driftguard.flow.check import Finding, FindingKind, Signs, find
from driftguard.flow.decide import Action, Judged, Judgement, Verdict, carry_over, judge
from driftguard.flow.evidence import Coverage
from driftguard.flow.halt import LETS_PASS, Event, State, difference_digest, transition
from driftguard.flow.moment import for_people, from_text, to_text
from driftguard.flow.policy import JobPolicy, Mode, Policy
from driftguard.flow.reading import Cause
from driftguard.flow.record import Baseline
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.flow.review import Person
from driftguard.guard import halt_file, halting, pending
from driftguard.guard.blobs import get_json, load_baseline, put_json
from driftguard.guard.context import LASTING_FOR, LASTING_TIMES, Guard
from driftguard.guard.deliver import deliver_after
from driftguard.guard.observe import Observer, Seen
from driftguard.guard.rows import CHECK, HaltRow, JobRow, Lease
from driftguard.guard.work import Work, attempts

_SILENT = (FindingKind.UNREADABLE, FindingKind.IN_FLIGHT)
_CALM = (FindingKind.UNCHANGED, FindingKind.TOUCHED, FindingKind.UNRECORDED, FindingKind.UNMANAGED)
_WRITTEN = (FindingKind.MOVED, FindingKind.GONE)


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks. `run` is the pipeline run; `resources` are ids where only these are judged (which implies a gate)."""

    job: str
    run: str
    stage: str | None = None
    ticket: str | None = None
    started_by: Person | None = None
    gate: bool = False
    resources: tuple[str, ...] = ()

    @property
    def takes_lease(self) -> bool:
        """Whether a Proceed gives a clearance."""
        return not self.gate and not self.resources


@dataclass(frozen=True)
class Answer:
    """What a check answers. `clearance` is set where the run may go on and holds the lease, until `until`.

    `why` is one line; `told` are further lines worth telling; `exit_code` is the command line's.
    """

    check: str
    job: str
    run: str
    verdict: Verdict
    why: str
    judgement: Judgement
    coverage: Coverage
    observed: bool = False
    clearance: str | None = None
    until: datetime | None = None
    halt: HaltRow | None = None
    told: tuple[str, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """0 proceed, 1 halt, 2 could not tell; 0 in observe mode, where nothing is stopped."""
        if self.observed:
            return 0
        return {Verdict.PROCEED: 0, Verdict.HALT: 1, Verdict.CANNOT_TELL: 2}[self.verdict]


@dataclass(frozen=True)
class _Looked:
    """What was read for one check, before anything is decided."""

    baseline: Baseline
    seen: tuple[Seen, ...]
    coverage: Coverage
    read_at: str


def check(guard: Guard, ask: Ask) -> Answer:
    """Judge the job for a run. Raises NothingRecorded, Busy, BadConfiguration, StoreUnavailable, OtherScope."""
    policy = guard.policy()
    rules = policy.for_job(ask.job)
    pending.catch_up(guard, ask.job, policy)
    looked: _Looked | None = None

    def judge_and_commit() -> Answer:
        nonlocal looked
        work = Work(guard.store, ask.job, guard.clock.now())
        job = _require_ready(guard, work, ask, rules)
        if looked is None or looked.baseline.generation != job.generation:
            looked = _look(guard, job, policy, rules, ask)
            work = Work(guard.store, ask.job, guard.clock.now())
            if _require_ready(guard, work, ask, rules).generation != looked.baseline.generation:
                return judge_and_commit()
        return _Ruling(guard, work, ask, policy, rules, looked).commit()

    answer = attempts(judge_and_commit)
    deliver_after(guard, ask.job)
    return answer


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
    if job.lease and (job.lease.run != ask.run or not ask.takes_lease):
        raise Busy(
            f"the job {job.name} is updating: run {job.lease.run} until {for_people(from_text(job.lease.until))}",
            f"ask again when it has recorded, or release it: driftguard jobs release {job.name}",
        )
    if settling:
        raise Busy(f"the job {job.name} is settling: {pending.in_words(guard, job)}", "ask again in a few minutes")
    return job


def _require_scope(guard: Guard, job: JobRow) -> None:
    if job.cloud != guard.cloud:
        raise WrongUse(
            f"the job {job.name} is recorded in the cloud {job.cloud!r}, the settings say {guard.cloud!r}",
            "set DRIFTGUARD_CLOUD to the job's cloud",
        )
    if guard.tenant and job.tenant and guard.tenant != job.tenant:
        raise WrongUse(
            f"the job {job.name} is recorded in the tenant {job.tenant}, the settings say {guard.tenant}",
            "set AZURE_TENANT_ID to the job's tenant",
        )


def _look(guard: Guard, job: JobRow, policy: Policy, rules: JobPolicy, ask: Ask) -> _Looked:
    """Read everything that the check is about, and who changed what differs."""
    baseline = load_baseline(guard.store, job.baseline)
    observer = Observer(guard, job, policy, baseline.entries)
    named = [parse_ref(text, cloud=job.cloud, tenant=job.tenant) for text in ask.resources]
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
    return _Looked(baseline, tuple(seen), _coverage(policy, baseline, seen, scopes), read_at)


def _unrecorded(ref: ResourceRef) -> Seen:
    detail = "named, but never recorded: the next record takes it in"
    return Seen(Finding(ref, find(Signs(recorded=False)), detail=detail))


def attributed(guard: Guard, job: JobRow, rules: JobPolicy, seen: list[Seen]) -> list[Seen]:
    """The findings that somebody wrote, with who did."""
    brackets = {
        item.finding.ref.key: _bracket(job, item.finding, guard.clock.now()) for item in seen if _was_written(item)
    }
    if not brackets:
        return seen
    refs = [item.finding.ref for item in seen if item.finding.ref.key in brackets]
    since, until = min(b[0] for b in brackets.values()), max(b[1] for b in brackets.values())
    answers = [source.events(refs, since, until + DATE_TICK) for source in guard.sources]
    own = Own(rules.principals, frozenset(job.own_correlations))
    return [
        replace(item, finding=replace(item.finding, attribution=attribute(item.finding.ref, answers, bracket, own)))
        if (bracket := brackets.get(item.finding.ref.key))
        else item
        for item in seen
    ]


def _was_written(item: Seen) -> bool:
    return item.finding.kind in _WRITTEN or item.finding.kind is FindingKind.MOVED_BY_JOB


def _bracket(job: JobRow, finding: Finding, now: datetime) -> tuple[datetime, datetime]:
    """Last seen good, first seen changed: the baseline's reading, or a later check that found everything as recorded."""
    until = finding.after.at or now
    good = [finding.before.at] if finding.before.at else []
    if job.good_at:
        good.append(from_text(job.good_at))
    since = max(good) if good else from_text(job.baseline_at)
    return min(since, until), until


def _coverage(policy: Policy, baseline: Baseline, seen: Sequence[Seen], scopes: Sequence[str]) -> Coverage:
    unread = [
        (item.finding.ref.id, str(item.finding.cause or Cause.REFUSED), item.finding.detail)
        for item in seen
        if item.finding.kind in _SILENT
    ]
    types = sorted({entry.ref.type for entry in baseline.entries.values()})
    parts = {kind: told for kind in types if (told := policy.unread(kind))}
    return Coverage(len(seen) - len(unread), tuple(unread), parts, tuple(scopes))


class _Ruling:
    """One attempt at deciding and writing, on the job as it is loaded now."""

    def __init__(self, guard: Guard, work: Work, ask: Ask, policy: Policy, rules: JobPolicy, looked: _Looked) -> None:
        self.guard, self.work, self.ask, self.policy, self.rules, self.looked = guard, work, ask, policy, rules, looked
        self.id = "c-" + guard.new_id()
        self.told: list[str] = []
        self.observed = rules.mode is Mode.OBSERVE

    def commit(self) -> Answer:
        halt = self.work.current()
        seen = self._with_troubles(self.looked.seen, halt)
        judgement = judge(self._carried(seen, halt), self.rules)
        verdict, why, halt = self._rule(seen, judgement, halt)
        clearance, until = self._lease(verdict, halt)
        if verdict is Verdict.PROCEED and not judgement.halting and not self.ask.resources and self._all_calm(seen):
            self.work.job.good_at = max(self.work.job.good_at, self.looked.read_at)
        self._write_check(verdict, judgement, clearance, halt)
        self.work.commit()
        return Answer(
            self.id,
            self.ask.job,
            self.ask.run,
            verdict,
            why,
            judgement,
            self.looked.coverage,
            self.observed,
            clearance,
            until,
            halt,
            tuple(self.told) + self.policy.warnings(self.guard.today()),
        )

    def _carried(self, seen: Sequence[Seen], halt: HaltRow | None) -> list[Finding]:
        """The findings, completed by what the open halt holds of resources that were not, or could not be, read now."""
        findings = [item.finding for item in seen]
        if halt is None:
            return findings
        held = halt_file.load(self.guard.store, halt.findings).findings
        findings = carry_over(findings, held)
        if self.ask.resources:
            # What was named and is not recorded was not read: it says nothing of what the halt holds.
            here = {finding.ref.key for finding in findings if finding.kind is not FindingKind.UNRECORDED}
            findings += [replace(one, carried=True) for one in held if one.ref.key not in here]
        return findings

    def _with_troubles(self, seen: Sequence[Seen], halt: HaltRow | None) -> list[Seen]:
        """Count what is unreadable or in flight, check by check, and mark what lasts; what halts already lasts."""
        halted = (
            {one.finding.ref.key for one in halt_held(self.guard, halt) if one.finding.kind in _SILENT} if halt else ()
        )
        job, now = self.work.job, self.work.now
        known: dict[str, Any] = get_json(self.guard.store, job.troubles) if job.troubles else {}
        read_now = {item.finding.ref.key for item in seen}
        troubles = {key: value for key, value in known.items() if key not in read_now and self.ask.resources}
        marked = []
        for item in seen:
            finding = item.finding
            if finding.kind not in _SILENT:
                marked.append(item)
                continue
            before = known.get(finding.ref.key, {"since": to_text(now), "times": 0})
            trouble = {"since": before["since"], "times": before["times"] + 1}
            troubles[finding.ref.key] = trouble
            lasting = finding.lasting or _lasts(trouble, now) or finding.ref.key in halted
            marked.append(replace(item, finding=replace(finding, lasting=lasting)))
        if troubles != known:
            job.troubles = f"{job.name}/troubles/{self.id}" if troubles else ""
            if troubles:
                put_json(self.guard.store, job.troubles, troubles)
        return marked

    def _rule(
        self, seen: Sequence[Seen], judgement: Judgement, halt: HaltRow | None
    ) -> tuple[Verdict, str, HaltRow | None]:
        """The verdict, its reason in one line, and the halt it is about."""
        if self.observed:
            return judgement.verdict, f"observe mode: would answer {judgement.verdict}", None
        if not judgement.halting:
            if halt is not None:
                halt = self._nothing_halts(seen, halt)
            why = _why(judgement)
            return judgement.verdict, why, halt if halt and not halt.final else None
        halt = self._meet(seen, judgement, halt)
        refusal = self._refusal(halt)
        if refusal:
            return Verdict.HALT, refusal, halt
        if judgement.of(Action.UNCLEAR) or any(finding.carried for finding in judgement.halting):
            return Verdict.CANNOT_TELL, "decided, but not everything could be read: ask again", halt
        return Verdict.PROCEED, f"decided: {halt.state} ({halt.id})", halt

    def _nothing_halts(self, seen: Sequence[Seen], halt: HaltRow) -> HaltRow:
        """Close the halt, unless its own run is writing right now: then its record says what became of the change."""
        if self.work.job.lease and self.work.job.lease.halt == halt.id:
            return halt
        keys = {item.finding.ref.key for item in halt_held(self.guard, halt)}
        still = [item.finding for item in seen if item.finding.ref.key in keys and item.finding.changes]
        if still:
            halting.resolve(
                self.guard, self.work, halt, Event.EXPLAINED, "what differs is explained and halts nothing now"
            )
        else:
            halting.resolve(self.guard, self.work, halt, Event.GONE, _gone_words(halt))
        return halt

    def _meet(self, seen: Sequence[Seen], judgement: Judgement, halt: HaltRow | None) -> HaltRow:
        """The halt of this difference: the open one, or a new one that supersedes it."""
        occasion = self._occasion()
        same = halt and (halt.generation, halt.digest) == (
            self.work.job.generation,
            difference_digest(judgement.halting),
        )
        if halt is None or not same:
            if self.work.job.lease:
                self.work.job.lease = None  # the run that held it is being stopped
            return halting.open_halt(self.guard, self.work, seen, judgement.judged, occasion, "drift")
        halt.state = transition(halt.state, Event.MET)
        if not any(finding.carried for finding in judgement.halting):
            halting.amend(self.guard, self.work, halt, seen, judgement.judged, occasion)
        return halt

    def _refusal(self, halt: HaltRow) -> str:
        """Why the halt does not let this run pass, or empty."""
        if halt.state not in LETS_PASS:
            return f"halted ({halt.id}): {_NEXT_STEP[halt.state]}"
        if halt.state is State.IN_USE and (halt.in_use or {}).get("run") != self.ask.run:
            return f"halted ({halt.id}): the decision is in use by run {(halt.in_use or {}).get('run')}"
        if halt.state is State.KEPT_CONFIRMED:
            return self._unconfirmed(halt)
        return ""

    def _unconfirmed(self, halt: HaltRow) -> str:
        """Why this run's code is not known to contain the kept change, or empty."""
        confirmation = halt.confirmation or {}
        for_run, reference = confirmation.get("for_run"), str(confirmation.get("in_code"))
        if for_run:
            return "" if for_run == self.ask.run else f"halted ({halt.id}): confirmed for run {for_run} only"
        contained = self.guard.checkout.contains(reference)
        if contained:
            return ""
        if contained is None:
            return (
                f"halted ({halt.id}): cannot tell whether this run's code contains {reference}; "
                f"name the run: driftguard halts confirm {halt.id} --in-code {reference} --for-run {self.ask.run}"
            )
        return f"halted ({halt.id}): this run's code does not contain {reference}, which has the kept change"

    def _lease(self, verdict: Verdict, halt: HaltRow | None) -> tuple[str | None, datetime | None]:
        """The clearance, where the run may go on; a renewed one keeps its id."""
        job = self.work.job
        if verdict is not Verdict.PROCEED and not self.observed:
            return None, None
        if not self.ask.takes_lease:
            return None, None
        until = self.work.now + timedelta(seconds=self.rules.lease)
        held = job.lease
        if held is None:
            passing = halt.id if halt and not halt.final else ""
            held = Lease(self.id, self.ask.run, to_text(until), self.looked.read_at, passing)
            if passing and halt:
                self._use(halt, held)
            self.work.log("cleared", check=self.id, run=self.ask.run, halt=passing)
        held.until = to_text(until)
        job.lease, job.last_clearance = held, held
        return held.clearance, until

    def _use(self, halt: HaltRow, lease: Lease) -> None:
        before = halt.state
        halt.state = transition(before, Event.CLEARED)
        if halt.state is State.IN_USE and before is not State.IN_USE:
            halt.state_before = before
        halt.in_use = {"run": lease.run, "clearance": lease.clearance}
        self.work.save_halt(halt)

    def _all_calm(self, seen: Sequence[Seen]) -> bool:
        return all(item.finding.kind in _CALM for item in seen)

    def _occasion(self) -> halting.Occasion:
        ask = self.ask
        return halting.Occasion(ask.run, ask.stage, ask.ticket, ask.started_by, self.looked.coverage, self.policy)

    def _write_check(self, verdict: Verdict, judgement: Judgement, clearance: str | None, halt: HaltRow | None) -> None:
        readings = f"{self.ask.job}/checks/{self.id}"
        put_json(self.guard.store, readings, [_reading_row(item) for item in judgement.judged])
        counts: dict[str, int] = {}
        for item in judgement.judged:
            counts[item.finding.kind] = counts.get(item.finding.kind, 0) + 1
        row = {
            "id": self.id,
            "run": self.ask.run,
            "stage": self.ask.stage,
            "ticket": self.ask.ticket,
            "started_by": self.ask.started_by.to_dict() if self.ask.started_by else None,
            "gate": not self.ask.takes_lease,
            "generation": self.looked.baseline.generation,
            "verdict": str(verdict),
            "observed": self.observed,
            "clearance": clearance,
            "halt": halt.id if halt else None,
            "at": to_text(self.work.now),
            "counts": counts,
            "policy": self.policy.digest,
            "readings": readings,
        }
        self.work.put_new(CHECK, self.id, row)


_NEXT_STEP = {
    State.OPEN: "waits for a reviewer's decision",
    State.PROPOSED: "waits for a second reviewer's decision",
    State.KEPT: "kept; waits until the change is confirmed to be in the code",
}


def halt_held(guard: Guard, halt: HaltRow) -> list[Seen]:
    """What a halt is about, with the live snapshots of then."""
    stored = halt_file.load(guard.store, halt.findings)
    return [Seen(finding, stored.live.get(finding.ref.key)) for finding in stored.findings]


def _gone_words(halt: HaltRow) -> str:
    if halt.state in (State.KEPT, State.KEPT_CONFIRMED):
        return "the difference is gone: the change that was to be kept is no longer in place"
    return "the difference is gone: everything is as recorded again"


def _why(judgement: Judgement) -> str:
    if judgement.verdict is Verdict.PROCEED:
        return "everything is as recorded"
    unclear = judgement.of(Action.UNCLEAR)
    if not unclear:
        return "nothing was read"
    first = unclear[0]
    more = f" and {len(unclear) - 1} more" if len(unclear) > 1 else ""
    return f"could not tell: {first.ref.id} {first.cause}{more}"


def _lasts(trouble: dict[str, Any], now: datetime) -> bool:
    return bool(trouble["times"] >= LASTING_TIMES or now - from_text(trouble["since"]) >= LASTING_FOR)


def _reading_row(item: Judged) -> list[Any]:
    finding: Finding = item.finding
    after = finding.after
    at = to_text(after.at) if after.at else None
    return [finding.ref.key, str(finding.kind), after.etags.normal(), finding.fingerprint or None, at]
