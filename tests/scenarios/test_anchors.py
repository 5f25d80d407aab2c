"""Heads of ledgers in a place that nobody can change: what they betray, day after day, in a folder and in Azure Storage."""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from driftguard.adapters.anchors.folder import FolderAnchors
from driftguard.adapters.readers.arm_credential import StaticToken
from driftguard.adapters.stores.azure import open_azure_store
from driftguard.errors import Unavailable
from driftguard.flow.anchor import Anchor, Head, Link, NotADocument, digest_of
from driftguard.flow.ports import Anchors, Delete, Put
from driftguard.flow.telemetry import NO_TELEMETRY
from driftguard.guard.anchor import anchor_heads
from driftguard.guard.anchor_memory import PARTITION, store_id
from driftguard.guard.held_against import Verified
from driftguard.guard.index import all_rows
from driftguard.guard.rows import JOB, JOB_ROW, LEDGER
from driftguard.guard.scan import gate_every_job
from driftguard.guard.verify import verify_ledgers, verify_store
from tests.adapters.anchors.places import azure_anchors, new_container
from tests.azurite.server import Azurite
from tests.scenarios.ledgers import Clock, Ledgers, ledgers
from tests.scenarios.rewriting import Body, another_reason, remove_job, rewrite
from tests.scenarios.steps import cleared, deploy, story
from tests.world import JOB as SHOP
from tests.world import VNET

OTHER = "shop-nat"


class Unchecked(Anchors):
    """A place that takes everything, as a folder that somebody else may write to."""

    def __init__(self) -> None:
        self.where = "a folder"
        self.kept: dict[str, bytes] = {}
        self.asked = 0
        self.down = False

    def put_once(self, name: str, data: bytes) -> bool:
        self._ask()
        return self.kept.setdefault(name, data) is data

    def read(self, name: str) -> bytes | None:
        self._ask()
        return self.kept.get(name)

    def names(self) -> list[str]:
        self._ask()
        return sorted(self.kept)

    def close(self) -> None:
        pass

    def _ask(self) -> None:
        self.asked += 1
        if self.down:
            raise Unavailable("the place is down", "wait")


@contextmanager
def estate(folder: Path, place: Anchors | None, ids: str = "57a7e") -> Iterator[Ledgers]:
    """A store with two jobs."""
    with ledgers(folder, place, ids) as made:
        made.write(SHOP, f"first record {ids}")  # no two stores have the same entry: it tells the time of its making
        made.write(OTHER, f"first record {ids}")
        yield made


@pytest.fixture
def place() -> Unchecked:
    return Unchecked()


@pytest.fixture
def shop(tmp_path: Path, place: Unchecked) -> Iterator[Ledgers]:
    """Five days, with a release of one job on each, and then the scan."""
    with estate(tmp_path, place) as telling:
        for _ in range(5):
            release_and_scan(telling)
        yield telling


def release_and_scan(telling: Ledgers) -> str:
    """A day; the name of the anchor that was written."""
    telling.write(SHOP, "cleared", "recorded")
    return scan(telling, days=1)


def scan(telling: Ledgers, **span: float) -> str:
    swept = telling.scan(**span).swept
    assert swept.faults == ()
    return swept.anchored


def names(place: Anchors) -> list[str]:
    return place.names()


def document(place: Unchecked, name: str) -> dict[str, Any]:
    made = json.loads(place.kept[name])
    assert isinstance(made, dict)
    return made


def only_fault(verified: Verified) -> str:
    assert verified.exit_code == 1
    [fault] = verified.faults
    return fault


def test_each_day_has_one_document_with_the_head_of_every_job(shop: Ledgers, place: Unchecked) -> None:
    written = names(place)
    assert [name[:16] for name in written] == [f"heads/2026-03-0{day}" for day in (3, 4, 5, 6, 7)]
    for name in written:
        told = document(place, name)
        assert set(told["heads"]) == {SHOP, OTHER} and told["faults"] == {}
    numbers = [document(place, name)["heads"][SHOP]["number"] for name in written]
    assert numbers == sorted(set(numbers)), "a release adds entries"
    links = [document(place, name)["previous"] for name in written]
    assert links[0] is None
    assert links[1:] == [{"name": name, "digest": digest_of(place.kept[name])} for name in written[:-1]]


def test_verify_says_of_each_job_which_anchor_it_was_held_against(shop: Ledgers, place: Unchecked) -> None:
    verified = verify_store(shop.guard)
    assert (verified.exit_code, verified.faults, verified.unclear) == (0, (), ())
    assert verified.anchors
    assert (verified.anchors.count, verified.anchors.first, verified.anchors.last) == (5, "2026-03-03", "2026-03-07")
    held = verified.anchors.jobs[SHOP]
    assert held and (held.name, held.day) == (names(place)[-1], "2026-03-07")
    assert any(f"entry {held.number} as anchored on 2026-03-07 ({held.name})" in told for told in verified.checked)


def test_a_day_has_one_anchor_however_often_it_is_scanned_and_the_later_scans_ask_the_place_nothing(
    shop: Ledgers, place: Unchecked
) -> None:
    before = place.asked
    for _ in range(4):
        assert scan(shop, hours=4) == ""
    assert (len(names(place)), place.asked) == (5, before + 1)


def test_a_day_without_a_scan_has_none_and_the_next_one_follows_the_last(shop: Ledgers, place: Unchecked) -> None:
    name = scan(shop, days=10)
    assert name.startswith("heads/2026-03-17")
    assert document(place, name)["previous"]["name"].startswith("heads/2026-03-07")
    assert verify_store(shop.guard).exit_code == 0


def test_a_scan_of_named_jobs_anchors_nothing(shop: Ledgers, place: Unchecked) -> None:
    shop.clock.advance(days=1)
    assert gate_every_job(shop.guard, only=[OTHER]).swept.anchored == ""
    assert len(names(place)) == 5


def shortened(bodies: list[Body]) -> list[Body]:
    return bodies[:-3]


def lengthened(bodies: list[Body]) -> list[Body]:
    return [*bodies[:2], bodies[1], *bodies[2:]]


def kept_to_the_first_day(bodies: list[Body]) -> list[Body]:
    return bodies[:1]


REWRITTEN: dict[str, Callable[[list[Body]], list[Body]]] = {
    "an entry tells another story": another_reason,
    "the newest entries are gone": shortened,
    "an entry was put in": lengthened,
    "an older copy was restored": kept_to_the_first_day,
}


@pytest.mark.parametrize("how", REWRITTEN)
def test_history_written_anew_is_whole_in_itself_and_is_found_by_the_anchors(shop: Ledgers, how: str) -> None:
    rewrite(shop.guard.store, SHOP, REWRITTEN[how])
    assert verify_ledgers(shop.guard).faults == ()
    assert verify_store(replace(shop.guard, anchors=None)).exit_code == 0
    fault = only_fault(verify_store(shop.guard))
    assert fault.startswith(f"ledger of {SHOP}: entry ") and "heads/2026-03-0" in fault


def test_the_fault_names_the_last_anchor_that_agrees_and_the_first_that_does_not(
    shop: Ledgers, place: Unchecked
) -> None:
    rewrite(shop.guard.store, SHOP, shortened)
    agrees, first, later = names(place)[2:]
    fault = only_fault(verify_store(shop.guard))
    assert f"entry 9 of the anchor of {first[6:16]} ({first}) is missing: the ledger ends at entry 8" in fault
    assert later not in fault and "and 1 later head" in fault
    assert f"the last anchor that agrees is of {agrees[6:16]}, entry 7" in fault


@pytest.mark.parametrize("how", REWRITTEN)
def test_the_anchor_of_the_day_after_does_not_make_it_good(shop: Ledgers, place: Unchecked, how: str) -> None:
    rewrite(shop.guard.store, SHOP, REWRITTEN[how])
    good = document(place, names(place)[-1])["heads"][SHOP]
    for _ in range(3):
        swept = shop.scan(days=1).swept
        assert [fault.startswith(f"integrity: {SHOP}: ") for fault in swept.faults] == [True]
        told = document(place, swept.anchored)
        assert set(told["heads"]) == {OTHER} and set(told["faults"]) == {SHOP}
        assert told["last_good"] == {SHOP: {**good, "anchor": names(place)[4]}}
    assert only_fault(verify_store(shop.guard)).startswith(f"ledger of {SHOP}: ")


def test_a_store_that_is_restored_as_it_was_is_good_again(shop: Ledgers, place: Unchecked) -> None:
    store = shop.guard.store
    rows = {row.id: row.body for row in all_rows(store, SHOP, LEDGER)}
    rewrite(store, SHOP, another_reason)
    assert shop.scan(days=1).swept.faults
    rewrite(store, SHOP, lambda _: [dict(body) for body in rows.values()])
    name = scan(shop, days=1)
    assert set(document(place, name)["heads"]) == {SHOP, OTHER}
    assert verify_store(shop.guard).exit_code == 0


def test_a_job_that_was_removed_is_missed_by_verify_and_by_the_next_anchor(shop: Ledgers, place: Unchecked) -> None:
    remove_job(shop.guard.store, SHOP)
    fault = only_fault(verify_store(shop.guard))
    assert fault == f"the job {SHOP} is not in the store; the anchor {names(place)[0]} has it"
    [told] = shop.scan(days=1).swept.faults
    assert told.startswith(f"integrity: {SHOP}: the job is not in the store")


def test_a_job_of_which_only_the_row_was_removed_is_missed_also_without_anchors(shop: Ledgers) -> None:
    store = shop.guard.store
    row = store.get(SHOP, JOB, JOB_ROW)
    assert row
    store.commit(SHOP, [Delete(JOB, JOB_ROW, row.version)])
    assert "has a ledger" in only_fault(verify_store(replace(shop.guard, anchors=None)))


@pytest.mark.parametrize("place_in_ledger", [-1, -2])
def test_a_ledger_that_is_broken_is_told_by_the_scan_and_its_head_is_not_anchored(
    shop: Ledgers, place: Unchecked, place_in_ledger: int
) -> None:
    shop.write(SHOP, "cleared", "recorded")
    row = list(all_rows(shop.guard.store, SHOP, LEDGER))[place_in_ledger]
    shop.guard.store.commit(SHOP, [Delete(LEDGER, row.id, row.version)])
    swept = shop.scan(days=1).swept
    assert [fault.startswith(f"integrity: {SHOP}: ") for fault in swept.faults] == [True]
    assert set(document(place, swept.anchored)["heads"]) == {OTHER}
    assert verify_store(shop.guard).exit_code == 1


@pytest.mark.parametrize("place_in_time", [0, 2, 4])
def test_a_document_that_was_removed_is_missed(shop: Ledgers, place: Unchecked, place_in_time: int) -> None:
    name = names(place)[place_in_time]
    del place.kept[name]
    assert only_fault(verify_store(shop.guard)).startswith(f"the anchor {name} is gone from this store's")


def test_the_newest_document_that_was_removed_is_missed_also_after_the_next_was_written(
    shop: Ledgers, place: Unchecked
) -> None:
    name = names(place)[-1]
    del place.kept[name]
    swept = shop.scan(days=1).swept
    assert swept.anchored and swept.faults == (f"integrity: the anchor {name}, which this store wrote, is gone",)
    assert name in only_fault(verify_store(shop.guard))
    scan(shop, days=1)
    assert name in only_fault(verify_store(shop.guard))


@pytest.mark.parametrize("place_in_time", [0, 2, 4])
def test_a_document_that_was_replaced_by_one_of_the_same_form_is_found(
    shop: Ledgers, place: Unchecked, place_in_time: int
) -> None:
    name = names(place)[place_in_time]
    made = Anchor.from_bytes(name, place.kept[name])
    place.kept[name] = replace(made, heads={OTHER: made.heads[OTHER]}).to_bytes()
    assert f"{name} is not the one that was written" in only_fault(verify_store(shop.guard))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"schema": "driftguard/heads/1"}', b"{" * 100_000])
def test_a_document_that_is_none_is_a_fault_and_the_others_are_compared(
    shop: Ledgers, place: Unchecked, data: bytes
) -> None:
    rewrite(shop.guard.store, SHOP, another_reason)
    name = names(place)[-1]
    place.kept[name] = data
    faults = verify_store(shop.guard).faults
    assert faults[0].startswith(f"{name} is no anchor that was ever written")
    assert any(fault.startswith(f"ledger of {SHOP}: entry ") for fault in faults)
    assert any("is not the one that this store wrote" in told for told in shop.scan(days=1).swept.faults)


def test_a_document_that_somebody_else_put_in_the_place_of_today_is_told_and_nothing_is_taken_from_it(
    shop: Ledgers, place: Unchecked
) -> None:
    last = Anchor.from_bytes(names(place)[-1], place.kept[names(place)[-1]])
    shop.clock.advance(days=1)
    forged = replace(last, at=shop.guard.clock.now(), heads={}, previous=None)
    place.kept[forged.name] = forged.to_bytes()
    for _ in range(2):
        swept = shop.scan().swept
        assert swept.faults == (
            f"integrity: {forged.name} does not follow the anchor before it: somebody else wrote it",
        )
    swept = shop.scan(days=1).swept
    assert document(place, swept.anchored)["previous"]["name"] == last.name


def test_documents_of_days_to_come_do_not_stop_todays(shop: Ledgers, place: Unchecked) -> None:
    last = Anchor.from_bytes(names(place)[-1], place.kept[names(place)[-1]])
    for year in (2027, 2099):
        forged = replace(last, at=last.at.replace(year=year))
        place.kept[forged.name] = forged.to_bytes()
    assert release_and_scan(shop).startswith("heads/2026-03-08")
    assert verify_store(shop.guard).exit_code == 0


def test_the_id_of_the_store_is_its_own_and_a_changed_one_is_found(shop: Ledgers, place: Unchecked) -> None:
    store = shop.guard.store
    assert {document(place, name)["store"] for name in names(place)} == {store_id(store)}
    for kind in store.kinds(PARTITION):
        store.commit(PARTITION, [Delete(kind, row.id, row.version) for row in all_rows(store, PARTITION, kind)])
    verified = verify_store(shop.guard)
    assert len(verified.faults) == 2 and all("store's id was changed" in fault for fault in verified.faults)


def test_two_stores_with_other_jobs_share_a_place_and_neither_speaks_for_the_other(
    shop: Ledgers, place: Unchecked, tmp_path: Path
) -> None:
    (tmp_path / "second").mkdir()
    with ledgers(tmp_path / "second", place, "5ec0nd") as second:
        second.write("their-job", "first record")
        assert scan(second, days=5) == "heads/2026-03-07-5ec0nd0002.json"
        for telling in (shop, second):
            verified = verify_store(telling.guard)
            assert verified.exit_code == 0
            assert any("anchors of another store" in told for told in verified.not_looked_at)


def test_a_store_is_not_anchored_where_another_store_has_anchored_jobs_of_these_names_and_verify_cannot_tell(
    shop: Ledgers, place: Unchecked, tmp_path: Path
) -> None:
    (tmp_path / "second").mkdir()
    with estate(tmp_path / "second", place, "5ec0nd") as second:
        for _ in range(2):
            swept = second.scan(days=5).swept
            assert swept.anchored == ""
            [fault] = swept.faults
            assert "of another store and names the job" in fault and "a place of its own" in fault
        assert store_id(second.guard.store) is None
        verified = verify_store(second.guard)
        assert (verified.exit_code, verified.faults, len(verified.unclear)) == (2, (), 2)
    assert verify_store(shop.guard).exit_code == 0


def forget_anchors(telling: Ledgers) -> None:
    """Remove what the store remembers of its anchors."""
    store = telling.guard.store
    for kind in store.kinds(PARTITION):
        store.commit(PARTITION, [Delete(kind, row.id, row.version) for row in all_rows(store, PARTITION, kind)])


def told_by_another(bodies: list[Body]) -> list[Body]:
    """Every entry tells another story."""
    return [{**body, "data": {**body["data"], "by": "mallory"}} for body in bodies]


def test_all_of_history_written_anew_under_another_id_is_never_good_and_never_anchored(
    shop: Ledgers, place: Unchecked
) -> None:
    for job in (SHOP, OTHER):
        rewrite(shop.guard.store, job, told_by_another)
    forget_anchors(shop)
    kept = dict(place.kept)
    for _ in range(2):
        verified = verify_store(shop.guard)
        assert (verified.exit_code, len(verified.unclear)) == (2, 2)
        assert "written anew under another id" in verified.unclear[0]
        assert "of another store and names the job" in shop.scan(days=1).swept.faults[0]
    assert place.kept == kept
    store = shop.guard.store  # who writes rows as well may make the id by hand: the scan anchors, verify stays unclear
    store.commit(PARTITION, [Put("store", "store", {"schema": 1, "id": "0badid", "at": "2026-03-09T00:00:00Z"}, None)])
    shop.scan(days=1)
    assert verify_store(shop.guard).exit_code == 2


def too_large(name: str) -> Any:
    raise NotADocument(f"{name} is larger than any anchor", "look at it")


class WithJunk(Unchecked):
    """A place in which the documents of these names are of a size that nobody wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.junk: set[str] = set()

    def read(self, name: str) -> bytes | None:
        return too_large(name) if name in self.junk else super().read(name)

    def names(self) -> list[str]:
        return sorted({*super().names(), *self.junk})


@pytest.mark.parametrize("day", ["2020-01-01", "2026-03-04", "2026-03-05", "2026-03-06", "2099-01-01"])
@pytest.mark.parametrize("of", ["57a7e0002", "zzzz"])
def test_a_document_that_is_too_large_ends_no_anchoring_and_hides_no_rewriting(
    tmp_path: Path, day: str, of: str
) -> None:
    place = WithJunk()
    with estate(tmp_path, place) as telling:
        for _ in range(2):
            release_and_scan(telling)
        place.junk = {f"heads/{day}-{of}.json"}
        written = [telling.scan(days=1).swept.anchored for _ in range(4)]
        taken = of != "zzzz" and day in ("2026-03-05", "2026-03-06")
        assert written.count("") == (1 if taken else 0) and written[-1]
        rewrite(telling.guard.store, SHOP, another_reason)
        verified = verify_store(telling.guard)
        assert any(fault.startswith(f"ledger of {SHOP}: entry ") for fault in verified.faults)
        assert any("larger than any anchor" in fault for fault in verified.faults) is (of != "zzzz")


def forged_today(telling: Ledgers, place: Unchecked, **changes: Any) -> str:
    """Tomorrow's document, planted by somebody who knows the newest one; then it is tomorrow."""
    name = names(place)[-1]
    newest = Anchor.from_bytes(name, place.kept[name])
    telling.clock.advance(days=1)
    made = replace(newest, at=telling.clock.now(), previous=Link(name, digest_of(place.kept[name])), **changes)
    place.kept[made.name] = made.to_bytes()
    return made.name


@pytest.mark.parametrize("how", ["no heads", "heads that are not in the ledger", "a last good head that never was"])
@pytest.mark.parametrize("remembered", [True, False])
def test_a_planted_document_that_follows_the_last_one_is_not_adopted_and_hides_no_rewriting(
    shop: Ledgers, place: Unchecked, how: str, remembered: bool
) -> None:
    newest = Anchor.from_bytes(names(place)[-1], place.kept[names(place)[-1]])
    changes: dict[str, dict[str, Any]] = {
        "no heads": {"heads": {}},
        "heads that are not in the ledger": {"heads": {**newest.heads, SHOP: Head(90, "a" * 64)}},
        "a last good head that never was": {"last_good": {"never": (Head(9, "b" * 64), newest.name)}},
    }
    name = forged_today(shop, place, **changes[how])
    rewrite(shop.guard.store, SHOP, another_reason)
    if remembered:
        [fault] = shop.scan().swept.faults
        assert f"{name} is not what this store would have written" in fault
    faults = shop.scan(days=1).swept.faults
    assert any(f"{SHOP}: " in fault for fault in faults), "the next anchor does not take the rewritten ledger"
    assert set(document(place, names(place)[-1])["heads"]) == {OTHER}


def test_a_planted_document_hides_no_rewriting_where_the_store_forgot_its_last_one(
    shop: Ledgers, place: Unchecked
) -> None:
    forged_today(shop, place, heads={})
    store = shop.guard.store
    [row] = all_rows(store, PARTITION, "last")
    store.commit(PARTITION, [Delete("last", row.id, row.version)])
    rewrite(store, SHOP, another_reason)
    swept = shop.scan(days=1).swept
    assert any(f"{SHOP}: " in fault for fault in swept.faults)


def test_two_clocks_that_differ_at_midnight_leave_no_fault(shop: Ledgers, place: Unchecked) -> None:
    midnight = datetime(2026, 3, 8, tzinfo=UTC)
    ahead = replace(shop.guard, clock=Clock(midnight + timedelta(seconds=20)))
    behind = replace(shop.guard, clock=Clock(midnight - timedelta(seconds=20)))
    for guard in (ahead, behind, ahead, behind):
        assert anchor_heads(guard).faults == ()
    assert names(place)[-1].startswith("heads/2026-03-08") and len(names(place)) == 6
    assert verify_store(shop.guard).exit_code == 0
    far = replace(shop.guard, clock=Clock(midnight - timedelta(hours=2)))
    assert "of a day to come" in anchor_heads(far).faults[0]


def edited(telling: Ledgers, **members: Any) -> None:
    """The newest entry of a ledger, edited by hand."""
    row = list(all_rows(telling.guard.store, OTHER, LEDGER))[-1]
    telling.guard.store.commit(OTHER, [Put(LEDGER, row.id, {**row.body, **members}, row.version)])


def nested(depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(depth):
        made = {"a": made}
    return made


def put_row(telling: Ledgers, partition: str, **members: Any) -> None:
    store = telling.guard.store
    row, there = store.get(SHOP, JOB, JOB_ROW), store.get(partition, JOB, JOB_ROW)
    assert row
    store.commit(partition, [Put(JOB, JOB_ROW, {**row.body, **members}, there.version if there else None)])


BAD_ROWS: dict[str, Callable[[Ledgers], None]] = {
    "a number that is a list": lambda telling: edited(telling, number=[]),
    "a number that is true": lambda telling: edited(telling, number=True),
    "a hash that is a number": lambda telling: edited(telling, hash=7),
    "a time that is an object": lambda telling: edited(telling, at={}),
    "deep data": lambda telling: edited(telling, data=nested(400)),
    "a partition that no job is called": lambda telling: put_row(telling, "x y", name="x y"),
    "a job of a later version": lambda telling: put_row(telling, OTHER, schema=2),
    "the row of another job": lambda telling: put_row(telling, OTHER),
}


@pytest.mark.parametrize("what", BAD_ROWS)
def test_one_bad_row_keeps_neither_verify_nor_the_anchor_from_the_other_jobs(
    shop: Ledgers, place: Unchecked, what: str
) -> None:
    BAD_ROWS[what](shop)
    swept = shop.scan(days=1).swept
    assert len(swept.faults) <= 1 and SHOP in document(place, swept.anchored)["heads"]
    alone = verify_store(shop.guard)
    assert alone.exit_code == (2 if "later version" in what else 1)
    rewrite(shop.guard.store, SHOP, another_reason)
    assert any("written anew" in fault for fault in verify_store(shop.guard).faults)


def test_what_is_no_regular_file_in_the_folder_hangs_nobody(tmp_path: Path) -> None:
    (tmp_path / "anchors").mkdir()
    place = FolderAnchors(tmp_path / "anchors")
    with estate(tmp_path, place) as telling:
        for _ in range(2):
            release_and_scan(telling)
        os.mkfifo(tmp_path / "anchors" / "heads" / "2020-01-01-zzzz.json")
        os.mkfifo(tmp_path / "anchors" / "heads" / f"2026-03-05-{store_id(telling.guard.store)}.json")
        verified = verify_store(telling.guard)
        assert "is no regular file" in only_fault(verified)
        assert "is no regular file" in telling.scan(days=1).swept.faults[0]
        assert telling.scan(days=1).swept.anchored


def test_a_place_that_is_down_stops_no_scan_and_verify_cannot_tell(shop: Ledgers, place: Unchecked) -> None:
    place.down = True
    report = shop.scan(days=1)
    assert (report.exit_code, report.swept.faults) == (0, ("anchor: the place is down: wait",))
    verified = verify_store(shop.guard)
    assert (verified.exit_code, verified.faults) == (2, ())
    assert "the place is down" in verified.unclear[0]
    place.down = False
    assert scan(shop).startswith("heads/2026-03-08")


def test_what_is_wrong_goes_before_what_could_not_be_asked(shop: Ledgers, place: Unchecked) -> None:
    place.down = True
    row = shop.guard.store.list(SHOP, LEDGER)[0]
    shop.guard.store.commit(SHOP, [Delete(LEDGER, row.id, row.version)])
    verified = verify_store(shop.guard)
    assert (verified.exit_code, len(verified.faults), len(verified.unclear)) == (1, 1, 1)


class Dies(Exception):
    """The process ends here."""


@pytest.mark.parametrize("when", range(6))
def test_a_crash_between_two_steps_leaves_one_document_and_a_chain(tmp_path: Path, when: int) -> None:
    place = Unchecked()
    with estate(tmp_path, place) as telling:
        scan(telling)
        telling.clock.advance(days=1)
        steps = iter(range(100))

        def or_dies(call: Callable[..., Any]) -> Callable[..., Any]:
            def called(*arguments: Any) -> Any:
                if next(steps) == when:
                    raise Dies
                return call(*arguments)

            return called

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(place, "put_once", or_dies(place.put_once))
            patch.setattr(place, "read", or_dies(place.read))
            patch.setattr(place, "names", or_dies(place.names))
            patch.setattr(telling.guard.store, "commit", or_dies(telling.guard.store.commit))
            with suppress(Dies):
                anchor_heads(telling.guard)
        anchor_heads(telling.guard)
        scan(telling, days=1)
        assert len(names(place)) == 3
        assert verify_store(telling.guard).exit_code == 0


def test_many_processes_at_once_leave_one_document(tmp_path: Path) -> None:
    place = Unchecked()
    with estate(tmp_path, place) as telling:
        ready = threading.Barrier(6)

        def anchor(_: int) -> str:
            ready.wait()
            return anchor_heads(telling.guard).name

        for _ in range(3):
            with ThreadPoolExecutor(6) as threads:
                written = list(threads.map(anchor, range(6)))
            assert [bool(name) for name in written].count(True) == 1
            telling.clock.advance(days=1)
        assert len(names(place)) == 3
        assert verify_store(telling.guard).exit_code == 0


def real_folder(request: pytest.FixtureRequest, folder: Path) -> Anchors:
    (folder / "anchors").mkdir()
    return FolderAnchors(folder / "anchors")


def real_container(request: pytest.FixtureRequest, folder: Path) -> Anchors:
    azurite = request.getfixturevalue("azurite")
    return azure_anchors(azurite, new_container(azurite))


@pytest.mark.parametrize("real", [real_folder, real_container])
def test_in_a_real_place_a_history_of_real_releases_that_was_written_anew_is_found(
    request: pytest.FixtureRequest, tmp_path: Path, real: Callable[[pytest.FixtureRequest, Path], Anchors]
) -> None:
    place = real(request, tmp_path)
    with story(tmp_path) as telling:
        telling.guard = replace(telling.guard, anchors=place)
        telling.first_record()
        for _ in range(2):
            clearance = cleared(telling.check(run="r"))
            deploy(telling, VNET)
            assert telling.record("r", clearance=clearance).exit_code == 0
            report = gate_every_job(telling.guard)
            assert (report.exit_code, report.swept.faults, bool(report.swept.anchored)) == (0, (), True)
            telling.advance(days=1)
        assert verify_store(telling.guard).exit_code == 0
        assert len(place.names()) == 2
        rewrite(telling.guard.store, SHOP, another_reason)
        assert "the ledger was written anew" in only_fault(verify_store(telling.guard))
    place.close()


def test_a_store_in_azure_storage_is_anchored_and_held_against_it_in_the_same_way(
    tmp_path: Path, azurite: Azurite
) -> None:
    place = azure_anchors(azurite, new_container(azurite))
    store = open_azure_store(
        azurite.store(),
        StaticToken("unused"),
        cloud="public",
        connection=azurite.connection,
        may_begin=True,
        new_id=lambda: uuid.uuid4().hex,
        telemetry=NO_TELEMETRY,
    )
    with ledgers(tmp_path, place, store=store) as telling:
        telling.write(SHOP, "first record")
        for _ in range(2):
            release_and_scan(telling)
        assert verify_store(telling.guard).exit_code == 0
        rewrite(store, SHOP, another_reason)
        assert "the ledger was written anew" in only_fault(verify_store(telling.guard))
    place.close()
