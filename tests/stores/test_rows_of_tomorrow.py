"""What a later version writes into a row beside what we know is kept by every verb that writes the row again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from driftguard.errors import Unavailable
from driftguard.flow.halt import Decision
from driftguard.flow.ports import Note, Put, Receipt, Store
from driftguard.guard import calls
from driftguard.guard.deliver import deliver_due
from driftguard.guard.index import all_rows
from driftguard.guard.jobs import accept, retire
from driftguard.guard.rows import CALL, HALT, JOB, OUTBOX, PROPOSAL
from tests.scenarios.steps import (
    BOTH,
    NAT,
    ROBS_DNS,
    SHOP_DNS,
    cleared,
    confirmed,
    decided,
    deploy,
    halted,
    set_dns,
    set_timeout,
    story,
)
from tests.world import DANA, VNET, World, world
from tests.world import JOB as SHOP

TOMORROW: dict[str, Any] = {"tomorrow": {"since": "2027", "list": [1, None, "é"]}}
Named = dict[tuple[str, str], dict[str, Any]]


def mark(store: Store) -> Named:
    """Give every row of the job, and its leases, a member of tomorrow; the rows that have it now."""
    marked: Named = {}
    for kind in store.kinds(SHOP):
        for row in all_rows(store, SHOP, kind):
            body = row.body | TOMORROW
            for lease in ("lease", "last_clearance"):
                if body.get(lease):
                    body[lease] = body[lease] | TOMORROW
            store.commit(SHOP, [Put(kind, row.id, body, row.version)])
            marked[kind, row.id] = body
    return marked


def require_kept(store: Store, marked: Named) -> set[str]:
    """Every row that is still there has its member; the kinds of those that were written again."""
    rewritten = set()
    for (kind, row_id), before in marked.items():
        row = store.get(SHOP, kind, row_id)
        if row is None:
            continue
        assert row.body["tomorrow"] == TOMORROW["tomorrow"], (kind, row_id)
        if row.body != before:
            rewritten.add(kind)
        if (
            kind == JOB
            and row.body["lease"]
            and (before["lease"] or {}).get("clearance") == row.body["lease"]["clearance"]
        ):
            assert row.body["lease"]["tomorrow"] == TOMORROW["tomorrow"]
    return rewritten


class Reluctant:
    """A target that takes a note at the second time."""

    name = "reluctant"
    claim = 0.0

    def __init__(self) -> None:
        self._told: set[str] = set()

    def deliver(self, note: Note) -> Receipt:
        if note.event in self._told:
            return Receipt("there", amended=False)
        self._told.add(note.event)
        raise Unavailable("not now", "again")


def test_a_story_of_halts_leases_and_decisions_keeps_them(tmp_path: Path) -> None:
    with story(tmp_path) as telling:
        store = telling.guard.store
        telling.checkout.commits["0ddba11"] = True
        telling.first_record(VNET, NAT)
        rewritten = _kept(telling, mark(store), set())
        for number, (change, decision) in enumerate(((_by_dns, Decision.OVERWRITE), (_by_timeout, Decision.KEEP))):
            change(telling)
            marked = mark(store)
            halt = halted(telling.check(f"a{number}"))
            rewritten = _kept(telling, marked, rewritten)
            marked = mark(store)
            assert halted(telling.check(f"b{number}")).id == halt.id
            halt = decided(telling, halt, decision)
            if decision is Decision.KEEP:
                halt = confirmed(telling, halt)
            rewritten = _kept(telling, marked, rewritten)
            marked = mark(store)
            clearance = cleared(telling.check(f"c{number}"))
            rewritten = _kept(telling, marked, rewritten)
            marked = mark(store)
            deploy(telling, VNET, dhcpOptions={"dnsServers": [SHOP_DNS]})
            assert telling.record(f"c{number}", naming=BOTH, clearance=clearance).exit_code == 0
            rewritten = _kept(telling, marked, rewritten)
        marked = mark(store)
        retire(telling.guard, SHOP, by=DANA, reason="no longer used")
        assert _kept(telling, marked, rewritten) == {JOB, HALT}


def test_a_proposal_that_is_accepted_keeps_them(tmp_path: Path) -> None:
    with story(tmp_path) as telling:
        telling.first_record(VNET, NAT)
        deploy(telling, VNET, dhcpOptions={"dnsServers": [ROBS_DNS]})
        proposed = telling.record(None, naming=BOTH)
        assert proposed.proposal is not None
        marked = mark(telling.guard.store)
        accept(telling.guard, SHOP, proposed.proposal, by=DANA, reason="agreed")
        assert {JOB, PROPOSAL} <= require_kept(telling.guard.store, marked)


def test_a_note_that_is_tried_again_keeps_them(tmp_path: Path) -> None:
    target = Reluctant()
    with world(tmp_path, targets={target.name: target}) as telling:
        telling.first_record(VNET)
        _by_dns(telling)
        halted(telling.check("1"))
        marked = mark(telling.guard.store)
        telling.advance(hours=1)
        [sent] = deliver_due(telling.guard, SHOP, now=True)
        assert sent.state == "delivered"
        assert require_kept(telling.guard.store, marked) == {OUTBOX}


def test_a_call_that_ends_keeps_them(tmp_path: Path) -> None:
    with story(tmp_path) as telling:
        telling.first_record(VNET)
        begun = calls.begin(telling.guard, SHOP, "check", "dana")
        marked = mark(telling.guard.store)
        [row] = telling.guard.store.list(SHOP, CALL)
        begun.body, begun.version = row.body, row.version
        calls.say_alive(telling.guard, begun)
        calls.finish(telling.guard, begun, calls.Outcome(answer={"verdict": "proceed"}))
        calls.forget_other_rules(telling.guard, SHOP, "other rules")
        assert require_kept(telling.guard.store, marked) == {CALL}


def _kept(telling: World, marked: Named, before: set[str]) -> set[str]:
    return before | require_kept(telling.guard.store, marked)


def _by_dns(telling: World) -> None:
    set_dns(telling, ROBS_DNS)


def _by_timeout(telling: World) -> None:
    set_timeout(telling, 11)
