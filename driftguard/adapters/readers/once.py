"""Work that many threads want at once and that is done once.

Rules:
- While one thread makes the value of a key, the others wait for it; afterwards all get the same value.
- A value is kept only when it was made: an exception leaves the key empty, and the next caller tries again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Once(Generic[K, V]):
    """A map whose values are made on first use, one maker per key. Safe across threads."""

    def __init__(self) -> None:
        self._values: dict[K, V] = {}
        self._locks: dict[K, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: K, make: Callable[[], V], *, fresh: Callable[[V], bool] = lambda _: True) -> V:
        """The value of `key`, made by `make` where there is none yet or where `fresh` refuses the kept one."""
        with self._lock:
            of_key = self._locks.setdefault(key, threading.Lock())
        with of_key:
            if key in self._values and fresh(self._values[key]):
                return self._values[key]
            value = self._values[key] = make()
            return value
