"""What a record still waits to learn."""

from __future__ import annotations

from pathlib import Path

from tests.scenarios.steps import NAT, cleared, halted, recorded_fingerprints, story


def test_a_deletion_by_somebody_else_that_the_log_tells_late_is_held_then(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=1200) as shop:
        shop.first_record(NAT, NAT.replace("natGateways/nat-shop", "virtualNetworks/vnet-shop"))
        before = recorded_fingerprints(shop)
        shop.advance(hours=1)
        clearance = cleared(shop.check("run-1"))
        shop.advance(minutes=1)
        shop.sandbox.delete(NAT, as_="person-portal")
        shop.advance(minutes=1)
        assert shop.record("run-1", clearance=clearance).exit_code == 4  # nobody can know yet whether it was this run
        assert recorded_fingerprints(shop) == before
        shop.advance(minutes=30)
        halt = halted(shop.check("run-2"))
        assert [(one["resource"], one["finding"]) for one in halt.summary] == [(NAT, "gone")]
        assert recorded_fingerprints(shop) == before
