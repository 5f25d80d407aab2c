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
            guarded.record_all(guard, resources=resource_ids(count))
            wanted = guarded.recorded(guard)
        assert len(wanted) == count
        ours = _seconds_of(lambda: _ours(environ), count)
        theirs = _seconds_of(lambda: bare_sdk.get_all(server.endpoint, wanted), count)
        _warm_up(environ, server, wanted)
        latency = 0.0 if quick else LATENCY
        server.latency(latency)
        yield from _compared(f"check of {count:,}, {latency * 1000:.0f} ms each", server, ours, theirs, rounds, {})
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
    own, bare = _Side(server, limits), _Side(server, limits)
    for _ in range(rounds):
        own.measure(ours)
        bare.measure(theirs)
    note = f"ours {own}, bare SDK {bare}; {rounds} round(s) each"
    yield Row(what, own.seconds / bare.seconds, RATIO, "x", note)


class _Side:
    """The rounds of one side, each begun with full buckets."""

    def __init__(self, server: Arm, limits: dict[str, list[int]]) -> None:
        self._server, self._limits = server, limits
        self._rounds: list[float] = []
        self._refusals = 0

    def measure(self, work: Callable[[], float]) -> None:
        """One more round."""
        self._server.throttle(self._limits)
        self._server.refusals()
        self._rounds.append(work())
        self._refusals += self._server.refusals()

    @property
    def seconds(self) -> float:
        """The median."""
        return median(self._rounds)

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s" + (f" and {self._refusals} times 429" if self._limits else "")


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
