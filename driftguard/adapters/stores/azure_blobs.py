"""The blobs of a store in one container of Azure Storage.

Rules:
- A blob is created by one request that fails where it exists (If-None-Match: *). Azure answers 409 then, and at times 412.
- Each put has an id, which stands in the blob's metadata: one whose answer was lost knows its own blob again.
- A blob is read whole or not at all.
- Names that are no key's form are not ours, and are left out of lists; a blob without a name is damage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from driftguard.adapters.stores import azure_keys, azure_limits
from driftguard.adapters.stores.azure_errors import Asking, Refused, Unanswered, attempt
from driftguard.adapters.stores.azure_pages import all_pages

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_PUT = "put"
_EXISTS = frozenset({"BlobAlreadyExists", "ConditionNotMet", "LeaseIdMissing", "UnauthorizedBlobOverwrite"})
_NO_BLOB = "BlobNotFound"
_AT_ONCE = 256  # the most operations that Azure takes in a batch
_GONE = frozenset({200, 202, 404})


class Blobs:
    """The blobs. Threads may share it. Every call raises StoreUnavailable, BadConfiguration, WrongUse."""

    def __init__(self, client: ContainerClient, asking: Asking, new_id: Callable[[], str]) -> None:
        self._client = client
        self._asking = asking
        self._new_id = new_id

    def put_once(self, key: str, data: bytes) -> bool:
        """Store a blob under a new key; False, and nothing changed, where the key exists already."""
        name, put_id = _name(key), self._new_id()

        def request() -> bool:
            self._client.upload_blob(name, data, length=len(data), overwrite=False, metadata={_PUT: put_id})
            return True

        def refused(refusal: Refused, unsure: bool) -> bool:
            if refusal.code not in _EXISTS:
                raise self._asking.error(refusal)
            return unsure and self._is_of(name, put_id)

        return self._asking.ask(request, when_refused=refused)

    def read(self, key: str) -> bytes | None:
        """The blob, or None."""
        name = _name(key)

        def request() -> bytes | None:
            answer = self._client.download_blob(name, max_concurrency=1)
            data = answer.readall()
            if len(data) != answer.size:
                raise Unanswered("half a blob")
            return data

        def nothing(refusal: Refused, _unsure: bool) -> None:
            if refusal.code != _NO_BLOB:
                raise self._asking.error(refusal)

        return self._asking.ask(request, when_refused=nothing)

    def keys(self, prefix: str) -> list[str]:
        """The keys that start with `prefix`, sorted."""
        starts_with = azure_keys.blob_name(prefix) or None
        pages = all_pages(
            self._asking, lambda: self._client.list_blob_names(name_starts_with=starts_with), self._refused
        )
        names = [name for page in pages for name in page]
        if not all(isinstance(name, str) for name in names):  # the SDK makes None of a blob without a name
            raise self._asking.damaged()
        return sorted(key for key in map(_key, names) if key is not None and key.startswith(prefix))

    def forget(self, keys: Sequence[str]) -> None:
        """Remove blobs; one that is not there is no error."""
        names = list(dict.fromkeys(map(_name, keys)))
        for start in range(0, len(names), _AT_ONCE):
            self._remove(names[start : start + _AT_ONCE])

    def _remove(self, names: Sequence[str]) -> None:
        def one() -> None:
            self._client.delete_blob(names[0], delete_snapshots="include")

        def many() -> None:
            answers = self._client.delete_blobs(*names, delete_snapshots="include", raise_on_any_failure=False)
            statuses = [(answer.status_code, str(answer.headers.get("x-ms-error-code") or "")) for answer in answers]
            if len(statuses) != len(names):
                raise Unanswered("half an answer")
            for status, code in statuses:
                if status >= 500:
                    raise Unanswered(f"{status} {code}".strip(), status)
                if status not in _GONE:
                    raise Refused(status, code)

        def refused(refusal: Refused, _unsure: bool) -> None:
            if refusal.code != _NO_BLOB:
                raise self._asking.error(refusal)

        self._asking.ask(one if len(names) == 1 else many, when_refused=refused)

    def _is_of(self, name: str, put_id: str) -> bool:
        """Whether the blob is the one of this put. Raises Unanswered where that shows only after another try."""
        try:
            found = attempt(lambda: self._client.get_blob_client(name).get_blob_properties())
        except Refused as refusal:
            if refusal.status == 404:  # removed meanwhile: whose it was cannot be seen any more
                raise Unanswered("a blob that came and went") from None
            raise self._asking.error(refusal) from None
        return dict(found.metadata or {}).get(_PUT) == put_id

    def _refused(self, refusal: Refused) -> list[str]:
        raise self._asking.error(refusal)


def _name(key: str) -> str:
    name = azure_keys.blob_name(key)
    azure_limits.check_blob_name(key, name)
    return name


def _key(name: str) -> str | None:
    try:
        return azure_keys.blob_key(name)
    except ValueError:
        return None
