from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.flow.path import Element, Path, PathPattern, PatternSet, format_path, parse_path, path_order

any_text = st.text(st.characters(), max_size=8)
steps = any_text | st.integers(0, 10**6) | st.builds(Element, st.sampled_from(["name", "id"]) | any_text, any_text)
paths = st.lists(steps, max_size=6).map(tuple)


def matches(pattern: str, path: str) -> bool:
    return PathPattern.parse(pattern).matches(parse_path(path))


@given(paths)
def test_a_path_that_is_written_reads_back_as_itself(path: Path) -> None:
    assert parse_path(format_path(path)) == path


@given(paths)
def test_a_written_path_has_no_character_that_does_not_print(path: Path) -> None:
    assert format_path(path).isprintable()


@given(st.lists(paths, max_size=5))
def test_paths_of_any_steps_can_be_sorted_and_parents_come_before_children(some: list[Path]) -> None:
    ordered = sorted([path for whole in some for path in (whole, whole[:-1])], key=path_order)
    for path in ordered:
        assert ordered.index(path[:-1] if path[:-1] in ordered else path) <= ordered.index(path)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            ("properties", "subnets", Element("name", "default"), "properties"),
            "properties.subnets[name=default].properties",
        ),
        (("tags", "a.b"), "tags['a.b']"),
        (("tags", "it's"), "tags['it\\'s']"),
        (("tags", "*"), "tags['*']"),
        (("zones", 3), "zones[3]"),
        (("rules", Element("id", "/subscriptions/x/y")), "rules[id=/subscriptions/x/y]"),
        (("rules", Element("name", "my rule]")), "rules[name='my rule]']"),
        (("a", "\u202e"), "a['\\u202e']"),
        ((), ""),
    ],
)
def test_paths_are_written_as_people_read_them(path: Path, text: str) -> None:
    assert format_path(path) == text
    assert parse_path(text) == path


@pytest.mark.parametrize(
    "text",
    [".a", "a..b", "a.", "a[", "a[]", "a[-1]", "a[b]", "a b", "a[name=]", "a['x]", "a.[1]", "a['\\q']", "a.*", "a[*]"],
)
def test_text_that_is_no_path_is_refused_with_a_message(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        parse_path(text)


@given(st.text(max_size=12))
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    try:
        pattern = PathPattern.parse(text)
    except ValueError:
        return
    assert pattern.text == text


@pytest.mark.parametrize("text", ["", "**", "***", "a.**b", "a[**]", "a[*=x]"])
def test_a_pattern_that_is_malformed_or_matches_everything_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        PathPattern.parse(text)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("properties.x", "properties.x"),
        ("properties.x", "properties.x.y[3]"),
        ("PROPERTIES.X", "properties.x"),
        ("properties.*", "properties.anything.below"),
        ("properties.*.sharedKey", "properties.y.sharedkey"),
        ("properties.list[*]", "properties.list[name=a]"),
        ("properties.list[*]", "properties.list[7].x"),
        ("properties.list[name=A]", "properties.list[name=a].x"),
        ("properties.list[3]", "properties.list[3]"),
        ("**.etag", "etag"),
        ("**.etag", "a[3].b[name=x].etag"),
        ("a.**.z", "a.z"),
        ("a.**.z", "a[1].b.z.below"),
        ("a.**", "a"),
        ("tags['a.b']", "tags['a.b']"),
    ],
)
def test_a_pattern_matches(pattern: str, path: str) -> None:
    assert matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("properties.x.y", "properties.x"),
        ("properties.x", "properties.xy"),
        ("properties.*", "properties"),
        ("list.*", "list[3]"),
        ("list[*]", "list"),
        ("list[*]", "list.x"),
        ("list[name=a]", "list[id=a]"),
        ("list[name=a]", "list[0]"),
        ("list[3]", "list[4]"),
        ("list[3]", "list['3']"),
        ("a.**.z", "b.z"),
        ("tags.a.b", "tags['a.b']"),
    ],
)
def test_a_pattern_does_not_match(pattern: str, path: str) -> None:
    assert not matches(pattern, path)


@given(paths)
def test_every_path_that_is_no_root_matches_itself_as_a_pattern(path: Path) -> None:
    if path:
        assert PathPattern.parse(format_path(path)).matches(path)


def test_the_pattern_given_first_wins_in_a_set_however_deep_the_others_match() -> None:
    both = PatternSet((PathPattern.parse(text), text) for text in ("a.b.c", "a", "**.c"))
    assert both.find(parse_path("a.b.c.d")) == "a.b.c"
    assert both.find(parse_path("a.x.c")) == "a"
    assert both.find(parse_path("x.c")) == "**.c"
    assert both.find(parse_path("x")) is None


def test_a_pattern_given_twice_keeps_the_tag_of_the_first() -> None:
    pattern = PathPattern.parse("a")
    assert PatternSet([(pattern, "first"), (pattern, "second")]).find(("a",)) == "first"


@given(st.lists(st.sampled_from(["a", "a.b", "**.b", "a.*", "a[*].b", "**[*].b.**", "*.b"]), max_size=5), paths)
def test_a_set_says_what_its_patterns_say_one_by_one(texts: list[str], path: Path) -> None:
    path = tuple("ab"[len(step) % 2] if isinstance(step, str) else step for step in path)
    patterns = [PathPattern.parse(text) for text in texts]
    expected = next((pattern.text for pattern in patterns if pattern.matches(path)), None)
    assert PatternSet((pattern, pattern.text) for pattern in patterns).find(path) == expected


def test_an_empty_set_is_false_and_finds_nothing() -> None:
    assert not PatternSet()
    assert PatternSet().find(("a",)) is None
    assert PatternSet([(PathPattern.parse("**.a"), "t")])
    assert PatternSet([(PathPattern.parse("[*]"), "t")])


def test_with_what_stands_at_a_path_an_element_is_matched_by_any_property_it_has() -> None:
    rules = PatternSet([(PathPattern.parse("list[code=7].x"), "rule")])
    held: Any
    for held, found in (({"Code": 7}, "rule"), ({"code": "8"}, None), ({"code": None}, None), ("7", None)):
        for step in (0, Element("name", "a")):
            standing: dict[Path, list[Any]] = {("list", step): [held]}
            assert rules.find(("list", step, "x"), standing.__getitem__) == found
    assert rules.find(("list", 0, "x")) is None


def test_an_element_may_be_the_one_that_a_rule_names_unless_it_says_otherwise_and_the_named_one_is_there() -> None:
    rules = PatternSet([(PathPattern.parse("list[name=a]"), "rule")])
    at = rules.advance(rules.start(), "list")

    def hits(items: list[object]) -> list[bool]:
        return [rules.hit(position) for position in rules.advance_to_each(at, items)]

    assert hits([{"name": "A"}, {"name": "b"}, {"x": 1}, "text"]) == [True, False, True, True]
    assert hits([{"name": "b"}, {"name": "c"}]) == [True, True]
    assert hits([]) == []
