"""Which rules of a policy fire on recorded pairs, and how often."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from driftguard.flow.condition import When
from driftguard.flow.policy import Match, Policy, Rule, Severity
from driftguard.flow.policy_notices import SHIPPED
from driftguard.guard.firings import Firings, RuleFirings, RuleState, redacted
from driftguard.guard.replay import judge_lines

TODAY = date(2026, 5, 1)
VNETS = Match(type="Microsoft.Network/virtualNetworks")
HUB = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/hub"


def pair(before: dict[str, Any], after: dict[str, Any] | None) -> bytes:
    named = {"pair_id": "p", "type": VNETS.type, "api": "2024-05-01", "id": HUB}
    wrapped = None if after is None else {"properties": after}
    return json.dumps({**named, "before": {"properties": before}, "after": wrapped}).encode()


def judged(rule: Rule | tuple[Rule, ...], *lines: bytes) -> list[RuleFirings]:
    """What became of each rule in these pairs."""
    rules = rule if isinstance(rule, tuple) else (rule,)
    policy = Policy(source="p", digest="", platform=lambda type_: None, rules=rules)
    firings = Firings(policy, TODAY)
    for verdict in judge_lines(lines, policy, TODAY):
        if verdict.ref is not None:
            firings.add(verdict.ref, verdict.fired, verdict.shadowed, compared=verdict.compared)
    return list(firings.rules())


def fired(rule: Rule | tuple[Rule, ...], *lines: bytes) -> list[tuple[RuleState, int, int]]:
    """State, pairs matched and how often fired, of each rule."""
    return [(one.state, one.matched, one.fired) for one in judged(rule, *lines)]


ONE, TWO = {"a": 1, "b": [1, 2]}, {"a": 2, "b": [3, 4, 5]}
FIRED, NEVER = RuleState.FIRED, RuleState.NEVER_FIRED


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule("i", VNETS, ignore=("properties.a",)), (FIRED, 2, 1)),
        (Rule("i", VNETS, ignore=("properties.b",)), (FIRED, 2, 3)),
        (Rule("i", VNETS, ignore=("properties.c",)), (NEVER, 2, 0)),
        (Rule("i", Match(name="spoke"), ignore=("properties.a",)), (RuleState.NEVER_MATCHED, 0, 0)),
        (Rule("w", VNETS, watch=("properties.a",)), (FIRED, 2, 1)),
        (Rule("w", VNETS, watch=("properties.c",)), (NEVER, 2, 0)),
        (Rule("r", VNETS, redact=("properties.b",)), (FIRED, 2, 5)),
        (Rule("r", VNETS, redact=("properties.b[2]",)), (FIRED, 2, 1)),
        (Rule("r", VNETS, redact=("properties.c",)), (NEVER, 2, 0)),
        (Rule("s", VNETS, severity=Severity.HIGH), (FIRED, 2, 2)),
        (Rule("s", Match(name="spoke"), severity=Severity.HIGH), (RuleState.NEVER_MATCHED, 0, 0)),
        (Rule("s", VNETS, ignore=("properties.c",), severity=Severity.HIGH), (NEVER, 2, 0)),
        (Rule("e", VNETS, ignore=("properties.a",), expires=date(2026, 4, 30)), (RuleState.EXPIRED, 0, 0)),
        (Rule("e", VNETS, ignore=("properties.a",), expires=TODAY), (FIRED, 2, 1)),
    ],
    ids=lambda value: f"{value.name} {value.ignore or value.watch or value.redact}" if isinstance(value, Rule) else "",
)  # fmt: skip
def test_a_rule_fires_where_it_ignores_watches_redacts_or_gives_a_severity(
    rule: Rule, expected: tuple[RuleState, int, int]
) -> None:
    assert fired(rule, pair(ONE, ONE), pair(ONE, TWO)) == [expected]


def test_the_first_rule_that_fits_a_path_is_the_one_that_fires() -> None:
    first, second = Rule("1", VNETS, ignore=("properties.a",)), Rule("2", VNETS, ignore=("properties",))
    assert fired((first, second), pair({"a": 1}, {"a": 2})) == [(FIRED, 1, 1), (NEVER, 1, 0)]


@pytest.mark.parametrize(
    "second",
    [
        Rule("2", VNETS, ignore=("properties",)),
        Rule("2", VNETS, watch=("properties.a",)),
        Rule("2", VNETS, watch=("properties.list[name=q].v", "properties.a")),
        Rule("2", VNETS, ignore=("properties.a",), when=When(path="properties.b", is_=("x",))),
    ],
)
def test_a_rule_whose_path_another_rule_took_is_told_with_that_rule(second: Rule) -> None:
    first = Rule("1", VNETS, ignore=("properties.a",))
    one, two = judged((first, second), pair({"a": 1, "b": "x"}, {"a": 2, "b": "x"}))
    assert (one.told_instead, two.state, two.told_instead) == ((), NEVER, ("1",))


def test_a_rule_is_not_shadowed_where_its_condition_does_not_hold_or_another_path_differs() -> None:
    first = Rule("1", VNETS, ignore=("properties.a",))
    elsewhere = Rule("2", VNETS, watch=("properties.c",))
    idle = Rule("3", VNETS, ignore=("properties.a",), when=When(path="properties.b", is_=("y",)))
    expired = Rule("4", VNETS, ignore=("properties.a",), expires=date(2026, 4, 30))
    told = judged((first, elsewhere, idle, expired), pair({"a": 1, "b": "x"}, {"a": 2, "b": "x"}))
    assert [one.told_instead for one in told] == [(), (), (), ()]


def test_pairs_that_are_in_flight_or_gone_are_matched_and_counted_apart() -> None:
    rule = Rule("i", VNETS, ignore=("properties.a",))
    running = {"a": 2, "provisioningState": "Updating"}
    [one] = judged(rule, pair({"a": 1}, running), pair({"a": 1}, None), pair({"a": 1}, {"a": 1}))
    assert (one.state, one.matched, one.not_compared, one.fired) == (NEVER, 3, 2, 0)


def test_what_is_gone_is_matched_and_what_cannot_be_read_is_not() -> None:
    rules = (Rule("s", VNETS, severity=Severity.LOW), Rule("i", VNETS, ignore=("properties.a",)))
    assert fired(rules, pair(ONE, None), b"half a li") == [(FIRED, 1, 1), (NEVER, 1, 0)]


def test_own_and_shipped_rules_are_told_apart() -> None:
    policy = Policy("p", "", lambda type_: None, rules=(Rule("a", VNETS), Rule(f"{SHIPPED}a", VNETS)))
    assert [one.own for one in Firings(policy, TODAY).rules()] == [True, False]


def test_empty_values_are_not_redacted_and_the_fuller_body_counts() -> None:
    rule = Rule("r", VNETS, redact=("keys",))
    assert redacted(rule, {"keys": [None, "", {"a": "x", "b": 0}]}, {"keys": "x"}, None) == 2


def test_a_body_as_deep_as_one_may_be_is_counted() -> None:
    body: Any = "x"
    for _ in range(250):
        body = {"a": body}
    assert redacted(Rule("r", VNETS, redact=("**.none", "a")), body) == 1
    assert redacted(Rule("r", VNETS, redact=("**.none",)), body) == 0


def test_the_verdict_of_a_line_holds_no_name_of_a_rule_that_only_redacts() -> None:
    policy = Policy("p", "", lambda type_: None, rules=(Rule("r", VNETS, redact=("properties.a",)),))
    [verdict] = judge_lines([pair(ONE, TWO)], policy, TODAY)
    assert verdict.fired == (("r", 1),) and "r" not in verdict.as_json() and "fired" not in verdict.as_json()
