"""The identity provider's public keys: fetched when they are first needed, kept for an hour, asked for again with care.

Rules:
- A key that is known is found without waiting for anybody: a fetch in another thread holds up only who needs it too, and
  where other keys are known those do not wait long either, so that forged tokens do not use up the threads.
- A key id that is not known makes one fetch in 30 s at most, so that forged tokens cannot make the service ask on and on.
- A fetch ends after 10 s in all, and reads 1 MB at most (key_set.py). One that failed is not tried again for some seconds, so
  that 40 threads do not fail one after the other.
- No answer, or one that holds no keys, is Unavailable: nobody can be told then. An id that no key has is NotSignedIn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from driftguard.adapters.identities.key_set import KeySet
from driftguard.errors import NotSignedIn, Unavailable

if TYPE_CHECKING:
    from jwt import PyJWK

LIFESPAN_SECONDS = 3600.0
COOLDOWN_SECONDS = 30.0
TIMEOUT_SECONDS = 5.0
TOTAL_SECONDS = 10.0
FAILURE_KEPT_SECONDS = 10.0
WAIT_SECONDS = 1.0
"""How long a thread waits for another one's fetch while other keys are known."""


class SigningKeys:
    """The keys at one address. Nothing is imported or asked before the first key is. Safe across threads."""

    def __init__(
        self,
        address: str,
        *,
        lifespan: float = LIFESPAN_SECONDS,
        cooldown: float = COOLDOWN_SECONDS,
        timeout: float = TIMEOUT_SECONDS,
        total: float = TOTAL_SECONDS,
        failure_kept: float = FAILURE_KEPT_SECONDS,
    ) -> None:
        self._key_set = KeySet(address, timeout=timeout, total=total)
        self._lifespan, self._cooldown, self._total = lifespan, cooldown, total
        self._failure_kept = failure_kept
        self._turn = threading.Lock()
        self._keys: tuple[float, Sequence[PyJWK]] | None = None  # when they were fetched, and what was
        self._failed_at: float | None = None

    def find(self, key_id: str) -> PyJWK:
        """The public key of that id. Raises NotSignedIn where there is none, Unavailable where it cannot be told."""
        found = _of_id(key_id, self._kept())
        if found is None:
            if not self._turn.acquire(timeout=WAIT_SECONDS if self._kept() else 2 * self._total):
                raise _no_keys()
            try:
                # Another thread may have fetched it meanwhile.
                found = _of_id(key_id, self._kept()) or _of_id(key_id, self._fetched())
            finally:
                self._turn.release()
        if found is None:
            raise NotSignedIn(
                "the token is signed with a key that the identity provider does not publish", "sign in again"
            )
        return found

    def _kept(self) -> Sequence[PyJWK]:
        """The keys that were fetched within the hour."""
        known = self._keys
        return known[1] if known and _is_recent(known[0], self._lifespan) else ()

    def _fetched(self) -> Sequence[PyJWK]:
        """The keys as they are now; none where they were fetched a moment ago. Raises Unavailable."""
        if self._keys and self._kept() and _is_recent(self._keys[0], self._cooldown):
            return ()
        if _is_recent(self._failed_at, self._failure_kept):
            raise _no_keys()
        keys = self._key_set.fetch()
        if keys is None:
            self._failed_at = time.monotonic()
            raise _no_keys()
        self._keys, self._failed_at = (time.monotonic(), keys), None
        return keys


def _of_id(key_id: str, keys: Sequence[PyJWK]) -> PyJWK | None:
    return next((key for key in keys if key.key_id == key_id), None)


def _is_recent(moment: float | None, seconds: float) -> bool:
    return moment is not None and time.monotonic() - moment < seconds


def _no_keys() -> Unavailable:
    return Unavailable(
        "the identity provider's keys cannot be read, so nobody can be let in",
        "try again; if it lasts, check that the service reaches its identity provider",
    )
