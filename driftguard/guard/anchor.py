"""Anchor: the head of every job's ledger goes once a day to a place outside the store that lets nobody change it.

Rules:
- One document a day (UTC) and store, written by the first whole scan of that day; a day without one has none. Many
  processes at once, or a crash between two steps, leave one document.
- A head is anchored only where its chain is whole from the head that was anchored before. Otherwise the job is a fault of
  the document, with the anchor that had it last: what was rewritten is not made good by being anchored.
- A document that the store remembers, and that is gone or another one, is a fault; the next one names it all the same, so
  that the gap shows for ever.
- What the store remembers of it: anchor_memory.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from driftguard.errors import DriftGuardError, StoreUnavailable
from driftguard.flow.anchor import Anchor, Head, Link, NotAnAnchor, digest_of, name_of, named
from driftguard.flow.ports import Anchors
from driftguard.guard import index
from driftguard.guard.anchor_memory import last_anchor, own_id, remember
from driftguard.guard.blobs import Damaged
from driftguard.guard.context import Guard
from driftguard.guard.ledgers import chain_fault
from driftguard.guard.work import Work, few

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
    if last and last.day == now.date():
        return Anchored()
    faults: list[str] = []
    store = own_id(guard)
    name = name_of(now.date(), store)
    link, base = _before(place, store, now.date(), last, faults)
    data = place.read(name)  # another process's, or our own from before a crash
    new = False
    if data is None:
        anchor = _made(guard, store, now, link, base)
        faults += [f"{job}: {told}" for job, told in anchor.faults.items()]
        data = anchor.to_bytes()
        new = place.put_once(name, data)
    if not new:
        data = _written_by_another(place, name, link, faults)
    if data is not None:
        remember(guard.store, place, Link(name, digest_of(data)), now)
    return Anchored(name if new else "", tuple(few(faults)))


def _written_by_another(place: Anchors, name: str, link: Link | None, faults: list[str]) -> bytes | None:
    """Today's document as it is there; None, and a fault, for one that no scan of this store wrote."""
    data = place.read(name)
    anchor = _parsed(name, data, faults)
    if anchor and anchor.previous != link:
        faults.append(f"{name} does not follow the anchor before it: somebody else wrote it")
        return None
    return data if anchor else None


def _before(
    place: Anchors, store: str, today: date, last: Link | None, faults: list[str]
) -> tuple[Link | None, Mapping[str, tuple[Head, str]]]:
    """The document that today's follows, and the heads that were good last, by job, with the anchor that has them."""
    days = {of[0]: name for name in place.names() if (of := named(name)) and of[1] == store}
    newest = max((day for day in days if day < today), default=None)
    if last and not last.is_of(store):
        faults.append(f"the store's id for anchors was changed: {last.name} is the last that it wrote")
    if last and last.day > today:
        faults.append(f"the store remembers an anchor of a day to come ({last.name})")
        last = None
    if newest and (last is None or newest > last.day):
        name = days[newest]
        data = place.read(name)
        anchor = _parsed(name, data, faults)
        # It was written and never remembered: then it follows what is remembered.
        if data is not None and anchor and (last is None or anchor.previous == last):
            return Link(name, digest_of(data)), _last_good(anchor)
        if last is None:
            return (Link(name, digest_of(data)) if data is not None else None), {}
        faults.append(f"the anchor {name} does not follow {last.name}, the last that this store wrote")
    if last is None:
        return None, {}
    data = place.read(last.name)
    if data is None:
        faults.append(f"the anchor {last.name}, which this store wrote, is gone")
        return last, {}
    if digest_of(data) != last.digest:
        faults.append(f"the anchor {last.name} is not the one that this store wrote")
        return last, {}
    anchor = _parsed(last.name, data, faults)
    return last, _last_good(anchor) if anchor else {}


def _parsed(name: str, data: bytes | None, faults: list[str]) -> Anchor | None:
    try:
        return Anchor.from_bytes(name, data) if data is not None else None
    except NotAnAnchor as error:
        faults.append(f"{name} is no anchor that was ever written: {error}")
        return None


def _last_good(anchor: Anchor) -> dict[str, tuple[Head, str]]:
    return {**anchor.last_good, **{job: (head, anchor.name) for job, head in anchor.heads.items()}}


def _made(
    guard: Guard, store: str, now: datetime, previous: Link | None, base: Mapping[str, tuple[Head, str]]
) -> Anchor:
    heads: dict[str, Head] = {}
    faults: dict[str, str] = {}
    jobs = index.jobs(guard.store)
    for job in jobs:
        head, fault = _head(guard, job, base.get(job))
        if fault or head is None:
            faults[job] = fault[:_LONGEST]
        else:
            heads[job] = head
    for job in base.keys() - set(jobs):
        faults[job] = f"the job is not in the store; {base[job][1]} has its entry {base[job][0].number}"
    last_good = {job: base[job] for job in faults if job in base}
    return Anchor(store, now, previous, heads, faults, last_good)


def _head(guard: Guard, job: str, before: tuple[Head, str] | None) -> tuple[Head | None, str]:
    """The head of the job's ledger, or what is wrong with it. Raises StoreUnavailable."""
    try:
        row = Work(guard.store, job, guard.clock.now()).job
        if before is None:
            fault = chain_fault(guard.store, row)
        else:
            good, anchor = before
            fault = chain_fault(guard.store, row, after=good.number, previous=good.hash)
            fault = f"{fault}; {anchor} has its entry {good.number}" if fault else ""
        return (None, fault) if fault else (Head(int(row.ledger_number), row.ledger_head), "")
    except Damaged as error:
        return None, str(error)
    except StoreUnavailable:
        raise
    except DriftGuardError as error:
        return None, str(error)
