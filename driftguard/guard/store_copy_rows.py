"""The rows of one partition in a store copy: compared page by page, and written where they differ.

Rules:
- What is there and equal is left as it is. What differs is replaced, and what the source no longer has is removed, where
  the copy itself wrote it. What somebody else wrote stays, and ends the copy as an error.
- The row of a job stands in the target only while everything else of the job does: it is removed before anything of the
  job changes, and written last. Whoever looks into half a copy finds nothing recorded, never a job without its halts.
- A job is copied as it was at one moment: a row of it changes only together with the job's row, so the pass counts when
  that one still is at the version that it was at before; otherwise there is another pass.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from driftguard.errors import CannotTell
from driftguard.flow.ports import MAX_WRITES, Clock, Delete, Put, Row, Store, Write
from driftguard.guard.rows import JOB, JOB_ROW
from driftguard.guard.store_copy_blobs import BlobsCopy
from driftguard.guard.store_copy_journal import Journal, somebody_elses

PAGE = 100
# As JSON text. Quotation marks double where a store sends a body as text in text; what Azure takes at once is 4 MiB.
MAX_COMMIT = 3 * 512 * 1024
_PASSES = 20
_WAIT = 0.5  # seconds, longer with every pass


@dataclass(frozen=True, slots=True)
class CopiedRows:
    """The rows of a partition that both stores hold: how many, their digest, whether a job's row is among them."""

    count: int
    digest: str
    is_job: bool

    @staticmethod
    def none() -> CopiedRows:
        """A partition without rows."""
        return _Digest().of_partition(is_job=False)


class PartitionCopy:
    """Copies one partition. `written` counts the rows that were put or removed.

    `journal` knows what the copy wrote of it; None where all of it is derived and may be written over.
    """

    def __init__(self, source: Store, target: Store, partition: str, clock: Clock, journal: Journal | None) -> None:
        self._source = source
        self._target = target
        self._partition = partition
        self._clock = clock
        self._journal = journal
        self._job_row_is_gone = False
        self.written = 0

    def run(self, blobs: BlobsCopy) -> CopiedRows:
        """Copy all of it with the blobs that lie under its name. Raises CannotTell for a job that never stands still."""
        for number in range(1, _PASSES + 1):
            before = self._source.version(self._partition, JOB, JOB_ROW)
            copied = _Digest()
            for kind in self._kinds():
                self._copy_kind(kind, copied)
            blobs.mirror(f"{self._partition}/", self._before_change)
            job = self._source.get(self._partition, JOB, JOB_ROW)
            if (job.version if job else None) == before:
                self._finish(job, copied)
                return copied.of_partition(is_job=job is not None)
            self._clock.sleep(_WAIT * number)
        raise CannotTell(
            f"the job {self._partition} changed each of the {_PASSES} times that it was read",
            "run the same command again while less is going on: it goes on where it stopped",
        )

    def _kinds(self) -> list[str]:
        both = {*self._source.kinds(self._partition), *self._target.kinds(self._partition)}
        return sorted(both - {JOB})

    def _copy_kind(self, kind: str, copied: _Digest) -> None:
        after = ""
        while page := self._source.list(self._partition, kind, after=after, limit=PAGE):
            self._bring_to(page, kind, after, page[-1].id)
            copied.add(page)
            after = page[-1].id
        while extra := self._target.list(self._partition, kind, after=after, limit=PAGE):
            self._write([self._delete(row) for row in extra])

    def _bring_to(self, page: Sequence[Row], kind: str, after: str, last: str) -> None:
        """Make the target's rows after `after` and up to `last` the ones of the page."""
        have = {row.id: row for row in self._between(kind, after, last)}
        wanted = {row.id: body_digest(row.body) for row in page}
        writes: list[Write] = [self._delete(have[one]) for one in have if one not in wanted]
        for row in page:
            there = have.get(row.id)
            if there is None or body_digest(there.body) != wanted[row.id]:
                writes.append(self._put(row, there))
        for batch in batches(writes):
            self._write(batch)

    def _between(self, kind: str, after: str, last: str) -> list[Row]:
        found: list[Row] = []
        while page := self._target.list(self._partition, kind, after=after, limit=PAGE):
            found += [row for row in page if row.id <= last]
            after = page[-1].id
            if after >= last:
                break
        return found

    def _finish(self, job: Row | None, copied: _Digest) -> None:
        """Put the row of the job, last of all."""
        if job is None:
            self._before_change()
            return
        there = self._target.get(self._partition, JOB, JOB_ROW)
        if there is None or body_digest(there.body) != body_digest(job.body):
            self._commit([self._put(job, there)])
        copied.add([job])

    def _before_change(self) -> None:
        if self._job_row_is_gone:
            return
        if there := self._target.get(self._partition, JOB, JOB_ROW):
            self._commit([self._delete(there)])
        self._job_row_is_gone = True

    def _put(self, row: Row, there: Row | None) -> Put:
        if there is not None:
            self._require_own(there)
        return Put(row.kind, row.id, row.body, there.version if there else None)

    def _delete(self, row: Row) -> Delete:
        self._require_own(row)
        return Delete(row.kind, row.id, row.version)

    def _require_own(self, row: Row) -> None:
        if self._journal is not None and not self._journal.has(_line(row.kind, row.id, row.body)):
            raise somebody_elses(f"the row {row.kind} {row.id!r} of {self._partition!r}")

    def _write(self, writes: Sequence[Write]) -> None:
        self._before_change()
        self._commit(writes)

    def _commit(self, writes: Sequence[Write]) -> None:
        if self._journal is not None:
            self._journal.note(_line(one.kind, one.id, one.body) for one in writes if isinstance(one, Put))
        self._target.commit(self._partition, writes)
        self.written += len(writes)


class _Digest:
    """The digest of rows as they pass by."""

    def __init__(self) -> None:
        self._sum = hashlib.sha256()
        self._count = 0

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._sum.update(_line(row.kind, row.id, row.body).encode() + b"\n")
        self._count += len(rows)

    def of_partition(self, *, is_job: bool) -> CopiedRows:
        return CopiedRows(self._count, self._sum.hexdigest(), is_job)


def rows_as_they_are(store: Store, partition: str) -> CopiedRows:
    """What the store holds of the partition now, in the form in which a copy of it is known."""
    found, jobs = _Digest(), 0
    for kind in sorted(store.kinds(partition), key=lambda kind: (kind == JOB, kind)):
        after = ""
        while page := store.list(partition, kind, after=after, limit=PAGE):
            found.add(page)
            after = page[-1].id
            jobs += kind == JOB
    return found.of_partition(is_job=jobs > 0)


def body_digest(body: Mapping[str, Any]) -> str:
    """SHA-256 of a row's body, whatever order its members are in."""
    return hashlib.sha256(_text(body).encode()).hexdigest()


def batches(writes: Sequence[Write], most_bytes: int = MAX_COMMIT) -> Iterator[list[Write]]:
    """The writes in order, as many at a time as one commit takes by number and by bytes."""
    batch: list[Write] = []
    left = most_bytes
    for write in writes:
        size = len(_text(write.body)) if isinstance(write, Put) else 0
        if batch and (len(batch) == MAX_WRITES or size > left):
            yield batch
            batch, left = [], most_bytes
        batch.append(write)
        left -= size
    if batch:
        yield batch


def _line(kind: str, row_id: str, body: Mapping[str, Any]) -> str:
    return json.dumps([kind, row_id, body_digest(body)])


def _text(body: Mapping[str, Any]) -> str:
    return json.dumps(dict(body), sort_keys=True, separators=(",", ":"))
