from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.flow.diff import MISSING
from driftguard.render.json_views import json_text
from driftguard.render.untrusted import one_line, two_values, value_text
from tests.render.told import HOSTILE, MARKS


@given(st.text(), st.integers(1, 80))
def test_one_line_holds_only_what_prints_and_is_never_longer_than_said(text: str, limit: int) -> None:
    shown = one_line(text, limit)
    assert shown.isprintable() and len(shown) <= limit
    shown.encode("utf-8")


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126)).filter(
        lambda text: "##" not in text and "::" not in text
    )
)
def test_plain_text_is_shown_as_it_is(text: str) -> None:
    assert one_line(text, 10_000) == text


@pytest.mark.parametrize("bad", ["\x1b", "\n", "\r", "\x07", "\x9b", "\u202e", "\u2066", "\u2028", "\u200b", "\ud800"])
def test_what_steers_a_terminal_or_a_line_shows_as_an_escape(bad: str) -> None:
    assert one_line(f"a{bad}b") == f"a\\u{ord(bad):04x}b"


@pytest.mark.parametrize(
    "command", ["##vso[task.complete]", "##VSO[task.complete]", "x ##[error]", "::error::x", " ::error::x"]
)
def test_no_command_to_a_build_agent_survives(command: str) -> None:
    shown = one_line(command)
    assert "##vso[" not in shown.lower() and "##[" not in shown and not shown.lstrip().startswith("::")


def test_an_ipv6_network_in_the_middle_of_a_line_stays_readable() -> None:
    assert value_text("::/0") == '"::/0"'


def test_printed_json_is_the_same_json_without_commands_to_a_build_agent() -> None:
    view = {"a": [HOSTILE, "##[group]", "::error::"], "##[k]": 1}
    text = json_text(view)
    assert json.loads(text) == view
    assert "##vso[" not in text and "##[" not in text and text.isascii()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (MISSING, "(none)"),
        ("(none)", '"(none)"'),
        (None, "null"),
        (1, "1"),
        ("1", '"1"'),
        (True, "true"),
        ({"b": 1, "a": []}, '{"a": [], "b": 1}'),
    ],
)
def test_values_show_as_json_and_absence_as_none(value: object, shown: str) -> None:
    assert value_text(value) == shown


def test_a_secret_shows_as_a_secret_with_enough_to_see_that_it_changed() -> None:
    assert two_values(*MARKS) == ("(secret aaaaaaaa…)", "(secret bbbbbbbb…)")


def test_an_object_shows_what_it_says_before_what_names_it() -> None:
    rule = {"id": "/" + "x" * 200, "name": "ssh", "properties": {"access": "Allow", "id": "y"}, "type": "A.B/rules"}
    assert value_text(rule).startswith('{"properties": {"access": "Allow", "id": "y"}, "id": "/xxx')


def test_long_values_are_cut() -> None:
    assert len(value_text("x" * 10_000)) == 120
    assert value_text("x" * 10_000).endswith("…")


def test_long_values_that_differ_late_show_their_difference() -> None:
    before, after = two_values("a" * 500 + "old", "a" * 500 + "new")
    assert before.endswith('old"') and after.endswith('new"') and before.startswith("…")


@given(st.text(max_size=400), st.text(max_size=50), st.text(max_size=50))
def test_two_values_that_differ_never_look_the_same_unless_both_are_cut(prefix: str, one: str, other: str) -> None:
    before, after = two_values(prefix + one, prefix + other)
    if one != other and not (before.endswith("…") or after.endswith("…")):
        assert before != after
