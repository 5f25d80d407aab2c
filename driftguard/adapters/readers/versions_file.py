"""Keeps a provider's api-versions on disk, one small JSON file per cloud, subscription and namespace.

Rules:
- A file is replaced in one step, so that a reader sees the old or the new one, never a part.
- A file that cannot be read, is damaged, too old or dated in the future counts as absent.
- A folder that cannot be written costs a request a day, so that is no error.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

_MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class KeptVersions:
    """What a file says: when it was fetched (UTC), and the version per type (lower case, without the namespace)."""

    fetched: datetime
    versions: dict[str, str]


def read_versions(file: Path, now: datetime, kept: timedelta) -> KeptVersions | None:
    """What the file holds, where it is whole and not older than `kept`; else None."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            return None
        content = json.loads(file.read_text("utf-8"))
        fetched = datetime.fromisoformat(content["fetched"])
        versions = content["versions"]
        if not timedelta() <= now - fetched < kept:
            return None
    except (OSError, ValueError, RecursionError, TypeError, KeyError):  # absent, or not what we wrote
        return None
    if not isinstance(versions, dict) or not all(isinstance(v, str) for v in versions.values()):
        return None
    return KeptVersions(fetched, versions)


def write_versions(file: Path, fetched: datetime, versions: Mapping[str, str]) -> None:
    """Put the versions into the file in one step; a folder that cannot be written is left as it is."""
    content = json.dumps({"fetched": fetched.isoformat(), "versions": dict(versions)}, sort_keys=True)
    temporary = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=".part")
        with open(handle, "w", encoding="utf-8") as stream:
            stream.write(content)
        os.replace(temporary, file)
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
