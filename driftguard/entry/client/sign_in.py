"""The two secrets that a call to the service carries, as header fields.

Rules:
- Neither is ever part of a message; a value that cannot stand in a header field is refused without being shown.
- A function key goes with every call where it is set; it proves nobody, and never stands in for a token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from driftguard.errors import BadConfiguration
from driftguard.settings import Settings

_LONGEST = 64 * 1024


class SignIn:
    """Makes the header fields of a call. `token` is asked for each one, since tokens end."""

    def __init__(self, token: Callable[[], str], function_key: str | None = None) -> None:
        self._token = token
        self._function_key = function_key

    def headers(self) -> Mapping[str, str]:
        """The fields. Raises BadConfiguration, Unavailable."""
        fields = {"Authorization": f"Bearer {_fit(self._token(), 'DRIFTGUARD_TOKEN')}"}
        if self._function_key:
            fields["x-functions-key"] = _fit(self._function_key, "DRIFTGUARD_FUNCTION_KEY")
        return fields


def sign_in(settings: Settings) -> SignIn:
    """The sign-in that the settings say. Raises BadConfiguration where they say none."""
    from driftguard.wiring import service_credential

    return SignIn(service_credential(settings), settings.function_key)


def _fit(secret: str, name: str) -> str:
    if secret and len(secret) <= _LONGEST and secret.isascii() and secret.isprintable() and " " not in secret:
        return secret
    raise BadConfiguration(f"{name} holds what no token or key looks like", "set it again, without blanks or line ends")
