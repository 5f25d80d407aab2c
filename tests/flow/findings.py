"""Short ways to write findings, events and attributions down in tests of the judgement."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from driftguard.flow.attribute import Actor, Attribution, Event, Events
from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.classify import ChangeClass
from driftguard.flow.diff import Change
from driftguard.flow.path import parse_path
from driftguard.flow.reading import Cause
from driftguard.flow.resource import ResourceRef, parse_ref

GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-shop"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BRACKET = (NOON - timedelta(hours=1), NOON)


def ref(name: str = "vnet-1") -> ResourceRef:
    return parse_ref(f"{GROUP}/providers/Microsoft.Network/virtualNetworks/{name}")


GROUP_REF = parse_ref(GROUP)


def change(path: str, before: Any, after: Any, kind: ChangeClass = ChangeClass.CONFIGURATION) -> Change:
    return Change(parse_path(path), before, after, kind)


def finding(kind: FindingKind, name: str = "vnet-1", *changes: Change, **more: Any) -> Finding:
    """A finding with what its kind needs; `more` are members of Finding."""
    if kind in (FindingKind.MOVED, FindingKind.MOVED_BY_JOB) and not changes:
        changes = (change("properties.a", 1, 2),)
    if kind in (FindingKind.UNREADABLE, FindingKind.IN_FLIGHT):
        more.setdefault("cause", Cause.IN_FLIGHT if kind is FindingKind.IN_FLIGHT else Cause.FORBIDDEN)
    return replace(Finding(ref(name), kind, changes=changes), **more)


def event(**more: Any) -> Event:
    """A write by a person to vnet-1, half an hour before noon; `more` are members of Event."""
    plain = Event(
        source="activity log",
        id="e-1",
        resource=ref().key,
        operation="Microsoft.Network/virtualNetworks/write",
        at=NOON - timedelta(minutes=30),
        caller="dana@contoso.com",
        object_id="oid-dana",
        app_id="app-portal",
        is_person=True,
        client="Azure portal",
        correlation_id="corr-1",
        category="Administrative",
    )
    return replace(plain, **more)


def events(*told: Event, covered_until: datetime | None = NOON, problem: str = "", source: str = "log") -> Events:
    return Events(source, told, covered_until, problem)


def attribution(
    actor: Actor, *writers: Event, proven: bool = False, probable: bool = False, covered: bool = True
) -> Attribution:
    sure = "unknown" if actor is Actor.UNKNOWN else "certain"
    who = writers[0].caller if writers else ""
    return Attribution(actor, sure, who, "", "", "", "", "", None, BRACKET, proven, probable, covered, writers=writers)
