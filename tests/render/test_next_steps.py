from __future__ import annotations

import shlex
from typing import Any

import pytest

from driftguard.errors import NotAllowed
from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.halt import FINAL, Decision, Event, State, transition
from driftguard.flow.resource import parse_ref
from driftguard.flow.review import require_named
from driftguard.render.next_steps import next_steps
from tests.render import told
from tests.render.told import GONE_GROUP, HALT, JOB, LASTING, MOVED, NSG, VAULT

CASES: dict[str, tuple[Finding, ...]] = {
    "a change": (MOVED,),
    "a change and something unreadable": (MOVED, LASTING),
    "only something unreadable": (LASTING,),
    "something gone": (GONE_GROUP,),
}


def as_told(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    return [{"resource": finding.ref.id, "finding": str(finding.kind)} for finding in findings]


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kept", [(), (NSG.lower(),)])
def test_every_decision_that_is_offered_would_be_taken(state: State, case: str, kept: tuple[str, ...]) -> None:
    findings = CASES[case]
    for step in next_steps(HALT, JOB, state, as_told(findings), kept=kept):
        words = shlex.split(step.command)
        if words[1:3] == ["halts", "decide"]:
            named = [parse_ref(words[at + 1]).key for at, word in enumerate(words) if word == "--resource"]
            require_named(Decision(words[4]), findings, kept, named)
            transition(state, Event.DECIDED, decision=Decision(words[4]))
        elif words[1:3] == ["halts", "confirm"]:
            transition(state, Event.CONFIRMED)


@pytest.mark.parametrize("case", CASES)
def test_every_decision_that_would_be_taken_on_an_open_halt_is_offered(case: str) -> None:
    findings = CASES[case]
    offered = {shlex.split(step.command)[4] for step in next_steps(HALT, JOB, State.OPEN, as_told(findings))}
    possible = set()
    for decision in Decision:
        try:
            require_named(decision, findings, (), [finding.ref.key for finding in findings])
            possible.add(str(decision))
        except NotAllowed:
            pass
    assert offered == possible


@pytest.mark.parametrize("state", [*sorted(FINAL), State.IN_USE])
def test_nothing_is_offered_to_decide_where_nothing_can_be_decided(state: State) -> None:
    steps = next_steps(HALT, JOB, state, as_told((MOVED,)))
    assert steps and not any("halts decide" in step.command for step in steps)


def test_the_proposed_decision_comes_first_for_the_second_reviewer() -> None:
    steps = next_steps(HALT, JOB, State.PROPOSED, as_told((MOVED,)), proposed="overwrite")
    assert " overwrite " in steps[0].command


def test_more_resources_than_can_be_pasted_are_left_to_the_reviewer() -> None:
    many = as_told((LASTING,) * 30)
    [waive, _] = next_steps(HALT, JOB, State.OPEN, many, most_named=3)
    assert waive.command.endswith("--resource ID …") and "30 resources" in waive.effect


def test_a_resource_id_is_quoted_for_a_shell() -> None:
    evil = f"{VAULT}$(id);`id`'"
    [waive, _] = next_steps(HALT, JOB, State.OPEN, [{"resource": evil, "finding": str(FindingKind.UNREADABLE)}])
    assert shlex.split(waive.command)[-1] == evil
    assert told.VAULT in waive.command
