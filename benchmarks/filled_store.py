"""A store with as many resources and halts as are asked for, written through the guard's own transactions.

Every halt has findings, evidence that the ledger knows, and a note in the outbox; the last one of each job is open. Bodies
are of a few hundred bytes, and one in seven is written in another alphabet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from driftguard.flow.evidence import SCHEMA, digest_of, to_bytes
from driftguard.flow.halt import State
from driftguard.flow.moment import to_text
from driftguard.flow.ports import Store
from driftguard.flow.reading import ETags
from driftguard.flow.record import Baseline, Entry, Snapshot
from driftguard.flow.resource import parse_ref
from driftguard.guard import index
from driftguard.guard.blobs import put_named, put_pack
from driftguard.guard.neighbours import scope_of
from driftguard.guard.rows import CHECK, HaltRow
from driftguard.guard.work import Work

JOBS = 4
_TENANT = "00000000-0000-4000-8000-000000000001"
_SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"


def fill(store: Store, resources: int, halts: int, now: datetime) -> None:
    """Write them, spread over JOBS jobs, at the time `now`."""
    for number in range(JOBS):
        job = f"payments-{number}"
        _record(store, job, _snapshots(number, range(number, resources, JOBS), now), now)
        mine = range(number, halts, JOBS)
        for halt in mine:
            _halt(store, job, halt, now, is_open=halt == mine[-1])


def _snapshots(number: int, resources: Sequence[int], now: datetime) -> list[Snapshot]:
    return [_snapshot(number, resource, now) for resource in resources]


def _snapshot(number: int, resource: int, now: datetime) -> Snapshot:
    group = f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/rg-payments-{number}"
    ref = parse_ref(f"{group}/providers/Microsoft.Network/virtualNetworks/vnet-{resource:05d}")
    note = "Zahlungsverkehr für München – 東京" if resource % 7 == 0 else "payments"
    digest = hashlib.sha256(str(resource).encode()).hexdigest()
    properties = {
        "addressSpace": {"addressPrefixes": [f"10.{resource % 250}.0.0/16"]},
        "dhcpOptions": {"dnsServers": [f"10.{resource % 250}.0.10"]},
        "resourceGuid": digest[:32],
    }
    body = {"location": "westeurope", "tags": {"note": note, "owner": digest}, "properties": properties}
    return Snapshot(ref, "2024-05-01", ETags(f'W/"{digest[:8]}"'), digest, now, body)


def _record(store: Store, job: str, snapshots: list[Snapshot], now: datetime) -> None:
    pack = f"{job}/pack/r-1"
    put_pack(store, pack, snapshots)
    entries = {one.ref.key: Entry.of(one, pack=pack, line=line) for line, one in enumerate(snapshots)}
    index.add(store, index.SCOPES, {(scope_of(one.ref), job) for one in snapshots}, now)
    work = Work(store, job, now)
    baseline = Baseline(job, 1, now, "pipeline", "1", None, entries)
    work.job.tenant, work.job.generation, work.job.baseline_at = _TENANT, 1, to_text(now)
    work.job.baseline = put_named(store, f"{job}/baseline/000001-r-1", baseline.to_dict())
    work.log("first record", generation=1, resources=len(entries))
    work.commit()


def _halt(store: Store, job: str, number: int, now: datetime, *, is_open: bool) -> None:
    identity = f"h-{number:012x}"
    digest = hashlib.sha256(identity.encode()).hexdigest()
    document = {"schema": SCHEMA, "job": job, "halt": {"id": identity, "digest": digest}, "findings": [digest] * 8}
    document["digest"] = digest_of(document)
    evidence = str(document["digest"])
    key = f"{job}/evidence/{identity}/0001-{evidence[-12:]}"
    store.put_once(key, to_bytes(document))
    work = Work(store, job, now)
    halt = HaltRow(
        id=identity,
        job=job,
        generation=1,
        digest=digest,
        attempt=1,
        state=State.OPEN if is_open else State.RESOLVED,
        opened_at=to_text(now),
        cause="drift",
        run=str(number),
        ticket=f"CHG{number:07d}",
        started_by={"name": "dana@contoso.com", "asserted": True},
        findings=put_named(store, f"{job}/halts/{identity}/1", [digest, number]),
        evidence=1,
        evidence_digest=evidence,
        summary=[{"resource": f"vnet-{number:05d}", "paths": ["properties.dhcpOptions.dnsServers"]}],
        evidence_keys=[key],
    )
    work.job.halts += 1
    work.put_new(CHECK, f"c-{number:012x}", {"run": str(number), "verdict": "halt", "halt": identity})
    work.tell(halt, "halted", ["file"])
    work.log("halted", halt=identity, evidence=evidence)
    work.commit()
