"""Anchors as blobs of a container in Azure Storage, best under a time-based immutability policy.

Rules:
- The container is made with its policy by whoever deploys, never here: one made by this process would be one it may empty.
- A blob is created only where there is none (`If-None-Match: *`); the answer 409 says that there is one.
- Nothing is imported or asked before the first call; a hanging account holds a scan up for a minute or two.
- Of an error only the service's own code is told, never its text; of a connection string nothing.

Sources: learn.microsoft.com/rest/api/storageservices/ put-blob, blob-service-error-codes and
naming-and-referencing-containers--blobs--and-metadata; learn.microsoft.com/azure/storage/blobs/immutable-storage-overview.
"""

from __future__ import annotations

import re
import threading
from builtins import list as List  # the port has a method `names`; the type is named as in the other ports
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from driftguard.adapters.anchors import limits
from driftguard.errors import BadConfiguration, DriftGuardError, Unavailable
from driftguard.flow.ports import Anchors
from driftguard.loopback import is_plain_address_here

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError
    from azure.storage.blob import ContainerClient

    from driftguard.adapters.readers.arm_credential import Credential

SUFFIXES = {"public": "core.windows.net", "usgov": "core.usgovcloudapi.net", "china": "core.chinacloudapi.cn"}

_ADDRESS = re.compile(r"azure://([a-z0-9]{3,24})/([a-z0-9](?:-?[a-z0-9]){2,})\Z")
_LONGEST_CONTAINER = 63
_THERE_IS_ONE = {"BlobAlreadyExists", "BlobImmutableDueToPolicy", "ConditionNotMet"}
_CODE = re.compile(r"[A-Za-z0-9]{1,60}\Z")
_CONNECT_SECONDS, _READ_SECONDS, _RETRIES = 10, 20, 2
_ROLE = (
    "give this identity the role Storage Blob Data Contributor on the container, and check the account's network rules"
)


class AzureAnchors(Anchors):
    """The port `Anchors` on `azure://ACCOUNT/CONTAINER`, by a connection string or else signed in.

    Raises BadConfiguration for an address that cannot be one. Every call raises Unavailable, and BadConfiguration where the
    container is not there or the connection string is of no use; `read` NotADocument for a blob that is too large.
    `retries` bounds how often one request is sent again.
    """

    def __init__(
        self,
        address: str,
        credential: Credential,
        *,
        cloud: str = "public",
        connection: str | None = None,
        retries: int = _RETRIES,
    ) -> None:
        found = _ADDRESS.match(address)
        if not found or len(found[2]) > _LONGEST_CONTAINER or cloud not in SUFFIXES:
            raise BadConfiguration(
                f"{address[:200]!r} is no place for anchors", "write azure://ACCOUNT/CONTAINER, or the path of a folder"
            )
        self.where = address
        self._account, self._container = found[1], found[2]
        self._credential = credential
        self._suffix = SUFFIXES[cloud]
        self._connection = connection
        self._retries = retries
        self._turn = threading.Lock()
        self._opened: ContainerClient | None = None

    def put_once(self, name: str, data: bytes) -> bool:
        limits.check_name(name)
        limits.check_size(data)
        with self._answers() as container:
            from azure.core.exceptions import HttpResponseError
            from azure.storage.blob import ContentSettings

            try:
                # An answer that was lost makes the client send it again, and meet its own blob: False then, as for any
                # other writer's. Who was refused reads what is there.
                container.upload_blob(
                    name, data, overwrite=False, content_settings=ContentSettings(content_type="application/json")
                )
            except HttpResponseError as error:
                if _code(error) in _THERE_IS_ONE:
                    return False
                raise
        return True

    def read(self, name: str) -> bytes | None:
        limits.check_name(name)
        with self._answers() as container:
            from azure.core.exceptions import ResourceNotFoundError

            try:
                stream = container.download_blob(name, max_concurrency=1)
            except ResourceNotFoundError as error:
                if _code(error) == "BlobNotFound":
                    return None
                raise
            if stream.size > limits.MOST_BYTES:
                raise limits.too_large(self.where, name)
            return bytes(stream.readall())

    def names(self) -> List[str]:
        with self._answers() as container:
            return sorted(name for name in container.list_blob_names() if limits.is_name(name))

    def close(self) -> None:
        with self._turn:
            if self._opened is not None:
                self._opened.close()
            self._opened = None

    @contextmanager
    def _answers(self) -> Iterator[ContainerClient]:
        from azure.core.exceptions import AzureError

        try:
            yield self._client()
        except AzureError as error:
            raise self._ours(error) from None

    def _client(self) -> ContainerClient:
        with self._turn:
            if self._opened is None:
                self._opened = self._connect()
            return self._opened

    def _connect(self) -> ContainerClient:
        from azure.storage.blob import ContainerClient, ExponentialRetry

        retry = ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=self._retries, random_jitter_range=1)
        options: dict[str, Any] = {
            "retry_policy": retry,
            "connection_timeout": _CONNECT_SECONDS,
            "read_timeout": _READ_SECONDS,
            # A whole anchor in one request: a second one could meet another state.
            "max_single_put_size": limits.MOST_BYTES,
            "max_single_get_size": limits.MOST_BYTES,
        }
        if self._connection is None:
            endpoint = f"https://{self._account}.blob.{self._suffix}"
            return ContainerClient(endpoint, self._container, self._credential, audience=endpoint, **options)
        return _by_connection(self._connection, self._account, self._container, options)

    def _ours(self, error: AzureError) -> DriftGuardError:
        code = _code(error)
        if code == "ContainerNotFound":
            return BadConfiguration(
                f"the container of the anchors {self.where} is not there",
                "make it with an immutability policy (deploy/ does), or set DRIFTGUARD_ANCHORS to the right one",
            )
        status = getattr(error, "status_code", None)
        if status in (401, 403):
            return Unavailable(f"the anchors {self.where} are not open to this identity ({status} {code})", _ROLE)
        told = " ".join(part for part in (str(status or ""), code or type(error).__name__) if part)
        return Unavailable(
            f"the anchors {self.where} could not be asked ({told})",
            "nothing was changed; what was to be anchored is anchored by a later scan",
        )


def _by_connection(connection: str, account: str, container: str, options: dict[str, Any]) -> ContainerClient:
    """By a connection string, of this account only. Raises BadConfiguration."""
    from azure.storage.blob import ContainerClient

    remedy = "set DRIFTGUARD_ANCHORS_CONNECTION to the connection string of that account, or leave it out to sign in"
    parts = dict(part.split("=", 1) for part in connection.split(";") if "=" in part)
    try:
        client: ContainerClient = ContainerClient.from_connection_string(connection, container, **options)
    except ValueError:
        raise BadConfiguration(f"the connection string for the anchors of {account} is malformed", remedy) from None
    if (parts.get("AccountName") or client.account_name) != account:
        client.close()
        raise BadConfiguration(f"the connection string for the anchors is not of the account {account}", remedy)
    address = urlsplit(client.primary_endpoint)
    if address.scheme != "https" and not is_plain_address_here(f"{address.scheme}://{address.netloc}", "http"):
        client.close()
        raise BadConfiguration(
            f"the connection string for the anchors of {account} asks for http, which others can read", remedy
        )
    return client


def _code(error: AzureError) -> str:
    """The service's error code, such as BlobAlreadyExists; empty where there is none of that form."""
    code = getattr(error, "error_code", None)
    text = str(getattr(code, "value", code) or "")
    return text if _CODE.match(text) else ""
