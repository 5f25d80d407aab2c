"""The documents in the place for anchors: read, and told apart by the store that they are of.

Rules:
- One that cannot be read as a document is a fault of that one: the others are read all the same.
- A document names a job by its head, by a fault, or by the head that was good last.
- Two stores share a place only while no job of one is called as a job of the other. Otherwise nothing tells the second
  store from the first one, written anew under another id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from driftguard.flow.anchor import Anchor, Head, NotADocument, NotAnAnchor, named
from driftguard.flow.ports import Anchors

Good = Mapping[str, tuple[Head, str]]  # by job: the head that was good last, and the name of the anchor that has it


def read_document(place: Anchors, name: str) -> bytes | None:
    """What is kept under a name, or None. Raises NotAnAnchor for what cannot be a document; Unavailable."""
    try:
        return place.read(name)
    except NotADocument as error:
        raise NotAnAnchor(error.message) from None


def told_of(name: str, error: NotAnAnchor) -> str:
    """The line about a document that is none."""
    return f"{name} is no anchor that was ever written: {error}"


def good_heads(anchor: Anchor) -> dict[str, tuple[Head, str]]:
    """What the next anchor follows from: of each job the head that this one has, or that was good last."""
    return {**anchor.last_good, **{job: (head, anchor.name) for job, head in anchor.heads.items()}}


def by_store(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of documents by the id of their store, in the order that they come in; other names are left out."""
    found: dict[str, list[str]] = {}
    for name in names:
        if of := named(name):
            found.setdefault(of[1], []).append(name)
    return found


def taken_by_another(place: Anchors, own: str | None, jobs: Iterable[str]) -> str:
    """The line that says that another store's first or newest document here names one of these jobs; empty where none does.

    Raises Unavailable, BadConfiguration.
    """
    ours = frozenset(jobs)
    for other, names in by_store(place.names()).items():
        for name in (names[0], names[-1]) if other != own else ():
            try:
                anchor = Anchor.from_bytes(name, read_document(place, name) or b"")
            except NotAnAnchor:
                continue  # for a verify of that store to tell
            if shared := sorted(ours & {*anchor.heads, *anchor.faults, *anchor.last_good}):
                return (
                    f"nothing is anchored: {name} is of another store and names the job {shared[0]} as well; if this store "
                    "was written anew, or its rows of anchors were removed, restore it from a backup; if it is another "
                    "store, give it a place of its own (DRIFTGUARD_ANCHORS)"
                )
    return ""
