"""Ruling: decides on what was read, and writes check, halt, lease and memory in one commit.

Rules:
- The verdict is the policy's judgement, and what an earlier decision on exactly this difference allows.
- A halt is opened, met, superseded or closed here, and nowhere else in a check.
- A Proceed gives the lease; a run that is being stopped loses the one that it held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.decide import Action, Judged, Judgement, Verdict, carry_over, judge
from driftguard.flow.halt import LETS_PASS, Event, State, difference_digest, transition
from driftguard.flow.moment import to_text
from driftguard.flow.policy import JobPolicy, Mode, Policy
from driftguard.flow.policy_notices import notices
from driftguard.flow.review import UNREAD, Person, authors_of, same_person
from driftguard.guard import halt_file, halting, memory
from driftguard.guard.answer import Answer, Ask
from driftguard.guard.blobs import put_json
from driftguard.guard.context import Guard
from driftguard.guard.looking import Looked
from driftguard.guard.observe import Seen
from driftguard.guard.rows import CHECK, HaltRow, Lease
from driftguard.guard.work import Work

_CALM = (FindingKind.UNCHANGED, FindingKind.UNRECORDED, FindingKind.UNMANAGED)
_MOST_STARTERS = 50


class Ruling:
    """One attempt at deciding and writing, on the job as it is loaded now."""

    def __init__(self, guard: Guard, work: Work, ask: Ask, policy: Policy, rules: JobPolicy, looked: Looked) -> None:
        self.guard, self.work, self.ask, self.policy, self.rules, self.looked = guard, work, ask, policy, rules, looked
        self.id = "c-" + guard.new_id()
        self.told: list[str] = []
        self.observed = rules.mode is Mode.OBSERVE

    def commit(self) -> Answer:
        halt = self.work.current()
        seen = self._remembered(self.looked.seen, halt)
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
            (*self.told, *map(str, notices(self.policy, self.guard.today()))),
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

    def _remembered(self, seen: Sequence[Seen], halt: HaltRow | None) -> list[Seen]:
        """Mark what is silent lastingly, and write down what the next check must know; what halts already lasts."""
        held = halt_held(self.guard, halt) if halt else []
        halted = {item.finding.ref.key for item in held if item.finding.kind in UNREAD}
        job, now = self.work.job, self.work.now
        known = memory.load(self.guard.store, job)
        after = known.after((item.finding for item in seen), now, partial=bool(self.ask.resources))
        if after != known:
            memory.save(self.guard.store, job, after)
        return [self._marked(item, after, halted) for item in seen]

    def _marked(self, item: Seen, after: memory.Memory, halted: set[str]) -> Seen:
        finding = item.finding
        if finding.kind not in UNREAD:
            return item
        lasting = finding.lasting or after.lasts(finding, self.work.now) or finding.ref.key in halted
        return replace(item, finding=replace(finding, lasting=lasting))

    def _rule(
        self, seen: Sequence[Seen], judgement: Judgement, halt: HaltRow | None
    ) -> tuple[Verdict, str, HaltRow | None]:
        """The verdict, its reason in one line, and the halt it is about."""
        if self.observed:
            return judgement.verdict, f"observe mode: would answer {judgement.verdict}", None
        if not judgement.halting:
            if halt is not None:
                halt = self._nothing_halts(seen, judgement, halt)
            why = _why(judgement)
            return judgement.verdict, why, halt if halt and not halt.final else None
        halt = self._meet(seen, judgement, halt)
        refusal = self._refusal(halt, judgement)
        if refusal:
            self._take_lease_back(halt)
            return Verdict.HALT, refusal, halt
        if judgement.of(Action.UNCLEAR) or any(finding.carried for finding in judgement.halting):
            return Verdict.CANNOT_TELL, "decided, but not everything could be read: ask again", halt
        if not halt.author_unknown and any(_may_have_another_author(finding) for finding in judgement.halting):
            return Verdict.CANNOT_TELL, "decided, but the log may still tell of another author: ask again", halt
        return Verdict.PROCEED, f"decided: {halt.state} ({halt.id})", halt

    def _take_lease_back(self, halt: HaltRow) -> None:
        """The run that asks is being stopped: it neither goes on nor records under the lease that it held."""
        if self.work.job.lease is None:
            return
        self.work.job.lease = self.work.job.last_clearance = None
        if halt.state is State.IN_USE:
            halting.end_lease(self.work, halt)

    def _nothing_halts(self, seen: Sequence[Seen], judgement: Judgement, halt: HaltRow) -> HaltRow:
        """Close the halt; not while its own run is writing (its record says what became of the change), and not while
        something that it is about is unclear.
        """
        if self.work.job.lease and self.work.job.lease.halt == halt.id:
            return halt
        keys = {item.finding.ref.key for item in halt_held(self.guard, halt)}
        if any(finding.ref.key in keys for finding in judgement.of(Action.UNCLEAR)):
            return halt
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
                # The run that held it is being stopped, and must not record what nobody has decided on.
                self.work.job.lease = self.work.job.last_clearance = None
            return halting.open_halt(self.guard, self.work, seen, judgement.judged, occasion, "drift")
        halt.state = transition(halt.state, Event.MET)
        self._met_by(halt)
        if not self.ask.resources and not any(finding.carried for finding in judgement.halting):
            halting.amend(self.guard, self.work, halt, seen, judgement.judged, occasion)
        return halt

    def _met_by(self, halt: HaltRow) -> None:
        """Remember who started a run that met the halt: none of them may decide on it.

        Where there are more of them than are kept, one reviewer alone may be one of them: that is remembered instead.
        """
        starter = self.ask.started_by.to_dict() if self.ask.started_by else None
        if not starter or starter == halt.started_by or starter in halt.starters or halt.starters_left_out:
            return
        if len(halt.starters) < _MOST_STARTERS:
            halt.starters.append(starter)
        else:
            halt.starters_left_out = True
            self.work.log("not every starter is remembered", halt=halt.id, kept=len(halt.starters))
        self.work.save_halt(halt)

    def _decided_by_a_party(self, halt: HaltRow, judgement: Judgement) -> str:
        """Why a decision does not count for this run: its starter took it, or somebody who is now known as an author."""
        deciders = [(halt.decision or {}).get("reviewer"), (halt.decision or {}).get("first_reviewer")]
        deciders.append((halt.confirmation or {}).get("reviewer"))
        authors, starter = authors_of(judgement.halting)[0], self.ask.started_by
        for decider in (Person.from_dict(stored) for stored in deciders if stored):
            if starter and same_person(decider, starter, self.rules.identities):
                return f"halted ({halt.id}): {decider.name} decided on it and started this run: ask another reviewer"
            if any(same_person(decider, author, self.rules.identities) for author in authors):
                return f"halted ({halt.id}): {decider.name} decided on it and made the change: ask another reviewer"
        return ""

    def _refusal(self, halt: HaltRow, judgement: Judgement) -> str:
        """Why the halt does not let this run pass, or empty."""
        if halt.state in LETS_PASS and (refused := self._decided_by_a_party(halt, judgement)):
            return refused
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
            held = Lease(self.id, self.ask.run, to_text(until), self.looked.read_at, passing, caller=self.ask.caller)
            if passing and halt:
                self._use(halt, held)
            self.work.log("cleared", check=self.id, run=self.ask.run, halt=passing)
        held.until, held.observed = to_text(until), verdict is not Verdict.PROCEED
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
        """Whether everything is as recorded, but for ETags: where a difference is passed over, its author is still sought."""
        return all(
            item.finding.kind in _CALM or (item.finding.kind is FindingKind.TOUCHED and _is_as_recorded(item.finding))
            for item in seen
        )

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


def _is_as_recorded(finding: Finding) -> bool:
    return not finding.changes and not finding.detail


def _may_have_another_author(finding: Finding) -> bool:
    found = finding.attribution
    return found is not None and not found.covered


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
    return f"could not tell: {first.ref.id} {first.cause or 'is not fully attributed yet'}{more}"


def _reading_row(item: Judged) -> list[Any]:
    finding: Finding = item.finding
    after = finding.after
    at = to_text(after.at) if after.at else None
    return [finding.ref.key, str(finding.kind), after.etags.normal(), finding.fingerprint or None, at]
