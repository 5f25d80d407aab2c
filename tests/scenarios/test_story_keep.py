"""The manual change is kept: from kept over confirmed to survived or reverted."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftguard.errors import HaltOpen, NotAllowed
from driftguard.flow.halt import Decision, State
from driftguard.flow.record import Fate
from driftguard.guard.jobs import release
from driftguard.guard.record import Naming
from driftguard.guard.rows import HaltRow
from tests.scenarios.steps import (
    BOTH,
    NAT,
    ROBS_DNS,
    SHOP_DNS,
    cleared,
    confirmed,
    decided,
    halted,
    held,
    recorded_fingerprints,
    set_dns,
    set_timeout,
    stored_halt,
    story,
)
from tests.world import DANA, VNET, World

COMMIT = "0ddba11"


def _kept(shop: World) -> HaltRow:
    """Rob's DNS server, kept by a reviewer."""
    set_dns(shop, ROBS_DNS)
    return decided(shop, halted(shop.check("run-1")), Decision.KEEP, in_code=COMMIT)


def _kept_and_confirmed(shop: World) -> HaltRow:
    shop.checkout.commits[COMMIT] = True
    return confirmed(shop, _kept(shop), COMMIT)


def test_a_kept_change_stops_runs_until_it_is_confirmed_to_be_in_the_code(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        halt = _kept(shop)
        assert halt.state is State.KEPT
        shop.advance(days=40)  # a kept change never expires
        assert halted(shop.check("run-2")).id == halt.id
        shop.checkout.commits[COMMIT] = True
        assert confirmed(shop, halt, COMMIT).state is State.KEPT_CONFIRMED
        assert cleared(shop.check("run-3"))


def test_a_kept_change_that_survives_the_update_is_the_new_baseline(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        halt = _kept_and_confirmed(shop)
        recorded = shop.record("run-2", clearance=cleared(shop.check("run-2")))
        assert recorded.exit_code == 0
        assert stored_halt(shop, halt).closed_because == "the kept change survived the update"
        assert cleared(shop.check("run-3"))


def test_a_kept_change_is_accepted_also_where_the_run_names_other_resources_only(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        before = recorded_fingerprints(shop)
        halt = _kept_and_confirmed(shop)
        clearance = cleared(shop.check("run-2"))
        recorded = shop.record("run-2", clearance=clearance, naming=Naming(resources=(NAT,)))
        assert recorded.exit_code == 0
        assert stored_halt(shop, halt).state is State.RESOLVED
        assert recorded_fingerprints(shop) != before
        assert cleared(shop.check("run-3"))


def test_a_run_passes_only_if_its_checkout_contains_the_commit(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        halt = confirmed(shop, _kept(shop), COMMIT)
        shop.checkout.commits[COMMIT] = False
        answer = shop.check("run-2")
        assert halted(answer).id == halt.id and f"does not contain {COMMIT}" in answer.why
        shop.checkout.commits[COMMIT] = True
        assert cleared(shop.check("run-3"))


def test_where_the_checkout_cannot_tell_the_reviewer_names_the_run(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        halt = confirmed(shop, _kept(shop), COMMIT)
        answer = shop.check("run-2")
        assert halted(answer).id == halt.id and "--for-run run-2" in answer.why
        confirmed(shop, halt, COMMIT, for_run="run-2")
        assert "run run-2 only" in shop.check("run-3").why
        assert cleared(shop.check("run-2"))


@pytest.mark.parametrize("naming", [Naming(), Naming(resources=(NAT,))], ids=["all named", "others named"])
def test_a_kept_change_that_the_run_reverted_halts_until_somebody_decides(tmp_path: Path, naming: Naming) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        first = _kept_and_confirmed(shop)
        clearance = cleared(shop.check("run-2"))
        set_dns(shop, SHOP_DNS, as_="pipeline")
        recorded = shop.record("run-2", clearance=clearance, naming=naming)

        reverted = held(recorded)
        assert reverted.cause == "reverted"
        assert Fate.REVERTED in [item.fate for item in recorded.taken]
        assert stored_halt(shop, first).state is State.SUPERSEDED
        [change] = reverted.summary[0]["changes"]
        assert (change["before"], change["after"]) == (f'"{ROBS_DNS}"', f'"{SHOP_DNS}"')
        for run in ("run-3", "run-4"):
            shop.advance(hours=30)
            assert halted(shop.check(run)).id == reverted.id


def test_a_reverted_change_that_is_put_back_resolves_its_halt(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        _kept_and_confirmed(shop)
        clearance = cleared(shop.check("run-2"))
        set_dns(shop, SHOP_DNS, as_="pipeline")
        reverted = held(shop.record("run-2", clearance=clearance))
        set_dns(shop, ROBS_DNS)
        assert cleared(shop.check("run-3"))
        assert stored_halt(shop, reverted).state is State.RESOLVED


def test_a_reversion_that_is_accepted_after_all_is_kept_and_confirmed(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        _kept_and_confirmed(shop)
        clearance = cleared(shop.check("run-2"))
        set_dns(shop, SHOP_DNS, as_="pipeline")
        reverted = held(shop.record("run-2", clearance=clearance))
        kept = decided(shop, reverted, Decision.KEEP, in_code=COMMIT)
        if kept.state is State.PROPOSED:
            kept = decided(shop, reverted, Decision.KEEP, by=type(DANA)("erin@contoso.com"), in_code=COMMIT)
        confirmed(shop, kept, COMMIT)
        clearance = cleared(shop.check("run-3"))
        assert shop.record("run-3", clearance=clearance).exit_code == 0
        assert cleared(shop.check("run-4"))


def test_overwriting_what_was_kept_needs_the_resource_named(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        _kept(shop)
        set_timeout(shop, 30)
        second = halted(shop.check("run-2"))
        assert second.earlier is not None and second.earlier["decision"]["decision"] == "keep"
        assert second.earlier["kept"] == [VNET.lower()]
        with pytest.raises(NotAllowed, match="must name"):
            decided(shop, second, Decision.OVERWRITE)
        with pytest.raises(NotAllowed, match="must name"):
            decided(shop, second, Decision.OVERWRITE, resources=(NAT,))
        assert decided(shop, second, Decision.OVERWRITE, resources=(VNET,)).state is State.OVERWRITE_ALLOWED


def test_one_lease_at_a_time_and_the_next_run_after_it(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        halt = _kept_and_confirmed(shop)
        cleared(shop.check("run-2"))
        release(shop.guard, halt.job, by=DANA, reason="the run was cancelled")
        assert cleared(shop.check("run-3"))
        assert stored_halt(shop, halt).state is State.KEPT_CONFIRMED


def test_a_new_decision_replaces_a_confirmed_one(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        halt = _kept_and_confirmed(shop)
        assert decided(shop, halt, Decision.OVERWRITE).state is State.OVERWRITE_ALLOWED
        clearance = cleared(shop.check("run-2"))
        set_dns(shop, SHOP_DNS, as_="pipeline")
        assert shop.record("run-2", clearance=clearance).exit_code == 0


def test_an_expired_lease_does_not_record_over_a_decision_that_has_changed_since(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        halt = decided(shop, halted(shop.check("run-1")), Decision.OVERWRITE)
        clearance = cleared(shop.check("run-2"))
        shop.advance(hours=5)
        decided(shop, halt, Decision.KEEP, in_code=COMMIT)
        set_dns(shop, SHOP_DNS, as_="pipeline")
        with pytest.raises(HaltOpen):
            shop.record("run-2", clearance=clearance)


def test_keep_and_confirm_of_two_resources_at_once(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        set_timeout(shop, 30)
        halt = _kept_and_confirmed(shop)
        clearance = cleared(shop.check("run-2"))
        set_timeout(shop, 10, as_="pipeline")  # one of the two is reverted
        reverted = held(shop.record("run-2", clearance=clearance, naming=BOTH))
        assert [one["resource"] for one in reverted.summary] == [NAT]
        assert stored_halt(shop, halt).state is State.SUPERSEDED
