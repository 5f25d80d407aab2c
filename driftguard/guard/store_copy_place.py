"""The target of a store copy: whether it may be filled, and its mark while that happens.

Rules:
- The mark is put first, and then it is looked whether the target is still empty: who had it open may have written before
  the mark. Until that look the mark says `looked: false`, and nothing was copied yet.
- Where somebody else wrote by then, mark and fact are taken back, also by a later run: their store is not refused.
- Once something was copied the mark stays until the copy is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from driftguard.errors import WrongUse
from driftguard.flow import copy_mark
from driftguard.flow.ports import Delete, Put, Row, Store

_LOOKED = "looked"
_ANOTHER = "name a new store to copy to"


class StoreWithFacts(Store, Protocol):
    """A store with the facts that it keeps about itself, among them the ids of keys."""

    def meta(self, prefix: str) -> dict[str, str]: ...

    def update_meta(self, change: Callable[[], Mapping[str, str]]) -> None: ...


@dataclass(frozen=True, slots=True)
class End:
    """One of the two stores. `name` is its path or address, always spelled alike; `keys` says where its keys are looked for."""

    store: StoreWithFacts
    name: str
    keys: str = ""


def mark_of(target: End) -> Row | None:
    """The row of the mark, None where there is none."""
    return target.store.get(copy_mark.PARTITION, copy_mark.KIND, copy_mark.ROW)


def take_place(source: End, target: End, mark: Row | None, key_ids: str, body: Mapping[str, Any]) -> str:
    """Mark the target as the unfinished copy of the source; the mark's version. `mark` is what it had before, or None.

    Raises WrongUse where it is neither empty nor an unfinished copy of this source: whatever mark nothing was copied under
    is then gone. Raises Conflict where another copy into the same store has begun since.
    """
    if mark is not None and mark.body.get("from") != source.name:
        raise WrongUse(
            f"{target.name} is the unfinished copy of another store, {mark.body.get('from')}",
            "repeat the command with that store, or name a new store to copy to",
        )
    version = mark.version if mark else None
    if mark is not None and mark.body.get(_LOOKED) is not False:
        if used := _own_keys(source, target, key_ids):
            raise used
        tell_state(target, copy_mark.COPYING)
        return put_mark(target, body, version)
    _require_empty(source, target, version, key_ids)
    tell_state(target, copy_mark.COPYING)
    version = put_mark(target, {**body, _LOOKED: False}, version)
    _require_empty(source, target, version, key_ids)
    return put_mark(target, body, version)


def tell_state(target: End, state: str) -> None:
    """Keep the state as a fact of the store, too."""
    if target.store.meta(copy_mark.FACT).get(copy_mark.FACT) != state:
        target.store.update_meta(lambda: {copy_mark.FACT: state})


def put_mark(target: End, body: Mapping[str, Any], expected: str | None) -> str:
    """The mark's new version. Raises Conflict where another copy into the same store has begun since."""
    put = Put(copy_mark.KIND, copy_mark.ROW, body, expected)
    return target.store.commit(copy_mark.PARTITION, [put])[copy_mark.KIND, copy_mark.ROW]


def _require_empty(source: End, target: End, version: str | None, key_ids: str) -> None:
    """Raises WrongUse where the target, into which nothing was copied yet, holds something, and takes back the mark."""
    used: WrongUse | None = None
    if {*target.store.partitions()} - {copy_mark.PARTITION} or target.store.blobs(""):
        used = WrongUse(f"{target.name} is not empty", _ANOTHER)
    if used := used or _own_keys(source, target, key_ids):
        _take_back(target, version)
        raise used


def _own_keys(source: End, target: End, key_ids: str) -> WrongUse | None:
    if not {*target.store.meta(key_ids)} - {*source.store.meta(key_ids)}:
        return None
    return WrongUse(f"{target.name} has keys of its own that {source.name} does not know", _ANOTHER)


def _take_back(target: End, version: str | None) -> None:
    """Remove the mark of this version, then the fact. Raises Conflict where another copy goes on with the mark.

    The row goes first: where a run is killed in between, the next one finds no mark, and takes the fact back.
    """
    if version is not None:
        target.store.commit(copy_mark.PARTITION, [Delete(copy_mark.KIND, copy_mark.ROW, version)])
    elif mark_of(target) is not None:
        return  # of a copy that began since: it looks after its mark, and sees the same
    if target.store.meta(copy_mark.FACT).get(copy_mark.FACT) == copy_mark.COPYING:
        tell_state(target, copy_mark.WITHDRAWN)
