"""Whether a manual change is in place: leaf by leaf, wherever a list without identities holds it."""

from __future__ import annotations

import pytest

from driftguard.flow.canonical import canonical
from driftguard.flow.diff import diff
from driftguard.flow.presence import holds_all, holds_any
from driftguard.flow.reading import Json

TYPE = "Microsoft.Network/networkSecurityGroups"


def rules(*rules: tuple[str, dict[str, Json]]) -> Json:
    return {"properties": {"securityRules": [{"name": name, "properties": values} for name, values in rules]}}


OPEN = {"access": "Allow", "destinationPortRange": "22"}
CASES = {
    # name: (recorded, with the manual change, after the run, is all of it there, is some of it there)
    "an altered value stays": ({"tags": {"a": "1"}}, {"tags": {"a": "2"}}, {"tags": {"a": "2"}}, True, True),
    "an altered value is back": ({"tags": {"a": "1"}}, {"tags": {"a": "2"}}, {"tags": {"a": "1"}}, False, False),
    "a value is another one": ({"tags": {"a": "1"}}, {"tags": {"a": "2"}}, {"tags": {"a": "3"}}, False, False),
    "an added rule is described by the run": (
        rules(), rules(("rob", OPEN)), rules(("rob", {**OPEN, "description": "ours"})), True, True,
    ),
    "an added rule is taken out": (rules(), rules(("rob", OPEN)), rules(), False, False),
    "a part of an added rule is altered": (
        rules(), rules(("rob", OPEN)), rules(("rob", {**OPEN, "access": "Deny"})), False, True,
    ),
    "a rule of the same name with other values": (
        rules(), rules(("rob", OPEN)), rules(("rob", {"access": "Deny", "destinationPortRange": "443"})), False, False,
    ),
    "what was taken out stays out": (rules(("a", OPEN)), rules(), rules(), True, True),
    "what was taken out is there again": (rules(("a", OPEN)), rules(), rules(("a", OPEN)), False, False),
    "an added prefix is shifted": (
        {"properties": {"prefixes": ["a"]}}, {"properties": {"prefixes": ["a", "rob"]}},
        {"properties": {"prefixes": ["b", "rob", "a"]}}, True, True,
    ),
    "an added prefix is taken out": (
        {"properties": {"prefixes": ["a"]}}, {"properties": {"prefixes": ["a", "rob"]}},
        {"properties": {"prefixes": ["a", "b"]}}, False, False,
    ),
    "true is not one": ({"tags": {}}, {"properties": {"a": True}}, {"properties": {"a": 1}}, False, False),
}  # fmt: skip


@pytest.mark.parametrize(("recorded", "changed", "now", "all_of_it", "some"), CASES.values(), ids=CASES)
def test_a_change_is_in_place_as_far_as_its_values_are(
    recorded: Json, changed: Json, now: Json, all_of_it: bool, some: bool
) -> None:
    changes = diff(canonical(recorded, TYPE), canonical(changed, TYPE))
    body = canonical(now, TYPE)
    assert changes
    assert all(holds_all(change, body) for change in changes) is all_of_it
    assert any(holds_any(change, body) for change in changes) is some
