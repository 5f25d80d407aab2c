"""What the verbs tell of themselves: one count, one duration and one span for each call, however it ends.

Rules:
- A verb is measured around it: nothing in here changes what it answers or raises.
- A job is named only where it is one: a call that found nothing recorded names none, since its name may be anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from typing import Any, Protocol, TypeVar

from driftguard.errors import Busy, Conflict, DriftGuardError, NothingRecorded, WrongUse
from driftguard.flow.decide import Verdict
from driftguard.flow.record import Fate
from driftguard.flow.telemetry import OTHER
from driftguard.guard.answer import Answer, Ask
from driftguard.guard.context import Guard
from driftguard.guard.recorded import Recorded, Recording

_VERDICTS = {Verdict.PROCEED: "proceed", Verdict.HALT: "halt", Verdict.CANNOT_TELL: "cannot-tell"}
T = TypeVar("T")


class Check(Protocol):
    """The verb check. `by_scan`: it is one of a scan's."""

    def __call__(self, guard: Guard, ask: Ask, *, by_scan: bool = False) -> Answer: ...


def measured_check(verb: Callable[[Guard, Ask], Answer]) -> Check:
    """The verb, measured."""

    @wraps(verb)
    def check(guard: Guard, ask: Ask, *, by_scan: bool = False) -> Answer:
        began = guard.clock.monotonic()
        mode, verdict, job = _mode(ask, by_scan), "failed", ask.job
        with guard.telemetry.span("driftguard.check", mode=mode) as span:
            try:
                answer = verb(guard, ask)
                mode, verdict = "observe" if answer.observed else mode, _VERDICTS[answer.verdict]
                span.tell(resources=len(answer.judgement.judged), changed=len(answer.judgement.halting))
                return answer
            except DriftGuardError as error:
                verdict = "nothing-recorded" if isinstance(error, NothingRecorded) else how_refused(error)
                job = OTHER if isinstance(error, NothingRecorded | WrongUse) else job
                raise
            finally:
                took = guard.clock.monotonic() - began
                span.tell(verdict=verdict, mode=mode, job=job)
                guard.telemetry.count("driftguard.checks", verdict=verdict, mode=mode, job=job)
                guard.telemetry.took("driftguard.check.duration", took, verdict=verdict, mode=mode)

    return check


def _mode(ask: Ask, by_scan: bool) -> str:
    if by_scan:
        return "scan"
    return "check" if ask.takes_lease else "gate"


def measured_record(verb: Callable[[Guard, Recording], Recorded]) -> Callable[[Guard, Recording], Recorded]:
    """The verb, measured."""

    @wraps(verb)
    def record(guard: Guard, call: Recording) -> Recorded:
        outcome, job = "failed", call.job
        with guard.telemetry.span("driftguard.record") as span:
            try:
                recorded = verb(guard, call)
                outcome = _outcome(recorded)
                span.tell(resources=len(recorded.taken))
                return recorded
            except DriftGuardError as error:
                outcome = how_refused(error)
                job = OTHER if isinstance(error, WrongUse) else job
                raise
            finally:
                span.tell(outcome=outcome, job=job)
                guard.telemetry.count("driftguard.records", outcome=outcome, job=job)

    return record


def _outcome(recorded: Recorded) -> str:
    if recorded.proposal:
        return "proposed"
    if recorded.halt:
        return "held"
    return "pending" if recorded.refs(Fate.PENDING) else "recorded"


def how_refused(error: DriftGuardError) -> str:
    """In one word, what an error amounts to: `busy`, `cannot-tell` (safe to try again), or `refused`."""
    if isinstance(error, Busy | Conflict):
        return "busy"
    return "cannot-tell" if error.exit_code == 2 else "refused"


def decided(guard: Guard, name: str, decision: str, verb: Callable[[], T]) -> T:
    """What the verb answers; a decision that was taken is counted, one that was refused is not."""
    with guard.telemetry.span(name, decision=decision):
        answer = verb()
    guard.telemetry.count("driftguard.decisions", decision=decision)
    return answer


class Scanned(Protocol):
    """What a scan tells of itself: as `ScanReport` of scan.py."""

    @property
    def exit_code(self) -> int: ...

    @property
    def could_not_tell(self) -> Sequence[str]: ...

    def summary(self) -> Mapping[str, Any]: ...


S = TypeVar("S", bound=Scanned)


def measured_scan(guard: Guard, verb: Callable[[], S]) -> S:
    """What the scan answers."""
    began, outcome = guard.clock.monotonic(), "failed"
    with guard.telemetry.span("driftguard.scan") as span:
        try:
            report = verb()
            outcome = {0: "calm", 1: "halted"}.get(report.exit_code, "cannot-tell")
            told = report.summary()
            span.tell(jobs=told["jobs"], halted=len(told["halted"]), unclear=len(report.could_not_tell))
            for fault in told.get("swept", {}).get("faults", ()):
                guard.telemetry.count("driftguard.sweep.faults", part=fault.partition(":")[0])
            return report
        finally:
            span.tell(outcome=outcome)
            guard.telemetry.count("driftguard.scans", outcome=outcome)
            guard.telemetry.took("driftguard.scan.duration", guard.clock.monotonic() - began)


def told_standing(guard: Guard, measure: Callable[[Guard], None]) -> None:
    """Measure what stands open, after work that is done: that it cannot be measured must not hide what was done."""
    with suppress(Exception):  # reason: measuring must not change what the guard answers
        measure(guard)
