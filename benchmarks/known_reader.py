"""Resources that answer from memory: for what is measured behind the reader, where ARM would only take time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from driftguard.errors import NotFound
from driftguard.flow.attribute import Events
from driftguard.flow.ports import Reader, Source
from driftguard.flow.reading import Deployment, ETags, Members, Outcome, Reading, Wanted
from driftguard.flow.resource import ResourceRef
from driftguard.sandbox import TENANT, many


class KnownReader(Reader):
    """The port `Reader` over `count` resources of about `size` bytes."""

    def __init__(self, count: int, size: int) -> None:
        self._bodies = {one.lower(): _as_read(one, body) for one, body in many(count, size) if "/providers/" in one}
        self._versions = dict.fromkeys(self._bodies, 1)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all resources."""
        return tuple(json.loads(text)["id"] for text in self._bodies.values())

    @property
    def bytes_each(self) -> float:
        """The mean size of a body as JSON."""
        return sum(map(len, self._bodies.values())) / len(self._bodies)

    def tag(self, ids: Iterable[str], value: str) -> None:
        """Give these resources another tag, so that they differ from what was recorded."""
        for one in ids:
            body = json.loads(self._bodies[one.lower()])
            body["tags"] = {"release": value}
            self._bodies[one.lower()] = json.dumps(body)
            self._versions[one.lower()] += 1

    def read(self, wanted: Iterable[Wanted], *, budget: float) -> Iterator[Reading]:
        for each in wanted:
            body: dict[str, Any] = json.loads(self._bodies[each.ref.key])
            etags = ETags(header=f'"{self._versions[each.ref.key]}"')
            yield Reading(each.ref, each.api_version or "2024-05-01", Outcome.FOUND, datetime.now(UTC), body, etags)

    def members(self, scope: ResourceRef) -> Members:
        return Members(scope, (), complete=True)

    def deployment(self, ref: ResourceRef) -> Deployment:
        raise NotFound(f"there is no deployment {ref.id}", "name the resources")

    def tenant_of(self, subscription: str) -> str:
        return TENANT


class QuietLog(Source):
    """The port `Source` that knows of nobody, and is complete."""

    kinds = ("arm",)
    name = "quiet log"

    def events(self, refs: Sequence[ResourceRef], since: datetime, until: datetime) -> Events:
        return Events(self.name, (), covered_until=until)


def _as_read(resource_id: str, body: Any) -> str:
    kind = resource_id.partition("/providers/")[2].rpartition("/")[0]
    return json.dumps({"id": resource_id, "name": resource_id.rpartition("/")[2], "type": kind, **body})
