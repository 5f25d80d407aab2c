"""What a ticket or pipeline is told of a halt, and when it is tried again.

Rules:
- One row of the outbox for each halt, target and event; the same key twice is one row, so one note.
- Events: halted, amended-n (evidence version n), decided-n, resolved. A target that can amend shows one note that is kept up
  to date; the row of a later event replaces what an earlier one would have said, and order is kept per halt and target.
- Every note carries the digest of the evidence and the head of the job's ledger: the anchor against rewriting.
- A target that fails is tried again: after 1, 2, 4 … minutes, at most 60 apart, without end; its state is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from driftguard.flow.moment import from_text, to_text

_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(minutes=60)


class Delivery(StrEnum):
    """Where a note stands."""

    DUE = "due"
    SENDING = "sending"
    DELIVERED = "delivered"


def outbox_id(halt: str, target: str, sequence: int, event: str) -> str:
    """The row's id; `sequence` (from 1, per halt) keeps the events of one halt in order."""
    return f"{halt}.{target}.{sequence:04d}.{event}"


def outbox_rows(
    halt: str, sequence: int, event: str, targets: Sequence[str], now: datetime
) -> dict[str, dict[str, Any]]:
    """The rows that tell every target of one event, by id."""
    return {
        outbox_id(halt, target, sequence, event): {
            "halt": halt,
            "target": target,
            "event": event,
            "sequence": sequence,
            "state": str(Delivery.DUE),
            "attempts": 0,
            "at": to_text(now),
            "next_at": to_text(now),
            "where": "",
            "problem": "",
        }
        for target in targets
    }


def wait_after(attempts: int) -> timedelta:
    """How long to wait after the n-th failed attempt (n from 1)."""
    doublings: int = 2 ** min(attempts - 1, 10)
    return min(_LONGEST_WAIT, _FIRST_WAIT * doublings)


def waits_since(body: Mapping[str, Any]) -> datetime:
    """Since when the note of this outbox row waits. Rows of earlier versions do not say: then since its last try."""
    if "at" in body:
        return from_text(body["at"])
    attempts = int(body["attempts"])
    return from_text(body["next_at"]) - (wait_after(attempts) if attempts else timedelta(0))
