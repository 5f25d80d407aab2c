"""A rule for secrets comes while a halt holds a change that was taken over from an earlier halt without being read again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from driftguard.flow.halt import Decision, State
from driftguard.guard import halt_file, halting
from driftguard.guard.observe import Seen
from driftguard.guard.rows import HaltRow
from driftguard.guard.work import Work
from tests.scenarios.steps import BOTH, NAT, cleared, decided, halted, set_timeout, stored_halt, story
from tests.scenarios.test_redact_later import PLAIN, REDACTING, gated
from tests.world import JOB, VNET, World

# What they name is another element, or one that is told apart by something else: nobody can tell by the path alone.
RULES = [
    "properties.subnets[0].properties.description",
    "properties.subnets[id=/x/y].properties.description",
    f"properties.subnets[id={VNET}/subnets/app].properties",
    "properties.subnets[*].properties.description",
    "properties.subnets[*].name",
]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with story(tmp_path) as telling:
        telling.with_policy(PLAIN)
        telling.first_record(VNET, NAT)
        describe(telling, "Loud-Heron", as_="person-portal")
        yield telling


def describe(shop: World, text: str, as_: str) -> None:
    """Somebody describes a subnet of the virtual network; an empty text takes the description away."""
    subnet = f"{VNET}/subnets/data"
    live = shop.sandbox.get(subnet) or {}
    properties = {**live["properties"], "description": text}
    if not text:
        del properties["description"]
    shop.advance(minutes=1)
    shop.sandbox.put(subnet, {"properties": properties}, as_=as_)
    shop.advance(minutes=1)


def carried(shop: World) -> HaltRow:
    """The halt of a check that read only the gateway: the subnet's change is taken over."""
    halted(shop.check("run-0"))
    set_timeout(shop, 11)
    return halted(shop.check("run-1", resources=(NAT,)))


def without_its_snapshot(shop: World, halt: HaltRow) -> None:
    """As a halt holds what was taken over by a version that did not keep the snapshot."""
    work = Work(shop.guard.store, JOB, shop.guard.clock.now())
    row = work.halt(halt.id)
    held = halt_file.load(shop.guard.store, row.findings)
    left = {key: live for key, live in held.live.items() if key != VNET.lower()}
    halting.write_findings(shop.guard, row, [Seen(one, left.get(one.ref.key)) for one in held.findings])
    work.save_halt(row)
    work.commit()


def test_what_is_taken_over_keeps_its_live_snapshot(shop: World) -> None:
    halt = carried(shop)
    held = halt_file.load(shop.guard.store, halt.findings)
    assert "Loud-Heron" in str(held.live[VNET.lower()].body)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("has_snapshot", [True, False], ids=["with its snapshot", "without"])
def test_a_change_that_a_run_left_in_place_is_held(shop: World, rule: str, has_snapshot: bool) -> None:
    halt = carried(shop)
    if not has_snapshot:
        without_its_snapshot(shop, halt)
    decided(shop, halt, Decision.OVERWRITE)
    clearance = cleared(shop.check("run-2"))
    shop.with_policy(REDACTING.replace("[tags.note]", f'["{rule}"]'))
    set_timeout(shop, 4, as_="pipeline")
    recorded = shop.record("run-2", clearance=clearance, naming=BOTH)
    assert recorded.exit_code == 1, "the gateway was overwritten, the subnet was not"
    assert stored_halt(shop, halt).state is State.SUPERSEDED
    halted(gated(shop))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("has_snapshot", [True, False], ids=["with its snapshot", "without"])
def test_a_change_that_a_run_took_away_is_as_decided(shop: World, rule: str, has_snapshot: bool) -> None:
    halt = carried(shop)
    if not has_snapshot:
        without_its_snapshot(shop, halt)
    decided(shop, halt, Decision.OVERWRITE)
    clearance = cleared(shop.check("run-2"))
    shop.with_policy(REDACTING.replace("[tags.note]", f'["{rule}"]'))
    set_timeout(shop, 4, as_="pipeline")
    describe(shop, "", as_="pipeline")
    assert shop.record("run-2", clearance=clearance, naming=BOTH).exit_code == 0
    assert stored_halt(shop, halt).state is State.RESOLVED


@pytest.mark.parametrize("rule", RULES)
def test_a_decision_taken_before_holds_when_all_of_it_is_read_again(shop: World, rule: str) -> None:
    halt = carried(shop)
    decided(shop, halt, Decision.OVERWRITE)
    shop.with_policy(REDACTING.replace("[tags.note]", f'["{rule}"]'))
    cleared(shop.check("run-2"))
    assert stored_halt(shop, halt).state is State.IN_USE
