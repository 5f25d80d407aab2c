"""A store that counts the calls of its port: reads and writes, and what each was about."""

from __future__ import annotations

from builtins import list as List  # reason: the port has a method `list`, which hides the type in the class body
from collections import Counter
from collections.abc import Sequence

from driftguard.flow.ports import Row, Store, Write

WRITES = ("commit", "put_once", "forget")


class CountedStore(Store):
    """The port `Store` over another store. `calls` are (method, what it was about) in order."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: List[tuple[str, str]] = []

    def fresh(self) -> List[tuple[str, str]]:
        """The calls since this was last asked."""
        calls, self.calls = self.calls, []
        return calls

    def get(self, partition: str, kind: str, row_id: str) -> Row | None:
        self.calls.append(("get", kind))
        return self._store.get(partition, kind, row_id)

    def list(self, partition: str, kind: str, *, after: str = "", limit: int = 1000) -> List[Row]:
        self.calls.append(("list", kind))
        return self._store.list(partition, kind, after=after, limit=limit)

    def version(self, partition: str, kind: str, row_id: str) -> str | None:
        self.calls.append(("version", kind))
        return self._store.version(partition, kind, row_id)

    def partitions(self) -> List[str]:
        self.calls.append(("partitions", ""))
        return self._store.partitions()

    def kinds(self, partition: str) -> List[str]:
        self.calls.append(("kinds", ""))
        return self._store.kinds(partition)

    def commit(self, partition: str, writes: Sequence[Write]) -> dict[tuple[str, str], str]:
        self.calls.append(("commit", partition))
        return self._store.commit(partition, writes)

    def put_once(self, key: str, data: bytes) -> bool:
        self.calls.append(("put_once", key.split("/")[1]))
        return self._store.put_once(key, data)

    def read(self, key: str) -> bytes | None:
        self.calls.append(("read", key.split("/")[1]))
        return self._store.read(key)

    def blobs(self, prefix: str) -> List[str]:
        self.calls.append(("blobs", prefix))
        return self._store.blobs(prefix)

    def forget(self, keys: Sequence[str]) -> bool:
        self.calls.append(("forget", ""))
        return self._store.forget(keys)

    def close(self) -> None:
        self._store.close()


def told(calls: Sequence[tuple[str, str]]) -> str:
    """The calls in words, the same ones together."""
    counts = Counter(f"{method} {about}".strip() for method, about in calls)
    return ", ".join(f"{count} {what}" if count > 1 else what for what, count in counts.items())
