"""The sign-in to ARM: a credential made only when a request needs it, and what a refused sign-in means.

Rules:
- `azure.identity` is imported and a credential made on the first request, once, whatever the number of threads.
- A token is kept until shortly before its end: some credentials start a program for each one.
- A sign-in that failed is not tried again for some seconds, so that 32 workers do not fail one after the other.
- No browser is ever opened. No token and no text of a sign-in service gets into a message.
- Failures leave as Unavailable; a subscription of another tenant as OtherScope.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from driftguard.adapters.readers.arm_answers import Answer, error_code
from driftguard.adapters.readers.arm_options import CLOUDS_OF_ARM, ArmOptions
from driftguard.errors import BadConfiguration, DriftGuardError, OtherScope, Unavailable
from driftguard.flow.ports import Clock
from driftguard.flow.strict_json import NotJson, parse_object

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

FAILURE_KEPT_SECONDS = 10.0
_RENEW_BEFORE_SECONDS = 300
_FAR_AWAY = 4_102_444_800  # 2100-01-01, seconds since 1970
_SIGN_IN = (
    "sign in (az login, a managed identity, a workload identity or AZURE_CLIENT_ID and its secret), then try again"
)
_ISSUED_FOR = re.compile(r"must match the tenant 'https://[^/']+/([0-9a-fA-F-]{36})/'")


class Credential(Protocol):
    """What the SDK's authentication policy asks for a token."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """A token for the scopes."""
        ...


class StaticToken:
    """A fixed token for an ARM on this machine."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """The fixed token; its end is far away, since nobody could renew it."""
        from azure.core.credentials import AccessToken

        return AccessToken(self._token, _FAR_AWAY)


class LazyCredential:
    """Makes the real credential on first use and keeps its tokens. Safe across threads."""

    def __init__(self, make: Callable[[], TokenCredential], clock: Clock, tenant: str = "") -> None:
        self._make = make
        self._clock = clock
        self._tenant = tenant
        self._lock = threading.Lock()
        self._real: TokenCredential | None = None
        self._tokens: dict[tuple[str, ...], AccessToken] = {}
        self._failed: tuple[float, DriftGuardError] | None = None

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """A token for the scopes. Raises Unavailable, BadConfiguration."""
        with self._lock:
            kept = self._tokens.get(scopes)
            # A claims challenge says that the kept token is no longer good, whatever its end.
            if kept and not options.get("claims") and not self._ends_soon(kept):
                return kept
            if self._failed and self._clock.monotonic() - self._failed[0] < FAILURE_KEPT_SECONDS:
                raise self._failed[1]
            try:
                token = self._tokens[scopes] = self._request(scopes, options)
            except DriftGuardError as error:
                self._failed = (self._clock.monotonic(), error)
                raise
            self._failed = None
            return token

    def _ends_soon(self, token: AccessToken) -> bool:
        return token.expires_on - self._clock.now().timestamp() <= _RENEW_BEFORE_SECONDS

    def _request(self, scopes: tuple[str, ...], options: dict[str, Any]) -> AccessToken:
        from azure.core.exceptions import AzureError, ClientAuthenticationError

        if self._tenant:
            options = {**options, "tenant_id": self._tenant}
        try:
            if self._real is None:
                self._real = self._make()
            return self._real.get_token(*scopes, **options)
        except ClientAuthenticationError as error:  # also CredentialUnavailableError
            raise Unavailable(f"no sign-in to Azure was possible ({type(error).__name__})", _SIGN_IN) from None
        except AzureError as error:
            raise Unavailable(f"the sign-in service did not answer ({type(error).__name__})", _SIGN_IN) from None
        except ValueError as error:
            raise BadConfiguration(
                f"the settings of the sign-in are wrong ({type(error).__name__})",
                "check the AZURE_* environment variables that azure-identity reads",
            ) from None


def credential_for(options: ArmOptions, clock: Clock) -> Credential:
    """The credential that the options ask for; nothing is imported or asked before its first token."""
    if options.token is not None:
        return StaticToken(options.token)
    return LazyCredential(lambda: _default_credential(options), clock, options.tenant)


def _default_credential(options: ArmOptions) -> TokenCredential:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(
        authority=CLOUDS_OF_ARM[options.cloud].authority,
        exclude_interactive_browser_credential=True,
        additionally_allowed_tenants=[options.tenant] if options.tenant else [],
    )


def refused_sign_in(answer: Answer) -> DriftGuardError:
    """What a 401 of ARM means: the subscription is of another tenant (OtherScope), or the sign-in is no longer good."""
    code = error_code(answer)
    if code == "InvalidAuthenticationTokenTenant":
        tenant = _tenant_named(answer)
        return OtherScope(
            f"the subscription is of another tenant{f' ({tenant})' if tenant else ''} than the sign-in",
            "sign in to that tenant, and use a job of its own for its resources",
        )
    return Unavailable(f"ARM refused the sign-in (401 {code})".replace(" )", ")"), _SIGN_IN)


def _tenant_named(answer: Answer) -> str:
    try:
        error = parse_object(answer.body).get("error")
    except NotJson:
        return ""
    message = error.get("message") if isinstance(error, dict) else None
    found = _ISSUED_FOR.search(message) if isinstance(message, str) else None
    return found.group(1).lower() if found else ""
