"""What is told of a resource whose readings do not agree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.classify import ChangeClass
from driftguard.flow.diff import Change
from driftguard.flow.path import parse_path
from driftguard.flow.reading import Cause
from driftguard.flow.resource import parse_ref
from driftguard.guard.stability import Readings, told

VNET = parse_ref(
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v"
)
CALM = Finding(VNET, FindingKind.UNCHANGED, fingerprint="recorded")


def moved(after: str, path: str = "properties.a") -> Finding:
    change = Change(parse_path(path), "before", after, ChangeClass.CONFIGURATION)
    return Finding(VNET, FindingKind.MOVED_BY_JOB, (change,), fingerprint=after, other_job="theirs")


def readings(*findings: Finding) -> Readings:
    known = Readings()
    for finding in findings:
        known.add(finding)
    return known


def test_of_readings_that_never_agree_nothing_is_concluded() -> None:
    found = told(moved("x"), readings(moved("x"), CALM, moved("x")), 2)
    assert (found.kind, found.cause) == (FindingKind.IN_FLIGHT, Cause.IN_FLIGHT)
    assert (found.changes, found.fingerprint, found.other_job) == ((), "", "")
    assert found.detail.startswith("flapping at properties.a: ")


@pytest.mark.parametrize("calm", [CALM, replace(CALM, kind=FindingKind.TOUCHED)])
def test_what_is_as_recorded_in_the_last_readings_is_touched_and_keeps_its_fingerprint(calm: Finding) -> None:
    found = told(calm, readings(moved("x"), calm, calm), 2)
    assert (found.kind, found.fingerprint, found.cause) == (FindingKind.TOUCHED, "recorded", None)
    assert found.detail.startswith("flapping at properties.a: ")


def test_a_difference_on_which_the_last_readings_agree_is_kept_whole() -> None:
    last = moved("y")
    found = told(last, readings(moved("x"), last, last), 2)
    assert replace(found, detail="") == last
    assert found.detail.startswith("flapping at properties.a: ")


def test_readings_that_agree_say_nothing_more() -> None:
    assert told(moved("x"), readings(moved("x"), moved("x")), 2) == moved("x")


def test_only_the_first_paths_that_flap_are_named() -> None:
    many = replace(moved("x"), changes=tuple(moved("x", f"properties.p{n}").changes[0] for n in range(7)))
    found = told(CALM, readings(many, CALM, CALM), 2)
    assert "properties.p4 and 2 more" in found.detail and "properties.p5" not in found.detail
