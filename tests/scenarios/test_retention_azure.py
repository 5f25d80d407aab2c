"""Purges on Azure Storage, killed again and again: what is named is there, and in the end the rest is gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from driftguard.guard.retention import purge
from driftguard.guard.review import list_halts
from tests.azurite.server import Azurite
from tests.scenarios.kept import Dying, Killed, named, purged, require_whole, unnamed, with_a_past
from tests.scenarios.places import on
from tests.scenarios.steps import story
from tests.world import JOB


def test_purges_on_azure_storage_that_are_killed_complete_each_other(azurite: Azurite, tmp_path: Path) -> None:
    with story(tmp_path) as shop, on(azurite).opened() as (store, sealer):
        shop.guard = replace(shop.guard, store=store, sealer=sealer)
        with_a_past(shop)
        shop.advance(days=100)
        purged(shop)
        shop.advance(days=1)
        killed = 0
        for place in range(30):
            dying = Dying(store, before=place)
            try:
                purge(replace(shop.guard, store=dying), shop.guard.policy())
            except Killed:
                killed += 1
                named(shop)
                continue
            break
        assert killed >= 3
        for days in (1, 8):
            shop.advance(days=days)
            purged(shop)
        require_whole(shop)
        assert unnamed(shop) == set()
        assert list_halts(shop.guard, job=JOB, all_states=True) == []
        counting = Dying(store)
        shop.guard = replace(shop.guard, store=counting)
        assert purged(shop) == {}
        assert counting.seen == ["list", "partitions"]
