"""The sandbox's own levers: time, faults, throttling, and what Azure changes by itself.

Rules:
- `touch` moves an ETag and changes nothing else, except a provisioningState that is asked for.
- `platform` sets values at paths as Azure does: no event, unless an actor such as `autoscale` is named.
- An id that does not exist, an unknown actor or fault is an error, never ignored.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from driftguard.errors import NotFound, WrongUse
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.sandbox.activity_log import Operation
from driftguard.sandbox.actors import Actor, actor_named
from driftguard.sandbox.answers import Request
from driftguard.sandbox.arm import Arm
from driftguard.sandbox.faults import HUGE, Fault
from driftguard.sandbox.paths import set_at
from driftguard.sandbox.state import child_of, place_of
from driftguard.sandbox.traffic import Traffic

Json = Any  # what json.loads gives


class Controls:
    """The levers over an ARM and its traffic."""

    def __init__(self, arm: Arm, traffic: Traffic) -> None:
        self.arm, self.traffic = arm, traffic

    def now(self) -> datetime:
        """The virtual time, UTC."""
        return self.arm.clock.now()

    def advance(self, seconds: float) -> datetime:
        """Let virtual time pass; returns the new time."""
        return self.arm.clock.advance(seconds)

    def fault(
        self,
        match: str,
        fault: str,
        *,
        method: str = "",
        times: int | None = None,
        retry_after: float | None = None,
        code: str = "",
        after: bool = False,
        size: int = HUGE,
    ) -> None:
        """Set a fault for the calls whose path matches (`faults.py` tells the kinds)."""
        self.arm.faults.add(Fault(match, fault, method, times, retry_after, code, after, size))

    def clear_faults(self) -> None:
        """Remove all faults."""
        self.arm.faults.clear()

    def throttle(self, limits: Mapping[str, tuple[float, float]]) -> None:
        """Limit kinds of operation: kind -> (capacity, refill per second); what is not named is not limited."""
        self.traffic.throttle.set(limits)

    def latency(self, seconds: float) -> None:
        """Let every HTTP request of ARM wait that long."""
        if not 0 <= seconds <= 60:
            raise WrongUse(f"not a latency: {seconds}", "give seconds from 0 to 60")
        self.traffic.latency = seconds

    def log_latency(self, seconds: float) -> None:
        """Let events show in the Activity Log only that many seconds of virtual time after they happened."""
        with self.arm.lock:
            self.arm.log.latency = seconds

    def slow(self, resource_type: str, seconds: float) -> None:
        """Let PUT and PATCH of a type go on for that many seconds of virtual time after the answer."""
        with self.arm.lock:
            self.arm.resources.slow[resource_type.lower()] = seconds

    def register(self, resource_type: str, api_versions: Sequence[str]) -> None:
        """Add or replace a resource type with its api-versions, newest first."""
        with self.arm.lock:
            self.arm.providers.register(resource_type, api_versions)

    def touch(self, resource_id: str, state: str | None = None) -> None:
        """Move the ETag of a resource; `state` sets its provisioningState until the next touch or write."""
        ref = parse_ref(resource_id)
        with self.arm.lock:
            self.arm.resources.finish(self.now())
            self._existing(ref)
            self.arm.state.change(place_of(ref).key, state=state)

    def platform(self, resource_id: str, values: Mapping[str, Json], as_: str | None = None) -> None:
        """Set values at paths (None removes), as Azure itself does; an actor named by `as_` leaves its event."""
        ref, actor = parse_ref(resource_id), None if as_ is None else known_actor(as_)
        with self.arm.lock:
            self.arm.resources.finish(self.now())
            place = place_of(ref)
            self._existing(ref)
            body = self.arm.state.records[place.key].body()
            target = child_of(body, place) if place.collection else body
            assert target is not None  # it exists
            before = int(target.get("sku", {}).get("capacity", 0)) if isinstance(target.get("sku"), dict) else 0
            for path, value in values.items():
                set_at(target, path, value)
            self.arm.state.change(place.key, body)
            if actor is not None:
                after = int(target.get("sku", {}).get("capacity", 0)) if isinstance(target.get("sku"), dict) else 0
                self._tell(ref, actor, before, after)

    def evaluate(self, resource_id: str, as_: str = "person-portal", effect: str = "audit") -> None:
        """Leave the row of a policy evaluation (`audit`, `deny`, …) in the Activity Log: it changes nothing."""
        ref, actor = parse_ref(resource_id), known_actor(as_)
        with self.arm.lock:
            self._event(ref, _of_category(actor, "Policy"), f"Microsoft.Authorization/policies/{effect}/action", None)

    def events(self) -> list[dict[str, Json]]:
        """All events of the Activity Log, newest first, whatever the log's latency."""
        with self.arm.lock:
            self.arm.resources.finish(self.now())
            return self.arm.log.documents()

    def ids(self) -> list[str]:
        """The ids of all resources, in order of creation; embedded children are not listed."""
        with self.arm.lock:
            return [record.id for record in self.arm.state.records.values()]

    def _existing(self, ref: ResourceRef) -> None:
        if self.arm.state.find(place_of(ref)) is None:
            raise NotFound(f"{ref.id} is not in the sandbox", "name one of the ids that GET /sandbox/ids lists")

    def _tell(self, ref: ResourceRef, actor: Actor, before: int, after: int) -> None:
        """The event of a platform write: autoscale names its setting, and the resource only in the properties."""
        if actor.category != "Autoscale":
            self._event(ref, actor, f"{ref.type}/write", None)
            return
        scope = "/".join(ref.id.split("/")[:5])
        setting = parse_ref(f"{scope}/providers/microsoft.insights/autoscalesettings/{ref.name}-autoscale")
        verb = "Scaleup" if after >= before else "Scaledown"
        properties = {
            "Description": f"The autoscale engine scales {ref.id} from {before} to {after} instances.",
            "ResourceName": ref.id,
            "OldInstancesCount": str(before),
            "NewInstancesCount": str(after),
        }
        self._event(setting, actor, f"Microsoft.Insights/AutoscaleSettings/{verb}/Action", properties)

    def _event(self, ref: ResourceRef, actor: Actor, name: str, properties: Json) -> None:
        request = Request("POST", ref.id, correlation_id=str(uuid.uuid4()))
        operation = Operation(str(uuid.uuid4()), ref.id, ref.type, name, actor, request, self.arm.home)
        self.arm.log.add(operation, "Succeeded", self.now(), properties=properties)


def known_actor(name: str) -> Actor:
    """The actor of that name. Raises WrongUse for an unknown one."""
    actor = actor_named(name)
    if actor is None:
        raise WrongUse(f"unknown actor {name!r}", "use a name of the table in driftguard/sandbox/actors.py")
    return actor


def _of_category(actor: Actor, category: str) -> Actor:
    return replace(actor, category=category)
