"""Where a halt stands, for a page: its state, what was decided on it, and the commands for the next steps.

A halt is a view as in `json_views.halt_view`. The rules for texts are those of html_evidence.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from driftguard.flow.moment import from_text
from driftguard.render.findings import resource_name, when_text
from driftguard.render.html_evidence import Row, Some, first, line
from driftguard.render.members import Members, count, mapping, mappings, text, texts
from driftguard.render.next_steps import Step, next_steps
from driftguard.render.tables import age
from driftguard.render.untrusted import one_line

_REASON = 600
_MOST_HALTS = 200


@dataclass(frozen=True, slots=True)
class HaltShown:
    """`said` are what was proposed, decided and confirmed so far, `steps` what can be done now."""

    state: str
    since: str
    said: Sequence[str]
    steps: Sequence[Step]
    latest: int


@dataclass(frozen=True, slots=True)
class HaltListed:
    """One halt of a list; `address` is where its page is, below the list."""

    id: str
    address: str
    cells: Row


def halt_shown(halt: Members, document: Members) -> HaltShown:
    """Where the halt stands now, and what can be done about what the document found."""
    return HaltShown(
        state=line(halt, "state", 40),
        since=_since(halt),
        said=_said(halt),
        steps=next_steps(
            text(halt, "id"),
            text(halt, "job"),
            text(halt, "state"),
            mappings(document, "findings"),
            kept=texts(mapping(halt, "earlier"), "kept"),
            proposed=text(mapping(halt, "proposal"), "decision"),
        ),
        latest=count(mapping(halt, "evidence"), "version"),
    )


def _since(halt: Members) -> str:
    """How the state came about, or how long it holds."""
    if halt.get("closed_at"):
        return f"closed {when_text(text(halt, 'closed_at'))}: {line(halt, 'closed_because', _REASON)}"
    in_use = mapping(halt, "in_use")
    if in_use:
        return f"in use by run {line(in_use, 'run')}"
    return f"until {when_text(text(halt, 'expires_at'))}" if halt.get("expires_at") else ""


def _said(halt: Members) -> list[str]:
    earlier, proposal, decision = mapping(halt, "earlier"), mapping(halt, "proposal"), mapping(halt, "decision")
    said = []
    if mapping(earlier, "decision"):
        said.append(f"Before, on {line(earlier, 'halt')}: {_decision(mapping(earlier, 'decision'))}")
    if proposal:
        said.append(f"Proposed: {_decision(proposal)}. A second reviewer must take the same decision.")
    if decision:
        said.append(f"Decided: {_decision(decision)}")
    if confirmed := mapping(halt, "confirmation"):
        only = f", for run {line(confirmed, 'for_run')} only" if confirmed.get("for_run") else ""
        by = f"by {line(confirmed, 'by')}, {when_text(text(confirmed, 'at'))}"
        said.append(f"Confirmed to be in the code: {line(confirmed, 'in_code')}{only} {by}")
    return said


def _decision(taken: Members) -> str:
    asserted = " (name not proven)" if taken.get("asserted") else ""
    with_first = f" and {line(taken, 'proposed_by')}" if taken.get("proposed_by") else ""
    by = f"by {line(taken, 'by')}{with_first}{asserted}, {when_text(text(taken, 'at'))}"
    return f"{line(taken, 'decision')} {by}: {line(taken, 'reason', _REASON)}"


def halts_listed(halts: Sequence[Members], now: datetime) -> Some[HaltListed]:
    """The halts for a list: age, job, ticket, state, resources."""
    return Some([_listed(halt, now) for halt in halts[:_MOST_HALTS]], max(0, len(halts) - _MOST_HALTS))


def _listed(halt: Members, now: datetime) -> HaltListed:
    names = [resource_name(text(one, "resource")) for one in mappings(halt, "summary")]
    shown = first(names, 3)
    resources = ", ".join(shown.items) + (f" and {shown.more} more" if shown.more else "")
    cells = (_age(halt, now), line(halt, "job"), line(halt, "ticket") or "none", line(halt, "state", 40), resources)
    return HaltListed(line(halt, "id"), f"halts/{one_line(text(halt, 'id'), 60)}", cells)


def _age(halt: Members, now: datetime) -> str:
    try:
        return age(from_text(text(halt, "opened_at")), now)
    except ValueError:
        return "unknown"
