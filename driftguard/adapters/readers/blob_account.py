"""How the accounts are reached whose blobs are guarded: signed in to Azure, or by a connection string of one account.

Rules:
- A connection string lets in to the account that it names and to no other. Nothing of it gets into a message.
- Plain http is for an emulator on this machine only.
- No redirect is followed, nothing is retried here, nothing logged.

Sources: learn.microsoft.com, "Configure Azure Storage connection strings", "Authorize access to blobs using Microsoft
Entra ID" (audiences).
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from driftguard.adapters.readers.arm_credential import Credential
from driftguard.adapters.readers.blob_transport import PIECE, new_session, new_transport
from driftguard.errors import BadConfiguration, WrongUse
from driftguard.flow.blob_url import BlobUrl
from driftguard.flow.telemetry import Telemetry
from driftguard.loopback import is_loopback

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

_SETTING = "DRIFTGUARD_BLOB_CONNECTION"
_NO_LOG = logging.getLogger("driftguard.blobs")
_NO_LOG.disabled = True


@dataclass(frozen=True, slots=True)
class Connection:
    """What a connection string says: the account, where its blobs are, and how to be let in."""

    account: str
    endpoint: str
    key: str | None = field(default=None, repr=False)
    sas: str | None = field(default=None, repr=False)


def connection_of(text: str) -> Connection:
    """What the string says; an endpoint that it does not name is empty. Raises BadConfiguration, without a part of it."""
    parts: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        name, _, value = part.partition("=")
        parts[name.strip().lower()] = value.strip()
    account, key, sas = parts.get("accountname", ""), parts.get("accountkey"), parts.get("sharedaccesssignature")
    if not account or not (key or sas):
        raise _wrong("names no account, or neither AccountKey nor SharedAccessSignature")
    endpoint = parts.get("blobendpoint", "").rstrip("/")
    if not endpoint and (suffix := parts.get("endpointsuffix")):
        endpoint = f"{parts.get('defaultendpointsprotocol', 'https')}://{account.lower()}.blob.{suffix}"
    if endpoint:
        _require_safe(endpoint)
    return Connection(account.lower(), endpoint, key, sas.removeprefix("?") if sas and not key else None)


class Accounts:
    """The SDK's clients, one for each account and version of the service; made when first asked for. Safe across threads."""

    def __init__(self, credential: Credential, connection: str | None, telemetry: Telemetry, connections: int) -> None:
        self._credential = credential
        self._connection = connection_of(connection) if connection else None
        self._telemetry = telemetry
        self._connections = connections
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], BlobServiceClient] = {}

    def require(self, url: BlobUrl) -> None:
        """Raises WrongUse for an account that the connection string does not let in to."""
        if self._connection and self._connection.account != url.account:
            raise WrongUse(
                f"{_SETTING} is of another account than {url.account}",
                f"name blobs of its own account, or unset {_SETTING} to sign in with Azure",
            )

    def client(self, url: BlobUrl, api_version: str) -> BlobServiceClient:
        """The client for an account. Raises WrongUse, and ValueError for a version that the SDK does not know."""
        self.require(url)
        with self._lock:
            key = (url.host, api_version)
            if key not in self._clients:
                self._clients[key] = self._new(url, api_version)
            return self._clients[key]

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _new(self, url: BlobUrl, api_version: str) -> BlobServiceClient:
        from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
        from azure.storage.blob import BlobServiceClient

        _be_quiet()
        told = self._connection
        endpoint = told.endpoint if told and told.endpoint else f"https://{url.host}"
        let_in: Any = self._credential
        if told and told.key:
            let_in = AzureNamedKeyCredential(told.account, told.key)
        elif told and told.sas:
            let_in = AzureSasCredential(told.sas)
        here = is_loopback(urlsplit(endpoint).hostname or "")
        return BlobServiceClient(
            endpoint,
            credential=let_in,
            api_version=api_version,
            audience="https://storage.azure.com" if url.cloud == "public" else f"https://{url.host}",
            transport=new_transport(new_session(self._connections, on_this_machine=here), self._count),
            max_single_get_size=PIECE,
            max_chunk_get_size=PIECE,
            retry_total=0,
            permit_redirects=False,
            logging_enable=False,
            logger=_NO_LOG,
        )

    def _count(self, asked: str, answer: str) -> None:
        self._telemetry.count("driftguard.blob.requests", kind=asked, answer=answer)


def _be_quiet() -> None:
    """Keep the SDK's own warnings off the standard error of a program that set up no logging."""
    logger = logging.getLogger("azure")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _require_safe(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        good = bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment or parts.username)
    except ValueError:
        good = False
    if not good:
        raise _wrong("has no address for blobs that can be used")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise _wrong("does not use https; plain http is for an emulator on this machine only")


def _wrong(what: str) -> BadConfiguration:
    return BadConfiguration(
        f"{_SETTING} {what}",
        f"copy the whole string from the account's access keys, or unset {_SETTING} to sign in with Azure",
    )
