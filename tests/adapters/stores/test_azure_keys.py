"""The forms of names: ordered, one for each name, and free of what Azure forbids."""

from __future__ import annotations

import re

import hypothesis.strategies as st
import pytest
from hypothesis import given

from driftguard.adapters.stores import azure_keys

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TRICKY = st.text(
    st.sampled_from(list("\x00\x1f !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\x80é\uffff\U00010000\U0010ffff")),
    max_size=12,
)
NAMES = ANY | TRICKY
# What no key may have (`/ \\ # ?`, controls), and what URLs, filters or old clients trip over.
FORBIDDEN = re.compile(r"[/\\#?%+'\"&\x00-\x20\x7f-\U0010ffff]")


@given(NAMES)
def test_a_form_gives_its_name_back_and_has_nothing_forbidden(name: str) -> None:
    assert azure_keys.decoded(azure_keys.encoded(name)) == name
    assert not FORBIDDEN.search(azure_keys.encoded(name).replace("$", ""))


@given(NAMES, NAMES)
def test_forms_are_in_the_order_of_their_names(one: str, other: str) -> None:
    forms = [azure_keys.encoded(name).encode("utf-16-be") for name in (one, other)]  # as UTF-16 code units compare
    assert (forms[0] < forms[1]) == (one < other)
    assert (forms[0] == forms[1]) == (one == other)


def test_every_character_stands_in_its_place() -> None:
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    forms = [azure_keys.encoded(character) for character in characters]
    assert forms == sorted(forms)
    assert len(set(forms)) == len(forms)


@given(NAMES, NAMES)
def test_a_start_of_a_name_has_a_start_of_its_form(start: str, rest: str) -> None:
    assert azure_keys.encoded(start + rest).startswith(azure_keys.encoded(start))
    assert azure_keys.blob_name(start + rest).startswith(azure_keys.blob_name(start))


@given(NAMES, NAMES.filter(bool), NAMES.filter(bool), NAMES.filter(bool))
def test_rows_of_a_kind_stand_together_in_order_of_their_ids(kind: str, row_id: str, other: str, another: str) -> None:
    kind = kind or "k"
    key = azure_keys.row_key(kind, row_id)
    assert azure_keys.kind_and_id(key) == (kind, row_id)
    assert azure_keys.row_key(kind, "") < key < azure_keys.encoded(kind) + azure_keys.BEHIND_SEPARATOR
    assert (key < azure_keys.row_key(kind, other)) == (row_id < other)
    if another != kind:
        assert (key < azure_keys.row_key(another, other)) == (kind < another)


@given(NAMES.filter(bool))
def test_a_blobs_name_gives_its_key_back_and_has_no_segment_that_a_url_would_swallow(key: str) -> None:
    name = azure_keys.blob_name(key)
    assert azure_keys.blob_key(name) == key
    assert not FORBIDDEN.search(name.replace("/", "").replace("$", ""))
    assert "//" not in name and not name.startswith("/")
    assert not {".", ".."} & set(name.split("/"))


def test_ordinary_names_can_be_read() -> None:
    assert azure_keys.encoded("payments-prod_2") == "payments-prod_2"
    assert azure_keys.blob_name("shop/evidence/h-0a1b/0001-ff") == "shop/evidence/h-0a1b/0001-ff"
    assert azure_keys.row_key("halt", "h-0a1b") == "halt!h-0a1b"
    assert azure_keys.encoded("~index") == "~022index"


@pytest.mark.parametrize(
    "form",
    [
        "$",
        "$z",
        ".",
        ".2",
        "~",
        "~0",
        "~zzzzz",
        "~00",
        "é",
        " ",
        "/",
        "^9",
        ":z",
        "~00A",
        "~zzzz",
        "~HZZ",
        "~z0000",
    ],
)
def test_what_is_no_form_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        azure_keys.decoded(form)


@pytest.mark.parametrize("key", ["", "!", "k!", "!id", "schema", "k!id!x", "k"])
def test_what_is_no_rows_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        azure_keys.kind_and_id(key)


@pytest.mark.parametrize("name", ["/a", "a//b", "a.1b", "a.b", "a b"])
def test_what_is_no_keys_blob_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        azure_keys.blob_key(name)


def test_no_name_reaches_the_stores_own_partition() -> None:
    assert all(azure_keys.encoded(chr(code))[0] > "!" for code in range(0x20, 0x7F))
