"""The store on a local disk: one SQLite file in write-ahead mode, for many threads and processes at once.

Rules:
- A commit is one transaction, on the disk before the call returns; a killed process leaves all of it or none.
- Writers wait for each other up to the busy timeout; then the store is unavailable and nothing was written.
- Reads have a connection of their own: they wait for no writer, nor for what a writer waits for.
- A row's version is taken from a counter of the whole store that never goes back: it does not repeat, not even after
  a delete and a new create.
- A file that was moved, removed or replaced while it is open is refused: what is written to it would be lost.
- A store that a newer Drift Guard migrated while it is open takes no more writes.
- What is forgotten is overwritten in the file and in its log, not only left out of it.
- A store that becomes an unfinished copy while it is open takes no more reads and writes.
- Opened to be read only, neither the file nor a log that holds something is changed, also not after a killed writer; no newer
  schema. SQLite needs an index of the log (-shm) beside it, and keeps it where there is a log. A read-only disk will do.
- Open the store in the process that uses it: a connection does not survive a fork (sqlite.org/howtocorrupt.html).
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import threading
from builtins import list as List  # the port has a method `list`, which hides the type in the class body
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from driftguard.adapters.stores import limits, schema
from driftguard.adapters.stores.sqlite_connect import (
    connect,
    connect_to_read,
    connect_to_read_only,
    create_file,
    empty_log,
    identity,
    remove_empty_log,
    state,
    use_wal,
)
from driftguard.adapters.stores.sqlite_errors import damaged, store_errors
from driftguard.adapters.stores.unfinished import KIND, PARTITION, ROW, refuse_unfinished_row
from driftguard.errors import BadConfiguration, Conflict, StoreUnavailable, WrongUse
from driftguard.flow.ports import Delete, Put, Row, Store, Write

BUSY_TIMEOUT = 20.0


class _Side:
    """One of the two connections, None once it is closed, and the turn that threads take on it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection: sqlite3.Connection | None = connection
        self.turn = threading.RLock()


class SqliteStore(Store):
    """The port `Store` on one SQLite file; made by `open_sqlite`. Threads may share it: readers take turns, and so do writers.

    Every call raises StoreUnavailable where the file is locked, full, damaged or out of reach,
    and WrongUse for names outside the limits (see limits.py).
    """

    def __init__(
        self,
        path: Path,
        writing: sqlite3.Connection,
        reading: sqlite3.Connection,
        schema_number: int,
        *,
        unfinished: bool = False,
        is_alone: bool = False,
        read_only: bool = False,
    ) -> None:
        self.path = path
        self._reading = _Side(reading)
        self._writing = _Side(writing)
        self._schema = schema_number
        self._unfinished = unfinished
        self._is_alone = is_alone
        self._read_only = read_only
        self._file = self._file_now()

    def get(self, partition: str, kind: str, row_id: str) -> Row | None:
        limits.check_names(partition=partition, kind=kind, id=row_id)
        query = "SELECT kind, id, version, body FROM rows WHERE partition = ? AND kind = ? AND id = ?"
        with self._open_to_read() as connection:
            found = connection.execute(query, (partition, kind, row_id)).fetchone()
        return self._row(found) if found else None

    def list(self, partition: str, kind: str, *, after: str = "", limit: int = 1000) -> List[Row]:
        limits.check_names(partition=partition, kind=kind)
        limits.check_bound("start of the list", after)
        limits.check_limit(limit)
        query = (
            "SELECT kind, id, version, body FROM rows WHERE partition = ? AND kind = ? AND id > ? ORDER BY id LIMIT ?"
        )
        with self._open_to_read() as connection:
            found = connection.execute(query, (partition, kind, after, limit)).fetchall()
        return [self._row(row) for row in found]

    def version(self, partition: str, kind: str, row_id: str) -> str | None:
        limits.check_names(partition=partition, kind=kind, id=row_id)
        query = "SELECT version FROM rows WHERE partition = ? AND kind = ? AND id = ?"
        with self._open_to_read() as connection:
            found = connection.execute(query, (partition, kind, row_id)).fetchone()
        return str(found[0]) if found else None

    def partitions(self) -> List[str]:
        with self._open_to_read() as connection:
            return [name for (name,) in connection.execute("SELECT DISTINCT partition FROM rows ORDER BY partition")]

    def kinds(self, partition: str) -> List[str]:
        limits.check_names(partition=partition)
        query = "SELECT DISTINCT kind FROM rows WHERE partition = ? ORDER BY kind"
        with self._open_to_read() as connection:
            return [kind for (kind,) in connection.execute(query, (partition,))]

    def commit(self, partition: str, writes: Sequence[Write]) -> dict[tuple[str, str], str]:
        limits.check_names(partition=partition)
        limits.check_writes(writes)
        puts = [(put.kind, put.id, limits.body_text(put.kind, put.id, put.body)) for put in _only_puts(writes)]
        if not writes:
            return {}
        with self._transaction() as connection:
            for write in writes:
                _refuse_stale(connection, partition, write)
            version = self._next_version(connection)
            for delete in _only_deletes(writes):
                connection.execute(
                    "DELETE FROM rows WHERE partition = ? AND kind = ? AND id = ?", (partition, delete.kind, delete.id)
                )
            connection.executemany(
                "INSERT OR REPLACE INTO rows (partition, kind, id, version, body) VALUES (?, ?, ?, ?, ?)",
                [(partition, kind, row_id, version, body) for kind, row_id, body in puts],
            )
        return {(kind, row_id): version for kind, row_id, _ in puts}

    def put_once(self, key: str, data: bytes) -> bool:
        limits.check_blob(key, data)
        with self._transaction() as connection:
            new = connection.execute("INSERT OR IGNORE INTO blobs (key, data) VALUES (?, ?)", (key, data))
            return new.rowcount == 1

    def read(self, key: str) -> bytes | None:
        limits.check_key(key)
        with self._open_to_read() as connection:
            found = connection.execute("SELECT data FROM blobs WHERE key = ?", (key,)).fetchone()
        return bytes(found[0]) if found else None

    def blobs(self, prefix: str) -> List[str]:
        limits.check_bound("prefix", prefix)
        with self._open_to_read() as connection:
            # Not LIKE: in it, % and _ are wildcards. In order of code points the keys of one prefix stand together.
            found = connection.execute("SELECT key FROM blobs WHERE key >= ? ORDER BY key", (prefix,))
            keys = list(itertools.takewhile(lambda key: key.startswith(prefix), (key for (key,) in found)))
            found.close()
        return keys

    def forget(self, keys: Sequence[str]) -> bool:
        for key in keys:
            limits.check_key(key)
        with self._transaction() as connection:
            connection.executemany("DELETE FROM blobs WHERE key = ?", [(key,) for key in keys])
        with self._open() as connection:
            return empty_log(connection)

    def meta(self, prefix: str) -> dict[str, str]:
        """The facts about the store itself whose name starts with `prefix`, with their values."""
        with self._open_to_read() as connection:
            found = connection.execute("SELECT name, value FROM meta").fetchall()
        return {name: value for name, value in found if name.startswith(prefix)}

    def update_meta(self, change: Callable[[], Mapping[str, str]]) -> None:
        """Call `change` while no other process can write to the store, and keep the facts that it returns.

        One transaction: an error in `change` leaves the facts as they were.
        """
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", list(change().items()))

    def close(self) -> None:
        for side in (self._reading, self._writing):  # the last one to close cuts the log, and must be able to write
            with side.turn, store_errors(self.path):
                if side.connection is not None:
                    side.connection.close()
                    side.connection = None
        if self._read_only:
            remove_empty_log(self.path)

    @contextmanager
    def _open_to_read(self) -> Iterator[sqlite3.Connection]:
        """The connection for reads, for this thread alone."""
        with self._reading.turn, store_errors(self.path):
            connection = self._still_there(self._reading)
            self._refuse_unfinished(connection)
            yield connection

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The connection for writes, for this thread alone."""
        with self._writing.turn, store_errors(self.path):
            yield self._still_there(self._writing)

    def _still_there(self, side: _Side) -> sqlite3.Connection:
        """The connection, if it is open and still leads to the file of that name. Called in turn."""
        if side.connection is None:
            raise WrongUse(f"the store {self.path} was closed", "open it again")
        if self._file_now() != self._file:
            raise StoreUnavailable(
                f"the store {self.path} was replaced{' or changed' if self._is_alone else ''} while it was open",
                "start again, so that the file that now has this name is used",
            )
        return side.connection

    def _file_now(self) -> tuple[object, ...]:
        """What must stay the same: which file it is; where nobody else may work with it, also what is in it."""
        return (identity(self.path), state(self.path)) if self._is_alone else (identity(self.path),)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """The connection in a transaction that no other writer is in: kept where the block ends well, else undone."""
        with self._open() as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                self._refuse_other_schema(connection)
                self._refuse_unfinished(connection)
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _refuse_other_schema(self, connection: sqlite3.Connection) -> None:
        now = schema.schema_of(connection, self.path)
        if now != self._schema:
            raise BadConfiguration(
                f"the store {self.path} went from schema {self._schema} to {now} while it was open",
                "start again with the version of Drift Guard that migrated it",
            )

    def _refuse_unfinished(self, connection: sqlite3.Connection) -> None:
        """Asked with each call: a copy into this store may have begun since it was opened."""
        if self._unfinished:
            return
        query = "SELECT kind, id, version, body FROM rows WHERE partition = ? AND kind = ? AND id = ?"
        found = connection.execute(query, (PARTITION, KIND, ROW)).fetchone()
        refuse_unfinished_row(self._row(found) if found else None, str(self.path))

    def _next_version(self, connection: sqlite3.Connection) -> str:
        connection.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'last-version'")
        found = connection.execute("SELECT value FROM meta WHERE name = 'last-version'").fetchone()
        if found is None:
            raise damaged(self.path)
        return str(found[0])

    def _row(self, found: tuple[str, str, str, str]) -> Row:
        kind, row_id, version, text = found
        try:
            body = json.loads(text)
        except (TypeError, ValueError, RecursionError):
            raise damaged(self.path) from None  # the cause could quote the body
        if not isinstance(body, dict):
            raise damaged(self.path)
        return Row(kind, row_id, version, body)


def open_sqlite(
    path: Path,
    *,
    create: bool = True,
    busy_timeout: float = BUSY_TIMEOUT,
    unfinished: bool = False,
    read_only: bool = False,
) -> SqliteStore:
    """Open the store at `path`, and make it (mode 0600, with its folder) where there is none and `create` is true.

    `busy_timeout` is how many seconds a call waits for other writers; `unfinished` opens the unfinished copy of another
    store too, which only the copy itself works with. `read_only` changes neither the file nor a log that holds something,
    unless its schema is an earlier one; beside such a log SQLite leaves its index (-shm), and a killed reader an empty log.
    Raises BadConfiguration where there is no store, the path is a folder or another kind of file, the store is an
    unfinished copy, or its schema is newer than this code; StoreUnavailable where the store is locked, damaged or out of reach.
    """
    path = path.absolute()
    with store_errors(path), ExitStack() as undo:
        if path.is_dir():
            raise BadConfiguration(f"the store {path} is a folder", "name a file in it, such as store.db")
        if not path.exists():
            if not create:
                raise BadConfiguration(f"there is no store {path}", "name the store that `record` writes to")
            create_file(path, busy_timeout)
        if read_only and (as_it_is := _as_it_is(path, busy_timeout)):
            return as_it_is
        connection = connect(path, busy_timeout)
        undo.callback(connection.close)
        schema.schema_of(connection, path)  # before the file is touched: it may be no store
        use_wal(connection, path)
        schema_number = schema.migrate(connection, path, schema.MIGRATIONS)
        reading = connect_to_read(path, busy_timeout)
        undo.callback(reading.close)
        store = SqliteStore(path, connection, reading, schema_number, unfinished=unfinished)
        store.version(PARTITION, KIND, ROW)  # refuses an unfinished copy
        reading.execute("PRAGMA shrink_memory")  # what was read for this hides no damage from a later call
        undo.pop_all()
        return store


def _as_it_is(path: Path, busy_timeout: float) -> SqliteStore | None:
    """The store, only to be read; None where its schema is not today's, which the ordinary way then sees to."""
    with ExitStack() as undo:
        (writing, is_alone), (reading, _) = (connect_to_read_only(path, busy_timeout) for _ in range(2))
        for connection in (writing, reading):
            undo.callback(connection.close)
        number = schema.schema_of(reading, path)
        if number != len(schema.MIGRATIONS):
            return None
        store = SqliteStore(path, writing, reading, number, is_alone=is_alone, read_only=True)
        store.version(PARTITION, KIND, ROW)  # refuses an unfinished copy
        undo.pop_all()
        return store


def _only_puts(writes: Sequence[Write]) -> List[Put]:
    return [write for write in writes if isinstance(write, Put)]


def _only_deletes(writes: Sequence[Write]) -> List[Delete]:
    return [write for write in writes if isinstance(write, Delete)]


def _refuse_stale(connection: sqlite3.Connection, partition: str, write: Write) -> None:
    query = "SELECT version FROM rows WHERE partition = ? AND kind = ? AND id = ?"
    found = connection.execute(query, (partition, write.kind, write.id)).fetchone()
    current = found[0] if found else None
    # Compared here, not in SQL: an expected version may come from a caller's If-Match and be any text.
    if current != write.expected:
        raise Conflict(
            f"the row {write.kind} {write.id!r} of {partition!r} changed since it was read", "read it again and repeat"
        )
