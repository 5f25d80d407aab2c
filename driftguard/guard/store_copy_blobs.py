"""The blobs of a store copy: read from one store, written into the other, read back and compared.

Rules:
- A blob that is there is left as it is: blobs never change. Whether it is equal shows when all is read back at the end.
- A blob is removed from the target only where the copy itself wrote it and the source has it no longer.
- A blob that is gone when its turn comes was named by no row, or the job's row has changed: the job is then copied again.
- A few blobs are in memory at a time; of each one only its digest is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from driftguard.flow.ports import Store
from driftguard.guard.store_copy_journal import Journal, differs, somebody_elses

THREADS = 8
_AT_ONCE = 1000  # keys that wait for a thread
T = TypeVar("T")


def _any(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class _Known:
    """A blob of the source as it was read. `size` in bytes, `written` whether this run wrote it into the target."""

    digest: str
    size: int
    written: bool


class BlobsCopy:
    """Copies blobs from one store to another. `gone` counts those that the source lost after this run had seen them."""

    def __init__(self, source: Store, target: Store, journal: Journal) -> None:
        self._source = source
        self._target = target
        self._journal = journal
        self._known: dict[str, _Known] = {}
        self.written = 0
        self.gone = 0

    def copy_all(self) -> None:
        """Copy what there is now and was not seen yet; nothing is removed."""
        new = [key for key in self._source.blobs("") if key not in self._known]
        self._copy(new, {*self._target.blobs("")} if new else set())

    def mirror(self, prefix: str, before_change: Callable[[], None], only: Callable[[str], bool] = _any) -> None:
        """Bring the blobs whose key starts with `prefix`, and which `only` chooses, to what the source holds now.

        `before_change` is called before the first change to the target. Raises CannotTell for a blob of somebody else.
        """
        wanted = {key for key in self._source.blobs(prefix) if only(key)}
        have = {key for key in self._target.blobs(prefix) if only(key)}
        missing = sorted(key for key in wanted if key not in self._known or key not in have)
        extra = sorted(have - wanted)
        if missing or extra:
            before_change()
        self._copy(missing, have)
        self._remove(extra)
        lost = [key for key in self._known if key.startswith(prefix) and only(key) and key not in wanted]
        for key in lost:
            self._lose(key)

    def require_equal(self) -> None:
        """Read all of them back. Raises CannotTell where the target does not hold exactly the blobs that were copied."""
        if self._target.blobs("") != sorted(self._known):
            raise differs("its list of blobs")
        for key, digest in self._at_once(sorted(self._known), lambda key: _digest_of(self._target.read(key))):
            if digest != self._known[key].digest:
                raise differs(f"the blob {key}")

    @property
    def count(self) -> int:
        """How many blobs were copied."""
        return len(self._known)

    @property
    def size(self) -> int:
        """Their bytes."""
        return sum(one.size for one in self._known.values())

    def lines(self) -> Iterable[bytes]:
        """One line a blob for the digest over everything, in order of key."""
        return (json.dumps([key, self._known[key].digest]).encode() + b"\n" for key in sorted(self._known))

    def _copy(self, keys: Sequence[str], have: set[str]) -> None:
        self._journal.note(key for key in keys if key not in have)
        for key, known in self._at_once(keys, lambda key: self._copy_one(key, key in have)):
            if known is None:
                self._lose(key)
            else:
                self._known[key] = known
                self.written += known.written

    def _lose(self, key: str) -> None:
        """The source has lost a blob that it had a while ago."""
        self.gone += 1
        self._known.pop(key, None)

    def _at_once(self, keys: Sequence[str], ask: Callable[[str], T]) -> Iterable[tuple[str, T]]:
        """Each key with what `ask` says of it, a few at the same time."""
        with ThreadPoolExecutor(THREADS) as pool:
            try:
                for start in range(0, len(keys), _AT_ONCE):
                    some = keys[start : start + _AT_ONCE]
                    yield from zip(some, pool.map(ask, some), strict=True)
            except BaseException:  # reason: whatever ends the copy, what waits is not begun
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _copy_one(self, key: str, is_there: bool) -> _Known | None:
        """The blob as the source holds it; None where it no longer does."""
        data = self._source.read(key)
        if data is None:
            if is_there:
                self._remove([key])
            return None
        digest = hashlib.sha256(data).hexdigest()
        is_new = not is_there and self._target.put_once(key, data)
        if not is_there and not is_new and _digest_of(self._target.read(key)) != digest:
            raise somebody_elses(f"the blob {key}")
        return _Known(digest, len(data), is_new)

    def _remove(self, keys: Sequence[str]) -> None:
        foreign = [key for key in keys if not self._journal.has(key)]
        if foreign:
            raise somebody_elses(f"the blob {foreign[0]}")
        if keys:
            self._target.forget(keys)


def _digest_of(data: bytes | None) -> str:
    return "" if data is None else hashlib.sha256(data).hexdigest()
