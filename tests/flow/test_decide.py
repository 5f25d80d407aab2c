"""What findings mean under a policy: one action each, one verdict for all, and what an open halt adds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

import pytest

from driftguard.flow.attribute import Actor
from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.decide import Action, Judgement, Verdict, carry_over, judge
from driftguard.flow.halt import difference_digest
from driftguard.flow.policy import JobPolicy, Mode, OwnWrites, Response
from driftguard.flow.reading import Cause
from tests.flow.findings import GROUP_REF, attribution, change, event, finding, ref

DEFAULT = JobPolicy()
WORDS = {"halt": Action.HALT, "warn": Action.TELL, "accept": Action.ACCEPT, "ignore": Action.PROCEED}


def action(one: Finding, policy: JobPolicy = DEFAULT) -> Action:
    return judge([one], policy).judged[0].action


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("unchanged", Action.PROCEED),
        ("touched", Action.TELL),
        ("moved", Action.HALT),
        ("moved by job", Action.TELL),
        ("gone", Action.HALT),
        ("inflight", Action.UNCLEAR),
        ("unreadable", Action.UNCLEAR),
        ("unrecorded", Action.TELL),
        ("unmanaged", Action.TELL),
    ],
)
def test_every_finding_asks_by_default_for_what_the_design_says(kind: str, asked: Action) -> None:
    assert action(finding(FindingKind(kind))) is asked


@pytest.mark.parametrize("kind", [FindingKind.UNREADABLE, FindingKind.IN_FLIGHT])
@pytest.mark.parametrize("cause", Cause)
def test_what_is_lastingly_unread_halts_and_names_its_cause(kind: FindingKind, cause: Cause) -> None:
    judged = judge([finding(kind, lasting=True, cause=cause)], DEFAULT).judged[0]
    assert (judged.action, str(cause) in judged.reason) == (Action.HALT, True)


@pytest.mark.parametrize("word", Response)
def test_the_policy_names_what_unmanaged_and_moved_by_job_ask_for(word: Response) -> None:
    unmanaged = action(finding(FindingKind.UNMANAGED), replace(DEFAULT, on_unmanaged=word))
    moved_by_job = action(finding(FindingKind.MOVED_BY_JOB), replace(DEFAULT, on_other_job=word))
    assert unmanaged is moved_by_job is WORDS[word]


def only(actor: Actor, word: Response) -> Mapping[Actor, Response]:
    """A policy that has this word for this class of actor, and another word for all others."""
    other = Response.WARN if word is Response.HALT else Response.HALT
    return {each: word if each is actor else other for each in Actor}


@pytest.mark.parametrize("word", Response)
@pytest.mark.parametrize("actor", Actor)
def test_a_moved_resource_asks_for_the_word_of_its_own_actor(actor: Actor, word: Response) -> None:
    moved = finding(FindingKind.MOVED, attribution=attribution(actor, event()))
    judged = judge([moved], replace(DEFAULT, on_drift=only(actor, word))).judged[0]
    assert (judged.action, judged.reason) == (WORDS[word], f"on_drift.{actor}: {word}")


@pytest.mark.parametrize("actor", Actor)
def test_by_default_people_and_other_automation_halt_and_the_platform_is_told(actor: Actor) -> None:
    told = actor in (Actor.AZURE_POLICY, Actor.AUTOSCALE, Actor.PLATFORM)
    moved = finding(FindingKind.MOVED, attribution=attribution(actor, event()))
    assert action(moved) is (Action.TELL if told else Action.HALT)


@pytest.mark.parametrize("word", Response)
def test_a_moved_resource_without_attribution_is_of_an_unknown_actor_and_never_let_pass(word: Response) -> None:
    wanted = Action.HALT if word is Response.HALT else Action.UNCLEAR
    assert action(finding(FindingKind.MOVED), replace(DEFAULT, on_drift=only(Actor.UNKNOWN, word))) is wanted


@pytest.mark.parametrize("word", Response)
@pytest.mark.parametrize("actor", Actor)
def test_nothing_is_let_pass_for_its_writer_while_another_writer_may_still_turn_up(
    actor: Actor, word: Response
) -> None:
    known = attribution(actor, event(), proven=True, probable=True, covered=False)
    policy = replace(DEFAULT, on_drift=only(actor, word), own_writes=OwnWrites.PROBABLE)
    halts = word is Response.HALT and actor is not Actor.OUR_PIPELINE
    wanted = Action.HALT if halts else Action.UNCLEAR
    assert action(finding(FindingKind.MOVED, attribution=known), policy) is wanted


@pytest.mark.parametrize("proven", [False, True])
@pytest.mark.parametrize("probable", [False, True])
@pytest.mark.parametrize("own_writes", OwnWrites)
@pytest.mark.parametrize("actor", Actor)
def test_only_the_jobs_own_pipeline_is_accepted_and_only_as_sure_as_the_policy_wants(
    actor: Actor, own_writes: OwnWrites, probable: bool, proven: bool
) -> None:
    moved = finding(FindingKind.MOVED, attribution=attribution(actor, event(), proven=proven, probable=probable))
    policy = replace(DEFAULT, own_writes=own_writes, on_drift=dict.fromkeys(Actor, Response.HALT))
    accepted = actor is Actor.OUR_PIPELINE and (proven or (probable and own_writes is OwnWrites.PROBABLE))
    assert action(moved, policy) is (Action.ACCEPT if accepted else Action.HALT)


OF_ACTION = {
    Action.PROCEED: finding(FindingKind.UNCHANGED, "a"),
    Action.TELL: finding(FindingKind.TOUCHED, "b"),
    Action.ACCEPT: finding(FindingKind.MOVED, "c", attribution=attribution(Actor.OUR_PIPELINE, event(), proven=True)),
    Action.HALT: finding(FindingKind.GONE, "d"),
    Action.UNCLEAR: finding(FindingKind.UNREADABLE, "e"),
}
SUBSETS = [set(chosen) for size in range(6) for chosen in itertools.combinations(Action, size)]


@pytest.mark.parametrize("actions", SUBSETS)
@pytest.mark.parametrize("reverse", [False, True])
def test_halt_beats_cannot_tell_beats_proceed_and_nothing_is_cannot_tell(actions: set[Action], reverse: bool) -> None:
    expected = Verdict.PROCEED
    if not actions or Action.UNCLEAR in actions:
        expected = Verdict.CANNOT_TELL
    if Action.HALT in actions:
        expected = Verdict.HALT
    findings = [OF_ACTION[each] for each in sorted(actions, reverse=reverse)]
    judgement = judge(findings, DEFAULT)
    assert judgement.verdict is expected
    assert {item.action for item in judgement.judged} == actions
    assert judgement.halting == tuple(one for one in findings if one is OF_ACTION[Action.HALT])


@pytest.mark.parametrize("word", [Response.WARN, Response.IGNORE, Response.ACCEPT])
def test_findings_of_nothing_recorded_clear_nothing(word: Response) -> None:
    policy = replace(DEFAULT, on_unmanaged=word)
    strangers = [finding(FindingKind.UNRECORDED, "a"), finding(FindingKind.UNMANAGED, "b")]
    for some in ([], strangers[:1], strangers[1:], strangers):
        assert judge(some, policy).verdict is Verdict.CANNOT_TELL
    assert judge([*strangers, finding(FindingKind.UNCHANGED, "c")], policy).verdict is Verdict.PROCEED


@pytest.mark.parametrize("actions", SUBSETS)
def test_observe_mode_has_the_same_verdict_and_says_that_nothing_is_stopped(actions: set[Action]) -> None:
    findings = [OF_ACTION[each] for each in actions]
    enforced, observed = judge(findings, DEFAULT), judge(findings, replace(DEFAULT, mode=Mode.OBSERVE))
    assert (enforced.observed, observed.observed) == (False, True)
    assert observed == Judgement(enforced.judged, enforced.verdict, observed=True)


SILENT = [FindingKind.UNREADABLE, FindingKind.IN_FLIGHT]
LOUD = [kind for kind in FindingKind if kind not in SILENT]


@pytest.mark.parametrize("silent", SILENT)
@pytest.mark.parametrize("held", LOUD)
@pytest.mark.parametrize("lasting", [False, True])
def test_what_the_halt_holds_is_taken_to_be_as_it_was_while_it_is_silent(
    held: FindingKind, silent: FindingKind, lasting: bool
) -> None:
    was = finding(held, detail="then")
    [one] = carry_over([finding(silent, lasting=lasting, cause=Cause.THROTTLED)], [was])
    assert one == replace(was, carried=True, detail=one.detail)
    assert "throttled" in one.detail
    assert difference_digest([one]) == difference_digest([was])


@pytest.mark.parametrize("now", LOUD)
@pytest.mark.parametrize("held", FindingKind)
def test_what_can_be_read_now_is_what_it_is_now(held: FindingKind, now: FindingKind) -> None:
    assert carry_over([finding(now)], [finding(held, changes=(change("x", 1, 2),))]) == [finding(now)]


@pytest.mark.parametrize("held", SILENT)
@pytest.mark.parametrize("now", FindingKind)
def test_an_unreadable_finding_of_the_halt_is_never_carried(held: FindingKind, now: FindingKind) -> None:
    assert carry_over([finding(now)], [finding(held, lasting=True)]) == [finding(now)]


def test_silence_of_a_resource_that_the_halt_does_not_hold_stays_silence() -> None:
    now = [finding(FindingKind.UNREADABLE, "a"), finding(FindingKind.UNCHANGED, "b")]
    assert carry_over(now, [finding(FindingKind.MOVED, "c")]) == now
    assert carry_over(now, []) == now
    assert carry_over([], [finding(FindingKind.MOVED, "c")]) == []


def lost_group(*names: str) -> Finding:
    return finding(FindingKind.GONE, ref=GROUP_REF, covers=tuple(ref(name).id for name in names))


def test_a_lost_resource_group_is_carried_as_one_finding_while_what_was_in_it_is_silent() -> None:
    held = lost_group("a", "b")
    now = [
        finding(FindingKind.UNREADABLE, "a"),
        finding(FindingKind.UNCHANGED, "c"),
        finding(FindingKind.IN_FLIGHT, "b"),
    ]
    unchanged, carried = carry_over(now, [held])
    assert (unchanged.kind, carried.ref, carried.carried) == (FindingKind.UNCHANGED, GROUP_REF, True)
    assert difference_digest([carried]) == difference_digest([held])
    assert judge([unchanged, carried], DEFAULT).verdict is Verdict.HALT


def test_a_lost_resource_group_that_is_seen_again_for_some_counts_as_not_wholly_read() -> None:
    [one] = carry_over([lost_group("a"), finding(FindingKind.UNREADABLE, "b")], [lost_group("a", "b")])
    assert (one.ref, one.carried, len(one.covers)) == (GROUP_REF, True, 2)


def test_a_resource_of_a_lost_group_that_is_there_again_is_what_it_is_now() -> None:
    back = [finding(FindingKind.UNCHANGED, "a"), finding(FindingKind.MOVED, "b")]
    assert carry_over(back, [lost_group("a", "b")]) == back


def test_a_scope_that_cannot_be_listed_hides_no_unmanaged_resource_that_the_halt_holds() -> None:
    scope = finding(FindingKind.UNREADABLE, ref=GROUP_REF, cause=Cause.REFUSED)
    held = [finding(FindingKind.UNMANAGED, "s", fingerprint="1"), finding(FindingKind.MOVED, "m")]
    told, carried = carry_over([scope], held)
    assert told is scope
    assert (carried.ref, carried.carried) == (ref("s"), True)
    listed = finding(FindingKind.UNMANAGED, "s", fingerprint="2")
    assert carry_over([scope, listed], held) == [scope, listed]
    assert carry_over([finding(FindingKind.UNCHANGED, "x")], held) == [finding(FindingKind.UNCHANGED, "x")]
