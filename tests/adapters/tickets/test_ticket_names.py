from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.adapters.tickets.names import MOST, safe_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CHG0030001", "CHG0030001"),
        ("PROJ-12_3.4", "PROJ-12_3.4"),
        ("", "%"),
        ("%", "%25"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        (".hidden", "%2Ehidden"),
        ("ends.", "ends%2E"),
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
        ("a\\b:c", "a%5Cb%3Ac"),
        ("a b\n\x00", "a%20b%0A%00"),
        ("Änderung", "%C3%84nderung"),
        ("CON", "%43ON"),
        ("nul.txt", "%6Eul.txt"),
        ("com1", "%63om1"),
        ("console", "console"),
        ("\ud800", "%ED%A0%80"),
    ],
)
def test_names_keep_what_is_safe_and_encode_the_rest(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_a_long_name_is_cut_and_keeps_apart_from_others() -> None:
    one, other = safe_name("x" * 500), safe_name("x" * 501)
    assert len(one) == len(other) == MOST and one != other
    assert safe_name("x" * MOST) == "x" * MOST


@given(st.text(max_size=150))
def test_every_text_gives_one_plain_name(text: str) -> None:
    name = safe_name(text)
    assert re.fullmatch(r"[A-Za-z0-9._%~-]+", name) and len(name) <= MOST
    assert not name.startswith(".") and not name.endswith(".")


@given(st.text(st.sampled_from("a.%2E~/ Aé"), max_size=12), st.text(st.sampled_from("a.%2E~/ Aé"), max_size=12))
def test_two_texts_never_meet_in_one_name(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)
