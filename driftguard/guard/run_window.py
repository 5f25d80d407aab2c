"""The time between a run's clearance and its record: who wrote in it, and for whom a record works.

Rules:
- Somebody else's write is held by the policy's `on_window_write`; in observe mode nothing is.
- A resource is taken to be deleted by the run only where its deletion is known, and nobody else's.
- Of a kind whose writers no source tells there is nothing to wait for: what is gone is nobody's deletion, and what the run
  is said to have written is told.
- In observe mode what is gone leaves the baseline, whoever deleted it, and what would have been held is told.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from driftguard.flow.attribute import (
    Event,
    Events,
    Own,
    Principal,
    deletes,
    is_covered,
    is_foreign,
    is_untold,
    writers_of,
)
from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.evidence import Coverage
from driftguard.flow.policy import JobPolicy, Mode, Policy, Response
from driftguard.flow.record import Fate
from driftguard.flow.resource import ResourceRef
from driftguard.flow.review import Person
from driftguard.guard import accepting, halt_file, halting
from driftguard.guard.context import Guard
from driftguard.guard.rows import HaltRow
from driftguard.guard.work import Work


def foreign_writers(
    answers: Sequence[Events], ref: ResourceRef, window: tuple[datetime, datetime], own: Own
) -> list[Event]:
    """The events by somebody else on the resource inside the window."""
    return [event for event in writers_of(ref, answers, window) if is_foreign(event, own)]


def deleted_by_run(answers: Sequence[Events], ref: ResourceRef, window: tuple[datetime, datetime], own: Own) -> bool:
    """Whether the run itself is known to have deleted the resource inside the window, and nobody else did."""
    deletions = [event for event in writers_of(ref, answers, window) if deletes(event, ref)]
    return bool(deletions) and not any(is_foreign(event, own) for event in deletions)


def holds_writes(rules: JobPolicy) -> bool:
    """Whether somebody else's write between clearance and record is held; in observe mode nothing is."""
    return rules.on_window_write is Response.HALT and rules.mode is Mode.ENFORCE


def is_observed(rules: JobPolicy) -> bool:
    """Whether nothing of a record is held, and whatever is gone leaves the baseline."""
    return rules.mode is Mode.OBSERVE


def would_hold(rules: JobPolicy, found: Finding, foreign: bool, own_deletion: bool) -> str:
    """What is told of a recorded resource that a record holds under enforcement; empty in enforce mode, and for any other."""
    if not is_observed(rules):
        return ""
    if found.kind is FindingKind.GONE and not own_deletion:
        return f"observe mode: {found.ref.id} is gone, and not known to be deleted by this run: it would be held"
    if foreign and found.configuration and rules.on_window_write is Response.HALT:
        return (
            f"observe mode: {found.ref.id} was written by somebody else between clearance and record: it would be held"
        )
    return ""


def occasion(guard: Guard, policy: Policy, context: dict[str, Any], coverage: Coverage) -> halting.Occasion:
    """For whom a halt opens that a record made."""
    starter = Person.from_dict(context["started_by"]) if context.get("started_by") else None
    return halting.Occasion(context["run"], context.get("stage"), context["ticket"], starter, coverage, policy)


def nothing_more_is_told(answers: Sequence[Events], until: datetime, kind: str) -> bool:
    """Whether no writer of such a resource can still turn up: a source told everything, or none tells of the kind at all."""
    return is_covered(answers, until, kind) or is_untold(answers, kind)


def told_of_untold(taken: Sequence[accepting.Taken], answers: Sequence[Events], claimed: Collection[str]) -> list[str]:
    """What is told of resources that differ from what was recorded, and of which no source tells who wrote them.

    `claimed`: keys that the run names. What became recorded without that was decided on, and is told with its halt.
    """
    told = []
    for kind in sorted({item.seen.finding.ref.kind for item in taken}):
        if not is_untold(answers, kind):
            continue
        changed = [item for item in taken if item.seen.finding.ref.kind == kind and item.seen.finding.configuration]
        recorded = sum(1 for item in changed if item.fate is Fate.RECORDED and item.seen.finding.ref.key in claimed)
        left = sum(1 for item in changed if item.fate is Fate.UNTOUCHED)
        if recorded:
            told.append(
                f"no source tells who writes a {kind}: {recorded} changed, taken over because this run names them"
            )
        if left:
            told.append(
                f"no source tells who writes a {kind}: {left} changed that this run does not name, not taken over"
            )
    return told


def own_writing(rules: JobPolicy, context: dict[str, Any]) -> Own:
    """What is known of the run's own writing."""
    learned = [Principal(**stored) for stored in context.get("learned", [])]
    return Own((*rules.principals, *learned), frozenset(context["correlations"]))


def halt_of(guard: Guard, work: Work, halt_id: str | None) -> tuple[HaltRow | None, halt_file.HaltFile | None]:
    """The halt under which a run was cleared, with what it is about."""
    halt = work.known_halt(halt_id) if halt_id else None
    return halt, halt_file.load(guard.store, halt.findings) if halt else None
