"""What the claims of a token say of who called ARM. Pure.

Rules:
- A sign of a person (a user name, `idtyp` user, a delegated scope) outweighs a sign of an application.
- Nothing known stays nothing known (None): it is never taken for an application.
- The name of a client comes from a literal table of Microsoft's own applications.

Sources: learn.microsoft.com/entra/identity-platform/access-token-claims-reference; the application ids from
learn.microsoft.com "Planning for mandatory MFA" and "Verify first-party Microsoft applications in sign-in reports".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

CLIENTS = MappingProxyType(
    {
        "c44b4083-3bb0-49c1-b47d-974e53cbdf3c": "Azure portal",
        "04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Azure CLI",
        "1950a258-227b-4e31-a9cf-717495945fc2": "Azure PowerShell",
        "0c1307d4-29d6-4389-a11c-5cbe7f65d7fa": "Azure mobile app",
        "aebc6443-996d-45c2-90f0-388ff96faa56": "Visual Studio Code",
        "872cd9fa-d31f-45e0-9eab-6e460a02d1f1": "Visual Studio",
        "74658136-14ec-4630-ad9b-26e160ff0fc6": "Microsoft Entra admin center",
        "7ab7862c-4c57-491e-8a45-d52a7e023983": "App Service resource provider",
        "8edd93e1-2103-40b4-bd70-6e34e586362d": "Microsoft Defender for Cloud",
        "1d78a85d-813d-46f0-b496-dd72f50a3ec0": "Azure Policy",
    }
)
_USER_NAME = ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn", "upn")
_OBJECT_ID = ("http://schemas.microsoft.com/identity/claims/objectidentifier", "oid")
_SCOPE = ("http://schemas.microsoft.com/identity/claims/scope", "scp")
_APP_ID = ("appid", "azp")
_KIND = ("idtyp",)
_MANAGED_IDENTITY = ("xms_mirid",)
_ADDRESS = ("ipaddr",)
_POLICY_ASSIGNMENT = "/providers/microsoft.authorization/policyassignments/"
_MOST_TEXT = 256


@dataclass(frozen=True, slots=True)
class Caller:
    """Who called, as far as the claims tell; every text may be empty. `policy`: the identity of a policy assignment."""

    user_name: str
    object_id: str
    app_id: str
    is_person: bool | None
    client: str
    address: str
    policy: bool


def caller_of(claims: Mapping[str, object], caller: str) -> Caller:
    """The caller by an event's `claims` and its `caller` text (a user name, or an application's id)."""
    user_name, app_id = _claim(claims, _USER_NAME), _claim(claims, _APP_ID).lower()
    managed_identity = _claim(claims, _MANAGED_IDENTITY)
    return Caller(
        user_name=user_name,
        object_id=_claim(claims, _OBJECT_ID).lower(),
        app_id=app_id,
        is_person=_is_person(claims, caller),
        client=CLIENTS.get(app_id) or _identity_name(managed_identity),
        address=_claim(claims, _ADDRESS),
        policy=_POLICY_ASSIGNMENT in managed_identity.lower(),
    )


def text(value: object, most: int = _MOST_TEXT) -> str:
    """The value where it is text: printable and short, since it comes from outside and ends up in evidence."""
    return "".join(c for c in value if c.isprintable())[:most] if isinstance(value, str) else ""


def _is_person(claims: Mapping[str, object], caller: str) -> bool | None:
    kind = _claim(claims, _KIND).lower()
    if _claim(claims, _USER_NAME) or kind == "user" or "user_impersonation" in _claim(claims, _SCOPE).split():
        return True
    if kind == "app" or _claim(claims, _MANAGED_IDENTITY):
        return False
    if "@" in caller:
        return True
    # A token of an application alone names the application and carries neither a user name nor a delegated scope.
    return False if _claim(claims, _APP_ID) and not _claim(claims, _SCOPE) else None


def _identity_name(managed_identity: str) -> str:
    return f"managed identity {managed_identity.rstrip('/').rsplit('/', 1)[-1]}" if managed_identity else ""


def _claim(claims: Mapping[str, object], names: tuple[str, ...]) -> str:
    return next((found for found in (text(claims.get(name)) for name in names) if found), "")
