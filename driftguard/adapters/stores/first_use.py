"""A SQLite store and its keys that are opened, or begun, when they are first used.

Rules:
- A store that may be begun, and is not there, holds nothing; the first write or the first secret begins it with its key.
  So a call that is refused before it has anything to keep leaves no file behind.
- A store that may not be begun is an error at its first use; the same holds for keys that are not at hand.
- What another process has begun meanwhile is used.
"""

from __future__ import annotations

import threading
from builtins import list as List  # the port has a method `list`, which hides the type in the class body
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from driftguard.adapters.stores import limits
from driftguard.adapters.stores.secret_key import KeyRing, open_key_ring
from driftguard.adapters.stores.sqlite import SqliteStore, open_sqlite
from driftguard.errors import WrongUse
from driftguard.flow.ports import Row, Sealer, Store, Write


class StoreAtFirstUse(Store):
    """The port `Store` on the file `path`. Every call raises as `open_sqlite` and as the call of SqliteStore itself."""

    def __init__(self, path: Path, *, may_begin: bool) -> None:
        self._path = path
        self._may_begin = may_begin
        self._opened: SqliteStore | None = None
        self._closed = False
        self._turn = threading.Lock()

    def open(self) -> SqliteStore:
        """The store itself, begun where it is not there and may be. Raises WrongUse after `close`."""
        with self._turn:
            self._require_not_closed()
            if self._opened is None:
                self._opened = open_sqlite(self._path, create=self._may_begin)
            return self._opened

    def get(self, partition: str, kind: str, row_id: str) -> Row | None:
        limits.check_names(partition=partition, kind=kind, id=row_id)
        return None if self._holds_nothing() else self.open().get(partition, kind, row_id)

    def list(self, partition: str, kind: str, *, after: str = "", limit: int = 1000) -> List[Row]:
        limits.check_names(partition=partition, kind=kind)
        limits.check_limit(limit)
        return [] if self._holds_nothing() else self.open().list(partition, kind, after=after, limit=limit)

    def version(self, partition: str, kind: str, row_id: str) -> str | None:
        limits.check_names(partition=partition, kind=kind, id=row_id)
        return None if self._holds_nothing() else self.open().version(partition, kind, row_id)

    def partitions(self) -> List[str]:
        return [] if self._holds_nothing() else self.open().partitions()

    def kinds(self, partition: str) -> List[str]:
        limits.check_names(partition=partition)
        return [] if self._holds_nothing() else self.open().kinds(partition)

    def commit(self, partition: str, writes: Sequence[Write]) -> dict[tuple[str, str], str]:
        return self.open().commit(partition, writes)

    def put_once(self, key: str, data: bytes) -> bool:
        return self.open().put_once(key, data)

    def read(self, key: str) -> bytes | None:
        limits.check_key(key)
        return None if self._holds_nothing() else self.open().read(key)

    def blobs(self, prefix: str) -> List[str]:
        return [] if self._holds_nothing() else self.open().blobs(prefix)

    def forget(self, keys: Sequence[str]) -> bool:
        for key in keys:
            limits.check_key(key)
        return True if self._holds_nothing() else self.open().forget(keys)

    def meta(self, prefix: str) -> dict[str, str]:
        """As SqliteStore has it."""
        return {} if self._holds_nothing() else self.open().meta(prefix)

    def update_meta(self, change: Callable[[], Mapping[str, str]]) -> None:
        """As SqliteStore has it."""
        self.open().update_meta(change)

    def close(self) -> None:
        with self._turn:
            self._closed = True
            if self._opened is not None:
                self._opened.close()

    def _holds_nothing(self) -> bool:
        with self._turn:
            self._require_not_closed()
            return self._may_begin and self._opened is None and not self._path.exists()

    def _require_not_closed(self) -> None:
        if self._closed:
            raise WrongUse(f"the store {self._path} was closed", "open it again")


class KeysAtFirstUse(Sealer):
    """The port `Sealer` with the keys of a store. Every use raises as `open_key_ring`."""

    def __init__(self, store: StoreAtFirstUse, path: Path, random_bytes: Callable[[int], bytes]) -> None:
        self._store = store
        self._path = path
        self._random_bytes = random_bytes
        self._opened: KeyRing | None = None
        self._turn = threading.Lock()

    @property
    def key_id(self) -> str:  # type: ignore[override]  # reason: the port's attribute, known only once the file is open
        """The active key's id."""
        return self._ring().key_id

    def mark(self, name: str, value: str, key_id: str | None = None) -> str:
        return self._ring().mark(name, value, key_id)

    def _ring(self) -> KeyRing:
        with self._turn:
            if self._opened is None:
                self._opened = open_key_ring(self._store.open(), self._path, self._random_bytes)
            return self._opened
