"""What a reviewer does to a job as a whole: release, retire, move, proposals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from driftguard.errors import AlreadyFinal, Busy, HaltOpen, NotAllowed, Stale, WrongUse
from driftguard.flow.halt import Decision
from driftguard.flow.review import Person
from driftguard.guard.jobs import accept, move, proposals, release, retire
from tests.scenarios.steps import (
    NAT,
    ROB,
    ROBS_DNS,
    cleared,
    decided,
    halted,
    job_row,
    ledger,
    recorded_fingerprints,
    set_dns,
    set_timeout,
    story,
)
from tests.world import DANA, JOB, VNET

TO = "network-team"
WHY = "agreed with the team"


def test_a_run_releases_its_own_lease_and_a_reviewer_any(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        clearance = cleared(shop.check("run-1"))
        with pytest.raises(Stale):
            release(shop.guard, JOB, by=DANA, reason="", clearance="c-000000")
        in_ci = replace(shop.guard, in_ci=True)
        with pytest.raises(NotAllowed):
            release(in_ci, JOB, by=DANA, reason=WHY)
        release(in_ci, JOB, by=Person("run-1"), reason="", clearance=clearance)
        with pytest.raises(AlreadyFinal):
            release(shop.guard, JOB, by=DANA, reason=WHY)
        assert cleared(shop.check("run-2"))


def test_a_retired_resource_is_guarded_no_more(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        retire(shop.guard, JOB, by=DANA, reason=WHY, resources=(NAT,))
        assert list(recorded_fingerprints(shop)) == [VNET.lower()]
        set_timeout(shop, 30)
        assert cleared(shop.check("run-1"))


def test_retire_and_move_need_no_open_halt_and_no_lease(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        cleared(shop.check("run-1"))
        with pytest.raises(Busy):
            retire(shop.guard, JOB, by=DANA, reason=WHY, resources=(NAT,))
        release(shop.guard, JOB, by=DANA, reason=WHY)
        set_dns(shop, ROBS_DNS)
        halted(shop.check("run-2"))
        with pytest.raises(HaltOpen):
            retire(shop.guard, JOB, by=DANA, reason=WHY)
        with pytest.raises(HaltOpen):
            move(shop.guard, JOB, TO, by=DANA, reason=WHY, resources=(NAT,))


def test_a_retired_job_is_not_checked_and_a_record_of_it_is_a_proposal(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        last = cleared(shop.check("run-1"))
        release(shop.guard, JOB, by=DANA, reason=WHY)
        retire(shop.guard, JOB, by=DANA, reason=WHY)
        with pytest.raises(WrongUse, match="retired"):
            shop.check("run-2")
        assert shop.record("run-1", clearance=last).proposal is not None
        proposed = shop.record("run-3")
        assert proposed.proposal is not None
        accept(shop.guard, JOB, proposed.proposal, by=DANA, reason=WHY)
        assert cleared(shop.check("run-4"))


def test_a_moved_resource_is_guarded_by_the_other_job(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        move(shop.guard, JOB, TO, by=DANA, reason=WHY, resources=(NAT,))
        assert list(recorded_fingerprints(shop)) == [VNET.lower()]
        assert list(recorded_fingerprints(shop, TO)) == [NAT.lower()]
        set_timeout(shop, 30)
        assert cleared(shop.check("run-1"))
        assert halted(shop.check("net-1", job=TO)).summary[0]["resource"] == NAT
        assert ledger(shop)[2:4] == ["taken out", "moved out"] and ledger(shop, TO)[0] == "moved in"


def test_a_proposal_is_accepted_only_while_what_it_read_is_live(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        first = shop.record("run-1").proposal
        set_dns(shop, "10.20.0.77")
        assert first is not None
        with pytest.raises(Stale):
            accept(shop.guard, JOB, first, by=DANA, reason=WHY)
        second = shop.record("run-1").proposal
        assert second is not None
        accept(shop.guard, JOB, second, by=DANA, reason=WHY)
        with pytest.raises(AlreadyFinal):
            accept(shop.guard, JOB, second, by=DANA, reason=WHY)
        assert cleared(shop.check("run-2"))
        assert [body["id"] for _, body in proposals(shop.guard)] == [first]


def test_who_proposed_or_made_the_change_does_not_accept_it(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        mine = shop.record("run-1", started_by=DANA).proposal
        assert mine is not None
        for nobody in (DANA, ROB):
            with pytest.raises(NotAllowed):
                accept(shop.guard, JOB, mine, by=nobody, reason=WHY)


def test_a_reviewer_is_a_person_at_hand_never_a_pipeline(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-1"))
        shop.guard = replace(shop.guard, in_ci=True)
        with pytest.raises(NotAllowed, match="CI"):
            decided(shop, halt, Decision.OVERWRITE)
        with pytest.raises(NotAllowed, match="CI"):
            retire(shop.guard, JOB, by=DANA, reason=WHY, resources=(NAT,))
        assert job_row(shop).generation == 1
