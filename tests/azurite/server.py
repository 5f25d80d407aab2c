"""Azurite, Microsoft's emulator of Azure Storage, for the tests: the real SDKs over real HTTP, on free ports of loopback.

Rules:
- What it holds lives in memory and ends with it. It is started once for a session (and worker) of tests: a test takes names
  of its own (`new_name`).
- Without Node.js 20, or without what `make test` installs into node_modules/, the tests that ask for it skip and say why.
- The product's own names for things are used: `Azurite.store()` is what DRIFTGUARD_STORE takes, `connection` what
  DRIFTGUARD_STORE_CONNECTION takes.

Account and key are the published ones of the emulator: learn.microsoft.com/azure/storage/common/storage-use-azurite.
"""

from __future__ import annotations

import itertools
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
SCRIPT = FOLDER / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
INSTALLED = FOLDER / "node_modules" / ".package-lock.json"  # npm writes it last
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_STARTS_WITHIN = 30.0
_OLDEST_NODE = 20


@dataclass
class Azurite:
    """A running emulator."""

    blob_port: int
    table_port: int
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def blob_endpoint(self) -> str:
        """Where blobs are, without a last slash."""
        return f"http://127.0.0.1:{self.blob_port}/{ACCOUNT}"

    @property
    def table_endpoint(self) -> str:
        """Where tables are, without a last slash."""
        return f"http://127.0.0.1:{self.table_port}/{ACCOUNT}"

    @property
    def connection(self) -> str:
        """The connection string."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.blob_endpoint};TableEndpoint={self.table_endpoint};"
        )

    def new_name(self) -> str:
        """A name that no other test has: good for a store, a table and a container."""
        return f"t{next(self._numbers):05d}"

    def store(self, name: str | None = None) -> str:
        """The address of a store that no other test has, or of the one of this name."""
        return f"azure://{ACCOUNT}/{name or self.new_name()}"


def why_not() -> str:
    """Why it cannot be started here; empty where it can."""
    if _node() is None:
        return "no node: install Node.js 20 or later, or run the tests by `make test`"
    if not (SCRIPT.is_file() and INSTALLED.is_file()):
        return "Azurite is not installed, or only in part: run `make test`, or `npm ci` in tests/azurite"
    return ""


@contextmanager
def running_azurite() -> Iterator[Azurite]:
    """An emulator that ends with the block. Skips the test where it cannot be started."""
    if reason := why_not():
        pytest.skip(reason)
    blob, queue, table = _free_ports(3)
    options = ["--silent", "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"]
    ports = ["--blobPort", str(blob), "--queuePort", str(queue), "--tablePort", str(table)]
    node = _node()
    assert node is not None
    process = subprocess.Popen([node, str(SCRIPT), *options, *ports], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _wait_for(process, (blob, table))
        yield Azurite(blob, table)
    finally:
        process.terminate()
        process.communicate()


def _node() -> str | None:
    """Node.js 20 or later: the one that `make test` installed as a Python package, else the system's."""
    found = (shutil.which("node", path=str(Path(sys.executable).parent)), shutil.which("node"))
    return next((node for node in found if node and _major(node) >= _OLDEST_NODE), None)


@cache
def _major(node: str) -> int:
    """The first number of its version; 0 where it does not tell one."""
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.match(r"v(\d+)\.", told)
    return int(version[1]) if version else 0


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait_for(process: subprocess.Popen[bytes], ports: tuple[int, ...]) -> None:
    until = time.monotonic() + _STARTS_WITHIN
    for port in ports:
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"Azurite ended: {(process.communicate()[1] or b'').decode(errors='replace')[:500]}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
