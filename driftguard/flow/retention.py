"""Retention: for how many days each kind of thing is kept after it has come to its end.

Rules:
- What is still open, in use or named by something that is kept has not come to its end, however old it is.
- A period never goes below `LEAST`: nothing that a decision, a lease, an open note or four eyes may need is that short-lived.
- The ledger is no kind of these: it stays whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

FOREVER = "forever"
LEAST: Mapping[str, int] = {"checks": 7, "records": 30, "halts": 90, "proposals": 30, "baselines": 7}
MOST = 36500
UNNAMED = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Retention:
    """Days by kind; None keeps for ever. The values here are the built-in defaults.

    `checks`: since the check. `records`: since the record. `halts`, with findings, evidence and notes: since the halt was
    closed. `proposals`: since it was accepted. `baselines`, with bodies: since nothing named them any more.
    """

    checks: int | None = 90
    records: int | None = 400
    halts: int | None = 730
    proposals: int | None = 400
    baselines: int | None = 90


def is_over(since: datetime, days: int | None, now: datetime) -> bool:
    """Whether what came to its end at `since` was kept for that many days."""
    return days is not None and now - since >= timedelta(days=days)


def was_unnamed_long_enough(since: datetime, days: int | None, now: datetime) -> bool:
    """Whether what nothing names, first seen so at `since`, may go: at least UNNAMED apart, and after its days."""
    return now - since >= UNNAMED and is_over(since, days, now)
