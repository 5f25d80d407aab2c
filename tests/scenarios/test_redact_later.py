"""A rule that makes something a secret comes after it was stored: it leaves everything that can be written anew."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driftguard.errors import Busy, SecretKeyMissing, StoreUnavailable
from driftguard.flow.halt import Decision, State
from driftguard.flow.ledger import LedgerEntry
from driftguard.guard import doctor, halting
from driftguard.guard.blobs import Bodies, load_baseline, pack_lines
from driftguard.guard.check import Ask, check
from driftguard.guard.index import all_rows
from driftguard.guard.jobs import accept, move, retire
from driftguard.guard.record import Naming
from driftguard.guard.rows import LEDGER
from driftguard.guard.scan import gate_every_job
from driftguard.guard.verify import verify_in_store, verify_store
from driftguard.guard.work import sealed_under
from tests.scenarios.kept import Dying, Killed, moved_by_an_earlier_version
from tests.scenarios.steps import (
    BOTH,
    NAT,
    cleared,
    confirmed,
    decided,
    halted,
    job_row,
    ledger,
    recorded_fingerprints,
    stored_halt,
    story,
)
from tests.scenarios.traces import traces
from tests.world import DANA, JOB, NETWORK, VNET, World

FIRST, SECOND, THIRD = "Quiet-Otter-4711", "Loud-Heron-0815", "Slow-Mole-2342"
PLAIN = "version: 1\n"
REDACTING = """version: 1
rules:
  - name: the note is a secret
    match: {type: "Microsoft.Network/*"}
    redact: [tags.note]
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with story(tmp_path) as telling:
        telling.with_policy(PLAIN)
        note(telling, FIRST)
        yield telling


def note(telling: World, text: str, as_: str = "person-portal", resource: str = VNET) -> None:
    """Somebody writes this note on the virtual network."""
    telling.advance(minutes=1)
    telling.sandbox.patch(resource, {"tags": {"note": text, "by": "hand"}}, as_=as_)
    telling.advance(minutes=1)


def gated(telling: World, **more: Any) -> Any:
    """The answer of a gate: it takes no lease."""
    return telling.check("gate", gate=True, **more)


def recorded_bodies(telling: World, job: str = JOB) -> dict[str, Any]:
    baseline = load_baseline(telling.guard.store, job_row(telling, job).baseline)
    bodies = Bodies(telling.guard.store)
    return {key: bodies.of(entry).body for key, entry in baseline.entries.items()}


def entries_of_ledger(telling: World, event: str) -> list[dict[str, Any]]:
    entries = (LedgerEntry.from_dict(row.body) for row in all_rows(telling.guard.store, JOB, LEDGER))
    return [dict(entry.data) for entry in entries if entry.event == event]


def test_what_is_recorded_holds_the_value_no_more_and_is_unchanged(shop: World) -> None:
    shop.first_record(VNET, NAT)
    before, old = job_row(shop), recorded_fingerprints(shop)
    assert FIRST in str(recorded_bodies(shop)[VNET.lower()])
    shop.with_policy(REDACTING)
    answer = gated(shop)
    assert (answer.exit_code, {one.finding.kind for one in answer.judgement.judged}) == (0, {"unchanged"})
    assert traces(shop.folder, FIRST) == []
    now = recorded_fingerprints(shop)
    assert job_row(shop).generation == before.generation
    assert now[VNET.lower()] != old[VNET.lower()] and now[NAT.lower()] == old[NAT.lower()]
    assert recorded_bodies(shop)[VNET.lower()]["tags"]["by"] == "hand"
    [told] = entries_of_ledger(shop, "sealed again")
    assert (told["policy"], told["bodies"]) == (shop.guard.policy().digest, 1)
    assert any("1 recorded bodies were sealed again" in line for line in answer.told)
    assert ledger(shop).count("sealed again") == 1


def test_it_is_done_once_and_loads_no_body_afterwards(shop: World) -> None:
    shop.first_record(VNET, NAT)
    shop.with_policy(REDACTING)
    gated(shop)
    store = shop.guard.store
    shop.guard = replace(shop.guard, store=Refuses(store, "read", "/pack/"))
    assert gated(shop).exit_code == 0
    assert ledger(shop).count("sealed again") == 1


class Refuses:
    """A store that refuses one call on keys that hold this text."""

    def __init__(self, store: Any, call: str, text: str) -> None:
        self._store, self._call, self._text = store, call, text

    def __getattr__(self, name: str) -> Any:
        if name != self._call:
            return getattr(self._store, name)

        def refuse(key: str, *more: Any) -> Any:
            assert self._text not in key, f"{name} {key}"
            return getattr(self._store, name)(key, *more)

        return refuse


def test_a_change_of_the_secret_is_still_a_change(shop: World) -> None:
    shop.first_record(VNET)
    shop.with_policy(REDACTING)
    gated(shop)
    note(shop, SECOND)
    halt = halted(shop.check())
    assert [one["path"] for one in halt.summary[0]["changes"]] == ["tags.note"]
    assert traces(shop.folder, SECOND) == []


def test_a_policy_that_redacts_nothing_more_rewrites_nothing(shop: World) -> None:
    shop.first_record(VNET)
    before = job_row(shop).baseline
    shop.with_policy(PLAIN + "defaults: {stability_gap: 0s}\n")
    store = shop.guard.store
    shop.guard = replace(shop.guard, store=Refuses(store, "put_once", "sealed"))
    assert gated(shop).exit_code == 0
    assert job_row(shop).baseline == before and "sealed again" not in ledger(shop)


def test_a_rule_that_is_taken_back_leaves_what_is_sealed(shop: World) -> None:
    shop.first_record(VNET)
    shop.with_policy(REDACTING)
    gated(shop)
    sealed = job_row(shop).baseline
    shop.with_policy(PLAIN)
    assert gated(shop).exit_code == 0
    assert job_row(shop).baseline == sealed and traces(shop.folder, FIRST) == []


def test_an_open_halt_stays_the_same_halt_and_its_difference_is_told_in_marks(shop: World) -> None:
    shop.first_record(VNET)
    note(shop, SECOND)
    halt = halted(shop.check("run-1"))
    [ticket] = shop.notes()
    assert SECOND in ticket.read_text() and SECOND in str(stored_halt(shop, halt).summary)
    shop.with_policy(REDACTING)
    answer = shop.check("run-2")
    assert halted(answer).id == halt.id
    now = stored_halt(shop, halt)
    assert (now.state, now.evidence, len(job_row(shop).holding)) == (State.OPEN, 2, 1)
    document = json.loads(halting.load_evidence(shop.guard, now))
    assert document["halt"]["digest"] == now.digest != halt.digest
    assert document["findings"][0]["attribution"]["who"]
    for text in (FIRST, SECOND):
        places = traces(shop.folder, text)
        assert places and all(
            "evidence" in place or place.startswith("file tickets") or "store.db" in place for place in places
        )
        assert text not in shop.notes()[0].read_text()
    assert verify_in_store(shop.guard, document).faults == ()
    assert verify_in_store(shop.guard, json.loads(halting.load_evidence(shop.guard, now, 1))).faults == ()
    assert ledger(shop).count("halted") == 1 and "superseded" not in ledger(shop)


def test_evidence_that_holds_the_value_is_named_once_and_by_the_doctor(shop: World) -> None:
    shop.first_record(VNET)
    note(shop, SECOND)
    halt = halted(shop.check("run-1"))
    shop.with_policy(REDACTING)
    told = [line for line in shop.check("run-2").told if "evidence" in line]
    assert told == [
        f"evidence of {halt.id} version 1 and the notes made from it hold a value that is a secret now, "
        "and evidence never changes: change that secret where it is used"
    ]
    assert entries_of_ledger(shop, "sealed again")[0]["still_in_evidence"] == [f"{halt.id} 1"]
    assert [line for line in shop.check("run-3").told if "evidence" in line] == []
    symptom = next(one for one in doctor.examine(shop.guard) if one.name == "secrets")
    assert symptom.ok and f"{halt.id} version 1" in symptom.told


@pytest.mark.parametrize("decision", [Decision.OVERWRITE, Decision.KEEP])
def test_a_decision_taken_before_holds_for_the_same_difference(shop: World, decision: Decision) -> None:
    shop.first_record(VNET)
    note(shop, SECOND)
    halt = halted(shop.check("run-1"))
    taken = decided(shop, halt, decision)
    shop.with_policy(REDACTING)
    answer = shop.check("run-2")
    assert stored_halt(shop, halt).decision == taken.decision
    if decision is Decision.KEEP:
        assert (halted(answer).id, stored_halt(shop, halt).state) == (halt.id, State.KEPT)
        return
    clearance = cleared(answer)
    assert stored_halt(shop, halt).state is State.IN_USE
    note(shop, FIRST, as_="pipeline")
    assert shop.record("run-2", clearance=clearance, naming=Naming(resources=(VNET,))).exit_code == 0
    assert stored_halt(shop, halt).state is State.RESOLVED


def test_what_was_kept_and_confirmed_before_is_still_the_kept_state_at_the_record(shop: World) -> None:
    shop.first_record(VNET)
    note(shop, SECOND)
    halt = halted(shop.check("run-1"))
    decided(shop, halt, Decision.KEEP)
    shop.checkout.commits["0ddba11"] = True
    confirmed(shop, halt)
    shop.with_policy(REDACTING)
    clearance = cleared(shop.check("run-2"))
    assert shop.record("run-2", clearance=clearance, naming=Naming(resources=(VNET,))).exit_code == 0
    assert stored_halt(shop, halt).state is State.RESOLVED
    assert gated(shop).exit_code == 0
    assert not [place for place in traces(shop.folder, SECOND) if "pack" in place or "halts/" in place]


def test_a_kept_change_that_a_run_reverts_is_told_in_marks(shop: World) -> None:
    shop.first_record(VNET)
    note(shop, SECOND)
    halt = halted(shop.check("run-1"))
    decided(shop, halt, Decision.KEEP)
    shop.checkout.commits["0ddba11"] = True
    confirmed(shop, halt)
    shop.with_policy(REDACTING)
    clearance = cleared(shop.check("run-2"))
    note(shop, FIRST, as_="pipeline")
    recorded = shop.record("run-2", clearance=clearance, naming=Naming(resources=(VNET,)))
    assert recorded.halt is not None and recorded.halt.cause == "reverted"
    assert [one["path"] for one in recorded.halt.summary[0]["changes"]] == ["tags.note"]
    assert not [place for text in (FIRST, SECOND) for place in traces(shop.folder, text) if "halts/" in place]


def test_a_stranger_that_halts_is_the_same_halt_though_its_fingerprint_is_another(shop: World) -> None:
    strict = "defaults: {on_unmanaged: halt}\n"
    shop.with_policy(PLAIN + strict)
    shop.record(None, naming=Naming(resources=(VNET,), scopes=(NETWORK,)))
    stranger = f"{NETWORK}/providers/Microsoft.Network/routeTables/rt-stranger"
    shop.sandbox.put(stranger, {"location": "westeurope", "tags": {"note": SECOND}}, as_="person-portal")
    shop.advance(minutes=1)
    halt = halted(shop.check("run-1"))
    assert [place for place in traces(shop.folder, SECOND) if "/halts/" in place]
    shop.with_policy(REDACTING + strict)
    assert halted(shop.check("run-2")).id == halt.id
    assert traces(shop.folder, SECOND) == []


def test_a_decision_does_not_hold_for_another_difference_that_is_hidden_by_marks(shop: World) -> None:
    shop.first_record(VNET)
    note(shop, SECOND)
    halt = halted(shop.check("run-1"))
    decided(shop, halt, Decision.OVERWRITE)
    shop.with_policy(REDACTING)
    note(shop, THIRD)
    again = halted(shop.check("run-2"))
    assert again.id != halt.id
    assert stored_halt(shop, halt).state is State.SUPERSEDED
    assert again.earlier is not None and again.earlier["decision"]["decision"] == "overwrite"


def test_a_rule_that_comes_while_a_run_is_updating_takes_nothing_from_it(shop: World) -> None:
    shop.first_record(VNET)
    clearance = cleared(shop.check("run-1"))
    shop.with_policy(REDACTING)
    note(shop, SECOND, as_="pipeline")
    recorded = shop.record("run-1", clearance=clearance, naming=Naming(resources=(VNET,)))
    assert (recorded.exit_code, recorded.generation) == (0, 2)
    assert traces(shop.folder, FIRST) == traces(shop.folder, SECOND) == []


def test_closed_halts_and_earlier_generations_hold_the_value_no_more(shop: World) -> None:
    shop.first_record(VNET, NAT)
    note(shop, SECOND)
    halt = halted(shop.check("run-1"))
    decided(shop, halt, Decision.OVERWRITE)
    clearance = cleared(shop.check("run-2"))
    note(shop, THIRD, as_="pipeline")
    shop.record("run-2", clearance=clearance, naming=BOTH)
    shop.with_policy(REDACTING)
    answer = gated(shop)
    assert answer.exit_code == 0
    closed = stored_halt(shop, halt)
    assert closed.state is not State.OPEN and SECOND not in str(closed.summary)
    for text in (FIRST, SECOND):
        assert all(
            "evidence" in place or place == "file store.db"
            for place in traces(shop.folder, text)
            if "tickets" not in place
        )
    assert traces(shop.folder, THIRD) == []
    assert verify_store(shop.guard).faults == ()


def test_a_proposal_that_waits_is_sealed_and_can_be_accepted(shop: World) -> None:
    shop.first_record(VNET)
    note(shop, SECOND)
    proposal = shop.record(None, naming=Naming(resources=(VNET,))).proposal
    assert proposal
    shop.with_policy(REDACTING)
    halted(gated(shop))
    row = shop.guard.store.get(JOB, "proposal", proposal)
    assert row is not None
    assert not [place for place in traces(shop.folder, SECOND) if "pack" in place or "halts" in place]
    accept(shop.guard, JOB, proposal, by=DANA, reason="it stays as it is")
    assert job_row(shop).generation == 2
    assert gated(shop).exit_code == 0


def test_what_a_record_waits_for_is_sealed(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=1200.0) as shop:
        shop.with_policy(PLAIN)
        note(shop, FIRST)
        shop.first_record(VNET)
        clearance = cleared(shop.check("run-1"))
        note(shop, SECOND, as_="pipeline")
        shop.sandbox.touch(VNET, "Updating")
        shop.record("run-1", clearance=clearance, naming=Naming(resources=(VNET,)))
        shop.sandbox.touch(VNET, "Succeeded")
        with pytest.raises(Busy, match="settling"):
            shop.check("run-2")  # read again: settled, and the log does not cover the time yet
        assert [place for place in traces(shop.folder, SECOND) if "/pending/" in place]
        shop.with_policy(REDACTING)
        with pytest.raises(Busy, match="settling"):
            shop.check("run-2")
        assert traces(shop.folder, SECOND) == []
        shop.advance(minutes=30)
        assert gated(shop).exit_code == 0
        assert job_row(shop).generation == 3


def test_a_late_write_gives_the_old_snapshot_back_also_after_it_was_sealed(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=1200.0) as shop:
        shop.with_policy(PLAIN)
        note(shop, FIRST)
        shop.first_record(VNET)
        shop.advance(minutes=30)
        clearance = cleared(shop.check("run-1"))
        note(shop, SECOND)  # by a person, and the log tells it later
        shop.record("run-1", clearance=clearance, naming=Naming(resources=(VNET,)))
        assert job_row(shop).window
        shop.with_policy(REDACTING)
        gated(shop)
        assert traces(shop.folder, FIRST) == traces(shop.folder, SECOND) == []
        assert job_row(shop).window
        shop.advance(minutes=30)
        halt = halted(shop.check("run-2"))
        assert halt.cause == "held at record"
        assert traces(shop.folder, FIRST) == traces(shop.folder, SECOND) == []


def test_when_a_difference_was_first_seen_is_still_known(shop: World) -> None:
    shop.first_record(VNET)
    note(shop, SECOND)
    halted(shop.check("run-1"))
    first_seen = shop.guard.clock.now()
    shop.with_policy(REDACTING)
    shop.advance(hours=3)
    answer = shop.check("run-2")
    found = answer.judgement.halting[0].attribution
    assert found is not None and found.bracket[1] <= first_seen


def test_a_pack_that_another_job_names_waits_for_that_job(shop: World) -> None:
    shop.first_record(VNET, NAT)
    note(shop, SECOND, resource=NAT, as_="pipeline")
    shop.first_record(NAT, job="other")
    retire(shop.guard, "other", by=DANA, reason="only to show that a retired job is sealed by a scan")
    moved_by_an_earlier_version(shop, JOB, "third", VNET)
    shop.with_policy(REDACTING)
    gated(shop)
    assert job_row(shop).forget and job_row(shop).sealed != ""
    assert recorded_bodies(shop, "third")[VNET.lower()]["tags"]["note"] == FIRST
    report = gate_every_job(shop.guard)
    assert report.errors == {}
    gated(shop)
    assert job_row(shop).forget == []
    assert traces(shop.folder, FIRST) == traces(shop.folder, SECOND) == []


def test_a_move_that_meets_the_sealing_takes_the_sealed_bodies(shop: World) -> None:
    shop.first_record(VNET, NAT)
    store = shop.guard.store
    shop.with_policy(REDACTING)
    redacting = shop.guard

    class Meets:
        """The sealing happens right before the new job's row is written."""

        met = False

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def commit(self, partition: str, writes: Any) -> Any:
            if partition == "third" and not self.met:
                self.met = True
                check(redacting, Ask(JOB, "gate", gate=True))
            return store.commit(partition, writes)

    move(replace(shop.guard, store=Meets()), JOB, "third", by=DANA, reason="it belongs there", resources=[VNET])
    assert "secret:" in str(recorded_bodies(shop, "third")[VNET.lower()])
    assert gated(shop, job="third").exit_code == 0
    assert traces(shop.folder, FIRST) == []


def test_a_move_that_is_killed_leaves_no_body_by_older_rules_in_a_job_that_is_sealed_already(shop: World) -> None:
    shop.first_record(VNET, NAT)
    shop.first_record(NETWORK, job="third")
    shop.with_policy(REDACTING)
    gated(shop, job="third")
    living, before = shop.guard, 0
    while True:
        shop.guard = replace(living, store=Dying(living.store, before))
        try:
            move(shop.guard, JOB, "third", by=DANA, reason="it belongs there", resources=[VNET])
            break
        except Killed:
            before += 1
        finally:
            shop.guard = living
        packs = [key for key in living.store.blobs("third/") if "/pack/" in key]
        assert not [key for key in packs if any(FIRST.encode() in line for line in pack_lines(living.store, key))]
        assert VNET.lower() in {**recorded_bodies(shop, "third"), **recorded_bodies(shop, JOB)}
    assert before >= 3
    assert recorded_bodies(shop, "third")[VNET.lower()]["tags"]["note"].startswith("secret:")
    assert job_row(shop, "third").sealed == sealed_under(living.policy())
    assert gated(shop, job="third").exit_code == gated(shop).exit_code == 0
    assert traces(shop.folder, FIRST) == []


def test_a_check_whose_pack_is_removed_while_it_reads_judges_the_new_one(shop: World) -> None:
    shop.first_record(VNET)
    note(shop, SECOND)
    store, policy = shop.guard.store, shop.guard.policy()
    shop.with_policy(REDACTING)
    redacting = shop.guard

    class Removes:
        """The pack is replaced right before it is read."""

        met = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def read(self, key: str) -> bytes | None:
            if "/pack/" in key and not self.met:
                self.met += 1
                check(redacting, Ask(JOB, "other-gate", gate=True))
            return store.read(key)

    removes = Removes()
    shop.guard = replace(shop.guard, store=removes, policy=lambda: policy)
    assert shop.check("run-1").exit_code == 1
    assert removes.met == 1


def test_a_verb_under_other_rules_makes_the_next_one_look_again(shop: World) -> None:
    shop.first_record(VNET)
    before = shop.guard.policy()
    shop.with_policy(REDACTING)
    gated(shop)
    redacting, shop.guard = shop.guard, replace(shop.guard, policy=lambda: before)
    note(shop, SECOND)
    halted(shop.check("run-1"))
    assert [place for place in traces(shop.folder, SECOND) if "/halts/" in place]
    shop.guard = redacting
    halted(shop.check("run-2"))
    assert not [place for place in traces(shop.folder, SECOND) if "/halts/" in place or "row" in place]


def test_a_key_that_is_not_at_hand_stops_the_verb_before_anything_is_decided(shop: World) -> None:
    shop.first_record(VNET)
    shop.with_policy(REDACTING)

    class NoKeys:
        key_id = "none"

        def mark(self, name: str, value: str, key_id: str | None = None) -> str:
            raise SecretKeyMissing("no key", "restore it")

    before = job_row(shop)
    shop.guard = replace(shop.guard, sealer=NoKeys())
    with pytest.raises(SecretKeyMissing):
        gated(shop)
    assert job_row(shop) == before


def test_a_store_that_is_still_read_keeps_what_is_to_be_removed_for_the_next_verb(shop: World) -> None:
    shop.first_record(VNET)
    shop.with_policy(REDACTING)
    store = shop.guard.store

    class StillRead:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def forget(self, keys: Any) -> bool:
            return False

    guard = shop.guard
    shop.guard = replace(guard, store=StillRead())
    assert gated(shop).exit_code == 0
    assert job_row(shop).forget
    shop.guard = guard
    assert gated(shop).exit_code == 0
    assert job_row(shop).forget == [] and traces(shop.folder, FIRST) == []


# What is damaged, and what is much


def damage(telling: World, part: str, data: bytes = b"no gzip") -> list[str]:
    """Put other bytes in the place of every blob whose key holds this text, past the store."""
    keys = [key for key in telling.guard.store.blobs(JOB) if part in key]
    with closing(sqlite3.connect(telling.folder / "store.db")) as hand, hand:
        hand.executemany("update blobs set data=? where key=?", [(data, key) for key in keys])
    return keys


def test_a_recorded_body_that_is_damaged_is_left_and_the_check_goes_on_as_before(shop: World) -> None:
    shop.first_record(VNET)
    before = job_row(shop).baseline
    damage(shop, "/pack/")
    shop.with_policy(REDACTING)
    with pytest.raises(StoreUnavailable, match="damaged"):  # the live body has another fingerprint now: it is needed
        gated(shop)
    assert (job_row(shop).baseline, job_row(shop).forget) == (before, [])


def test_a_pack_that_nobody_names_and_nobody_can_read_is_removed(shop: World) -> None:
    shop.first_record(VNET)
    shop.guard.store.put_once(f"{JOB}/pack/lost", b"no gzip")
    shop.guard.store.put_once(f"{JOB}/pack/nobodys", gzip.compress(b'{"no": "id"}\n'))
    shop.with_policy(REDACTING)
    assert gated(shop).exit_code == 0
    assert not [key for key in shop.guard.store.blobs(f"{JOB}/pack/") if "lost" in key or "nobodys" in key]


def test_a_pack_that_nobody_names_and_that_holds_no_secret_stays(shop: World) -> None:
    shop.first_record(VNET)
    body = {"id": NAT, "tags": {"by": "hand"}}
    shop.guard.store.put_once(f"{JOB}/pack/earlier", gzip.compress(json.dumps(body).encode() + b"\n"))
    shop.with_policy(REDACTING)
    gated(shop)
    assert shop.guard.store.read(f"{JOB}/pack/earlier")


def test_findings_that_are_damaged_are_left_to_the_verb_that_needs_them(shop: World) -> None:
    shop.first_record(VNET)
    note(shop, SECOND)
    halt = halted(shop.check("run-1"))
    [key] = damage(shop, f"/halts/{halt.id}/")
    shop.with_policy(REDACTING)
    with pytest.raises(StoreUnavailable, match="damaged"):
        shop.check("run-2")
    assert (stored_halt(shop, halt).findings, stored_halt(shop, halt).digest) == (key, halt.digest)


def test_a_job_whose_baseline_cannot_be_read_keeps_others_packs_and_stops_nobody(shop: World) -> None:
    shop.first_record(VNET)
    shop.first_record(NAT, job="broken")
    baseline = job_row(shop, "broken").baseline
    with closing(sqlite3.connect(shop.folder / "store.db")) as hand, hand:
        hand.execute("update blobs set data=x'00' where key=?", (baseline,))
    shop.with_policy(REDACTING)
    assert gated(shop).exit_code == 0
    assert job_row(shop).forget, "whether the broken job names them cannot be told"


def test_many_closed_halts_are_sealed_in_several_commits(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftguard.guard.reseal._AT_ONCE", 2)
    shop.first_record(VNET)
    values = [f"Many-Wren-{number:04}" for number in range(6)]
    for number, text in enumerate(values):
        note(shop, text)
        halted(shop.check(f"run-{number}"))
    shop.with_policy(REDACTING)
    halted(shop.check("run-9"))
    [told] = entries_of_ledger(shop, "sealed again")
    assert (told["halts"], len(told["still_in_evidence"])) == (6, 6)
    for text in values:
        assert not [place for place in traces(shop.folder, text) if "halts/" in place or "row" in place]
    assert verify_store(shop.guard).faults == ()


def test_a_listed_element_whose_name_is_a_secret_leaves_the_path_as_well(shop: World) -> None:
    rule = f"{VNET}/subnets"
    shop.first_record(VNET)
    shop.advance(minutes=1)
    shop.sandbox.put(f"{rule}/{SECOND}", {"properties": {"addressPrefix": "10.20.77.0/24"}}, as_="person-portal")
    shop.advance(minutes=1)
    halt = halted(shop.check("run-1"))
    assert SECOND in str(halt.summary)
    shop.with_policy(REDACTING.replace("tags.note", '"properties.subnets[*].name", "properties.subnets[*].id"'))
    now = halted(shop.check("run-2"))
    assert SECOND not in str(now.summary)
    assert not [place for place in traces(shop.folder, SECOND) if "halts/" in place or "row halt" in place]
