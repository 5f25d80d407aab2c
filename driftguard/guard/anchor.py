"""Anchor: the head of every job's ledger goes once a day to a place outside the store that lets nobody change it.

Rules:
- One document a day (UTC) and store, written by the first whole scan of that day; a day without one has none. Many
  processes at once, or a crash between two steps, leave one document.
- A head is anchored only where its chain is whole from the head that was anchored before. Otherwise the job is a fault of
  the document, with the anchor that had it last: what was rewritten is not made good by being anchored.
- Which document it follows: anchor_before.py. A document of today that is there already is taken for ours only as that says.
- Where another store's documents name jobs of this store the first anchor is refused, and no id is made: that may be this
  store, written anew (anchor_documents.py).
- What the store remembers of it: anchor_memory.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from driftguard.errors import DriftGuardError, StoreUnavailable
from driftguard.flow.anchor import Anchor, Head, Link, NotAnAnchor, digest_of, head_of, name_of
from driftguard.flow.ledger import GENESIS
from driftguard.flow.ports import Anchors
from driftguard.guard import index
from driftguard.guard.anchor_before import Before
from driftguard.guard.anchor_documents import Good, by_store, read_document, taken_by_another
from driftguard.guard.anchor_memory import CLOCKS_APART, last_anchor, own_id, remember, store_id
from driftguard.guard.blobs import Damaged
from driftguard.guard.context import Guard
from driftguard.guard.ledgers import chain_fault, job_row
from driftguard.guard.work import few

_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Anchored:
    """`name` of the document that was written now, or empty; `faults` are one line each."""

    name: str = ""
    faults: tuple[str, ...] = ()


def anchor_heads(guard: Guard) -> Anchored:
    """Write the anchor of this day, where a place is set up and has none yet.

    Raises Unavailable, BadConfiguration, StoreUnavailable.
    """
    place, now = guard.anchors, guard.clock.now()
    if place is None:
        return Anchored()
    last = last_anchor(guard.store, place)
    if last and now.date() <= last.day <= (now + CLOCKS_APART).date():
        return Anchored()
    jobs = index.jobs(guard.store)
    if last is None and (taken := _taken_by_another(guard, place, jobs)):
        return Anchored(faults=(taken,))
    store, faults = own_id(guard), list[str]()
    before = Before(guard, place, store, faults)
    before.look(now.date(), last)
    name = name_of(now.date(), store)
    made = b""
    if not _is_there(place, name):  # as another process's is, or our own from before a crash
        anchor = _made(guard, jobs, Anchor(store, now, before.link), before.base)
        faults += [f"{job}: {told}" for job, told in anchor.faults.items()]
        made = anchor.to_bytes()
    if made and place.put_once(name, made):
        remember(guard.store, place, Link(name, digest_of(made)), now)
        return Anchored(name, tuple(few(faults)))
    data = before.adopts(name)
    if data is not None:
        remember(guard.store, place, Link(name, digest_of(data)), now)
    return Anchored("", tuple(few(faults)))


def _taken_by_another(guard: Guard, place: Anchors, jobs: Iterable[str]) -> str:
    """Why a store does not write its first anchor in a place; empty where it does."""
    own = store_id(guard.store)
    return "" if own and own in by_store(place.names()) else taken_by_another(place, own, jobs)


def _is_there(place: Anchors, name: str) -> bool:
    try:
        return read_document(place, name) is not None
    except NotAnAnchor:
        return True


def _made(guard: Guard, jobs: Sequence[str], begun: Anchor, base: Good) -> Anchor:
    """The anchor that was begun, with the heads of these jobs, and with what is wrong with the others."""
    heads: dict[str, Head] = {}
    faults: dict[str, str] = {}
    for job in jobs:
        head, fault = _head(guard, job, base.get(job))
        if fault or head is None:
            faults[job] = fault[:_LONGEST]
        else:
            heads[job] = head
    for job in base.keys() - set(jobs):
        faults[job] = f"the job is not in the store; {base[job][1]} has its entry {base[job][0].number}"
    last_good = {job: base[job] for job in faults if job in base}
    return replace(begun, heads=heads, faults=faults, last_good=last_good)


def _head(guard: Guard, job: str, before: tuple[Head, str] | None) -> tuple[Head | None, str]:
    """The head of the job's ledger, or what is wrong with it. Raises StoreUnavailable."""
    good, anchor = before or (Head(0, GENESIS), "")
    try:
        row = job_row(guard, job)
        fault = chain_fault(guard.store, row, after=good.number, previous=good.hash)
        if fault:
            return None, f"{fault}; {anchor} has its entry {good.number}" if anchor else fault
        return head_of(row.ledger_number, row.ledger_head), ""
    except DriftGuardError as error:
        if isinstance(error, StoreUnavailable) and not isinstance(error, Damaged):
            raise
        return None, str(error)
    except ValueError:
        return None, "the job's row names no head of a ledger"
