"""What a reader brings back for one resource: the state as answered, or why there is none.

Rules:
- Every wanted resource gets exactly one reading; what could not be read is `UNREADABLE` with a cause, never left out.
- `MISSING` means that the resource is gone while its scope answers; `GROUP_MISSING` that what holds it is gone: its resource
  group or container.
- A reading's body still holds secrets: it lives in memory only, and is sealed (`secrets.py`) before anything is stored.
- ETags are kept from the three places where they stand and compared without `W/` and quotes
  (Microsoft.Network/ipGroups has the header quoted and the body bare: facts of recorded traffic).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from driftguard.flow.resource import ResourceRef

Json = Any  # what json.loads gives: dict, list, str, int, float, bool or None, nested


class Outcome(StrEnum):
    """How a read ended."""

    FOUND = "found"
    MISSING = "missing"
    GROUP_MISSING = "group missing"
    UNREADABLE = "unreadable"


class Cause(StrEnum):
    """Why a resource could not be judged. Part of a halt's digest, so the words stay stable."""

    FORBIDDEN = "forbidden"
    THROTTLED = "throttled"
    SERVER_ERROR = "server error"
    TIMEOUT = "timeout"
    NO_CONNECTION = "no connection"
    NOT_JSON = "not JSON"
    TOO_LARGE = "too large"
    REFUSED = "refused"
    IN_FLIGHT = "in flight"
    OUT_OF_TIME = "out of time"
    NOT_THERE = "not there"


@dataclass(frozen=True, slots=True)
class ETags:
    """The ETag where it stood: response header, body `etag`/`eTag`, `properties.etag`/`properties.eTag`; text as sent."""

    header: str | None = None
    body: str | None = None
    properties: str | None = None

    def normal(self) -> str | None:
        """The comparable form: header, else body, else properties, without `W/` and quotes; None where there is none."""
        for text in (self.header, self.body, self.properties):
            if text:
                return text.removeprefix("W/").strip().strip('"')
        return None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A resource to read; `api_version` is the baseline's, or None to let the reader choose one for a new baseline."""

    ref: ResourceRef
    api_version: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer for one resource. `at` is the server's `Date` header (UTC), or the local time where it had none.

    `body` is set for FOUND only. `cause` and `detail` are set for UNREADABLE: `detail` is one line for a person
    with the service's error code, free of bodies and secrets.
    """

    ref: ResourceRef
    api_version: str
    outcome: Outcome
    at: datetime
    body: dict[str, Json] | None = None
    etags: ETags = ETags()
    request_id: str | None = None
    correlation_id: str | None = None
    status: int | None = None
    cause: Cause | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Members:
    """What a scope (resource group, subscription or container) lists.

    `complete` is False where a page failed; `detail` and `cause` say why. `cause` is None where rows could not be read.
    """

    scope: ResourceRef
    refs: tuple[ResourceRef, ...]
    complete: bool
    detail: str = ""
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """An ARM deployment: its state (`Succeeded`, `Failed`, `Running` …), correlation id and what it output."""

    ref: ResourceRef
    state: str
    correlation_id: str | None
    resources: tuple[ResourceRef, ...]
    at: datetime
    detail: str = ""
