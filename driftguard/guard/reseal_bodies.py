"""Seals stored bodies once more: packs, and what names their lines.

Rules:
- A pack never changes. Where one of its bodies holds what became a secret, the bodies that are still named go into a new
  pack, and the old one is to be forgotten whole: also the lines in it that nobody names any more.
- The bodies of earlier generations are read by nobody: a pack of theirs that holds a secret is forgotten, not rewritten.
- A named pack that is lost or damaged is left as it is: the verb that needs a body of it says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from driftguard.flow.record import Baseline, Entry, Snapshot
from driftguard.guard import index, late_writes
from driftguard.guard.blobs import Damaged, damaged, get_json, load_baseline, pack_lines, put_named, put_pack
from driftguard.guard.context import Guard
from driftguard.guard.rows import JOB, JOB_ROW, PROPOSAL, JobRow
from driftguard.guard.sealing import Sealing
from driftguard.guard.work import Work

PROPOSED = "proposed"
_LOOKS = 4  # at all jobs; each move in between is a person's act
_Place = tuple[str, int]


@dataclass
class Moved:
    """Where bodies are now. `places`: {(old pack, line): entry that says where, and the fingerprint}; `old`: packs to forget."""

    places: dict[_Place, Entry] = field(default_factory=dict)
    old: list[str] = field(default_factory=list)
    sealed: int = 0

    def entry(self, entry: Entry) -> Entry:
        """The entry, as it names the body now."""
        now = self.places.get((entry.pack, entry.line))
        return replace(entry, pack=now.pack, line=now.line, fingerprint=now.fingerprint) if now else entry

    def baseline(self, guard: Guard, key: str) -> str:
        """The key of the baseline that names the bodies where they are now: the same generation, the same everything else."""
        old = load_baseline(guard.store, key)
        entries = {name: self.entry(entry) for name, entry in old.entries.items()}
        if all(entries[name] is entry for name, entry in old.entries.items()):
            return key
        new: Baseline = replace(old, entries=entries)
        prefix = f"{old.job}/baseline/{old.generation:06d}-sealed-{guard.new_id()}"
        return put_named(guard.store, prefix, new.to_dict())


def move_bodies(
    guard: Guard, job: str, sealing: Sealing, entries: Iterable[Entry], unnamed: Iterable[str] = (), *, most: int = 0
) -> Moved:
    """Write anew the packs of these entries that hold a secret. Nothing is removed.

    `unnamed` are further packs to look at, until `most` packs hold one.
    """
    moved = Moved()
    named: dict[str, dict[int, Entry]] = {}
    for entry in entries:
        named.setdefault(entry.pack, {})[entry.line] = entry
    for pack in sorted(named):
        _move_pack(guard, job, sealing, pack, named[pack], moved)
    for pack in sorted({*unnamed} - {*named}):
        if len(moved.old) >= most:
            break
        _move_pack(guard, job, sealing, pack, {}, moved)
    return moved


def _move_pack(guard: Guard, job: str, sealing: Sealing, pack: str, named: Mapping[int, Entry], moved: Moved) -> None:
    try:
        lines = pack_lines(guard.store, pack)
        if not _holds_secret(sealing, lines, named, pack):
            return
        if named:
            put_pack(
                guard.store, key := f"{job}/pack/sealed-{guard.new_id()}", _sealed(sealing, lines, named, key, moved)
            )
    except Damaged:
        if named:
            return
    moved.old.append(pack)


def _holds_secret(sealing: Sealing, lines: list[bytes], named: Mapping[int, Entry], pack: str) -> bool:
    for number, line in enumerate(lines):
        entry = named.get(number)
        if entry is None:
            if sealing.holds_secret(_body(line, pack)):
                return True
        elif sealing.concerns(entry.ref):
            snapshot = entry.with_body(_body(line, pack))
            if sealing.snapshot(snapshot) is not snapshot:
                return True
    return False


def _sealed(
    sealing: Sealing, lines: list[bytes], named: Mapping[int, Entry], key: str, moved: Moved
) -> Iterator[Snapshot]:
    """The named bodies of a pack, sealed; `moved` learns where each is in the pack `key`."""
    for new_line, (line, entry) in enumerate(sorted(named.items())):
        if line >= len(lines):
            raise damaged(entry.pack)
        before = entry.with_body(_body(lines[line], entry.pack))
        after = sealing.snapshot(before)
        moved.places[entry.pack, line] = replace(entry, pack=key, line=new_line, fingerprint=after.fingerprint)
        moved.sealed += after is not before
        yield after


def _body(line: bytes, pack: str) -> dict[str, Any]:
    """A stored body. Raises Damaged."""
    try:
        body = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise damaged(pack) from error
    if not isinstance(body, dict):
        raise damaged(pack)
    return body


def entries_of(guard: Guard, job: JobRow) -> list[Entry]:
    """What a job names of bodies: its baseline, and those from which a resource may get its old snapshot back."""
    baselines = late_writes.named_baselines(job) | ({job.baseline} if job.baseline else set())
    return [entry for key in sorted(baselines) for entry in load_baseline(guard.store, key).entries.values()]


def open_proposals(guard: Guard, job: str) -> list[tuple[str, list[Entry]]]:
    """(id, what it names of bodies) of the proposals that wait; without those that nobody can accept: they are damaged."""
    found = []
    for row in index.all_rows(guard.store, job, PROPOSAL):
        if row.body["state"] == PROPOSED:
            with suppress(Damaged, KeyError, TypeError, ValueError):
                found.append(
                    (row.id, [Entry.from_dict(entry) for entry in get_json(guard.store, row.body["blob"])["entries"]])
                )
    return found


def proposed_packs(guard: Guard, job: str) -> set[str]:
    """The packs that a job's open proposals name."""
    return {entry.pack for _, entries in open_proposals(guard, job) for entry in entries}


def packs_of_jobs(guard: Guard, *, held: bool = False) -> set[str]:
    """The packs that jobs name; with `held` also those that any stored baseline of a job under legal hold names.

    Jobs are read one after another. One that changed meanwhile is read again, since it may have been given what another one
    that is still to be read was relieved of. Raises Damaged.
    """
    named: set[str] = set()
    read: dict[str, str | None] = {}
    for _ in range(_LOOKS):
        there = [name for name in guard.store.partitions() if not name.startswith("~")]
        versions = {name: guard.store.version(name, JOB, JOB_ROW) for name in there}
        changed = [name for name, version in versions.items() if version and read.get(name) != version]
        for name in changed:
            # In this order: a proposal that is accepted in between is named by the baseline then.
            named |= proposed_packs(guard, name)
            work = Work(guard.store, name, guard.clock.now())
            named |= {entry.pack for entry in entries_of(guard, work.job)}
            if held and work.job.hold is not None:
                named |= _packs_of_baselines(guard, guard.store.blobs(f"{name}/baseline/"))
            read[name] = work.version
        if not changed:
            break
    return named


def _packs_of_baselines(guard: Guard, keys: Iterable[str]) -> set[str]:
    return {entry.pack for key in keys for entry in load_baseline(guard.store, key).entries.values()}


def still_named(guard: Guard, packs: Iterable[str]) -> list[str]:
    """Those of the packs that some job names: what an earlier version moved to another job has its body in the pack that it
    came from.

    All of them where the baseline of a job cannot be read.
    """
    packs = list(packs)
    try:
        named = packs_of_jobs(guard) if packs else set()
    except Damaged:
        return packs
    return [pack for pack in packs if pack in named]
