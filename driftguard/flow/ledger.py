"""The ledger of a job: a hash chain of everything that was decided, so that rewriting shows.

Rules:
- An entry's hash covers its number, time, event, data and the hash before it; the first one follows `GENESIS`.
- The head (number and hash of the last entry) stands in the job's row and in every note: an anchor outside the store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One link. `at` is text (UTC), `data` small and free of secrets, `hash` SHA-256 hex."""

    number: int
    at: str
    event: str
    data: Mapping[str, Any]
    previous: str
    hash: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "number": self.number,
            "at": self.at,
            "event": self.event,
            "data": dict(self.data),
            "previous": self.previous,
            "hash": self.hash,
        }

    @staticmethod
    def from_dict(stored: Mapping[str, Any]) -> LedgerEntry:
        """The inverse of `to_dict`. A member that somebody removed or replaced is left to `first_fault` to find."""
        data = stored.get("data")
        return LedgerEntry(
            stored.get("number", 0),
            stored.get("at", ""),
            stored.get("event", ""),
            data if isinstance(data, Mapping) else {"": data},
            stored.get("previous", ""),
            stored.get("hash", ""),
        )


def next_entry(number: int, previous: str, at: str, event: str, data: Mapping[str, Any]) -> LedgerEntry:
    """The entry that follows the one with hash `previous`."""
    return LedgerEntry(number, at, event, data, previous, _hash(number, previous, at, event, data))


def first_fault(
    entries: Iterable[LedgerEntry], head_number: int, head: str, *, after: int = 0, previous: str = GENESIS
) -> str:
    """What is wrong with the chain (in order), as one line; empty where it is whole up to its head.

    It begins with number 1, or follows the entry number `after`, whose hash is `previous`.
    """
    number = after
    for entry in entries:
        number += 1
        if entry.number != number:
            return f"entry {number} is missing"
        if entry.previous != previous:
            return f"entry {number} does not follow the entry before it"
        if entry.hash != _hash(number, previous, entry.at, entry.event, entry.data):
            return f"entry {number} was changed"
        previous = entry.hash
    if (number, previous) != (head_number, head):
        return f"the chain ends at entry {number}, the job's row says {head_number}"
    return ""


def _hash(number: int, previous: str, at: str, event: str, data: Mapping[str, Any]) -> str:
    text = json.dumps([number, previous, at, event, dict(data)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
