"""A resource that was deleted and made again with the same body is another resource."""

from __future__ import annotations

from pathlib import Path

from driftguard.flow.check import FindingKind
from driftguard.flow.path import format_path
from tests.scenarios.steps import cleared, halted, story
from tests.world import NETWORK

BUS = f"{NETWORK}/providers/Microsoft.ServiceBus/namespaces/sb-shop"
BODY = {"location": "westeurope", "sku": {"name": "Standard"}, "properties": {}}


def test_a_resource_made_again_by_hand_halts_and_one_that_was_only_written_does_not(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.sandbox.put(BUS, BODY)
        shop.advance(minutes=5)
        shop.first_record(BUS)
        shop.advance(minutes=5)
        shop.sandbox.put(BUS, BODY, as_="person-portal")
        shop.advance(minutes=1)
        cleared(shop.check("run-1"))
        shop.sandbox.delete(BUS, as_="person-portal")
        shop.advance(minutes=1)
        shop.sandbox.put(BUS, BODY, as_="person-portal")
        shop.advance(minutes=1)
        answer = shop.check("run-1")
        (found,) = [one.finding for one in answer.judgement.judged]
        assert halted(answer) and found.kind is FindingKind.MOVED
        assert [format_path(change.path) for change in found.configuration] == ["systemData.createdAt"]
