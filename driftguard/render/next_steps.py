"""What can be done about a halt, as commands to paste.

Rules:
- The steps follow the halt's state: only what flow/halt.py allows is offered, and nothing for a state that it does not know.
- A command names the resources that flow/review.py wants named; where they are too many to paste, it says so.
- What stands in a command is quoted for a shell.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from driftguard.flow.halt import Decision, State
from driftguard.flow.review import UNREAD
from driftguard.render.members import text
from driftguard.render.untrusted import one_line

_LONGEST_ID = 300

EFFECTS = {
    Decision.OVERWRITE: "one run may go on and overwrite the manual change",
    Decision.KEEP: "the manual change stays; runs wait until it is confirmed to be in the code",
    Decision.STOP: "this run ends; nothing is accepted",
    Decision.WAIVE: "one run may go on although the named resources could not be read",
}


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and what it does in a few words."""

    command: str
    effect: str


def next_steps(
    halt: str,
    job: str,
    state: str,
    findings: Sequence[Mapping[str, Any]],
    *,
    kept: Iterable[str] = (),
    proposed: str = "",
    most_named: int = 20,
) -> list[Step]:
    """The steps that the halt's state allows, first the one that is waited for.

    `findings` have `resource` (an id) and `finding`; `kept` are the keys that an earlier decision kept; `proposed` is the
    decision that waits for a second reviewer.
    """
    check = Step(f"driftguard check --job {shlex.quote(one_line(job))}", "ask again with the run that may go on")
    if state in (State.STOPPED, State.RESOLVED, State.SUPERSEDED, State.EXPIRED):
        return [Step(check.command, "this halt is closed: ask again for the present state")]
    if state == State.IN_USE:
        show = f"driftguard jobs show {shlex.quote(one_line(job))}"
        return [Step(show, "a run is using the decision: wait for its record")]
    if state not in frozenset(State):
        return []
    decide = [
        _decide(halt, decision, named, most_named)
        for decision, named in _decisions(findings, frozenset(kept))
        if not (decision is Decision.KEEP and state in (State.KEPT, State.KEPT_CONFIRMED))  # it is in force already
    ]
    if state == State.PROPOSED:
        return sorted(decide, key=lambda step: f" {proposed} " not in step.command)
    if state == State.KEPT:
        confirm = f"driftguard halts confirm {shlex.quote(one_line(halt))} --in-code COMMIT"
        return [Step(confirm, "say where the kept change is in the code"), *decide]
    if state in (State.OVERWRITE_ALLOWED, State.WAIVED, State.KEPT_CONFIRMED):
        return [check, *decide]
    return decide


def _decisions(findings: Sequence[Mapping[str, Any]], kept: frozenset[str]) -> list[tuple[Decision, list[str]]]:
    """The decisions that fit the findings, each with the resources that it must name."""
    unread = [text(one, "resource") for one in findings if text(one, "finding") in UNREAD]
    read = [text(one, "resource") for one in findings if text(one, "finding") not in UNREAD]
    kept_before = [resource for resource in read if resource.lower() in kept]
    if read:
        return [(Decision.KEEP, unread), (Decision.OVERWRITE, unread + kept_before), (Decision.STOP, [])]
    return [(Decision.WAIVE, unread), (Decision.STOP, [])] if unread else [(Decision.STOP, [])]


def _decide(halt: str, decision: Decision, named: Sequence[str], most_named: int) -> Step:
    command = f'driftguard halts decide {shlex.quote(one_line(halt))} {decision} --reason "…"'
    effect = EFFECTS[decision]
    if len(named) > most_named or any(len(resource) > _LONGEST_ID for resource in named):
        effect += f"; name each of the {len(named)} resources that could not be read, or were kept before"
        return Step(f"{command} --resource ID …", effect)
    words = [f"--resource {shlex.quote(one_line(resource, _LONGEST_ID))}" for resource in named]
    return Step(" ".join([command, *words]), effect)
