"""Writes the table: one JSON file per provider namespace, the same bytes for the same packages.

Rules:
- A file is written beside its place and then moved there: whoever reads it meets the old one or the new one.
- Only tables are removed: a JSON file with entries of the namespace that it is named after, in the form written here.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from tools.platform_paths.table import Table


def text_of(entries: dict[str, dict[str, object]]) -> str:
    """The text of one file: keys sorted, one path a line, a newline at the end."""
    return json.dumps(entries, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write(table: Table, folder: Path, *, keep_others: bool = False) -> int:
    """Writes all files and removes the tables of other namespaces, or keeps them. Returns the size in bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    size = 0
    for namespace, entries in table.files.items():
        data = text_of(entries).encode()
        replace(folder / f"{namespace}.json", data)
        size += len(data)
    for path in () if keep_others else sorted(folder.glob("*.json")):
        if path.stem not in table.files and is_table(path):
            path.unlink()
    return size


def is_table(path: Path) -> bool:
    """Whether a file is one that was written here."""
    try:
        text = path.read_text("utf-8")
        entries = json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        return False
    if not isinstance(entries, dict) or not entries or text != text_of(entries):
        return False
    return all(name.startswith(f"{path.stem}/") and _is_entry(entry) for name, entry in entries.items())


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and {"package", "read_only"} <= entry.keys()


def replace(path: Path, data: bytes) -> None:
    """Puts a file in its place in one step."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        beside.chmod(0o644)  # mkstemp's own mode lets nobody else read it
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
