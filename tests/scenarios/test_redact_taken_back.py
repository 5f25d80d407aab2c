"""A rule that makes something a secret is taken back: what was decided stays decided, and nothing is let pass for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from driftguard.flow.halt import Decision, State
from driftguard.guard.check import Answer
from driftguard.guard.explain import explain
from driftguard.guard.record import Naming
from tests.scenarios.steps import (
    NAT,
    PIPELINE_IS_KNOWN,
    cleared,
    confirmed,
    decided,
    deploy,
    halted,
    ledger,
    set_timeout,
    stored_halt,
    story,
)
from tests.scenarios.test_redact_later import FIRST, PLAIN, REDACTING, SECOND, THIRD, gated, note
from tests.scenarios.traces import traces
from tests.world import JOB, NETWORK, VNET, World

ONE = Naming(resources=(VNET,))
OTHER = "edge-prod"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with story(tmp_path) as telling:
        telling.with_policy(REDACTING)
        yield telling


def recorded(shop: World, *, with_note: bool) -> None:
    """The job as recorded: with a note that is changed later, or without one, so that the note is added."""
    if with_note:
        note(shop, FIRST)
    shop.first_record(VNET)
    note(shop, SECOND)


CASES = pytest.mark.parametrize("with_note", [True, False], ids=["changed", "added"])


@CASES
def test_an_overwrite_that_left_the_change_in_place_is_held(shop: World, with_note: bool) -> None:
    recorded(shop, with_note=with_note)
    halt = halted(shop.check("run-1"))
    decided(shop, halt, Decision.OVERWRITE)
    clearance = cleared(shop.check("run-2"))
    shop.with_policy(PLAIN)
    shop.advance(minutes=1)
    left = shop.record("run-2", clearance=clearance, naming=ONE)
    assert left.exit_code == 1 and left.halt is not None and left.halt.cause == "held at record"
    assert stored_halt(shop, halt).state is State.SUPERSEDED
    halted(gated(shop))


@CASES
def test_an_overwrite_by_another_value_is_as_decided(shop: World, with_note: bool) -> None:
    recorded(shop, with_note=with_note)
    halt = halted(shop.check("run-1"))
    decided(shop, halt, Decision.OVERWRITE)
    clearance = cleared(shop.check("run-2"))
    shop.with_policy(PLAIN)
    shop.advance(minutes=1)
    shop.sandbox.patch(VNET, {"tags": {"note": THIRD, "by": "the run"}}, as_="pipeline")
    shop.advance(minutes=1)
    assert shop.record("run-2", clearance=clearance, naming=ONE).exit_code == 0
    assert stored_halt(shop, halt).state is State.RESOLVED


@CASES
def test_a_kept_change_that_survived_is_not_told_as_reverted(shop: World, with_note: bool) -> None:
    recorded(shop, with_note=with_note)
    halt = halted(shop.check("run-1"))
    decided(shop, halt, Decision.KEEP)
    shop.checkout.commits["0ddba11"] = True
    confirmed(shop, halt)
    clearance = cleared(shop.check("run-2"))
    shop.with_policy(PLAIN)
    assert shop.record("run-2", clearance=clearance, naming=ONE).exit_code == 0
    assert stored_halt(shop, halt).state is State.RESOLVED
    assert gated(shop).exit_code == 0


@CASES
def test_a_kept_change_that_was_reverted_is_told_at_its_path_alone(shop: World, with_note: bool) -> None:
    recorded(shop, with_note=with_note)
    halt = halted(shop.check("run-1"))
    decided(shop, halt, Decision.KEEP)
    shop.checkout.commits["0ddba11"] = True
    confirmed(shop, halt)
    clearance = cleared(shop.check("run-2"))
    shop.with_policy(PLAIN)
    note(shop, THIRD, as_="pipeline")
    reverted = shop.record("run-2", clearance=clearance, naming=ONE).halt
    assert reverted is not None and reverted.cause == "reverted"
    told = [one["path"] for one in reverted.summary[0]["changes"]]
    assert "tags.note" in told and "secret:" in str(reverted.summary)


@CASES
def test_the_same_difference_is_the_same_halt_with_its_decision(shop: World, with_note: bool) -> None:
    recorded(shop, with_note=with_note)
    halt = halted(shop.check("run-1"))
    decided(shop, halt, Decision.OVERWRITE)
    shop.with_policy(PLAIN)
    cleared(shop.check("run-2"))
    assert stored_halt(shop, halt).state is State.IN_USE
    assert traces(shop.folder, SECOND) == [], "what a halt tells in marks stays a mark"


def test_policies_that_take_turns_meet_one_halt_and_write_one_note(shop: World) -> None:
    recorded(shop, with_note=False)
    met = []
    for number in range(6):
        shop.with_policy([REDACTING, PLAIN][number % 2])
        met.append(halted(shop.check(f"run-{number}")))
    assert len({(halt.id, halt.evidence) for halt in met}) == 1
    assert ledger(shop).count("halted") == 1 and len(shop.notes()) == 1


def test_another_value_is_another_halt(shop: World) -> None:
    recorded(shop, with_note=False)
    halt = halted(shop.check("run-1"))
    decided(shop, halt, Decision.OVERWRITE)
    shop.with_policy(PLAIN)
    note(shop, THIRD)
    again = halted(shop.check("run-2"))
    assert again.id != halt.id and again.earlier is not None
    assert again.earlier["decision"]["decision"] == "overwrite"


def test_a_stranger_is_the_same_stranger(shop: World) -> None:
    strict = "defaults: {on_unmanaged: halt}\n"
    shop.with_policy(REDACTING + strict)
    shop.record(None, naming=Naming(resources=(VNET,), scopes=(NETWORK,)))
    stranger = f"{NETWORK}/providers/Microsoft.Network/routeTables/rt-stranger"
    shop.sandbox.put(stranger, {"location": "westeurope", "tags": {"note": SECOND}}, as_="person-portal")
    shop.advance(minutes=1)
    halt = halted(shop.check("run-1"))
    shop.with_policy(PLAIN + strict)
    assert halted(shop.check("run-2")).id == halt.id


def test_when_a_difference_was_first_seen_is_still_known_to_a_check_and_to_explain(shop: World) -> None:
    recorded(shop, with_note=False)
    halted(shop.check("run-1"))
    first_seen = shop.guard.clock.now()
    shop.with_policy(PLAIN)
    shop.advance(hours=3)
    answer = shop.check("run-2")
    halted(answer)
    found = answer.judgement.halting[0].attribution
    explained = explain(shop.guard, JOB, VNET).finding.attribution
    assert found is not None and explained is not None
    assert found.bracket[1] == explained.bracket[1] <= first_seen


@pytest.mark.parametrize(("first", "second"), [(REDACTING, PLAIN), (PLAIN, REDACTING)], ids=["taken back", "added"])
@pytest.mark.parametrize("other_first", [True, False], ids=["the other job first", "this job first"])
def test_what_another_job_made_stays_its_work(shop: World, first: str, second: str, other_first: bool) -> None:
    known = f'jobs: [{{match: "*", {PIPELINE_IS_KNOWN}, on_other_job: warn}}]\n'
    shop.with_policy(first + known)
    note(shop, FIRST, resource=NAT)
    shop.first_record(VNET, NAT)
    shop.first_record(NAT, job=OTHER)
    clearance = cleared(shop.check("edge-1", job=OTHER))
    deployment = deploy(shop, NAT, idleTimeoutInMinutes=9)
    shop.record("edge-1", clearance=clearance, naming=Naming(deployments=(deployment,)), job=OTHER)
    shop.with_policy(second + known)
    if other_first:
        assert gated(shop, job=OTHER).exit_code == 0
    for _ in range(2):
        answer = gated(shop)
        assert (answer.exit_code, kinds(answer)) == (0, {"unchanged", "moved by job"})
    set_timeout(shop, 11)
    assert kinds(gated(shop)) == {"unchanged", "moved"}, "by a person, since then"


def test_what_cannot_be_compared_is_nobodys_work(shop: World) -> None:
    known = f'jobs: [{{match: "*", {PIPELINE_IS_KNOWN}, on_other_job: warn}}]\n'
    shop.with_policy(REDACTING + known)
    note(shop, FIRST, resource=NAT)
    shop.first_record(VNET, NAT)
    shop.first_record(NAT, job=OTHER)
    clearance = cleared(shop.check("edge-1", job=OTHER))
    deployment = deploy(shop, NAT, idleTimeoutInMinutes=9)
    shop.record("edge-1", clearance=clearance, naming=Naming(deployments=(deployment,)), job=OTHER)
    assert kinds(gated(shop)) == {"unchanged", "moved by job"}
    with closing(sqlite3.connect(shop.folder / "store.db")) as hand, hand:
        hand.execute("delete from blobs where key like ?", (f"{OTHER}/pack/%",))
    shop.with_policy(PLAIN + known)
    assert kinds(gated(shop)) == {"unchanged", "moved"}


def kinds(answer: Answer) -> set[str]:
    return {str(one.finding.kind) for one in answer.judgement.judged}
