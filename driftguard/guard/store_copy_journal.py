"""What a store copy wrote into its target, kept in the target: so that it never removes what somebody else wrote there.

Rules:
- It is told before it is written: after an interruption everything of the copy's own is known.
- A row counts as the copy's own with exactly that body, a blob with its key: a blob is written once, and never changed.
- The journal lies beside the mark of the copy (`flow/copy_mark.py`), belongs to no job, and goes after the copy is whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from driftguard.errors import CannotTell
from driftguard.flow.copy_mark import PARTITION
from driftguard.flow.ports import MAX_WRITES, Delete, Put, Store

_KIND = "wrote-"
_AT_ONCE = 1000  # digests in one row: some 35 KB
_DIGITS = 32


class Journal:
    """What was written of one partition, or of the blobs: `name` tells them apart. `resumed`: it may have been begun."""

    def __init__(self, target: Store, name: str, *, resumed: bool) -> None:
        self._target = target
        self._kind = _KIND + _short(name)
        self._own: set[str] = set()
        self._last = ""
        if resumed:
            self._load()

    def has(self, thing: str) -> bool:
        """Whether the copy wrote it, in this run or in an earlier one."""
        return _short(thing) in self._own

    def note(self, things: Iterable[str]) -> None:
        """Say what is written next. Raises Conflict where another copy into the same store has begun."""
        new = [one for one in dict.fromkeys(map(_short, things)) if one not in self._own]
        for start in range(0, len(new), _AT_ONCE):
            some = new[start : start + _AT_ONCE]
            self._last = f"{int(self._last or 0) + 1:09d}"
            self._target.commit(PARTITION, [Put(self._kind, self._last, {"schema": 1, "wrote": some}, None)])
            self._own.update(some)

    def _load(self) -> None:
        while page := self._target.list(PARTITION, self._kind, after=self._last, limit=MAX_WRITES):
            for row in page:
                self._own.update(row.body["wrote"])
            self._last = page[-1].id


def remove_journals(target: Store) -> None:
    """Remove all of them, once the copy is whole."""
    for kind in target.kinds(PARTITION):
        while kind.startswith(_KIND) and (page := target.list(PARTITION, kind, limit=MAX_WRITES)):
            target.commit(PARTITION, [Delete(kind, row.id, row.version) for row in page])


def somebody_elses(what: str) -> CannotTell:
    """The error for what stands in the copy and was not written by it. Nothing of it is removed."""
    return CannotTell(
        f"{what} in the copy was not written by the copy",
        "somebody else works with it, and nothing of theirs was removed; find out who it is, then copy to a new store; "
        "this one stays refused: its name is free again once the store is deleted, and they record anew",
    )


def differs(what: str) -> CannotTell:
    """The error for a copy that is not what was written into it."""
    return CannotTell(
        f"{what} is not in the copy as it was written",
        "let nobody else work with the copy, then run the same command again; if that does not help, copy to a new store",
    )


def _short(thing: str) -> str:
    return hashlib.sha256(thing.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
