"""Threads for what takes long, and how a request waits for them without holding a thread of its own.

Rules:
- At most so many threads, made as they are needed; at most so many tasks wait. More are refused, not queued for ever.
- At most so many tasks of one key (a job, a caller) work at once: beyond that they get into each other's way, and others have
  to wait. At most so many of one key may be open, where that is said: so nobody takes all the places.
- A task is never cancelled: who asked may have gone, and what was begun is finished all the same.
- The threads end with the process (daemon): a check that is killed leaves the store as it was or as it is decided to be.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from driftguard.errors import Unavailable

T = TypeVar("T")


@dataclass
class _Task:
    work: Callable[[], Any]
    key: str
    future: Future[Any]


class Workers:
    """A bounded pool. `name` names its threads; at most `of_one_key` tasks of one key work at once.

    At most `open_of_one_key` tasks of one key work or wait; 0: as many as of all.
    """

    def __init__(self, name: str, threads: int, waiting: int, of_one_key: int = 0, open_of_one_key: int = 0) -> None:
        self._name, self._most, self._of_one_key = name, threads, of_one_key or threads
        self._most_open = threads + waiting
        self._open_of_one_key = open_of_one_key or self._most_open
        self._ready: queue.SimpleQueue[_Task] = queue.SimpleQueue()
        self._turn = threading.Lock()
        self._threads = self._open = 0
        self._working: Counter[str] = Counter()
        self._waiting: dict[str, deque[_Task]] = {}

    def submit(self, work: Callable[[], T], key: str = "") -> Future[T]:
        """Begin the work when a thread is free, after earlier work of its key. Raises Unavailable where too much waits."""
        task = _Task(work, key, Future())
        with self._turn:
            if self._open >= self._most_open:
                raise Unavailable("the service has too many calls to answer", "try again in a moment")
            if key and self._working[key] + len(self._waiting.get(key, ())) >= self._open_of_one_key:
                raise Unavailable("too many calls of yours wait already", "try again when they are answered")
            self._open += 1
            if key and self._working[key] >= self._of_one_key:
                self._waiting.setdefault(key, deque()).append(task)
            else:
                self._working[key] += 1
                self._begin(task)
        return task.future

    async def run(self, work: Callable[[], T], key: str = "") -> T:
        """The result of the work. Raises what the work raises, and Unavailable as `submit`."""
        future = self.submit(work, key)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def end() -> None:
            if not done.done():  # who waited may have gone
                done.set_result(None)

        def tell(_: Future[Any]) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(end)

        future.add_done_callback(tell)
        await done
        return future.result()

    def _begin(self, task: _Task) -> None:
        """Hand the task to a thread. Called in turn."""
        if self._threads < min(self._open, self._most):
            self._threads += 1
            name = f"{self._name}-{self._threads}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        self._ready.put(task)

    def _work(self) -> None:
        while True:
            self._do(self._ready.get())

    def _do(self, task: _Task) -> None:
        result, error = None, None
        try:
            result = task.work()
        except BaseException as raised:  # noqa: BLE001  # reason: whoever waits for the future gets it
            error = raised
        with self._turn:
            self._end(task.key)
        if error is not None:
            task.future.set_exception(error)
        else:
            task.future.set_result(result)

    def _end(self, key: str) -> None:
        """Make room for the next task, of the same key first. Called in turn."""
        self._open -= 1
        waiting = self._waiting.get(key)
        if waiting:
            self._begin(waiting.popleft())
            return
        self._waiting.pop(key, None)
        self._working[key] -= 1
        if not self._working[key]:
            del self._working[key]


async def finished(future: Future[Any], seconds: float) -> bool:
    """Wait until the future has a result, at most so many seconds; whether it has one.

    Nothing is cancelled where the waiting ends early, or where the one who waits is cancelled.
    """
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: Future[Any]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(tell)
    with suppress(TimeoutError):
        await asyncio.wait_for(done.wait(), seconds)
    return future.done()
