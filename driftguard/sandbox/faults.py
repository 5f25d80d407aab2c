"""Faults on request: what can go wrong between a client and ARM, for the ids that are named.

Rules:
- A fault names ids by a prefix, or by a pattern with `*` and `?`; casing does not matter.
- It holds for one method or for all, for ever or for a number of times; the first fault that matches is taken.
- `after`: the call is carried out, and the fault is what its caller sees of it (a write whose answer was lost).

Kinds: a status (403, 404, 409, 429, 500, 503) with ARM's error body; `hang` (no answer), `half-body` (the connection
ends within the body), `html` (a proxy's page), `empty`, `huge` and `not-object`, each with status 200.
"""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from driftguard.errors import WrongUse
from driftguard.sandbox.answers import Answer, Refused, error

Json = Any  # what json.loads gives
STATUSES: dict[str, tuple[str, str]] = {
    "403": ("AuthorizationFailed", "The client does not have authorization to perform this action."),
    "404": ("ResourceNotFound", "The Resource was not found."),
    "409": ("AnotherOperationInProgress", "Another operation on this or dependent resource is in progress."),
    "429": ("SubscriptionRequestsThrottled", "Number of requests for subscription exceeded the backend storage limit."),
    "500": ("InternalServerError", "Encountered internal server error."),
    "503": ("ServerTimeout", "The request timed out. Please try again."),
}
TRANSPORT = ("hang", "half-body", "html", "empty", "huge", "not-object")
_KEYS: dict[str, type | tuple[type, ...]] = {
    "match": str,
    "fault": str,
    "method": str,
    "times": int,
    "retry_after": (int, float),
    "code": str,
    "after": bool,
    "size": int,
}
HUGE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `times` None: for ever. `code` replaces the error's code; `size`: bytes of a huge body."""

    match: str
    fault: str
    method: str = ""
    times: int | None = None
    retry_after: float | None = None
    code: str = ""
    after: bool = False
    size: int = HUGE

    def hits(self, method: str, path: str) -> bool:
        """Whether it is meant for this call."""
        if self.method and self.method.upper() != method:
            return False
        wanted, path = self.match.lower(), path.lower()
        return fnmatch.fnmatchcase(path, wanted) if "*" in wanted or "?" in wanted else path.startswith(wanted)

    def refusal(self) -> Refused:
        """The error answer of a fault that is a status."""
        code, message = STATUSES[self.fault]
        refused = error(int(self.fault), self.code or code, message)
        headers = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
        return Refused(refused.answer.with_headers(headers))


class Faults:
    """The faults that are set, in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set: list[tuple[Fault, list[int]]] = []  # with the number of times left, empty for ever

    def add(self, fault: Fault) -> None:
        """Set a fault. Raises WrongUse for an unknown kind."""
        if fault.fault not in STATUSES and fault.fault not in TRANSPORT:
            known = ", ".join([*STATUSES, *TRANSPORT])
            raise WrongUse(f"unknown fault {fault.fault!r}", f"use one of: {known}")
        with self._lock:
            self._set.append((fault, [] if fault.times is None else [fault.times]))

    def clear(self) -> None:
        """Remove all."""
        with self._lock:
            self._set.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for a call, counted as used; None where there is none."""
        if not self._set:
            return None
        with self._lock:
            for fault, left in self._set:
                if fault.hits(method, path) and (not left or left[0] > 0):
                    if left:
                        left[0] -= 1
                    return fault
        return None


def fault_of(document: Mapping[str, Json]) -> Fault:
    """The fault that a control request describes. Raises WrongUse for a key or value that is none."""
    for name, value in document.items():
        if name not in _KEYS or (value is not None and not isinstance(value, _KEYS[name])):
            raise WrongUse(f"a fault has no {name!r} with this value", f"use: {', '.join(_KEYS)}")
    if not document.get("match") or not document.get("fault"):
        raise WrongUse("a fault needs match and fault", 'such as {"match": "/subscriptions/", "fault": "503"}')
    return Fault(**{name: value for name, value in document.items() if value is not None})


def unlike_arm(fault: Fault) -> tuple[Answer, bytes, str]:
    """Status and headers, raw body and content type of a fault that is an answer but not ARM's."""
    answer = Answer(200)
    if fault.fault == "html":
        return answer, b"<!DOCTYPE html><html><body><h1>Sign in to the network</h1></body></html>", "text/html"
    if fault.fault == "huge":
        return answer, b'{"properties":{"text":"' + b"x" * fault.size + b'"}}', "application/json"
    return answer, b"[]" if fault.fault == "not-object" else b"", "application/json"
