"""Every raw difference is either in the diff of the canonical forms or explained by the normalisation that removed it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.flow.canonical import canonical
from driftguard.flow.diff import diff, same
from driftguard.flow.identity import Standing
from driftguard.flow.normalised import Normalisation, by_index, normalised
from driftguard.flow.path import Path, format_path, parse_path
from driftguard.flow.raw_form import dropped, kept, root
from tests.flow.bodies import ID, bodies, json_values

VNET = "Microsoft.Network/virtualNetworks"
VAULT = "Microsoft.KeyVault/vaults"


def told(before: Any, after: Any, type_: str = VNET) -> list[tuple[str, Normalisation]]:
    return [(format_path(one.path), one.what) for one in normalised(before, after, type_)]


def properties(**values: Any) -> dict[str, Any]:
    return {"properties": {"kept": True, **values}}


ADDRESS, SHORT = "2001:0DB8:0:0:0:0:0:1", "2001:db8::1"
SUBNETS = [{"name": "a", "x": 1}, {"name": "b", "x": 2}]
EQUAL = [
    ({"etag": '"1"'}, {"etag": '"2"'}, "etag", Normalisation.ETAG),
    ({"etag": '"1"'}, {}, "etag", Normalisation.ETAG),
    (properties(etag="1"), properties(etag=None), "properties.etag", Normalisation.ETAG),
    (properties(subnets=[{"name": "a", "etag": "1"}]), properties(subnets=[{"name": "a", "etag": "2"}]),
     "properties.subnets[name=a].etag", Normalisation.ETAG),
    (properties(a=None), properties(), "properties.a", Normalisation.EMPTY),
    (properties(a=[]), properties(a=""), "properties.a", Normalisation.EMPTY),
    (properties(a={"b": None}), properties(), "properties.a", Normalisation.EMPTY),
    (properties(a=[1, None]), properties(a=[1, {}]), "properties.a[1]", Normalisation.EMPTY),
    ({"id": ID}, {"id": ID.lower()}, "id", Normalisation.RESOURCE_ID),
    (properties(ids=[ID]), properties(ids=[ID.upper()]), "properties.ids[0]", Normalisation.RESOURCE_ID),
    ({"identity": {"userAssignedIdentities": {ID: {}}}}, {"identity": {"userAssignedIdentities": {ID.lower(): {}}}},
     format_path(("identity", "userAssignedIdentities", ID.lower())), Normalisation.RESOURCE_ID),
    ({"type": VNET}, {"type": VNET.lower()}, "type", Normalisation.RESOURCE_TYPE),
    ({"name": "Hub"}, {"name": "hub"}, "name", Normalisation.OWN_NAME),
    ({"location": "West US"}, {"location": "westus"}, "location", Normalisation.LOCATION),
    (properties(locations=["West US"]), properties(locations=["westus"]), "properties.locations[0]", Normalisation.LOCATION),
    (properties(at="2026-01-01T00:00:00Z"), properties(at="2026-01-01T01:00:00.00+01:00"), "properties.at",
     Normalisation.DATE_TIME),
    (properties(ip=ADDRESS), properties(ip=SHORT), "properties.ip", Normalisation.IPV6),
    (properties(ip=ADDRESS + "/064"), properties(ip=SHORT + "/64"), "properties.ip", Normalisation.IPV6),
    (properties(n=1), properties(n=1.0), "properties.n", Normalisation.NUMBER),
    (properties(n=0), properties(n=-0.0), "properties.n", Normalisation.NUMBER),
    (properties(subnets=SUBNETS), properties(subnets=SUBNETS[::-1]), "properties.subnets", Normalisation.ORDER),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "path", "what"), EQUAL, ids=lambda value: str(value)[:40])
def test_every_normalisation_is_named_where_it_makes_two_values_equal(
    before: Any, after: Any, path: str, what: Normalisation
) -> None:
    assert not diff(canonical(before, VNET), canonical(after, VNET))
    assert told(before, after) == told(after, before) == [(path, what)]


def test_a_form_of_one_type_is_named_for_that_type_only() -> None:
    before, after = properties(vaultUri="https://v/"), properties(vaultUri="https://v")
    assert told(before, after, VAULT) == [("properties.vaultUri", Normalisation.OF_TYPE)]
    assert told(before, after) == [] and diff(canonical(before, VNET), canonical(after, VNET))


def test_every_normalisation_has_an_example_here() -> None:
    assert {what for *_, what in EQUAL} | {Normalisation.OF_TYPE, Normalisation.OTHER} == set(Normalisation)


def test_the_order_of_a_list_is_told_with_the_property_that_tells_its_elements_apart() -> None:
    [one] = normalised(properties(a=SUBNETS), properties(a=SUBNETS[::-1]), VNET)
    assert one.reason.endswith("here by their name")


def test_what_is_explained_stands_beside_what_differs() -> None:
    before = {"etag": "1", "properties": {"subnets": SUBNETS, "a": 1}}
    after = {"etag": "2", "properties": {"subnets": [{"name": "b", "x": 3}, {"name": "a", "x": 1.0}], "a": 1.0}}
    assert [format_path(change.path) for change in diff(canonical(before, VNET), canonical(after, VNET))] == [
        "properties.subnets[name=b].x"
    ]
    assert told(before, after) == [
        ("etag", Normalisation.ETAG),
        ("properties.a", Normalisation.NUMBER),
        ("properties.subnets", Normalisation.ORDER),
        ("properties.subnets[name=a].x", Normalisation.NUMBER),
    ]


def test_tags_are_compared_as_they_are() -> None:
    before, after = {"tags": {"location": "West US", "a": ""}}, {"tags": {"location": "westus"}}
    assert told(before, after) == []
    assert len(diff(canonical(before, VNET), canonical(after, VNET))) == 2


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("properties.ids[1]", properties(ids=["a", "b"]), "of properties.ids are compared by index: nothing"),
        ("properties.steps[0].x", properties(steps=[{"name": "a", "x": 1}]), "of properties.steps are compared by index: their"),
        ("properties.subnets[name=a].x", properties(subnets=SUBNETS), ""),
        ("properties.ids", properties(ids=["a"]), "of properties.ids are compared by index: nothing"),
        ("properties.subnets", properties(subnets=SUBNETS), ""),
        ("properties.kept", properties(), ""),
    ],
)  # fmt: skip
def test_elements_without_an_identity_are_said_to_be_compared_by_index(path: str, body: Any, said: str) -> None:
    told = by_index(parse_path(path), Standing(canonical(body, VNET)))
    assert said in told and bool(said) is bool(told)


# Any bodies: a raw difference, found by a walk of the test's own, is in the diff or explained.

EDITS = ["etag", "null", "case", "number", "date", "ipv6", "location", "reverse", "change", "remove"]


@given(st.data(), bodies, st.sampled_from([VNET, VAULT, "Microsoft.Web/sites/config"]))
def test_every_raw_difference_is_in_the_diff_or_explained(data: st.DataObject, before: Any, type_: str) -> None:
    after = copy.deepcopy(before)
    for _ in range(data.draw(st.integers(1, 4))):
        edit(data, after)
    check(before, after, type_)


@given(bodies, bodies, st.sampled_from([VNET, VAULT]))
def test_every_raw_difference_of_any_two_bodies_is_in_the_diff_or_explained(
    before: Any, after: Any, type_: str
) -> None:
    check(before, after, type_)


def check(before: Any, after: Any, type_: str) -> None:
    explained = normalised(before, after, type_)
    changes = diff(canonical(before, type_), canonical(after, type_))
    assert not [one for one in explained if one.what is Normalisation.OTHER or not one.reason]
    assert bool(explained) or bool(changes) or same(before, after)
    equal = {one.path for one in explained if one.what is not Normalisation.ORDER and is_unique(one.path)}
    assert not equal & {change.path for change in changes}
    covered = [one.path for one in explained] + [change.path for change in changes]
    for path in raw_differences((), root(before, type_), root(after, type_), type_):
        assert any(path[: len(known)] == known or known[: len(path)] == path for known in covered), path


def test_what_vanishes_as_a_whole_is_told_as_a_whole() -> None:
    assert told({"a": {"b": None, "d": {}}, "c": 1}, {"c": 1}) == [("a", Normalisation.EMPTY)]


def is_unique(path: Path) -> bool:
    """Whether the path means one thing: an index may be an element's before and another one's after, and what is under a
    resource id may differ beside the letter case of the id."""
    return not any(isinstance(step, int) for step in path) and not (path and str(path[-1]).startswith("/"))


def raw_differences(path: Path, old: Any, new: Any, type_: str) -> Iterator[Path]:
    """The places where two raw bodies differ: as deep as objects and lists of one length go, elements by position."""
    if same(old.raw, new.raw):
        return
    if old.is_object and new.is_object:
        left, right = names(old), names(new)
        for name in left.keys() | right.keys():
            if name in left and name in right:
                yield from raw_differences((*path, name), left[name], right[name], type_)
            else:
                yield (*path, name)
    else:
        yield path


def names(side: Any) -> dict[str, Any]:
    return {name: member.side for name, member in kept(side).items()} | {
        name: root(value, "") for name, value in dropped(side).items() if name not in kept(side)
    }


def edit(data: st.DataObject, body: Any) -> None:
    """Change one value somewhere, mostly in a way that the canonical form passes over."""
    places = list(places_of(body))
    if not places:
        body["etag"] = "new"
        return
    holder, key = data.draw(st.sampled_from(places))
    value, kind = holder[key], data.draw(st.sampled_from(EDITS))
    if kind == "remove":
        del holder[key]
    elif kind == "reverse" and isinstance(value, list):
        value.reverse()
    elif kind == "etag" and isinstance(value, dict):
        value["etag"] = data.draw(st.sampled_from(["1", "2", None, 3]))
    elif kind == "null" and isinstance(value, dict):
        value["nothing"] = data.draw(st.sampled_from([None, "", [], {}]))
    elif kind == "number" and isinstance(value, int):
        holder[key] = float(value) if abs(value) < 2**53 else value + 1
    elif kind == "case" and isinstance(value, str):
        holder[key] = value.swapcase()
    elif kind == "case" and isinstance(holder, dict):
        holder[key.swapcase()] = holder.pop(key)
    elif kind in ("date", "ipv6", "location"):
        holder[key] = data.draw(
            st.sampled_from(["2018-02-14T06:01:52.8600Z", "2018-02-14T06:01:52.86", "::1", "0:0::1"])
        )
    elif kind == "change":
        holder[key] = data.draw(json_values)


def places_of(value: Any) -> Iterator[tuple[Any, Any]]:
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, item in items:
        yield value, key
        yield from places_of(item)
