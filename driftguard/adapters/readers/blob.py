"""Reads blobs of Azure Storage as guarded resources.

Rules:
- Nothing is imported or asked before the first read.
- A blob costs one request where it is no larger than a few megabytes and has no tags.
- "Missing" is believed only after its container was read in the same call.
- A sign-in that is wrong ends the whole call; trouble with one blob never does.
- A ref of another kind or cloud, or of an account that the connection string is not of, is refused before anything is asked.
- The version of the service is kept with what was read, and asked for again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from driftguard.adapters.readers.arm_answers import Answer, Failure, unreadable
from driftguard.adapters.readers.arm_credential import Credential
from driftguard.adapters.readers.arm_transport import out_of_time
from driftguard.adapters.readers.blob_account import Accounts
from driftguard.adapters.readers.blob_answers import read_blob
from driftguard.adapters.readers.blob_client import BlobClient
from driftguard.adapters.readers.once import Once
from driftguard.adapters.readers.pooled import pooled
from driftguard.errors import OtherScope, WrongUse
from driftguard.flow.blob_url import parse_blob_url, url_of
from driftguard.flow.ports import Clock, Reader
from driftguard.flow.reading import Cause, Deployment, Members, Outcome, Reading, Wanted
from driftguard.flow.resource import BLOB_TYPE, CONTAINER_TYPE, ResourceRef, holder_of, parse_ref
from driftguard.flow.telemetry import NO_TELEMETRY, Telemetry

API_VERSION = "2025-05-05"  # of the service, for what is read for the first time
LIST_SECONDS = 300.0
WORKERS = 16


class BlobReader(Reader):
    """The Reader of kind `blob`. `close` gives the connections back. Raises BadConfiguration for a malformed `connection`."""

    def __init__(
        self,
        credential: Credential,
        clock: Clock,
        *,
        cloud: str = "public",
        connection: str | None = None,
        telemetry: Telemetry = NO_TELEMETRY,
        workers: int = WORKERS,
    ) -> None:
        self._accounts = Accounts(credential, connection, telemetry, workers)
        self._client = BlobClient(self._accounts, clock)
        self._clock = clock
        self._cloud = cloud
        self._workers = workers

    def read(self, wanted: Iterable[Wanted], *, budget: float) -> Iterator[Reading]:
        """One reading per wanted blob, in the order of arrival; `budget` in seconds for all of them.

        Raises OtherScope (another cloud), Unavailable (no sign-in), WrongUse (another kind or account, a container).
        """
        deadline = self._clock.monotonic() + budget
        containers: Once[str, Answer | Failure] = Once()
        return pooled(
            map(self._checked, wanted),
            lambda one: self._read_one(one, containers, deadline),
            self._left_over,
            clock=self._clock,
            deadline=deadline,
            workers=self._workers,
        )

    def members(self, scope: ResourceRef) -> Members:
        """The blobs of a container, without snapshots, versions and deleted ones.

        Raises OtherScope, Unavailable (sign-in), WrongUse (no container).
        """
        self._check(scope, CONTAINER_TYPE, "name a container: https://{account}.blob.core.windows.net/{container}")
        container, deadline = parse_blob_url(scope.id), self._clock.monotonic() + LIST_SECONDS
        refs: list[ResourceRef] = []
        strange, after = 0, ""
        while True:
            page = self._client.names(container, API_VERSION, after, deadline)
            if isinstance(page, Failure):
                return Members(scope, tuple(refs), complete=False, detail=page.detail, cause=page.cause)
            names, after = page
            for name in names:
                try:
                    refs.append(parse_ref(url_of(container, name), kind="blob", cloud=scope.cloud, tenant=scope.tenant))
                except WrongUse:
                    strange += 1
            if not after:
                break
        detail = f"{strange} blobs have names that cannot be guarded" if strange else ""
        return Members(scope, tuple(refs), complete=not strange, detail=detail)

    def deployment(self, ref: ResourceRef) -> Deployment:
        """Raises WrongUse: blobs have none."""
        raise WrongUse(f"{ref.id!r} is not a deployment", "give the id of a Microsoft.Resources/deployments resource")

    def tenant_of(self, subscription: str) -> str:
        """Raises WrongUse: an account's address names no subscription."""
        raise WrongUse("blobs tell no tenant of a subscription", "ask the reader of Azure Resource Manager")

    def close(self) -> None:
        """Close the connections."""
        self._accounts.close()

    def _checked(self, wanted: Wanted) -> Wanted:
        self._check(wanted.ref, BLOB_TYPE, "name the blob in it, or the whole container with --container")
        return wanted

    def _check(self, ref: ResourceRef, type_: str, remedy: str) -> None:
        if ref.kind != "blob":
            raise WrongUse(f"{ref.id!r} is of kind {ref.kind!r}", "read it with the reader of that kind")
        if ref.cloud != self._cloud:
            raise OtherScope(
                f"{ref.id!r} is of the cloud {ref.cloud!r}, the settings say {self._cloud!r}",
                "set the cloud of the resource, and use a job of its own for it",
            )
        if ref.type != type_:
            raise WrongUse(f"{ref.id!r} is a {'container' if ref.type == CONTAINER_TYPE else 'blob'}", remedy)
        self._accounts.require(parse_blob_url(ref.id))

    def _read_one(self, wanted: Wanted, containers: Once[str, Answer | Failure], deadline: float) -> Reading:
        version = wanted.api_version or API_VERSION
        told = self._client.get(parse_blob_url(wanted.ref.id), version, deadline)
        reading = read_blob(wanted.ref, version, told, self._clock.now())
        if reading.outcome is not Outcome.MISSING:
            return reading
        container = holder_of(wanted.ref)
        assert container is not None
        answer = containers.get(
            container.key, lambda: self._client.container(parse_blob_url(container.id), version, deadline)
        )
        return _missing_or_not_told(reading, container, answer)

    def _left_over(self, wanted: Wanted) -> Reading:
        failure = out_of_time()
        return unreadable(wanted.ref, wanted.api_version or "", self._clock.now(), failure.cause, failure.detail)


def _missing_or_not_told(reading: Reading, container: ResourceRef, answer: Answer | Failure) -> Reading:
    """The reading as it stands where the container answers; else what the container says."""
    if isinstance(answer, Answer) and answer.status == 200:
        return reading
    above = read_blob(container, reading.api_version, answer, reading.at)
    if above.outcome is Outcome.GROUP_MISSING:
        return replace(reading, outcome=Outcome.GROUP_MISSING, detail=above.detail)
    why = f"{reading.detail}, but its container was not readable: {above.detail}"
    return replace(reading, outcome=Outcome.UNREADABLE, cause=above.cause or Cause.REFUSED, detail=why)
