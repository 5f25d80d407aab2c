"""Gives orders to the processes of `worker.py`, and reads what they left in a store."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from driftguard.flow.canonical import canonical, fingerprint
from driftguard.flow.evidence import digest_of
from driftguard.flow.ledger import LedgerEntry, first_fault
from driftguard.flow.ports import Store
from driftguard.guard import index
from driftguard.guard.blobs import Bodies, load_baseline
from driftguard.guard.rows import HALT, JOB, JOB_ROW, LEDGER, OUTBOX, HaltRow, JobRow
from driftguard.sandbox import Sandbox
from tests.scenarios.places import Place, in_folder
from tests.world import JOB as SHOP

WORKER = Path(__file__).with_name("worker.py")


@dataclass
class Processes:
    """Starts processes that work on a store, against the sandbox: the one of `places` for the folder, else one in it."""

    server: subprocess.Popen[str]
    sandbox: Sandbox
    later: float = 0.0
    places: dict[Path, Place] = field(default_factory=dict)

    def place(self, folder: Path) -> Place:
        """Where the store is whose tickets lie in the folder."""
        return self.places.get(folder) or in_folder(folder)

    def at_once(self, folder: Path, *calls: dict[str, Any]) -> list[dict[str, Any]]:
        """Run the calls at once, each in a process; {"exit", "said"} of each, in their order."""
        store = {**asdict(self.place(folder)), "folder": str(folder), "arm": self.sandbox.endpoint, "later": self.later}
        assert self.server.stdin and self.server.stdout
        self.server.stdin.write(json.dumps([{"kill_before": None, **store, **call} for call in calls]) + "\n")
        self.server.stdin.flush()
        answers: list[dict[str, Any]] = json.loads(self.server.stdout.readline())
        return answers

    def call(self, folder: Path, **call: Any) -> dict[str, Any]:
        """One call in a process of its own."""
        return self.at_once(folder, call)[0]

    def advance(self, seconds: float) -> None:
        """Let time pass for the sandbox and for every process from now on."""
        self.sandbox.advance(seconds)
        self.later += seconds


@contextmanager
def processes(sandbox: Sandbox) -> Iterator[Processes]:
    """The worker, with everything imported; it is gone at the end."""
    root = WORKER.parents[2]
    with subprocess.Popen(
        [sys.executable, "-W", "error", str(WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"},
    ) as server:
        try:
            yield Processes(server, sandbox)
        finally:
            assert server.stdin
            server.stdin.close()


@dataclass(frozen=True)
class Left:
    """What a job's store holds, after checking that nothing in it is half done."""

    job: JobRow
    halts: tuple[HaltRow, ...]
    outbox: tuple[dict[str, Any], ...]
    recorded: dict[str, dict[str, Any]]  # resource key -> body


def left_in(folder: Path) -> Left:
    """Reads the store in the folder. Fails where the ledger, the baseline, a halt or an evidence is not whole."""
    return left_at(in_folder(folder))


def left_at(place: Place) -> Left:
    """As `left_in`, of a store anywhere."""
    with place.opened(create=False) as (store, _):
        row = store.get(SHOP, JOB, JOB_ROW)
        assert row is not None
        job = JobRow.from_body(row.body)
        chain = [LedgerEntry.from_dict(one.body) for one in index.all_rows(store, SHOP, LEDGER)]
        assert first_fault(chain, job.ledger_number, job.ledger_head) == ""
        halts = tuple(HaltRow.from_body(one.body) for one in index.all_rows(store, SHOP, HALT))
        assert [halt.id for halt in halts if not halt.final] == ([job.open_halt] if job.open_halt else [])
        for halt in halts:
            _require_evidence(store, halt)
        outbox = tuple(one.body for one in index.all_rows(store, SHOP, OUTBOX))
        return Left(job, halts, outbox, _bodies(store, job))


def _bodies(store: Store, job: JobRow) -> dict[str, dict[str, Any]]:
    """The recorded bodies, each as its fingerprint says."""
    baseline, bodies = load_baseline(store, job.baseline), Bodies(store)
    assert baseline.generation == job.generation
    snapshots = [bodies.of(entry) for entry in baseline.entries.values()]
    for snapshot in snapshots:
        assert fingerprint(canonical(snapshot.body, snapshot.ref.type)) == snapshot.fingerprint
    return {snapshot.ref.key: snapshot.body for snapshot in snapshots}


def _require_evidence(store: Store, halt: HaltRow) -> None:
    assert len(halt.evidence_keys) == halt.evidence
    data = store.read(halt.evidence_keys[-1])
    assert data is not None
    document = json.loads(data)
    assert (document["digest"], document["halt"]["digest"]) == (halt.evidence_digest, halt.digest)
    assert document["digest"] == digest_of(document)


def notes(folder: Path) -> list[Path]:
    """The notes on change tickets."""
    return sorted((folder / "tickets").rglob("*.md"))
