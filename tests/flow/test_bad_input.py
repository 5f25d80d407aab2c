"""Bodies that nobody sane would send: the whole way gives an answer or says unreadable, and never unchanged by accident.

The way is that of a check (an HTTP answer, read, sealed, fingerprinted, compared) and that of a replay (a recorded line).
Bounded time is proven where it can be counted here, and by the ratios of `python -m benchmarks long`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from driftguard.adapters.readers.arm_answers import Answer, read_answer
from driftguard.flow.check import FindingKind
from driftguard.flow.classify import PathRules
from driftguard.flow.compare import compare
from driftguard.flow.identity import Standing
from driftguard.flow.path import MAX_DEPTH, PatternSet, TooDeep
from driftguard.flow.policy import Policy
from driftguard.flow.reading import Cause, Outcome
from driftguard.flow.record import Snapshot, take_snapshot
from driftguard.flow.resource import parse_ref
from driftguard.guard.replay import judge_lines
from tests.flow.bodies import TestSealer

ID = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v"
NOW = datetime(2026, 10, 1, tzinfo=UTC)
POLICY = Policy(source="a test", digest="", platform=lambda _: None)
MANY, FEWER = 100_000, 2_000
UNCHANGED, MOVED, UNREADABLE = FindingKind.UNCHANGED, FindingKind.MOVED, FindingKind.UNREADABLE


def read(body: bytes) -> Snapshot | Cause:
    """What a check makes of an answer: the sealed snapshot, or why there is none."""
    reading = read_answer(parse_ref(ID), "2024-05-01", Answer(200, {}, body), NOW)
    if reading.outcome is not Outcome.FOUND:
        assert reading.cause is not None
        return reading.cause
    return take_snapshot(reading, TestSealer(), PatternSet())


def checked(before: bytes, after: bytes) -> FindingKind:
    """What a check says of two answers, the first of them recorded."""
    old, new = read(before), read(after)
    if isinstance(old, Cause) or isinstance(new, Cause):
        return UNREADABLE
    told = compare(
        old.body,
        old.etags,
        new.body,
        new.etags,
        old.ref.type,
        PathRules(),
        before_fingerprint=old.fingerprint,
    )
    assert (told.fingerprint == old.fingerprint) == (told.kind is UNCHANGED)
    return told.kind


def replayed(before: bytes, after: bytes) -> FindingKind:
    """What a replay says of the same two bodies on one line."""
    head = json.dumps({"pair_id": "p", "type": "Microsoft.Network/virtualNetworks", "api": "x", "id": ID}).encode()
    line = head[:-1] + b', "before": ' + before + b', "after": ' + after + b"}"
    [verdict] = judge_lines([line], POLICY, date(2026, 10, 1))
    json.dumps(verdict.as_json()).encode("ascii")
    return verdict.finding


WAYS = pytest.mark.parametrize("judged", [checked, replayed])
Judged = Callable[[bytes, bytes], FindingKind]


def body(value: Any) -> bytes:
    return json.dumps({"properties": {"x": value}}).encode()


def nested(depth: int, value: Any) -> Any:
    for level in range(depth):
        value = {"a": value} if level % 2 else [value]
    return value


@WAYS
def test_two_hundred_levels_are_compared_down_to_the_last_leaf(judged: Judged) -> None:
    one, other = (body(nested(200, value)) for value in (1, 2))
    assert (judged(one, one), judged(one, other)) == (UNCHANGED, MOVED)


@WAYS
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 400, 100_000])
def test_a_body_that_nests_too_deeply_is_no_state(judged: Judged, depth: int) -> None:
    text = b'{"properties": ' + b"[" * depth + b"1" + b"]" * depth + b"}"
    for before, after in ((text, text), (text, body(1)), (body(1), text)):
        try:
            assert judged(before, after) is UNREADABLE
        except TooDeep:
            assert judged is checked  # the guard answers it with the finding unreadable


@WAYS
def test_five_megabytes_are_compared_to_the_last_character(judged: Judged) -> None:
    text = {"a": "x" * 2_500_000, "b": [{"name": str(n), "v": "y" * 100} for n in range(20_000)], "z": "end"}
    one, other = body(text), body({**text, "z": "enD"})
    assert len(one) > 5_000_000
    assert (judged(one, one), judged(one, other)) == (UNCHANGED, MOVED)


@WAYS
@pytest.mark.parametrize(
    "text",
    [
        b'{"properties": {"x": 1, "x": 2}}',
        b'{"properties": {"x": [{"a": 1, "b": 2, "a": 1}]}}',
        b'{"properties": {"x": NaN}}',
        b'{"properties": {"x": [Infinity]}}',
        b'{"properties": {"x": -Infinity}}',
        b'{"properties": {"x": 1E400}}',
        b'{"properties": {"x": -1E400}}',
        b'{"properties": {"x": ' + b"9" * 5_000 + b"}}",
        b'{"properties": {"x": "\xff\xfe"}}',
        b'{"properties": {"x": "\xed\xa0\xbd"}}',  # a surrogate as bytes, which UTF-8 forbids
        b'{"properties": {"x": 1}',
        b"",
    ],
    ids=repr,
)
def test_what_readers_of_json_disagree_on_is_unreadable_even_where_nothing_changed(judged: Judged, text: bytes) -> None:
    assert judged(text, text) is UNREADABLE
    assert judged(body(1), text) is UNREADABLE


@WAYS
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("18446744073709551616", "18446744073709551617"),
        ("-9223372036854775809", "-9223372036854775810"),
        ("9007199254740993", "9007199254740992"),
        ("1" + "0" * 4_000, "1" + "0" * 3_999 + "1"),
        ("1e308", "1e307"),
        ("5e-324", "0"),
        ("0.1", "0.10000000000000002"),
        ("1", "true"),
        ("0", "false"),
        ("1", '"1"'),
        ("0", "null"),
        ('"\\ud83d"', '"\\ude00"'),
        ('"\\ud83d\\ude00"', '"\\ude00\\ud83d"'),
        ('"\\u0000"', '""'),
        ('"\\u200b"', '""'),
        ('"e\\u0301"', '"\\u00e9"'),
    ],
)
def test_values_at_the_edge_stay_apart(judged: Judged, before: str, after: str) -> None:
    one, other = (f'{{"properties": {{"x": {text}}}}}'.encode() for text in (before, after))
    assert (judged(one, one), judged(other, other)) == (UNCHANGED, UNCHANGED)
    assert judged(one, other) is judged(other, one) is MOVED


def test_names_that_are_no_characters_are_told_in_words_that_can_be_written() -> None:
    one, other = (b'{"properties": {"\\ud83d\\u202e\\n": %d}}' % value for value in (1, 2))
    assert checked(one, other) is replayed(one, other) is MOVED


def with_id(number: int) -> Any:
    return {"id": f"{ID}/subnets/s{number}", "v": number}


def with_a_name_twice(number: int) -> Any:
    return {"name": f"s{number // 2}", "v": number}


LISTS: dict[str, Callable[[int], Any]] = {
    "numbers": lambda number: number,
    "texts": lambda number: f"10.0.{number}",
    "objects with ids": with_id,
    "objects without": lambda number: {"v": number},
    "objects with a name twice": with_a_name_twice,
}


@pytest.mark.parametrize("element", [LISTS["numbers"], with_id, LISTS["objects without"]])
def test_one_edit_of_a_hundred_thousand_elements_is_drift(element: Callable[[int], Any]) -> None:
    items = [element(number) for number in range(MANY)]
    edited = [*items[: MANY // 2], element(MANY * 2), *items[MANY // 2 + 1 :]]
    assert checked(body(items), body(edited)) is MOVED


@WAYS
@pytest.mark.parametrize("element", LISTS.values(), ids=LISTS.keys())
def test_every_edit_of_a_long_list_is_drift(judged: Judged, element: Callable[[int], Any]) -> None:
    items = [element(number) for number in range(FEWER)]
    middle = FEWER // 2
    edits = {
        "removed": [*items[:middle], *items[middle + 1 :]],
        "removed at the front": items[1:],
        "added": [*items[:middle], element(FEWER * 2), *items[middle:]],
        "doubled": [*items, items[-1]],
        "every second gone": items[::2],
        "all gone": [],
    }
    assert judged(body(items), body(items)) is UNCHANGED
    for told, edit in edits.items():
        assert judged(body(items), body(edit)) is judged(body(edit), body(items)) is MOVED, told


@pytest.mark.parametrize("element", LISTS.values(), ids=LISTS.keys())
def test_only_a_list_with_an_identity_may_be_in_another_order(element: Callable[[int], Any]) -> None:
    items = [element(number) for number in range(FEWER)]
    assert checked(body(items), body(items[::-1])) is (UNCHANGED if element is with_id else MOVED)


@WAYS
def test_a_change_of_the_second_of_two_elements_with_one_name_is_drift(judged: Judged) -> None:
    one = [{"name": "a", "v": 1}, {"name": "A", "v": 1}]
    for other in ([one[0], {"name": "A", "v": 2}], one[:1], [one[1], one[0]], [*one, one[1]]):
        assert judged(body(one), body(other)) is MOVED
    assert judged(body(one), body(one)) is UNCHANGED


@WAYS
def test_an_identity_that_is_no_text_is_no_reason_to_pass_over_a_change(judged: Judged) -> None:
    names: list[Any] = [None, "", [], {}, True, 1.5, 10**30, {"name": "a"}]
    for name in names:
        one, other = ([{"name": name, "v": value}, {"name": "b", "v": value}] for value in (1, 2))
        assert (judged(body(one), body(one)), judged(body(one), body(other))) == (UNCHANGED, MOVED)


def test_names_that_arm_writes_in_one_another_are_judged_in_one_pass_each(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    below = Standing._below

    def counted(standing: Standing, found: list[Any], step: Any) -> list[Any]:
        nonlocal steps
        steps += 1
        return below(standing, found, step)

    monkeypatch.setattr(Standing, "_below", counted)
    depth, leaves = 200, 50
    bodies = []
    for edit in (0, 1):
        value: Any = {f"leaf{number}": number + edit for number in range(leaves)}
        for _ in range(depth):
            value = {"systemData": value}
        bodies.append(body(value))
    assert checked(*bodies) is MOVED
    assert leaves <= steps <= 3 * leaves * depth
