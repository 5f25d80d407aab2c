"""Many reads at once, one reading each, as they arrive.

Rules:
- `wanted` is taken as workers become free, at most two per worker ahead: memory stays flat for any length.
- Every wanted resource gets one reading; what the budget leaves over gets the one that `left_over` makes.
- What a read raises ends the whole call.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from driftguard.flow.ports import Clock
from driftguard.flow.reading import Reading, Wanted

_GRACE = 0.5  # seconds that workers get after the deadline to say themselves what they were waiting for


def pooled(
    wanted: Iterable[Wanted],
    read: Callable[[Wanted], Reading],
    left_over: Callable[[Wanted], Reading],
    *,
    clock: Clock,
    deadline: float,
    workers: int,
) -> Iterator[Reading]:
    """The readings; `deadline` in monotonic seconds of the clock."""
    source = iter(wanted)
    arrived: queue.SimpleQueue[Future[Reading]] = queue.SimpleQueue()
    under_way: dict[Future[Reading], Wanted] = {}
    pool = ThreadPoolExecutor(workers, thread_name_prefix="read")
    try:
        while True:
            while len(under_way) < 2 * workers and (one := next(source, None)) is not None:
                future = pool.submit(read, one)
                under_way[future] = one
                future.add_done_callback(arrived.put)
            if not under_way:
                return
            try:
                done = arrived.get(timeout=max(0.0, deadline - clock.monotonic()) + _GRACE)
            except queue.Empty:
                break
            del under_way[done]
            yield done.result()
        yield from map(left_over, under_way.values())
        yield from map(left_over, source)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
