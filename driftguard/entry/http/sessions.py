"""Sign-in of a browser: a token that works once, in the address that `driftguard serve` prints, and the session it begins.

Rules:
- An invitation is good for 10 minutes and for one use; a session for 12 hours. Whoever holds a session is the one caller
  that the service was started by.
- Only digests are kept: what stands in memory opens nothing. They are compared in constant time.
- At most 8 invitations and 32 sessions: the oldest makes room.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable

from driftguard.flow.access import Caller

INVITATION_HOLDS = 600.0  # seconds
SESSION_HOLDS = 12 * 3600.0  # seconds
_MOST_INVITATIONS, _MOST_SESSIONS = 8, 32


class Sessions:
    """The sessions of one caller's browsers, for all threads.

    `now` gives seconds that only go forward; `token` a new text that nobody can guess.
    """

    def __init__(self, caller: Caller, now: Callable[[], float], token: Callable[[], str]) -> None:
        self._caller = caller
        self._now = now
        self._token = token
        self._turn = threading.Lock()
        self._invitations = _Secrets(INVITATION_HOLDS, _MOST_INVITATIONS)
        self._sessions = _Secrets(SESSION_HOLDS, _MOST_SESSIONS)

    def invite(self) -> str:
        """A token that begins one session."""
        return self._made(self._invitations)

    def redeem(self, token: str) -> str | None:
        """The id of a new session, or None for a token that was used, is too old or was never given out."""
        with self._turn:
            if not self._invitations.take(token, self._now()):
                return None
        return self._made(self._sessions)

    def caller(self, session: str) -> Caller | None:
        """Who has this session; None where it ended or never was one."""
        with self._turn:
            return self._caller if self._sessions.holds(session, self._now()) else None

    def _made(self, secrets: _Secrets) -> str:
        secret = self._token()
        with self._turn:
            secrets.add(secret, self._now())
        return secret


class _Secrets:
    """Digests of secrets with the moment at which each ends, oldest first."""

    def __init__(self, hold: float, most: int) -> None:
        self._hold = hold
        self._most = most
        self._ends: dict[bytes, float] = {}

    def add(self, secret: str, now: float) -> None:
        self._drop_ended(now)
        while len(self._ends) >= self._most:
            del self._ends[next(iter(self._ends))]
        self._ends[_digest(secret)] = now + self._hold

    def holds(self, secret: str, now: float) -> bool:
        return self._find(secret, now) is not None

    def take(self, secret: str, now: float) -> bool:
        """Whether it was there; afterwards it is not."""
        found = self._find(secret, now)
        if found is not None:
            del self._ends[found]
        return found is not None

    def _find(self, secret: str, now: float) -> bytes | None:
        self._drop_ended(now)
        wanted, found = _digest(secret), None
        for digest in self._ends:  # all of them, so that the time says nothing
            if hmac.compare_digest(digest, wanted):
                found = digest
        return found

    def _drop_ended(self, now: float) -> None:
        self._ends = {digest: end for digest, end in self._ends.items() if end > now}


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
