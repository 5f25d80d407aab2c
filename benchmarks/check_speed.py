"""How long a check of 1,000 resources takes, against the bare SDK doing the same GETs in the same run.

Both take turns and the medians are compared, so that a busy machine slows both. Each round opens its connections anew, as
a run of a pipeline does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import bare_sdk, guarded
from benchmarks.arm_process import BUCKET, Arm, arm, environment, resource_ids
from benchmarks.row import Row

RATIO = 1.15
LATENCY = 0.08  # seconds that ARM takes for one GET


def rows(*, quick: bool = False) -> Iterator[Row]:
    """Seconds of both sides and their ratio, without and with ARM's bucket."""
    count, rounds = (40, 1) if quick else (1000, 3)
    with TemporaryDirectory() as folder, arm(count) as server:
        environ = environment(server.endpoint, str(Path(folder) / "store.db"))
        with guarded.open_guard(environ) as guard:
            guarded.record_all(guard, resource_ids(count))
            wanted = guarded.recorded(guard)
        assert len(wanted) == count
        ours = _seconds_of(lambda: _ours(environ), count)
        theirs = _seconds_of(lambda: bare_sdk.get_all(server.endpoint, wanted), count)
        _warm_up(environ, server, wanted)
        server.latency(0.0 if quick else LATENCY)
        yield from _compared(f"check of {count:,}, {LATENCY * 1000:.0f} ms each", server, ours, theirs, rounds, {})
        if not quick:
            title = f"check of {count:,}, ARM's bucket of 250 and 25/s"
            yield from _compared(title, server, ours, theirs, 1, BUCKET)


def _compared(
    what: str,
    server: Arm,
    ours: Callable[[], float],
    theirs: Callable[[], float],
    rounds: int,
    limits: dict[str, list[int]],
) -> Iterator[Row]:
    own, bare = [], []
    for _ in range(rounds):
        server.throttle(limits)
        own.append(ours())
        server.throttle(limits)
        bare.append(theirs())
    note = f"ours {median(own):.2f} s, bare SDK {median(bare):.2f} s, {rounds} round(s) each"
    yield Row(what, median(own) / median(bare), RATIO, "x", note)


def _ours(environ: dict[str, str]) -> int:
    with guarded.open_guard(environ) as guard:
        return guarded.check_all(guard)


def _seconds_of(work: Callable[[], int], count: int) -> Callable[[], float]:
    def measured() -> float:
        begun = time.perf_counter()
        done = work()
        taken = time.perf_counter() - begun
        assert done == count, f"{done} of {count} were read"
        return taken

    return measured


def _warm_up(environ: dict[str, str], server: Arm, wanted: list[tuple[str, str]]) -> None:
    """Import what either side imports at its first request."""
    _ours(environ)
    bare_sdk.get_all(server.endpoint, wanted[:10])
