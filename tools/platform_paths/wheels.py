"""The Python sources of a package: from its wheel, or from the folder where it is installed.

Rules:
- Nothing is imported or executed: files are read as text.
- The asynchronous copies (`aio`) and hand-written patches (`_patch.py`) say nothing new and are left out.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_LARGEST_SOURCE = 64 * 2**20  # bytes; the largest real one has 7 MB


@dataclass(frozen=True)
class Sources:
    """A package's name, version, and texts by path."""

    name: str
    version: str
    files: dict[str, str]


def from_wheel(path: Path) -> Sources:
    """The sources in a wheel. Raises ValueError for a file that is no wheel or is unreasonably large."""
    match = re.fullmatch(r"([A-Za-z0-9_.]+)-([A-Za-z0-9_.!+]+)-.*\.whl", path.name)
    if match is None:
        raise ValueError(f"{path.name} is not named as a wheel")
    try:
        with zipfile.ZipFile(path) as wheel:
            sizes = {entry.filename: entry.file_size for entry in wheel.infolist()}
            return Sources(_normal(match[1]), match[2], _texts(sizes, wheel.read))
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path.name} is not a wheel: {error}") from None


def from_site_packages(folder: Path, name: str) -> Sources:
    """The sources of an installed package. Raises ValueError where it is not installed there."""
    found = [
        (version, info)
        for info in folder.glob("*.dist-info")
        for installed, _, version in [info.name.removesuffix(".dist-info").rpartition("-")]
        if _normal(installed) == _normal(name)
    ]
    if len(found) != 1:
        raise ValueError(f"{name} is not installed in {folder}")
    ((version, info),) = found
    recorded = (line.split(",")[0] for line in (info / "RECORD").read_text("utf-8").splitlines())
    sizes = {path: (folder / path).stat().st_size for path in recorded if _is_wanted(path)}
    return Sources(_normal(name), version, _texts(sizes, lambda path: (folder / path).read_bytes()))


def from_folder(folder: Path) -> Iterator[Sources]:
    """The sources of every wheel in a folder, in the order of their names."""
    for path in sorted(folder.glob("*.whl")):
        yield from_wheel(path)


def pinned(lines: Iterable[str]) -> dict[str, str]:
    """Versions by package name from pip requirements of the form `name==1.2.3`. Raises ValueError for another form."""
    pins = {}
    for line in lines:
        requirement = line.split("#")[0].split("--hash")[0].strip().rstrip("\\").strip()
        if not requirement:
            continue
        match = re.fullmatch(r"([A-Za-z0-9_.-]+)==([A-Za-z0-9.]+)", requirement)
        if match is None:
            raise ValueError(f"{requirement!r} is not of the form name==version")
        pins[_normal(match[1])] = match[2]
    return pins


def _texts(sizes: dict[str, int], read: Callable[[str], bytes]) -> dict[str, str]:
    wanted = [path for path in sorted(sizes) if _is_wanted(path)]
    for path in wanted:
        if sizes[path] > _LARGEST_SOURCE:
            raise ValueError(f"{path} is too large to be a source")
    return {path: read(path).decode("utf-8") for path in wanted}


def _is_wanted(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return path.endswith(".py") and "aio" not in parts and ".." not in parts and parts[-1] != "_patch.py"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
