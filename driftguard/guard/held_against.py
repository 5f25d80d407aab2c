"""Each ledger held against what was kept of it elsewhere: the anchors, and heads that somebody read on a ticket's note.

Rules:
- A ledger is followed from its first entry to the head that the job's row names. Who can write to the store can write all
  of it anew: that shows only against what is kept elsewhere.
- What cannot be asked is said, never passed over: `unclear`. What is wrong goes before it.
- A job that was anchored and is no longer in the store is a fault; ledgers are never removed.
- One job that cannot be looked at, whatever its rows hold, keeps no other from being looked at.
- Another store's anchor that names a job as ours is called, with other entries, is not passed over: this may be that store,
  written anew under another id.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial

from driftguard.errors import DriftGuardError, StoreUnavailable, WrongUse
from driftguard.flow.anchor import Head
from driftguard.flow.ledger import LedgerEntry
from driftguard.guard import index
from driftguard.guard.anchored import AnchoredHeads, Compared, Kept, read_kept
from driftguard.guard.blobs import Damaged
from driftguard.guard.context import Guard
from driftguard.guard.ledgers import chain_fault, job_row
from driftguard.guard.rows import JOB, JOB_ROW, LEDGER


@dataclass(frozen=True, slots=True)
class JobAnchor:
    """Which anchor a job's ledger was held against: the newest that agrees, the entry that it has, and how many agree."""

    name: str
    day: str
    number: int
    anchors: int


@dataclass(frozen=True, slots=True)
class Anchors:
    """The anchors that were compared: where, of which store (its id), how many, the days of the first and the last.

    `jobs` has None for a job that no anchor agrees with; `others` are the newest documents of other stores, by their id.
    """

    where: str
    store: str
    count: int
    first: str
    last: str
    jobs: dict[str, JobAnchor | None]
    others: dict[str, str]


@dataclass(frozen=True, slots=True)
class Looked:
    """One ledger: what was looked at, as a line; what is wrong, and what could not be looked at, one line each; the newest
    anchor that agrees."""

    told: str
    faults: list[str]
    unclear: list[str]
    newest: JobAnchor | None


@dataclass(frozen=True, slots=True)
class Verified:
    """The result: `faults` are one line each, none where everything is as written. `checked` says what was looked at,
    `not_looked_at` what nothing is said of, `unclear` what could not be looked at; `anchors` is None where none were
    compared."""

    checked: tuple[str, ...]
    faults: tuple[str, ...]
    unclear: tuple[str, ...] = ()
    not_looked_at: tuple[str, ...] = ()
    anchors: Anchors | None = None

    @property
    def exit_code(self) -> int:
        """1 where something was changed, else 2 where something could not be looked at, else 0."""
        return 1 if self.faults else 2 if self.unclear else 0


def hold_against(
    guard: Guard,
    jobs: list[str] | None,
    heads: Sequence[tuple[str, Head]],
    also: Callable[[str, LedgerEntry], None] = lambda _, __: None,
) -> Verified:
    """The ledgers of these jobs, or of every job that there is or was anchored. `heads` are further ones, by job; `also` is
    told every entry, with its job."""
    kept, could_not = _kept(guard, frozenset(jobs) if jobs is not None else None)
    unclear = [could_not] if could_not else []
    checked: list[str] = []
    faults = list(kept.faults) if kept else []
    by_job: dict[str, JobAnchor | None] = {}
    # Listed after the anchors were read: a job that is new since then is one more, never one that is missing.
    there = index.jobs(guard.store) if jobs is None else []
    wanted = [*there, *(name for name, _ in heads), *(kept.heads if kept else ())] if jobs is None else jobs
    for job in dict.fromkeys(wanted):
        if job not in there and guard.store.version(job, JOB, JOB_ROW) is None:
            faults.append(f"the job {job} is not in the store{_who_has(kept, job)}")
            by_job[job] = None
            continue
        given = [head for name, head in heads if name == job]
        looked = look_at_ledger(guard, job, kept, given, partial(also, job))
        by_job[job] = looked.newest
        checked.append(looked.told)
        faults += looked.faults
        unclear += looked.unclear
    if jobs is None:
        faults += _ledgers_without_a_job(guard, by_job)
    passed_over = _not_looked_at(guard, kept)
    return Verified(tuple(checked), tuple(faults), tuple(unclear), passed_over, _told(kept, by_job) if kept else None)


def _ledgers_without_a_job(guard: Guard, looked_at: Container[str]) -> list[str]:
    """The partitions whose job's row was removed."""
    names = [name for name in guard.store.partitions() if not name.startswith("~") and name not in looked_at]
    return [
        f"the job {name} has a ledger and is not in the store"
        for name in names
        # In this order: a job that was recorded just now has its row with its first entry.
        if LEDGER in guard.store.kinds(name) and guard.store.version(name, JOB, JOB_ROW) is None
    ]


def _kept(guard: Guard, jobs: frozenset[str] | None) -> tuple[Kept | None, str]:
    """What the place for anchors has, and why it could not be asked."""
    if guard.anchors is None:
        return None, ""
    try:
        return read_kept(guard.store, guard.anchors, jobs), ""
    except StoreUnavailable:
        raise
    except DriftGuardError as error:
        return None, f"the ledgers were not held against the anchors: {error}"


def _not_looked_at(guard: Guard, kept: Kept | None) -> tuple[str, ...]:
    if guard.anchors is None:
        return ("anchors: no place for them is set up (DRIFTGUARD_ANCHORS), so a store written anew would not show",)
    return tuple(f"anchors of another store, such as {name}" for name in (kept.others.values() if kept else ()))


def _who_has(kept: Kept | None, job: str) -> str:
    """Which anchor has a job first, as the end of a sentence."""
    if kept is None or job not in kept.heads:
        return ""
    return f"; the anchor {kept.names[next(iter(kept.heads[job]))[1]]} has it"


def look_at_ledger(
    guard: Guard,
    job: str,
    kept: Kept | None,
    given: Sequence[Head],
    also: Callable[[LedgerEntry], None] = lambda _: None,
) -> Looked:
    """Follow one ledger, and hold it against what was kept of it. Raises StoreUnavailable."""
    anchored = kept.heads.get(job, AnchoredHeads()) if kept else AnchoredHeads()
    foreign = kept.foreign.get(job, []) if kept else []
    compared = Compared([*(head for head, _, _ in anchored), *(head for head, _ in foreign), *given])
    count = 0

    def seen(entry: LedgerEntry) -> None:
        nonlocal count
        count += 1
        compared.seen(entry)
        also(entry)

    fault, could_not = _follow(guard, job, seen)
    told, newest = f"ledger of {job}: {count} entries", None
    if could_not:
        return Looked(told, [], [f"ledger of {job}: {could_not}"], None)
    faults = [fault] if fault else []
    faults += [
        _differs(compared, head, count, "the head that was given") for head in given if not compared.agrees(head)
    ]
    ours = [(head, name) for head, name in foreign if compared.agrees(head)]
    faults += [
        f"entry {head.number} was anchored as that of another store ({name}): this store's id was changed"
        for head, name in ours[:1]
    ]
    unclear = [
        f"ledger of {job}: another store's anchor ({name}) names a job of this name, with an entry {head.number} that is "
        "not in this ledger: it was written anew under another id, or two stores share this place and should not"
        for head, name in foreign[:1]
        if not ours
    ]
    if kept:
        newest, wrong = _held_against(kept, anchored, compared, count)
        faults += wrong
        told += f"; {_anchor_text(newest)}"
    return Looked(told, [f"ledger of {job}: {fault}" for fault in faults], unclear, newest)


def _follow(guard: Guard, job: str, seen: Callable[[LedgerEntry], None]) -> tuple[str, str]:
    """What is wrong with a ledger in itself, and why it could not be looked at. Raises StoreUnavailable."""
    try:
        return chain_fault(guard.store, job_row(guard, job), seen=seen), ""
    except (Damaged, WrongUse) as error:  # also a partition that is called as no job can be
        return str(error), ""
    except StoreUnavailable:
        raise
    except DriftGuardError as error:  # such as rows of a later version
        return "", str(error)
    except Exception as error:  # noqa: BLE001  # reason: whatever somebody wrote into one job must not hide the others
        return "", f"it could not be read: an unforeseen {type(error).__name__}"


def _held_against(
    kept: Kept, anchored: AnchoredHeads, compared: Compared, count: int
) -> tuple[JobAnchor | None, list[str]]:
    """The newest anchor that agrees with a ledger, and one line for all those that do not."""
    newest: JobAnchor | None = None
    agreeing = differing = 0
    oldest: tuple[Head, int] | None = None
    for head, first, last in anchored:
        if compared.agrees(head):
            agreeing += 1
            newest = JobAnchor(kept.names[last], kept.day(last), head.number, agreeing)
        else:
            differing += 1
            oldest = oldest or (head, first)
    if oldest is None:
        return newest, []
    head, place = oldest
    more = f", and {differing - 1} later head{'s' if differing > 2 else ''}" if differing > 1 else ""
    agrees = f"; the last anchor that agrees is of {newest.day}, entry {newest.number}" if newest else "; none agrees"
    return newest, [
        _differs(compared, head, count, f"the anchor of {kept.day(place)} ({kept.names[place]})") + more + agrees
    ]


def _differs(compared: Compared, head: Head, count: int, whose: str) -> str:
    if compared.has(head.number):
        return f"entry {head.number} is not the one of {whose}: the ledger was written anew"
    return f"entry {head.number} of {whose} is missing: the ledger ends at entry {count}"


def _anchor_text(newest: JobAnchor | None) -> str:
    if newest is None:
        return "no anchor to compare with"
    return f"entry {newest.number} as anchored on {newest.day} ({newest.name})"


def _told(kept: Kept, by_job: dict[str, JobAnchor | None]) -> Anchors:
    first, last = (kept.day(0), kept.day(len(kept.names) - 1)) if kept.names else ("", "")
    return Anchors(kept.where, kept.store, len(kept.names), first, last, by_job, kept.others)
