"""The tables of a SQLite store, and how an earlier store becomes one of today.

Rules:
- MIGRATIONS is the history: step n turns schema n into schema n + 1, and is never edited after a release.
  A new store is an empty file that takes every step.
- All steps that a store lacks are taken in one transaction: a store has the old schema or the new one.
- A store of a newer schema is refused, never guessed at; so is a file that is no store.

Tables: `meta` (facts about the store itself), `rows` (body is JSON text, version is unique in the store), `blobs`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from driftguard.adapters.stores.sqlite_errors import damaged
from driftguard.errors import BadConfiguration

Step = Callable[[sqlite3.Connection], None]


def _create_tables(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)")
    connection.execute("INSERT INTO meta VALUES ('schema', '0'), ('last-version', '0')")
    connection.execute(
        "CREATE TABLE rows (partition TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,"
        " version TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (partition, kind, id))"
    )
    connection.execute("CREATE TABLE blobs (key TEXT NOT NULL PRIMARY KEY, data BLOB NOT NULL)")


MIGRATIONS: tuple[Step, ...] = (_create_tables,)


def create(connection: sqlite3.Connection, steps: Sequence[Step] = MIGRATIONS) -> None:
    """Make the tables in an empty database. Raises sqlite3.Error."""
    _take(connection, steps, have=0)


def migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[Step] = MIGRATIONS) -> int:
    """Bring the store to the newest schema and return its number.

    Raises BadConfiguration for a store of a newer schema and for a database that is no store,
    StoreUnavailable for a damaged one, sqlite3.Error.
    """
    if _known_schema(connection, path, steps) < len(steps):
        try:
            connection.execute("BEGIN IMMEDIATE")
            # Asked again: another process may have taken the steps while this one waited for the lock.
            _take(connection, steps, have=_known_schema(connection, path, steps))
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    return len(steps)


def schema_of(connection: sqlite3.Connection, path: Path) -> int:
    """The store's schema number. Raises as `migrate`."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'").fetchone():
        raise BadConfiguration(
            f"{path} is not a Drift Guard store",
            "check the path; if the file was a store once, restore it from a backup; else remove the file",
        )
    row = connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
    if row is None or not str(row[0]).isdecimal():
        raise damaged(path)
    return int(row[0])


def _known_schema(connection: sqlite3.Connection, path: Path, steps: Sequence[Step]) -> int:
    have = schema_of(connection, path)
    if have > len(steps):
        raise BadConfiguration(
            f"the store {path} has schema {have}, this Drift Guard knows schemas up to {len(steps)}",
            "use the newer version of Drift Guard that wrote it, or restore a backup from before that upgrade",
        )
    return have


def _take(connection: sqlite3.Connection, steps: Sequence[Step], *, have: int) -> None:
    for step in steps[have:]:
        step(connection)
    connection.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (str(len(steps)),))
