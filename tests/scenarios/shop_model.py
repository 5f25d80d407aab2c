"""A shop of three resources, and an independent account of who changed them and what somebody decided.

Rules of the account, none of which asks the product:
- The pipeline writes values of its own (`DEPLOYED`), people and other automation write others (`BY_HAND`): a value tells
  who made it.
- A value is justified where the first record found it, the pipeline deployed it under its clearance, or a reviewer kept it
  and confirmed that it is in the code.
- A reviewer decides on exactly what the halt shows; a waiver covers whatever the named resource is.
- A write between clearance and record is excused as long as the log cannot tell of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from driftguard.flow.halt import Decision
from driftguard.guard.rows import HaltRow
from tests.world import PROVIDERS, VNET

NAT = f"{PROVIDERS}/natGateways/nat-shop"
ROUTES = f"{PROVIDERS}/routeTables/rt-shop"
DEPLOYED, BY_HAND = (4, 5, 6), (21, 22)  # NAT gateways take 4 to 120 minutes
_TICK = timedelta(seconds=2)  # ARM's Date header counts whole seconds


@dataclass(frozen=True)
class Setting:
    """The one setting of a resource that changes: the merge patch that sets it to a number, and how it is read back."""

    resource: str
    type: str

    def patch(self, value: int) -> dict[str, Any]:
        """What a PATCH sends."""
        if self.resource == NAT:
            return {"properties": {"idleTimeoutInMinutes": value}}
        if self.resource == VNET:
            return {"properties": {"dhcpOptions": {"dnsServers": [f"10.20.0.{value}"]}}}
        return {"tags": {"setting": str(value)}}

    def read(self, body: dict[str, Any]) -> int:
        """The number in a body as ARM shows it, or as it is recorded."""
        if self.resource == NAT:
            return int(body["properties"]["idleTimeoutInMinutes"])
        if self.resource == VNET:
            return self.shown(body["properties"]["dhcpOptions"]["dnsServers"][0])
        return self.shown(body["tags"]["setting"])

    def shown(self, value: Any) -> int:
        """The number in one value of a change."""
        return int(str(value).rsplit(".", 1)[-1])


SETTINGS = (
    Setting(VNET, "Microsoft.Network/virtualNetworks"),
    Setting(NAT, "Microsoft.Network/natGateways"),
    Setting(ROUTES, "Microsoft.Network/routeTables"),
)
BY_ID = {setting.resource: setting for setting in SETTINGS}


@dataclass
class Decided:
    """What a reviewer decided on: the value that the halt showed of each resource, or None for one that was waived unread."""

    decision: Decision
    shown: dict[str, int | None]
    at: datetime
    confirmed: bool = False

    def covers(self, resource: str, value: int) -> bool:
        """Whether a run may pass over this value of the resource."""
        in_force = self.decision in (Decision.OVERWRITE, Decision.WAIVE) or (
            self.decision is Decision.KEEP and self.confirmed
        )
        return in_force and resource in self.shown and self.shown[resource] in (None, value)


@dataclass
class Account:
    """The whole account of one job."""

    latency: timedelta
    justified: dict[str, set[int]] = field(default_factory=dict)
    decided: dict[str, Decided] = field(default_factory=dict)
    # When the log will tell of the last write that was not the job's own, by resource and value.
    told_at: dict[tuple[str, int], datetime] = field(default_factory=dict)

    def by_hand(self, resource: str, value: int, at: datetime) -> None:
        """Somebody else wrote this value."""
        self.told_at[resource, value] = at + self.latency

    def deployed(self, resource: str, value: int) -> None:
        """The job's own run wrote this value under its clearance."""
        self.justified[resource].add(value)

    def decide(self, halt: HaltRow, decision: Decision, named: tuple[str, ...], at: datetime) -> None:
        """A decision that needs no further reviewer was taken on what the halt shows."""
        shown: dict[str, int | None] = dict.fromkeys(named)
        for one in halt.summary:
            if one["changes"]:
                shown[one["resource"]] = BY_ID[one["resource"]].shown(json.loads(one["changes"][0]["after"]))
        self.decided[halt.id] = Decided(decision, shown, at)

    def confirm(self, halt: HaltRow) -> None:
        """The kept values are in the code."""
        kept = self.decided[halt.id]
        kept.confirmed = True
        for resource, value in kept.shown.items():
            if value is not None:
                self.justified[resource].add(value)

    def may_pass(self, resource: str, live: int, recorded: int, under: HaltRow | None, now: datetime) -> bool:
        """Whether a clearance over this live value is right."""
        decided = self.decided.get(under.id) if under else None
        if decided and decided.covers(resource, live):
            return True
        return live == recorded and self.may_be_recorded(resource, live, now)

    def may_be_recorded(self, resource: str, value: int, now: datetime) -> bool:
        """Whether this value may stand in the baseline."""
        unknown_yet = now <= self.told_at.get((resource, value), now - _TICK) + _TICK
        return value in self.justified[resource] or unknown_yet

    def waived_values(self, under: str, live: dict[str, int]) -> None:
        """A record under a waiver took what it found of the waived resources."""
        for resource, value in self.decided[under].shown.items() if under in self.decided else ():
            if value is None:
                self.justified[resource].add(live[resource])
