"""What the ARM adapters are told: cloud, endpoint, limits of one request. No import of the Azure SDK here.

Rules:
- The cloud is one of a literal table; endpoint, token scope and authority all follow from it.
- An endpoint of its own must be on this machine (loopback): a token for Azure is never sent anywhere else.
- With such an endpoint a given static token is used, never a real credential; without it, a static token is refused.

Source of the authorities: azure.identity.AzureAuthorityHosts; of the clouds: azure.core.AzureClouds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from driftguard.errors import BadConfiguration
from driftguard.flow.telemetry import NO_TELEMETRY, Telemetry
from driftguard.loopback import is_plain_address_here


@dataclass(frozen=True, slots=True)
class Cloud:
    """A national cloud: the name of its `AzureClouds` member, and the host that signs in."""

    sdk_name: str
    authority: str


CLOUDS_OF_ARM = {
    "public": Cloud("AZURE_PUBLIC_CLOUD", "login.microsoftonline.com"),
    "usgov": Cloud("AZURE_US_GOVERNMENT", "login.microsoftonline.us"),
    "china": Cloud("AZURE_CHINA_CLOUD", "login.chinacloudapi.cn"),
}


@dataclass(frozen=True, slots=True)
class ArmOptions:
    """How ARM is reached. Times in seconds, `max_body` in bytes after decompression.

    `endpoint`: another ARM on this machine, such as `http://127.0.0.1:8080`, which then needs `token`.
    `tenant`: the tenant to sign in to, where it is not the credential's own.
    `max_tries`: how often one GET is sent at most.
    `cache_folder`: where the api-versions of the providers are kept for a day; None: in memory only.
    Raises BadConfiguration for an unknown cloud or an endpoint that is not on this machine.
    """

    cloud: str = "public"
    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)
    tenant: str = ""
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    max_body: int = 10_000_000
    max_tries: int = 5
    cache_folder: Path | None = None
    telemetry: Telemetry = NO_TELEMETRY

    def __post_init__(self) -> None:
        if self.cloud not in CLOUDS_OF_ARM:
            raise BadConfiguration(f"unknown cloud {self.cloud!r}", f"use one of: {', '.join(CLOUDS_OF_ARM)}")
        if self.endpoint is None and self.token is not None:
            raise BadConfiguration(
                "a fixed ARM token is only for an ARM endpoint on this machine",
                "remove the token to sign in to Azure, or set the endpoint of the sandbox",
            )
        if self.endpoint is not None:
            _check_loopback(self.endpoint)
            if not self.token:
                raise BadConfiguration(
                    "an ARM endpoint on this machine needs a token of its own",
                    "set the token that the sandbox knows; a real sign-in is never sent there",
                )

    @property
    def cache_name(self) -> str:
        """A folder name for what is cached: the cloud, or host and port of an endpoint on this machine."""
        if self.endpoint is None:
            return self.cloud
        return "local-" + "".join(c if c.isalnum() else "-" for c in urlsplit(self.endpoint).netloc)


def _check_loopback(endpoint: str) -> None:
    if not is_plain_address_here(endpoint, "http", "https"):
        raise BadConfiguration(
            f"the ARM endpoint {endpoint[:200]!r} is not a plain address on this machine",
            "write it as http://127.0.0.1:PORT, or leave it out and choose a cloud",
        )
