"""What was anchored: every document of this store in the place for anchors, read again and held against the ledgers.

Rules:
- All documents count, not only the newest: a history that was rewritten is betrayed by those from before.
- The chain of documents must be whole: what one names as the one before it, and what the store remembers as its last, must
  be there with that digest.
- Of stores with another id it is noted which jobs they name, each by its first and its newest head: an entry of ours among
  them means that our id was changed, and any other that it may have been.
- One document that cannot be read, or is none, is a fault of that one. Where it is another store's, its own verify tells it.
- Documents are read in their order, few at once; of each only number, hash and place of a head are kept.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date

from driftguard.flow.anchor import Anchor, Head, Link, NotAnAnchor, digest_of, named
from driftguard.flow.ledger import LedgerEntry
from driftguard.flow.ports import Anchors, Store
from driftguard.guard.anchor_documents import by_store, read_document, told_of
from driftguard.guard.anchor_memory import last_anchor, store_id
from driftguard.guard.blobs import Damaged

_AT_ONCE, _AHEAD = 8, 16
_HASH_BYTES = 32


class AnchoredHeads:
    """The heads of one job in all documents, in their order; a head that did not move is kept once, with the first and the
    last document that has it."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._hashes = bytearray()
        self._first = array("L")
        self._last = array("L")

    def add(self, head: Head, place: int) -> None:
        """The next document, number `place`, has this head."""
        hashed = bytes.fromhex(head.hash)
        if self._numbers and self._numbers[-1] == head.number and self._hashes[-_HASH_BYTES:] == hashed:
            self._last[-1] = place
            return
        self._numbers.append(head.number)
        self._hashes += hashed
        self._first.append(place)
        self._last.append(place)

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[tuple[Head, int, int]]:
        """(head, first document, last document) by their numbers."""
        for at, number in enumerate(self._numbers):
            hashed = self._hashes[at * _HASH_BYTES : (at + 1) * _HASH_BYTES]
            yield Head(number, hashed.hex()), self._first[at], self._last[at]


class Compared:
    """One ledger held against heads that were kept elsewhere: `seen` is told each entry up to the ledger's head."""

    def __init__(self, wanted: Iterable[Head]) -> None:
        self._wanted = {(head.number, head.hash) for head in wanted if head.number}
        self._numbers = {number for number, _ in self._wanted}
        self._found: dict[int, str] = {}

    def seen(self, entry: LedgerEntry) -> None:
        """An entry of the ledger."""
        if entry.number in self._numbers:
            self._found[entry.number] = entry.hash

    def agrees(self, head: Head) -> bool:
        """Whether the ledger has this entry."""
        return head.number == 0 or self._found.get(head.number) == head.hash

    def has(self, number: int) -> bool:
        """Whether the ledger has an entry of this number."""
        return number in self._found


@dataclass
class Kept:
    """What the place keeps of this store. `names` are its documents in order, `heads` by job refer to them by number.

    `store` is the store's id, empty where it never anchored; `others` are by the id of another store its newest document,
    and `foreign` heads in such documents by job, with the names: the first and the newest of each store. `faults` are those
    of the documents themselves.
    """

    where: str
    store: str = ""
    names: list[str] = field(default_factory=list)
    heads: dict[str, AnchoredHeads] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, list[tuple[Head, str]]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def day(self, place: int) -> str:
        """The day of a document, for people."""
        return _day(self.names[place]).isoformat()


def read_kept(store: Store, place: Anchors, jobs: frozenset[str] | None = None) -> Kept:
    """Read every document; heads of these jobs only, or of all. Raises Unavailable, BadConfiguration, StoreUnavailable."""
    kept = Kept(place.where)
    try:
        kept.store = store_id(store) or ""
    except Damaged as error:
        kept.faults.append(str(error))
    names = by_store(place.names())
    kept.names = names.pop(kept.store, [])
    digests: dict[str, str] = {}
    for number, (name, read) in enumerate(_read_ahead(place, kept.names)):
        anchor, data = _anchor(kept.faults, name, read)
        if anchor is None:
            continue
        if anchor.previous:
            _follow(kept, digests, anchor.previous, f"{name} follows")
        digests[name] = digest_of(data)
        for job, head in anchor.heads.items():
            if jobs is None or job in jobs:
                kept.heads.setdefault(job, AnchoredHeads()).add(head, number)
    _hold_against_memory(kept, store, place, digests)
    for other, written in sorted(names.items()):
        kept.others[other] = written[-1]
        _add_other(kept, place, written, jobs)
    return kept


_Read = Callable[[], bytes | None]


def _read_ahead(place: Anchors, names: Iterable[str]) -> Iterator[tuple[str, _Read]]:
    """Each document in order, by what gives its bytes as `read_document`, while the next few are read."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="anchors") as threads:
        reading: deque[tuple[str, Future[bytes | None]]] = deque()
        try:
            for name in names:
                reading.append((name, threads.submit(read_document, place, name)))
                if len(reading) >= _AHEAD:
                    first, answer = reading.popleft()
                    yield first, answer.result
            while reading:
                first, answer = reading.popleft()
                yield first, answer.result
        finally:
            for _, answer in reading:
                answer.cancel()


def _anchor(faults: list[str], name: str, read: _Read) -> tuple[Anchor | None, bytes]:
    """A document and its bytes; None, and a fault, for one that is none. Raises Unavailable."""
    try:
        data = read()
        if data is not None:
            return Anchor.from_bytes(name, data), data
        faults.append(f"the anchor {name} is listed and not there")
    except NotAnAnchor as error:
        faults.append(told_of(name, error))
    return None, b""


def _follow(kept: Kept, digests: dict[str, str], link: Link, who: str) -> None:
    """That what somebody names is there, and is what was named."""
    if link.name not in digests:
        if link.name not in kept.names:  # one that is there and unreadable is a fault already
            kept.faults.append(f"the anchor {link.name} is gone from this store's: {who} it")
    elif digests[link.name] != link.digest:
        kept.faults.append(f"the anchor {link.name} is not the one that was written: {who} another one")


def _hold_against_memory(kept: Kept, store: Store, place: Anchors, digests: dict[str, str]) -> None:
    try:
        last = last_anchor(store, place)
    except Damaged as error:
        kept.faults.append(str(error))
        return
    if last:
        _follow(kept, digests, last, "the store remembers")


def _add_other(kept: Kept, place: Anchors, names: list[str], jobs: frozenset[str] | None) -> None:
    """Note the heads that the documents of one other store have of these jobs, or of all."""
    first: dict[str, tuple[Head, str]] = {}
    newest: dict[str, tuple[Head, str]] = {}
    for name, read in _read_ahead(place, names):
        anchor, _ = _anchor([], name, read)
        for job, head in anchor.heads.items() if anchor else ():
            if head.number and (jobs is None or job in jobs):
                first.setdefault(job, (head, name))
                newest[job] = (head, name)
    for job, one in first.items():
        kept.foreign.setdefault(job, []).extend([one] if newest[job] == one else [one, newest[job]])


def _day(name: str) -> date:
    of = named(name)
    return of[0] if of else date.min
