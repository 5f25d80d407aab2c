"""An open halt stands while what it is about cannot be read: silence closes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from driftguard.flow.halt import Decision, State
from driftguard.guard.record import Naming
from tests.scenarios.steps import cleared, decided, halted, stored_halt, story
from tests.world import NETWORK, VNET, World

LAB = NETWORK.replace("rg-shop-network", "rg-lab")
TABLES = [f"{LAB}/providers/Microsoft.Network/routeTables/rt-{number}" for number in range(2)]
BODY = {"location": "westeurope", "properties": {"routes": []}}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with story(tmp_path) as telling:
        telling.sandbox.put(LAB, {"location": "westeurope"})
        for table in TABLES:
            telling.sandbox.put(table, BODY)
        yield telling


@pytest.mark.parametrize("hidden", ["*/routetables/rt-0*", "*/routetables/*"])
def test_a_lost_resource_group_stays_lost_while_its_resources_cannot_be_read(shop: World, hidden: str) -> None:
    shop.first_record(VNET, *TABLES)
    shop.sandbox.delete(LAB, as_="person-portal")
    shop.advance(minutes=1)
    halt = halted(shop.check("run-1"))
    shop.sandbox.fault(hidden, "403")
    for number in range(4):  # also when the silence has lasted long enough to halt by itself
        assert halted(shop.check(f"run-{number}")).id == halt.id
    assert stored_halt(shop, halt).state is State.OPEN
    decided(shop, halt, Decision.OVERWRITE)
    assert shop.check("run-5").exit_code == 2
    shop.sandbox.clear_faults()
    assert cleared(shop.check("run-5"))


def test_an_unmanaged_resource_stays_in_the_halt_while_its_scope_cannot_be_listed(shop: World) -> None:
    shop.with_policy("version: 1\ndefaults: {on_unmanaged: halt}\n")
    shop.record(None, naming=Naming(scopes=(LAB,)))
    stranger = f"{LAB}/providers/Microsoft.Network/routeTables/stranger"
    shop.sandbox.put(stranger, BODY, as_="person-portal")
    shop.advance(minutes=1)
    halt = halted(shop.check("run-1"))
    shop.sandbox.fault(f"{LAB}/resources", "403")
    answer = shop.check("run-2")
    assert halted(answer).id == halt.id
    assert answer.coverage.scopes
    shop.sandbox.clear_faults()
    assert halted(shop.check("run-3")).id == halt.id
    shop.sandbox.delete(stranger)
    shop.advance(minutes=1)
    assert cleared(shop.check("run-4"))
    assert stored_halt(shop, halt).state is State.RESOLVED
