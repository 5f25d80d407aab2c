"""One piece of work in a process of its own, so that its time and memory are its own.

`python -m benchmarks.worker record|check|replay ARGUMENTS` prints {"seconds", "peak_mb", "done"} as its last line.
`record` and `check` take the sandbox's endpoint, the path of the store and the number of resources; `replay` takes a file.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driftguard.entry.cli import run

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a worker took: seconds of its work, peak resident memory of its process, and how much it did."""

    seconds: float
    peak_mb: float
    done: int


def in_a_process(*arguments: str) -> Measured:
    """Run a worker. Raises subprocess.CalledProcessError where it fails."""
    command = [sys.executable, "-m", "benchmarks.worker", *arguments]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Measured(**json.loads(ran.stdout.splitlines()[-1]))


def peak_mb() -> float:
    """The most resident memory that this process ever had, in MB (2**20 bytes).

    Linux's VmHWM counts this program alone; ru_maxrss also counts the process that started it.
    """
    if _STATUS.exists():
        match = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
        if match:
            return int(match[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _record(endpoint: str, store: str, count: str) -> int:
    from benchmarks import guarded
    from benchmarks.arm_process import environment, group_ids

    with guarded.open_guard(environment(endpoint, store)) as guard:
        return guarded.record_all(guard, groups=group_ids(int(count)))


def _check(endpoint: str, store: str, count: str) -> int:
    from benchmarks import guarded
    from benchmarks.arm_process import environment

    with guarded.open_guard(environment(endpoint, store)) as guard:
        return guarded.check_all(guard)


def _replay(file: str) -> int:
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        code = run(["replay", file, "--json"], {})
    assert code in (0, 2), f"replay ended with {code}"
    view: dict[str, Any] = json.loads(told.getvalue())
    return int(view["judged"])


_WORK: dict[str, Callable[..., int]] = {"record": _record, "check": _check, "replay": _replay}


def _main(name: str, *arguments: str) -> None:
    begun = time.perf_counter()
    done = _WORK[name](*arguments)
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb(), "done": done}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
