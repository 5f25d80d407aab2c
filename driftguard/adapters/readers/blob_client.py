"""Requests for blobs through the SDK, each within a deadline: what came, or why nothing did.

Rules:
- What is tried again, and after how long, is the same as for Azure Resource Manager: `arm_retry.py`.
- A sign-in that is refused is raised, because it is wrong for everything that follows; every other answer is returned.
- Of an error only status and the service's own code are told, never its text: that quotes what was sent.
- A blob that is written while it is read in pieces is in flight: its pieces are of two states. So is one of which another
  number of bytes came than the answer says that it has.

Sources: learn.microsoft.com/rest/api/storageservices/ get-blob, get-blob-tags, list-blobs, blob-service-error-codes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from driftguard.adapters.readers.arm_answers import Answer, Failure, described, error_code
from driftguard.adapters.readers.arm_retry import seconds_before_retry
from driftguard.adapters.readers.arm_transport import out_of_time
from driftguard.adapters.readers.blob_account import Accounts
from driftguard.adapters.readers.blob_content import MOST_DIGESTED, MOST_JSON, Got
from driftguard.adapters.readers.blob_transport import NotOfStorage, names_in, within
from driftguard.errors import Unavailable
from driftguard.flow.blob_url import BlobUrl
from driftguard.flow.ports import Clock
from driftguard.flow.reading import Cause

MOST_TRIES = 5
PAGE = 5000  # names that a list answers at once, at most
_NOT_OURS = frozenset({"AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation"})
_ARCHIVED = "BlobArchived"
_T = TypeVar("_T")


class BlobClient:
    """Asks for blobs and containers. Safe across threads."""

    def __init__(self, accounts: Accounts, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock

    def get(self, url: BlobUrl, api_version: str, deadline: float) -> Got | Answer | Failure:
        """The blob; or the answer that refuses it. `deadline` in monotonic seconds of the clock. Raises Unavailable."""
        got = self._tried(lambda left: self._download(url, api_version, deadline, left), deadline)
        if isinstance(got, Answer) and error_code(got) == _ARCHIVED:
            got = self._tried(lambda left: self._properties(url, api_version, left), deadline)
        if isinstance(got, Got) and got.header("x-ms-tag-count") not in ("", "0"):
            return self._with_tags(got, url, api_version, deadline)
        return got

    def container(self, url: BlobUrl, api_version: str, deadline: float) -> Answer | Failure:
        """The answer to asking for the container itself. Raises Unavailable."""

        def ask(left: Mapping[str, Any]) -> Answer:
            seen = _Seen()
            client = self._accounts.client(url, api_version).get_container_client(url.container)
            client.get_container_properties(raw_response_hook=seen, **left)
            return Answer(seen.status, {name.lower(): value for name, value in seen.headers.items()}, b"")

        return self._tried(ask, deadline)

    def names(self, url: BlobUrl, api_version: str, after: str, deadline: float) -> tuple[list[str], str] | Failure:
        """One page of the names in a container, and what to go on after; empty at the end. Raises Unavailable."""

        def ask(left: Mapping[str, Any]) -> tuple[list[str], str]:
            client = self._accounts.client(url, api_version).get_container_client(url.container)
            seen = _Seen()
            listed = client.list_blob_names(results_per_page=PAGE, raw_response_hook=seen, **left)
            pages: Any = listed.by_page(after or None)
            next(pages, None)
            return names_in(seen.body), pages.continuation_token or ""

        told = self._tried(ask, deadline)
        return Failure(cause_of(told), described(told)) if isinstance(told, Answer) else told

    def _download(self, url: BlobUrl, api_version: str, deadline: float, left: Mapping[str, Any]) -> Got | Failure:
        seen = _Seen()
        client = self._accounts.client(url, api_version).get_blob_client(url.container, url.blob)
        stream = client.download_blob(max_concurrency=1, raw_response_hook=seen, **left)
        if stream.size > MOST_DIGESTED:
            return Got(seen.headers, stream.size, unread=f"it is larger than {MOST_DIGESTED} bytes", tags={})
        digest, kept, received = hashlib.sha256(), bytearray(), 0
        for piece in stream.chunks():
            if self._clock.monotonic() > deadline:
                return out_of_time()
            digest.update(piece)
            if stream.size <= MOST_JSON:
                kept += piece
            received += len(piece)
        if not received == stream.size == seen.size:
            return Failure(Cause.IN_FLIGHT, f"{received} bytes came of a blob that is said to have {seen.size}")
        content = bytes(kept) if stream.size <= MOST_JSON else None
        return Got(seen.headers, stream.size, content, digest.hexdigest(), tags={})

    def _properties(self, url: BlobUrl, api_version: str, left: Mapping[str, Any]) -> Got:
        seen = _Seen()
        client = self._accounts.client(url, api_version).get_blob_client(url.container, url.blob)
        size = client.get_blob_properties(raw_response_hook=seen, **left).size
        return Got(seen.headers, size, unread="it is archived", tags={})

    def _with_tags(self, got: Got, url: BlobUrl, api_version: str, deadline: float) -> Got | Answer | Failure:
        def ask(left: Mapping[str, Any]) -> dict[str, str]:
            client = self._accounts.client(url, api_version).get_blob_client(url.container, url.blob)
            return dict(client.get_blob_tags(**left))

        tags = self._tried(ask, deadline)
        if isinstance(tags, Answer) and tags.status == 403:  # a role that reads blobs need not read tags
            return Got(got.headers, got.size, got.content, got.digest, got.unread, None)
        if isinstance(tags, Answer | Failure):
            return tags
        return Got(got.headers, got.size, got.content, got.digest, got.unread, tags)

    def _tried(self, ask: Callable[[Mapping[str, Any]], _T], deadline: float) -> _T | Answer | Failure:
        outcome: _T | Answer | Failure = out_of_time()
        for attempt in range(1, MOST_TRIES + 1):
            left = deadline - self._clock.monotonic()
            if left <= 0:
                return outcome
            outcome = _answered(ask, left)
            if not isinstance(outcome, Answer | Failure):
                return outcome
            _require_signed_in(outcome)
            wait = seconds_before_retry(outcome, attempt, self._clock.now())
            if wait is None or attempt == MOST_TRIES or self._clock.monotonic() + wait >= deadline:
                return outcome
            self._clock.sleep(wait)
        return outcome


class _Seen:
    """Keeps status and headers of the last answer before a blob's further pieces: the one that a blob is told by."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    def __call__(self, response: Any) -> None:
        if self.status not in (200, 206):
            self.status = response.http_response.status_code
            self.headers = dict(response.http_response.headers.items())
            self.body = response.http_response.body()

    @property
    def size(self) -> int:
        """How many bytes the blob has, as the headers say; -1 where they do not."""
        told = {name.lower(): value for name, value in self.headers.items()}
        size = told.get("content-range", "").rpartition("/")[2] or told.get("content-length", "")
        return int(size) if size.isascii() and size.isdecimal() else -1


def cause_of(answer: Answer) -> Cause:
    """Why an answer tells no state."""
    code = error_code(answer)
    if answer.status == 412 or code in ("BlobBeingRehydrated", "ContainerBeingDeleted", "PendingCopyOperation"):
        return Cause.IN_FLIGHT
    if answer.status == 403:
        return Cause.FORBIDDEN
    if answer.status == 429 or code == "ServerBusy":
        return Cause.THROTTLED
    if answer.status == 408 or code == "OperationTimedOut":
        return Cause.TIMEOUT
    return Cause.SERVER_ERROR if answer.status >= 500 else Cause.REFUSED


def _answered(ask: Callable[[Mapping[str, Any]], _T], left: float) -> _T | Answer | Failure:
    from azure.core.exceptions import (
        AzureError,
        HttpResponseError,
        ServiceRequestError,
        ServiceRequestTimeoutError,
        ServiceResponseError,
        ServiceResponseTimeoutError,
    )

    try:
        with within(left):
            return ask({"timeout": max(1, min(30, int(left)))})  # the server's own, in whole seconds
    except (ServiceRequestTimeoutError, ServiceResponseTimeoutError):
        return Failure(Cause.TIMEOUT, "the storage account did not answer in time")
    except (ServiceRequestError, ServiceResponseError) as error:
        inner = error.inner_exception or error
        return Failure(Cause.NO_CONNECTION, f"no connection to the storage account ({type(inner).__name__})")
    except HttpResponseError as error:
        response: Any = error.response  # the type that the SDK states for it has no headers
        if response is None or response.status_code < 300:
            return Failure(Cause.NOT_JSON, "only a part of the answer came")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, b"")
    except AzureError as error:
        return Failure(Cause.REFUSED, f"the answer could not be read ({type(error).__name__})")
    except NotOfStorage as error:
        return Failure(Cause.REFUSED, f"the answer cannot be used: {error}")
    except ValueError:  # a header that is missing or malformed, or a version that the SDK does not know
        return Failure(
            Cause.REFUSED, "the answer is none of blob storage, or the version of the service is not known here"
        )


def _require_signed_in(outcome: Answer | Failure) -> None:
    if isinstance(outcome, Answer) and (outcome.status == 401 or error_code(outcome) in _NOT_OURS):
        raise Unavailable(
            f"the storage account refused the sign-in ({described(outcome)})",
            "sign in as somebody with the role Storage Blob Data Reader on the container, or check "
            "DRIFTGUARD_BLOB_CONNECTION and this machine's clock",
        )
