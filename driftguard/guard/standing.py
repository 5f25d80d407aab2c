"""What stands open: the levels that telemetry tells after every scan and delivery.

Rules:
- A halt counts as open while it lets nothing pass: somebody has to do something. One that was decided so that a run may pass
  does not count, nor does one that is only observed: it is none.
- The numbers come from the store, so every process tells the same ones. Each is told once, when it was measured: what is
  closed stops being told by itself. The number of all is told also where it is 0, so that an alert can end.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from driftguard.flow.halt import LETS_PASS
from driftguard.flow.moment import from_text
from driftguard.flow.ports import Row
from driftguard.flow.telemetry import ALL, NO_TELEMETRY
from driftguard.flow.ticket import waits_since
from driftguard.guard import index
from driftguard.guard.context import Guard


def measure_standing(guard: Guard) -> None:
    """Tell how many halts are open and notes are waiting, and since when. Raises StoreUnavailable."""
    if guard.telemetry is NO_TELEMETRY:
        return
    now = guard.clock.now()
    halts = [halt for halt in index.open_halts(guard.store, now) if halt.state not in LETS_PASS]
    opened = [(halt.job, from_text(halt.opened_at)) for halt in halts]
    _tell(guard, "driftguard.halts.open", "driftguard.halts.oldest_age", "job", opened, now)
    waiting = [(_target(row), waits_since(row.body)) for _, row in index.due_notes(guard.store, now)]
    _tell(guard, "driftguard.notes.waiting", "driftguard.notes.oldest_age", "target", waiting, now)


def _target(row: Row) -> str:
    return str(row.body["target"])


def _tell(
    guard: Guard, count: str, age: str, attribute: str, since: Iterable[tuple[str, datetime]], now: datetime
) -> None:
    moments: dict[str, list[datetime]] = {ALL: []}
    for name, moment in since:
        moments[ALL].append(moment)
        moments.setdefault(name, []).append(moment)
    for name, of_name in moments.items():
        oldest = max(0.0, (now - min(of_name, default=now)).total_seconds())
        guard.telemetry.level(count, len(of_name), **{attribute: name})
        guard.telemetry.level(age, oldest, **{attribute: name})
