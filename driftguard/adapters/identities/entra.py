"""Microsoft Entra ID: who presents an access token that was issued for this service.

Rules:
- Only RS256 counts, whatever the token asks for; the keys come from the tenant's own address, never from one in the token.
- Audience, issuer, tenant, end and beginning must fit; the clock may be off by a minute. The ids must be there.
- The kind is told by what only that kind has: `idtyp` is `app` and there is no `scp` (an application), or there is a `scp`
  and `idtyp` is not of an application (a person). Both, or neither as in an ID token: nobody.
- Roles that are not ours count for nothing. Where there are too many groups to be told, that is known of the caller.
- No text of a token gets into a message.

Source of the claims: the identity platform's references of access token claims and of optional claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from driftguard.adapters.identities.authority import Authority, is_guid
from driftguard.adapters.identities.keys import SigningKeys
from driftguard.errors import BadConfiguration, NotSignedIn
from driftguard.flow.access import Caller, Role
from driftguard.flow.review import Person

if TYPE_CHECKING:
    from jwt import PyJWK

ALGORITHM = "RS256"
LEEWAY_SECONDS = 60.0
LONGEST_TOKEN = 16_384
"""Characters. A token with as many groups as are told has about 10,000."""
_SIGN_IN = "sign in again, for this service"
# The directory's own name goes first: the Activity Log tells it too, and four eyes compare names beside object ids. Whoever
# starts a run is often known by the mail address instead, so that all names of the token count.
_NAMES = ("upn", "preferred_username", "unique_name", "email")
_GUEST = "#ext#"  # between a guest's own mail address, with `_` for its `@`, and the directory
_LONGEST_NAME = 256


class Entra:
    """The port `Identities` for the tokens of one tenant that are issued for one of `audiences`. Safe across threads.

    `override` is an identity provider on this machine (Authority.of). Raises BadConfiguration for what cannot be meant.
    """

    name = "Microsoft Entra ID"

    def __init__(
        self,
        tenant: str,
        audiences: Sequence[str],
        *,
        cloud: str = "public",
        override: str | None = None,
        keys: SigningKeys | None = None,
    ) -> None:
        if not is_guid(tenant):
            raise BadConfiguration(
                "the tenant whose tokens are accepted is no GUID",
                "set DRIFTGUARD_AUTH_TENANT to the tenant's id, such as 11111111-2222-3333-4444-555555555555",
            )
        if not audiences or not all(audiences):
            raise BadConfiguration(
                "no audience is named, so tokens for any other application would be accepted",
                "set DRIFTGUARD_AUTH_AUDIENCE to the application (client) id of the service, and its api://… address",
            )
        self._tenant = tenant.lower()
        self._audiences = tuple(audiences)
        self._authority = Authority.of(self._tenant, cloud, override)
        self._keys = keys or SigningKeys(self._authority.keys)

    def caller(self, credential: str) -> Caller:
        """Who was issued this token. Raises NotSignedIn where it proves nobody, Unavailable where it cannot be told."""
        claims = self._claims(credential, self._keys.find(_key_id(credential)))
        _require_id(claims, "tid", "of a tenant", self._tenant)
        object_id = _require_id(claims, "oid", "of who signed in")
        is_person = _is_person(claims)
        app_id = "" if is_person else _require_id(claims, "azp" if "azp" in claims else "appid", "of the application")
        names = () if app_id else _names(claims)
        return Caller(
            # A person is not the client that they signed in through: two people may use the same one.
            person=Person(app_id or next(iter(names), ""), object_id, app_id, aliases=names[1:]),
            is_person=is_person,
            roles=frozenset(Role(text) for text in _texts(claims, "roles") if text in set(Role)),
            groups=frozenset(text.lower() for text in _texts(claims, "groups") if is_guid(text)),
            all_groups=not _has_more_groups(claims),
        )

    def _claims(self, token: str, key: PyJWK) -> Mapping[str, Any]:
        """The claims of a token that is signed with the key, and meant for us and for now."""
        import jwt

        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audiences,
                issuer=self._authority.issuers,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "aud", "iss"], "enforce_minimum_key_length": True},
            )
        except jwt.ExpiredSignatureError:
            raise NotSignedIn("the token has expired", _SIGN_IN) from None
        except jwt.ImmatureSignatureError:
            raise NotSignedIn("the token is not valid yet", "compare the clocks of both machines") from None
        except jwt.InvalidAudienceError:
            raise NotSignedIn("the token is for another application", _SIGN_IN) from None
        except jwt.InvalidIssuerError:
            raise NotSignedIn("the token is of another issuer or tenant", _SIGN_IN) from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise NotSignedIn("the token is not valid", _SIGN_IN) from None
        if not isinstance(claims["aud"], str):
            raise NotSignedIn("the token is for several applications at once", _SIGN_IN)
        return claims


def _key_id(token: str) -> str:
    """The id of the key that the token says it is signed with; nothing of it is believed yet. Raises NotSignedIn."""
    import jwt

    if len(token) > LONGEST_TOKEN:
        raise NotSignedIn(f"the token is longer than {LONGEST_TOKEN:,} characters", _SIGN_IN)
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise NotSignedIn("the token is no JSON web token", _SIGN_IN) from None
    if header.get("alg") != ALGORITHM:
        raise NotSignedIn(f"the token is not signed with {ALGORITHM}", _SIGN_IN)
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise NotSignedIn("the token does not say which key it is signed with", _SIGN_IN)
    return key_id


def _require_id(claims: Mapping[str, Any], claim: str, of: str, wanted: str = "") -> str:
    """The claim's id in lower case. Raises NotSignedIn where it is none, or not the one that is wanted."""
    text = claims.get(claim)
    if not isinstance(text, str) or not is_guid(text):
        raise NotSignedIn(f"the token has no id {of} ({claim})", _SIGN_IN)
    if wanted and text.lower() != wanted:
        raise NotSignedIn("the token is of another issuer or tenant", _SIGN_IN)
    return text.lower()


def _is_person(claims: Mapping[str, Any]) -> bool:
    """Whether a person signed in, and not an application on its own. Raises NotSignedIn where that cannot be told."""
    kind, scopes = claims.get("idtyp"), claims.get("scp")
    if kind == "app" and "scp" not in claims:
        return False
    if kind in (None, "user") and isinstance(scopes, str) and scopes.strip():
        return True
    raise NotSignedIn(
        "the token does not tell whether a person or an application signed in",
        "request an access token for this service; let its app registration send the optional claim idtyp",
    )


def _names(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """What people know the person by, the directory's own name first; none of it proves anything."""
    texts = (claims.get(claim) for claim in _NAMES)
    names = [text for text in texts if isinstance(text, str) and 0 < len(text) <= _LONGEST_NAME]
    return tuple(dict.fromkeys([*names, *filter(None, map(_home_address, names))]))


def _home_address(name: str) -> str:
    """The mail address of a guest, of which the directory makes the user name; empty for anybody else's."""
    own, of_guest, _ = name.lower().partition(_GUEST)
    local, at, domain = own.rpartition("_")
    return f"{local}@{domain}" if of_guest and at and local and "." in domain else ""


def _texts(claims: Mapping[str, Any], claim: str) -> list[str]:
    """The claim's list of texts, empty where it is not there. Raises NotSignedIn where it is anything else."""
    texts = claims.get(claim, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise NotSignedIn(f"the token's {claim} are no list of texts", _SIGN_IN)
    return texts


def _has_more_groups(claims: Mapping[str, Any]) -> bool:
    """Whether the identity provider says that there are more groups than a token can hold."""
    elsewhere = claims.get("_claim_names")
    return bool(claims.get("hasgroups")) or (isinstance(elsewhere, dict) and "groups" in elsewhere)
