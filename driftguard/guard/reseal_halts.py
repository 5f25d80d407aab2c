"""Seals once more what halts hold: their findings with the live snapshots, their summaries, and the evidence of the open one.

Rules:
- The open halt stays the same halt, with its decision: its difference is the same one, with marks in place of values. It
  gets the digest that the next check finds, and its evidence a version without the values, which is told on the ticket.
- What an earlier version of an evidence holds stays there: evidence never changes. It is named, and that is all.
- Findings that are lost or damaged are left as they are: the verb that needs them says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from driftguard.errors import OtherScope, WrongUse
from driftguard.flow.check import Finding
from driftguard.flow.classify import ChangeClass
from driftguard.flow.diff import Change
from driftguard.flow.evidence import digest_of
from driftguard.flow.halt import difference_digest
from driftguard.guard import halt_file, halting
from driftguard.guard.blobs import Damaged
from driftguard.guard.context import Guard
from driftguard.guard.observe import Observer, Seen
from driftguard.guard.rows import HaltRow
from driftguard.guard.sealing import Sealing
from driftguard.guard.verify import read_evidence
from driftguard.guard.work import Work


def seal_closed(guard: Guard, halt: HaltRow, sealing: Sealing) -> bool:
    """Seal what a closed halt holds once more; whether anything of it became a secret."""
    try:
        held = _held(guard, halt.findings)
    except Damaged:
        return False
    sealed = [_sealed(item, sealing) for item in held]
    if sealed == held:
        return False
    halting.write_findings(guard, halt, sealed)
    return True


def seal_open(guard: Guard, work: Work, halt: HaltRow, sealing: Sealing, observer: Observer) -> bool:
    """The same for the halt that is not final, with another version of its evidence where that holds such a value.

    `observer` knows the recorded bodies as they are sealed now.
    """
    try:
        held = _held(guard, halt.findings)
    except Damaged:
        return False
    sealed = [_compared(item, sealing, observer) for item in held]
    halt.digest = difference_digest([item.finding for item in sealed])
    amended = _amend(guard, work, halt, sealed, sealing)
    if sealed == held and not amended:
        return False
    halting.write_findings(guard, halt, sealed)
    work.save_halt(halt)
    return True


def _amend(guard: Guard, work: Work, halt: HaltRow, sealed: Sequence[Seen], sealing: Sealing) -> bool:
    """Another version of the evidence where the latest holds what is a secret now; whether there is one."""
    told = _document(guard, halt)
    if told is None:
        return False
    document = _next_version(told, halt, sealed, sealing)
    if all(document[name] == told[name] for name in ("halt", "findings", "also_seen")):
        return False
    halting.write_version(guard, halt, document)
    work.log("evidence amended", halt=halt.id, version=halt.evidence, evidence=halt.evidence_digest)
    work.tell(halt, f"amended-{halt.evidence}", list(guard.targets))
    return True


def findings_hold_secret(guard: Guard, key: str, sealing: Sealing) -> bool:
    """Whether findings that no halt names any more hold what became a secret; damaged ones may."""
    try:
        held = _held(guard, key)
    except Damaged:
        return True
    return [_sealed(item, sealing) for item in held] != held


def evidence_holding(guard: Guard, halt: HaltRow, sealing: Sealing) -> list[str]:
    """`<halt> <version>` of each version of the evidence that holds what is a secret now."""
    versions = range(1, len(halt.evidence_keys) + 1)
    documents = ((version, _document(guard, halt, version)) for version in versions)
    return [f"{halt.id} {version}" for version, told in documents if told and _holds_secret(told, sealing)]


def _held(guard: Guard, key: str) -> list[Seen]:
    """Raises Damaged."""
    stored = halt_file.load(guard.store, key)
    return [Seen(finding, stored.live.get(finding.ref.key)) for finding in stored.findings]


def _sealed(item: Seen, sealing: Sealing) -> Seen:
    finding, live = item.finding, item.live
    key_id = live.key_id if live else ""
    changes = tuple(sealing.change(finding.ref, change, key_id) for change in finding.changes)
    if live is not None:
        sealed = sealing.snapshot(live)
        if finding.fingerprint == live.fingerprint:
            finding = replace(finding, fingerprint=sealed.fingerprint)
        live = sealed
    return Seen(replace(finding, changes=changes), live)


def _compared(held: Seen, sealing: Sealing, observer: Observer) -> Seen:
    """The finding as the next check makes it: from both bodies, as they are sealed now. A class stays as it was judged."""
    sealed = _sealed(held, sealing)
    finding = sealed.finding
    if sealed == held or sealed.live is None or not finding.changes:
        return sealed
    recorded = observer.as_recorded(finding.ref.key)
    if recorded is None or (recorded.etags, recorded.at) != (finding.before.etags, finding.before.at):
        return sealed  # it was recorded anew since: what it was compared with is not at hand
    known = {change.path: (change.kind, change.rule) for change in held.finding.changes}
    changes = observer.difference(finding.ref, recorded, sealed.live).changes
    return Seen(replace(finding, changes=tuple(_as_judged(change, known) for change in changes)), sealed.live)


def _as_judged(change: Change, known: Mapping[Any, tuple[ChangeClass, str | None]]) -> Change:
    kind, rule = known.get(change.path, (change.kind, change.rule))
    return replace(change, kind=kind, rule=rule)


def _document(guard: Guard, halt: HaltRow, version: int | None = None) -> dict[str, Any] | None:
    """A version of the evidence; None where it is lost or damaged."""
    try:
        return read_evidence(halting.load_evidence(guard, halt, version))
    except (Damaged, WrongUse):
        return None


def _findings(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*document["findings"], *document["also_seen"]]


def _holds_secret(document: Mapping[str, Any], sealing: Sealing) -> bool:
    return any(_told_again(told, sealing) != told for told in _findings(document))


def _told_again(told: dict[str, Any], sealing: Sealing) -> dict[str, Any]:
    """A finding as the evidence tells it, sealed by what the paths tell."""
    try:
        ref = sealing.ref(told["resource"])
    except (WrongUse, OtherScope):
        return told
    changes = [halt_file.change_from_json({"rule": None, **change}) for change in told["changes"]]
    return {**told, "changes": _tell(tuple(sealing.change(ref, change) for change in changes))}


def _tell(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Changes as an evidence tells them: without the member `rule` where no rule decided."""
    told = (halt_file.change_to_json(change) for change in changes)
    return [{name: value for name, value in one.items() if name != "rule" or value} for one in told]


def _next_version(told: Mapping[str, Any], halt: HaltRow, sealed: Sequence[Seen], sealing: Sealing) -> dict[str, Any]:
    """The latest evidence once more, as it was judged, without what became a secret."""
    findings = {item.finding.ref.id: item.finding for item in sealed}
    document = {
        **told,
        "version": halt.evidence + 1,
        "halt": {**told["halt"], "digest": halt.digest},
        "findings": [_as_held(one, findings.get(one["resource"]), sealing) for one in told["findings"]],
        "also_seen": [_told_again(one, sealing) for one in told["also_seen"]],
    }
    return {**document, "digest": digest_of(document)}


def _as_held(told: dict[str, Any], finding: Finding | None, sealing: Sealing) -> dict[str, Any]:
    return {**told, "changes": _tell(finding.changes)} if finding else _told_again(told, sealing)
