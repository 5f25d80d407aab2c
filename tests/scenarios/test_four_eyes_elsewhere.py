"""Four eyes where no halt is decided on: retiring, moving, proposals, and more starters than are remembered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from driftguard.adapters.readers.arm import ArmReader
from driftguard.adapters.sources.activity_log import ActivityLog
from driftguard.errors import NotAllowed
from driftguard.flow.halt import Decision, State
from driftguard.flow.review import Person
from driftguard.guard.answer import Ask
from driftguard.guard.check import check
from driftguard.guard.jobs import accept, move, retire
from tests.scenarios.steps import BOTH, NAT, ROB, decided, halted, job_row, recorded_fingerprints, set_dns, story
from tests.world import DANA, ERIN, JOB, VNET, World

WHY = "cleanup"
OTHER = "other-prod"
STEADY = "stability_gap: 0s, settle: 0s"
Taking = Callable[[World, Person], object]
TAKING: dict[str, Taking] = {
    "retire": lambda shop, by: retire(shop.guard, JOB, by=by, reason=WHY, resources=(VNET,)),
    "retire the whole job": lambda shop, by: retire(shop.guard, JOB, by=by, reason=WHY),
    "move": lambda shop, by: move(shop.guard, JOB, OTHER, by=by, reason=WHY, resources=(VNET,)),
}
taken_out = pytest.mark.parametrize("take", TAKING.values(), ids=TAKING)


def recorded(shop: World, policy: str = "") -> None:
    shop.with_policy(f"version: 1\ndefaults: {{{STEADY}{policy}}}\njobs: [{{match: {OTHER}, mode: observe}}]\n")
    shop.first_record(*BOTH.resources)
    shop.advance(minutes=1)


@taken_out
def test_who_made_a_change_does_not_take_it_out_of_the_job_before_a_check_meets_it(
    tmp_path: Path, take: Taking
) -> None:
    with story(tmp_path) as shop:
        recorded(shop)
        set_dns(shop, "10.20.0.99")  # by Rob
        with pytest.raises(NotAllowed, match="made this change"):
            take(shop, ROB)
        assert halted(shop.check()).actor == ROB.name, "nothing is lost of it"


@taken_out
def test_somebody_else_takes_a_changed_resource_out_of_the_job(tmp_path: Path, take: Taking) -> None:
    with story(tmp_path) as shop:
        recorded(shop)
        set_dns(shop, "10.20.0.99")
        take(shop, DANA)
        row = job_row(shop)
        assert row.retired_at or list(recorded_fingerprints(shop)) == [NAT.lower()]


@taken_out
def test_what_was_deleted_counts_by_who_deleted_it(tmp_path: Path, take: Taking) -> None:
    with story(tmp_path) as shop:
        recorded(shop)
        shop.sandbox.delete(VNET, as_="person-portal")
        shop.advance(minutes=1)
        with pytest.raises(NotAllowed, match="made this change"):
            take(shop, ROB)
        take(shop, DANA)


@taken_out
def test_what_nobody_is_known_to_have_changed_is_accepted_before_it_leaves_the_job(
    tmp_path: Path, take: Taking
) -> None:
    with story(tmp_path) as shop:
        recorded(shop)
        set_dns(shop, "10.20.0.99")
        shop.guard = replace(shop.guard, sources=())
        with pytest.raises(NotAllowed, match="not known") as refused:
            take(shop, DANA)
        assert "two reviewers accept" in refused.value.remedy
        proposal = shop.record(None, naming=BOTH).proposal or ""
        for reviewer in (DANA, ERIN):
            accept(shop.guard, JOB, proposal, by=reviewer, reason=WHY)
        take(shop, DANA)


@taken_out
def test_where_the_policy_lets_one_reviewer_decide_one_takes_out_what_nobody_is_known_to_have_changed(
    tmp_path: Path, take: Taking
) -> None:
    with story(tmp_path) as shop:
        recorded(shop, ", unknown_author: allow")
        set_dns(shop, "10.20.0.99")
        shop.guard = replace(shop.guard, sources=())
        take(shop, DANA)


@taken_out
def test_what_cannot_be_read_has_no_author(tmp_path: Path, take: Taking) -> None:
    with story(tmp_path) as shop:
        recorded(shop)
        shop.sandbox.fault(VNET, "403")
        take(shop, ROB)


def test_who_wrote_a_resource_that_was_never_recorded_does_not_accept_it(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.with_policy(f"version: 1\ndefaults: {{{STEADY}}}\n")
        shop.sandbox.patch(NAT, {"properties": {"idleTimeoutInMinutes": 29}}, as_="person-portal")
        shop.advance(days=3)
        shop.first_record(VNET)  # the job's last baseline is later than the change
        shop.advance(minutes=1)
        proposal = shop.record(None, naming=BOTH).proposal or ""
        with pytest.raises(NotAllowed, match="made this change"):
            accept(shop.guard, JOB, proposal, by=ROB, reason=WHY)
        accept(shop.guard, JOB, proposal, by=DANA, reason=WHY)
        assert NAT.lower() in recorded_fingerprints(shop)


def test_a_new_resource_of_which_the_log_may_still_tell_needs_a_second_reviewer(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.with_policy(f"version: 1\ndefaults: {{{STEADY}}}\n")
        shop.first_record(VNET)
        reader = shop.guard.reader
        assert isinstance(reader, ArmReader)
        late = ActivityLog(reader.client, shop.guard.clock, timedelta(minutes=20))
        shop.guard = replace(shop.guard, sources=(late,))
        shop.advance(minutes=1)
        proposal = shop.record(None, naming=BOTH).proposal or ""
        accept(shop.guard, JOB, proposal, by=DANA, reason=WHY)
        assert NAT.lower() not in recorded_fingerprints(shop)
        shop.advance(minutes=30)  # by then the log has told everything
        accept(shop.guard, JOB, proposal, by=DANA, reason=WHY)
        assert NAT.lower() in recorded_fingerprints(shop)


@pytest.mark.parametrize("rule", ["second_reviewer", "allow", "refuse"])
def test_more_starters_than_are_remembered_need_a_second_reviewer(tmp_path: Path, rule: str) -> None:
    with story(tmp_path) as shop:
        recorded(shop, f", unknown_author: {rule}")
        set_dns(shop, "10.20.0.99")
        halt = halted(shop.check())
        for number in range(51):
            check(shop.guard, Ask(JOB, f"run-{number}", started_by=Person(f"p{number}", asserted=True)))
        check(shop.guard, Ask(JOB, "run-x", started_by=DANA))  # too late to be remembered
        if rule == "refuse":
            with pytest.raises(NotAllowed, match="than are remembered") as refused:
                decided(shop, halt, Decision.OVERWRITE)
            assert "stop this halt" in refused.value.remedy
            assert decided(shop, halt, Decision.STOP).state is State.STOPPED
            return
        assert decided(shop, halt, Decision.OVERWRITE).state is State.PROPOSED
        assert decided(shop, halt, Decision.OVERWRITE, by=ERIN).state is State.OVERWRITE_ALLOWED


def test_as_many_starters_as_are_remembered_change_nothing(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        recorded(shop)
        set_dns(shop, "10.20.0.99")
        halt = halted(shop.check())
        for number in range(50):
            check(shop.guard, Ask(JOB, f"run-{number % 7}", started_by=Person(f"p{number}", asserted=True)))
        check(shop.guard, Ask(JOB, "run-x", started_by=Person("p3", asserted=True)))
        assert decided(shop, halt, Decision.OVERWRITE).state is State.OVERWRITE_ALLOWED
