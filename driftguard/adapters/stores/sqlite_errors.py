"""Says what SQLite or the file system refused, with the store's path and what to check.

Rules:
- Every sqlite3.Error and OSError becomes StoreUnavailable: safe to try again, and nothing proceeds meanwhile.
- A message holds SQLite's name of the error, never its text: the text may quote stored data.
- Where the disk is, or may be, full the remedy says to free space.

Source of the codes: sqlite.org/rescode.html.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from driftguard.errors import StoreUnavailable

_LOCKED = (
    "is locked by another process",
    "try again; if it stays locked, find the process that holds the file open and let it end",
)
_READ_ONLY = (
    "cannot be written",
    "check the permissions of the file and of its folder, and that its disk is not mounted read-only",
)
_DAMAGED = (
    "is damaged or no store",
    "keep the file aside and restore the store and its key file from a backup; "
    "check that the path names a Drift Guard store",
)
_FULL = ("has no space left", "free space on its disk, then try again; nothing was written")
_UNWRITTEN = (
    "could not be written",
    "free space on its disk, then try again; where there is space, check the disk and the limits of this process; "
    "nothing was written",
)
# Extended codes that a full disk (or a limit on the size of files) causes in write-ahead mode, before SQLITE_FULL.
_EXTENDED: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_IOERR_WRITE: _UNWRITTEN,
    sqlite3.SQLITE_IOERR_FSYNC: _UNWRITTEN,
    sqlite3.SQLITE_IOERR_SHMSIZE: _UNWRITTEN,
    sqlite3.SQLITE_IOERR_SHMOPEN: _UNWRITTEN,
    sqlite3.SQLITE_IOERR_SHMMAP: _UNWRITTEN,
}
_REASONS: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        "check that the file exists, and that the file and its folder can be read and written",
    ),
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written",
        "check its disk and that it has free space; it must be a local one, not a network share",
    ),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}
_OTHER = ("failed", "check the file with `PRAGMA integrity_check`; if it is damaged, restore it from a backup")


def damaged(path: Path) -> StoreUnavailable:
    """The error for stored content that is not what was written."""
    return StoreUnavailable(f"the store {path} {_DAMAGED[0]}", _DAMAGED[1])


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Runs a block; what SQLite or the file system refuses in it leaves as StoreUnavailable."""
    try:
        yield
    except sqlite3.Error as error:
        raise _refused_by_sqlite(path, error) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreUnavailable(f"the store {path} {_FULL[0]} ({error.strerror})", _FULL[1]) from error
        raise StoreUnavailable(
            f"the store {path} is out of reach ({error.strerror or type(error).__name__})",
            "check that its folder exists on a local disk with free space, and can be read and written",
        ) from error


def _refused_by_sqlite(path: Path, error: sqlite3.Error) -> StoreUnavailable:
    # Errors that Python's module raises itself carry no code. The low byte of a code is its primary one.
    code = getattr(error, "sqlite_errorcode", 0)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    what, remedy = _EXTENDED.get(code) or _REASONS.get(code & 0xFF, _OTHER)
    return StoreUnavailable(f"the store {path} {what} ({name})", remedy)
