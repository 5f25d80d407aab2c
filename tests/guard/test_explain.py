"""`explain`: every path has exactly one answer, and it is the one that a check gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driftguard.errors import WrongUse
from driftguard.flow.check import FindingKind
from driftguard.flow.path import format_path
from driftguard.flow.policy import Match, Rule
from driftguard.guard.explain import NORMALISED, Explained, PathTold, explain
from tests.world import JOB, NETWORK, VNET, World, world


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    """A world in which a network is recorded."""
    with world(tmp_path) as made:
        made.first_record(VNET)
        yield made


def by_hand(shop: World, **change: Any) -> None:
    shop.sandbox.patch(VNET, change, as_="person-portal")


def subnets(shop: World) -> Any:
    return (shop.sandbox.get(VNET) or {})["properties"]["subnets"]


def told(shop: World, path: str | None = None) -> Explained:
    return explain(shop.guard, JOB, VNET, path)


def one(shop: World, path: str) -> PathTold:
    [answer] = told(shop, path).paths
    return answer


def ignoring(shop: World, *paths: str) -> None:
    rule = Rule("free", Match(type="*"), ignore=paths, reason="the desk sets them", owner="desk")
    policy = shop.guard.policy()
    shop.guard = replace(shop.guard, policy=lambda: replace(policy, rules=(rule, *policy.rules)))


def test_what_only_got_another_etag_is_told_with_the_normalisation(shop: World) -> None:
    by_hand(shop, tags={"by": "hand"})
    everything = told(shop)
    assert [path.path for path in everything.paths] == ["tags.by"]
    assert {str(equal.what) for equal in everything.normalised} == {"ETag"}
    assert "etag" in [format_path(equal.path) for equal in everything.normalised]
    answer = one(shop, "etag")
    assert (answer.kind, answer.rule, answer.differs) == (NORMALISED, "ETag", False) and answer.why


def test_nothing_is_told_as_normalised_where_the_bodies_are_the_same(shop: World) -> None:
    assert told(shop).finding.kind is FindingKind.UNCHANGED
    assert (told(shop).normalised, told(shop).paths) == ((), ())


def test_a_path_that_differs_has_the_class_and_rule_of_the_check(shop: World) -> None:
    by_hand(shop, tags={"by": "hand"}, properties={"flowTimeoutInMinutes": 7})
    ignoring(shop, "tags")
    changes = {format_path(change.path): change for change in told(shop).finding.changes}
    assert set(changes) == {"tags.by", "properties.flowTimeoutInMinutes"}
    for path, change in changes.items():
        answer = one(shop, path.upper())
        assert (answer.path, answer.kind, answer.differs) == (path, str(change.kind), True)
    assert (one(shop, "tags.by").rule, one(shop, "tags.by").owner) == ("free", "desk")


def test_a_part_of_what_appeared_has_the_answer_of_the_whole(shop: World) -> None:
    subnet = {"name": "new", "properties": {"addressPrefix": "10.20.99.0/24"}}
    by_hand(shop, properties={"subnets": [*subnets(shop), subnet]})
    answer = one(shop, "properties.subnets[name=new].properties.addressPrefix")
    assert (answer.kind, answer.differs) == ("configuration", True)
    assert "part of the difference at properties.subnets[name=new]" in answer.note
    assert one(shop, "properties.subnets[name=new].etag").kind == NORMALISED
    assert not one(shop, "properties.subnets[name=new].properties.none").differs


def test_a_path_above_differences_is_told_to_differ_below(shop: World) -> None:
    by_hand(shop, tags={"by": "hand", "for": "fun"})
    answer = one(shop, "tags")
    assert answer.differs and "2 differences below it, the first at tags.by" in answer.note
    ignoring(shop, "tags.by")
    assert (one(shop, "tags").kind, one(shop, "tags.by").kind) == ("configuration", "ignored")


def test_what_does_not_differ_is_told_with_what_a_difference_would_be(shop: World) -> None:
    ignoring(shop, "tags")
    answer = one(shop, "tags.none")
    assert (answer.kind, answer.rule, answer.differs) == ("ignored", "free", False)
    assert answer.note == "it is in neither body"
    assert one(shop, "location").note.startswith("spelling of a location: ")
    assert one(shop, "properties.provisioningState").kind == "platform"


def test_elements_without_an_identity_are_told_to_be_compared_by_index(shop: World) -> None:
    answer = one(shop, "properties.addressSpace.addressPrefixes[0]")
    assert "properties.addressSpace.addressPrefixes are compared by index" in answer.note
    assert answer.note.startswith("compared as it is")
    assert "index" not in one(shop, "properties.subnets[0]").note


def test_another_order_of_named_elements_is_no_difference(shop: World) -> None:
    by_hand(shop, properties={"subnets": subnets(shop)[::-1]})
    everything = told(shop)
    assert everything.paths == ()
    assert "order of a list" in {str(equal.what) for equal in everything.normalised}
    assert one(shop, "properties.subnets").rule == "ETag, order of a list"


def test_what_is_gone_is_told_by_the_rules_and_by_what_is_recorded(shop: World) -> None:
    shop.sandbox.delete(VNET, as_="person-portal")
    everything = told(shop)
    assert (everything.finding.kind, everything.normalised) == (FindingKind.GONE, ())
    answer = one(shop, "location")
    assert (answer.kind, answer.differs) == ("configuration", None)


def test_a_resource_whose_group_is_gone_is_told_of_itself(shop: World) -> None:
    group = NETWORK.replace("rg-shop-network", "rg-test")
    table = f"{group}/providers/Microsoft.Network/routeTables/rt-x"
    shop.sandbox.put(group, {"location": "westeurope"})
    shop.sandbox.put(table, {"location": "westeurope", "properties": {"routes": []}})
    shop.first_record(table, job="other")
    shop.sandbox.delete(group, as_="person-portal")
    everything = explain(shop.guard, "other", table)
    assert (everything.finding.kind, everything.finding.covers) == (FindingKind.GONE, ())
    assert (everything.compared, everything.finding.detail) == (False, "its resource group is gone")


@pytest.mark.parametrize("why", ["unreadable", "inflight", "gone"])
def test_nothing_is_said_to_be_the_same_where_nothing_was_compared(shop: World, why: str) -> None:
    shop.with_policy("version: 1\ndefaults: {settle: 0s}\n")
    if why == "unreadable":
        shop.sandbox.fault(VNET, "403")
    elif why == "inflight":
        shop.sandbox.platform(VNET, {"properties.provisioningState": "Updating", "tags.new": "x"})
    else:
        shop.sandbox.delete(VNET, as_="person-portal")
    for path, note in {
        "location": "spelling of a location: ", "tags.new": "it is not in the recorded body", "etag": "",
    }.items():  # fmt: skip
        everything = told(shop, path)
        assert (str(everything.finding.kind), everything.compared) == (why, False)
        [answer] = everything.paths
        assert answer.differs is None and answer.note.startswith(note)
    assert (told(shop).paths, told(shop).normalised, told(shop).compared) == ((), (), False)


def test_the_live_body_is_the_reading_that_was_judged_and_is_not_read_again(shop: World) -> None:
    by_hand(shop, tags={"by": "hand"})
    before = shop.guard.reader

    class Counting:
        asked = 0

        def read(self, wanted: Any, *, budget: float) -> Any:
            Counting.asked += 1
            return before.read(wanted, budget=budget)

        def __getattr__(self, name: str) -> Any:
            return getattr(before, name)

    shop.guard = replace(shop.guard, reader=Counting())
    assert told(shop, "tags").finding.kind is FindingKind.MOVED
    assert Counting.asked == shop.guard.policy().for_job(JOB).stability_reads


@pytest.mark.parametrize("path", ["a..b", "[", "tags.*", "properties[["])
def test_what_is_no_path_is_refused_before_anything_is_read(shop: World, path: str) -> None:
    with pytest.raises(WrongUse) as caught:
        told(shop, path)
    assert caught.value.problem == "wrong-use"
    assert "properties.subnets" in caught.value.remedy and "tags['cost center']" in caught.value.remedy
