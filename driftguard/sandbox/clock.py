"""The sandbox's virtual clock: the time of day that its answers, events and provisioning go by.

Rules:
- By default it runs with real time from a given start (or from now); `advance` adds an offset.
- An in-process caller may pass its own `now`, and so stop time; `advance` adds to that as well.
- It never goes back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from driftguard.errors import WrongUse


class VirtualClock:
    """Time of day, UTC. `start`: where it begins; `now`: the caller's own clock instead of real time."""

    def __init__(self, start: datetime | None = None, now: Callable[[], datetime] | None = None) -> None:
        self._lock = threading.Lock()
        self._offset = timedelta()
        if now is not None:
            self._base: Callable[[], datetime] = now
        else:
            begin, since = start or datetime.now(UTC), time.monotonic()
            self._base = lambda: begin + timedelta(seconds=time.monotonic() - since)

    def now(self) -> datetime:
        """The virtual time, timezone-aware UTC."""
        with self._lock:
            return self._base().astimezone(UTC) + self._offset

    def advance(self, seconds: float) -> datetime:
        """Let `seconds` pass at once; returns the new time. Raises WrongUse for a negative number."""
        if not 0 <= seconds < 1e9:
            raise WrongUse(f"the clock cannot advance by {seconds} seconds", "give a number of seconds from 0 up")
        with self._lock:
            self._offset += timedelta(seconds=seconds)
        return self.now()


def stamp(moment: datetime) -> str:
    """The form in which Azure writes times: UTC with seven digits, `2026-10-01T12:00:00.1234560Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
