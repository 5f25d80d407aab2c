"""The tables of what Azure writes itself: `platform/<Namespace>.json` in the folder of the policies.

Rules:
- All files are read at once, so that the digest is of exactly what judges; one is parsed when its namespace is judged.
- A file that cannot be read or parsed, or names a type of another namespace, is an error, never an empty table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from driftguard.errors import BadConfiguration
from driftguard.flow.path import PathPattern
from driftguard.flow.policy import PlatformTable


class PlatformTables:
    """{type in lower case: table} of a provider namespace; an unknown namespace has none."""

    def __init__(self, files: Mapping[str, tuple[Path, bytes]]) -> None:
        self._files = files
        self._tables: dict[str, Mapping[str, PlatformTable]] = {}

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

    def __call__(self, namespace: str) -> Mapping[str, PlatformTable]:
        key = namespace.lower()
        if key not in self._tables:
            self._tables[key] = _platform_tables(*self._files[key]) if key in self._files else {}
        return self._tables[key]


_REINSTALL = "install Drift Guard again, or restore the folder policies/platform"


def _platform_tables(path: Path, data: bytes) -> dict[str, PlatformTable]:
    """One namespace's tables: {"Namespace/type": {"source": text, "read_only": [paths]}}."""
    try:
        tables = {}
        for resource_type, entry in json.loads(data).items():
            if resource_type.partition("/")[0].lower() != path.stem.lower():
                raise ValueError(f"the type {resource_type!r} is of another namespace")
            paths = entry["read_only"]
            if not isinstance(paths, list):  # a text would be taken for a list of letters, each a path
                raise TypeError(f"read_only of {resource_type!r} is not a list")
            tables[resource_type.lower()] = PlatformTable(str(entry["source"]), tuple(map(_checked, paths)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadConfiguration(f"{path}: not a platform table ({type(error).__name__}: {error})", _REINSTALL) from None
    return tables


def _checked(path: str) -> str:
    return PathPattern.parse(path).text
