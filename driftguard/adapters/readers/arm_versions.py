"""Chooses the api-version of a new baseline.

Rules:
- In this order: the policy's pin for the type; a fixed one for subscriptions and resource groups; the newest stable of
  the provider's own list; its newest preview.
- A nested type that the provider does not list takes the version of its nearest listed parent, as the Azure CLI does.
- A type that is not listed at all gets no version: the resource is unreadable until the policy pins one.
- One list per cloud, subscription and namespace is asked for, once across threads, and kept for a day in memory and on
  disk. A damaged or future-dated file is ignored. A list that could not be had is not asked for again for a minute.

Source: GET /subscriptions/{id}/providers/{namespace}, learn.microsoft.com/rest/api/resources/providers/get.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from driftguard.adapters.readers.arm_answers import Answer, Failure, object_in
from driftguard.adapters.readers.once import Once
from driftguard.adapters.readers.versions_file import read_versions, write_versions
from driftguard.flow.ports import Clock
from driftguard.flow.reading import Cause
from driftguard.flow.resource import ResourceRef

PROVIDERS_API_VERSION = "2021-04-01"
KEPT = timedelta(days=1)
FAILURE_KEPT = timedelta(minutes=1)
FIXED = MappingProxyType(
    {"microsoft.resources/subscriptions": "2022-12-01", "microsoft.resources/resourcegroups": "2021-04-01"}
)
_STABLE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_ANY = re.compile(r"\d{4}-\d{2}-\d{2}(-[A-Za-z0-9.\-]{1,40})?\Z")
_NO_PINS: Mapping[str, str] = MappingProxyType({})

Fetch = Callable[[str, Mapping[str, str], str, float], Answer | Failure]  # path, query, subscription, deadline


@dataclass(frozen=True, slots=True)
class _Listed:
    """A provider's best version per type (lower case, without the namespace), or why there is none, until a time."""

    until: datetime
    versions: Mapping[str, str]
    failure: Failure | None = None


class ApiVersions:
    """Api-versions by type. Safe across threads."""

    def __init__(
        self, fetch: Fetch, clock: Clock, *, folder: Path | None = None, pins: Mapping[str, str] = _NO_PINS
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._folder = folder
        self._pins = pins  # asked one by one: the mapping may load a policy, which many calls never need
        self._lists: Once[tuple[str, str], _Listed] = Once()

    def choose(self, ref: ResourceRef, deadline: float) -> str | Failure:
        """The api-version to read `ref` with, or why there is none. Raises OtherScope, Unavailable (sign-in)."""
        type_ = ref.type.lower()
        known = self._pins.get(type_) or FIXED.get(type_)
        if known:
            return known
        namespace, _, rest = type_.partition("/")
        listed = self._lists.get(
            (ref.subscription, namespace), lambda: self._list(ref, namespace, deadline), fresh=self._is_fresh
        )
        if listed.failure is not None:
            return listed.failure
        return _of_type_or_parent(listed.versions, rest) or Failure(
            Cause.REFUSED, f"the provider lists no api-version of {ref.type}: pin one under api_versions in the policy"
        )

    def _is_fresh(self, listed: _Listed) -> bool:
        return self._clock.now() < listed.until

    def _list(self, ref: ResourceRef, namespace: str, deadline: float) -> _Listed:
        now = self._clock.now()
        file = self._folder / (ref.subscription or "tenant") / f"{namespace}.json" if self._folder else None
        kept = read_versions(file, now, KEPT) if file else None
        if kept is not None:
            return _Listed(kept.fetched + KEPT, {t: v for t, v in kept.versions.items() if _ANY.match(v)})
        scope = f"/subscriptions/{ref.subscription}" if ref.subscription else ""
        path, query = f"{scope}/providers/{namespace}", {"api-version": PROVIDERS_API_VERSION}
        answer = self._fetch(path, query, ref.subscription, deadline)
        versions = _best_versions(answer)
        if isinstance(versions, Failure):
            # Out of time is about this call only; the next one may have time again.
            kept_for = timedelta() if versions.cause is Cause.OUT_OF_TIME else FAILURE_KEPT
            return _Listed(now + kept_for, {}, versions)
        if file:
            write_versions(file, now, versions)
        return _Listed(now + KEPT, versions)


def _best_versions(answer: Answer | Failure) -> dict[str, str] | Failure:
    """The best version of each listed type; rows that are not what they should be are passed over."""
    body = object_in(answer)
    if isinstance(body, Failure):
        return Failure(body.cause, f"no list of the provider's api-versions: {body.detail}")
    rows = body.get("resourceTypes")
    best: dict[str, str] = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get("resourceType"), str):
            version = _best(row.get("apiVersions"))
            if version:
                best[row["resourceType"].lower()] = version
    return best


def _best(versions: object) -> str | None:
    known = [v for v in versions if isinstance(v, str) and _ANY.match(v)] if isinstance(versions, list) else []
    stable = [v for v in known if _STABLE.match(v)]
    return max(stable or known, default=None)


def _of_type_or_parent(versions: Mapping[str, str], type_: str) -> str | None:
    while type_:
        if type_ in versions:
            return versions[type_]
        type_ = type_.rpartition("/")[0]
    return None
