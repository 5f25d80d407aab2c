"""What makes a halt this halt: its digest and its id."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.flow.attribute import Actor
from driftguard.flow.check import Finding, FindingKind, Side
from driftguard.flow.classify import ChangeClass
from driftguard.flow.diff import MISSING
from driftguard.flow.halt import difference_digest, halt_id
from driftguard.flow.reading import Cause, ETags
from tests.flow.bodies import json_values
from tests.flow.findings import NOON, attribution, change, event, finding, ref

kinds = st.sampled_from([kind for kind in FindingKind if kind not in (FindingKind.UNCHANGED, FindingKind.TOUCHED)])
values = json_values | st.just(MISSING)
some_findings = st.lists(
    st.builds(
        lambda kind, name, before, after: finding(kind, name, change(f"properties.{name}", before, after)),
        kinds,
        st.sampled_from("abcdef"),
        values,
        values,
    ),
    max_size=5,
    unique_by=lambda one: one.ref.key,
)


@given(some_findings, st.randoms())
def test_the_order_of_the_findings_does_not_matter(findings: list[Finding], random: Any) -> None:
    shuffled = list(findings)
    random.shuffle(shuffled)
    assert difference_digest(shuffled) == difference_digest(findings)


def test_the_order_of_the_changes_does_not_matter() -> None:
    changes = [change("properties.a", 1, 2), change("properties.b", MISSING, 3), change("tags['a.b']", "x", MISSING)]
    one = finding(FindingKind.MOVED, "v", *changes)
    assert difference_digest([one]) == difference_digest([replace(one, changes=tuple(reversed(changes)))])


def with_side(one: Finding) -> Finding:
    side = Side(ETags("1", "2", "3"), "2024-05-01", NOON + timedelta(days=3), "request", "correlation")
    return replace(one, before=side, after=side)


UNTOUCHED_BY: dict[str, Callable[[Finding], Finding]] = {
    "time, ETag, api-version and request ids": with_side,
    "detail": lambda one: replace(one, detail="another text"),
    "actor": lambda one: replace(one, attribution=attribution(Actor.PERSON, event())),
    "that it is carried": lambda one: replace(one, carried=True),
    "that it lasts": lambda one: replace(one, lasting=True),
    "whose state it is": lambda one: replace(one, other_job="other"),
    "the casing of the id": lambda one: replace(one, ref=replace(one.ref, id=one.ref.id.upper())),
    "platform changes": lambda one: replace(
        one, changes=(*one.changes, change("properties.p", 1, 2, ChangeClass.PLATFORM))
    ),
    "ignored changes": lambda one: replace(
        one, changes=(*one.changes, change("properties.i", 1, 2, ChangeClass.IGNORED))
    ),
    "the rule that classed a change": lambda one: replace(
        one, changes=tuple(replace(each, rule="rule") for each in one.changes)
    ),
}


@pytest.mark.parametrize("what", UNTOUCHED_BY)
@pytest.mark.parametrize("kind", [kind for kind in FindingKind if kind is not FindingKind.UNMANAGED])
def test_the_same_difference_has_the_same_digest_whatever(kind: FindingKind, what: str) -> None:
    one = finding(kind)
    assert difference_digest([UNTOUCHED_BY[what](one)]) == difference_digest([one])


@pytest.mark.parametrize(
    "kind", [kind for kind in FindingKind if kind not in (FindingKind.MOVED, FindingKind.MOVED_BY_JOB)]
)
def test_the_fingerprint_belongs_to_the_digest_of_an_unmanaged_resource_alone(kind: FindingKind) -> None:
    one = finding(kind, fingerprint="1")
    same = difference_digest([one]) == difference_digest([replace(one, fingerprint="2")])
    assert same is (kind is not FindingKind.UNMANAGED)


def distinct(*findings: Finding) -> bool:
    return len({difference_digest([one]) for one in findings}) == len(findings)


def test_any_other_path_before_after_or_class_is_another_difference() -> None:
    assert distinct(
        finding(FindingKind.MOVED, "v", change("properties.a", 1, 2)),
        finding(FindingKind.MOVED, "v", change("properties.b", 1, 2)),
        finding(FindingKind.MOVED, "v", change("properties['a']['b']", 1, 2)),
        finding(FindingKind.MOVED, "v", change("properties['a.b']", 1, 2)),
        finding(FindingKind.MOVED, "v", change("properties.a", 0, 2)),
        finding(FindingKind.MOVED, "v", change("properties.a", 1, 3)),
        finding(FindingKind.MOVED, "v", change("properties.a", 2, 1)),
        finding(FindingKind.MOVED, "v", change("properties.a", 1, 2), change("properties.b", 1, 2)),
        finding(FindingKind.MOVED, "v", change("properties.a", 1, 2, ChangeClass.PLATFORM)),
    )


def test_missing_null_empty_and_false_are_four_values() -> None:
    empty: list[Any] = [MISSING, None, "", "null", 0, False, [], {}, [None], [[]]]
    assert distinct(*(finding(FindingKind.MOVED, "v", change("properties.a", 1, value)) for value in empty))
    assert distinct(*(finding(FindingKind.MOVED, "v", change("properties.a", value, 1)) for value in empty))


@given(values, values, values)
def test_another_value_after_is_another_difference(before: Any, one: Any, other: Any) -> None:
    findings = [finding(FindingKind.MOVED, "v", change("properties.a", before, after)) for after in (one, other)]
    same_text = repr(one) == repr(other)
    if same_text:
        assert not distinct(*findings)
    elif isinstance(one, str | int | None) and isinstance(other, str | int | None):
        assert distinct(*findings)


def test_every_kind_of_finding_and_every_resource_is_another_difference() -> None:
    changes = (change("properties.a", 1, 2),)
    every = [finding(kind, name, *changes, cause=Cause.TIMEOUT) for kind in FindingKind for name in ("a", "b")]
    assert distinct(*every)


@pytest.mark.parametrize("kind", [FindingKind.UNREADABLE, FindingKind.IN_FLIGHT])
def test_another_cause_of_not_being_readable_is_another_difference(kind: FindingKind) -> None:
    assert distinct(*(finding(kind, cause=cause) for cause in Cause))


def test_the_cause_of_anything_else_does_not_matter() -> None:
    assert not distinct(finding(FindingKind.GONE), finding(FindingKind.GONE, cause=Cause.TIMEOUT))


def test_one_finding_more_is_another_difference() -> None:
    one, other = finding(FindingKind.GONE, "a"), finding(FindingKind.GONE, "b")
    assert len({difference_digest(found) for found in ([], [one], [other], [one, other])}) == 4


def test_the_digest_is_the_same_in_every_process_and_version() -> None:
    moved = finding(FindingKind.MOVED, "v", change("properties.subnets[name=a].x", MISSING, None))
    unread = finding(FindingKind.UNREADABLE, "w", cause=Cause.TIMEOUT)
    lines = [
        f'["{ref("v").key}", "moved", [["properties.subnets[name=a].x", [], [null]]]]',
        f'["{ref("w").key}", "unreadable", "timeout"]',
    ]
    assert difference_digest([unread, moved]) == hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_the_id_names_job_generation_digest_and_attempt_and_nothing_runs_together() -> None:
    keys = [("a", 1, "d", 1), ("b", 1, "d", 1), ("a", 2, "d", 1), ("a", 1, "e", 1), ("a", 1, "d", 2), ("a", 11, "d", 1)]
    ids = [halt_id(*key) for key in keys]
    assert len(set(ids)) == len(keys)
    assert all(len(one) == 14 and one.startswith("h-") for one in ids)
    assert halt_id(*keys[0]) == ids[0]
