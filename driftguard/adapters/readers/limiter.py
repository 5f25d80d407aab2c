"""How fast ARM may be asked: one token bucket per subscription, corrected by what ARM's own headers say.

Rules:
- A bucket starts with what ARM documents for reads of a principal in a subscription: 250 at once, then 25 a second.
- `x-ms-ratelimit-remaining-*` of each answer corrects the bucket, and answers come out of order: an answer surely counts
  what had ended before its request was sent, and perhaps what was under way beside it. So it lowers the bucket to what is
  left if ARM had counted all that ended, and raises it only to what is left if ARM had counted none of what ended since.
  What is still under way is taken off both times.
- Buckets of other sizes exist (16,499 was recorded), so the header is believed.
- A 429 empties the bucket and holds every request of the subscription until Retry-After is over; it refills meanwhile.
- A request takes its token before it waits, so that waiting requests go in turn and never all at once.
- Nobody waits for a token that comes after the deadline: the answer is no, at once.

Sources: learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from driftguard.adapters.readers.once import Once
from driftguard.flow.ports import Clock

CAPACITY = 250.0
REFILL_PER_SECOND = 25.0
_PREFIX = "x-ms-ratelimit-remaining-"
_NOT_READS = ("-writes", "-deletes")
_MOST = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Token:
    """Leave to send one request; `ended_before` is how many others had ended when it was given."""

    ended_before: int


class TokenBucket:
    """The reads that one subscription still allows. Safe across threads; time is the clock's monotonic seconds."""

    def __init__(self, clock: Clock, capacity: float = CAPACITY, refill: float = REFILL_PER_SECOND) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._capacity = capacity
        self._refill = refill
        self._tokens = capacity
        self._counted_at = clock.monotonic()
        self._blocked_until = self._counted_at
        self._under_way = 0  # requests that hold a token and have no answer yet
        self._ended = 0  # requests that were given back

    def take(self, deadline: float) -> Token | None:
        """Wait for a token; None, without waiting, where it would come after `deadline` (monotonic seconds).

        Every token is answered by one `give_back`.
        """
        with self._lock:
            self._count()
            ready_at = self._ready_at()
            if ready_at > deadline:
                return None
            self._tokens -= 1
            self._under_way += 1
        while (wait := self._wait(ready_at)) > 0:
            if self._clock.monotonic() + wait > deadline:
                self._put_back()
                return None
            self._clock.sleep(wait)
        with self._lock:
            return Token(self._ended)

    def give_back(self, token: Token, headers: Mapping[str, str] | None) -> None:
        """The request has ended; `headers` (names in lower case) say how many reads are left, None: no answer came."""
        remaining = None if headers is None else remaining_reads(headers)
        with self._lock:
            self._under_way -= 1
            if remaining is not None:
                self._count()
                self._correct(remaining - self._under_way, ended_meanwhile=self._ended - token.ended_before)
                self._capacity = max(self._capacity, remaining)
            self._ended += 1

    def block(self, seconds: float) -> None:
        """ARM said 429: nothing is sent for that many seconds."""
        with self._lock:
            self._count()
            self._tokens = min(self._tokens, 0.0)
            self._blocked_until = max(self._blocked_until, self._clock.monotonic() + seconds)

    @property
    def blocked(self) -> bool:
        """True while a 429 holds the subscription."""
        return self._blocked_until > self._clock.monotonic()

    def _put_back(self) -> None:
        with self._lock:
            self._tokens += 1
            self._under_way -= 1

    def _correct(self, left: float, *, ended_meanwhile: int) -> None:
        """Keep the own count within what the header says: at most `left`, at least what it surely still allows."""
        self._tokens = min(max(self._tokens, left - ended_meanwhile), left)

    def _count(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._capacity, self._tokens + (now - self._counted_at) * self._refill)
        self._counted_at = now

    def _ready_at(self) -> float:
        missing = max(0.0, 1.0 - self._tokens)
        return max(self._blocked_until, self._counted_at + missing / self._refill)

    def _wait(self, ready_at: float) -> float:
        return max(ready_at, self._blocked_until) - self._clock.monotonic()


class Limits:
    """The buckets of all subscriptions of one client."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: Once[str, TokenBucket] = Once()

    def of(self, subscription: str) -> TokenBucket:
        """The bucket of a subscription (lower case); the empty text is the tenant's."""
        return self._buckets.get(subscription, lambda: TokenBucket(self._clock))


def remaining_reads(headers: Mapping[str, str]) -> float | None:
    """The fewest reads that any `x-ms-ratelimit-remaining-*` header still allows; None where there is none."""
    counts = [
        min(float(text), _MOST)
        for name, text in headers.items()
        if name.startswith(_PREFIX) and not name.endswith(_NOT_READS) and text.isascii() and text.isdecimal()
    ]
    return min(counts, default=None)
