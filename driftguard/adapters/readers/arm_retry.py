"""When a GET is sent again, and after how long. Pure.

Rules:
- Only 408, 429, 5xx, a lost connection, a timeout and half an answer are tried again; a GET changes nothing.
- A hang or half an answer is tried again once: each costs a worker the whole read timeout.
- Retry-After (seconds or a date) is honoured up to 30 s; without it the wait doubles from 0.5 s up to the same 30 s.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from driftguard.adapters.readers.arm_answers import Answer, Failure, error_code
from driftguard.flow.reading import Cause

LONGEST_WAIT = 30.0
FIRST_WAIT = 0.5
_AGAIN_ONCE = (Cause.TIMEOUT, Cause.NOT_JSON)
# A 429 with one of these codes is not about the subscription's reads: one provider's own limit, or a busy resource.
_NOT_THE_SUBSCRIPTION = ("ResourceRequestsThrottled", "Retryable")


def seconds_before_retry(outcome: Answer | Failure, attempt: int, now: datetime) -> float | None:
    """How long to wait after try number `attempt` (from 1); None where trying again is of no use."""
    if isinstance(outcome, Failure):
        again = outcome.cause is Cause.NO_CONNECTION or (outcome.cause in _AGAIN_ONCE and attempt == 1)
        return _backoff(attempt) if again else None
    if outcome.status not in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) and outcome.status < 500:
        return None
    asked = _retry_after(outcome.headers.get("retry-after", ""), now)
    return min(asked, LONGEST_WAIT) if asked > 0 else _backoff(attempt)


def holds_the_subscription(outcome: Answer | Failure) -> bool:
    """True for a 429 that counts for every read of the subscription."""
    return (
        isinstance(outcome, Answer)
        and outcome.status == HTTPStatus.TOO_MANY_REQUESTS
        and not error_code(outcome).startswith(_NOT_THE_SUBSCRIPTION)
    )


def _retry_after(text: str, now: datetime) -> float:
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()


def _backoff(attempt: int) -> float:
    return float(min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT))
