"""Every state of a halt meets every event, against a table written down from the design's words."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.errors import AlreadyFinal, NotAllowed
from driftguard.flow.halt import FINAL, LETS_PASS, TRANSITIONS, Decision, Event, Next, State, transition

COLUMNS = {
    "met": Event.MET,
    "changed": Event.CHANGED,
    "gone": Event.GONE,
    "explained": Event.EXPLAINED,
    "decided": Event.DECIDED,
    "needs-second": Event.PROPOSED,
    "seconded": Event.SECONDED,
    "confirmed": Event.CONFIRMED,
    "cleared": Event.CLEARED,
    "as-decided": Event.RECORDED_GOOD,
    "not-as-decided": Event.RECORDED_BAD,
    "lease-ended": Event.LEASE_ENDED,
    "time-passed": Event.TIME_PASSED,
}

# same: stays. no: refused. final: refused, since the halt is final. decision: the state of the decision. before: the state
# before the lease. attempt: stays final, and the difference opens the next attempt. Any other word is a state.
# An in-use halt whose difference changed again is superseded: its run met somebody's new change, and is stopped.
# "Finds it still there" and "reverted" end in the next attempt, so the halt itself is superseded by it.
TABLE = """
                  met     changed    gone     explained decided  needs-second seconded confirmed      cleared as-decided not-as-decided lease-ended time-passed
open              same    superseded resolved resolved  decision proposed     no       no             no      no         no             same        same
proposed          same    superseded resolved resolved  open     open         decision no             no      no         no             same        same
overwrite-allowed same    superseded resolved resolved  decision proposed     no       no             in-use  no         no             same        expired
waived            same    superseded resolved resolved  decision proposed     no       no             in-use  no         no             same        expired
in-use            same    superseded same     same      no       no           no       no             same    resolved   superseded     before      same
kept              same    superseded resolved resolved  decision proposed     no       kept-confirmed no      no         no             same        same
kept-confirmed    same    superseded resolved resolved  decision proposed     no       same           same    resolved   superseded     same        same
stopped           attempt same       same     same      final    final        final    final          final   final      final          same        same
resolved          attempt same       same     same      final    final        final    final          final   final      final          same        same
superseded        attempt same       same     same      final    final        final    final          final   final      final          same        same
expired           attempt same       same     same      final    final        final    final          final   final      final          same        same
"""  # noqa: E501  # reason: a table is read by its columns

DECIDED = {
    Decision.OVERWRITE: "overwrite-allowed",
    Decision.KEEP: "kept",
    Decision.STOP: "stopped",
    Decision.WAIVE: "waived",
}


def cells() -> list[tuple[State, Event, str]]:
    head, *rows = (line.split() for line in TABLE.strip().splitlines())
    return [
        (State(state), COLUMNS[column], word)
        for state, *words in rows
        for column, word in zip(head, words, strict=True)
    ]


def test_the_table_of_the_design_has_every_state_and_every_event_once() -> None:
    met = [(state, event) for state, event, _ in cells()]
    assert sorted(met) == sorted(itertools.product(State, Event))
    assert {(state, event) for state, row in TRANSITIONS.items() for event in row} == set(met)


@pytest.mark.parametrize(("state", "event", "word"), cells())
def test_every_state_meets_every_event_as_the_design_says(state: State, event: Event, word: str) -> None:
    def after(decision: Decision | None = None, before: State | None = None) -> State:
        return transition(state, event, decision=decision, before=before)

    if word in ("same", "attempt"):
        assert after() is state
    elif word == "no":
        with pytest.raises(NotAllowed) as refused:
            after(Decision.OVERWRITE, State.OVERWRITE_ALLOWED)
        assert str(state) in refused.value.message and refused.value.remedy
    elif word == "final":
        with pytest.raises(AlreadyFinal) as final:
            after(Decision.OVERWRITE, State.OVERWRITE_ALLOWED)
        assert str(state) in final.value.message and final.value.remedy
    elif word == "decision":
        assert {decision: after(decision) for decision in Decision} == DECIDED
    elif word == "before":
        assert [after(before=before) for before in (State.OVERWRITE_ALLOWED, State.WAIVED)] == [
            "overwrite-allowed",
            "waived",
        ]
    else:
        assert after(Decision.KEEP, State.WAIVED) is State(word)


@pytest.mark.parametrize(("state", "event", "word"), [cell for cell in cells() if cell[2] == "decision"])
def test_a_decision_that_was_not_given_is_refused(state: State, event: Event, word: str) -> None:
    with pytest.raises(NotAllowed, match="no decision was given"):
        transition(state, event)


def test_a_lease_that_ends_without_a_state_before_it_is_refused() -> None:
    with pytest.raises(NotAllowed, match="before the lease"):
        transition(State.IN_USE, Event.LEASE_ENDED)


def test_the_next_attempt_opens_only_where_a_final_halt_meets_its_difference_again() -> None:
    opens = {(state, event) for state, row in TRANSITIONS.items() for event in row if row[event] is Next.NEW_ATTEMPT}
    assert opens == {(state, event) for state, event, word in cells() if word == "attempt"}


def test_only_an_unused_decision_for_one_run_a_run_of_it_and_a_confirmed_keep_let_a_run_pass() -> None:
    assert set(LETS_PASS) == {"overwrite-allowed", "waived", "in-use", "kept-confirmed"}
    assert set(FINAL) == {"stopped", "resolved", "superseded", "expired"}


EVENTS = st.lists(st.tuples(st.sampled_from(list(Event)), st.sampled_from(list(Decision))), max_size=12)


@given(EVENTS)
def test_nothing_leads_to_a_state_that_lets_pass_but_a_decision_taken_by_a_reviewer(
    story: list[tuple[Event, Decision]],
) -> None:
    state, before, decided = State.OPEN, None, False
    for event, decision in story:
        try:
            after = transition(state, event, before=before, decision=decision)
        except (NotAllowed, AlreadyFinal):
            continue
        decided = decided or event in (Event.DECIDED, Event.SECONDED)
        assert state not in FINAL or after is state
        assert after not in LETS_PASS or decided
        before = state if after is State.IN_USE and state is not State.IN_USE else before
        state = after
