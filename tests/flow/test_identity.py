from __future__ import annotations

from typing import Any

import pytest

from driftguard.flow.identity import Standing, element_steps, identity_key
from driftguard.flow.path import Element


@pytest.mark.parametrize(
    ("items", "key"),
    [
        ([{"name": "a"}, {"name": "b"}], "name"),
        ([{"name": "a", "id": "1"}, {"name": "a", "id": "2"}], "id"),
        ([{"lun": 0}, {"lun": 1}], "lun"),
        ([{"name": "a"}, {"name": "A"}], None),
        ([{"name": "a"}, {"id": "b"}], None),
        ([{"name": "a"}, "b"], None),
        ([{"name": ""}, {"name": "b"}], None),
        ([{"lun": True}, {"lun": 1}], None),
        ([{"name": None}], None),
        (["a", "b"], None),
    ],
)
def test_a_list_has_the_first_identity_that_tells_all_its_elements_apart(items: list[Any], key: str | None) -> None:
    assert identity_key("subnets", items) == key


def test_two_lists_share_the_first_identity_that_holds_in_both() -> None:
    assert identity_key("x", [{"name": "a", "id": "1"}], [{"name": "b", "id": "1"}, {"name": "b", "id": "2"}]) == "id"
    assert identity_key("x", [{"name": "a"}], [{"id": "1"}]) is None
    assert identity_key("x", [{"name": "a"}], []) == "name"


def test_a_list_whose_order_means_something_has_no_identity() -> None:
    assert identity_key("pathRules", [{"name": "a"}, {"name": "b"}]) is None


def test_one_element_with_its_mark_is_enough_for_a_list_whose_order_means_something() -> None:
    plain, marked = [{"name": "a"}, {"name": "b"}], [{"name": "a", "selectorId": "s"}]
    assert identity_key("actions", plain) == "name"
    assert identity_key("actions", plain, marked) is None


def test_what_stands_at_a_path_is_found_in_each_body_that_has_it() -> None:
    standing = Standing({"s": [{"name": "A", "v": 1}, {"name": "b"}]}, {"s": [{"name": "a", "v": 2}]}, {"s": 3}, 4)
    assert standing(()) == [{"s": [{"name": "A", "v": 1}, {"name": "b"}]}, {"s": [{"name": "a", "v": 2}]}, {"s": 3}, 4]
    assert standing(("s", Element("name", "a"), "v")) == [1, 2]
    assert standing(("s", 1)) == [{"name": "b"}]
    assert standing(("s", Element("name", "c"))) == standing(("s", "x")) == standing(("x",)) == []


def test_elements_are_named_by_identity_or_else_by_index() -> None:
    assert [step for step, _ in element_steps("x", [{"name": "a"}, {"name": "b"}])] == [
        Element("name", "a"),
        Element("name", "b"),
    ]
    assert [step for step, _ in element_steps("x", ["a", "b"])] == [0, 1]
