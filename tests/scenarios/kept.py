"""What the tests about retention share: a shop with a past, a store that is killed before a write, and what must hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from driftguard.flow.halt import Decision
from driftguard.flow.ports import Store
from driftguard.guard import halt_file, halting, index
from driftguard.guard.blobs import Bodies, get_json, load_baseline, put_json
from driftguard.guard.jobs import accept, move, proposals
from driftguard.guard.late_writes import named_baselines
from driftguard.guard.reseal_bodies import entries_of
from driftguard.guard.retention import purge
from driftguard.guard.review import list_halts
from driftguard.guard.rows import CHECK, PROPOSAL, HaltRow
from driftguard.guard.verify import verify_store
from driftguard.guard.work import Work
from tests.scenarios.steps import (
    BOTH,
    NAT,
    PIPELINE_IS_KNOWN,
    ROBS_DNS,
    SHOP_DNS,
    cleared,
    decided,
    deploy,
    halted,
    job_row,
    set_dns,
)
from tests.world import DANA, ERIN, JOB, VNET, World

RETENTION = "{checks: 7d, records: 30d, halts: 90d, proposals: 30d, baselines: 7d}"
POLICY = f"""version: 1
defaults: {{stability_gap: 0s, settle: 0s, unknown_author: allow}}
jobs: [{{match: "*", {PIPELINE_IS_KNOWN}}}]
retention: {RETENTION}
"""
WHY = "agreed in the change board"


def use_policy(shop: World, text: str = POLICY) -> None:
    """Use this policy from now on; it is loaded once."""
    shop.with_policy(text)
    shop.guard = replace(shop.guard, policy=cache(shop.guard.policy))


def with_a_past(shop: World) -> HaltRow:
    """A job with four generations, an accepted proposal, a halt that was superseded and one that was resolved (returned)."""
    use_policy(shop)
    shop.first_record(VNET, NAT)
    shop.record(None, naming=BOTH)
    accept(shop.guard, JOB, str(proposals(shop.guard, JOB)[0][1]["id"]), by=ERIN, reason=WHY)
    set_dns(shop, "10.20.0.77")
    halted(shop.check("run-1"))
    set_dns(shop, ROBS_DNS)
    halt = halted(shop.check("run-2"))
    decided(shop, halt, Decision.OVERWRITE)
    overwrite(shop, "run-3")
    shop.advance(hours=2)
    overwrite(shop, "run-4")  # the last clearance is not the halt's any more
    shop.advance(hours=2)
    return halt


def overwrite(shop: World, run: str) -> None:
    """A run that is cleared deploys the recorded DNS server and records."""
    clearance = cleared(shop.check(run))
    deploy(shop, VNET, dhcpOptions={"dnsServers": [SHOP_DNS]})
    assert shop.record(run, clearance=clearance, naming=BOTH).exit_code == 0


def moved_by_an_earlier_version(shop: World, source: str, to: str, resource: str) -> None:
    """A move that leaves the body in the pack of the job that it came from."""
    before = load_baseline(shop.guard.store, job_row(shop, source).baseline).entries
    move(shop.guard, source, to, by=DANA, reason=WHY, resources=(resource,))
    work = Work(shop.guard.store, to, shop.guard.clock.now())
    left = load_baseline(shop.guard.store, work.job.baseline)
    entries = {
        key: replace(entry, pack=before[key].pack, line=before[key].line) if key == resource.lower() else entry
        for key, entry in left.entries.items()
    }
    work.job.baseline = f"{to}/baseline/{left.generation:06d}-{shop.guard.new_id()}"
    put_json(shop.guard.store, work.job.baseline, replace(left, entries=entries).to_dict())
    work.commit()


def purged(shop: World) -> dict[str, int]:
    """What one purge removes."""
    return purge(shop.guard, shop.guard.policy())


def purged_in(shop: World, **span: float) -> dict[str, int]:
    """What purges remove after this time: a look that removes nothing after so long, and two more, each a day apart."""
    shop.advance(**span)
    removed: Counter[str] = Counter(purged(shop))
    for _ in range(2):
        shop.advance(days=1)
        removed += Counter(purged(shop))
    return dict(removed)


def named(shop: World, job: str = JOB) -> set[str]:
    """Every blob that the rows of the job name, after reading each of them."""
    store, row = shop.guard.store, job_row(shop, job)
    found = {row.baseline, *named_baselines(row), row.memory, row.pending} - {""}
    entries = entries_of(shop.guard, row)
    bodies = Bodies(store)
    for entry in entries:
        assert bodies.of(entry).body
    found |= {entry.pack for entry in entries}
    for halt in list_halts(shop.guard, job=job, all_states=True):
        assert halt_file.load(store, halt.findings).findings
        for version in range(1, halt.evidence + 1):
            assert halting.load_evidence(shop.guard, halt, version)
        halting.kept_of(shop.guard, halt)
        found |= {halt.findings, *halt.evidence_keys, (halt.earlier or {}).get("kept_in", "")}
    for check in index.all_rows(store, job, CHECK):
        assert get_json(store, check.body["readings"]) is not None
        found.add(check.body["readings"])
    for proposal in index.all_rows(store, job, PROPOSAL):
        stored = get_json(store, proposal.body["blob"])
        found |= {proposal.body["blob"], *(entry["pack"] for entry in stored["entries"])}
    for key in (named_baselines(row) | {row.baseline}) - {""}:
        load_baseline(store, key)
    assert {key for key in found - {""} if store.read(key) is None} == set()
    return found - {""}


def require_whole(shop: World, job: str = JOB) -> None:
    """Everything that is named is there, the ledgers are whole, and nothing waits to be removed."""
    named(shop, job)
    assert verify_store(shop.guard).faults == ()
    assert job_row(shop, job).forget == []


def unnamed(shop: World, job: str = JOB) -> set[str]:
    """The blobs of the job that nothing names, without the table that tells of them."""
    return {key for key in shop.guard.store.blobs(f"{job}/") if f"{job}/retention/" not in key} - named(shop, job)


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Dying:
    """A store whose process is killed before the write of this number; `seen` counts reads and writes by name."""

    store: Store
    before: int | None = None
    writes: int = 0
    seen: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)

        def call(*given: Any, **more: Any) -> Any:
            self.seen.append(name)
            if name in ("commit", "put_once", "forget"):
                if self.writes == self.before:
                    raise Killed
                self.writes += 1
            return method(*given, **more)

        return call


@dataclass
class Clock:
    """A clock of its own, so that every copy of the shop lives through the same days."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
