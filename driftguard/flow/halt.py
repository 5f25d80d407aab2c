"""A halt: the record that a job's update is stopped for exactly one difference.

Rules:
- Its key is job, generation, digest and attempt. The digest covers every finding that makes the verdict Halt: ref,
  finding and configuration changes (Moved, MovedByJob), ref and fingerprint (Unmanaged), ref (Gone), ref and cause
  (Unreadable, InFlight). No time, ETag, api-version, actor or run: the same difference met again is the same halt.
- At most one halt of a job is not final.
- Every state meets every event by the one table `TRANSITIONS`; what the table does not allow is refused, never guessed.
- Only overwrite-allowed, waived (one run), in-use (that run) and kept-confirmed (one lease at a time) let a run pass.
- A decision to overwrite or waive holds for 24 hours, also across a lease that ended without a record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Any

from driftguard.errors import AlreadyFinal, NotAllowed
from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.diff import MISSING
from driftguard.flow.path import format_path

DECISION_HOLDS = timedelta(hours=24)


class State(StrEnum):
    """Where a halt stands."""

    OPEN = "open"
    PROPOSED = "proposed"
    OVERWRITE_ALLOWED = "overwrite-allowed"
    WAIVED = "waived"
    IN_USE = "in-use"
    KEPT = "kept"
    KEPT_CONFIRMED = "kept-confirmed"
    STOPPED = "stopped"
    RESOLVED = "resolved"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


FINAL = frozenset({State.STOPPED, State.RESOLVED, State.SUPERSEDED, State.EXPIRED})
LETS_PASS = frozenset({State.OVERWRITE_ALLOWED, State.WAIVED, State.IN_USE, State.KEPT_CONFIRMED})


class Decision(StrEnum):
    """What a reviewer wants to happen to the manual change."""

    OVERWRITE = "overwrite"
    KEEP = "keep"
    STOP = "stop"
    WAIVE = "waive"


DECIDED_STATE = {
    Decision.OVERWRITE: State.OVERWRITE_ALLOWED,
    Decision.KEEP: State.KEPT,
    Decision.STOP: State.STOPPED,
    Decision.WAIVE: State.WAIVED,
}


class Event(StrEnum):
    """What can happen to a halt."""

    MET = "met"
    CHANGED = "changed"
    GONE = "gone"
    EXPLAINED = "explained"
    DECIDED = "decided"
    PROPOSED = "decided, needs a second person"
    SECONDED = "seconded"
    CONFIRMED = "confirmed"
    CLEARED = "cleared"
    RECORDED_GOOD = "recorded: as decided"
    RECORDED_BAD = "recorded: not as decided"
    LEASE_ENDED = "lease ended"
    TIME_PASSED = "time passed"


class Next(StrEnum):
    """A next state that depends on the halt: stay, the state before the lease, the state of the decision, a new attempt."""

    STAY = "stay"
    BEFORE = "the state before the lease"
    AS_DECIDED = "the state of the decision"
    NEW_ATTEMPT = "stays final; the difference opens the next attempt"
    REFUSED = "refused"


_FINAL_ROW: dict[Event, State | Next] = {
    Event.MET: Next.NEW_ATTEMPT,
    Event.CHANGED: Next.STAY,
    Event.GONE: Next.STAY,
    Event.EXPLAINED: Next.STAY,
    Event.DECIDED: Next.REFUSED,
    Event.PROPOSED: Next.REFUSED,
    Event.SECONDED: Next.REFUSED,
    Event.CONFIRMED: Next.REFUSED,
    Event.CLEARED: Next.REFUSED,
    Event.RECORDED_GOOD: Next.REFUSED,
    Event.RECORDED_BAD: Next.REFUSED,
    Event.LEASE_ENDED: Next.STAY,
    Event.TIME_PASSED: Next.STAY,
}

_LIVE_ROW: dict[Event, State | Next] = {
    Event.MET: Next.STAY,
    Event.CHANGED: State.SUPERSEDED,
    Event.GONE: State.RESOLVED,
    Event.EXPLAINED: State.RESOLVED,
    Event.DECIDED: Next.AS_DECIDED,
    Event.PROPOSED: State.PROPOSED,
    Event.SECONDED: Next.REFUSED,
    Event.CONFIRMED: Next.REFUSED,
    Event.CLEARED: Next.REFUSED,
    Event.RECORDED_GOOD: Next.REFUSED,
    Event.RECORDED_BAD: Next.REFUSED,
    Event.LEASE_ENDED: Next.STAY,
    Event.TIME_PASSED: Next.STAY,
}

_ONE_RUN = _LIVE_ROW | {Event.CLEARED: State.IN_USE, Event.TIME_PASSED: State.EXPIRED}

TRANSITIONS: dict[State, dict[Event, State | Next]] = {
    State.OPEN: _LIVE_ROW,
    State.PROPOSED: _LIVE_ROW
    | {Event.SECONDED: Next.AS_DECIDED, Event.DECIDED: State.OPEN, Event.PROPOSED: State.OPEN},
    State.OVERWRITE_ALLOWED: _ONE_RUN,
    State.WAIVED: _ONE_RUN,
    State.IN_USE: {
        Event.MET: Next.STAY,
        Event.CHANGED: State.SUPERSEDED,
        # The run itself may have overwritten the change already: its record says so, not a second check.
        Event.GONE: Next.STAY,
        Event.EXPLAINED: Next.STAY,
        Event.DECIDED: Next.REFUSED,
        Event.PROPOSED: Next.REFUSED,
        Event.SECONDED: Next.REFUSED,
        Event.CONFIRMED: Next.REFUSED,
        Event.CLEARED: Next.STAY,
        Event.RECORDED_GOOD: State.RESOLVED,
        Event.RECORDED_BAD: State.SUPERSEDED,
        Event.LEASE_ENDED: Next.BEFORE,
        Event.TIME_PASSED: Next.STAY,
    },
    State.KEPT: _LIVE_ROW | {Event.CONFIRMED: State.KEPT_CONFIRMED},
    State.KEPT_CONFIRMED: _LIVE_ROW
    | {
        Event.CONFIRMED: Next.STAY,
        Event.CLEARED: Next.STAY,
        Event.RECORDED_GOOD: State.RESOLVED,
        Event.RECORDED_BAD: State.SUPERSEDED,
    },
    State.STOPPED: _FINAL_ROW,
    State.RESOLVED: _FINAL_ROW,
    State.SUPERSEDED: _FINAL_ROW,
    State.EXPIRED: _FINAL_ROW,
}


def transition(state: State, event: Event, *, before: State | None = None, decision: Decision | None = None) -> State:
    """The state after the event. `before` is the state before the lease (in-use), `decision` the one that was taken.

    NEW_ATTEMPT leaves the state as it is: the caller opens the next halt. Raises AlreadyFinal where the halt is final,
    NotAllowed where the table refuses the event.
    """
    following = TRANSITIONS[state][event]
    if isinstance(following, State):
        return following
    if following is Next.BEFORE:
        if before is None:
            raise NotAllowed("the halt does not say where it stood before the lease", "run `driftguard verify --store`")
        return before
    if following is Next.AS_DECIDED:
        if decision is None:
            raise NotAllowed("no decision was given", "name one: overwrite, keep, stop or waive")
        return DECIDED_STATE[decision]
    if following is Next.REFUSED:
        if state in FINAL:
            raise AlreadyFinal(
                f"the halt is {state} and can no longer change", "check the job again for its present state"
            )
        raise NotAllowed(f"the halt is {state}: {event} is not possible now", _REMEDY.get(state, "look at it again"))
    return state


_REMEDY = {
    State.OPEN: "a reviewer decides first: driftguard halts decide",
    State.PROPOSED: "a second reviewer takes the same decision: driftguard halts decide",
    State.IN_USE: "wait until its run has recorded, or release the lease: driftguard jobs release",
    State.KEPT: "confirm that the change is in the code: driftguard halts confirm",
}


def difference_digest(findings: Iterable[Finding]) -> str:
    """SHA-256 (hex) over what makes a halt this halt; the order of the findings does not matter."""
    items = sorted(json.dumps(_digest_item(finding), sort_keys=True) for finding in findings)
    return hashlib.sha256("\n".join(items).encode()).hexdigest()


def _digest_item(finding: Finding) -> list[Any]:
    kind, key = finding.kind, finding.ref.key
    if kind in (FindingKind.MOVED, FindingKind.MOVED_BY_JOB):
        changes = [[format_path(c.path), _value(c.before), _value(c.after)] for c in finding.configuration]
        return [key, kind, sorted(changes, key=lambda change: str(change[0]))]
    if kind is FindingKind.UNMANAGED:
        return [key, kind, finding.fingerprint]
    if kind in (FindingKind.UNREADABLE, FindingKind.IN_FLIGHT):
        return [key, kind, str(finding.cause)]
    return [key, kind]


def _value(value: Any) -> list[Any]:
    """A value, or its absence, so that missing and null stay apart."""
    return [] if value is MISSING else [value]


def halt_id(job: str, generation: int, digest: str, attempt: int) -> str:
    """The halt's id, made from its key: the same in every process that meets the difference."""
    text = json.dumps([job, generation, digest, attempt])
    return "h-" + hashlib.sha256(text.encode()).hexdigest()[:12]
