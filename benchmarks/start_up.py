"""How long the command line takes to start, against Python alone, and how long the demonstration takes.

The two take turns, so that a busy machine slows both.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.row import Row

TIMES, DEMO_SECONDS = 7.0, 15.0
_DEMO = "driftguard.entry.commands.demo"


def rows(*, quick: bool = False) -> Iterator[Row]:
    """The start of `--help` in starts of Python, and the seconds of a second `demo`."""
    rounds = 1 if quick else 15
    ours, bare = [], []
    for _ in range(rounds):
        ours.append(_seconds([*_driftguard(), "--help"]))
        bare.append(_seconds([sys.executable, "-c", "pass"]))
    note = f"{median(ours) * 1000:.0f} ms against {median(bare) * 1000:.0f} ms, median of {rounds}"
    yield Row("start of driftguard --help, in starts of Python", median(ours) / median(bare), TIMES, "x", note)
    yield from _demo(quick)


def _demo(quick: bool) -> Iterator[Row]:
    if quick or find_spec(_DEMO) is None:
        why = "left out by --quick" if quick else "this version has no demo"
        yield Row("a second driftguard demo", None, note=why)
        return
    _seconds([*_driftguard(), "demo"])
    yield Row("a second driftguard demo", _seconds([*_driftguard(), "demo"]), DEMO_SECONDS)


def _driftguard() -> list[str]:
    """The installed command, else the module."""
    command = Path(sys.executable).with_name("driftguard")
    return [str(command)] if command.exists() else [sys.executable, "-m", "driftguard"]


def _seconds(command: Sequence[str]) -> float:
    """How long a command takes, in an empty folder. Raises subprocess.CalledProcessError where it fails."""
    with TemporaryDirectory() as folder:
        begun = time.perf_counter()
        subprocess.run(command, check=True, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begun
