"""Commands as processes of their own, on a store and a sandbox that the test owns."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from driftguard.adapters.stores.sqlite import SqliteStore, open_sqlite
from driftguard.entry import cli
from driftguard.flow.ledger import LedgerEntry, first_fault
from driftguard.guard import index
from driftguard.guard.blobs import Bodies, load_baseline
from driftguard.guard.rows import HALT, JOB, JOB_ROW, LEDGER, HaltRow, JobRow
from driftguard.sandbox import SUBSCRIPTION, Sandbox

JOB_NAME = "shop-prod"
NETWORK = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-network/providers/Microsoft.Network"
NSG = f"{NETWORK}/networkSecurityGroups/nsg-web"
ROUTES = f"{NETWORK}/routeTables/rt-shop"
ANNA = "person-portal:anna@contoso.com"
_ROOT = Path(__file__).resolve().parents[2]
_POLICY = "version: 1\ndefaults: {stability_gap: 0s}\n"


def environment(folder: Path, sandbox: Sandbox) -> dict[str, str]:
    """The environment of a command that works in this folder."""
    policy = folder / "policy.yaml"
    if not policy.exists():
        policy.write_text(_POLICY)
    return {
        "PATH": os.environ["PATH"],
        "DRIFTGUARD_STORE": str(folder / "store.db"),
        "DRIFTGUARD_POLICY": str(policy),
        "DRIFTGUARD_ARM_ENDPOINT": sandbox.endpoint,
        "DRIFTGUARD_ARM_TOKEN": "pipeline",
        "DRIFTGUARD_LOG_LATENCY": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def here(environ: Mapping[str, str], *words: str) -> int:
    """Run a command in this process; its exit code."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return cli.run(words, environ)


def start(environ: Mapping[str, str], *words: str) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    return _popen(environ, [sys.executable, "-m", "driftguard", *words])


def start_killed(environ: Mapping[str, str], last: int, *words: str) -> subprocess.Popen[str]:
    """Start a command that dies before its write number `last`."""
    worker = Path(__file__).with_name("killed_worker.py")
    return _popen(environ, [sys.executable, str(worker), str(last), *words])


def _popen(environ: Mapping[str, str], command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, env={**environ, "PYTHONPATH": str(_ROOT)}, cwd=_ROOT, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a process, once it has ended."""
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@contextmanager
def opened(folder: Path) -> Iterator[SqliteStore]:
    """The store of a folder."""
    store = open_sqlite(folder / "store.db", create=False)
    try:
        yield store
    finally:
        store.close()


def job_in(store: SqliteStore) -> JobRow:
    """The job's row."""
    row = store.get(JOB_NAME, JOB, JOB_ROW)
    assert row is not None
    return JobRow.from_body(row.body)


def halts_in(store: SqliteStore) -> list[HaltRow]:
    """Every halt of the job."""
    return [HaltRow.from_body(row.body) for row in index.all_rows(store, JOB_NAME, HALT)]


def assert_whole(store: SqliteStore, resources: int) -> None:
    """The baseline that the job names can be read to the last body, and its ledger is whole."""
    job = job_in(store)
    baseline = load_baseline(store, job.baseline)
    bodies = Bodies(store)
    assert baseline.generation == job.generation and len(baseline.entries) == resources
    for entry in baseline.entries.values():
        assert bodies.of(entry).body["id"].lower() == entry.ref.key
    ledger = [LedgerEntry.from_dict(row.body) for row in index.all_rows(store, JOB_NAME, LEDGER)]
    assert first_fault(ledger, job.ledger_number, job.ledger_head) == ""


def open_a_port(sandbox: Sandbox) -> None:
    """A person opens a port in the portal."""
    rule = {
        "protocol": "Tcp", "access": "Allow", "direction": "Inbound", "priority": 310, "destinationPortRange": "22",
        "sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefix": "*",
    }  # fmt: skip
    sandbox.put(f"{NSG}/securityRules/emergency", {"properties": rule}, as_=ANNA)


def notes_in(folder: Path) -> list[Path]:
    """The notes on tickets."""
    return sorted((folder / "tickets").rglob("*.md"))
