"""The findings: the whole truth table, and a missing resource group as one of them."""

from __future__ import annotations

import itertools

import pytest

from driftguard.flow.check import Finding, FindingKind, Signs, collapse_groups, find
from driftguard.flow.classify import ChangeClass
from driftguard.flow.reading import Outcome
from tests.flow.findings import GROUP_REF, change, finding, ref

BOTH = (False, True)
EVERY = [
    Signs(recorded, listed, outcome, in_flight, configuration, other_job, other, etag)
    for recorded, listed, outcome, in_flight, configuration, other_job, other, etag in itertools.product(
        BOTH, BOTH, Outcome, BOTH, BOTH, BOTH, BOTH, BOTH
    )
]


def as_designed(signs: Signs) -> str:
    """The finding by the words of the design: first whether there is a baseline, then an answer, then what differs."""
    if not signs.recorded:
        return "unmanaged" if signs.listed else "unrecorded"
    match signs.outcome:
        case Outcome.UNREADABLE:
            return "unreadable"
        case Outcome.MISSING | Outcome.GROUP_MISSING:
            return "gone"
    if signs.in_flight:
        return "inflight"
    if signs.configuration_change:
        return "moved by job" if signs.other_jobs_state else "moved"
    return "touched" if signs.etag_moved or signs.other_difference else "unchanged"


def test_every_combination_of_signs_is_the_finding_that_the_design_says() -> None:
    assert len(EVERY) == 512
    assert {signs: find(signs) for signs in EVERY} == {signs: FindingKind(as_designed(signs)) for signs in EVERY}


def test_only_a_recorded_resource_that_was_found_at_rest_is_ever_unchanged_or_touched() -> None:
    for signs in EVERY:
        if find(signs) in (FindingKind.UNCHANGED, FindingKind.TOUCHED):
            assert signs.recorded and signs.outcome is Outcome.FOUND
            assert not signs.in_flight and not signs.configuration_change


def test_a_listed_resource_that_is_recorded_is_judged_by_its_state() -> None:
    assert find(Signs(recorded=True, listed=True)) is FindingKind.UNCHANGED


def test_only_configuration_changes_count() -> None:
    every = tuple(change(f"properties.{kind}", 1, 2, kind) for kind in ChangeClass)
    assert [one.kind for one in Finding(ref(), FindingKind.MOVED, changes=every).configuration] == ["configuration"]


def gone(*names: str) -> list[Finding]:
    return [finding(FindingKind.GONE, name) for name in names]


MISSING_GROUP = {GROUP_REF.key: GROUP_REF}


def test_a_missing_resource_group_is_one_finding_that_names_what_went_with_it() -> None:
    [one] = collapse_groups(gone("b", "a"), MISSING_GROUP)
    assert (one.ref, one.kind, one.covers) == (GROUP_REF, FindingKind.GONE, (ref("a").id, ref("b").id))
    assert "2 recorded resources" in one.detail


def test_what_is_gone_while_its_group_is_there_stays_a_finding_of_its_own() -> None:
    assert collapse_groups(gone("a", "b"), {}) == gone("a", "b")


@pytest.mark.parametrize("kind", [kind for kind in FindingKind if kind is not FindingKind.GONE])
def test_nothing_but_gone_is_taken_into_the_finding_of_a_missing_group(kind: FindingKind) -> None:
    left = finding(kind, "a")
    found = collapse_groups([left, *gone("b")], MISSING_GROUP)
    assert found[0] is left
    assert [one.covers for one in found[1:]] == [(ref("b").id,)]


def test_a_group_of_another_subscription_is_another_group() -> None:
    elsewhere = {GROUP_REF.key.replace("1111", "9999"): GROUP_REF}
    assert collapse_groups(gone("a"), elsewhere) == gone("a")
