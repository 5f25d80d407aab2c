"""The connection string of Application Insights: whose telemetry it is, and where it is sent.

Rules:
- Only key and ingestion endpoint are taken from it: no live metrics, no sign-in, nothing else that it may ask for.
- It is sent by https only; plain http is for an endpoint on this machine.
- An error says what is wrong with the form and never quotes the text: the key is in it.

Source: learn.microsoft.com/azure/azure-monitor/app/connection-strings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from driftguard.errors import BadConfiguration
from driftguard.loopback import is_plain_address_here

_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_DEFAULT_ENDPOINT = "https://dc.services.visualstudio.com"
_REMEDY = "copy it again from the Application Insights resource: InstrumentationKey=…;IngestionEndpoint=https://…"


@dataclass(frozen=True, slots=True)
class Connection:
    """The key of the Application Insights resource, and the address that takes its telemetry."""

    key: str = field(repr=False)
    endpoint: str

    @property
    def text(self) -> str:
        """As a connection string that says this and nothing else."""
        return f"InstrumentationKey={self.key};IngestionEndpoint={self.endpoint}"


def read_connection(text: str) -> Connection:
    """What the connection string says. Raises BadConfiguration."""
    parts = [part.partition("=") for part in text.strip().strip(";").split(";")]
    said = {name.strip().lower(): value.strip() for name, _, value in parts}
    key = said.get("instrumentationkey", "").lower()
    if not _KEY.match(key):
        raise BadConfiguration("APPLICATIONINSIGHTS_CONNECTION_STRING names no instrumentation key", _REMEDY)
    endpoint = (said.get("ingestionendpoint") or _by_suffix(said)).rstrip("/")
    if not _is_safe(endpoint):
        raise BadConfiguration(
            "APPLICATIONINSIGHTS_CONNECTION_STRING names an ingestion endpoint that is no plain https address", _REMEDY
        )
    return Connection(key, endpoint)


def _by_suffix(said: dict[str, str]) -> str:
    suffix, location = said.get("endpointsuffix"), said.get("location")
    if not suffix:
        return _DEFAULT_ENDPOINT
    return f"https://{location}.dc.{suffix}" if location else f"https://dc.{suffix}"


def _is_safe(endpoint: str) -> bool:
    if is_plain_address_here(endpoint, "http", "https"):
        return True
    try:
        parts = urlsplit(endpoint)
        parts.port  # noqa: B018  # reason: it raises where the address names no port that there is
    except ValueError:
        return False
    plain = parts.path in ("", "/") and not (parts.query or parts.fragment or "@" in parts.netloc)
    return parts.scheme == "https" and bool(re.fullmatch(r"[A-Za-z0-9.-]+", parts.hostname or "")) and plain
