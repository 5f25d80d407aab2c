"""Seals once more what halts hold: their findings with the live snapshots, and their summaries.

Rules:
- The open halt stays the same halt, with its decision: its difference is the same one, with marks in place of values. It
  gets the digest that the next check finds, and its evidence a version without the values, which is told on the ticket.
- A closed halt whose notes were not told yet gets such a version too: they are told from it.
- Findings that are lost or damaged are left as they are: the verb that needs them says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from driftguard.flow.classify import ChangeClass
from driftguard.flow.diff import Change
from driftguard.flow.halt import difference_digest
from driftguard.guard import halt_file, halting
from driftguard.guard.blobs import Damaged
from driftguard.guard.context import Guard
from driftguard.guard.observe import Observer, Seen
from driftguard.guard.reseal_evidence import amend_evidence
from driftguard.guard.rows import HaltRow
from driftguard.guard.sealing import Sealing
from driftguard.guard.work import Work


def seal_closed(guard: Guard, work: Work, halt: HaltRow, sealing: Sealing, *, untold: bool) -> bool:
    """Seal what a closed halt holds once more; whether anything of it became a secret.

    `untold`: a note of it waits to be delivered.
    """
    try:
        held = _held(guard, halt.findings)
    except Damaged:
        held = []
    sealed = [_sealed(item, sealing) for item in held]
    amended = untold and amend_evidence(guard, work, halt, [item.finding for item in sealed], sealing)
    if sealed != held:
        halting.write_findings(guard, halt, sealed)
    if sealed != held or amended:
        work.save_halt(halt)
    return sealed != held or amended


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
    amended = amend_evidence(guard, work, halt, [item.finding for item in sealed], sealing)
    if amended:
        work.tell(halt, f"amended-{halt.evidence}", list(guard.targets))
    if sealed == held and not amended:
        return False
    halting.write_findings(guard, halt, sealed)
    work.save_halt(halt)
    return True


def findings_hold_secret(guard: Guard, key: str, sealing: Sealing) -> bool:
    """Whether findings that no halt names any more hold what became a secret; damaged ones may."""
    try:
        held = _held(guard, key)
    except Damaged:
        return True
    return [_sealed(item, sealing) for item in held] != held


def _held(guard: Guard, key: str) -> list[Seen]:
    """Raises Damaged."""
    stored = halt_file.load(guard.store, key)
    return [Seen(finding, stored.live.get(finding.ref.key)) for finding in stored.findings]


def _sealed(item: Seen, sealing: Sealing, key_id: str = "") -> Seen:
    """Sealed once more: the live snapshot whole, changes by their paths. `key_id`: the key where there is no snapshot."""
    finding, live = item.finding, item.live
    key_id = live.key_id if live else key_id
    changes = tuple(sealing.change(finding.ref, change, key_id) for change in finding.changes)
    if live is not None:
        sealed = sealing.snapshot(live)
        if finding.fingerprint == live.fingerprint:
            finding = replace(finding, fingerprint=sealed.fingerprint)
        live = sealed
    return Seen(replace(finding, changes=changes, detail=sealing.detail(finding.ref, finding.detail, key_id)), live)


def _compared(held: Seen, sealing: Sealing, observer: Observer) -> Seen:
    """The finding as the next check makes it: from both bodies, as they are sealed now. A class stays as it was judged."""
    sealed = _sealed(held, sealing, observer.key_of(held.finding.ref.key))
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
