"""How long a copy of 10,000 resources and 500 halts takes, and its memory, in a process that does nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.filled_store import fill
from benchmarks.row import Row
from driftguard.adapters.stores.sqlite import open_sqlite

BOUND_S, BOUND_MB = 60.0, 200.0
_COPY = """
import json, resource, sys, time
from driftguard.settings import read_settings
from driftguard.wiring import copy_between

began = time.perf_counter()
copied = copy_between(*(read_settings({}, store=place) for place in sys.argv[1:]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([time.perf_counter() - began, peak, copied.digest, copied.rows, copied.blobs]))
"""


def rows(*, quick: bool = False) -> Iterator[Row]:
    """Seconds and peak memory of a copy to another file; the copy back must have the same digest."""
    resources, halts = (60, 8) if quick else (10_000, 500)
    with TemporaryDirectory() as folder:
        first, there, back = (str(Path(folder) / name) for name in ("first.db", "there.db", "back.db"))
        with closing(open_sqlite(Path(first))) as store:
            fill(store, resources, halts, datetime(2026, 3, 1, tzinfo=UTC))
        seconds, peak, digest, written, blobs = _copied(first, there)
        assert _copied(there, back)[2] == digest
    what = f"copy of {resources:,} resources and {halts:,} halts"
    yield Row(what, seconds, BOUND_S, note=f"{written:,} rows, {blobs:,} blobs; read back and compared")
    yield Row(f"memory of a {what}", peak, BOUND_MB, "MB")


def _copied(source: str, target: str) -> tuple[float, float, str, int, int]:
    ran = subprocess.run([sys.executable, "-c", _COPY, source, target], capture_output=True, text=True, check=True)
    seconds, peak, digest, written, blobs = json.loads(ran.stdout)
    return seconds, peak, digest, written, blobs
