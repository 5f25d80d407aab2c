"""What `driftguard serve` does by itself beside answering: it sends due notes, and judges every job now and then.

Rules:
- It asks the verbs of guard/ like anybody else; nothing it does lets a run go on.
- A fault is told in one line, and the loop goes on; also where the line cannot be written (a full disk, a log that is gone).
- It stops when it is told to wait no longer. What it is in the middle of then is left as by a process that ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from driftguard.errors import DriftGuardError

if TYPE_CHECKING:
    from driftguard.guard.context import Guard

NOTES_EVERY = 60.0  # seconds


@dataclass
class _Chore:
    """Something to do every so many seconds: next at `due`, of `Background.now`."""

    name: str
    every: float
    due: float
    do: Callable[[Guard], None]


class Background:
    """The loop. `now` gives seconds that only go forward; `wait(seconds)` is true where the loop must end; `tell` a line."""

    def __init__(
        self,
        guard: Callable[[], Guard],
        *,
        scan_every: float | None,
        now: Callable[[], float],
        wait: Callable[[float], bool],
        tell: Callable[[str], None],
    ) -> None:
        self._guard = guard
        self._now = now
        self._wait = wait
        self._tell = tell
        begun = now()
        self._chores = [_Chore("notes", NOTES_EVERY, begun + NOTES_EVERY, self._deliver)]
        if scan_every is not None:
            self._chores.append(_Chore("scan", scan_every, begun + scan_every, self._scan))

    def run(self) -> None:
        """Do what is due, until `wait` says that it is over."""
        while not self._wait(max(0.0, min(chore.due for chore in self._chores) - self._now())):
            for chore in self._chores:
                if chore.due <= self._now():
                    self._try(chore)
                    # From its end on: what takes longer than its interval does not pile up.
                    chore.due = self._now() + chore.every

    def _try(self, chore: _Chore) -> None:
        from driftguard.render.untrusted import one_line

        try:
            chore.do(self._guard())
        except DriftGuardError as error:
            self._say(f"{chore.name}: {one_line(error, 500)}")
        except Exception as error:  # noqa: BLE001  # reason: a fault of one round must not end the service's loop
            self._say(f"{chore.name}: an unforeseen {type(error).__name__}; the next round tries again")

    def _say(self, line: str) -> None:
        with suppress(Exception):  # reason: nobody can be told that nobody can be told; scans and notes go on
            self._tell(line)

    def _deliver(self, guard: Guard) -> None:
        from driftguard.guard.deliver import deliver_due, waiting
        from driftguard.render.untrusted import one_line

        failed = [note for note in waiting(deliver_due(guard)) if note.problem]
        if failed:
            self._say(f"notes: {len(failed)} could not be sent, such as {one_line(failed[0].problem)}")

    def _scan(self, guard: Guard) -> None:
        from driftguard.guard.scan import gate_every_job
        from driftguard.render.untrusted import one_line

        told = gate_every_job(guard).summary()
        halted, unclear = told["halted"], told["could_not_tell"]
        parts = [f"{told['jobs']} jobs"]
        parts += [f"halted: {one_line(', '.join(halted))}"] if halted else []
        parts += [f"could not tell: {one_line(', '.join(unclear))}"] if unclear else []
        parts += [one_line(fault, 300) for fault in told["swept"]["faults"]]
        self._say(f"scan: {'; '.join(parts)}")


def start(
    guard: Callable[[], Guard], *, scan_every: float | None, now: Callable[[], float], tell: Callable[[str], None]
) -> Callable[[], None]:
    """Run the loop in a thread; what is given back ends it, and waits a moment for it."""
    over = threading.Event()
    loop = Background(guard, scan_every=scan_every, now=now, wait=over.wait, tell=tell)
    # Daemon: a scan of many resources must not keep the process from ending.
    thread = threading.Thread(target=loop.run, name="driftguard-background", daemon=True)
    thread.start()

    def stop() -> None:
        over.set()
        thread.join(timeout=2.0)

    return stop
