"""The evidence of a halt: one document, in numbered versions, each immutable, each with a digest.

Rules:
- It says everything that a person needs without the tool: job, run, ticket, findings with before and after, ETags,
  request ids, ignored differences with the rule that ignored them, attribution as far as known, what was not read.
- It is built from sealed snapshots only: a secret shows as a mark, before and after.
- The digest is SHA-256 over the document without the member `digest`, as JSON with sorted keys, no blanks, ASCII only.
- A version is written once; new knowledge (an attribution that arrived) is a new version.

The document's schema is docs/evidence.schema.json.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from driftguard.flow.attribute import Attribution
from driftguard.flow.check import FindingKind, Side
from driftguard.flow.decide import Action, Judged
from driftguard.flow.diff import MISSING, Change
from driftguard.flow.moment import to_text
from driftguard.flow.path import format_path
from driftguard.flow.reading import ETags

SCHEMA = "driftguard/evidence/1"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a check read and what it did not.

    `unread` are resources without a usable answer (id, cause, detail); `parts` names, by type, the child collections and
    settings that are not in a resource's body and that nobody recorded; `scopes` are lists that were not complete.
    """

    read: int = 0
    unread: tuple[tuple[str, str, str], ...] = ()
    parts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "read": self.read,
            "not_read": [{"resource": key, "cause": cause, "detail": detail} for key, cause, detail in self.unread],
            "parts_not_read": {kind: list(parts) for kind, parts in sorted(self.parts.items())},
            "scopes_not_listed": list(self.scopes),
        }


def build_evidence(facts: Mapping[str, Any], judged: Iterable[Judged], coverage: Coverage) -> Document:
    """The document with its digest. `facts` are the members that name halt, job, run, ticket, policy and tool."""
    judged = list(judged)
    document: Document = {"schema": SCHEMA, **facts}
    document["findings"] = [_finding(item) for item in judged if item.action is Action.HALT]
    document["also_seen"] = [_finding(item) for item in judged if _worth_telling(item)]
    document["coverage"] = coverage.to_dict()
    document["digest"] = digest_of(document)
    return document


def digest_of(document: Mapping[str, Any]) -> str:
    """`sha256:` and the hex digest of a document, whatever its member `digest` says."""
    body = {key: value for key, value in document.items() if key != "digest"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()


def to_bytes(document: Mapping[str, Any]) -> bytes:
    """The document as it is stored and attached: JSON that a person can read."""
    return (json.dumps(document, sort_keys=True, indent=1, ensure_ascii=True) + "\n").encode("ascii")


def _worth_telling(item: Judged) -> bool:
    return item.action is not Action.HALT and item.finding.kind is not FindingKind.UNCHANGED


def _finding(item: Judged) -> dict[str, Any]:
    finding = item.finding
    told: dict[str, Any] = {
        "resource": finding.ref.id,
        "type": finding.ref.type,
        "cloud": finding.ref.cloud,
        "tenant": finding.ref.tenant,
        "finding": str(finding.kind),
        "action": str(item.action),
        "reason": item.reason,
        "before": _side(finding.before),
        "after": _side(finding.after),
        "changes": [_change(change) for change in finding.changes],
        "attribution": _attribution(finding.attribution),
    }
    optional = {
        "cause": str(finding.cause) if finding.cause else "",
        "detail": finding.detail,
        "covers": list(finding.covers),
        "other_job": finding.other_job,
        "severity": finding.severity,
        "carried": finding.carried,
        "lasting": finding.lasting,
    }
    return told | {key: value for key, value in optional.items() if value}


def _side(side: Side) -> dict[str, Any]:
    return {
        "etag": etags_as_json(side.etags),
        "api_version": side.api_version,
        "at": to_text(side.at) if side.at else None,
        "request_id": side.request_id,
        "correlation_id": side.correlation_id,
    }


def etags_as_json(etags: ETags) -> dict[str, str]:
    """The ETags with the place where each stood; no member for a place without one."""
    places = {"header": etags.header, "body": etags.body, "properties": etags.properties}
    return {place: text for place, text in places.items() if text is not None}


def _change(change: Change) -> dict[str, Any]:
    told: dict[str, Any] = {"path": format_path(change.path), "class": str(change.kind)}
    if change.before is not MISSING:
        told["before"] = change.before
    if change.after is not MISSING:
        told["after"] = change.after
    if change.rule:
        told["rule"] = change.rule
    return told


def _attribution(found: Attribution | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "actor": str(found.actor),
        "sure": found.sure,
        "who": found.who,
        "object_id": found.object_id,
        "app_id": found.app_id,
        "client": found.client,
        "operation": found.operation,
        "correlation_id": found.correlation_id,
        "at": to_text(found.at) if found.at else None,
        "proven_own": found.proven,
        "why": found.why,
        "last_seen_good": to_text(found.bracket[0]),
        "first_seen_changed": to_text(found.bracket[1]),
        "writers": [
            {
                "who": event.caller,
                "operation": event.operation,
                "resource": event.resource,
                "at": to_text(event.at),
                "client": event.client,
                "correlation_id": event.correlation_id,
                "source": event.source,
            }
            for event in found.writers
        ],
    }
