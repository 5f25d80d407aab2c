"""The steps that the stories are told in: who does what to the shop's network, and what a reviewer then says.

Time stands still between two steps unless a story lets it pass, so that every story runs the same each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from driftguard.adapters.readers.arm import ArmReader
from driftguard.adapters.sources.activity_log import ActivityLog
from driftguard.flow.halt import Decision
from driftguard.flow.ledger import LedgerEntry, first_fault
from driftguard.flow.review import Person
from driftguard.guard.blobs import load_baseline
from driftguard.guard.check import Answer
from driftguard.guard.index import all_rows
from driftguard.guard.record import Naming, Recorded
from driftguard.guard.review import Confirming, Deciding, confirm, decide, list_halts
from driftguard.guard.rows import LEDGER, HaltRow, JobRow
from driftguard.guard.work import Work
from driftguard.sandbox import Sandbox
from tests.world import DANA, JOB, NETWORK, PROVIDERS, VNET, World, world

START = datetime(2026, 3, 2, 2, 0, 0, 300_000, tzinfo=UTC)  # not a whole second: ARM's Date header is one
NAT = f"{PROVIDERS}/natGateways/nat-shop"
ROB = Person("rob@contoso.com", asserted=True)  # who changes things by hand in the sandbox
SHOP_DNS, ROBS_DNS = "10.20.0.10", "10.20.0.99"
PIPELINE_IS_KNOWN = 'principals: [{app_id: "aaaaaaaa-0001-4000-8000-000000000001", label: release pipeline}]'
BOTH = Naming(resources=(VNET, NAT))
GROUP = Naming(scopes=(NETWORK,))


@contextmanager
def story(folder: Path, *, log_latency: float = 0.0) -> Iterator[World]:
    """A world whose clock moves only when it is told to; its Activity Log tells everything `log_latency` seconds late."""
    with over(Sandbox(now=lambda: START, log_latency=log_latency), folder, log_latency) as telling:
        yield telling


@contextmanager
def over(sandbox: Sandbox, folder: Path, log_latency: float) -> Iterator[World]:
    """A world over this sandbox that knows how late its log is."""
    with world(folder, sandbox=sandbox) as telling:
        reader = telling.guard.reader
        assert isinstance(reader, ArmReader)
        source = ActivityLog(reader.client, telling.guard.clock, timedelta(seconds=log_latency))
        telling.guard = replace(telling.guard, sources=(source,))
        yield telling


def set_dns(telling: World, server: str, as_: str = "person-portal") -> None:
    """Somebody gives the virtual network this DNS server, one minute after whatever happened before."""
    telling.advance(minutes=1)
    telling.sandbox.patch(VNET, {"properties": {"dhcpOptions": {"dnsServers": [server]}}}, as_=as_)
    telling.advance(minutes=1)


def set_timeout(telling: World, minutes: int, as_: str = "person-portal") -> None:
    """Somebody gives the NAT gateway this idle timeout."""
    telling.advance(minutes=1)
    telling.sandbox.patch(NAT, {"properties": {"idleTimeoutInMinutes": minutes}}, as_=as_)
    telling.advance(minutes=1)


def deploy(telling: World, *resources: str, name: str = "release", **changed: Any) -> str:
    """The pipeline deploys these resources as they are, with `changed` properties; the id of the deployment."""
    bodies: list[dict[str, Any]] = []
    for resource in resources:
        live = telling.sandbox.get(resource) or {}
        kept: dict[str, Any] = {key: live[key] for key in ("location", "tags", "sku") if key in live}
        properties: dict[str, Any] = {**live.get("properties", {}), **changed}
        bodies.append({"id": resource, **kept, "properties": properties})
    telling.advance(minutes=1)
    deployment = telling.sandbox.deploy(name, bodies)
    telling.advance(minutes=1)
    return str(deployment["id"])


def decided(telling: World, halt: HaltRow | None, decision: Decision, by: Person = DANA, **more: Any) -> HaltRow:
    """A reviewer decides on the halt."""
    assert halt is not None
    return decide(telling.guard, Deciding(halt.id, decision, "agreed in the change board", by, **more))


def confirmed(telling: World, halt: HaltRow, in_code: str = "0ddba11", by: Person = DANA, **more: Any) -> HaltRow:
    """A reviewer confirms that the kept change is in the code."""
    return confirm(telling.guard, Confirming(halt.id, in_code, by, **more))


def cleared(answer: Answer) -> str:
    """The clearance of an answer that lets the run go on."""
    assert answer.exit_code == 0, answer.why
    assert answer.clearance
    return answer.clearance


def halted(answer: Answer) -> HaltRow:
    """The halt of an answer that stops the run."""
    assert answer.exit_code == 1, answer.why
    assert answer.halt is not None and answer.clearance is None
    return answer.halt


def held(recorded: Recorded) -> HaltRow:
    """The halt that a record opened."""
    assert recorded.exit_code == 1
    assert recorded.halt is not None
    return recorded.halt


def stored_halt(telling: World, halt: HaltRow) -> HaltRow:
    """The halt as it stands in the store now."""
    return next(one for one in list_halts(telling.guard, job=halt.job, all_states=True) if one.id == halt.id)


def job_row(telling: World, job: str = JOB) -> JobRow:
    """The job's row."""
    return Work(telling.guard.store, job, telling.guard.clock.now()).job


def recorded_fingerprints(telling: World, job: str = JOB) -> dict[str, str]:
    """The recorded fingerprint of each resource of the job, by key."""
    baseline = load_baseline(telling.guard.store, job_row(telling, job).baseline)
    return {key: entry.fingerprint for key, entry in baseline.entries.items()}


def ledger(telling: World, job: str = JOB) -> list[str]:
    """The events of the job's ledger, after checking that the chain is whole."""
    entries = [LedgerEntry.from_dict(row.body) for row in all_rows(telling.guard.store, job, LEDGER)]
    row = job_row(telling, job)
    assert first_fault(entries, row.ledger_number, row.ledger_head) == ""
    return [entry.event for entry in entries]
