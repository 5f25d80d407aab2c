"""The identity provider's public keys: fetched when they are first needed, kept for an hour, asked for again with care.

Rules:
- A key that is known is found without waiting for anybody: a fetch in another thread holds up only who needs it too.
- A key id that is not known makes one fetch in 30 s at most, so that forged tokens cannot make the service ask on and on.
- A fetch that failed is not tried again for some seconds, so that 40 threads do not fail one after the other.
- No answer, or one that holds no keys, is Unavailable: nobody can be told then. An id that no key has is NotSignedIn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from http.client import HTTPException
from typing import TYPE_CHECKING

from driftguard.errors import NotSignedIn, Unavailable

if TYPE_CHECKING:
    from jwt import PyJWK, PyJWKClient

LIFESPAN_SECONDS = 3600.0
COOLDOWN_SECONDS = 30.0
TIMEOUT_SECONDS = 5.0
FAILURE_KEPT_SECONDS = 10.0


class SigningKeys:
    """The keys at one address. Nothing is imported or asked before the first key is. Safe across threads."""

    def __init__(
        self,
        address: str,
        *,
        lifespan: float = LIFESPAN_SECONDS,
        cooldown: float = COOLDOWN_SECONDS,
        timeout: float = TIMEOUT_SECONDS,
        failure_kept: float = FAILURE_KEPT_SECONDS,
    ) -> None:
        self._address = address
        self._lifespan, self._cooldown, self._timeout = lifespan, cooldown, timeout
        self._failure_kept = failure_kept
        self._turn = threading.Lock()
        self._client: PyJWKClient | None = None
        self._fetched_at: float | None = None
        self._failed_at: float | None = None

    def find(self, key_id: str) -> PyJWK:
        """The public key of that id. Raises NotSignedIn where there is none, Unavailable where it cannot be told."""
        found = _of_id(key_id, self._kept())
        if found is None:
            with self._turn:
                # Another thread may have fetched it meanwhile.
                found = _of_id(key_id, self._kept()) or _of_id(key_id, self._fetched())
        if found is None:
            raise NotSignedIn(
                "the token is signed with a key that the identity provider does not publish", "sign in again"
            )
        return found

    def _kept(self) -> Sequence[PyJWK]:
        """The keys that were fetched within the hour."""
        cache = self._client.jwk_set_cache if self._client else None
        kept = cache.get() if cache else None
        return kept.keys if kept else ()

    def _fetched(self) -> Sequence[PyJWK]:
        """The keys as they are now; none where they were fetched a moment ago. Raises Unavailable."""
        from jwt import PyJWKClient
        from jwt.exceptions import PyJWTError

        if self._kept() and _is_recent(self._fetched_at, self._cooldown):
            return ()
        if _is_recent(self._failed_at, self._failure_kept):
            raise _no_keys()
        if self._client is None:
            self._client = PyJWKClient(self._address, lifespan=self._lifespan, timeout=self._timeout)
        try:
            keys = self._client.get_signing_keys(refresh=True)
        except (PyJWTError, OSError, ValueError, RecursionError, HTTPException):
            self._failed_at = time.monotonic()
            raise _no_keys() from None
        self._fetched_at, self._failed_at = time.monotonic(), None
        return keys


def _of_id(key_id: str, keys: Sequence[PyJWK]) -> PyJWK | None:
    return next((key for key in keys if key.key_id == key_id and key.public_key_use in ("sig", None)), None)


def _is_recent(moment: float | None, seconds: float) -> bool:
    return moment is not None and time.monotonic() - moment < seconds


def _no_keys() -> Unavailable:
    return Unavailable(
        "the identity provider's keys cannot be read, so nobody can be let in",
        "try again; if it lasts, check that the service reaches its identity provider",
    )
