"""The tables of what Azure writes itself: `platform/<Namespace>.json` in the folder of the policies.

Rules:
- All files are read at once, so that the digest is of exactly what judges; one is parsed when its namespace is judged, and
  of it only the types that are.
- A file that cannot be read or parsed, or names a type of another namespace, is an error, never an empty table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from driftguard.errors import BadConfiguration
from driftguard.flow.path import PathPattern
from driftguard.flow.platform_table import PlatformPaths, PlatformTable

_REINSTALL = "install Drift Guard again, or restore the folder policies/platform"


class PlatformTables:
    """The table of a resource type, or None where there is none; made when it is asked for."""

    def __init__(self, files: Mapping[str, tuple[Path, bytes]]) -> None:
        self._files = files
        self._entries: dict[str, Mapping[str, Any]] = {}
        self._tables: dict[str, PlatformTable | None] = {}

    @staticmethod
    def of(folder: Path) -> PlatformTables:
        """The tables of a folder. Raises BadConfiguration where it cannot be read."""
        try:
            files = {
                path.stem.lower(): (path, path.read_bytes())
                for path in sorted(folder.iterdir())
                if path.suffix == ".json"
            }
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise BadConfiguration(f"{folder}: the platform tables cannot be read ({reason})", _REINSTALL) from None
        return PlatformTables(files)

    def digests(self) -> dict[str, str]:
        """SHA-256 (hex) of each file's bytes, by namespace in lower case."""
        return {namespace: hashlib.sha256(data).hexdigest() for namespace, (_, data) in self._files.items()}

    def __call__(self, resource_type: str) -> PlatformTable | None:
        """The table of the type, without regard to case. Raises BadConfiguration for a damaged file."""
        key = resource_type.lower()
        if key not in self._tables:
            self._tables[key] = self._table(key)
        return self._tables[key]

    def _table(self, key: str) -> PlatformTable | None:
        namespace = key.partition("/")[0]
        if namespace not in self._files:
            return None
        path, data = self._files[namespace]
        try:
            if namespace not in self._entries:
                self._entries[namespace] = _entries(namespace, data)
            entry = self._entries[namespace].get(key)
            return None if entry is None else _table(entry)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            what = f"not a platform table ({type(error).__name__}: {error})"
            raise BadConfiguration(f"{path}: {what}", _REINSTALL) from None


def _entries(namespace: str, data: bytes) -> Mapping[str, Any]:
    """What the file says of each type, by the type in lower case."""
    entries = {}
    for resource_type, entry in json.loads(data).items():
        key = resource_type.lower()
        if key.partition("/")[0] != namespace:
            raise ValueError(f"the type {resource_type!r} is of another namespace")
        if key in entries:
            raise ValueError(f"the type {resource_type!r} stands here twice")
        entries[key] = entry
    return entries


def _table(entry: Mapping[str, Any]) -> PlatformTable:
    names = entry.get("names", {})
    return PlatformTable(
        package=_text(entry["package"]),
        every_name=_paths(entry),
        by_name={name.lower(): _paths(paths) for name, paths in names.items()},
        children=tuple(map(_text, _list(entry, "children"))),
        settings_by_post=tuple(map(_text, _list(entry, "settings_by_post"))),
    )


def _paths(entry: Mapping[str, Any]) -> PlatformPaths:
    return PlatformPaths(
        tuple(PathPattern.parse(path) for path in _list(entry, "read_only")),
        tuple(PathPattern.parse(path) for path in _list(entry, "secret")),
    )


def _list(entry: Mapping[str, Any], key: str) -> list[Any]:
    value = entry.get(key, [])
    if not isinstance(value, list):  # a text would be taken for a list of letters, each a path
        raise TypeError(f"{key} is not a list")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value
