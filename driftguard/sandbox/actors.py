"""Who calls: the bearer token names an actor of a literal table, whose claims go into the Activity Log.

Rules:
- A token is the actor's name (`pipeline`, `person-portal`); a person may be named: `person-portal:anna@contoso.com`.
- An unknown token is nobody: the call is answered with 401.
- `reader` may read; whatever it writes is answered with 403.

Application ids of first-party clients: entra-docs "Planning for mandatory multifactor authentication" and
"Verify first-party Microsoft applications in sign-in reports". Claims: Activity Log event schema.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from typing import Literal

PORTAL = "c44b4083-3bb0-49c1-b47d-974e53cbdf3c"
CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
POWERSHELL = "1950a258-227b-4e31-a9cf-717495945fc2"
POLICY_INSIGHTS = "1d78a85d-813d-46f0-b496-dd72f50a3ec0"
APP_SERVICE = "7ab7862c-4c57-491e-8a45-d52a7e023983"
PIPELINE = "aaaaaaaa-0001-4000-8000-000000000001"
OTHER_PIPELINE = "aaaaaaaa-0002-4000-8000-000000000002"
READER = "aaaaaaaa-0003-4000-8000-000000000003"
POLICY_IDENTITY = "aaaaaaaa-0004-4000-8000-000000000004"

_CLAIMS = "http://schemas.microsoft.com/identity/claims"
_UPN = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
_UPN_FORM = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,128}\Z")


@dataclass(frozen=True, slots=True)
class Actor:
    """A caller of ARM. `upn` is set for a person; `app_id` is the client application, `object_id` the principal."""

    token: str
    kind: Literal["User", "Application", "ManagedIdentity", "Platform"]
    app_id: str
    object_id: str
    upn: str = ""
    name: str = ""
    role: str = "Contributor"
    client_ip: str = ""
    may_write: bool = True
    managed_identity: str = ""
    category: str = "Administrative"

    @property
    def caller(self) -> str:
        """The Activity Log's `caller`: a person's user name, else the principal's object id."""
        if self.kind == "Platform":
            return self.name
        return self.upn or self.object_id

    @property
    def written_by(self) -> str:
        """What systemData names: user name, application id, or a managed identity's object id."""
        return self.app_id if self.kind == "Application" else self.caller

    def claims(self, tenant: str) -> dict[str, str]:
        """The token's claims as the Activity Log shows them."""
        if self.kind == "Platform":
            return {}
        claims = {
            "aud": "https://management.core.windows.net/",
            "iss": f"https://sts.windows.net/{tenant}/",
            "appid": self.app_id,
            "appidacr": "0" if self.upn else "2",
            "ipaddr": self.client_ip,
            f"{_CLAIMS}/objectidentifier": self.object_id,
            f"{_CLAIMS}/tenantid": tenant,
            "idtyp": "user" if self.upn else "app",
            "ver": "1.0",
        }
        if self.upn:
            claims |= {
                "name": self.name,
                _UPN: self.upn,
                f"{_CLAIMS}/scope": "user_impersonation",
                "http://schemas.microsoft.com/claims/authnmethodsreferences": "pwd,mfa",
            }
        if self.managed_identity:
            claims["xms_mirid"] = self.managed_identity
        return claims


def _person(token: str, app_id: str, upn: str, name: str) -> Actor:
    return Actor(token, "User", app_id, _object_id(upn), upn=upn, name=name, role="Owner", client_ip="203.0.113.17")


def _app(token: str, app_id: str, ip: str) -> Actor:
    return Actor(token, "Application", app_id, _object_id(app_id), client_ip=ip)


def _object_id(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "sandbox:" + text.lower()))


_POLICY_ASSIGNMENT = (
    "/subscriptions/11111111-1111-1111-1111-111111111111"
    "/providers/Microsoft.Authorization/policyAssignments/deploy-diagnostics"
)

ACTORS: dict[str, Actor] = {
    actor.token: actor
    for actor in (
        _person("person-portal", PORTAL, "rob@contoso.com", "Rob"),
        _person("person-cli", CLI, "rob@contoso.com", "Rob"),
        _person("person-powershell", POWERSHELL, "rob@contoso.com", "Rob"),
        _app("pipeline", PIPELINE, "198.51.100.10"),
        _app("other-pipeline", OTHER_PIPELINE, "198.51.100.20"),
        replace(_app("reader", READER, "198.51.100.30"), role="Reader", may_write=False),
        replace(_app("azure-policy", POLICY_IDENTITY, ""), kind="ManagedIdentity", managed_identity=_POLICY_ASSIGNMENT),
        _app("app-service", APP_SERVICE, ""),
        Actor("autoscale", "Platform", "", "", name="Microsoft.Insights/autoscaleSettings", category="Autoscale"),
    )
}
# Only inside the process: the platform does not call ARM with a token of its own.
NOT_BY_TOKEN = frozenset({"autoscale"})


def policy_insights(identity: Actor) -> Actor:
    """Who stands in the rows of category Policy beside a remediation: the policy service, for that identity."""
    return replace(identity, app_id=POLICY_INSIGHTS, category="Policy")


def actor_named(token: str) -> Actor | None:
    """The actor that a token or an `as_` names; None for an unknown one."""
    base, colon, upn = token.partition(":")
    actor = ACTORS.get(base)
    if actor is None or not colon:
        return actor
    if actor.kind != "User" or not _UPN_FORM.match(upn):
        return None
    name = upn.split("@")[0].replace(".", " ").title()
    return replace(actor, token=token, upn=upn, name=name, object_id=_object_id(upn))


def actor_of_header(authorization: str) -> Actor | None:
    """The actor of an `Authorization` header; None where there is none, or an unknown one."""
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or token in NOT_BY_TOKEN:
        return None
    return actor_named(token)
