"""Whether a host is this machine: what is sent there leaves it to nobody."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own; a name other than localhost never is."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_plain_address_here(address: str, *schemes: str) -> bool:
    """Whether it is scheme, host and port of this machine and nothing more: no user, path, query or fragment."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port  # .port raises ValueError where it is no number
    except ValueError:
        return False
    plain = parts.path in ("", "/") and not (parts.query or parts.fragment or "@" in parts.netloc)
    return parts.scheme in schemes and plain and bool(host) and is_loopback(host or "")
