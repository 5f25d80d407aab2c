"""The evidence: what it says, and that its digest is of exactly that."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.flow.attribute import Actor
from driftguard.flow.check import FindingKind, Side
from driftguard.flow.classify import ChangeClass
from driftguard.flow.decide import Action, Judged, judge
from driftguard.flow.diff import MISSING
from driftguard.flow.evidence import SCHEMA, Coverage, build_evidence, digest_of, to_bytes
from driftguard.flow.path import MAX_DEPTH
from driftguard.flow.policy import JobPolicy
from driftguard.flow.reading import Cause, ETags
from tests.flow.bodies import json_values
from tests.flow.findings import NOON, attribution, change, event, finding, ref

FACTS = {"job": "payments-prod", "run": "17", "ticket": None, "version": 1}
SIDE = Side(ETags(header='W/"1"', properties="1"), "2024-05-01", NOON, "request-1", "correlation-1")
MOVED = finding(
    FindingKind.MOVED,
    "vnet-1",
    change("properties.a", 1, 2),
    change("properties.new", MISSING, None),
    change("properties.old", "x", MISSING),
    change("properties.p", 1, 2, ChangeClass.PLATFORM),
    before=SIDE,
    after=Side(),
    attribution=attribution(Actor.PERSON, event()),
)


def evidence(*judged: Judged, coverage: Coverage | None = None) -> dict[str, Any]:
    return build_evidence(FACTS, judged, coverage or Coverage())


def test_it_says_before_after_and_class_of_every_change_and_keeps_null_apart_from_missing() -> None:
    [told] = evidence(Judged(MOVED, Action.HALT, "on_drift.person: halt"))["findings"]
    assert told["changes"] == [
        {"path": "properties.a", "class": "configuration", "before": 1, "after": 2},
        {"path": "properties.new", "class": "configuration", "after": None},
        {"path": "properties.old", "class": "configuration", "before": "x"},
        {"path": "properties.p", "class": "platform", "before": 1, "after": 2},
    ]
    assert told["before"] == {
        "etag": {"header": 'W/"1"', "properties": "1"},
        "api_version": "2024-05-01",
        "at": "2026-03-01T12:00:00.000000Z",
        "request_id": "request-1",
        "correlation_id": "correlation-1",
    }
    assert (told["resource"], told["finding"], told["reason"]) == (ref().id, "moved", "on_drift.person: halt")
    assert told["attribution"]["writers"][0]["who"] == "dana@contoso.com"
    assert not {"cause", "carried", "covers", "lasting", "other_job", "detail"} & told.keys()


def test_an_ignored_difference_keeps_the_rule_that_ignored_it() -> None:
    ignored = finding(FindingKind.TOUCHED, "v", change("sku.capacity", 1, 2, ChangeClass.IGNORED))
    ignored = finding(
        FindingKind.TOUCHED, "v", *(type(one)(one.path, 1, 2, one.kind, "autoscale") for one in ignored.changes)
    )
    [told] = evidence(Judged(ignored, Action.TELL, ""))["also_seen"]
    assert told["changes"] == [
        {"path": "sku.capacity", "class": "ignored", "before": 1, "after": 2, "rule": "autoscale"}
    ]


def test_what_halts_is_a_finding_what_differs_otherwise_is_also_seen_and_what_is_unchanged_is_counted_only() -> None:
    every = [finding(kind, f"v{number}", lasting=True) for number, kind in enumerate(FindingKind)]
    document = build_evidence(FACTS, judge(every, JobPolicy()).judged, Coverage(read=9))
    told = {name: {one["finding"] for one in document[name]} for name in ("findings", "also_seen")}
    assert told["findings"] == {"moved", "gone", "inflight", "unreadable"}
    assert told["also_seen"] == {"touched", "moved by job", "unrecorded", "unmanaged"}


def test_it_says_what_was_not_read() -> None:
    coverage = Coverage(7, (("/id", "forbidden", "403"),), {"T/b": ["x"], "T/a": ("y",)}, ("rg: page 2 failed",))
    assert evidence(coverage=coverage)["coverage"] == {
        "read": 7,
        "not_read": [{"resource": "/id", "cause": "forbidden", "detail": "403"}],
        "parts_not_read": {"T/a": ["y"], "T/b": ["x"]},
        "scopes_not_listed": ["rg: page 2 failed"],
    }


def test_what_is_known_of_an_unread_carried_or_lost_finding_is_told() -> None:
    unread = finding(
        FindingKind.UNREADABLE,
        cause=Cause.TIMEOUT,
        detail="slow",
        carried=True,
        lasting=True,
        covers=("/x",),
        other_job="o",
    )
    [told] = evidence(Judged(unread, Action.HALT, ""))["findings"]
    assert {key: told[key] for key in ("cause", "detail", "carried", "lasting", "covers", "other_job")} == {
        "cause": "timeout",
        "detail": "slow",
        "carried": True,
        "lasting": True,
        "covers": ["/x"],
        "other_job": "o",
    }


def test_the_digest_is_the_documented_one_so_that_anybody_can_check_it() -> None:
    document = evidence(Judged(MOVED, Action.HALT, "é"))
    stored = json.loads(to_bytes(document))
    stated = stored.pop("digest")
    text = json.dumps(stored, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert stated == "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()
    assert (document["schema"], document["digest"]) == (SCHEMA, stated)


documents = st.dictionaries(st.text(max_size=5), json_values, max_size=4)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(item) for key, item in reversed(value.items())}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(documents)
def test_the_digest_survives_the_order_of_members_and_being_stored(document: dict[str, Any]) -> None:
    digest = digest_of(document)
    assert digest_of(reordered(document)) == digest
    assert digest_of({**document, "digest": "anything"}) == digest_of({**document, "digest": None})
    data = to_bytes(document)
    assert data.isascii()
    assert digest_of(json.loads(data)) == digest


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a document."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


DOCUMENT = json.loads(
    to_bytes(evidence(Judged(MOVED, Action.HALT, "r"), Judged(finding(FindingKind.GONE), Action.HALT, "")))
)
PLACES = len(list(places(DOCUMENT)))


@pytest.mark.parametrize("edit", ["replaced", "removed", "added"])
def test_any_change_of_the_document_changes_the_digest(edit: str) -> None:
    assert PLACES > 60
    for number in range(PLACES):
        edited = copy.deepcopy(DOCUMENT)
        container, key = list(places(edited))[number]
        if container is edited and key == "digest":
            continue
        if edit == "replaced":
            container[key] = f"{container[key]}!"
        elif edit == "removed":
            del container[key]
        elif isinstance(container, dict):
            container[f"{key} "] = None
        else:
            container.append(None)
        assert digest_of(edited) != DOCUMENT["digest"]


def test_a_value_of_the_greatest_depth_can_be_written_and_checked() -> None:
    deep: Any = "x"
    for _ in range(MAX_DEPTH):
        deep = {"a": [deep]} if isinstance(deep, str) else {"a": deep}
    document = evidence(Judged(finding(FindingKind.MOVED, "v", change("p", 1, deep)), Action.HALT, ""))
    assert digest_of(json.loads(to_bytes(document))) == document["digest"]
