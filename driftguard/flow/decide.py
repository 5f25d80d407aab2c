"""Proceed, Halt or CannotTell: what the findings of a check mean under the job's policy.

Rules:
- Only Proceed lets a run go on. No finding of a recorded resource is CannotTell: a check that read nothing cleared nothing.
- Each finding has one action: proceed, tell, accept, halt or unclear; the policy names the rest by the actor's class.
- One finding that halts makes the verdict Halt, even beside unreadable ones: what is known is enough to stop.
- Unreadable and InFlight are unclear; once lasting they halt, so that a reviewer can waive them for one run.
- A resource of the open halt that cannot be read now is taken to be as it was: silence is not a change.
- `our pipeline` is accepted only when proven; with `own_writes: probable` its principal since the last clearance is enough.
- A change is let pass for who made it only once a source has told everything up to the time when it was first seen:
  another writer may still turn up in a log that lags. Until then it is unclear. Where no source tells who writes resources
  of its kind it would be unclear for ever: it halts, so that somebody can decide.
- In observe mode the verdict is what it would have been, told, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from driftguard.flow.attribute import Actor
from driftguard.flow.check import Finding, FindingKind, covered_keys
from driftguard.flow.policy import JobPolicy, Mode, OwnWrites


class Verdict(StrEnum):
    """What a check answers."""

    PROCEED = "proceed"
    HALT = "halt"
    CANNOT_TELL = "cannot tell"


class Action(StrEnum):
    """What one finding asks for."""

    PROCEED = "proceed"
    TELL = "warn"
    ACCEPT = "accept"
    HALT = "halt"
    UNCLEAR = "cannot tell"


@dataclass(frozen=True, slots=True)
class Judged:
    """One finding, its action, and the policy key or rule that decided."""

    finding: Finding
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """All findings judged. `observed` is True where the mode is observe: the verdict is told, nothing is stopped."""

    judged: tuple[Judged, ...]
    verdict: Verdict
    observed: bool = False

    def of(self, action: Action) -> tuple[Finding, ...]:
        """The findings with this action."""
        return tuple(item.finding for item in self.judged if item.action is action)

    @property
    def halting(self) -> tuple[Finding, ...]:
        """The findings that make the difference of a halt."""
        return self.of(Action.HALT)


_SILENT = (FindingKind.UNREADABLE, FindingKind.IN_FLIGHT)


def judge(findings: Iterable[Finding], policy: JobPolicy) -> Judgement:
    """The judgement of a check."""
    judged = tuple(_judge_one(finding, policy) for finding in findings)
    return Judgement(judged, _verdict(judged), observed=policy.mode is Mode.OBSERVE)


def _verdict(judged: Sequence[Judged]) -> Verdict:
    actions = {item.action for item in judged}
    if Action.HALT in actions:
        return Verdict.HALT
    if Action.UNCLEAR in actions or all(item.finding.kind in _NEVER_RECORDED for item in judged):
        return Verdict.CANNOT_TELL
    return Verdict.PROCEED


_NEVER_RECORDED = (FindingKind.UNRECORDED, FindingKind.UNMANAGED)


def _judge_one(finding: Finding, policy: JobPolicy) -> Judged:
    kind = finding.kind
    if kind is FindingKind.UNCHANGED:
        return Judged(finding, Action.PROCEED, "nothing differs")
    if kind in (FindingKind.TOUCHED, FindingKind.UNRECORDED):
        return Judged(finding, Action.TELL, "told, never stops a run")
    if kind is FindingKind.GONE:
        return Judged(finding, Action.HALT, "a recorded resource is gone")
    if kind in _SILENT:
        if finding.lasting:
            return Judged(finding, Action.HALT, f"lastingly {finding.cause}")
        return Judged(finding, Action.UNCLEAR, f"{finding.cause}")
    if kind is FindingKind.UNMANAGED:
        return _by_word(finding, policy.on_unmanaged, "on_unmanaged")
    if kind is FindingKind.MOVED_BY_JOB:
        return _by_word(finding, policy.on_other_job, "on_other_job")
    return _judge_moved(finding, policy)


def _judge_moved(finding: Finding, policy: JobPolicy) -> Judged:
    found = finding.attribution
    actor = found.actor if found else Actor.UNKNOWN
    judged = _by_word(finding, policy.on_drift[actor], f"on_drift.{actor}")
    if found and actor is Actor.OUR_PIPELINE and found.proven:
        judged = Judged(finding, Action.ACCEPT, "own_writes: proven to be this job's own write")
    elif found and actor is Actor.OUR_PIPELINE and found.probable and policy.own_writes is OwnWrites.PROBABLE:
        judged = Judged(
            finding, Action.ACCEPT, "own_writes: probable, by the principal of this job under its clearance"
        )
    if judged.action is not Action.HALT and found and found.untold:
        return Judged(finding, Action.HALT, f"{judged.reason}; but no source tells who writes a {finding.ref.kind}")
    if judged.action is not Action.HALT and not (found and found.covered):
        return Judged(finding, Action.UNCLEAR, f"{judged.reason}; but the log may still tell of another writer")
    return judged


_WORDS = {"halt": Action.HALT, "warn": Action.TELL, "accept": Action.ACCEPT, "ignore": Action.PROCEED}


def _by_word(finding: Finding, word: str, key: str) -> Judged:
    return Judged(finding, _WORDS[word], f"{key}: {word}")


def carry_over(findings: Iterable[Finding], of_halt: Iterable[Finding]) -> list[Finding]:
    """The findings, with the open halt's finding in place of what is not readable (or not settled) now.

    Only what the halt holds as a real difference is carried; an unreadable one of the halt stays what it is now. What was
    lost with a resource group is carried as the one finding of the group. A scope that cannot be listed carries the
    unmanaged resources that the halt holds in it.
    """
    now = list(findings)
    held = [finding for finding in of_halt if finding.kind not in _SILENT]
    known = {key: finding for finding in held for key in (finding.ref.key, *covered_keys(finding))}
    listed = {finding.ref.key for finding in now}
    told: list[Finding] = []
    carried: dict[str, Finding] = {}
    for finding in now:
        if finding.kind not in _SILENT:
            told.append(finding)
        elif stands := known.get(finding.ref.key):
            carried[stands.ref.key] = _as_it_was(stands, finding)
        else:
            told.append(finding)
            unlisted = [one for one in held if _is_hidden(one, finding) and one.ref.key not in listed]
            carried |= {one.ref.key: _as_it_was(one, finding) for one in unlisted}
    return [*(finding for finding in told if finding.ref.key not in carried), *carried.values()]


def _as_it_was(held: Finding, silent: Finding) -> Finding:
    why = f"not readable now ({silent.cause}): taken to be as it was when the halt opened"
    return replace(held, carried=True, detail=why)


def _is_hidden(held: Finding, scope: Finding) -> bool:
    """Whether only a list of this scope, which did not come, would show the resource."""
    return held.kind is FindingKind.UNMANAGED and held.ref.key.startswith(scope.ref.key + "/")
