"""New files that other processes see whole or not at all.

Rules:
- A new file is written under another name in the same folder, flushed to the disk, and then given its name in one step.
- Only its owner can read it (mode 0600).
- `place_once` never replaces a file: of many processes exactly one succeeds.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """An empty file (mode 0600) beside `path`, to be filled and placed; its own name is gone afterwards.

    Raises OSError.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".draft", dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def fill(path: Path, data: bytes) -> None:
    """Write `data` and wait until it is on the disk. Raises OSError."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def place_once(filled: Path, path: Path) -> bool:
    """Give a filled draft its name; False, and nothing changed, where the name is taken. Raises OSError."""
    try:
        os.link(filled, path)
    except FileExistsError:
        return False
    flush_folder(path.parent)
    return True


def replace(filled: Path, path: Path) -> None:
    """Give a filled draft its name, in place of the file that has it. Raises OSError."""
    filled.replace(path)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Wait until the folder's entries are on the disk. Windows cannot open a folder, and writes its entries itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
