"""The one user of a service on their own machine: whoever holds the token that it was started with.

Rules:
- The token is compared in constant time, and appears in no message.
- Nothing proves the user's name: what they decide is recorded as asserted.
"""

from __future__ import annotations

import hmac

from driftguard.errors import BadConfiguration, NotSignedIn
from driftguard.flow.access import Caller
from driftguard.flow.review import Person

SHORTEST = 32
"""Characters of a token, at least: 32 URL-safe ones hold 192 bits."""


class LocalToken:
    """The port `Identities` with one token and one user. Raises BadConfiguration for a token that could be guessed."""

    name = "local token"

    def __init__(self, token: str, user: str) -> None:
        if len(token) < SHORTEST:
            raise BadConfiguration(
                f"the local token has fewer than {SHORTEST} characters", "let the service make one at each start"
            )
        self._token = token.encode("utf-8", "replace")
        self._user = Person(user, asserted=True)

    def caller(self, credential: str) -> Caller:
        """The user, with every role. Raises NotSignedIn for another token."""
        # As bytes: a text with other than ASCII characters cannot be compared in constant time.
        if not hmac.compare_digest(credential.encode("utf-8", "replace"), self._token):
            raise NotSignedIn(
                "the token is not the one of this service", "use the token that the service printed when it started"
            )
        return Caller(self._user, is_person=True, everything=True)
