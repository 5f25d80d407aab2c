"""The traffic over HTTP: how it is slowed down and limited, and what was asked."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import Any

from driftguard.sandbox.throttle import Throttle

Json = Any  # what json.loads gives
KEPT = 100_000  # requests; a benchmark of 50,000 resources fits


class Traffic:
    """Latency in seconds, the throttle, and a log of the last requests."""

    def __init__(self) -> None:
        self.latency = 0.0
        self.throttle = Throttle()
        self._lock = threading.Lock()
        self._seen: deque[tuple[str, str, int]] = deque(maxlen=KEPT)
        self._counters: Counter[str] = Counter()

    def note(self, method: str, path: str, status: int) -> None:
        """Keep what was asked; `status` is 0 where there was no answer."""
        with self._lock:
            self._seen.append((method, path, status))
            self._counters[f"{method} {status}"] += 1

    def requests(self) -> list[tuple[str, str, int]]:
        """(method, path, status) of the last requests, oldest first."""
        with self._lock:
            return list(self._seen)

    def counters(self) -> dict[str, int]:
        """How many requests by `METHOD status`, such as `GET 200`."""
        with self._lock:
            return dict(self._counters)

    def forget(self) -> None:
        """Empty the log and the counters."""
        with self._lock:
            self._seen.clear()
            self._counters.clear()
