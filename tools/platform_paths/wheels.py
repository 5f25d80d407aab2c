"""The Python sources of a package: from its wheel, or from the folder where it is installed.

Rules:
- Nothing is imported or executed: files are read as text.
- A wheel in a cache is held to its pinned digest before it is opened.
- What cannot be read is one ValueError that names the wheel. A file is at most 64 MB, a package 256 MB.
- The asynchronous copies (`aio`) and hand-written patches (`_patch.py`) say nothing new and are left out.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_LARGEST_SOURCE = 64 * 2**20  # bytes; the largest real one has 7 MB
_LARGEST_PACKAGE = 256 * 2**20  # bytes of the files that are read; the largest real one has 60 MB
_PIN = re.compile(r"([A-Za-z0-9_.-]+)==([A-Za-z0-9.]+)")
_DIGEST = re.compile(r"--hash=sha256:([0-9a-f]{64})(?![0-9a-f])")


@dataclass(frozen=True)
class Pin:
    """One pinned package; `digests` are the SHA-256 of its wheels, in hex, and `line` is the requirement itself."""

    version: str
    digests: frozenset[str]
    line: str


@dataclass(frozen=True)
class Sources:
    """A package's name, version, and texts by path."""

    name: str
    version: str
    files: dict[str, str]


def from_wheel(path: Path, digests: frozenset[str] = frozenset()) -> Sources:
    """The sources in a wheel, which has one of the digests if any are given.

    Raises ValueError, naming the wheel, for another one, for a file that is no wheel, and for what is damaged or too large.
    """
    match = re.fullmatch(r"([A-Za-z0-9_.]+)-([A-Za-z0-9_.!+]+)-.*\.whl", path.name)
    if match is None:
        raise ValueError(f"{path.name} is not named as a wheel")
    if digests and _digest(path) not in digests:
        raise ValueError(f"{path.name} is not the pinned wheel: delete it and try again")
    try:
        with zipfile.ZipFile(path) as wheel:
            sizes = {entry.filename: entry.file_size for entry in wheel.infolist()}
            return Sources(normal(match[1]), match[2], _texts(sizes, wheel.read))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path.name} is not a wheel that can be read: {error}") from None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def from_site_packages(folder: Path, name: str) -> Sources:
    """The sources of an installed package. Raises ValueError where it is not installed there."""
    found = [
        (version, info)
        for info in folder.glob("*.dist-info")
        for installed, _, version in [info.name.removesuffix(".dist-info").rpartition("-")]
        if normal(installed) == normal(name)
    ]
    if len(found) != 1:
        raise ValueError(f"{name} is not installed in {folder}")
    ((version, info),) = found
    recorded = (line.split(",")[0] for line in (info / "RECORD").read_text("utf-8").splitlines())
    sizes = {path: (folder / path).stat().st_size for path in recorded if _is_wanted(path)}
    return Sources(normal(name), version, _texts(sizes, lambda path: (folder / path).read_bytes()))


def pinned(lines: Iterable[str]) -> dict[str, Pin]:
    """Pins by package name, from pip requirements `name==1.2.3 --hash=sha256:…`, one a line. Raises ValueError for others."""
    pins = {}
    for line in lines:
        requirement = line.split("#")[0].strip()
        if not requirement:
            continue
        match = _PIN.fullmatch(requirement.split("--hash")[0].strip())
        if match is None:
            raise ValueError(f"{requirement!r} is not of the form name==version --hash=sha256:…")
        pins[normal(match[1])] = Pin(match[2], frozenset(_DIGEST.findall(requirement)), requirement)
    return pins


def _texts(sizes: dict[str, int], read: Callable[[str], bytes]) -> dict[str, str]:
    wanted = [path for path in sorted(sizes) if _is_wanted(path)]
    for path in wanted:
        if sizes[path] > _LARGEST_SOURCE:
            raise ValueError(f"{path} is too large to be a source")
    if sum(sizes[path] for path in wanted) > _LARGEST_PACKAGE:
        raise ValueError("its sources are too large")
    return {path: _text(path, read(path)) for path in wanted}


def _text(path: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None


def _is_wanted(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return path.endswith(".py") and "aio" not in parts and ".." not in parts and parts[-1] != "_patch.py"


def normal(name: str) -> str:
    """The name of a package as it is compared: `Azure_Mgmt_X` is `azure-mgmt-x`."""
    return re.sub(r"[-_.]+", "-", name).lower()
