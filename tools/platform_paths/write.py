"""Writes the table: one JSON file per provider namespace, the same bytes for the same packages."""

from __future__ import annotations

import json
from pathlib import Path

from tools.platform_paths.table import Table


def text_of(entries: dict[str, dict[str, object]]) -> str:
    """The text of one file: keys sorted, one path a line, a newline at the end."""
    return json.dumps(entries, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write(table: Table, folder: Path, *, keep_others: bool = False) -> int:
    """Writes all files and removes those of other namespaces, or keeps them. Returns the size in bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.json"):
        if path.stem not in table.files and not keep_others:
            path.unlink()
    size = 0
    for namespace, entries in table.files.items():
        data = text_of(entries).encode()
        (folder / f"{namespace}.json").write_bytes(data)
        size += len(data)
    return size
