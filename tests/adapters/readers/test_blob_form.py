"""A JSON text of people's own is compared without a gap: by its canonical form and by what that leaves unsaid."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.adapters.readers.blob_content import Got, body_of
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


NUMBERS = [
    ("9007199254740991.4", "9007199254740991.1"),
    ("0.1", "0.10000000000000000001"),
    ("1e-400", "0"),
    ("123456789.12345678912", "123456789.12345678999"),
    ("1e-99999999999999999999", "0"),
]


def body(text: str) -> str:
    """Everything that is compared of a blob that holds this text."""
    data = text.encode()
    got = Got({}, len(data), data, hashlib.sha256(data).hexdigest(), tags={})
    return json.dumps(canonical(body_of("https://a/b", got), BLOB_TYPE), sort_keys=True)


@pytest.mark.parametrize(("one", "other"), NUMBERS)
def test_numbers_that_differ_beyond_the_precision_of_a_float_are_told_apart(one: str, other: str) -> None:
    assert body(f'{{"a": [{one}]}}') != body(f'{{"a": [{other}]}}')
    assert body(f'{{"a": {one}, "b": {other}}}') != body(f'{{"a": {other}, "b": {one}}}')


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.1", "1e-1"),
        ("0.10000000000000000001", "1.0000000000000000001000E-1"),
        ("1.0", "1"),
        ("1e20", "100000000000000000000"),
        ("0.0", "-0.0"),
    ],
)
def test_how_a_number_is_written_makes_no_difference(one: str, other: str) -> None:
    assert body(f'{{"a": {one}}}') == body(f'{{"a": {other}}}')


def test_the_order_of_members_makes_no_difference_to_numbers_with_many_digits() -> None:
    one, other = '"a": 0.10000000000000000001', '"b": 0.20000000000000000003'
    assert body(f"{{{one}, {other}}}") == body(f"{{{other}, {one}}}")


def test_a_byte_order_mark_is_told() -> None:
    assert body('\ufeff{"a": 1}') != body('{"a": 1}')
    assert '"body"' in body('\ufeff{"a": 1}')


@pytest.mark.parametrize(
    "content", [{"a": {"b": [1, "x", False]}}, [{"name": "a", "v": 1}, {"name": "b"}], {"etag": "x", "a": ""}]
)
def test_an_ordinary_text_leaves_nothing_unsaid(content: Any) -> None:
    assert unsaid(content) == []
