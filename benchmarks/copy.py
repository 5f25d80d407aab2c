"""How long a copy of 10,000 resources and 500 halts takes, and its memory, each copy in a process that does nothing else.

To another file and back, and to the emulator of Azure Storage and back. The emulator answers on this machine: its seconds
say how many requests there are, not how long Azure takes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.filled_store import fill
from benchmarks.row import Row
from driftguard.adapters.stores.sqlite import open_sqlite

BOUND_S, BOUND_AZURE_S, BOUND_MB = 60.0, 300.0, 200.0
_COPY = """
import json, os, sys, time
from benchmarks.worker import peak_mb
from driftguard.settings import read_settings
from driftguard.wiring_places import copy_between

began = time.perf_counter()
copied = copy_between(*(read_settings(os.environ, store=place) for place in sys.argv[1:]))
print(json.dumps([time.perf_counter() - began, peak_mb(), copied.digest, copied.rows, copied.blobs]))
"""


@dataclass(frozen=True)
class _Copied:
    """One copy, by its process: `peak` in MB."""

    seconds: float
    peak: float
    digest: str
    rows: int
    blobs: int


def rows(*, quick: bool = False) -> Iterator[Row]:
    """Seconds and peak memory of each copy; the copy back must have the same digest."""
    resources, halts = (60, 8) if quick else (10_000, 500)
    what = f"{resources:,} resources and {halts:,} halts"
    with TemporaryDirectory() as folder:
        first, there, back, from_azure = (str(Path(folder) / f"{name}.db") for name in ("1", "2", "3", "4"))
        with closing(open_sqlite(Path(first))) as store:
            fill(store, resources, halts, datetime(2026, 3, 1, tzinfo=UTC))
        to_file = _copied(first, there)
        assert _copied(there, back).digest == to_file.digest
        yield from _rows(f"copy of {what}", to_file, BOUND_S)
        yield from _by_azure(what, first, from_azure, to_file.digest)


def _by_azure(what: str, first: str, back: str, digest: str) -> Iterator[Row]:
    from tests.azurite.server import running_azurite, why_not

    if reason := why_not():
        yield Row(f"copy to Azurite of {what}", None, note=reason)
        return
    with running_azurite() as azurite:
        address, signed = azurite.store(), {"DRIFTGUARD_STORE_CONNECTION": azurite.connection}
        there, again = _copied(first, address, signed), _copied(address, back, signed)
    assert there.digest == again.digest == digest
    yield from _rows(f"copy to Azurite of {what}", there, BOUND_AZURE_S)
    yield from _rows(f"copy back of {what}", again, BOUND_AZURE_S)


def _rows(what: str, copied: _Copied, bound: float) -> Iterator[Row]:
    note = f"{copied.rows:,} rows, {copied.blobs:,} blobs; read back and compared"
    yield Row(what, copied.seconds, bound, note=note)
    yield Row("memory of it", copied.peak, BOUND_MB, "MB")


def _copied(source: str, target: str, more: Mapping[str, str] | None = None) -> _Copied:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTGUARD_")}
    ran = subprocess.run(
        [sys.executable, "-c", _COPY, source, target],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
        env=clean | dict(more or {}),
    )
    return _Copied(*json.loads(ran.stdout))
