"""Which document the anchor of today follows, and what it must follow from.

Rules:
- It is the last one that the store remembers. A newer one of this store was written and never remembered, by a process that
  was killed, or put there by somebody else: it is followed only where it names the remembered one, leaves out nothing that
  this one has, and has no head that is not in the ledgers.
- What the store remembers, and what is gone or another one, is a fault; it is followed all the same, so that the gap shows.
- Where the store remembers none the newest that can be read is followed, from the better head of it and of the one before
  it: what one leaves out the other one has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from driftguard.errors import DriftGuardError, StoreUnavailable
from driftguard.flow.anchor import Anchor, Head, Link, NotAnAnchor, digest_of, named
from driftguard.flow.ledger import GENESIS, LedgerEntry
from driftguard.flow.ports import Anchors
from driftguard.guard.anchor_documents import Good, good_heads, read_document, told_of
from driftguard.guard.blobs import Damaged
from driftguard.guard.context import Guard
from driftguard.guard.ledgers import chain_fault, job_row

_MOST_TRIED = 10  # documents


@dataclass
class Before:
    """The document that today's follows (`link`), and the heads that were good last (`base`). `faults` are one line each."""

    guard: Guard
    place: Anchors
    store: str
    faults: list[str]
    link: Link | None = None
    base: Good = field(default_factory=dict)

    def look(self, today: date, last: Link | None) -> None:
        """Find it. `last` is what the store remembers."""
        if last and not last.is_of(self.store):
            self.faults.append(f"the store's id for anchors was changed: {last.name} is the last that it wrote")
        if last and last.day > today:
            self.faults.append(f"the store remembers an anchor of a day to come ({last.name})")
            last = None
        own = [name for name in self.place.names() if (of := named(name)) and of[1] == self.store and of[0] < today]
        if last is None:
            self._follow_newest(own)
            return
        self._follow_remembered(last)
        if own and Link(own[-1], "").day > last.day:
            self._follow_unremembered(own[-1])

    def adopts(self, name: str) -> bytes | None:
        """A document that another process of this store wrote as it is there; None, and a fault, for any other one."""
        anchor, data = self._read(name)
        if anchor is None:
            return None
        if anchor.previous != self.link:
            self.faults.append(f"{name} does not follow the anchor before it: somebody else wrote it")
        elif lacking := self._lacking(anchor):
            self.faults.append(f"{name} is not what this store would have written: {lacking}")
        else:
            return data
        return None

    def _follow_remembered(self, last: Link) -> None:
        self.link = last
        try:
            data = read_document(self.place, last.name)
            if data is None:
                self.faults.append(f"the anchor {last.name}, which this store wrote, is gone")
            elif digest_of(data) != last.digest:
                self.faults.append(f"the anchor {last.name} is not the one that this store wrote")
            else:
                self.base = good_heads(Anchor.from_bytes(last.name, data))
        except NotAnAnchor as error:
            self.faults.append(told_of(last.name, error))

    def _follow_unremembered(self, name: str) -> None:
        if (data := self.adopts(name)) is not None:
            self.link, self.base = Link(name, digest_of(data)), good_heads(Anchor.from_bytes(name, data))

    def _follow_newest(self, own: list[str]) -> None:
        for name in reversed(own[-_MOST_TRIED:]):
            anchor, data = self._read(name)
            if anchor is None or data is None:
                continue
            self.link, self.base = Link(name, digest_of(data)), good_heads(anchor)
            earlier, _ = self._read(anchor.previous.name) if anchor.previous else (None, None)
            for job, good in good_heads(earlier).items() if earlier else ():
                if job not in self.base or self.base[job][0].number < good[0].number:
                    self.base = {**self.base, job: good}
            return

    def _read(self, name: str) -> tuple[Anchor | None, bytes | None]:
        """A document and its bytes; neither, and a fault, for what is none; no bytes, and no fault, where there is nothing."""
        try:
            data = read_document(self.place, name)
            return (Anchor.from_bytes(name, data), data) if data is not None else (None, None)
        except NotAnAnchor as error:
            self.faults.append(told_of(name, error))
            return None, None

    def _lacking(self, anchor: Anchor) -> str:
        """What an anchor leaves out of what was good, or says that the ledgers do not; empty where it is one of ours."""
        for job, (good, name) in self.base.items():
            if job not in anchor.heads and anchor.last_good.get(job) != (good, name):
                return f"it leaves out {job}, of which {name} has entry {good.number}"
        for job in anchor.last_good.keys() - self.base.keys():
            return f"it tells of a head of {job} that was never anchored"
        for job, head in anchor.heads.items():
            if not self._has(job, head):
                return f"entry {head.number} of {job} is not in its ledger, or does not follow from the anchor before"
        return ""

    def _has(self, job: str, head: Head) -> bool:
        """Whether the job's ledger has this entry, whole from the head that was good last. Raises StoreUnavailable."""
        good = self.base[job][0] if job in self.base else Head(0, GENESIS)
        found = {good.number: good.hash}

        def seen(entry: LedgerEntry) -> None:
            if entry.number == head.number:
                found[entry.number] = entry.hash

        try:
            row = job_row(self.guard, job)
            fault = chain_fault(self.guard.store, row, after=good.number, previous=good.hash, seen=seen)
        except DriftGuardError as error:
            if isinstance(error, StoreUnavailable) and not isinstance(error, Damaged):
                raise
            return False
        return not fault and found.get(head.number) == head.hash
