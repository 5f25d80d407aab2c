"""One run of a store copy: the blobs, the lists across jobs, then job by job; at the end all of the target is read back.

Rules:
- All of it is compared again in each run, whatever an earlier one did.
- The lists across jobs come before the jobs, and are completed after them (store_copy_lists.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from driftguard.errors import CannotTell
from driftguard.flow.copy_mark import PARTITION
from driftguard.flow.ports import Clock, Store
from driftguard.guard.index import INDEX
from driftguard.guard.store_copy_blobs import BlobsCopy
from driftguard.guard.store_copy_journal import Journal, differs
from driftguard.guard.store_copy_lists import complete_lists
from driftguard.guard.store_copy_rows import CopiedRows, PartitionCopy, rows_as_they_are

_ROUNDS = 5
_BLOBS = "blobs"  # the name of their journal; those of partitions begin with another word


class CopyRun:
    """One run. `partitions` are those that hold a row, as they were copied; `rows_written` counts puts and removals."""

    def __init__(self, source: Store, target: Store, clock: Clock, *, resumed: bool) -> None:
        self._source = source
        self._target = target
        self._clock = clock
        self._resumed = resumed
        self.blobs = BlobsCopy(source, target, Journal(target, _BLOBS, resumed=resumed))
        self.partitions: dict[str, CopiedRows] = {}
        self.rows_written = 0

    def copy(self) -> None:
        """Copy everything. Raises CannotTell."""
        self.blobs.copy_all()
        for _ in range(_ROUNDS):
            gone = self.blobs.gone
            self._copy_partitions()
            # A job may name a body that lies under another job's name, which was looked into before: what came since is
            # copied too. And where blobs are gone since the round began, a job that was copied early may name one of them:
            # each is copied again, as it is now.
            self.blobs.copy_all()
            if self.blobs.gone == gone:
                return
            self._resumed = True  # what was written is found in the journals
        raise CannotTell(
            f"blobs were removed from the store each of the {_ROUNDS} times that it was read",
            "run the same command again while less is going on: it goes on where it stopped",
        )

    def complete_lists(self) -> None:
        """Add to the lists across jobs what the copied jobs have beyond them. Raises CannotTell."""
        before = self.partitions.get(INDEX) or CopiedRows.none()
        if rows_as_they_are(self._target, INDEX) != before:
            raise differs("the lists across jobs")
        complete_lists(self._target, self.jobs())
        after = rows_as_they_are(self._target, INDEX)
        self.rows_written += after.count - before.count
        if after.count:
            self.partitions[INDEX] = after

    def require_equal(self) -> None:
        """Read all of the target once more. Raises CannotTell where it holds anything else than was copied."""
        if {*self._target.partitions()} - {PARTITION} != {*self.partitions}:
            raise differs("the list of jobs")
        for name, copied in self.partitions.items():
            if rows_as_they_are(self._target, name) != copied:
                raise differs(f"a row of {name!r}")
        self.blobs.require_equal()

    def jobs(self) -> list[str]:
        """The names of the jobs that were copied."""
        return [name for name, rows in self.partitions.items() if rows.is_job]

    @property
    def rows(self) -> int:
        """How many rows both stores hold."""
        return sum(one.count for one in self.partitions.values())

    def digest(self, key_ids: Sequence[str]) -> str:
        """One SHA-256 over everything that was copied, and the ids of keys."""
        total = hashlib.sha256()
        for name in sorted(self.partitions):
            total.update(json.dumps([name, self.partitions[name].digest]).encode() + b"\n")
        for line in self.blobs.lines():
            total.update(line)
        total.update(json.dumps(key_ids).encode())
        return total.hexdigest()

    def _copy_partitions(self) -> None:
        names = {*self._source.partitions(), *self._target.partitions()} - {PARTITION}
        self.partitions = {}
        for name in sorted(names, key=lambda name: (name != INDEX, name)):
            # The lists across jobs are derived: whatever is in them is written over.
            journal = None if name == INDEX else Journal(self._target, f"rows of {name}", resumed=self._resumed)
            copy = PartitionCopy(self._source, self._target, name, self._clock, journal)
            rows = copy.run(self.blobs)
            self.rows_written += copy.written
            if rows.count:
                self.partitions[name] = rows
        self.blobs.mirror("", lambda: None, only=lambda key: key.partition("/")[0] not in names)
