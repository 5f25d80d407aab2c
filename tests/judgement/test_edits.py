"""The yardstick itself: which edits are made, that one passed over would be found, and what the second opinion sees."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from benchmarks.judgement_plain import bodies_differ, configuration_differs_at, etag_says
from benchmarks.mutations_formal import formally_changed
from benchmarks.mutations_judged import Reading, judge
from benchmarks.mutations_made import another, mutations
from driftguard.flow.path import PathPattern, format_path
from driftguard.flow.secrets import seal
from tests.flow.bodies import ID, TestSealer

BODY: dict[str, Any] = {
    "id": ID,
    "name": "v",
    "etag": "1",
    "location": "westeurope",
    "tags": {"empty": "", "owner": "shop"},
    "properties": {
        "provisioningState": "Succeeded",
        "prefixes": ["10.0.0.0/8"],
        "subnets": [
            {"name": "b", "id": f"{ID}/subnets/b", "etag": "1", "properties": {"on": True, "n": 3}},
            {"name": "a", "id": f"{ID}/subnets/a", "properties": {"on": None, "at": "2018-02-14T06:01:52.86Z"}},
        ],
        "adminPassword": "REDACTED",
    },
}


def made(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(edit.kind, format_path(edit.path)) for edit in mutations(body)]


def test_each_leaf_property_and_element_of_what_people_configure_is_edited() -> None:
    kinds = made(BODY)
    for edit in (
        ("leaf changed", "location"),
        ("leaf removed", "location"),
        ("leaf filled", "tags.empty"),
        ("leaf removed", "tags.empty"),
        ("property added", "tags.addedByHand"),
        ("leaf changed", "properties.prefixes[0]"),
        ("element removed", "properties.prefixes[0]"),
        ("element added", "properties.subnets[name=a]"),
        ("element doubled", "properties.subnets[name=a]"),
        ("element removed", "properties.subnets[name=b]"),
        ("leaf filled", "properties.subnets[name=a].properties.on"),
        ("leaf changed", "properties.subnets[name=b].properties.n"),
    ):
        assert edit in kinds
    assert not [path for _, path in kinds if path.startswith(("etag", "id")) or path.endswith("etag")]
    assert ("leaf removed", "properties.subnets[name=a].properties.on") not in kinds


def test_every_edit_is_another_body_and_the_body_given_stays_as_it_is() -> None:
    before = json.dumps(BODY)
    edits = [json.dumps(edit.body) for edit in mutations(BODY)]
    assert json.dumps(BODY) == before
    assert before not in edits
    assert len(edits) == len(set(edits))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, False),
        (1, 2),
        ("Tcp", "Tcpx"),
        ("10.0.0.0/8", "10.0.0.0/9"),
        ("2018-02-14T06:01:52.86Z", "2019-02-14T06:01:52.86Z"),
        ("", "x"),
    ],
)
def test_a_changed_value_is_of_the_same_kind(value: Any, expected: Any) -> None:
    assert another(value) == expected


def test_all_edits_of_this_body_are_drift_and_another_form_of_it_is_not() -> None:
    total = judge([Reading("Microsoft.X/none", ID, BODY)])
    assert (total.bodies, total.missed, total.tolerated, total.respelled) == (1, {}, {}, {})
    assert total.tried.total() > 30
    assert {path for _, path, _, _ in total.left_out} == {"properties.provisioningState"}


def test_an_edit_that_is_passed_over_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_the_values_of_tags(body: Any, *rest: Any, **more: Any) -> Any:
        return {**seal(body, TestSealer()), "tags": dict.fromkeys(body["tags"], "x")}

    monkeypatch.setattr("benchmarks.mutations_judged.seal", without_the_values_of_tags)
    assert judge([Reading("Microsoft.X/none", ID, BODY)]).missed == {
        ("Microsoft.X/none", "tags.empty", "leaf filled", "one canonical form"): 1,
        ("Microsoft.X/none", "tags.owner", "leaf changed", "one canonical form"): 1,
    }


def test_a_form_that_is_taken_for_a_change_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(body: Any, *rest: Any) -> Any:
        return {**body, "zones": ["1"]}

    monkeypatch.setattr("benchmarks.mutations_judged.formally_changed", changed)
    assert judge([Reading("Microsoft.X/none", ID, BODY)]).respelled == {"Microsoft.X/none: zones[*]": 1}


def test_another_form_differs_in_every_way_that_means_nothing_and_in_no_other() -> None:
    sealed = seal(BODY, TestSealer())
    form = formally_changed(BODY, sealed, 1)
    assert form["id"] == ID.upper()
    assert form["location"] == "West Europe"
    assert form["tags"] == BODY["tags"]
    assert form["properties"]["adminPassword"] == "REDACTED"
    subnets = {subnet["name"]: subnet for subnet in form["properties"]["subnets"]}
    assert subnets["a"]["properties"]["at"] == "2018-02-14T06:01:52.8600000+00:00"
    assert isinstance(subnets["b"]["properties"]["n"], float)
    orders = {tuple(formally_changed(BODY, sealed, seed)["properties"]) for seed in range(20)}
    assert len(orders) > 1


READ_ONLY = PathPattern.parse("properties.subnets[*].properties.n")


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda body: None, []),
        (lambda body: body.update(etag="2", id=ID.lower(), location="West Europe"), []),
        (lambda body: body["properties"].update(provisioningState="Failed", more=None, none=[], empty={"a": {}}), []),
        (lambda body: body["properties"]["subnets"].reverse(), []),
        (lambda body: body["properties"]["subnets"][1]["properties"].update(at="2018-02-14T06:01:52.860+00:00"), []),
        (lambda body: body["properties"]["subnets"][0]["properties"].update(n=4), []),
        (lambda body: body["tags"].update(owner="x"), ["tags.owner"]),
        (lambda body: body["properties"]["prefixes"].append("10.0.0.0/9"), ["properties.prefixes[1]"]),
        (lambda body: body["properties"]["subnets"].pop(), ["properties.subnets[0]"]),
        (
            lambda body: body["properties"]["subnets"][0]["properties"].update(on=1),
            ["properties.subnets[1].properties.on"],
        ),
        (lambda body: body.update(sku={"name": "s"}), ["sku.name"]),
        (lambda body: body["properties"].update({ID: {}}), [f"properties['{ID.lower()}']"]),
    ],
)
def test_the_second_opinion_sees_what_differs_and_not_what_is_formal(edit: Any, expected: list[str]) -> None:
    after = copy.deepcopy(BODY)
    edit(after)
    assert configuration_differs_at(BODY, after, READ_ONLY.matches) == expected


def test_what_the_etag_and_the_plain_body_say() -> None:
    none: dict[str, str] = {}
    weak, bare, other = {"header": 'W/"1"'}, {"header": "1", "body": "9"}, {"header": '"2"'}
    assert etag_says(weak, bare) == "same"
    assert etag_says(weak, other) == "moved"
    assert etag_says(weak, none) == etag_says(none, none) == "cannot tell"
    assert not bodies_differ(BODY, {**BODY, "etag": "2"})
    assert bodies_differ(BODY, {**BODY, "id": ID.lower()})
