"""What a halt is about, as a blob beside it: its findings, and the live snapshot of each resource.

A later check carries findings over from here, a decision finds the authors here, and a record learns from here whether the
manual change is still in place.

Rules:
- The key is named by the content. What does not match its name, has another form, or is about nothing is damaged: from an
  empty list it would follow that nobody is the author, and that nothing differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from driftguard.flow.attribute import Actor, Attribution, Event
from driftguard.flow.check import Finding, FindingKind, Side
from driftguard.flow.classify import ChangeClass
from driftguard.flow.diff import MISSING, Change
from driftguard.flow.moment import from_text, to_text
from driftguard.flow.path import format_path, parse_path
from driftguard.flow.ports import Store
from driftguard.flow.reading import Cause, ETags
from driftguard.flow.record import Snapshot
from driftguard.flow.resource import ResourceRef
from driftguard.guard.blobs import damaged, get_named, put_named
from driftguard.guard.observe import Seen
from driftguard.guard.rows import HALT, HaltRow


@dataclass(frozen=True)
class HaltFile:
    """The findings of a halt, and the live snapshots by key."""

    findings: tuple[Finding, ...]
    live: dict[str, Snapshot]


def save(store: Store, prefix: str, seen: Sequence[Seen]) -> str:
    """Write the findings down under `prefix` and a digest of them; returns the key."""
    return put_named(store, prefix, [_to_json(item) for item in seen])


def load(store: Store, key: str) -> HaltFile:
    """The findings of a halt, at least one. Raises Damaged where they are lost or not what was written."""
    stored = get_named(store, key)
    try:
        live = {item["ref"][3]: Snapshot.from_dict(item["live"]) for item in stored if item["live"]}
        findings = tuple(_from_json(item) for item in stored)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise damaged(key) from error
    if not findings:
        raise damaged(key)
    return HaltFile(findings, live)


def live_of(store: Store, job: str, halt: str | None) -> dict[str, Snapshot]:
    """The live snapshots that a halt of the job holds, by key; none where there is no such halt. Raises Damaged."""
    row = store.get(job, HALT, halt) if halt else None
    return load(store, HaltRow.from_body(row.body).findings).live if row else {}


def _to_json(seen: Seen) -> dict[str, Any]:
    finding = seen.finding
    ref = finding.ref
    return {
        "ref": [ref.kind, ref.cloud, ref.tenant, ref.key, ref.type, ref.id],
        "kind": str(finding.kind),
        "cause": str(finding.cause) if finding.cause else None,
        "detail": finding.detail,
        "fingerprint": finding.fingerprint,
        "covers": list(finding.covers),
        "other_job": finding.other_job,
        "severity": finding.severity,
        "lasting": finding.lasting,
        "before": _side_to_json(finding.before),
        "after": _side_to_json(finding.after),
        "changes": [change_to_json(change) for change in finding.changes],
        "attribution": _attribution_to_json(finding.attribution),
        "live": seen.live.to_dict() if seen.live else None,
    }


def _from_json(stored: dict[str, Any]) -> Finding:
    return Finding(
        ResourceRef(*stored["ref"]),
        FindingKind(stored["kind"]),
        changes=tuple(change_from_json(change) for change in stored["changes"]),
        before=_side_from_json(stored["before"]),
        after=_side_from_json(stored["after"]),
        cause=Cause(stored["cause"]) if stored["cause"] else None,
        detail=stored["detail"],
        fingerprint=stored["fingerprint"],
        covers=tuple(stored["covers"]),
        other_job=stored["other_job"],
        severity=stored["severity"],
        lasting=stored["lasting"],
        attribution=_attribution_from_json(stored["attribution"]),
    )


def _side_to_json(side: Side) -> list[Any]:
    etags = [side.etags.header, side.etags.body, side.etags.properties]
    return [etags, side.api_version, to_text(side.at) if side.at else None, side.request_id, side.correlation_id]


def _side_from_json(stored: list[Any]) -> Side:
    etags, api_version, at, request_id, correlation_id = stored
    return Side(ETags(*etags), api_version, from_text(at) if at else None, request_id, correlation_id)


def change_to_json(change: Change) -> dict[str, Any]:
    """A change as JSON; a side that is not there is left out."""
    sides = {"before": change.before, "after": change.after}
    present = {side: value for side, value in sides.items() if value is not MISSING}
    return {"path": format_path(change.path), "class": str(change.kind), "rule": change.rule, **present}


def change_from_json(stored: dict[str, Any]) -> Change:
    """The inverse of `change_to_json`. Raises KeyError, ValueError for another form."""
    return Change(
        parse_path(stored["path"]),
        stored.get("before", MISSING),
        stored.get("after", MISSING),
        ChangeClass(stored["class"]),
        stored["rule"],
    )


_JUDGED = ("proven", "probable", "covered", "why")


def _attribution_to_json(found: Attribution | None) -> dict[str, Any] | None:
    if found is None:
        return None
    fields = (
        "actor",
        "sure",
        "who",
        "object_id",
        "app_id",
        "client",
        "operation",
        "correlation_id",
        "proven",
        "probable",
        "covered",
        "why",
    )
    told: dict[str, Any] = {name: getattr(found, name) for name in fields}
    told["at"] = to_text(found.at) if found.at else None
    told["bracket"] = [to_text(moment) for moment in found.bracket]
    told["writers"] = [_event_to_json(event) for event in found.writers]
    if found.untold:  # only where it says something: versions that know no such kind read what is of other kinds
        told["untold"] = True
    return told


def _attribution_from_json(stored: dict[str, Any] | None) -> Attribution | None:
    if stored is None:
        return None
    fields = dict(stored)
    fields["actor"] = Actor(fields["actor"])
    fields["at"] = from_text(fields["at"]) if fields["at"] else None
    fields["bracket"] = tuple(from_text(moment) for moment in fields["bracket"])
    fields["writers"] = tuple(Event(**{**event, "at": from_text(event["at"])}) for event in fields["writers"])
    return Attribution(**fields)


def _event_to_json(event: Event) -> dict[str, Any]:
    names = Event.__slots__
    return {name: getattr(event, name) for name in names} | {"at": to_text(event.at)}
