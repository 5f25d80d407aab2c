"""ARM's throttling: a token bucket per subscription, token and kind of operation.

Rules:
- Kinds are reads, writes and deletes, each with a capacity and a refill per second.
- A kind without a bucket is not limited; its remaining number is shown as a large constant.
- Buckets fill by real time (they protect a server, not a calendar); the virtual clock has no part in it.

Source: Azure documentation, "Understand how Azure Resource Manager throttles requests".
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from driftguard.errors import WrongUse

READS, WRITES, DELETES = "reads", "writes", "deletes"
UNLIMITED = 11999
_GLOBAL = 15  # the limit over all callers of a subscription is 15 times that of one


def kind_of(method: str) -> str:
    """The kind of operation that a method counts as."""
    return {"GET": READS, "HEAD": READS, "DELETE": DELETES}.get(method, WRITES)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Throttle:
    """The buckets. `limits`: kind -> (capacity, refill per second)."""

    def __init__(
        self, limits: Mapping[str, tuple[float, float]] | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self.set(limits or {})

    def set(self, limits: Mapping[str, tuple[float, float]]) -> None:
        """Replace the limits and fill all buckets. Raises WrongUse for an unknown kind or a number below 1."""
        for kind, (capacity, refill) in limits.items():
            if kind not in (READS, WRITES, DELETES) or capacity < 1 or refill <= 0:
                raise WrongUse(
                    f"not a throttle: {kind} ({capacity}, {refill})",
                    "name reads, writes or deletes, with a capacity and a refill per second above 0",
                )
        with self._lock:
            self._limits = dict(limits)
            self._buckets: dict[tuple[str, str, str], _Bucket] = {}

    def take(self, subscription: str, token: str, method: str) -> tuple[int, float]:
        """Take a token: (what remains, seconds to wait). The wait is 0 where the request may pass."""
        kind = kind_of(method)
        if kind not in self._limits:
            return UNLIMITED, 0.0
        capacity, refill = self._limits[kind]
        with self._lock:
            now = self._monotonic()
            bucket = self._buckets.setdefault((subscription, token, kind), _Bucket(capacity, now))
            bucket.tokens = min(capacity, bucket.tokens + (now - bucket.at) * refill)
            bucket.at = now
            if bucket.tokens < 1:
                return 0, (1 - bucket.tokens) / refill
            bucket.tokens -= 1
            return int(bucket.tokens), 0.0


def headers_of(method: str, remaining: int) -> dict[str, str]:
    """The rate limit headers of a passed request."""
    kind = kind_of(method)
    total = remaining if remaining == UNLIMITED else remaining * _GLOBAL + _GLOBAL - 1
    return {
        f"x-ms-ratelimit-remaining-subscription-{kind}": str(remaining),
        f"x-ms-ratelimit-remaining-subscription-global-{kind}": str(total),
    }


def retry_after(wait: float) -> int:
    """The Retry-After of a refused request: whole seconds, rounded up, at least 1."""
    return max(1, math.ceil(wait))
