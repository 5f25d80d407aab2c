"""Reads the committed tables of the paths that Azure writes itself, `policies/platform/<Namespace>.json`.

Rules:
- Names are compared without regard to case, as everywhere in ARM.
- An entry under `names` is that of the resource with this name, and stands beside the entry of its type.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driftguard.errors import BadConfiguration
from driftguard.flow.path import Element, PathPattern
from tools.azure_cli_flags.writes import Steps


@dataclass(frozen=True, slots=True)
class Pattern:
    """A read-only path of a table: as it stands there, and its steps with `[*]` and `*` for any element and any name."""

    text: str
    steps: Steps


@dataclass(frozen=True, slots=True)
class Entry:
    """What the tables say of one resource type, or of the resource of one name; `package` is where it was found."""

    type: str
    name: str
    package: str
    read_only: tuple[Pattern, ...]

    @property
    def key(self) -> tuple[str, str]:
        return self.type.lower(), self.name.lower()

    @property
    def title(self) -> str:
        """The type, with the name that the entry is for."""
        return f"{self.type}/{self.name}" if self.name else self.type


def read_tables(folder: Path) -> dict[tuple[str, str], Entry]:
    """Every entry by type and name in lower case, sorted. Raises BadConfiguration for what is no table."""
    entries = list[Entry]()
    for path in sorted(folder.glob("*.json")):
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            for resource_type, entry in table.items():
                entries += _entries(resource_type, entry)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadConfiguration(f"{path.name} is no table of platform paths: {error}", "run make platform") from None
    if not entries:
        raise BadConfiguration(f"no table of platform paths stands in {folder.name}", "run make platform")
    return {entry.key: entry for entry in sorted(entries, key=lambda entry: entry.key)}


def _entries(resource_type: str, entry: dict[str, Any]) -> list[Entry]:
    package, names = entry["package"], entry.get("names", {})
    found = [Entry(resource_type, name, package, _patterns(one["read_only"])) for name, one in names.items()]
    if entry["read_only"] or not names:
        found.append(Entry(resource_type, "", package, _patterns(entry["read_only"])))
    return found


def _patterns(texts: list[str]) -> tuple[Pattern, ...]:
    return tuple(Pattern(text, steps_of(text)) for text in texts)


def steps_of(text: str) -> Steps:
    """The steps of a pattern such as `properties.subnets[*].id`. Raises ValueError for one that names a single element."""
    steps = list[str]()
    for step in PathPattern.parse(text).steps:
        if isinstance(step, int | Element):
            raise ValueError(f"{text!r} names one element")
        steps.append(step if isinstance(step, str) else step.text)
    return tuple(steps)
