"""How long a replay of the recorded traffic takes, and how much memory, in a process of its own."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.corpus import PAIRS, recorded_pairs
from benchmarks.row import Row
from benchmarks.worker import in_a_process

BOUND_SECONDS, BOUND_MB = 10.0, 300.0
_QUICK_LINES = 20


def rows(*, quick: bool = False) -> Iterator[Row]:
    """Seconds and peak memory; one row that says so where there is no recorded traffic."""
    pairs = recorded_pairs()
    if pairs is None:
        yield Row("replay of recorded traffic", None, note=f"no {PAIRS}: set DRIFTGUARD_CORPUS to its folder")
        return
    with TemporaryDirectory() as folder:
        file = _first_lines(pairs, Path(folder)) if quick else pairs
        measured = in_a_process("replay", str(file))
    note = f"{measured.done:,} pairs judged"
    yield Row("replay of recorded traffic, time", measured.seconds, BOUND_SECONDS, "s", note)
    yield Row("replay of recorded traffic, memory", measured.peak_mb, BOUND_MB, "MB")


def _first_lines(pairs: Path, folder: Path) -> Path:
    few = folder / "few.jsonl"
    with gzip.open(pairs) as lines:
        few.write_bytes(b"".join(islice(lines, _QUICK_LINES)))
    return few
