from __future__ import annotations

from typing import Any

import pytest

from driftguard.flow.canonical import canonical, fingerprint
from driftguard.flow.check import FindingKind
from driftguard.flow.classify import ChangeClass, PathRules
from driftguard.flow.compare import Comparison, compare, etag_moved
from driftguard.flow.path import PathPattern, PatternSet, format_path
from driftguard.flow.reading import ETags

TYPE = "Microsoft.Network/virtualNetworks"
SETTLED = {"id": "/subscriptions/x", "properties": {"a": 1, "provisioningState": "Succeeded"}}
NONE = ETags()


def judge(before: Any, after: Any, old: ETags = NONE, new: ETags = NONE, **options: Any) -> Comparison:
    return compare(before, old, after, new, TYPE, options.pop("rules", PathRules()), **options)


def with_properties(**properties: Any) -> dict[str, Any]:
    return {**SETTLED, "properties": {**SETTLED["properties"], **properties}}  # type: ignore[dict-item]  # a dict above


def test_the_same_fingerprint_without_an_etag_is_unchanged() -> None:
    result = judge(SETTLED, {**SETTLED, "id": "/SUBSCRIPTIONS/X"})
    assert result.kind is FindingKind.UNCHANGED
    assert result.fingerprint == fingerprint(canonical(SETTLED, TYPE))
    assert result.changes == ()


def test_the_same_fingerprint_with_a_moved_etag_is_touched() -> None:
    result = judge(SETTLED, SETTLED, ETags(header='W/"1"'), ETags(header='W/"2"'))
    assert (result.kind, result.etag_moved, result.changes) == (FindingKind.TOUCHED, True, ())


def test_a_changed_body_under_the_same_etag_is_moved() -> None:
    result = judge(SETTLED, with_properties(a=2), ETags(header='"1"'), ETags(header='"1"'))
    assert (result.kind, result.etag_moved) == (FindingKind.MOVED, False)
    assert [format_path(change.path) for change in result.of_class(ChangeClass.CONFIGURATION)] == ["properties.a"]


def test_only_platform_or_ignored_differences_are_touched() -> None:
    ignoring = PathRules(ignore=PatternSet([(PathPattern.parse("properties.a"), "scaled")]))
    assert judge(SETTLED, with_properties(a=2), rules=ignoring).kind is FindingKind.TOUCHED
    assert judge(SETTLED, with_properties(provisioningState="Failed")).kind is FindingKind.TOUCHED


@pytest.mark.parametrize("both", [True, False])
def test_a_state_that_is_not_final_on_either_side_is_in_flight_and_concludes_nothing(both: bool) -> None:
    unsettled = with_properties(a=2, subnets=[{"name": "s", "provisioningState": "Updating"}])
    result = judge(unsettled, unsettled if both else SETTLED)
    assert result.kind is FindingKind.IN_FLIGHT
    assert result.in_flight is not None
    assert format_path(result.in_flight) == "properties.subnets[name=s].provisioningState"
    assert result.changes == ()
    assert judge(SETTLED, unsettled).kind is FindingKind.IN_FLIGHT


def test_a_known_fingerprint_of_before_saves_the_comparison_and_one_of_another_version_is_not_used() -> None:
    known = fingerprint(canonical(SETTLED, TYPE))
    assert judge(SETTLED, SETTLED, before_fingerprint=known).kind is FindingKind.UNCHANGED
    assert judge(SETTLED, SETTLED, before_fingerprint="c0:" + known[3:]).kind is FindingKind.UNCHANGED
    assert judge(SETTLED, with_properties(a=2), before_fingerprint="c0:" + known[3:]).kind is FindingKind.MOVED


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        (ETags(), ETags(header='"1"'), False),
        (ETags(header='W/"1"'), ETags(header='"1"'), False),
        (ETags(body='W/"1"'), ETags(header='W/"2"', body='W/"1"'), False),
        (ETags(header='"2"', body="1"), ETags(body="2"), True),
        (ETags(header='"2"'), ETags(body="1"), False),
        (ETags(properties="1"), ETags(properties="2"), True),
        (ETags(header=""), ETags(header="2"), False),
    ],
)
def test_etags_are_compared_where_both_sides_have_one(before: ETags, after: ETags, moved: bool) -> None:
    assert etag_moved(before, after) is moved
