"""What was kept long enough goes, and nothing that anybody may still need goes with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from driftguard.errors import BadConfiguration, CannotTell, NotFound, Unavailable
from driftguard.flow.halt import Decision
from driftguard.flow.ledger import GENESIS
from driftguard.flow.ports import Delete, Note, Put, Receipt
from driftguard.guard import calls, index
from driftguard.guard.blobs import load_baseline
from driftguard.guard.doctor import examine
from driftguard.guard.halting import load_evidence
from driftguard.guard.jobs import move, proposals
from driftguard.guard.legal_hold import hold, unhold
from driftguard.guard.purged import PURGED
from driftguard.guard.recorded import Naming
from driftguard.guard.reseal_bodies import entries_of, still_named
from driftguard.guard.retention import MARK, SWEEP, purge
from driftguard.guard.review import find_halt, list_halts
from driftguard.guard.rows import CALL, CHECK, HALT, LEDGER, OUTBOX, PROPOSAL, RECORD, HaltRow
from driftguard.guard.scan import gate_every_job
from driftguard.guard.verify import verify_in_store
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy
from tests.scenarios.kept import (
    POLICY,
    WHY,
    Clock,
    Dying,
    moved_by_an_earlier_version,
    overwrite,
    purged,
    purged_in,
    require_whole,
    unnamed,
    use_policy,
    with_a_past,
)
from tests.scenarios.steps import (
    BOTH,
    NAT,
    ROBS_DNS,
    SHOP_DNS,
    cleared,
    decided,
    deploy,
    halted,
    job_row,
    ledger,
    set_dns,
    story,
)
from tests.world import DANA, JOB, PROVIDERS, VNET, World

NSG = f"{PROVIDERS}/networkSecurityGroups/nsg-web"
ROUTES = f"{PROVIDERS}/routeTables/rt-shop"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with story(tmp_path) as telling:
        yield telling


def rows(shop: World, kind: str, job: str = JOB) -> list[str]:
    return [row.id for row in index.all_rows(shop.guard.store, job, kind)]


def purges(shop: World, job: str = JOB) -> list[dict[str, Any]]:
    """What the entries of the ledger say about purges."""
    entries = [row.body for row in index.all_rows(shop.guard.store, job, LEDGER)]
    return [entry["data"] for entry in entries if entry["event"] == "purged"]


def test_nothing_goes_before_its_time_but_what_nobody_names(shop: World) -> None:
    with_a_past(shop)
    everything = [rows(shop, kind) for kind in (CHECK, RECORD, HALT, OUTBOX, PROPOSAL)]
    kept = set(shop.guard.store.blobs(f"{JOB}/")) - unnamed(shop)
    assert purged(shop) == {}
    assert set(purged_in(shop, days=1)) <= {"blobs"}
    assert [rows(shop, kind) for kind in (CHECK, RECORD, HALT, OUTBOX, PROPOSAL)] == everything
    assert kept <= set(shop.guard.store.blobs(f"{JOB}/"))
    require_whole(shop)


def test_what_is_over_goes_with_its_blobs_and_every_verb_works_on(shop: World) -> None:
    halt = with_a_past(shop)
    counts = purged_in(shop, days=100)
    assert counts["halts"] == 2 and counts["checks"] >= 3 and counts["records"] >= 3 and counts["proposals"] == 1
    assert rows(shop, HALT) == rows(shop, OUTBOX) == rows(shop, PROPOSAL) == []
    assert halt.id in rows(shop, PURGED)
    purged_in(shop, days=100)
    require_whole(shop)
    assert unnamed(shop) == set()
    assert [key for key in shop.guard.store.blobs(f"{JOB}/") if "/evidence/" in key or "/halts/" in key] == []
    assert [symptom.told for symptom in examine(shop.guard) if not symptom.ok] == []
    overwrite(shop, "run-9")
    set_dns(shop, ROBS_DNS)
    halted(shop.check("run-10"))
    require_whole(shop)


def test_the_ledger_stays_whole_and_says_what_went(shop: World) -> None:
    with_a_past(shop)
    before = ledger(shop)
    digests = {halt.id: halt.evidence_digest for halt in list_halts(shop.guard, job=JOB, all_states=True)}
    counts = purged_in(shop, days=100)
    assert ledger(shop)[: len(before)] == before
    told = purges(shop)
    assert {one["halt"]: one["evidence"] for entry in told for one in entry.get("halts", ())} == digests
    for kind in ("checks", "records", "proposals"):
        assert sum(entry.get(kind, 0) for entry in told) == counts[kind]


def test_whoever_asks_for_a_purged_halt_is_told_when_it_went_and_where_that_stands(shop: World) -> None:
    halt = with_a_past(shop)
    document = json.loads(load_evidence(shop.guard, halt))
    purged_in(shop, days=100)
    for asked in (halt.id, halt.id[:8]):
        with pytest.raises(NotFound) as told:
            find_halt(shop.guard, asked)
        text = str(told.value)
        assert f"{halt.id} of the job {JOB} was removed on 2026-" in text and "90 days after it was closed" in text
        assert halt.evidence_digest in text and "of the ledger" in text
    with pytest.raises(NotFound, match="there is no halt"):
        find_halt(shop.guard, halt.id, lambda _job: False)  # not to those who may not see the job
    assert verify_in_store(shop.guard, document).faults == ()


def test_the_id_of_a_purged_halt_never_stands_for_another_halt(shop: World) -> None:
    use_policy(shop)
    shop.first_record(VNET)
    ids = []
    for run in ("run-1", "run-2", "run-3"):
        set_dns(shop, ROBS_DNS)
        halt = halted(shop.check(run))
        decided(shop, halt, Decision.STOP)
        ids.append(halt.id)
        set_dns(shop, SHOP_DNS)
        if run != "run-2":
            purged_in(shop, days=91)
        assert shop.check("calm").exit_code == 0
        shop.advance(hours=5)
    assert len(set(ids)) == 3
    assert len(shop.notes()) == 3, "each has a note of its own"
    assert sorted(rows(shop, PURGED)) == sorted(ids)
    require_whole(shop)


def test_an_open_halt_what_it_superseded_and_what_it_needs_stay(shop: World) -> None:
    use_policy(shop)
    shop.first_record(VNET, NAT)
    set_dns(shop, "10.20.0.77")
    first = halted(shop.check("run-1"))
    decided(shop, first, Decision.KEEP)
    set_dns(shop, ROBS_DNS)
    second = halted(shop.check("run-2"))
    purged_in(shop, days=500)
    assert sorted(rows(shop, HALT)) == sorted([first.id, second.id])
    require_whole(shop)
    assert halted(shop.check("run-3")).id == second.id
    set_dns(shop, SHOP_DNS)
    assert shop.check("run-4", gate=True).exit_code == 0
    purged_in(shop, days=500)
    assert rows(shop, HALT) == []
    require_whole(shop)


def test_a_halt_with_a_note_to_deliver_stays(shop: World) -> None:
    class Down:
        name, claim = "down", 0.0

        def deliver(self, note: Note) -> Receipt:
            raise Unavailable("down", "wait")

    targets = shop.guard.targets
    shop.guard = replace(shop.guard, targets={**targets, "down": Down()})
    halt = with_a_past(shop)
    assert "halts" not in purged_in(shop, days=500)
    assert halt.id in rows(shop, HALT)
    require_whole(shop)


def test_a_clearance_that_recorded_stays_used_however_old_it_is(shop: World) -> None:
    use_policy(shop)
    shop.first_record(VNET, NAT)
    clearance = cleared(shop.check("run-1"))
    assert shop.record("run-1", clearance=clearance, naming=BOTH).exit_code == 0
    purged_in(shop, days=500)
    assert rows(shop, RECORD) == [f"by-{clearance}"]
    assert rows(shop, CHECK) == [clearance]
    assert shop.record("run-1", clearance=clearance, naming=BOTH).told == (
        "this clearance has recorded already, and nothing differs",
    )


def test_the_halt_of_the_last_clearance_stays_for_a_late_record(shop: World) -> None:
    use_policy(shop)
    shop.first_record(VNET)
    set_dns(shop, ROBS_DNS)
    halt = halted(shop.check("run-1"))
    decided(shop, halt, Decision.OVERWRITE)
    clearance = cleared(shop.check("run-2"))
    shop.advance(days=2)
    assert shop.check("run-3", gate=True).exit_code == 1  # the lease ended, and then the decision
    set_dns(shop, SHOP_DNS)
    assert shop.check("run-4", gate=True).exit_code == 0
    purged_in(shop, days=500)
    assert halt.id in rows(shop, HALT)
    assert shop.record("run-2", clearance=clearance).exit_code == 0


def test_a_proposal_that_waits_stays(shop: World) -> None:
    use_policy(shop)
    shop.first_record(VNET)
    set_dns(shop, ROBS_DNS, as_="pipeline")
    proposal = shop.record(None).proposal
    purged_in(shop, days=500)
    assert [one["id"] for _, one in proposals(shop.guard, JOB)] == [proposal]
    require_whole(shop)


def test_a_body_that_moved_to_another_job_stays_where_it_lies(shop: World) -> None:
    use_policy(shop)
    shop.first_record(VNET, NAT)
    move(shop.guard, JOB, "other", by=DANA, reason=WHY, resources=(NAT,))
    set_dns(shop, ROBS_DNS)
    decided(shop, halted(shop.check("run-1")), Decision.OVERWRITE)
    overwrite(shop, "run-2")
    purged_in(shop, days=500)
    require_whole(shop)
    require_whole(shop, "other")
    assert shop.check("run-3", job="other").exit_code == 0


def test_with_periods_that_never_end_everything_stays(shop: World) -> None:
    with_a_past(shop)
    forever = ", ".join(f"{kind}: forever" for kind in ("checks", "records", "halts", "proposals", "baselines"))
    use_policy(shop, POLICY.partition("retention:")[0] + f"retention: {{{forever}}}\n")
    kept = [rows(shop, kind) for kind in (CHECK, RECORD, HALT, OUTBOX, PROPOSAL)]
    purged_in(shop, days=2000)
    assert [rows(shop, kind) for kind in (CHECK, RECORD, HALT, OUTBOX, PROPOSAL)] == kept
    assert [key for key in unnamed(shop) if "/baseline/" in key]
    require_whole(shop)


def test_a_job_with_nothing_to_purge_costs_two_reads_in_all_between_its_days(shop: World) -> None:
    with_a_past(shop)
    purged(shop)
    shop.advance(minutes=15)
    counting = Dying(shop.guard.store)
    shop.guard = replace(shop.guard, store=counting)
    assert purged(shop) == {}
    assert counting.seen == ["list", "partitions"]


def test_a_large_backlog_goes_portion_by_portion_scan_by_scan(shop: World) -> None:
    use_policy(shop)
    shop.first_record(VNET)
    store, now = shop.guard.store, "2026-03-02T02:00:00.000000Z"
    for number in range(0, 1000, 100):
        many = [Put(CHECK, f"c-old-{number + one:04d}", {"at": now, "readings": ""}, None) for one in range(100)]
        store.commit(JOB, many)
    shop.advance(days=30)
    purged(shop)
    shop.advance(days=1)
    left = []
    for _ in range(4):
        left.append(1000 - sum(entry["checks"] for entry in purges(shop)))
        purged(shop)
        shop.advance(minutes=15)
    assert left == [1000, 640, 280, 0]
    assert store.list(SWEEP, MARK)[0].body["more"] is False
    assert max(entry["checks"] for entry in purges(shop)) <= 98
    require_whole(shop)


def test_a_blob_goes_only_after_two_looks_a_day_apart(shop: World) -> None:
    use_policy(shop)
    shop.first_record(VNET)
    store, stray = shop.guard.store, f"{JOB}/checks/c-stray"
    unknown = f"{JOB}/of-a-later-version/x"
    assert store.put_once(stray, b"left by a process that was killed") and store.put_once(unknown, b"?")
    purged(shop)
    shop.advance(days=1)
    purged(shop)  # the first one that looks: the one before began
    shop.advance(hours=23)
    purged(shop)
    assert store.read(stray) is not None
    shop.advance(hours=2)
    assert purged(shop) == {"blobs": 1}
    assert store.read(stray) is None
    purged_in(shop, days=500)
    assert store.read(unknown) is not None, "what is of no known kind is of a later version"


def test_a_blob_that_became_named_stays(shop: World) -> None:
    use_policy(shop)
    shop.first_record(VNET)
    store, key = shop.guard.store, f"{JOB}/checks/c-late"
    store.put_once(key, b"")
    purged(shop)
    shop.advance(days=1)
    purged(shop)
    store.commit(JOB, [Put(CHECK, "c-late", {"at": "2026-03-03T02:00:00.000000Z", "readings": key}, None)])
    shop.advance(days=2)
    purged(shop)
    assert store.read(key) is not None


def test_a_clock_that_jumps_ahead_removes_nothing_at_once(shop: World) -> None:
    halt = with_a_past(shop)
    purged(shop)
    right = shop.guard.clock
    wrong = Clock(right.now() + timedelta(days=20_000))
    ahead = replace(shop.guard, clock=wrong)
    for _ in range(2):
        assert purge(ahead, ahead.policy()) == {}
        wrong.at += timedelta(hours=23)
    assert purged(shop) == {}
    shop.advance(days=1)
    assert "halts" not in purged(shop)
    assert halt.id in rows(shop, HALT)
    require_whole(shop)


def test_a_mark_of_another_form_is_none(shop: World) -> None:
    use_policy(shop)
    shop.first_record(VNET, job="other")
    shop.first_record(VNET)
    theirs = job_row(shop, "other").baseline
    body = {"at": "2026-03-02T02:00:00.000000Z", "more": False, "table": theirs}
    shop.guard.store.commit(SWEEP, [Put(MARK, JOB, body, None), Put(MARK, "other", {"at": 7}, None)])
    purged_in(shop, days=7)
    require_whole(shop, "other")


def test_a_row_that_names_another_jobs_blob_removes_nothing_of_it(shop: World) -> None:
    use_policy(shop)
    shop.first_record(VNET)
    shop.first_record(NAT, job="other")
    theirs = job_row(shop, "other").baseline
    at = "2026-03-02T02:00:00.000000Z"
    shop.guard.store.commit(JOB, [Put(CHECK, "c-wrong", {"at": at, "readings": theirs}, None)])
    assert purged_in(shop, days=30)["checks"] == 1
    require_whole(shop, "other")


def test_purges_at_once_remove_everything_once(shop: World) -> None:
    with_a_past(shop)
    shop.advance(days=100)
    purged(shop)
    shop.advance(days=1)
    with ThreadPoolExecutor(4) as others:
        list(others.map(lambda _: purged(shop), range(8)))
    purged_in(shop, days=1)
    told = [one["halt"] for entry in purges(shop) for one in entry.get("halts", ())]
    assert len(told) == len(set(told)) == 2
    require_whole(shop)


def test_a_job_that_cannot_be_purged_is_named_and_stops_no_other(shop: World) -> None:
    use_policy(shop)
    shop.first_record(VNET, job="a-job")
    shop.first_record(NAT, job="b-job")
    cleared(shop.check("run-1", job="b-job", gate=False))
    store = shop.guard.store
    store.commit("a-job", [Put(HALT, "h-broken", {"schema": 1, "id": "h-broken"}, None)])
    purged(shop)
    shop.advance(days=29)
    with pytest.raises(CannotTell, match="the job a-job could not be purged"):
        purged(shop)
    marks = {row.id: row.body["at"] for row in store.list(SWEEP, MARK)}
    assert marks["a-job"] < marks["b-job"]
    shop.advance(minutes=15)
    with pytest.raises(CannotTell, match="a-job"):
        purged(shop)  # told until it is mended
    [broken] = store.list("a-job", HALT)
    store.commit("a-job", [Delete(HALT, broken.id, broken.version)])
    purged(shop)


def test_a_scan_of_every_job_purges_and_one_of_named_jobs_does_not(shop: World) -> None:
    halt: HaltRow = with_a_past(shop)
    shop.advance(days=100)
    gate_every_job(shop.guard)
    shop.advance(days=1)
    gate_every_job(shop.guard, only=[JOB])
    assert halt.id in rows(shop, HALT)
    report = gate_every_job(shop.guard)
    assert report.swept.purged["halts"] == 2
    assert halt.id not in rows(shop, HALT)


def moved_and_renewed(shop: World, move: Callable[[World, str, str, str], None]) -> str:
    """NAT moved to another job, and both jobs recorded anew since; the key of the other job's earlier baseline."""
    use_policy(shop)
    shop.first_record(VNET, NAT)
    move(shop, JOB, "other", NAT)
    earlier = job_row(shop, "other").baseline
    clearance = cleared(shop.check("o-1", job="other"))
    shop.sandbox.patch(NAT, {"properties": {"idleTimeoutInMinutes": 9}}, as_="pipeline")
    shop.record("o-1", job="other", clearance=clearance, naming=Naming(resources=(NAT,)))
    clearance = cleared(shop.check("run-1"))
    deploy(shop, VNET, dhcpOptions={"dnsServers": ["10.20.0.55"]})
    shop.record("run-1", clearance=clearance, naming=Naming(resources=(VNET,)))
    return earlier


def moved(shop: World, source: str, to: str, resource: str) -> None:
    move(shop.guard, source, to, by=DANA, reason=WHY, resources=(resource,))


def bodies_of(shop: World, baseline: str) -> list[bool]:
    """Of each entry of a stored baseline whether its body is there."""
    store = shop.guard.store
    return [store.read(entry.pack) is not None for entry in load_baseline(store, baseline).entries.values()]


@pytest.mark.parametrize("move", [moved, moved_by_an_earlier_version])
def test_a_job_under_hold_keeps_its_earlier_baselines_with_bodies_that_moved_to_it(
    shop: World, move: Callable[[World, str, str, str], None]
) -> None:
    earlier = moved_and_renewed(shop, move)
    assert job_row(shop, "other").baseline != earlier
    hold(shop.guard, "other", by=DANA, reason=WHY)
    for _ in range(3):
        purged_in(shop, days=25)
    assert bodies_of(shop, earlier) == [True]
    unhold(shop.guard, "other", by=DANA, reason=WHY)
    for _ in range(3):
        purged_in(shop, days=25)
    assert shop.guard.store.read(earlier) is None
    require_whole(shop)
    require_whole(shop, "other")
    assert unnamed(shop, "other") == unnamed(shop) == set()


def test_a_body_that_moved_is_kept_for_the_period_after_its_new_job_names_it_no_more(shop: World) -> None:
    earlier = moved_and_renewed(shop, moved)
    for _ in range(7):
        purged(shop)
        assert bodies_of(shop, earlier) == [True]
        shop.advance(days=1)
    purged_in(shop, days=2)
    assert shop.guard.store.read(earlier) is None


def test_a_body_stays_that_moves_on_to_a_job_already_read_while_jobs_are_asked_what_they_name(shop: World) -> None:
    use_policy(shop)
    shop.first_record(VNET, NAT, job="a")
    shop.first_record(NSG, job="m")
    shop.first_record(ROUTES, job="z")
    store = shop.guard.store
    [pack] = store.blobs("a/pack/")
    moved_by_an_earlier_version(shop, "a", "z", NAT)
    clearance = cleared(shop.check("run-1", job="a"))
    deploy(shop, VNET, dhcpOptions={"dnsServers": ["10.20.0.55"]})
    shop.record("run-1", job="a", clearance=clearance, naming=Naming(resources=(VNET,)))
    shop.advance(days=2)
    shop.check("run-2", job="a")
    assert pack not in {entry.pack for entry in entries_of(shop.guard, job_row(shop, "a"))}

    class MovesOn(Dying):
        """Once `z` is about to be read, an earlier version in another process moves the resource on to `m`."""

        moved = False

        def get(self, partition: str, kind: str, row_id: str) -> Any:
            if partition == "z" and kind == "job" and not self.moved:
                self.moved = True
                moved_by_an_earlier_version(shop, "z", "m", NAT)
            return store.get(partition, kind, row_id)

    racing = MovesOn(store)
    assert still_named(replace(shop.guard, store=racing), [pack]) == [pack]
    assert racing.moved
    assert pack in {entry.pack for entry in load_baseline(store, job_row(shop, "m").baseline).entries.values()}


def test_without_a_named_policy_nothing_is_removed_and_a_store_that_is_purged_by_one_says_so(shop: World) -> None:
    halt = with_a_past(shop)
    by_policy, built_in = shop.guard, load_policy(None, folder=policies_folder())
    shop.advance(days=900)
    shop.guard = replace(by_policy, policy=lambda: built_in)
    for _ in range(3):
        assert purged(shop) == {}
        shop.advance(days=1)
    assert shop.guard.store.list(SWEEP, MARK) == []
    shop.guard = by_policy
    assert purged(shop) == {}
    shop.guard = replace(by_policy, policy=lambda: built_in)
    shop.advance(days=1)
    with pytest.raises(BadConfiguration, match="no policy is named here"):
        purged(shop)
    assert halt.id in rows(shop, HALT)


def many_jobs(shop: World, count: int, **members: Any) -> list[str]:
    """Jobs that nothing is recorded of, each with a check of long ago."""
    use_policy(shop)
    shop.first_record(VNET)
    row = shop.guard.store.get(JOB, "job", "job")
    assert row
    bare = {**row.body, "baseline": "", "ledger_number": 0, "ledger_head": GENESIS, **members}
    names = [f"a-{number:03d}" for number in range(count)]
    for name in names:
        check = Put(CHECK, "c-1", {"at": "2020-01-01T00:00:00.000000Z", "readings": ""}, None)
        shop.guard.store.commit(name, [Put("job", "job", {**bare, "name": name}, None), check])
    return names


class Ticking(Clock):
    """A clock on which every look at a job takes four seconds."""

    def monotonic(self) -> float:
        self.at += timedelta(seconds=4)
        return self.at.timestamp()


def test_a_large_estate_is_purged_whole_by_scans_that_each_reach_a_part_of_it(shop: World) -> None:
    names = many_jobs(shop, 120)
    clock = Ticking(shop.guard.clock.now())
    guard = replace(shop.guard, clock=clock)
    scans = removed = 0
    while removed < len(names) and scans < 30:
        removed += purge(guard, guard.policy()).get("checks", 0)
        clock.at += timedelta(days=15)
        scans += 1
    assert removed == len(names), "a job that waits for its turn for two months is no clock that jumped"
    assert 5 < scans < 15


def test_jobs_that_cannot_be_purged_do_not_keep_the_others_from_their_turn(shop: World) -> None:
    names = many_jobs(shop, 60, schema=2)
    shop.first_record(NAT, job="z-job")
    clock = Ticking(shop.guard.clock.now())
    guard = replace(shop.guard, clock=clock)
    for _ in range(6):
        with suppress(CannotTell):
            purge(guard, guard.policy())
        clock.at += timedelta(days=1)
    marks = {row.id: row.body for row in shop.guard.store.list(SWEEP, MARK)}
    assert {*names, JOB, "z-job"} <= set(marks)
    assert [name for name in marks if marks[name].get("failed")] == names
    with pytest.raises(CannotTell, match=r"the job a-\d+ could not be purged"):
        purge(guard, guard.policy())


def test_a_halt_that_an_earlier_version_opened_again_is_removed_over_its_tombstone(shop: World) -> None:
    halt = with_a_past(shop)
    shop.guard.store.commit(JOB, [Put(PURGED, halt.id, {"schema": 1, "halt": halt.id}, None)])
    assert purged_in(shop, days=100)["halts"] == 2
    with pytest.raises(NotFound, match="90 days after it was closed"):
        find_halt(shop.guard, halt.id)


@pytest.mark.parametrize("partition", [JOB, calls.SCANS, "never-recorded"])
def test_old_answers_to_long_calls_go_also_where_no_further_call_begins(shop: World, partition: str) -> None:
    use_policy(shop)
    shop.first_record(VNET)
    for text in ("x", "y" * 300_000):
        begun = calls.begin(shop.guard, partition, "check", "dana")
        calls.finish(shop.guard, begun, calls.Outcome(answer={"told": text}))
    assert purged_in(shop, hours=1)["calls"] == 2
    assert rows(shop, CALL, partition) == shop.guard.store.blobs(f"{partition}/call/") == []
