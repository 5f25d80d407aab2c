"""How much memory a check of 10,000 resources of 3 KB takes, in a process that does nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.arm_process import arm
from benchmarks.row import Row
from benchmarks.worker import in_a_process

BOUND_MB = 300.0
SIZE = 3000  # bytes of one body


def rows(*, quick: bool = False) -> Iterator[Row]:
    """Peak memory and seconds of the check; of the record before it, for reading only."""
    count = 50 if quick else 10_000
    with TemporaryDirectory() as folder, arm(count, SIZE) as server:
        where = (server.endpoint, str(Path(folder) / "store.db"), str(count))
        recorded = in_a_process("record", *where)
        checked = in_a_process("check", *where)
    assert (recorded.done, checked.done) == (count, count)
    note = f"{checked.seconds:.1f} s; the record before it {recorded.peak_mb:.0f} MB, {recorded.seconds:.1f} s"
    yield Row(f"memory of a check of {count:,} at 3 KB", checked.peak_mb, BOUND_MB, "MB", note)
