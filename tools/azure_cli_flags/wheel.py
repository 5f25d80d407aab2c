"""Gets azure-cli's wheel and gives the sources of its generated commands as text.

Rules:
- The version and the SHA-256 are pinned. pip holds a download to the hash, and a file that lies in the cache is held to it
  here, so that a rebuild needs no network.
- Nothing of the wheel is installed, imported or run.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from driftguard.errors import BadConfiguration, Unavailable

PINS = Path(__file__).resolve().parents[1] / "azure_cli_package.txt"
_PIN = re.compile(r"^(azure-cli)==(\S+) +--hash=sha256:([0-9a-f]{64})$", re.MULTILINE)
_GENERATED = re.compile(r"azure/cli/command_modules/\w+/aaz/latest/.+\.py")


@dataclass(frozen=True, slots=True)
class Pin:
    """One pinned package; `sha256` is that of its wheel, in hex."""

    name: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def pinned(pins: Path = PINS) -> Pin:
    """The pinned version of azure-cli. Raises BadConfiguration where the file does not name exactly one, with its hash."""
    found = _PIN.findall(pins.read_text(encoding="utf-8"))
    if len(found) != 1:
        raise BadConfiguration(
            f"{pins.name} does not pin one version of azure-cli with its hash",
            "write one line: azure-cli==VERSION --hash=sha256:DIGEST",
        )
    return Pin(*found[0])


def downloaded(cache: Path, pins: Path = PINS) -> Path:
    """The pinned wheel in the cache folder, downloaded if it is not there.

    Raises Unavailable where pip cannot get it, and BadConfiguration where the file in the cache is not the pinned one.
    """
    pin = pinned(pins)
    wheel = cache / f"{pin.name.replace('-', '_')}-{pin.version}-py3-none-any.whl"
    if not wheel.is_file():
        _download(cache, pins)
    if not wheel.is_file() or hashlib.sha256(wheel.read_bytes()).hexdigest() != pin.sha256:
        raise BadConfiguration(
            f"{wheel.name} in the cache is not the pinned wheel",
            f"remove it and run again, or correct the hash in {pins.name}",
        )
    return wheel


def _download(cache: Path, pins: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download", "--no-deps"]
    command += ["--only-binary=:all:", "--require-hashes", "--dest", str(cache), "--requirement", str(pins)]
    if subprocess.run(command, check=False).returncode != 0:
        raise Unavailable(
            f"pip could not download what {pins.name} names",
            "see pip's message above; the package index has to be reachable",
        )


def generated_sources(wheel: Path) -> dict[str, str]:
    """The text of every module of generated commands, by its path in the wheel, sorted."""
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(name for name in archive.namelist() if _GENERATED.fullmatch(name))
        return {name: archive.read(name).decode("utf-8") for name in names}
