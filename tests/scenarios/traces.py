"""Finds where a text stands in everything that a folder holds: files as they are, rows, blobs as they are and unpacked."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    """(where, bytes) of each file in the folder, and of each row and blob of the store `store.db` in it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield f"file {path.relative_to(folder)}", path.read_bytes()
    if not (folder / "store.db").exists():
        return
    with closing(sqlite3.connect(folder / "store.db")) as connection:
        for key, data in connection.execute("SELECT key, data FROM blobs"):
            yield f"blob {key}", data
            if data.startswith(b"\x1f\x8b"):
                yield f"blob {key}", zlib.decompress(data, wbits=31)
        for kind, row_id, body in connection.execute("SELECT kind, id, body FROM rows"):
            yield f"row {kind} {row_id}", body.encode()


def traces(folder: Path, text: str) -> list[str]:
    """Where the text stands."""
    return sorted({where for where, data in everything(folder) if text.encode() in data})
