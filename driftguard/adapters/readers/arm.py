"""Reads Azure resources through Azure Resource Manager.

Rules:
- `wanted` is taken as workers become free, at most two per worker ahead: memory stays flat for any length.
- Every wanted resource gets one reading; what the budget leaves over is UNREADABLE, OUT_OF_TIME.
- "Missing" is believed only after its resource group (or subscription) was read in the same call.
- A sign-in that is wrong ends the whole call; trouble with one resource never does.
- A ref of another kind or cloud than the reader's is refused before anything is asked.
"""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import MappingProxyType, TracebackType

from driftguard.adapters.readers import arm_scopes
from driftguard.adapters.readers.arm_answers import Answer, Failure, read_answer, unreadable
from driftguard.adapters.readers.arm_client import ArmClient
from driftguard.adapters.readers.arm_options import ArmOptions
from driftguard.adapters.readers.arm_transport import out_of_time
from driftguard.adapters.readers.arm_versions import ApiVersions
from driftguard.adapters.readers.once import Once
from driftguard.errors import OtherScope, WrongUse
from driftguard.flow.ports import Clock
from driftguard.flow.reading import Cause, Deployment, Members, Outcome, Reading, Wanted
from driftguard.flow.resource import ResourceRef, parse_ref

_NO_PINS: Mapping[str, str] = MappingProxyType({})
_GRACE = 0.5  # seconds that workers get after the deadline to say themselves what they were waiting for


class ArmReader:
    """The Reader of kind `arm`. `pins`: api-version per resource type in lower case. `close` gives the connections back."""

    def __init__(
        self, options: ArmOptions, clock: Clock, pins: Mapping[str, str] = _NO_PINS, workers: int = 32
    ) -> None:
        self.client = ArmClient(options, clock, workers)
        self._cloud = options.cloud
        self._clock = clock
        self._workers = workers
        folder = options.cache_folder / "api-versions" / options.cache_name if options.cache_folder else None
        self._versions = ApiVersions(self._fetch, clock, folder=folder, pins=pins)

    def read(self, wanted: Iterable[Wanted], *, budget: float) -> Iterator[Reading]:
        """One reading per wanted resource, in the order of arrival; `budget` in seconds for all of them.

        Raises OtherScope (another cloud or tenant), Unavailable (no sign-in), WrongUse (another kind).
        """
        deadline = self._clock.monotonic() + budget
        scopes: Once[str, Reading] = Once()
        source = iter(wanted)
        arrived: queue.SimpleQueue[Future[Reading]] = queue.SimpleQueue()
        under_way: dict[Future[Reading], Wanted] = {}
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="arm-read")
        try:
            while True:
                while len(under_way) < 2 * self._workers and (one := next(source, None)) is not None:
                    self._check(one.ref)
                    future = pool.submit(self._read_one, one, scopes, deadline)
                    under_way[future] = one
                    future.add_done_callback(arrived.put)
                if not under_way:
                    return
                try:
                    done = arrived.get(timeout=max(0.0, deadline - self._clock.monotonic()) + _GRACE)
                except queue.Empty:
                    break
                del under_way[done]
                yield done.result()
            yield from (self._left_over(one) for one in under_way.values())
            yield from (self._left_over(one) for one in source)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def members(self, scope: ResourceRef) -> Members:
        """The resources that a resource group or subscription lists, by the generic list (tracked resources only).

        Raises OtherScope, Unavailable (sign-in), WrongUse (another kind of scope).
        """
        self._check(scope)
        return arm_scopes.members(self.client, self._clock, scope)

    def deployment(self, ref: ResourceRef) -> Deployment:
        """A deployment with what it output. Raises NotFound, Unavailable, OtherScope, WrongUse (not a deployment)."""
        self._check(ref)
        return arm_scopes.deployment(self.client, self._clock, ref)

    def tenant_of(self, subscription: str) -> str:
        """The tenant id (lower case) of a subscription. Raises NotFound, OtherScope, Unavailable."""
        return arm_scopes.tenant_of(self.client, self._clock, subscription)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def __enter__(self) -> ArmReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _read_one(self, wanted: Wanted, scopes: Once[str, Reading], deadline: float) -> Reading:
        reading = self._asked(wanted.ref, wanted.api_version, deadline)
        if reading.outcome is not Outcome.MISSING:
            return reading
        return self._missing_or_not_told(reading, scopes, deadline)

    def _asked(self, ref: ResourceRef, api_version: str | None, deadline: float) -> Reading:
        version = api_version or self._versions.choose(ref, deadline)
        if isinstance(version, Failure):
            return unreadable(ref, "", self._clock.now(), version.cause, version.detail)
        answer = self._fetch(ref.id, {"api-version": version}, ref.subscription, deadline)
        return read_answer(ref, version, answer, self._clock.now())

    def _missing_or_not_told(self, reading: Reading, scopes: Once[str, Reading], deadline: float) -> Reading:
        """The reading as it stands where the scope above the resource answers; else what the scope says."""
        above = _scope_above(reading.ref)
        if above is None:
            return _not_told(reading, Cause.REFUSED, "there is no scope above it to tell whether it could be read")
        scope = scopes.get(above.key, lambda: self._asked(above, None, deadline))
        if scope.outcome is Outcome.FOUND:
            return reading
        if scope.outcome is Outcome.GROUP_MISSING:
            return replace(reading, outcome=Outcome.GROUP_MISSING, detail=scope.detail)
        return _not_told(reading, scope.cause or Cause.REFUSED, f"its scope was not readable: {scope.detail}")

    def _fetch(self, path: str, query: Mapping[str, str], subscription: str, deadline: float) -> Answer | Failure:
        return self.client.get(path, query, subscription=subscription, deadline=deadline)

    def _check(self, ref: ResourceRef) -> None:
        if ref.kind != "arm":
            raise WrongUse(f"{ref.id!r} is of kind {ref.kind!r}", "read it with the reader of that kind")
        if ref.cloud != self._cloud:
            raise OtherScope(
                f"{ref.id!r} is of the cloud {ref.cloud!r}, the settings say {self._cloud!r}",
                "set the cloud of the resource, and use a job of its own for it",
            )

    def _left_over(self, wanted: Wanted) -> Reading:
        self._check(wanted.ref)
        failure = out_of_time()
        return unreadable(wanted.ref, wanted.api_version or "", self._clock.now(), failure.cause, failure.detail)


def _scope_above(ref: ResourceRef) -> ResourceRef | None:
    """The resource group that holds it; its subscription where it is in none; None for a tenant-level resource."""
    segments = ref.id.split("/")
    if not ref.subscription:
        return None
    in_group = ref.resource_group and ref.type.lower() != "microsoft.resources/resourcegroups"
    above = "/".join(segments[:5] if in_group else segments[:3])
    return parse_ref(above, cloud=ref.cloud, tenant=ref.tenant)


def _not_told(reading: Reading, cause: Cause, why: str) -> Reading:
    return replace(reading, outcome=Outcome.UNREADABLE, cause=cause, detail=f"{reading.detail}, but {why}")
