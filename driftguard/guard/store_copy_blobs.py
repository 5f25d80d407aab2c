"""The blobs of a store copy: read from one store, written into the other, read back and compared.

Rules:
- A blob that is there and equal is left as it is; one that differs is removed and written again.
- A blob that is gone when its turn comes was named by no row, or the job's row has changed: the job is then copied again.
- A few blobs are in memory at a time; of each one only its digest is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from driftguard.errors import CannotTell
from driftguard.flow.ports import Store

THREADS = 8
_AT_ONCE = 1000  # keys that wait for a thread


def _any(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class _Known:
    """A blob that both stores hold. `size` in bytes, `written` whether this run wrote it."""

    digest: str
    size: int
    written: bool


class BlobsCopy:
    """Copies blobs from one store to another, and knows what was found equal."""

    def __init__(self, source: Store, target: Store) -> None:
        self._source = source
        self._target = target
        self._known: dict[str, _Known] = {}
        self.written = 0

    def copy_all(self) -> None:
        """Copy what there is now; nothing is removed."""
        self._copy(self._source.blobs(""), {*self._target.blobs("")})

    def mirror(self, prefix: str, before_change: Callable[[], None], only: Callable[[str], bool] = _any) -> None:
        """Bring the blobs whose key starts with `prefix`, and which `only` chooses, to what the source holds now.

        `before_change` is called before the first change to the target.
        """
        wanted = {key for key in self._source.blobs(prefix) if only(key)}
        have = {key for key in self._target.blobs(prefix) if only(key)}
        missing = sorted(key for key in wanted if key not in self._known or key not in have)
        extra = sorted(have - wanted)
        if missing or extra:
            before_change()
        self._copy(missing, have)
        if extra:
            self._target.forget(extra)
        for key in extra:
            self._known.pop(key, None)

    def require_same_keys(self) -> None:
        """Raises CannotTell where the target does not hold exactly the blobs that were copied."""
        if self._target.blobs("") != sorted(self._known):
            raise differs("its list of blobs")

    @property
    def count(self) -> int:
        """How many blobs both stores hold."""
        return len(self._known)

    @property
    def size(self) -> int:
        """Their bytes."""
        return sum(one.size for one in self._known.values())

    def lines(self) -> Iterable[bytes]:
        """One line a blob for the digest over everything, in order of key."""
        return (json.dumps([key, self._known[key].digest]).encode() + b"\n" for key in sorted(self._known))

    def _copy(self, keys: Sequence[str], have: set[str]) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            try:
                for start in range(0, len(keys), _AT_ONCE):
                    some = keys[start : start + _AT_ONCE]
                    for key, known in zip(
                        some, pool.map(lambda key: self._copy_one(key, key in have), some), strict=True
                    ):
                        self._learn(key, known)
            except BaseException:  # reason: whatever ends the copy, what waits is not begun
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _learn(self, key: str, known: _Known | None) -> None:
        if known is None:
            self._known.pop(key, None)
            return
        self._known[key] = known
        self.written += known.written

    def _copy_one(self, key: str, is_there: bool) -> _Known | None:
        """The blob as both hold it now; None where the source no longer has it."""
        data = self._source.read(key)
        if data is None:
            self._target.forget([key] if is_there else [])
            return None
        digest = hashlib.sha256(data).hexdigest()
        if is_there:
            if _digest_of(self._target.read(key)) == digest:
                return _Known(digest, len(data), False)
            self._target.forget([key])
        self._target.put_once(key, data)
        if _digest_of(self._target.read(key)) != digest:
            raise differs(f"the blob {key}")
        return _Known(digest, len(data), True)


def differs(what: str) -> CannotTell:
    """The error for a copy that is not what was written into it."""
    return CannotTell(
        f"{what} is not in the copy as it was written",
        "let nobody else write to the copy, then run the same command again: it goes on where it stopped",
    )


def _digest_of(data: bytes | None) -> str:
    return "" if data is None else hashlib.sha256(data).hexdigest()
