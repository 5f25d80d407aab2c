"""A version of the evidence as Markdown, made of the document alone: it says the same whatever became of its halt.

Rules:
- Text from outside stands in code spans only, as in the note (markdown.py): no dialect knows links, images or HTML there.
- Lists are bounded, and say how many more the evidence itself has.
"""

from __future__ import annotations

from collections.abc import Sequence

from driftguard.render.html_evidence import EvidenceShown, FindingShown, Row, Some, evidence_shown
from driftguard.render.members import Members
from driftguard.render.untrusted import one_line

_CELL = 900


def evidence_markdown(document: Members) -> str:
    """The document (docs/evidence.schema.json) as Markdown."""
    shown = evidence_shown(document)
    lines = [f"# Halt {_code(shown.halt)}: the automated update of {_code(shown.job)} was stopped", ""]
    if shown.cause:
        lines += [_code(shown.cause), ""]
    lines += [f"- {name}: {_code(value)}" for name, value in shown.facts]
    lines += ["", "## What was found"]
    for finding in shown.findings.items:
        lines += _finding(finding)
    return "\n".join([*lines, *_more(shown.findings), *_rest(shown)]) + "\n"


def _finding(finding: FindingShown) -> list[str]:
    lines = ["", f"### {_code(f'{finding.title} {finding.headline}')}", "", f"- Resource: {_code(finding.resource)}"]
    if finding.author:
        lines.append(f"- Changed {_code(finding.author)}")
    lines += [f"- {_code(note)}" for note in finding.notes]
    lines += _table(("Path", "Before", "After"), finding.changes)
    lines += _table(("Reading", "Before", "After"), Some(finding.reading))
    return lines + _list("Writers", finding.writers) + _list("Covers", finding.covers)


def _rest(shown: EvidenceShown) -> list[str]:
    lines = []
    if shown.noise.items:
        heads = ("Resource", "What", "Why")
        lines += ["", "## Also moved, and not held against anybody", *_table(heads, shown.noise)]
    if shown.not_read.items:
        lines += ["", "## Not read", *_list("", shown.not_read)]
    return lines


def _table(heads: Row, rows: Some[Row]) -> list[str]:
    if not rows.items:
        return []
    lines = ["", f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    lines += [f"| {' | '.join(map(_code, row))} |" for row in rows.items]
    return [*lines, *_more(rows)]


def _list(title: str, items: Some[str]) -> list[str]:
    if not items.items:
        return []
    head = ["", f"{title}:"] if title else []
    return [*head, "", *(f"- {_code(item)}" for item in items.items), *_more(items)]


def _more(items: Some[Row] | Some[str] | Some[FindingShown]) -> Sequence[str]:
    return ["", f"and {items.more} more in the evidence"] if items.more else []


def _code(text: object) -> str:
    """The text as a code span. `\\u0060` and `\\u007c` are what JSON writes for a backtick and a pipe as well."""
    shown = one_line(text, _CELL).strip().replace("`", "\\u0060").replace("|", "\\u007c")
    return f"`{shown}`" if shown else "`(empty)`"
