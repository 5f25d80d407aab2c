"""What cannot be read, or does not settle: could not tell at first, a halt when it lasts, waived for one run by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftguard.errors import NotAllowed
from driftguard.flow.decide import Verdict
from driftguard.flow.halt import Decision, State
from driftguard.guard.record import Naming
from driftguard.guard.rows import HaltRow
from tests.scenarios.steps import (
    NAT,
    ROBS_DNS,
    cleared,
    decided,
    halted,
    recorded_fingerprints,
    set_dns,
    stored_halt,
    story,
)
from tests.world import VNET, World


def _hidden(shop: World, resource: str = VNET) -> None:
    """The pipeline loses the right to read one resource."""
    shop.sandbox.fault(resource, "403", method="GET")


def _lastingly_unreadable(shop: World) -> HaltRow:
    _hidden(shop)
    for number in (1, 2):
        assert shop.check(f"run-{number}").exit_code == 2
    return halted(shop.check("run-3"))


def test_three_checks_that_cannot_read_a_resource_open_a_halt(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        halt = _lastingly_unreadable(shop)
        assert [(one["finding"], one["cause"]) for one in halt.summary] == [("unreadable", "forbidden")]
        assert halted(shop.check("run-4")).id == halt.id


def test_fifteen_minutes_of_silence_open_a_halt_at_the_second_check(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        _hidden(shop)
        assert shop.check("run-1").verdict is Verdict.CANNOT_TELL
        shop.advance(minutes=16)
        assert halted(shop.check("run-2"))


def test_one_readable_check_begins_the_count_anew(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        for number in range(4):
            _hidden(shop)
            assert shop.check(f"run-{number}", gate=True).exit_code == 2
            shop.advance(minutes=10)
            shop.sandbox.clear_faults()
            assert shop.check(f"run-{number}", gate=True).exit_code == 0


def test_a_waiver_names_the_resource_and_lets_one_run_pass(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        halt = _lastingly_unreadable(shop)
        with pytest.raises(NotAllowed, match="must name"):
            decided(shop, halt, Decision.WAIVE)
        with pytest.raises(NotAllowed, match="nothing here was read"):
            decided(shop, halt, Decision.OVERWRITE)
        assert decided(shop, halt, Decision.WAIVE, resources=(VNET,)).state is State.WAIVED
        clearance = cleared(shop.check("run-4"))
        assert stored_halt(shop, halt).state is State.IN_USE
        shop.sandbox.clear_faults()
        recorded = shop.record("run-4", clearance=clearance)
        assert recorded.exit_code == 0
        assert stored_halt(shop, halt).closed_because == "readable again"


def test_a_halt_of_silence_resolves_when_the_resource_is_readable_and_as_recorded(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        halt = _lastingly_unreadable(shop)
        shop.sandbox.clear_faults()
        assert cleared(shop.check("run-4"))
        assert stored_halt(shop, halt).state is State.RESOLVED


def test_a_waiver_does_not_cover_what_shows_when_the_resource_is_readable_again(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        halt = _lastingly_unreadable(shop)
        decided(shop, halt, Decision.WAIVE, resources=(VNET,))
        shop.sandbox.clear_faults()
        set_dns(shop, ROBS_DNS)
        moved = halted(shop.check("run-4"))
        assert moved.id != halt.id and moved.summary[0]["finding"] == "moved"
        assert stored_halt(shop, halt).state is State.SUPERSEDED


def test_a_waiver_does_not_cover_another_resource_that_cannot_be_read(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        decided(shop, _lastingly_unreadable(shop), Decision.WAIVE, resources=(VNET,))
        _hidden(shop, NAT)
        assert shop.check("run-4").exit_code == 2


@pytest.mark.parametrize("naming", [Naming(), Naming(resources=(NAT,))], ids=["all named", "others named"])
def test_what_is_still_unreadable_at_record_opens_the_next_halt(tmp_path: Path, naming: Naming) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        as_accepted = recorded_fingerprints(shop)
        first = _lastingly_unreadable(shop)
        decided(shop, first, Decision.WAIVE, resources=(VNET,))
        clearance = cleared(shop.check("run-4"))
        assert shop.record("run-4", clearance=clearance, naming=naming).exit_code == 1
        assert stored_halt(shop, first).state is State.SUPERSEDED
        assert recorded_fingerprints(shop) == as_accepted
        again = halted(shop.check("run-5"))
        decided(shop, again, Decision.WAIVE, resources=(VNET,))
        assert cleared(shop.check("run-5"))


def test_silence_is_not_a_change_of_an_open_halt(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-1"))
        _hidden(shop)
        assert halted(shop.check("run-2")).id == halt.id
        decided(shop, halt, Decision.OVERWRITE)
        answer = shop.check("run-3")
        assert answer.exit_code == 2 and answer.clearance is None
        shop.sandbox.clear_faults()
        assert cleared(shop.check("run-3"))


def test_a_resource_that_is_halted_and_then_hidden_for_good_is_freed_by_stopping_and_waiving(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check("run-1"))
        _hidden(shop)
        for number in range(2, 6):
            assert halted(shop.check(f"run-{number}")).id == halt.id
        decided(shop, halt, Decision.STOP)
        silent = halted(shop.check("run-6"))
        decided(shop, silent, Decision.WAIVE, resources=(VNET,))
        assert cleared(shop.check("run-6"))


def test_an_operation_that_never_ends_halts_as_in_flight_and_can_be_waived(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        shop.sandbox.touch(VNET, state="Updating")
        assert [shop.check(f"run-{number}").exit_code for number in (1, 2)] == [2, 2]
        halt = halted(shop.check("run-3"))
        assert halt.summary[0]["cause"] == "in flight"
        decided(shop, halt, Decision.WAIVE, resources=(VNET,))
        assert cleared(shop.check("run-4"))


def test_an_operation_that_ends_within_the_settling_time_halts_nothing(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        shop.sandbox.slow("Microsoft.Network/virtualNetworks", 60)
        shop.sandbox.patch(VNET, {"tags": {"environment": "prod"}}, as_="pipeline")
        before = shop.sandbox.now()
        answer = shop.check("run-1", gate=True)
        assert answer.verdict is not Verdict.CANNOT_TELL
        assert 60 <= (shop.sandbox.now() - before).total_seconds() <= 120
