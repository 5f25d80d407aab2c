"""Copy a store into another one, whole and verified: how a store moves, is backed up and is restored.

Rules:
- The target is empty, or the unfinished copy of the same source. From the first to the last change it is marked as
  unfinished (`flow/copy_mark.py`), and whoever opens it for work is refused. The mark goes only when all of it was read
  back and found equal.
- Whoever had the empty target open before is refused from then on, or found out: what the copy did not write is never
  removed, and ends the copy as an error. Found before anything was copied, the mark is taken back (store_copy_place.py).
- The source may be in use. Each job is copied as it was at one moment, none earlier than the beginning of the run that
  finished the copy: that is the recovery point. What is decided afterwards may be missing.
- The same command goes on after an interruption: it compares everything again, and writes what differs. Where the copy is
  whole already, it says so and tells the result of then.
- Ids of keys are copied, keys are not: the marks of secrets in the copy are compared with the same keys.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from driftguard.errors import WrongUse
from driftguard.flow import copy_mark
from driftguard.flow.moment import to_text
from driftguard.flow.ports import Clock, Row
from driftguard.guard.store_copy_journal import differs, remove_journals
from driftguard.guard.store_copy_place import End, mark_of, put_mark, take_place, tell_state
from driftguard.guard.store_copy_run import CopyRun

__all__ = ["Copied", "End", "copy_store"]


@dataclass(frozen=True, slots=True)
class Copied:
    """A whole copy, read back and found equal: by this run, or by an earlier one where it was `whole_before`.

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
    whole_before: bool = False

    @property
    def exit_code(self) -> int:
        """0 for a copy that this run made whole; 3 where nothing was copied: a backup under an old name is no new backup."""
        return 3 if self.whole_before else 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "key_ids": list(self.key_ids), "exit_code": self.exit_code}


_RECORDED = {
    "source", "target", "recovery_point", "finished", "digest", "jobs", "rows", "blobs", "bytes", "key_ids",
}  # fmt: skip


def copy_store(source: End, target: End, clock: Clock, *, key_ids: str) -> Copied:
    """Copy everything. `key_ids` is the prefix of the facts that remember keys.

    Raises WrongUse where the target holds something else, and leaves it unmarked unless it is a copy. Raises CannotTell
    where it could not be made equal, and what the stores raise; the target then stays marked, and the same call goes on.
    """
    if source.name == target.name:
        raise WrongUse(f"{source.name} cannot be copied onto itself", "name another store to copy to")
    started = to_text(clock.now())
    mark = mark_of(target)
    if mark is not None and not copy_mark.is_unfinished(mark.body):
        earlier = _whole_before(source, target, mark)
        _end(target)
        return earlier
    body = {"schema": 1, "state": copy_mark.COPYING, "from": source.name, "started": started}
    version = take_place(source, target, mark, key_ids, body)

    _copy_key_ids(source, target, key_ids)
    run = CopyRun(source.store, target.store, clock, resumed=mark is not None)
    run.copy()
    run.complete_lists()
    remembered = _copy_key_ids(source, target, key_ids)
    run.require_equal()

    copied = Copied(
        source=source.name,
        target=target.name,
        resumed=mark is not None,
        recovery_point=started,
        finished=to_text(clock.now()),
        digest=run.digest(remembered),
        jobs=len(run.jobs()),
        rows=run.rows,
        blobs=run.blobs.count,
        bytes=run.blobs.size,
        rows_written=run.rows_written,
        blobs_written=run.blobs.written,
        key_ids=tuple(name.removeprefix(key_ids) for name in remembered),
        keys_in=source.keys,
        keys_to=target.keys,
    )
    put_mark(
        target, {**body, "state": copy_mark.COPIED, "finished": copied.finished, "result": copied.to_dict()}, version
    )
    _end(target)
    return copied


def _whole_before(source: End, target: End, mark: Row) -> Copied:
    """The result that the mark of a whole copy has. Raises WrongUse where it is the copy of another store."""
    result = mark.body.get("result")
    of_this = mark.body.get("from") == source.name and isinstance(result, dict)
    known = {name: result[name] for name in _RECORDED if name in result} if of_this and result else {}
    if known.keys() != _RECORDED:
        when = mark.body.get("finished", "")
        raise WrongUse(f"{target.name} is a whole copy already, finished {when}", "name a new store to copy to")
    known |= {"key_ids": tuple(known["key_ids"]), "keys_in": source.keys, "keys_to": target.keys}
    return Copied(**known, resumed=True, rows_written=0, blobs_written=0, whole_before=True)


def _end(target: End) -> None:
    """What follows when the mark says that the copy is whole; done again where a run was killed before it."""
    tell_state(target, copy_mark.COPIED)
    remove_journals(target.store)


def _copy_key_ids(source: End, target: End, key_ids: str) -> list[str]:
    """The facts that the target then remembers, sorted."""
    known = source.store.meta(key_ids)
    if target.store.meta(key_ids) != known:
        target.store.update_meta(lambda: known)
    if target.store.meta(key_ids) != known:
        raise differs("the list of key ids")
    return sorted(known)
