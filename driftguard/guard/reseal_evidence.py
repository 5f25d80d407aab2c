"""Finds the versions of evidence that hold what became a secret, and writes the next version without it.

Rules:
- What an earlier version of an evidence holds stays there: evidence never changes. It is named, and that is all.
- A version that is lost or damaged holds nothing that can be named: `driftguard verify` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from driftguard.errors import OtherScope, WrongUse
from driftguard.flow.check import Finding
from driftguard.flow.diff import Change
from driftguard.flow.evidence import digest_of
from driftguard.guard import halt_file, halting
from driftguard.guard.blobs import Damaged
from driftguard.guard.context import Guard
from driftguard.guard.rows import HaltRow
from driftguard.guard.sealing import Sealing
from driftguard.guard.verify import read_evidence
from driftguard.guard.work import Work

_COMPARED = ("halt", "findings", "also_seen", "coverage")


def amend_evidence(guard: Guard, work: Work, halt: HaltRow, sealed: Sequence[Finding], sealing: Sealing) -> bool:
    """Another version of the evidence where the latest holds what is a secret now; whether there is one.

    `sealed` are the halt's findings as they are sealed now.
    """
    told = _document(guard, halt)
    if told is None:
        return False
    document = _next_version(told, halt, sealed, sealing)
    if all(document[name] == told[name] for name in _COMPARED):
        return False
    halting.write_version(guard, halt, document)
    work.log("evidence amended", halt=halt.id, version=halt.evidence, evidence=halt.evidence_digest)
    return True


def evidence_holding(guard: Guard, halt: HaltRow, sealing: Sealing) -> list[str]:
    """`<halt> <version>` of each version of the evidence that holds what is a secret now."""
    versions = range(1, len(halt.evidence_keys) + 1)
    documents = ((version, _document(guard, halt, version)) for version in versions)
    return [f"{halt.id} {version}" for version, told in documents if told and _sealed(told, sealing) != told]


def _document(guard: Guard, halt: HaltRow, version: int | None = None) -> dict[str, Any] | None:
    """A version of the evidence; None where it is lost or damaged."""
    try:
        return read_evidence(halting.load_evidence(guard, halt, version))
    except (Damaged, WrongUse):
        return None


def _next_version(told: dict[str, Any], halt: HaltRow, sealed: Sequence[Finding], sealing: Sealing) -> dict[str, Any]:
    """The latest evidence once more, as it was judged, without what became a secret."""
    known = {finding.ref.id: finding for finding in sealed}
    again = _sealed(told, sealing)
    findings = [_as_held(one, known.get(one["resource"])) for one in again["findings"]]
    document = {
        **again,
        "version": halt.evidence + 1,
        "halt": {**told["halt"], "digest": halt.digest},
        "findings": findings,
    }
    return {**document, "digest": digest_of(document)}


def _sealed(document: dict[str, Any], sealing: Sealing) -> dict[str, Any]:
    """The document, sealed once more by what its paths tell."""
    coverage = document["coverage"]
    return {
        **document,
        "findings": [_finding(one, sealing) for one in document["findings"]],
        "also_seen": [_finding(one, sealing) for one in document["also_seen"]],
        "coverage": {**coverage, "not_read": [_with_detail(one, sealing) for one in coverage["not_read"]]},
    }


def _finding(told: dict[str, Any], sealing: Sealing) -> dict[str, Any]:
    try:
        ref = sealing.ref(told["resource"])
    except (WrongUse, OtherScope):
        return told
    changes = [halt_file.change_from_json({"rule": None, **change}) for change in told["changes"]]
    return {**_with_detail(told, sealing), "changes": _tell([sealing.change(ref, change) for change in changes])}


def _with_detail(told: dict[str, Any], sealing: Sealing) -> dict[str, Any]:
    """What is told of a resource, with its detail sealed."""
    if not told.get("detail"):
        return told
    try:
        return {**told, "detail": sealing.detail(sealing.ref(told["resource"]), told["detail"])}
    except (WrongUse, OtherScope):
        return told


def _as_held(told: dict[str, Any], finding: Finding | None) -> dict[str, Any]:
    """A finding of the halt as it is held now: its marks are those that the next check makes."""
    return {**told, "changes": _tell(finding.changes)} if finding else told


def _tell(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Changes as an evidence tells them: without the member `rule` where no rule decided."""
    told: list[Mapping[str, Any]] = [halt_file.change_to_json(change) for change in changes]
    return [{name: value for name, value in one.items() if name != "rule" or value} for one in told]
