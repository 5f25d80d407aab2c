"""Conditions of rules: what holds, in which body, and that what cannot be told never hides a change."""

from __future__ import annotations

from typing import Any

import pytest

from driftguard.flow.canonical import canonical
from driftguard.flow.condition import Conditional, When
from driftguard.flow.identity import Standing
from driftguard.flow.path import parse_path

DYNAMIC = When(path="configs[*].method", is_=("Dynamic",))


def ignores(pattern: str, when: When, path: str, before: Any, after: Any) -> bool:
    return Conditional(pattern, "r", when).ignores(parse_path(path), Standing(before, after))


def watches(pattern: str, when: When, path: str, before: Any, after: Any) -> bool:
    return Conditional(pattern, "r", when).watches(parse_path(path), Standing(before, after))


def config(method: str, address: str = "1", name: str = "a") -> dict[str, str]:
    return {"name": name, "method": method, "address": address}


def test_a_condition_is_asked_of_the_same_list_element() -> None:
    body = {"configs": [config("Dynamic"), config("Static", name="b")]}
    assert ignores("configs[*].address", DYNAMIC, "configs[name=a].address", body, body)
    assert not ignores("configs[*].address", DYNAMIC, "configs[name=b].address", body, body)


def test_what_a_rule_ignores_must_fulfil_the_condition_before_and_after() -> None:
    dynamic, static = {"configs": [config("Dynamic")]}, {"configs": [config("Static")]}
    assert ignores("configs[*].address", DYNAMIC, "configs[name=a].address", dynamic, dynamic)
    assert not ignores("configs[*].address", DYNAMIC, "configs[name=a].address", dynamic, static)
    assert not ignores("configs[*].address", DYNAMIC, "configs[name=a].address", static, dynamic)


def test_what_a_rule_watches_must_fulfil_the_condition_before_or_after() -> None:
    stopped = When(path="state", is_=("Stopped",))
    assert watches("state", stopped, "state", {"state": "Running"}, {"state": "Stopped"})
    assert watches("state", stopped, "state", {"state": "Stopped"}, {"state": "Running"})
    assert not watches("state", stopped, "state", {"state": "Running"}, {"state": "Updating"})


def test_an_element_that_is_new_or_gone_is_asked_where_it_is() -> None:
    with_it: Any = {"configs": [config("Dynamic")]}
    without: Any = {"configs": []}
    assert ignores("configs[*]", DYNAMIC, "configs[name=a]", without, with_it)
    assert ignores("configs[*]", DYNAMIC, "configs[name=a]", with_it, without)


def test_what_is_below_an_ignored_path_is_ignored_and_what_is_above_is_not() -> None:
    body = {"configs": [config("Dynamic")]}
    assert ignores("configs[*]", DYNAMIC, "configs[name=a].address.deep", body, body)
    assert not ignores("configs[*].address", DYNAMIC, "configs[name=a]", body, body)


@pytest.mark.parametrize("missing", [None, "", [], {}, {"x": 1}, ["Dynamic"], 1.5])
def test_a_value_that_is_missing_or_no_plain_text_fulfils_nothing(missing: Any) -> None:
    body = {"configs": [{"name": "a", "method": missing, "address": "1"}]}
    assert not ignores("configs[*].address", DYNAMIC, "configs[name=a].address", body, body)


def test_a_secret_fulfils_nothing() -> None:
    mark = "secret:k1:" + "0" * 32
    assert not ignores("a", When(path="b", is_=("x",)), "a", {"b": mark}, {"b": mark})


@pytest.mark.parametrize(("value", "word"), [("DYNAMIC", "Dynamic"), (True, "true"), (False, "false"), (3, "3")])
def test_texts_numbers_and_truth_values_are_compared_as_text_without_regard_to_case(value: Any, word: str) -> None:
    body = {"m": value, "x": 1}
    assert ignores("x", When(path="m", is_=(word,)), "x", body, body)


def test_a_glob_fits_the_whole_text() -> None:
    id_ = {"ref": {"id": "/subscriptions/s/providers/microsoft.compute/virtualmachinescalesets/v"}, "x": 1}
    when = When(path="ref.id", like=("*/Microsoft.Compute/virtualMachineScaleSets/*",))
    assert ignores("x", when, "x", id_, id_)
    other = {"ref": {"id": "/subscriptions/s/providers/microsoft.compute/virtualmachines/v"}, "x": 1}
    assert not ignores("x", when, "x", other, other)


def test_the_case_of_property_names_in_a_condition_means_nothing() -> None:
    body = {"Properties": {"METHOD": "Dynamic", "address": "1"}}
    when = When(path="properties.method", is_=("dynamic",))
    assert ignores("properties.address", when, "Properties.address", body, body)


def test_what_appears_was_not_there_before() -> None:
    appears = When(appears=True)
    assert ignores("a.b", appears, "a.b", {"a": {"x": 1}}, {"a": {"x": 1, "b": 2}})
    assert ignores("a.b", appears, "a.b", {}, {"a": {"b": 2}})
    assert not ignores("a.b", appears, "a.b", {"a": {"b": 1}}, {"a": {"b": 2}})
    assert not ignores("a.b", appears, "a.b", {"a": {"b": 1}}, {"a": {}})


@pytest.mark.parametrize(
    ("before", "after", "apart"),
    [
        ("2026-05-01T10:00:00Z", "2026-05-01T10:01:01Z", True),
        ("2026-05-01T10:01:01Z", "2026-05-01T10:00:00Z", True),
        ("2026-05-01T10:00:00Z", "2026-05-01T10:00:59.123456789Z", False),
        ("2026-05-01T10:00:00Z", "2026-05-01T12:00:30+02:00", False),
        ("2026-05-01", "2026-05-02T00:00:00Z", True),
        ("no date", "2026-05-01T10:00:00Z", True),
        (1, 2, True),
        (None, "2026-05-01T10:00:00Z", True),
    ],
)
def test_dates_that_are_further_apart_and_what_is_no_date_count(before: Any, after: Any, apart: bool) -> None:
    when = When(differs_by=60.0)
    assert watches("t", when, "t", {"t": before}, {"t": after}) is apart


def test_a_date_that_is_told_on_one_side_only_is_not_further_apart() -> None:
    assert not watches("t", When(differs_by=60.0), "t", {}, {"t": "2026-05-01T10:00:00Z"})


def test_without_the_bodies_nothing_is_ignored_and_everything_is_watched() -> None:
    one = Conditional("x", "r", When(path="m", is_=("a",)))
    assert not one.ignores(("x",), None)
    assert one.watches(("x",), None)
    assert not one.watches(("y",), None)


@pytest.mark.parametrize(
    ("pattern", "condition"),
    [("**.x", "x.m"), ("a.**", "a.m"), ("a[*].x", "b[*].m"), ("a.x", "a[*].m"), ("a.*.x", "b.*.m")],
)
def test_a_condition_that_could_be_about_another_element_is_refused(pattern: str, condition: str) -> None:
    with pytest.raises(ValueError):
        Conditional(pattern, "r", When(path=condition, is_=("x",)))


def test_shared_steps_are_the_same_without_regard_to_case() -> None:
    body = {"configs": [config("Dynamic")]}
    when = When(path="CONFIGS[*].method", is_=("Dynamic",))
    assert ignores("configs[*].address", when, "configs[name=a].address", body, body)


def test_what_comes_or_goes_is_there_on_one_side_only() -> None:
    when = When(comes_or_goes=True)
    one: Any = {"list": [{"name": "a", "x": 1}]}
    none: Any = {"list": []}
    assert ignores("list[*]", when, "list[name=a]", none, one)
    assert ignores("list[*]", when, "list[name=a]", one, none)
    other = {"list": [{"name": "a", "x": 2}]}
    assert not ignores("list[*]", when, "list[name=a].x", one, other)


def test_both_parts_of_a_condition_must_hold() -> None:
    when = When(path="list[*].by", is_=("set",), comes_or_goes=True)
    made, edited, own = ({"list": [{"name": "a", "by": by, "x": x}]} for by, x in (("set", 1), ("set", 2), ("me", 1)))
    assert ignores("list[*]", when, "list[name=a]", {"list": []}, made)
    assert not ignores("list[*]", when, "list[name=a]", {"list": []}, own)
    assert not ignores("list[*]", when, "list[name=a].x", made, edited)


def test_nothing_stands_at_a_path_that_must_be_absent() -> None:
    when = When(path="certs[*].vault", absent=True)
    own, vault = ({"certs": [{"name": "a", "data": 1, **more}]} for more in ({}, {"vault": "v"}))
    assert watches("certs[*].data", when, "certs[name=a].data", own, own)
    assert watches("certs[*].data", when, "certs[name=a].data", own, vault)
    assert not watches("certs[*].data", when, "certs[name=a].data", vault, vault)


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("location", "West Europe", "West Europe"),
        ("t", "2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00.000Z"),
        ("n", 3.0, "3.0"),
        ("n", 3, "3"),
        ("weight", 1.5, "1.5"),
        ("ip", "2001:DB8:0::1", "2001:DB8:0::1"),
    ],
)
def test_what_is_named_is_found_in_the_form_in_which_bodies_are_compared(name: str, value: Any, word: str) -> None:
    body = canonical({name: value, "x": 1}, "")
    assert ignores("x", When(path=name, is_=(word,)), "x", body, body)


def test_a_secret_never_makes_a_rule_ignore_and_always_may_make_it_watch() -> None:
    body = {"password": "secret:k1:" + "0" * 32, "x": 1}
    for when in (When(path="password", like=("*",)), When(path="password", is_=("a",))):
        assert not ignores("x", when, "x", body, body)
        assert watches("x", when, "x", body, body)


def test_where_several_elements_have_the_name_all_must_fulfil_what_ignores_and_one_what_watches() -> None:
    body = {"rules": [{"name": "x", "access": "Deny"}, {"name": "X", "access": "Allow"}], "a": 1}
    when = When(path="rules[name=x].access", is_=("Allow",))
    assert not ignores("a", when, "a", body, body)
    assert watches("a", when, "a", body, body)


def test_an_element_without_identity_that_is_shifted_may_have_come_for_what_watches_only() -> None:
    when = When(comes_or_goes=True)
    before, after = {"list": [{"x": 1}, {"x": 2}]}, {"list": [{"x": 0}, {"x": 1}, {"x": 2}]}
    assert watches("list[*]", when, "list[0]", before, after)
    assert not ignores("list[*]", when, "list[0]", before, after)


def test_a_watched_element_is_found_by_its_property_where_names_are_doubled() -> None:
    before = {"list": [{"name": "a", "x": 1}, {"name": "b"}, {"name": "b"}]}
    after = {"list": [{"name": "b"}, {"name": "b"}]}
    assert watches("list[name=a]", When(comes_or_goes=True), "list[0]", before, after)
