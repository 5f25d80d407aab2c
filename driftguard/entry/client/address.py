"""Where the service is, and whether a token may be sent there.

Rules:
- A token goes to https, or to http on this machine; to nothing else.
- An address names a scheme, a host and a port only. What it must not hold (a password, a query) is not repeated in a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from driftguard.errors import BadConfiguration
from driftguard.loopback import is_loopback

_HOW = "write it as https://HOST, or http://127.0.0.1:PORT for a service on this machine"


@dataclass(frozen=True, slots=True)
class Address:
    """`base` is scheme, host and port without a slash at the end; `loopback`: the service is on this machine."""

    base: str
    loopback: bool


def service_address(text: str) -> Address:
    """The address that DRIFTGUARD_SERVER or --server names. Raises BadConfiguration."""
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise BadConfiguration("the address of the service has characters that an address cannot have", _HOW)
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise BadConfiguration("the address of the service cannot be read", _HOW) from None
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise BadConfiguration("the address of the service holds a user, a query or a fragment", _HOW)
    if parts.scheme not in ("https", "http") or not host:
        raise BadConfiguration("the address of the service is no http(s) address", _HOW)
    if parts.path not in ("", "/"):
        raise BadConfiguration("the address of the service has a path", _HOW)
    loopback = is_loopback(host)
    if parts.scheme == "http" and not loopback:
        raise BadConfiguration(f"the service at {host} is named with http: a token would be sent in the open", _HOW)
    shown_host = f"[{host}]" if ":" in host else host
    return Address(f"{parts.scheme}://{shown_host}{f':{port}' if port is not None else ''}", loopback)
