"""What lies in blobs: baselines, packs of bodies, findings of halts; compressed JSON, written once.

A baseline is a list of entries without bodies; the bodies lie in packs (one JSON text a line), and an entry says in which
pack and line. So a check of ten thousand unchanged resources loads no body at all, and what a run did not name keeps its
place in an older pack.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable
from typing import Any

from driftguard.errors import StoreUnavailable
from driftguard.flow.ports import Store
from driftguard.flow.record import Baseline, Entry, Snapshot

_LEVEL = 6


def put_json(store: Store, key: str, value: Any) -> bool:
    """Store a JSON value under a new key; False where the key exists already."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return store.put_once(key, gzip.compress(text.encode(), _LEVEL, mtime=0))


def get_json(store: Store, key: str) -> Any:
    """The JSON value under the key. Raises StoreUnavailable where it is missing or damaged."""
    try:
        return json.loads(_unpacked(store, key))
    except ValueError as error:
        raise _damaged(key) from error


def put_named(store: Store, prefix: str, value: Any) -> str:
    """Store a JSON value under `prefix` and a digest of the value; returns the key.

    For a verb that may try again: it never finds what an earlier try of its own had decided in the place of what it decides.
    """
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    key = f"{prefix}-{digest[:12]}"
    put_json(store, key, value)
    return key


def put_pack(store: Store, key: str, snapshots: Iterable[Snapshot]) -> None:
    """Store the bodies of snapshots as one pack, in order; the lines are numbered from 0."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
    parts = [
        packer.compress(json.dumps(snapshot.body, sort_keys=True, separators=(",", ":")).encode() + b"\n")
        for snapshot in snapshots
    ]
    store.put_once(key, b"".join(parts) + packer.flush())


def load_baseline(store: Store, key: str) -> Baseline:
    """A job's accepted set, without bodies."""
    try:
        return Baseline.from_dict(get_json(store, key))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(key) from error


class Bodies:
    """The bodies of entries, each pack loaded once, a body decoded only when it is asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._packs: dict[str, list[bytes]] = {}

    def of(self, entry: Entry) -> Snapshot:
        """The entry with its body. Raises StoreUnavailable where it is missing or damaged."""
        if entry.pack not in self._packs:
            self._packs[entry.pack] = _unpacked(self._store, entry.pack).split(b"\n")
        try:
            return entry.with_body(json.loads(self._packs[entry.pack][entry.line]))
        except (IndexError, ValueError) as error:
            raise _damaged(entry.pack) from error


def _unpacked(store: Store, key: str) -> bytes:
    data = store.read(key)
    if data is None:
        raise StoreUnavailable(f"the store has lost {key}", "restore it from a backup; nothing was decided")
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(key) from error


def _damaged(key: str) -> StoreUnavailable:
    return StoreUnavailable(f"the store holds a damaged {key}", "restore it from a backup; nothing was decided")
