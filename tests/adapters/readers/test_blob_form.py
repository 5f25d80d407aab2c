"""A JSON text of people's own is compared without a gap: by its canonical form and by what that leaves unsaid."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.adapters.readers.blob_form import unsaid
from driftguard.flow.canonical import canonical
from driftguard.flow.resource import BLOB_TYPE

SUB = "/subscriptions/11111111-2222-3333-4444-AAAAAAAAAAAA"
_TEXTS = st.sampled_from(
    ["", "a", "A", "name", "id", SUB, SUB.lower(), "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "::1", "0::1"]
)
_NAMES = st.sampled_from(["name", "id", "Name", "type", "etag", "location", "tags", "a", "", SUB, SUB.lower()])
_LEAVES = st.none() | st.booleans() | st.integers(0, 2) | _TEXTS
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)
_CONTENT = st.lists(_JSON, max_size=3) | st.dictionaries(_NAMES, _JSON, max_size=3)


def told(content: Any) -> str:
    """Everything that is compared of a content."""
    return json.dumps([canonical({"body": content}, BLOB_TYPE), unsaid(content)], sort_keys=True)


@given(_CONTENT, _CONTENT)
def test_two_contents_that_differ_are_told_apart(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)

    assert (told(one) == told(other)) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": None}, {}),
        ({"a": []}, {"a": {}}),
        ({"a": [{"name": "b"}, {"name": "a"}]}, {"a": [{"name": "a"}, {"name": "b"}]}),
        ({"id": SUB}, {"id": SUB.lower()}),
        ({SUB: 1}, {SUB.lower(): 1}),
        ([], {}),
        ([[]], [None]),
    ],
)
def test_what_is_one_and_the_same_to_azure_is_told_apart_here(one: Any, other: Any) -> None:
    assert told(one) != told(other)


@pytest.mark.parametrize(
    "content", [{"a": {"b": [1, "x", False]}}, [{"name": "a", "v": 1}, {"name": "b"}], {"etag": "x", "a": ""}]
)
def test_an_ordinary_text_leaves_nothing_unsaid(content: Any) -> None:
    assert unsaid(content) == []
