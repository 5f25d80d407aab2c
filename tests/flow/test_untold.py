"""Resources of a kind of which no source tells who writes them: nobody is ever known, and nothing lets them pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from driftguard.flow.attribute import Actor, Attribution, Events, Own, attribute, is_covered, is_untold
from driftguard.flow.check import Finding, FindingKind, collapse_groups, covered_keys
from driftguard.flow.decide import Action, carry_over, judge
from driftguard.flow.policy import JobPolicy
from driftguard.flow.reading import Cause
from driftguard.flow.resource import holder_of, parse_ref

CONTAINER = parse_ref("https://stshop.blob.core.windows.net/config")
BLOB = parse_ref(f"{CONTAINER.id}/settings.json")
ARM = parse_ref("/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/RG")
SINCE, UNTIL = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)
THE_LOG = Events("activity log", (), UNTIL)


def attributed() -> Attribution:
    return attribute(BLOB, [THE_LOG], (SINCE, UNTIL), Own())


def test_a_log_that_told_everything_told_nothing_of_another_kind() -> None:
    found = attributed()

    assert (found.actor, found.covered, found.untold) == (Actor.UNKNOWN, False, True)
    assert found.why == "no source tells who writes a blob"
    assert is_covered([THE_LOG], UNTIL) and is_covered([THE_LOG], UNTIL, "arm")
    assert not is_covered([THE_LOG], UNTIL, "blob")


def test_a_source_that_tells_of_the_kind_covers_it() -> None:
    telling = replace(THE_LOG, kinds=("blob",))
    found = attribute(BLOB, [telling], (SINCE, UNTIL), Own())

    assert (found.covered, found.untold) == (True, False)
    assert not is_untold([THE_LOG, telling], "blob")


def test_without_any_source_nothing_is_known_of_either() -> None:
    assert not is_untold([], "blob")
    assert attribute(ARM, [], (SINCE, UNTIL), Own()).why == "no source of attribution is set up"


@pytest.mark.parametrize("word", ["halt", "warn"])
def test_it_halts_whatever_the_policy_says_of_unknown_authors(word: str) -> None:
    rules = JobPolicy(on_drift={**JobPolicy().on_drift, Actor.UNKNOWN: word})  # type: ignore[dict-item]  # reason: a word is one
    finding = Finding(BLOB, FindingKind.MOVED, attribution=attributed())
    (judged,) = judge([finding], rules).judged

    assert judged.action is Action.HALT


def test_blobs_whose_names_differ_in_letter_case_only_stay_apart_in_a_container_that_is_gone() -> None:
    upper, lower = parse_ref(f"{CONTAINER.id}/A"), parse_ref(f"{CONTAINER.id}/a")
    assert holder_of(upper) == CONTAINER
    gone = [Finding(ref, FindingKind.GONE) for ref in (upper, lower)]
    (finding,) = collapse_groups(gone, {CONTAINER.key: CONTAINER})

    assert list(covered_keys(finding)) == [upper.key, lower.key]
    silent = Finding(upper, FindingKind.UNREADABLE, cause=Cause.FORBIDDEN)
    (carried,) = carry_over([silent], [finding])
    assert carried.carried and carried.covers == finding.covers
    other = Finding(parse_ref(f"{CONTAINER.id}/B"), FindingKind.UNREADABLE, cause=Cause.FORBIDDEN)
    assert carry_over([other], [finding]) == [other]
