"""Reads `verdicts.yaml`: for each difference that matters, which of both sides is right, and why.

Rules:
- A verdict is for named paths of named types; `**` stands for all that differs in the type.
- Right is `table`, `azure-cli` (the table has to be corrected), or `unclear` (it should be: comparing too much is safer).
- A verdict for the table that meets no difference any more is told, so that the file does not outlive what it speaks of.
  One of the others that meets none has done its work: it says why the table was corrected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from driftguard.errors import BadConfiguration

VERDICTS = Path(__file__).with_name("verdicts.yaml")
EVERYTHING = "**"
TABLE, AZURE_CLI, UNCLEAR = RIGHT = ("table", "azure-cli", "unclear")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which side is right (one of RIGHT), and the reason."""

    right: str
    why: str


Key = tuple[str, str]  # resource type, and name where it is of one; path


def key_of(verdicts: Mapping[Key, Verdict], resource_type: str, path: str) -> Key | None:
    """Where the verdict on a path stands: under the path, else under everything of its type, else nowhere."""
    keys = (resource_type, path), (resource_type, EVERYTHING)
    return next((key for key in keys if key in verdicts), None)


def read_verdicts(file: Path = VERDICTS) -> dict[Key, Verdict]:
    """The verdicts of the file. Raises BadConfiguration for one that is not as the rules say, or is given twice."""
    verdicts = dict[Key, Verdict]()
    for entry in yaml.safe_load(file.read_text(encoding="utf-8")) or []:
        for key, verdict in _verdicts(entry, file):
            if key in verdicts:
                raise BadConfiguration(f"{file.name}: two verdicts on {' '.join(key)}", "keep one of them")
            verdicts[key] = verdict
    return verdicts


def _verdicts(entry: object, file: Path) -> Iterable[tuple[Key, Verdict]]:
    match entry:
        case {"right": str(right), "why": str(why), "paths": dict(paths), **rest} if right in RIGHT and not rest:
            found = [((kind, path), Verdict(right, " ".join(why.split()))) for kind in paths for path in paths[kind]]
            if found and all(isinstance(part, str) for key, _ in found for part in key):
                return found
    raise BadConfiguration(
        f"{file.name}: an entry is no verdict: {str(entry)[:100]}",
        f"write right (one of {', '.join(RIGHT)}), why, and paths as a list for each resource type",
    )
