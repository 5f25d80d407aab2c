from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.errors import CannotTell
from driftguard.flow.canonical import canonical, fingerprint
from driftguard.flow.path import MAX_DEPTH, TooDeep
from driftguard.flow.place import people_name_properties
from tests.flow.bodies import ID, bodies, json_values

TYPE = "Microsoft.Network/virtualNetworks"
SITE_SETTINGS = {"name": "appsettings", "properties": {"etag": "a", "WEBSITE": "", "start": "2018-02-14T06:01:52.860Z"}}


def equal(before: Any, after: Any, type_: str = TYPE) -> bool:
    return fingerprint(canonical(before, type_)) == fingerprint(canonical(after, type_))


@given(json_values, st.sampled_from([TYPE, "Microsoft.Web/sites/config", "Microsoft.KeyVault/vaults"]))
def test_the_canonical_form_is_its_own_canonical_form(body: Any, type_: str) -> None:
    once = canonical(body, type_)
    assert fingerprint(canonical(once, type_)) == fingerprint(once)


@given(bodies)
def test_the_body_given_is_not_changed(body: dict[str, Any]) -> None:
    before = fingerprint(body)
    canonical(body, TYPE)
    assert fingerprint(body) == before


@given(bodies)
def test_what_went_over_the_wire_as_json_has_the_same_form(body: dict[str, Any]) -> None:
    assert equal(body, json.loads(json.dumps(body)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"etag": "1", "properties": {"eTag": "2"}}, {"@odata.etag": "x", "properties": {"_etag": "y"}}),
        ({"s": [{"name": "a", "etag": "1"}]}, {"s": [{"name": "a", "properties": {"etag": "2"}}]}),
        ({"p": {"vnet": {"id": ID, "etag": "1"}}}, {"p": {"vnet": {"id": ID, "etag": "2"}}}),
        ({"id": ID}, {"id": ID.lower()}),
        ({"properties": {"vnet": {"id": ID}}}, {"properties": {"vnet": {"id": ID.upper()}}}),
        ({"x": "/PROVIDERS/Microsoft.X/y/z"}, {"x": "/providers/microsoft.x/y/z"}),
        ({"userAssignedIdentities": {ID: {"a": 1}}}, {"userAssignedIdentities": {ID.lower(): {"a": 1}}}),
        ({"name": "Vnet", "type": "Microsoft.Cache/redis/x"}, {"name": "vnet", "type": "Microsoft.Cache/Redis/x"}),
        ({"location": "West US 2"}, {"location": "westus2"}),
        ({"p": [{"locationName": "East US"}]}, {"p": [{"locationName": "eastus"}]}),
        ({"locations": ["North Europe"]}, {"locations": ["northeurope"]}),
        ({"properties": {"primaryLocation": "North Europe"}}, {"properties": {"primaryLocation": "northeurope"}}),
        ({"t": "2018-02-14T06:01:52.86Z"}, {"t": "2018-02-14T06:01:52.860"}),
        ({"t": "2018-02-14T06:01:52.8600000+00:00"}, {"t": "2018-02-14T07:01:52.86+01:00"}),
        ({"t": "2018-02-14T06:01:52Z"}, {"t": "2018-02-14T06:01:52.0000000"}),
        ({"a": None, "b": [], "c": {}, "d": "", "e": {"f": [None]}}, {"e": {"f": [{}]}}),
        ({"n": 1, "m": 0, "big": 2.0**70}, {"n": 1.0, "m": -0.0, "big": 2**70}),
        ({"a": "2002:0db9:85a4:0000:0000:8a2e:0371:7335"}, {"a": "2002:DB9:85a4::8a2e:371:7335"}),
        ({"a": ["2001:0db8::/32"]}, {"a": ["2001:db8:0::/32"]}),
        ({"a": "::FFFF:1.2.3.4"}, {"a": "::ffff:102:304"}),
        ({"s": [{"name": "b", "x": 1}, {"name": "a"}]}, {"s": [{"name": "a"}, {"name": "b", "x": 1}]}),
        ({"s": [{"id": ID + "b"}, {"id": ID + "a"}]}, {"s": [{"id": ID + "A"}, {"id": ID + "B"}]}),
    ],
)
def test_equal_things_have_one_form(before: Any, after: Any) -> None:
    assert equal(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": False}, {}),
        ({"a": 0}, {}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 2**64}, {"a": 2**64 + 1}),
        ({"a": 2**53}, {"a": 2**53 + 1}),
        ({"a": 10**5000}, {"a": 10**5000 + 1}),
        ({"a": math.inf}, {"a": -math.inf}),
        ({"tags": {"a": ""}}, {"tags": {}}),
        ({"tags": {"etag": "1"}}, {"tags": {"etag": "2"}}),
        ({"etag": {"uri": "a"}}, {}),
        ({"properties": {"x": {"etag": "1"}}}, {"properties": {"x": {"etag": "2"}}}),
        ({"properties": {"x": {"id": "mine", "etag": "1"}}}, {"properties": {"x": {"id": "mine", "etag": "2"}}}),
        ({"properties": {"x": [{"etag": "1"}]}}, {"properties": {"x": [{"etag": "2"}]}}),
        ({"definition": {"actions": {"etag": {"type": "Http"}}}}, {"definition": {"actions": {}}}),
        ({"inputs": {"body": [{"id": ID, "etag": "1"}]}}, {"inputs": {"body": [{"id": ID, "etag": "2"}]}}),
        ({"properties": {"headers": {"id": ID, "ETag": "1"}}}, {"properties": {"headers": {"id": ID, "ETag": "2"}}}),
        ({"properties": {"headers": {"Location": "West US"}}}, {"properties": {"headers": {"Location": "westus"}}}),
        ({"properties": {"x": {"locations": ["West US"]}}}, {"properties": {"x": {"locations": ["westus"]}}}),
        ({"tags": {"x": ID}}, {"tags": {"x": ID.lower()}}),
        ({"properties": {"nodeLabels": {"a": ""}}}, {"properties": {}}),
        ({"sku": "Basic"}, {"sku": "basic"}),
        ({"p": {"name": "A"}}, {"p": {"name": "a"}}),
        ({"a": ["1", "2"]}, {"a": ["2", "1"]}),
        ({"a": [None, 1]}, {"a": [1]}),
        ({"s": [{"name": "a"}, {"name": "A", "x": 1}]}, {"s": [{"name": "A", "x": 1}, {"name": "a"}]}),
        ({"pathRules": [{"name": "a"}, {"name": "b"}]}, {"pathRules": [{"name": "b"}, {"name": "a"}]}),
        ({"userAssignedIdentities": {ID: {}}}, {"userAssignedIdentities": {}}),
        ({"Location": "a b"}, {"Location": "a c"}),
        ({"t": "2018-02-30T06:01:52Z"}, {"t": "2018-02-30T06:01:52.0Z"}),
        ({"t": "2018-02-14T06:01:52.8600001Z"}, {"t": "2018-02-14T06:01:52.86Z"}),
        ({"a": "0001:0002"}, {"a": "1:2"}),
        ({"a": "12:30:05"}, {"a": "12:30:5"}),
        ({"a": "\ud83d\ude00"}, {"a": "\N{GRINNING FACE}"}),
        ({"a": "\ud83d"}, {"a": "\ude00"}),
    ],
)
def test_different_things_have_different_forms(before: Any, after: Any) -> None:
    assert not equal(before, after)


def test_names_of_settings_that_people_chose_are_kept_as_they_are() -> None:
    assert canonical(SITE_SETTINGS, "Microsoft.Web/sites/config")["properties"] == SITE_SETTINGS["properties"]


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("customize", "type"),
        ("inVMValidations", "type"),
        ("steps", "branches"),
        ("branches", "actions"),
        ("actions", "selectorId"),
        ("profiles", "capacity"),
        ("rules", "nextStepIfMatched"),
    ],
)
def test_a_list_whose_order_means_something_keeps_it(name: str, mark: str) -> None:
    first, second = {"name": "b", mark: "x"}, {"name": "a"}
    assert canonical({"properties": {name: [first, second]}}, TYPE)["properties"][name] == [first, second]
    assert not equal({"properties": {name: [first, second]}}, {"properties": {name: [second, first]}})


@pytest.mark.parametrize("name", ["actions", "profiles", "rules"])
def test_another_list_of_a_name_that_many_types_use_has_no_order(name: str) -> None:
    assert equal({name: [{"name": "b"}, {"name": "a"}]}, {name: [{"name": "a"}, {"name": "b"}]})


def test_settings_that_people_chose_are_known_by_the_type_or_by_the_id() -> None:
    id_ = "/subscriptions/x/resourceGroups/y/providers/Microsoft.Web/sites/z/config/"
    assert people_name_properties({"id": id_ + "appsettings"})
    assert people_name_properties({"name": "z/connectionStrings", "type": "Microsoft.Web/sites/config"})
    assert people_name_properties({"name": "appsettings"}, "Microsoft.Web/staticSites/config")
    others: list[Any] = [
        {"id": id_ + "web"},
        {"name": "appsettings"},
        {"name": "appsettings", "type": "Microsoft.Web/sites"},
    ]
    assert not any(map(people_name_properties, [*others, []]))


def test_forms_of_single_types() -> None:
    assert equal({"p": {"vaultUri": "https://v/"}}, {"p": {"vaultUri": "https://v"}}, "Microsoft.KeyVault/vaults")
    assert not equal({"p": {"vaultUri": "https://v/"}}, {"p": {"vaultUri": "https://v"}})
    assert equal({"protocol": "http"}, {"protocol": "HTTP"}, "Microsoft.Network/trafficManagerProfiles")


@pytest.mark.parametrize(
    "instant", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2018-02-14T06:01:52+99:00"]
)
def test_what_is_no_instant_stays_text(instant: str) -> None:
    assert canonical({"t": instant}, TYPE) == {"t": instant}


def test_ids_that_differ_in_case_only_stay_apart_as_property_names() -> None:
    body = {"x": {ID: 1, ID.lower(): 2}}
    assert canonical(body, TYPE) == body


def test_deep_and_large_bodies_have_a_form_and_a_body_without_end_is_a_named_error() -> None:
    deep: Any = 1
    for level in range(200):
        deep = {"a": deep} if level % 2 else [deep]
    assert equal({"a": deep}, {"a": deep})
    assert len(canonical({"a": [{"name": str(n)} for n in range(100_000)]}, TYPE)["a"]) == 100_000
    assert len(canonical({"a": list(range(100_000))}, TYPE)["a"]) == 100_000
    for _ in range(MAX_DEPTH):
        deep = [deep]
    with pytest.raises(TooDeep) as error:
        canonical({"a": deep}, TYPE)
    assert isinstance(error.value, CannotTell)
    assert error.value.remedy


def test_an_empty_body_is_an_empty_object_whatever_it_was() -> None:
    assert canonical(None, TYPE) == canonical([], TYPE) == canonical({"a": [], "b": {"c": None}}, TYPE) == {}


def test_a_fingerprint_names_its_version() -> None:
    assert fingerprint({}) == "c3:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize("path", ["/subscriptions/Health", "/subscriptions/Active/list", "/providers/Items"])
def test_a_path_of_an_application_is_no_resource_id(path: str) -> None:
    assert canonical({"properties": {"path": path}}, "")["properties"]["path"] == path


def test_an_empty_parameter_is_a_value_and_a_missing_one_is_none() -> None:
    with_it, without = ({"properties": {"parameters": {"tag": value}}} for value in ({"value": "", "x": 1}, {"x": 1}))
    assert fingerprint(canonical(with_it, "")) != fingerprint(canonical(without, ""))


def test_the_order_of_rule_sets_on_a_route_counts() -> None:
    sets = [{"id": f"{ID}/a"}, {"id": f"{ID}/b"}]
    route, swapped = ({"properties": {"ruleSets": order}} for order in (sets, sets[::-1]))
    assert fingerprint(canonical(route, "")) != fingerprint(canonical(swapped, ""))
