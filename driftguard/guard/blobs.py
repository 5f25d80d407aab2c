"""What lies in blobs: baselines, packs of bodies, findings of halts; compressed JSON, written once.

A baseline is a list of entries without bodies; the bodies lie in packs (one JSON text a line), and an entry says in which
pack and line. So a check of ten thousand unchanged resources loads no body at all, and what a run did not name keeps its
place in an older pack.

A blob of a verb that may try again, or that decides on what it says, is named by its content: a lost try's blob is never
taken for another's, and what no longer matches its name is damaged.
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
_DIGITS = 12


class Damaged(StoreUnavailable):
    """A blob that a row names is lost, or is not what was written. The store itself answers."""


def put_json(store: Store, key: str, value: Any) -> bool:
    """Store a JSON value under a new key; False where the key exists already."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return store.put_once(key, gzip.compress(text.encode(), _LEVEL, mtime=0))


def get_json(store: Store, key: str) -> Any:
    """The JSON value under the key. Raises Damaged where it is missing or damaged."""
    try:
        return json.loads(_unpacked(store, key))
    except (ValueError, RecursionError) as error:
        raise damaged(key) from error


def put_named(store: Store, prefix: str, value: Any) -> str:
    """Store a JSON value under `prefix` and a digest of the value; returns the key.

    For a verb that may try again: it never finds what an earlier try of its own had decided in the place of what it decides.
    """
    key = f"{prefix}-{_short_digest(value)}"
    put_json(store, key, value)
    return key


def get_named(store: Store, key: str) -> Any:
    """What `put_named` stored. Raises Damaged where it is missing, damaged, or not what its key says."""
    value = get_json(store, key)
    if not key.endswith(f"-{_short_digest(value)}"):
        raise damaged(key)
    return value


def _short_digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def put_pack(store: Store, key: str, snapshots: Iterable[Snapshot]) -> None:
    """Store the bodies of snapshots as one pack, in order; the lines are numbered from 0."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
    parts = [
        packer.compress(json.dumps(snapshot.body, sort_keys=True, separators=(",", ":")).encode() + b"\n")
        for snapshot in snapshots
    ]
    store.put_once(key, b"".join(parts) + packer.flush())


def pack_lines(store: Store, key: str) -> list[bytes]:
    """The bodies of a pack as JSON texts, in order. Raises Damaged where it is missing or damaged."""
    return _unpacked(store, key).removesuffix(b"\n").split(b"\n")


def load_baseline(store: Store, key: str) -> Baseline:
    """A job's accepted set, without bodies."""
    try:
        return Baseline.from_dict(get_json(store, key))
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(key) from error


class Bodies:
    """The bodies of entries, each pack loaded once, a body decoded only when it is asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._packs: dict[str, list[bytes]] = {}

    def of(self, entry: Entry) -> Snapshot:
        """The entry with its body. Raises Damaged where it is missing or damaged."""
        if entry.pack not in self._packs:
            self._packs[entry.pack] = pack_lines(self._store, entry.pack)
        try:
            return entry.with_body(json.loads(self._packs[entry.pack][entry.line]))
        except (IndexError, ValueError) as error:
            raise damaged(entry.pack) from error


def _unpacked(store: Store, key: str) -> bytes:
    data = store.read(key)
    if data is None:
        raise Damaged(f"the store has lost {key}", "restore it from a backup; nothing was decided")
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(key) from error


def damaged(key: str) -> Damaged:
    """The error for a blob that is there and is not what was written."""
    return Damaged(f"the store holds a damaged {key}", "restore it from a backup; nothing was decided")
