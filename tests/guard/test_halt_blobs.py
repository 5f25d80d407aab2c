"""What a halt keeps in blobs: a lost try's are never adopted, and a damaged one is told to nobody."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driftguard.errors import NotAllowed, StoreUnavailable
from driftguard.flow.evidence import digest_of
from driftguard.flow.halt import Decision
from driftguard.flow.ports import Store, Write
from driftguard.guard import halt_file, halting
from driftguard.guard.blobs import put_named
from driftguard.guard.deliver import deliver_due
from driftguard.guard.rows import HaltRow
from tests.guard.halts import halt_row
from tests.scenarios.steps import ROB, ROBS_DNS, SHOP_DNS, decided, halted, set_dns, stored_halt, story
from tests.world import DANA, JOB, PROVIDERS, VNET, World

ANNA = "person-portal:anna@contoso.com"
TABLES = [f"{PROVIDERS}/routeTables/rt-{number:02}" for number in range(25)]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with story(tmp_path) as telling:
        yield telling


class LosesTheHalt:
    """A store that fails when the job commits: what was written before stays."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, partition: str, writes: Sequence[Write]) -> dict[tuple[str, str], str]:
        if partition == JOB:
            raise StoreUnavailable("the store is full", "make room")
        return self._store.commit(partition, writes)


def damage(telling: World, key: str, data: bytes) -> None:
    """Put other bytes under the key, past the store."""
    connection = sqlite3.connect(telling.folder / "store.db")
    with connection:
        assert connection.execute("update blobs set data=? where key=?", (data, key)).rowcount == 1
    connection.close()


def untold_halt(telling: World) -> HaltRow:
    """A halt whose notes still wait."""
    telling.first_record(VNET)
    set_dns(telling, ROBS_DNS)
    (telling.folder / "tickets").write_text("a file where the folder should be")
    halt = halted(telling.check())
    (telling.folder / "tickets").unlink()
    return halt


def test_what_a_lost_try_wrote_is_not_taken_for_the_halt_of_another_author(shop: World) -> None:
    shop.first_record(VNET)
    set_dns(shop, ROBS_DNS)
    store = shop.guard.store
    shop.guard = replace(shop.guard, store=LosesTheHalt(store))
    with pytest.raises(StoreUnavailable):
        shop.check("run-lost")
    shop.guard = replace(shop.guard, store=store)
    set_dns(shop, SHOP_DNS)
    set_dns(shop, ROBS_DNS, as_=ANNA)
    halt = halted(shop.check("run-2"))
    document = json.loads(halting.load_evidence(shop.guard, halt))
    assert (document["run"], document["halt"]["opened_at"]) == ("run-2", halt.opened_at)
    assert document["findings"][0]["attribution"]["who"] == halt.actor == "anna@contoso.com"
    with pytest.raises(NotAllowed, match="anna"):
        decided(shop, halt, Decision.OVERWRITE, by=replace(DANA, name="anna@contoso.com"))
    assert len(store.blobs(f"{JOB}/evidence/")) == 2 and len(halt.evidence_keys) == 1


def test_every_version_of_the_evidence_is_found_by_the_row(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=600) as shop:
        shop.first_record(VNET)
        shop.advance(minutes=30)
        set_dns(shop, ROBS_DNS)
        halted(shop.check("run-1"))
        shop.advance(minutes=30)
        halt = halted(shop.check("run-2"))
        assert halt.evidence == len(halt.evidence_keys) == 2
        documents = [json.loads(halting.load_evidence(shop.guard, halt, version)) for version in (1, 2, None)]
        assert [document["version"] for document in documents] == [1, 2, 2]
        assert documents[2]["digest"] == halt.evidence_digest
        with pytest.raises(StoreUnavailable):
            halting.load_evidence(shop.guard, halt, 3)


@pytest.mark.parametrize("bad", [b"{not json", b"[]", b"{}", b"", "another author", "another halt"])
def test_damaged_evidence_is_told_to_nobody_and_waits(shop: World, bad: bytes | str) -> None:
    halt = untold_halt(shop)
    document = json.loads(halting.load_evidence(shop.guard, halt))
    good = json.dumps(document, sort_keys=True, indent=1).encode() + b"\n"
    if bad == "another author":
        document["findings"][0]["attribution"]["who"] = "mallory@contoso.com"
        bad = json.dumps(document).encode()
    elif bad == "another halt":  # whole in itself, and yet not what the row names
        bad = json.dumps({**document, "run": "x", "digest": digest_of({**document, "run": "x"})}).encode()
    assert isinstance(bad, bytes)
    damage(shop, halt.evidence_keys[0], bad)
    with pytest.raises(StoreUnavailable, match="damaged"):
        halting.load_evidence(shop.guard, halt)
    told = [one for one in deliver_due(shop.guard, now=True) if one.target == "file"]
    assert told and all("damaged" in one.problem for one in told)
    assert shop.notes() == []
    damage(shop, halt.evidence_keys[0], good)
    assert not [one for one in deliver_due(shop.guard, now=True) if one.problem]
    assert len(shop.notes()) == 1


def test_lost_evidence_is_named(shop: World) -> None:
    row = halt_row(evidence_keys=["job/evidence/h-1/0001-0123456789ab"])
    with pytest.raises(StoreUnavailable, match="lost job/evidence/h-1/0001-0123456789ab"):
        halting.load_evidence(shop.guard, row)


def test_findings_that_were_emptied_let_nobody_decide_on_his_own_change(shop: World) -> None:
    shop.first_record(VNET)
    set_dns(shop, ROBS_DNS)
    halt = halted(shop.check())
    empty = shop.guard.store.read(put_named(shop.guard.store, "x/empty", []))
    assert empty
    damage(shop, halt.findings, empty)
    for decision in (Decision.OVERWRITE, Decision.STOP):
        with pytest.raises(StoreUnavailable, match="damaged"):
            decided(shop, halt, decision, by=ROB)
    assert stored_halt(shop, halt).decision is None


def test_a_long_list_of_kept_resources_lies_in_a_blob_and_is_handed_on_whole(shop: World) -> None:
    for table in TABLES:
        shop.sandbox.put(table, {"location": "westeurope", "properties": {"routes": []}})
    shop.advance(minutes=1)
    shop.first_record(*TABLES)
    for table in TABLES:
        shop.sandbox.patch(table, {"tags": {"a": "b"}}, as_="person-portal")
    shop.advance(minutes=1)
    first = decided(shop, halted(shop.check()), Decision.KEEP)
    for tag in ("c", "d"):
        shop.sandbox.patch(TABLES[0], {"tags": {"a": tag}}, as_="person-portal")
        shop.advance(minutes=1)
        halt = halted(shop.check())
        assert halt.id != first.id and halt.earlier
        assert len(halt.earlier["kept"]) == 20
        assert halting.kept_of(shop.guard, halt) == [table.lower() for table in TABLES]
        document = json.loads(halting.load_evidence(shop.guard, halt))
        assert document["halt"]["earlier"] == halting.earlier_of(shop.guard, halt)
        assert set(document["halt"]["earlier"]) == {"halt", "decision", "kept"}


def test_a_damaged_list_of_kept_resources_is_not_an_empty_one(shop: World) -> None:
    wrong: list[Any] = [{}, [1], "text"]
    for value in wrong:
        key = put_named(shop.guard.store, "job/halts/h-0/kept", value)
        row = halt_row(earlier={"halt": "h-0", "decision": None, "kept": [], "kept_in": key})
        with pytest.raises(StoreUnavailable, match="damaged"):
            halting.kept_of(shop.guard, row)
    assert halting.kept_of(shop.guard, halt_row()) == []


def test_a_halts_file_is_named_by_the_row(shop: World) -> None:
    shop.first_record(VNET)
    set_dns(shop, ROBS_DNS)
    halt = halted(shop.check())
    assert [one.ref.id for one in halt_file.load(shop.guard.store, halt.findings).findings] == [VNET]
