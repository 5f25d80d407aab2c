"""The evidence of a halt as plain, bounded texts in the order in which a page shows them.

Rules:
- Every text from outside is on one line, without control or text-direction characters, and cut to a length.
- Lists are bounded; how many were left out is said, and the evidence itself has them all.
- What is not there, or has a form that is not known, is left out: it never stops a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from driftguard.flow.diff import MISSING
from driftguard.render.findings import (
    Finding,
    author,
    configuration,
    headline,
    noise,
    not_read,
    path_text,
    resource_title,
    when_text,
)
from driftguard.render.members import Members, count, mapping, mappings, text, texts
from driftguard.render.untrusted import one_line, two_values

_VALUE = 400
_LINE = 300
_ID = 600  # an ARM id may be this long
_MOST_FINDINGS, _MOST_CHANGES, _MOST_LINES, _MOST_WRITERS = 100, 60, 200, 20

_CAUSES = {
    "drift": "What is there is not what the last deployment left, or could not be read; the update would overwrite it unseen.",
    "reverted": "The update undid a manual change that was to be kept.",
    "held at record": "After the update not everything was as decided, or somebody else wrote while it ran.",
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Some(Generic[T]):
    """The first of many, and how many more there are."""

    items: Sequence[T]
    more: int = 0


def first(items: Sequence[T], most: int) -> Some[T]:
    """At most so many of them."""
    return Some(items[:most], max(0, len(items) - most))


Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FindingShown:
    """One finding: `changes` are (path, before, after), `reading` (what, before, after), `writers` and `covers` lines."""

    title: str
    headline: str
    resource: str
    author: str
    changes: Some[Row]
    reading: Sequence[Row]
    writers: Some[str]
    covers: Some[str]
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class EvidenceShown:
    """A document: `facts` are (name, value); `noise` (resource, what, why); `not_read` lines."""

    halt: str
    job: str
    version: int
    cause: str
    facts: Sequence[Row]
    findings: Some[FindingShown]
    noise: Some[Row]
    not_read: Some[str]


def evidence_shown(document: Members) -> EvidenceShown:
    """A version of the evidence (docs/evidence.schema.json) as a page shows it."""
    halt, findings = mapping(document, "halt"), mappings(document, "findings")
    also_seen = mappings(document, "also_seen")
    told = [(one.resource, one.what, one.why) for one in noise(findings, also_seen)]
    coverage = {"not_read": [], "scopes_not_listed": [], "parts_not_read": {}, **mapping(document, "coverage")}
    return EvidenceShown(
        halt=line(halt, "id"),
        job=line(document, "job"),
        version=count(document, "version"),
        cause=_CAUSES.get(text(halt, "cause"), line(halt, "cause")),
        facts=_facts(document),
        findings=Some([_finding(one) for one in findings[:_MOST_FINDINGS]], max(0, len(findings) - _MOST_FINDINGS)),
        noise=first(told, _MOST_LINES),
        not_read=first(not_read(coverage, findings), _MOST_LINES),
    )


def line(view: Members, name: str, limit: int = _LINE) -> str:
    """A member as one printable line; empty where it is not there."""
    return one_line(text(view, name), limit)


def _facts(document: Members) -> list[Row]:
    """What names the halt, the run and what judged."""
    halt, policy, tool = mapping(document, "halt"), mapping(document, "policy"), mapping(document, "tool")
    generation = count(document, "generation")
    attempt = count(halt, "attempt")
    facts = [
        ("Run", line(document, "run")),
        ("Stage", line(document, "stage")),
        ("Started by", line(document, "started_by")),
        ("Change ticket", line(document, "ticket")),
        ("Halted", when_text(text(halt, "opened_at"))),
        (
            "Compared with",
            f"generation {generation} of the baseline" if generation else "nothing: nothing was recorded",
        ),
        ("Resources read", str(count(mapping(document, "coverage"), "read"))),
        ("Met before", f"yes: this is attempt {attempt} with the same difference" if attempt > 1 else ""),
        ("Policy", _with_digest(line(policy, "source"), line(policy, "digest"))),
        ("Digest of the difference", line(halt, "digest")),
        ("Evidence", f"version {count(document, 'version')}"),
        ("Digest of the evidence", line(document, "digest")),
        ("Written by", f"{line(tool, 'name')} {line(tool, 'version')}".strip()),
    ]
    return [(name, value) for name, value in facts if value]


def _with_digest(what: str, digest: str) -> str:
    return f"{what} (digest {digest})" if digest else what


def _finding(finding: Finding) -> FindingShown:
    attribution = mapping(finding, "attribution")
    return FindingShown(
        title=resource_title(finding),
        headline=headline(finding),
        resource=line(finding, "resource", _ID),
        author=author(finding),
        changes=first([_change(one) for one in configuration(finding)], _MOST_CHANGES),
        reading=_reading(mapping(finding, "before"), mapping(finding, "after")),
        writers=first([_writer(one) for one in mappings(attribution, "writers")], _MOST_WRITERS),
        covers=first([one_line(one, _ID) for one in texts(finding, "covers")], _MOST_CHANGES),
        notes=_notes(finding, attribution),
    )


def _change(change: Mapping[str, Any]) -> Row:
    before, after = change.get("before", MISSING), change.get("after", MISSING)
    room = 2 * _VALUE if before is MISSING or after is MISSING else _VALUE
    return (path_text(change), *two_values(before, after, room))


def _reading(before: Members, after: Members) -> list[Row]:
    """How each side was read: what names the answer of Azure that it rests on."""
    rows: list[Row] = []
    places = {**mapping(before, "etag"), **mapping(after, "etag")}
    for place in sorted(places):
        name = one_line(f"ETag ({place})", 60)
        rows.append((name, line(mapping(before, "etag"), place), line(mapping(after, "etag"), place)))
    for name, member in (
        ("api-version", "api_version"),
        ("Request id", "request_id"),
        ("Correlation id", "correlation_id"),
    ):
        rows.append((name, line(before, member), line(after, member)))
    rows.append(("Read at", _when(before), _when(after)))
    return [row for row in rows if row[1] or row[2]]


def _when(side: Members) -> str:
    return when_text(text(side, "at")) if side.get("at") else ""


def _writer(writer: Members) -> str:
    """One event: when, who, what, with what, and where that was learned."""
    parts = (
        when_text(text(writer, "at")),
        line(writer, "who"),
        line(writer, "operation"),
        line(writer, "client"),
        f"correlation id {line(writer, 'correlation_id')}" if writer.get("correlation_id") else "",
        f"from {line(writer, 'source', 40)}" if writer.get("source") else "",
    )
    return ", ".join(part for part in parts if part)


def _notes(finding: Finding, attribution: Members) -> list[str]:
    """What else is known of a finding."""
    severity = text(finding, "severity")
    notes = [
        f"Halts by: {line(finding, 'reason')}" if finding.get("reason") else "",
        f"Severity: {one_line(severity, 40)}" if severity not in ("", "normal") else "",
        f"Who did it: {line(attribution, 'why')}" if attribution.get("why") else "",
        "Could not be read for long." if finding.get("lasting") else "",
        "Not read by the latest check; taken to be as it was." if finding.get("carried") else "",
    ]
    return [note for note in notes if note]
