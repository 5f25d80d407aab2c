"""Review: a person decides what happens to a manual change, and confirms that a kept one is in the code.

Rules:
- A decision is bound to the halt's digest, the evidence version that was seen, and the halt's row version (its ETag).
- A decision made in process, where nobody proves the name, is recorded as asserted, and refused inside CI: a pipeline
  must not release itself.
- Four eyes, the reason and the named resources are checked by flow/review.py; the state by the table in flow/halt.py.
- While a run holds the lease under a halt, nothing about that halt is decided.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from driftguard.errors import Busy, NotAllowed, NotFound, Stale, WrongUse
from driftguard.flow.halt import DECIDED_STATE, DECISION_HOLDS, Decision, Event, State, transition
from driftguard.flow.moment import to_text
from driftguard.flow.policy import JobPolicy
from driftguard.flow.ports import Row
from driftguard.flow.resource import parse_ref
from driftguard.flow.review import (
    Person,
    authors_of,
    needs_second,
    needs_second_starter,
    require_four_eyes,
    require_named,
    require_reason,
    same_person,
)
from driftguard.guard import halt_file, halting, index, pending
from driftguard.guard.as_of_now import as_of_now, halt_as_of_now
from driftguard.guard.context import Guard
from driftguard.guard.deliver import deliver_after
from driftguard.guard.measured import decided
from driftguard.guard.purged import tell_if_purged
from driftguard.guard.rows import HALT, HaltRow
from driftguard.guard.work import Work, attempts, few, read_steadily

_HALT_ID = re.compile(r"h-[0-9a-f]{12}\Z")  # as flow/halt.py makes them


@dataclass(frozen=True, slots=True)
class Deciding:
    """A reviewer's call. `resources` are the ids named; `if_match` the row version seen, or None to use the present one."""

    halt: str
    decision: Decision
    reason: str
    reviewer: Person
    resources: tuple[str, ...] = ()
    in_code: str | None = None
    if_match: str | None = None
    evidence: int | None = None


@dataclass(frozen=True, slots=True)
class Confirming:
    """The statement that a kept change is in the code: a commit or merged pull request, or one run that contains it."""

    halt: str
    in_code: str
    reviewer: Person
    for_run: str | None = None
    if_match: str | None = None


def find_halt(guard: Guard, halt_id: str, among: Callable[[str], bool] = lambda _job: True) -> tuple[HaltRow, str]:
    """A halt as it stands now, with its row version; an id may be shortened while it is unique. Raises NotFound, WrongUse.

    `among` says of which jobs: what is not among them neither matches nor makes an id ambiguous.
    """
    known = job_of_halt(guard, halt_id)
    matches: list[tuple[str, Row]] = []
    for job in filter(among, [known] if known else index.jobs(guard.store)):
        exact = guard.store.get(job, HALT, halt_id)
        rows = [exact] if exact else [r for r in index.all_rows(guard.store, job, HALT) if r.id.startswith(halt_id)]
        matches += [(job, row) for row in rows]
    if not matches or len(halt_id) < 4:
        if len(halt_id) >= 4:
            tell_if_purged(guard.store, filter(among, index.jobs(guard.store)), halt_id)
        raise NotFound(f"there is no halt {halt_id}", "see driftguard halts list --all")
    if len(matches) > 1:
        raise WrongUse(f"{halt_id} begins the id of {len(matches)} halts", "give more of the id")
    return halt_as_of_now(guard, *matches[0])


def job_of_halt(guard: Guard, halt_id: str) -> str | None:
    """The job of a halt of exactly this id, without loading it; None where no list knows it."""
    return index.job_of_halt(guard.store, halt_id) if _HALT_ID.match(halt_id) else None


def decide(guard: Guard, call: Deciding) -> HaltRow:
    """Take a decision. Raises NotFound, Stale, NotAllowed, AlreadyFinal, Busy, WrongUse."""
    return decided(guard, "driftguard.decide", str(call.decision), partial(_take_decision, guard, call))


def _take_decision(guard: Guard, call: Deciding) -> HaltRow:
    require_person_at_hand(guard, call.reviewer)
    reason = require_reason(call.reason)
    found, _ = find_halt(guard, call.halt)

    def step() -> HaltRow:
        work = Work(guard.store, found.job, guard.clock.now())
        rules = guard.policy().for_job(found.job)
        halt = _seen_halt(guard, work, found.id, call.if_match, rules)
        if call.evidence is not None and call.evidence != halt.evidence:
            raise Stale(
                f"the evidence is at version {halt.evidence}, version {call.evidence} was seen", "read it again"
            )
        _decide(guard, work, halt, call, reason, rules)
        work.tell(halt, f"decided-{halt.told + 1}", list(guard.targets))
        work.commit()
        return halt

    halt = attempts(partial(read_steadily, guard.store, found.job, step))
    deliver_after(guard, found.job)
    return halt


def confirm(guard: Guard, call: Confirming) -> HaltRow:
    """Confirm that a kept change is in the code. Raises as `decide`."""
    return decided(guard, "driftguard.confirm", "confirm", partial(_take_confirmation, guard, call))


def _take_confirmation(guard: Guard, call: Confirming) -> HaltRow:
    require_person_at_hand(guard, call.reviewer)
    if not call.in_code.strip():
        raise WrongUse("a confirmation names where the change is in the code", "add --in-code COMMIT or pull request")
    found, _ = find_halt(guard, call.halt)

    def step() -> HaltRow:
        work = Work(guard.store, found.job, guard.clock.now())
        rules = guard.policy().for_job(found.job)
        halt = _seen_halt(guard, work, found.id, call.if_match, rules)
        _require_four_eyes(guard, halt, call.reviewer, rules)
        halt.state = transition(halt.state, Event.CONFIRMED)
        halt.confirmation = {
            "in_code": call.in_code.strip(),
            "for_run": call.for_run,
            "by": call.reviewer.name,
            "reviewer": call.reviewer.to_dict(),
            "asserted": call.reviewer.asserted,
            "at": to_text(work.now),
        }
        work.log("confirmed", halt=halt.id, **halt.confirmation)
        work.tell(halt, f"decided-{halt.told + 1}", list(guard.targets))
        work.commit()
        return halt

    halt = attempts(partial(read_steadily, guard.store, found.job, step))
    deliver_after(guard, found.job)
    return halt


def require_person_at_hand(guard: Guard, person: Person) -> None:
    """Raises NotAllowed inside CI, where an asserted name is the pipeline's own; who was proven may decide anywhere."""
    if guard.in_ci and person.asserted:
        raise NotAllowed(
            "a decision without a service is refused inside CI: a pipeline must not release itself",
            "decide on a workstation with access to the store, or through the service",
        )


def _seen_halt(guard: Guard, work: Work, halt_id: str, if_match: str | None, rules: JobPolicy) -> HaltRow:
    """The halt as it stands now, if that is what the reviewer saw and no run is using it."""
    row = guard.store.get(work.job.name, HALT, halt_id)
    if row and if_match is not None and row.version != if_match:
        raise Stale("the halt changed since you saw it", f"look again: driftguard halts show {halt_id}")
    halting.age(guard, work, settling=pending.is_settling(guard, work.job, rules, work.now))
    halt = work.halt(halt_id)
    lease = work.job.lease
    if lease and lease.halt == halt.id:
        raise Busy(
            f"run {lease.run} is updating the job under this halt", "wait until it has recorded, or release its lease"
        )
    return halt


def _require_four_eyes(guard: Guard, halt: HaltRow, reviewer: Person, rules: JobPolicy) -> bool:
    """Checks four eyes; whether the author of something in the halt is unknown."""
    findings = halt_file.load(guard.store, halt.findings).findings
    authors, unknown = authors_of(findings)
    starters = [Person.from_dict(stored) for stored in (halt.started_by, *halt.starters) if stored]
    for starter in (*starters, None):
        require_four_eyes(reviewer, authors=authors, starter=starter, identities=rules.identities)
    return unknown


def _decide(guard: Guard, work: Work, halt: HaltRow, call: Deciding, reason: str, rules: JobPolicy) -> None:
    # A final halt says so before anything else is asked of the reviewer.
    transition(halt.state, Event.DECIDED, decision=call.decision)
    unknown = _require_four_eyes(guard, halt, call.reviewer, rules)
    findings = halt_file.load(guard.store, halt.findings).findings
    named = [parse_ref(text, cloud=work.job.cloud).key for text in call.resources]
    kept = halting.kept_of(guard, halt)
    require_named(call.decision, findings, kept, named)
    taken = {
        "decision": str(call.decision),
        "by": call.reviewer.name,
        "reviewer": call.reviewer.to_dict(),
        "reason": reason,
        "at": to_text(work.now),
        "digest": halt.digest,
        "evidence": halt.evidence,
        "resources": few(named),
        "in_code": call.in_code,
        "asserted": call.reviewer.asserted,
    }
    event = _event(halt, call, unknown, rules)
    decided = Decision(halt.proposal["decision"]) if event is Event.SECONDED and halt.proposal else call.decision
    halt.state = transition(halt.state, event, decision=decided)
    if event is Event.PROPOSED and halt.state is State.PROPOSED:
        halt.proposal, halt.decision = taken, None
    elif halt.state is DECIDED_STATE[decided]:
        first: dict[str, object] = {}
        if event is Event.SECONDED and halt.proposal:
            first = {"proposed_by": halt.proposal["by"], "first_reviewer": halt.proposal["reviewer"]}
        halt.decision, halt.proposal, halt.confirmation = taken | first, None, None
    else:
        halt.decision = halt.proposal = None  # the two reviewers disagree: open again
    one_run = halt.state in (State.OVERWRITE_ALLOWED, State.WAIVED)
    halt.expires_at = halting.decision_expires(work, DECISION_HOLDS) if one_run else None
    work.log(str(event), halt=halt.id, state=str(halt.state), **{key: taken[key] for key in _LOGGED})
    if halt.final:
        work.job.last_clearance = None  # the run that was stopped records nothing
        halt.closed_at, halt.closed_because = to_text(work.now), f"stopped by {call.reviewer.name}: {reason}"
    work.save_halt(halt)


_LOGGED = ("decision", "by", "reason", "digest", "evidence", "resources", "in_code", "asserted")


def _event(halt: HaltRow, call: Deciding, unknown: bool, rules: JobPolicy) -> Event:
    """What this call is to the halt: a decision, one that needs a second person, or the second person's."""
    if halt.state is State.PROPOSED and halt.proposal:
        same = halt.proposal["decision"] == call.decision
        first = Person.from_dict(halt.proposal["reviewer"])
        if same and same_person(call.reviewer, first, rules.identities):
            raise NotAllowed(f"{first.name} proposed this; another reviewer must take the same decision", "ask another")
        return Event.SECONDED if same else Event.DECIDED
    # Stopping accepts nothing and lets nothing pass: one person is enough.
    if call.decision is not Decision.STOP and (
        needs_second(unknown, rules.unknown_author)
        or needs_second_starter(halt.starters_left_out, rules.unknown_author)
    ):
        return Event.PROPOSED
    return Event.DECIDED


def list_halts(guard: Guard, *, job: str | None = None, all_states: bool = False) -> Sequence[HaltRow]:
    """Open halts, or all, as they stand now; of one job or of all; oldest first."""
    if all_states or job:
        names = [job] if job else index.jobs(guard.store)
        halts = [HaltRow.from_body(row.body) for name in names for row in index.all_rows(guard.store, name, HALT)]
    else:
        halts = index.open_halts(guard.store, guard.clock.now())
    halts = [as_of_now(guard, halt) for halt in halts]
    halts = [halt for halt in halts if all_states or not halt.final]
    return sorted(halts, key=lambda halt: (halt.opened_at, halt.id))
