"""The command line as somebody calls it: `driftguard.entry.cli.run` over the sandbox, with a store of its own."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from driftguard.entry.cli import run
from driftguard.sandbox import Sandbox

# No waiting: one second reading at once, nothing to settle, nobody known to be the author.
POLICY = "version: 1\ndefaults: {stability_gap: 0s, settle: 0s, unknown_author: allow}\n"


@dataclass(frozen=True)
class Ran:
    """What a call left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """The one JSON object on the standard output. Raises ValueError where it is none."""
        told = json.loads(self.out)
        assert isinstance(told, dict)
        return told


@dataclass
class Shop:
    """A folder, a sandbox and an environment; everything that was ever printed is kept in `told`."""

    folder: Path
    sandbox: Sandbox
    capture: pytest.CaptureFixture[str]
    environ: dict[str, str]
    told: list[str] = field(default_factory=list)

    def __call__(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Ran:
        """Run one command; `environ` is added to the shop's own."""
        self.capture.readouterr()
        code = run(arguments, self.environ | dict(environ or {}))
        printed = self.capture.readouterr()
        self.told += [printed.out, printed.err]
        return Ran(code, printed.out, printed.err)

    @property
    def store(self) -> Path:
        return self.folder / "store.db"

    def written(self) -> dict[str, Any]:
        """Everything in the folder but SQLite's own bookkeeping: the rows and blobs of the store, the bytes of all files."""
        kept: dict[str, Any] = {"store": contents(self.store)}
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and not path.name.startswith("store.db") and "api-versions" not in path.parts:
                kept[str(path.relative_to(self.folder))] = path.read_bytes()
        return kept


@contextmanager
def cli_shop(folder: Path, capture: pytest.CaptureFixture[str], sandbox: Sandbox | None = None) -> Iterator[Shop]:
    """A shop whose commands reach the sandbox; the policy waits for nothing."""
    with sandbox or Sandbox() as box:
        (folder / "policy.yaml").write_text(POLICY)
        environ = {
            "DRIFTGUARD_STORE": str(folder / "store.db"),
            "DRIFTGUARD_POLICY": str(folder / "policy.yaml"),
            "DRIFTGUARD_ARM_ENDPOINT": box.endpoint,
            "DRIFTGUARD_ARM_TOKEN": "pipeline",
            "DRIFTGUARD_READ_TIMEOUT": "5",
            "DRIFTGUARD_LOG_LATENCY": "0",
        }
        yield Shop(folder, box, capture, environ)


def contents(store: Path) -> list[tuple[Any, ...]] | None:
    """All rows and blobs of a store, and its facts about itself; None where there is none, or no readable one."""
    if not store.exists():
        return None
    with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return [(table, *row) for table in sorted(tables) for row in connection.execute(f"SELECT * FROM {table}")]
        except sqlite3.DatabaseError:
            return None
