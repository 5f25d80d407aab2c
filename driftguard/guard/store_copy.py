"""Copy a store into another one, whole and verified: how a store moves, is backed up and is restored.

Rules:
- The target is empty, or the unfinished copy of the same source. From the first to the last change it is marked as
  unfinished (`flow/copy_mark.py`), and whoever opens it for work is refused. The mark goes only when all of it was read
  back and found equal.
- The source may be in use. Each job is copied as it was at one moment, none earlier than the beginning of the run that
  finished the copy: that is the recovery point. What is decided afterwards may be missing.
- The same command goes on after an interruption: it compares everything again, and writes what differs.
- Ids of keys are copied, keys are not: the marks of secrets in the copy are compared with the same keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from driftguard.errors import WrongUse
from driftguard.flow import copy_mark
from driftguard.flow.moment import to_text
from driftguard.flow.ports import Clock, Put, Row, Store
from driftguard.guard.index import INDEX
from driftguard.guard.store_copy_blobs import BlobsCopy, differs
from driftguard.guard.store_copy_rows import CopiedRows, PartitionCopy


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


@dataclass(frozen=True, slots=True)
class Copied:
    """A whole copy, read back and found equal.

    `recovery_point` and `finished` are moments as text. `digest` is one SHA-256 over every row, blob and key id: two stores
    with equal digests hold the same. `rows`, `blobs` and `bytes` (of the blobs) count what the copy holds; `rows_written` and
    `blobs_written` what this run wrote. `key_ids` are the keys that the copy's secrets need, `keys_in` and `keys_to` where
    the source has them and where the copy looks for them.
    """

    source: str
    target: str
    resumed: bool
    recovery_point: str
    finished: str
    digest: str
    jobs: int
    rows: int
    blobs: int
    bytes: int
    rows_written: int
    blobs_written: int
    key_ids: tuple[str, ...]
    keys_in: str
    keys_to: str

    @property
    def exit_code(self) -> int:
        """0: what is not whole and equal is an error."""
        return 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "key_ids": list(self.key_ids), "exit_code": self.exit_code}


def copy_store(source: End, target: End, clock: Clock, *, key_ids: str) -> Copied:
    """Copy everything. `key_ids` is the prefix of the facts that remember keys.

    Raises WrongUse where the target holds something else, CannotTell where it could not be made equal, and what the stores
    raise; the target then stays marked, and the same call goes on.
    """
    if source.name == target.name:
        raise WrongUse(f"{source.name} cannot be copied onto itself", "name another store to copy to")
    started = to_text(clock.now())
    mark = target.store.get(copy_mark.PARTITION, copy_mark.KIND, copy_mark.ROW)
    _require_place(source, target, mark, key_ids)
    body = {"schema": 1, "state": copy_mark.COPYING, "from": source.name, "started": started}
    version = _put_mark(target, body, mark.version if mark else None)

    _copy_key_ids(source, target, key_ids)
    blobs = BlobsCopy(source.store, target.store)
    blobs.copy_all()
    partitions, rows_written = _copy_partitions(source, target, blobs, clock)
    _require_same_partitions(target, partitions)
    blobs.require_same_keys()
    remembered = _copy_key_ids(source, target, key_ids)

    digest = _digest(partitions, blobs, remembered)
    rows = sum(one.count for one in partitions.values())
    finished = to_text(clock.now())
    end = {"state": copy_mark.COPIED, "finished": finished, "digest": digest, "rows": rows, "blobs": blobs.count}
    _put_mark(target, {**body, **end}, version)
    return Copied(
        source=source.name,
        target=target.name,
        resumed=mark is not None,
        recovery_point=started,
        finished=finished,
        digest=digest,
        jobs=sum(one.is_job for one in partitions.values()),
        rows=rows,
        blobs=blobs.count,
        bytes=blobs.size,
        rows_written=rows_written,
        blobs_written=blobs.written,
        key_ids=tuple(name.removeprefix(key_ids) for name in remembered),
        keys_in=source.keys,
        keys_to=target.keys,
    )


def _require_place(source: End, target: End, mark: Row | None, key_ids: str) -> None:
    """Raises WrongUse where the target is neither empty nor an unfinished copy of this source."""
    if mark is not None and not copy_mark.is_unfinished(mark.body):
        when = str(mark.body.get("finished", ""))
        raise WrongUse(f"{target.name} is a whole copy already, finished {when}", "name a new store to copy to")
    if mark is not None:
        if mark.body.get("from") != source.name:
            raise WrongUse(
                f"{target.name} is the unfinished copy of another store, {mark.body.get('from')}",
                "repeat the command with that store, or name a new store to copy to",
            )
    elif target.store.partitions() or target.store.blobs(""):
        raise WrongUse(f"{target.name} is not empty", "name a new store to copy to")
    if {*target.store.meta(key_ids)} - {*source.store.meta(key_ids)}:
        raise WrongUse(
            f"{target.name} has keys of its own that {source.name} does not know", "name a new store to copy to"
        )


def _put_mark(target: End, body: Mapping[str, Any], expected: str | None) -> str:
    """The mark's new version. Raises Conflict where another copy into the same store has begun since."""
    put = Put(copy_mark.KIND, copy_mark.ROW, body, expected)
    return target.store.commit(copy_mark.PARTITION, [put])[copy_mark.KIND, copy_mark.ROW]


def _copy_key_ids(source: End, target: End, key_ids: str) -> list[str]:
    """The facts that the target then remembers, sorted."""
    known = source.store.meta(key_ids)
    if target.store.meta(key_ids) != known:
        target.store.update_meta(lambda: known)
    if target.store.meta(key_ids) != known:
        raise differs("the list of key ids")
    return sorted(known)


def _copy_partitions(source: End, target: End, blobs: BlobsCopy, clock: Clock) -> tuple[dict[str, CopiedRows], int]:
    """What was copied of each partition that holds a row, and how many rows were written."""
    copied: dict[str, CopiedRows] = {}
    written = 0
    names = {*source.store.partitions(), *target.store.partitions()} - {copy_mark.PARTITION}
    for name in sorted(names, key=lambda name: (name == INDEX, name)):  # lists across jobs come after the jobs
        copy = PartitionCopy(source.store, target.store, name, clock)
        copied[name] = copy.run(blobs)
        written += copy.written
    blobs.mirror("", lambda: None, only=lambda key: key.partition("/")[0] not in names)
    return {name: rows for name, rows in copied.items() if rows.count}, written


def _require_same_partitions(target: End, partitions: Mapping[str, CopiedRows]) -> None:
    if {*target.store.partitions()} - {copy_mark.PARTITION} != {*partitions}:
        raise differs("the list of jobs")


def _digest(partitions: Mapping[str, CopiedRows], blobs: BlobsCopy, key_ids: list[str]) -> str:
    total = hashlib.sha256()
    for name in sorted(partitions):
        total.update(json.dumps([name, partitions[name].digest]).encode() + b"\n")
    for line in blobs.lines():
        total.update(line)
    total.update(json.dumps(key_ids).encode())
    return total.hexdigest()
