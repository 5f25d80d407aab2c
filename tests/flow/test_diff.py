from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.flow.canonical import canonical, fingerprint
from driftguard.flow.classify import ChangeClass, PathRules
from driftguard.flow.condition import Conditional, When
from driftguard.flow.diff import MISSING, Change, diff
from driftguard.flow.patch import apply
from driftguard.flow.path import PathPattern, PatternSet, format_path, path_order
from tests.flow.bodies import ID, bodies, json_values

TYPE = "Microsoft.Network/virtualNetworks"
CONFIGURATION, PLATFORM, IGNORED = ChangeClass.CONFIGURATION, ChangeClass.PLATFORM, ChangeClass.IGNORED


def patterns(*texts: str) -> PatternSet:
    return PatternSet((PathPattern.parse(text), f"rule {text}") for text in texts)


def told(before: Any, after: Any, rules: PathRules | None = None) -> list[tuple[str, Any, Any]]:
    changes = diff(canonical(before, TYPE), canonical(after, TYPE), rules)
    return [(format_path(change.path), change.before, change.after) for change in changes]


def classes(before: Any, after: Any, rules: PathRules | None = None) -> dict[str, str]:
    changes = diff(canonical(before, TYPE), canonical(after, TYPE), rules)
    return {format_path(change.path): str(change.kind) for change in changes}


RULES = PathRules(
    platform=patterns("properties", "**.x", "*[*].properties", "**.id", f"**['{ID}']"),
    ignore=patterns("**.lun", "**.tags.x"),
    watch=patterns("**.name", "properties.*[*]", "**[*][*]"),
)
CONDITIONAL = PathRules(
    platform=patterns("*[*].properties"),
    ignore_when=(
        Conditional("*[*]", "named a", When(path="*[*].name", is_=("a",))),
        Conditional("properties.*[*].properties.x", "new", When(appears=True)),
    ),
    watch_when=(Conditional("*[*].properties", "with an id", When(path="*[*].id", like=("*",))),),
)
rule_sets = st.sampled_from([PathRules(), RULES, CONDITIONAL])


@given(json_values, json_values, rule_sets)
def test_before_and_the_changes_give_exactly_after(before: Any, after: Any, rules: PathRules) -> None:
    old, new = canonical(before, TYPE), canonical(after, TYPE)
    assert fingerprint(apply(old, diff(old, new, rules))) == fingerprint(new)


@st.composite
def edited(draw: st.DrawFn) -> tuple[Any, Any]:
    """A body, and the same body with a few places changed: closer to what happens than two unrelated bodies."""
    before = draw(bodies)
    after = copy.deepcopy(before)
    for _ in range(draw(st.integers(0, 4))):
        place = after
        for _ in range(draw(st.integers(0, 5))):
            inner = [v for v in (place.values() if isinstance(place, dict) else place) if isinstance(v, dict | list)]
            if inner:
                place = draw(st.sampled_from(inner))
        if isinstance(place, dict):
            place[draw(st.sampled_from([*place, "new"]))] = draw(json_values)
        elif place and draw(st.booleans()):
            place.pop(draw(st.integers(0, len(place) - 1)))
        else:
            place.insert(draw(st.integers(0, len(place))), draw(json_values))
    return before, after


@given(edited(), rule_sets)
def test_before_and_the_changes_give_exactly_after_an_edit(pair: tuple[Any, Any], rules: PathRules) -> None:
    old, new = (canonical(body, TYPE) for body in pair)
    changes = diff(old, new, rules)
    assert fingerprint(apply(old, changes)) == fingerprint(new)
    assert (changes == ()) == (fingerprint(old) == fingerprint(new))
    assert list(changes) == sorted(changes, key=lambda change: path_order(change.path))


@given(edited(), rule_sets)
def test_comparing_and_applying_leave_the_bodies_as_they_are(pair: tuple[Any, Any], rules: PathRules) -> None:
    old, new = (canonical(body, TYPE) for body in pair)
    both = fingerprint([old, new])
    apply(old, diff(old, new, rules))
    assert fingerprint([old, new]) == both


@given(bodies, rule_sets)
def test_a_body_does_not_differ_from_itself(body: dict[str, Any], rules: PathRules) -> None:
    assert diff(canonical(body, TYPE), canonical(copy.deepcopy(body), TYPE), rules) == ()


def test_changes_are_told_by_path_with_before_and_after() -> None:
    before = {"a": 1, "gone": {"x": 1}, "subnets": [{"name": "a", "p": 1}, {"name": "b", "p": 1}]}
    after = {"a": True, "new": "x", "subnets": [{"name": "c", "p": 1}, {"name": "A", "p": 2}]}
    assert told(before, after) == [
        ("a", 1, True),
        ("gone", {"x": 1}, MISSING),
        ("new", MISSING, "x"),
        ("subnets[name=a].name", "a", "A"),
        ("subnets[name=a].p", 1, 2),
        ("subnets[name=b]", {"name": "b", "p": 1}, MISSING),
        ("subnets[name=c]", MISSING, {"name": "c", "p": 1}),
    ]


def test_reordering_a_list_with_identity_is_no_change_and_of_one_without_it_is() -> None:
    assert told({"s": [{"name": "a"}, {"name": "b"}]}, {"s": [{"name": "b"}, {"name": "a"}]}) == []
    assert told({"s": ["a", "b"]}, {"s": ["b", "a"]}) == [("s[0]", "a", "b"), ("s[1]", "b", "a")]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("abcd", "acd", [("s[1]", "b", MISSING)]),
        ("acd", "abcd", [("s[1]", MISSING, "b")]),
        ("ab", "abc", [("s[2]", MISSING, "c")]),
        ("", "ab", [("s[0]", MISSING, "a"), ("s[1]", MISSING, "b")]),
        ("aaa", "aa", [("s[2]", "a", MISSING)]),
        ("abc", "axyc", [("s[1]", "b", "x"), ("s[2]", MISSING, "y")]),
    ],
)
def test_a_list_without_identity_changes_only_between_its_equal_ends(before: str, after: str, expected: Any) -> None:
    assert told({"s": list(before)}, {"s": list(after)}) == expected


def test_a_list_that_gets_its_first_element_is_told_by_element() -> None:
    assert told({}, {"s": [{"name": "a"}]}) == [("s[name=a]", MISSING, {"name": "a"})]
    assert told({"s": [{"name": "a"}]}, {"s": []}) == [("s[name=a]", {"name": "a"}, MISSING)]


def test_what_arm_writes_everywhere_is_platform_and_a_tag_of_that_name_is_not() -> None:
    before = {"properties": {"provisioningState": "Succeeded"}, "tags": {"provisioningState": "a"}}
    after = {"properties": {"provisioningState": "Failed"}, "tags": {"provisioningState": "b"}, "systemData": {"x": 1}}
    assert classes(before, after) == {
        "properties.provisioningState": PLATFORM,
        "systemData": PLATFORM,
        "tags.provisioningState": CONFIGURATION,
    }


SUBNET = {"name": "s", "properties": {"provisioningState": "Succeeded"}}
REGION = {"locationName": "westus", "id": "x-westus", "provisioningState": "Succeeded"}
NESTED = {"id": ID, "properties": {"provisioningState": "Succeeded"}, "systemData": {"createdBy": "a"}}


@pytest.mark.parametrize(
    "before",
    [
        {"provisioningState": "Succeeded", "systemData": {"createdBy": "a"}},
        {"properties": {"provisioningState": "Succeeded"}},
        {"properties": {"subnets": [SUBNET], "locations": [REGION]}},
        {"properties": {"subnets": [{"name": "s", "properties": {"inner": [SUBNET]}}]}},
        {"properties": {"connections": [NESTED], "gateway": NESTED}},
    ],
)
def test_the_names_that_arm_writes_are_platform_in_every_resource_and_list_element(before: Any) -> None:
    after = json.loads(json.dumps(before).replace("Succeeded", "Failed").replace('"a"', '"b"'))
    assert set(classes(before, after).values()) == {PLATFORM}


@pytest.mark.parametrize("name", ["provisioningState", "systemData"])
@pytest.mark.parametrize(
    "around",
    [
        lambda own: {"properties": {"definition": {"actions": own}}},
        lambda own: {"properties": {"definition": {"actions": {"x": {"inputs": {"body": [{"id": ID, **own}]}}}}}},
        lambda own: {"properties": {"activities": [{"name": "x", "typeProperties": {"headers": own}}]}},
        lambda own: {"properties": {"routes": own}},
        lambda own: {"properties": {"routes": {"id": "mine", **own}}},
        lambda own: {"tags": own},
        lambda own: {"id": "/x/providers/Microsoft.Web/sites/z/config/appsettings", "properties": own},
    ],
)
def test_what_people_called_so_in_their_own_dictionaries_is_configuration(around: Any, name: str) -> None:
    for before, after in (({}, {name: {"uri": "a"}}), ({name: {"uri": "a"}}, {name: {"uri": "b"}}), ({name: "a"}, {})):
        found = classes(around(before), around(after))
        assert found
        assert set(found.values()) == {CONFIGURATION}


def test_nobody_hides_a_change_by_giving_their_own_object_an_id() -> None:
    before, after = {"x": {"systemData": {"uri": "a"}}}, {"x": {"id": ID, "systemData": {"uri": "b"}}}
    assert classes(before, after) == {"x.id": CONFIGURATION, "x.systemData.uri": CONFIGURATION}


def test_a_watched_element_is_found_by_its_property_whatever_else_is_in_the_list_and_an_ignored_one_is_not() -> None:
    platform, watch = patterns("list[*].x"), patterns("list[name=a].x")
    before = {"list": [{"name": "a", "x": 1}, {"name": "b", "x": 1}]}
    for other in ({"name": "A", "x": 1}, {"x": 1}, {"name": "b", "x": 1}):
        after = {"list": [{"name": "a", "x": 2}, other]}
        found = classes(before, after, PathRules(platform=platform, watch=watch))
        assert CONFIGURATION in {kind for path, kind in found.items() if path in ("list[0].x", "list[name=a].x")}
    by_index = {"list": [{"name": "a", "x": 2}, {"name": "A", "x": 1}]}
    ignoring = classes(before, by_index, PathRules(ignore=patterns("list[name=a].x")))
    assert ignoring["list[0].x"] == CONFIGURATION


def test_an_element_that_is_watched_by_another_property_than_its_identity_is_found() -> None:
    rules = PathRules(platform=patterns("list"), watch=patterns("list[code=7].x"))
    before, after = ({"list": [{"name": "a", "Code": 7, "x": x}, {"name": "b", "x": x}]} for x in (1, 2))
    assert classes(before, after, rules) == {"list[name=a].x": CONFIGURATION, "list[name=b].x": PLATFORM}


@pytest.mark.parametrize("name", ["customize", "steps", "actions"])
def test_the_order_of_steps_is_told_and_applied(name: str) -> None:
    one, two, three = ({"name": name, "selectorId": "s"} for name in "abc")
    for before, after in (
        ([one, two], [two, one]),
        ([one, two], [three, one, two]),
        ([{"name": "b"}, {"name": "a"}], [two]),
    ):
        old, new = (canonical({"properties": {name: items}}, TYPE) for items in (before, after))
        changes = diff(old, new)
        assert changes
        assert fingerprint(apply(old, changes)) == fingerprint(new)
        assert fingerprint(apply(new, diff(new, old))) == fingerprint(old)


def test_watch_beats_platform_and_ignore_beats_all_and_each_names_its_rule() -> None:
    rules = PathRules(platform=patterns("p"), ignore=patterns("p.x.y"), watch=patterns("p.x"))
    assert rules.classify(("p", "z")) == (PLATFORM, "rule p")
    assert rules.classify(("p", "x")) == (CONFIGURATION, "rule p.x")
    assert rules.classify(("p", "x", "y", "z")) == (IGNORED, "rule p.x.y")
    assert rules.classify(("q",)) == (CONFIGURATION, None)
    arms = PathRules().classify(("properties", "provisioningState"))
    assert arms == (PLATFORM, "provisioningState is written by Azure Resource Manager")


def test_parts_of_another_class_of_what_appears_are_changes_of_their_own() -> None:
    subnet = {"name": "a", "properties": {"prefix": "10.0.0.0/24", "provisioningState": "Succeeded", "ips": ["x"]}}
    rules = PathRules(platform=patterns("subnets[*].properties.ips"))
    for before, after in (({}, {"subnets": [subnet]}), ({"subnets": [subnet]}, {})):
        assert classes(before, after, rules) == {
            "subnets[name=a]": CONFIGURATION,
            "subnets[name=a].properties.provisioningState": PLATFORM,
            "subnets[name=a].properties.ips[0]": PLATFORM,
        }


def test_what_appears_with_nothing_but_elements_of_another_class_is_told_by_these_alone() -> None:
    rules = PathRules(ignore_when=(Conditional("p.rules[*]", "made", When(path="p.rules[*].by", is_=("set",))),))
    made = {"p": {"rules": [{"name": "a", "by": "set"}]}}
    assert classes({}, made, rules) == {"p.rules[name=a]": "ignored"}
    assert classes(made, {}, rules) == {"p.rules[name=a]": "ignored"}
    both = {"p": {"rules": [{"name": "a", "by": "set"}, {"name": "b"}]}}
    assert classes({}, both, rules) == {"p.rules[name=a]": "ignored", "p.rules[name=b]": "configuration"}


def test_a_watched_part_of_what_azure_writes_counts_when_all_of_it_appears() -> None:
    rules = PathRules(platform=patterns("connections"), watch=patterns("connections[*].properties.status"))
    after = {"connections": [{"name": "a", "properties": {"status": "Approved", "x": 1}}]}
    assert classes({}, after, rules) == {
        "connections[name=a]": PLATFORM,
        "connections[name=a].properties.status": CONFIGURATION,
    }


def test_a_watched_part_counts_where_a_plain_value_becomes_an_object() -> None:
    rules = PathRules(platform=patterns("a"), watch=patterns("a.b"))
    assert classes({"a": "x"}, {"a": {"b": 1}}, rules) == {"a": CONFIGURATION}
    assert classes({"a": "x"}, {"a": {"c": 1}}, rules) == {"a": PLATFORM}


def test_an_identity_without_content_that_is_added_is_a_change() -> None:
    body: Any = {"identity": {"userAssignedIdentities": {ID: {}}}}
    assert told({}, body) == [("identity", MISSING, {"userAssignedIdentities": {ID.lower(): {}}})]


def test_changes_of_another_body_cannot_be_applied() -> None:
    for path in (("a", 0), ("a", "b"), ("c", "d")):
        with pytest.raises(ValueError, match="not of this body"):
            apply({"a": 1}, [Change(path, 1, MISSING, CONFIGURATION)])


def test_a_long_list_is_compared_in_one_pass() -> None:
    before = {"s": [{"name": str(n), "v": n} for n in range(20_000)], "t": list(range(20_000))}
    after = {"s": [{"name": str(n), "v": n} for n in range(19_999, 0, -1)], "t": list(range(1, 20_000))}
    assert [path for path, _, _ in told(before, after)] == ["s[name=0]", "t[0]"]


def test_all_elements_of_a_list_in_a_list_can_be_others() -> None:
    old, new = ({"a": [[{"name": name}]]} for name in ("x", "y"))
    assert apply(old, diff(old, new)) == new


def test_an_element_whose_identity_is_watched_counts_when_it_comes_or_goes() -> None:
    rules = PathRules(platform=patterns("logs"), watch=patterns("logs[*].id"))
    for before, after in (({}, {"logs": [{"id": "a", "x": 1}]}), ({"logs": [{"id": "a"}]}, {"logs": [{"id": "b"}]})):
        assert set(classes(before, after, rules).values()) >= {"configuration"}
        assert set(classes(after, before, rules).values()) >= {"configuration"}


def test_many_new_names_are_looked_for_in_one_pass() -> None:
    """A condition asks for names that one body lacks: each object is looked through once for that, not once a name."""
    rules = PathRules(ignore_when=(Conditional("tags.*", "r", When(comes_or_goes=True)),))
    before, after = ({"tags": {f"{side}{i}": "x" for i in range(20_000)}} for side in "ab")
    assert set(classes(before, after, rules).values()) == {"ignored"}
