"""What the canonical form does with one path: as it is written, and as the diff writes it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from driftguard.flow.canonical import canonical
from driftguard.flow.diff import diff
from driftguard.flow.normalised import Normalisation
from driftguard.flow.path import format_path, parse_path
from driftguard.flow.treated import treated
from tests.flow.bodies import ID, bodies

VNET = "Microsoft.Network/virtualNetworks"
BODY: dict[str, Any] = {
    "id": ID,
    "name": "Hub",
    "type": VNET,
    "location": "westus",
    "etag": '"1"',
    "tags": {"location": "West US", "at": "2026-01-01T00:00:00Z"},
    "properties": {
        "text": "Some text",
        "flag": True,
        "size": 3,
        "at": "2026-01-01T00:00:00Z",
        "ip": "2001:db8::1",
        "prefix": "2001:db8::/64",
        "nothing": None,
        "subnets": [{"name": "web", "etag": "1", "size": 1}, {"name": "App", "size": 2}],
        "ids": [ID, "x"],
        "steps": [{"name": "b"}, {"name": "a"}],
    },
}


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("id", Normalisation.RESOURCE_ID),
        ("name", Normalisation.OWN_NAME),
        ("type", Normalisation.RESOURCE_TYPE),
        ("location", Normalisation.LOCATION),
        ("etag", Normalisation.ETAG),
        ("tags.location", None),
        ("tags.at", None),
        ("properties.text", None),
        ("properties.flag", None),
        ("properties.size", Normalisation.NUMBER),
        ("properties.at", Normalisation.DATE_TIME),
        ("properties.ip", Normalisation.IPV6),
        ("properties.prefix", Normalisation.IPV6),
        ("properties.nothing", Normalisation.EMPTY),
        ("properties.subnets", Normalisation.ORDER),
        ("properties.subnets[name=web].etag", Normalisation.ETAG),
        ("properties.subnets[name=web].name", None),
        ("properties.ids", None),
        ("properties.ids[0]", Normalisation.RESOURCE_ID),
        ("properties.ids[1]", None),
        ("properties.steps", None),
    ],
)
def test_the_rule_for_a_value_is_told_also_where_it_changed_nothing(path: str, what: Normalisation | None) -> None:
    told = treated(BODY, BODY, VNET, parse_path(path))
    assert (told.what, told.is_there) == (what, True)
    assert told.is_dropped is (what in (Normalisation.ETAG, Normalisation.EMPTY))
    assert told.reason


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("PROPERTIES.Text", "properties.text"),
        ("properties.subnets[name=app].SIZE", "properties.subnets[name=App].size"),
        ("properties.subnets[size=2].size", "properties.subnets[name=App].size"),
        ("properties.subnets[0].size", "properties.subnets[name=web].size"),
        ("properties.steps[0].name", "properties.steps[0].name"),
        ("properties.steps[name=a].name", "properties.steps[1].name"),
    ],
)
def test_a_path_is_found_as_people_write_it_and_told_as_the_diff_writes_it(written: str, found: str) -> None:
    told = treated(BODY, BODY, VNET, parse_path(written))
    assert (format_path(told.path), told.is_there) == (found, True)


@pytest.mark.parametrize(
    "path", ["none", "properties.subnets[name=zz].a", "properties.ids[7]", "id.x", "id[0]", "id[a=b]"]
)
def test_what_is_in_no_body_is_said_to_be_in_none(path: str) -> None:
    told = treated(BODY, None, VNET, parse_path(path))
    assert (format_path(told.path), told.is_there, told.is_dropped, told.what) == (path, False, False, None)


def test_the_live_body_is_asked_first_and_the_stored_one_where_the_path_is_gone() -> None:
    gone = {**BODY, "properties": {}}
    told = treated(BODY, gone, VNET, parse_path("properties.at"))
    assert (told.old.is_there, told.new.is_there, told.what) == (True, False, Normalisation.DATE_TIME)


@given(bodies, bodies)
def test_every_path_of_a_difference_is_found_as_it_is(before: Any, after: Any) -> None:
    for change in diff(canonical(before, VNET), canonical(after, VNET)):
        told = treated(before, after, VNET, change.path)
        assert (told.path, told.is_there, told.is_dropped) == (change.path, True, False)
