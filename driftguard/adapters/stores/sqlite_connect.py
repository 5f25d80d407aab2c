"""Makes the file of a SQLite store, and connections to it.

Rules:
- A new store is made whole under another name and then given its name: no process sees half a store,
  and of many that make it at once one alone wins.
- A connection never makes a file, so that a store which is gone is not taken for an empty one.
- What is deleted is overwritten with zeros (secure_delete), so that nothing of it can be read out of the file.
- What is committed is on the disk (write-ahead mode with synchronous=FULL), also after a loss of power.

Sources: sqlite.org/wal.html, sqlite.org/pragma.html.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from driftguard.adapters.stores import schema
from driftguard.adapters.stores.files import draft, place_once
from driftguard.errors import StoreUnavailable


def create_file(path: Path, busy_timeout: float) -> None:
    """Make an empty store (mode 0600, its folder 0700) unless there is one.

    Raises StoreUnavailable where the write-ahead log of an earlier store lies there; OSError, sqlite3.Error.
    """
    _refuse_orphaned_log(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with draft(path) as file:
        with closing(connect(file, busy_timeout)) as connection:
            use_wal(connection, path)
            schema.create(connection, schema.MIGRATIONS)
        place_once(file, path)


def _refuse_orphaned_log(path: Path) -> None:
    """SQLite would replay the log into the new file. Log first: another process makes the file before the log."""
    log = path.with_name(path.name + "-wal")
    if _holds_something(log) and not path.exists():
        raise StoreUnavailable(
            f"the store {path} is missing, but its write-ahead log {log} is there",
            "restore the store's file beside the log; to begin anew, move the log away",
        )


def connect(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """A connection to an existing file, usable from any one thread at a time; it begins no transaction by itself.

    A call on it waits at most `busy_timeout` seconds for other processes. Raises sqlite3.Error.
    """
    with ExitStack() as undo:
        connection = _connect(path, "mode=rw", busy_timeout)
        undo.callback(connection.close)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        undo.pop_all()
        return connection


def connect_to_read(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """As `connect`, for reads only: each statement sees what was committed last, and none changes the file.

    Closed last of all, it still brings the log into the file: it is for a store that is open to write as well.
    """
    with ExitStack() as undo:
        connection = connect(path, busy_timeout)
        undo.callback(connection.close)
        connection.execute("PRAGMA query_only = ON")
        undo.pop_all()
        return connection


def connect_to_read_only(path: Path, busy_timeout: float) -> tuple[sqlite3.Connection, bool]:
    """A connection that changes neither the file nor its log (mode=ro), not even when it is closed after a killed writer.

    SQLite makes the index of the log (-shm) and an empty log (-wal) where they are missing, and leaves them there; see
    `remove_empty_log`. Where it cannot make them, on a read-only disk or in somebody else's folder, and there is no
    log that holds anything, nobody works with the file, and it is read as it is (immutable=1): then the second value is
    true, and the file must not change meanwhile. Raises sqlite3.Error, also where a log is there and cannot be used.
    """
    try:
        connection = _connect(path, "mode=ro", busy_timeout)
        try:
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        except sqlite3.Error:
            connection.close()
            raise
        return connection, False
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        logs = [path.with_name(path.name + end) for end in ("-wal", "-journal")]
        if code not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN) or any(map(_holds_something, logs)):
            raise
    return _connect(path, "mode=ro&immutable=1", busy_timeout), True


def remove_empty_log(path: Path) -> None:
    """Have SQLite remove the empty log and the index that a reader left, unless somebody has the store open.

    A log that holds something stays as it is, with its index.
    """
    log = path.with_name(path.name + "-wal")
    if not log.exists() or _holds_something(log):
        return
    # One that may not write leaves the two files where they are: they hold nothing.
    with suppress(sqlite3.Error), closing(connect(path, busy_timeout=0)) as connection:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()


def _connect(path: Path, how: str, busy_timeout: float) -> sqlite3.Connection:
    with ExitStack() as undo:
        connection = sqlite3.connect(
            f"{path.as_uri()}?{how}", uri=True, timeout=busy_timeout, isolation_level=None, check_same_thread=False
        )
        undo.callback(connection.close)
        connection.execute("PRAGMA cell_size_check = ON")  # notices a damaged page before its content is used
        connection.execute("PRAGMA trusted_schema = OFF")
        undo.pop_all()
        return connection


def _holds_something(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False


def use_wal(connection: sqlite3.Connection, path: Path) -> None:
    """Switch the file to write-ahead mode, in which readers and a writer do not block each other."""
    if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise StoreUnavailable(f"the store {path} cannot use write-ahead mode", "put it on a local disk")


def empty_log(connection: sqlite3.Connection) -> bool:
    """Bring everything into the file and cut the write-ahead log to nothing; it keeps old pages until then.

    False where another process still reads from the log. Raises sqlite3.Error.
    """
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def state(path: Path) -> tuple[int, int, bool]:
    """What changes when somebody writes to the file, or is about to. Raises OSError."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size, _holds_something(path.with_name(path.name + "-wal"))


def identity(path: Path) -> tuple[int, int]:
    """Which file has this name now. Raises OSError."""
    status = path.stat()
    return status.st_dev, status.st_ino
