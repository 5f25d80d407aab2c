"""Where tokens come from: the identity provider's addresses and issuers, one row a cloud.

Rules:
- The cloud is one of a literal table; issuers and the address of the keys follow from it and the tenant, never from a token.
- An authority of its own is for trying things out: plain http on this machine, and nothing else.

Sources: the identity platform's pages on national clouds (authorities) and the openid-configuration of each cloud (v1 issuers).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from driftguard.errors import BadConfiguration
from driftguard.loopback import is_plain_address_here

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Cloud:
    """`authority` signs in and publishes the keys; `v1_issuer` is the issuer of tokens of version 1, without the tenant."""

    authority: str
    v1_issuer: str


CLOUDS = {
    "public": Cloud("https://login.microsoftonline.com", "https://sts.windows.net"),
    "usgov": Cloud("https://login.microsoftonline.us", "https://sts.windows.net"),
    "china": Cloud("https://login.partner.microsoftonline.cn", "https://sts.chinacloudapi.cn"),
}


@dataclass(frozen=True, slots=True)
class Authority:
    """The identity provider of one tenant: `issuers` that its tokens may name, and `keys`, the address of its public keys."""

    issuers: tuple[str, ...]
    keys: str

    @staticmethod
    def of(tenant: str, cloud: str = "public", override: str | None = None) -> Authority:
        """The authority of a tenant. Raises BadConfiguration for an unknown cloud, or an override that is not on this machine."""
        if cloud not in CLOUDS:
            raise BadConfiguration(f"unknown cloud {cloud!r}", f"use one of: {', '.join(CLOUDS)}")
        known = CLOUDS[cloud]
        base = known.authority if override is None else _on_this_machine(override)
        return Authority(
            issuers=(f"{base}/{tenant}/v2.0", f"{known.v1_issuer}/{tenant}/"),
            keys=f"{base}/{tenant}/discovery/v2.0/keys",
        )


def is_guid(text: object) -> bool:
    """Whether it is a text of the form of the ids that the identity provider gives."""
    return isinstance(text, str) and _GUID.fullmatch(text) is not None


def _on_this_machine(override: str) -> str:
    """The override without a slash at its end. Raises BadConfiguration."""
    if not is_plain_address_here(override, "http"):
        raise BadConfiguration(
            "DRIFTGUARD_AUTH_AUTHORITY is not a plain http address on this machine",
            "leave it out for the identity provider of the cloud, or write http://127.0.0.1:PORT to try things out",
        )
    return f"http://{urlsplit(override).netloc}"
