"""The note on a ticket: one screen that a change coordinator understands without the tool.

Rules:
- It says what was halted, who changed what, how sure that is, what counts for nothing and why, what was not read, what can
  be decided and how, where the halt stands now, and where the evidence lies with its digest and the head of the ledger.
- Text from outside stands in code spans only, where no Markdown dialect knows links, mentions, images or HTML; a backtick
  and a pipe are shown as escapes, so that no text can end its span or its cell.
- Evidence that is not what its digest says is not shown: the note says so instead.
- At most 20 changes, short values: the note stays under 30,000 characters, whatever the evidence holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from driftguard.flow.evidence import SCHEMA, digest_of
from driftguard.flow.ports import Note
from driftguard.render.findings import (
    Finding,
    author,
    configuration,
    headline,
    noise,
    not_read,
    path_text,
    resource_title,
    sides,
    when_text,
)
from driftguard.render.next_steps import next_steps
from driftguard.render.untrusted import VALUE, one_line

_MOST_CHANGES = 20
_MOST_LINES = 8
_MOST_NAMED = 3
_LINE = 300
_REASON = 600

_CAUSES = {
    "drift": "What is there is not what the last deployment left, or could not be read; the update would overwrite it unseen.",
    "reverted": "The update undid a manual change that was to be kept.",
    "held at record": "After the update not everything was as decided, or somebody else wrote while it ran.",
}


def note_markdown(note: Note, *, evidence_at: str = "") -> str:
    """The note as Markdown. `evidence_at` is where the evidence lies beside it, as a person finds it."""
    document = _evidence(note)
    lines = [f"# Halt {_code(note.halt)}: the automated update of {_code(note.job)} was stopped", ""]
    lines += _now(note)
    if document is None:
        lines += ["", "**The evidence does not match its digest and is not shown here.** Run `driftguard doctor`."]
    else:
        lines += _story(note, document)
    return "\n".join([*lines, *_anchor(note, evidence_at)]) + "\n"


def _evidence(note: Note) -> dict[str, Any] | None:
    """The document, or None where it is not what the note's digest says."""
    try:
        document = json.loads(note.evidence)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        return None
    return document if digest_of(document) == note.evidence_digest else None


def _now(note: Note) -> list[str]:
    """Where the halt stands, and who decided what."""
    status = note.status
    run = f"run {_code(note.run)}" if note.run else "no run named"
    ticket = f"ticket {_code(note.ticket)}" if note.ticket else "no ticket named"
    halted = f"Halted {when_text(status.get('opened_at'))}, {run}, {ticket}."
    why = _CAUSES.get(status.get("cause", ""), "")
    lines = [f"**State now: {_code(status.get('state', 'unknown'))}.** {halted} {why}".rstrip(), ""]
    earlier = status.get("earlier")
    if earlier and earlier.get("decision"):
        lines.append(f"- Before, on {_code(earlier['halt'])}: {_decision(earlier['decision'])}")
    if status.get("proposal"):
        lines.append(f"- Proposed: {_decision(status['proposal'])}. A second reviewer must take the same decision.")
    if status.get("decision"):
        lines.append(f"- Decided: {_decision(status['decision'])}")
    if confirmed := status.get("confirmation"):
        only = f", for run {_code(confirmed['for_run'])} only" if confirmed.get("for_run") else ""
        by = f"by {_code(confirmed['by'])}, {when_text(confirmed.get('at'))}"
        lines.append(f"- Confirmed to be in the code: {_code(confirmed['in_code'])}{only} {by}")
    if status.get("closed_at"):
        lines.append(f"- Closed {when_text(status['closed_at'])}: {_code(status.get('closed_because'), _REASON)}")
    return lines


def _decision(taken: Mapping[str, Any]) -> str:
    asserted = " (name not proven)" if taken.get("asserted") else ""
    first = f" and {_code(taken['proposed_by'])}" if taken.get("proposed_by") else ""
    by = f"by {_code(taken['by'])}{first}{asserted}, {when_text(taken.get('at'))}"
    return f"{_code(taken['decision'])} {by}: {_code(taken['reason'], _REASON)}"


def _story(note: Note, document: Mapping[str, Any]) -> list[str]:
    findings = document["findings"]
    return [
        *_section("What was found", _found(findings)),
        *_changes(findings),
        *_section("Also moved, and not held against anybody", _noise_lines(document)),
        *_section("Not read", _coded(not_read(document["coverage"], findings))),
        *_section("What can be done", _steps(note, findings), most=2 * _MOST_LINES),
    ]


def _found(findings: Sequence[Finding]) -> list[str]:
    """One line for each resource: what happened, and who did it."""
    lines = []
    for finding in findings:
        who = author(finding)
        lines.append(
            f"- {_code(f'{resource_title(finding)} {headline(finding)}', _LINE)}{f', {_code(who, _LINE)}' if who else ''}"
        )
    return lines


def _changes(findings: Sequence[Finding]) -> list[str]:
    """Before and after, as a table."""
    rows = [(finding, change) for finding in findings for change in configuration(finding)]
    if not rows:
        return []
    lines = ["", "| Resource | Path | Before | After |", "| --- | --- | --- | --- |"]
    for finding, change in rows[:_MOST_CHANGES]:
        cells = (resource_title(finding).partition(" (")[0], path_text(change), *sides(change))
        lines.append(f"| {' | '.join(_code(cell, 2 * VALUE) for cell in cells)} |")
    left = len(rows) - _MOST_CHANGES
    return [*lines, *(["", f"and {left} more changes in the evidence"] if left > 0 else [])]


def _noise_lines(document: Mapping[str, Any]) -> list[str]:
    told = noise(document["findings"], document["also_seen"])
    return _coded(f"{one.resource}: {one.what} ({one.why})" for one in told)


def _steps(note: Note, findings: Sequence[Finding]) -> list[str]:
    kept = (note.status.get("earlier") or {}).get("kept", [])
    proposed = (note.status.get("proposal") or {}).get("decision", "")
    steps = next_steps(
        note.halt,
        note.job,
        note.status.get("state", ""),
        findings,
        kept=kept,
        proposed=proposed,
        most_named=_MOST_NAMED,
    )
    return [f"- {step.effect}:\n  {_code(step.command, 4 * _LINE)}" for step in steps]


def _anchor(note: Note, evidence_at: str) -> list[str]:
    """Where the evidence lies, and what a later look can be compared with."""
    command = f"driftguard halts show {note.halt} --evidence --version {note.version}"
    lies = f"{_code(evidence_at, _LINE)}, or " if evidence_at else ""
    lines = [
        f"- Evidence version {note.version}: {lies}{_code(command)}",
        f"- Digest of the evidence: {_code(note.evidence_digest)}",
        f"- Head of the ledger of {_code(note.job)}: {_code(note.ledger_head)}",
    ]
    return _section("Evidence", lines)


def _section(title: str, lines: Sequence[str], most: int = _MOST_LINES) -> list[str]:
    if not lines:
        return []
    left = len(lines) - most
    return ["", f"## {title}", "", *lines[:most], *([f"- and {left} more in the evidence"] if left > 0 else [])]


def _coded(texts: Iterable[str]) -> list[str]:
    return [f"- {_code(text, _LINE)}" for text in texts]


def _code(text: object, limit: int = 160) -> str:
    """The text as a code span. `\\u0060` and `\\u007c` are what JSON writes for a backtick and a pipe as well."""
    shown = one_line(text, limit).strip().replace("`", "\\u0060").replace("|", "\\u007c")
    return f"`{one_line(shown, limit)}`" if shown else "`(empty)`"
