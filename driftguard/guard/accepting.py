"""Swaps a job's baseline: what record, a retry of what was pending, and an accepted proposal do alike.

Rules:
- The new set gets the next generation, and is written before the job's row names it; the old one stays as it is.
- What is held keeps its old snapshot. Where a kept change was reverted, the new snapshot is the live state with the kept
  values put back: so the next check finds exactly the reverted paths, until a person decides on them.
- The halt under which the run was cleared ends here: resolved where everything became as decided, else superseded by a new
  halt for what did not. It waits where a resource that it is about is pending or could not be read.
- A kept change that survived becomes part of the baseline, whether or not the run named its resource: that was decided.
- Whether a change is in place is asked in marks where either side has them (in_place.py); what cannot be told is held.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from driftguard.flow.attribute import Attribution
from driftguard.flow.canonical import canonical, fingerprint
from driftguard.flow.check import Finding, FindingKind, Side, covered_keys
from driftguard.flow.decide import Action, Judged
from driftguard.flow.diff import diff
from driftguard.flow.halt import Decision, Event, State
from driftguard.flow.moment import to_text
from driftguard.flow.patch import apply
from driftguard.flow.path import Path
from driftguard.flow.policy import Policy
from driftguard.flow.reading import Json
from driftguard.flow.record import Baseline, Entry, Fate, Provenance, Snapshot, Traces, fate_of
from driftguard.flow.review import UNREAD
from driftguard.flow.secrets import align
from driftguard.guard import halt_file, halting
from driftguard.guard.blobs import load_baseline, put_named, put_pack
from driftguard.guard.context import Guard
from driftguard.guard.in_place import Held
from driftguard.guard.observe import Observer, Seen
from driftguard.guard.rows import HaltRow
from driftguard.guard.work import Work, sealed_under

_CHANGED = (FindingKind.MOVED, FindingKind.MOVED_BY_JOB)
_GOOD = (
    FindingKind.UNCHANGED,
    FindingKind.TOUCHED,
    FindingKind.MOVED,
    FindingKind.MOVED_BY_JOB,
    FindingKind.UNRECORDED,
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What becomes of one resource. `held` is the finding that a halt holds (HELD, REVERTED), `expected` the kept state."""

    seen: Seen
    fate: Fate
    held: Finding | None = None
    expected: Snapshot | None = None
    proven: bool = False


@dataclass(frozen=True)
class Swap:
    """A swap of the baseline: who did it, for what, and how it became accepted."""

    taken: Sequence[Taken]
    provenance: Provenance
    by: str
    run: str | None
    ticket: str | None
    record: str


def judge_fate(
    seen: Seen,
    *,
    named: bool,
    recorded: bool,
    foreign: bool,
    halt: HaltRow | None,
    held: halt_file.HaltFile | None,
    observer: Observer,
    policy: Policy,
    proven: bool,
    author: Attribution | None = None,
    own_deletion: bool = False,
    log_complete: bool = False,
) -> Taken:
    """What a record does with one resource, given what the halt under which the run was cleared says of it.

    `author` says who wrote it between clearance and record.
    """
    found = seen.finding
    of_halt = next((one for one in held.findings if _is_about(one, found.ref.key)), None) if held else None
    decision = _decision_in_force(halt)
    still_unread = of_halt is not None and of_halt.kind in UNREAD and found.kind in UNREAD
    # It could not be read when the run was cleared: whether it was changed before that, nobody has seen or decided on.
    unseen = of_halt is not None and of_halt.kind in UNREAD and bool(found.configuration) and not proven
    manual = Held(of_halt, held.live.get(of_halt.ref.key), observer.sealer) if of_halt and held else None
    live = _present(seen, observer)
    overwritten_badly = manual is not None and decision is Decision.OVERWRITE and _still_there(manual, found, live)
    reverted = manual is not None and decision is Decision.KEEP and _is_reverted(manual, found, live)
    survived = manual is not None and decision is Decision.KEEP and manual.is_exactly(found)
    kept_gone = of_halt is not None and decision is Decision.KEEP and of_halt.kind is FindingKind.GONE
    traces = Traces(
        found=found.kind in _GOOD,
        gone=found.kind is FindingKind.GONE,
        settled=found.kind is not FindingKind.IN_FLIGHT,
        named=named or survived,
        recorded=recorded,
        foreign_write=foreign and (bool(found.configuration) or found.kind is FindingKind.GONE),
        decided_badly=overwritten_badly or still_unread or unseen,
        reverted=reverted,
        own_deletion=own_deletion or kept_gone,
        log_complete=log_complete,
    )
    fate = fate_of(traces)
    # What was left in place is still the work of whoever made it.
    found = replace(found, attribution=of_halt.attribution if of_halt and not traces.foreign_write else author)
    if fate is Fate.HELD:
        return Taken(seen, fate, held=replace(found, lasting=found.kind in UNREAD), proven=proven)
    if fate is Fate.REVERTED and of_halt is not None and held is not None:
        reverted_one = replace(found, attribution=author)
        return _reverted(replace(seen, finding=reverted_one), _kept_state(of_halt, held, observer), of_halt, observer)
    if foreign and fate in (Fate.RECORDED, Fate.UNTOUCHED) and not found.configuration:
        # Nothing differs that could be held (or there was nothing before): it is told, on the ticket and by the exit code.
        told = replace(found, kind=FindingKind.MOVED, attribution=author, detail=_WRITTEN_MEANWHILE)
        return Taken(seen, fate, held=told, proven=proven)
    return Taken(seen, fate, proven=proven)


_WRITTEN_MEANWHILE = "somebody else wrote it between clearance and record; nothing differs from what is recorded now"


def _present(seen: Seen, observer: Observer) -> Snapshot | None:
    """The state as it is now; of an unchanged resource that is the recorded one."""
    found = seen.finding
    return seen.live or (observer.as_recorded(found.ref.key) if found.kind in _GOOD else None)


def swap(
    guard: Guard, work: Work, change: Swap, occasion: halting.Occasion, old: Mapping[str, Entry] | None = None
) -> HaltRow | None:
    """Give the job its next baseline within this transaction; the new halt where something is held.

    `old` are the entries that the change applies to, by default those of the present baseline.
    """
    job = work.job
    if old is None:
        old = load_baseline(guard.store, job.baseline).entries if job.baseline else {}
    entries = _new_entries(guard, job.name, change, old)
    job.generation += 1
    baseline = Baseline(job.name, job.generation, work.now, change.by, change.run, change.ticket, entries)
    prefix = f"{job.name}/baseline/{job.generation:06d}-{change.record}"
    work.wrote_bodies(sealed_under(occasion.policy))
    job.baseline, job.baseline_at = put_named(guard.store, prefix, baseline.to_dict()), to_text(work.now)
    work.log(
        "recorded",
        generation=job.generation,
        record=change.record,
        resources=len(entries),
        provenance=str(change.provenance),
        by=change.by,
        run=change.run,
    )
    held = [item for item in change.taken if item.held is not None]
    if not held:
        return None
    judged = [Judged(item.held, Action.HALT, str(item.fate)) for item in held if item.held]
    seen = [Seen(item.held, item.seen.live) for item in held if item.held]
    cause = "reverted" if any(item.fate is Fate.REVERTED for item in held) else "held at record"
    return halting.open_halt(guard, work, seen, judged, occasion, cause)


def end_halt(guard: Guard, work: Work, halt: HaltRow | None, taken: Sequence[Taken], new: HaltRow | None) -> None:
    """Close the halt under which the run was cleared, where everything that it is about became as decided."""
    if halt is None or halt.final or new is not None:
        return  # a new halt has superseded it already
    about = halt_file.load(guard.store, halt.findings).findings
    waiting = [item for item in taken if item.fate is Fate.PENDING or item.seen.finding.kind in UNREAD]
    if any(_is_about(one, item.seen.finding.ref.key) for one in about for item in waiting):
        return
    if halt.state in (State.IN_USE, State.KEPT_CONFIRMED):
        why = "the manual change was overwritten, as decided" if halt.decided is Decision.OVERWRITE else ""
        why = why or ("the kept change survived the update" if halt.decided is Decision.KEEP else "readable again")
        halting.resolve(guard, work, halt, Event.RECORDED_GOOD, why)


def _new_entries(guard: Guard, job: str, change: Swap, old: Mapping[str, Entry]) -> dict[str, Entry]:
    entries = dict(old)
    stored = [snapshot for item in change.taken if (snapshot := _to_store(item))]
    pack, line = _pack_key(job, change.record, stored), 0
    for item in change.taken:
        key, snapshot = item.seen.finding.ref.key, _to_store(item)
        if item.fate is Fate.RETIRED or (item.fate is Fate.REVERTED and snapshot is None):
            entries.pop(key, None)
        elif item.fate in (Fate.RECORDED, Fate.REVERTED):
            provenance = Provenance.KEPT if item.fate is Fate.REVERTED else change.provenance
            entries[key] = _entry(item, snapshot, pack, line, old, provenance)
            line += 1 if snapshot else 0
    if stored:
        put_pack(guard.store, pack, stored)
    return entries


def _to_store(item: Taken) -> Snapshot | None:
    """The snapshot that becomes part of the baseline; None where none does, or the old body still holds."""
    return {Fate.RECORDED: item.seen.live, Fate.REVERTED: item.expected}.get(item.fate)


def _pack_key(job: str, record: str, stored: Sequence[Snapshot]) -> str:
    """The key names what the pack holds, so that a record that tries again never takes an earlier try's lines for its own."""
    held = [[snapshot.ref.key, snapshot.fingerprint] for snapshot in stored]
    return f"{job}/pack/{record}-{hashlib.sha256(json.dumps(held).encode()).hexdigest()[:12]}"


def _entry(
    item: Taken, snapshot: Snapshot | None, pack: str, line: int, old: Mapping[str, Entry], provenance: Provenance
) -> Entry:
    """The entry of a recorded resource; where the state is as it was, the old body with the new reading's ETag and time."""
    if snapshot is not None:
        return Entry.of(snapshot, pack=pack, line=line, provenance=provenance, proven=item.proven)
    found = item.seen.finding
    before = old[found.ref.key]
    return replace(
        before,
        etags=found.after.etags,
        at=found.after.at or before.at,
        request_id=found.after.request_id,
        correlation_id=found.after.correlation_id,
        provenance=provenance,
        # A state that nobody changed is proven as it was proven before.
        proven=before.proven or item.proven,
    )


def side_of(snapshot: Snapshot) -> Side:
    """A snapshot as one side of a comparison."""
    return Side(snapshot.etags, snapshot.api_version, snapshot.at, snapshot.request_id, snapshot.correlation_id)


def _decision_in_force(halt: HaltRow | None) -> Decision | None:
    return halt.decided if halt else None


def _is_about(finding: Finding, key: str) -> bool:
    """Whether a halt's finding is about the resource, by itself or through its missing resource group."""
    return finding.ref.key == key or key in covered_keys(finding)


def _still_there(manual: Held, now: Finding, live: Snapshot | None) -> bool:
    """Whether a change that was to be overwritten is, or may be, in place after the run, all of it or some."""
    kind = manual.finding.kind
    if kind is FindingKind.GONE:
        return now.kind is FindingKind.GONE
    return kind in _CHANGED and now.kind in _GOOD and manual.any_is_in(live, now)


def _is_reverted(manual: Held, now: Finding, live: Snapshot | None) -> bool:
    """Whether a change that was to be kept is not known to be in place, all of it or some."""
    kind = manual.finding.kind
    if kind is FindingKind.GONE:
        return now.kind is not FindingKind.GONE
    return kind in _CHANGED and not manual.all_is_in(live)


def _reverted(seen: Seen, kept: Snapshot | None, of_halt: Finding, observer: Observer) -> Taken:
    """What was kept becomes the snapshot; of a kept deletion that is an empty body, so that all of the resource differs."""
    found = seen.finding
    live = seen.live or observer.as_recorded(found.ref.key)
    if found.kind is FindingKind.GONE or live is None:
        return Taken(seen, Fate.HELD, held=replace(found, detail="its change was kept, and it is gone after this run"))
    if kept is None:
        detail, expected = "its deletion was kept, and this run made it again", _with_body(live, {})
    else:
        paths = [change.path for change in of_halt.configuration]
        detail, expected = (
            "its change was kept, and this run reverted it",
            _with_kept_values(live, kept, paths, observer),
        )
    difference = observer.difference(found.ref, expected, live)
    held = replace(difference, detail=detail, attribution=found.attribution)
    return Taken(replace(seen, live=live), Fate.REVERTED, held=held, expected=expected)


def _kept_state(of_halt: Finding, held: halt_file.HaltFile, observer: Observer) -> Snapshot | None:
    """The state that was kept; None for a deletion.

    A halt that an earlier version wrote may have no live snapshot of what it took over unread: that state is made from its
    changes.
    """
    kept, recorded = held.live.get(of_halt.ref.key), observer.as_recorded(of_halt.ref.key)
    if kept or recorded is None or of_halt.kind is FindingKind.GONE:
        return kept
    return _with_body(recorded, apply(canonical(recorded.body, of_halt.ref.type), of_halt.changes))


def _with_kept_values(live: Snapshot, kept: Snapshot, paths: Sequence[Path], observer: Observer) -> Snapshot:
    """The live state with the kept change put back: what should be there."""
    # What is a mark in one of the two states is one in the other: rules for secrets may have changed between them.
    old, new = align(kept.body, live.body, observer.sealer)
    then, now = canonical(old, live.ref.type), canonical(new, live.ref.type)
    back = [change for change in diff(now, then, observer.rules_of(live.ref)) if _touches(change.path, paths)]
    return _with_body(live, apply(now, tuple(back)))


def _with_body(live: Snapshot, body: Json) -> Snapshot:
    return replace(live, body=body, fingerprint=fingerprint(canonical(body, live.ref.type)))


def _touches(path: Path, kept: Sequence[Path]) -> bool:
    """Whether the path is one of the kept ones, lies below one, or holds one."""
    return any(path[: len(one)] == one or one[: len(path)] == path for one in kept)
