"""Requests to ARM are counted by what they ask for and the class of their answer; waiting for ARM's limits is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftguard.adapters.readers.arm import ArmReader
from driftguard.adapters.readers.arm_kinds import kind_of_request
from driftguard.adapters.readers.arm_options import ArmOptions
from driftguard.flow.reading import Wanted
from driftguard.flow.resource import parse_ref
from driftguard.flow.telemetry import FORMS
from tests.measuring import Measured
from tests.world import NETWORK, VNET, World, world

S = "/subscriptions/00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (VNET, "resource"),
        (f"{VNET}/", "resource"),
        (f"{VNET}/providers/Microsoft.Authorization/locks/no-delete", "resource"),
        (f"{NETWORK}", "scope"),
        (f"{S}/resourceGroups/providers", "scope"),
        (S, "subscription"),
        (f"{S}/resources", "list"),
        (f"{NETWORK}/resources", "list"),
        (f"{S}/resourcegroups", "list"),
        (f"{NETWORK}/providers/Microsoft.Resources/deployments/release-1", "deployment"),
        (f"{S}/providers/microsoft.insights/eventtypes/management/values", "activity-log"),
        (f"{S}/providers/Microsoft.Network", "provider"),
        (f"{S}/providers", "provider"),
        ("/providers/Microsoft.Network", "provider"),
        ("/tenants", "other"),
        ("", "other"),
    ],
)
def test_a_request_is_told_by_its_kind(path: str, kind: str) -> None:
    assert kind_of_request(path) == kind
    form = FORMS["kind"]
    assert isinstance(form, frozenset) and (kind in form or kind == "other")


def read(telling: World, measured: Measured, budget: float = 600.0) -> None:
    options = ArmOptions(endpoint=telling.sandbox.endpoint, token="pipeline", telemetry=measured)
    reader = ArmReader(options, telling.guard.clock)
    list(reader.read([Wanted(parse_ref(VNET), "2023-09-01")], budget=budget))
    reader.close()


def test_a_read_is_one_good_request_of_a_resource(tmp_path: Path) -> None:
    with world(tmp_path) as telling:
        measured = Measured()
        read(telling, measured)
    assert measured.counts("driftguard.arm.requests") == {("kind", "resource", "answer", "ok"): 1}
    assert measured.durations("driftguard.arm.throttled_seconds") == []


@pytest.mark.parametrize(
    ("fault", "answer"),
    [("403", "refused"), ("429", "throttled"), ("500", "outage"), ("503", "outage"), ("half-body", "outage")],
)
def test_what_arm_does_not_give_is_told_by_its_class(tmp_path: Path, fault: str, answer: str) -> None:
    with world(tmp_path) as telling:
        telling.sandbox.fault(VNET, fault, times=1)
        measured = Measured()
        read(telling, measured)
    counts = measured.counts("driftguard.arm.requests")
    assert counts["kind", "resource", "answer", answer] == 1
    assert sum(counts.values()) - counts["kind", "resource", "answer", answer] <= 3


def test_waiting_after_a_429_is_measured_in_seconds(tmp_path: Path) -> None:
    with world(tmp_path) as telling:
        telling.sandbox.fault(VNET, "429", times=1)
        measured = Measured()
        read(telling, measured)
    waited = measured.durations("driftguard.arm.throttled_seconds")
    assert len(waited) == 1 and 0.4 <= waited[0] <= 30.0
