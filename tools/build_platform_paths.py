"""Builds policies/platform/ from Azure's SDK packages: `python -m tools.build_platform_paths --cache DIR`.

Rules:
- Packages are downloaded as wheels, at the versions and digests of `platform_packages*.txt`; they are never installed, imported
  or executed.
- The same packages give the same bytes.
- `--only` builds the files of a few packages alone and leaves the other files as they are.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tools.platform_paths.package import read_package
from tools.platform_paths.report import report_of
from tools.platform_paths.resources import Resources, uses_of
from tools.platform_paths.schema import Package
from tools.platform_paths.table import table_of
from tools.platform_paths.wheels import from_wheel, pinned
from tools.platform_paths.write import write

PINS = tuple(Path(__file__).with_name(name) for name in ("platform_packages.txt", "platform_packages_beside.txt"))
OUT = Path(__file__).resolve().parents[1] / "policies" / "platform"


def main() -> int:
    """Runs the command. Returns 0; raises what it cannot do."""
    options = _options()
    wheels = _wheels(options.cache, options.only)
    with ProcessPoolExecutor(max_workers=2) as pool:
        packages = list(pool.map(_package, wheels))
    resources = Resources(uses_of(packages))
    table = table_of(resources)
    size = write(table, options.out, keep_others=bool(options.only))
    report = report_of(packages, resources, table, size)
    print(report.summary)
    if options.report:
        options.report.write_text(report.details, encoding="utf-8")
    return 0


def _package(wheel: Path) -> Package:
    return read_package(from_wheel(wheel))


def _wheels(cache: Path, only: list[str]) -> list[Path]:
    """The wheels of all pins, downloaded where they are missing. Raises RuntimeError where one stays missing."""
    cache.mkdir(parents=True, exist_ok=True)
    return [wheel for pins in PINS for wheel in _wheels_of(pins, cache, only)]


def _wheels_of(requirements: Path, cache: Path, only: list[str]) -> Iterator[Path]:
    pins = pinned(requirements.read_text("utf-8").splitlines())
    wanted = {name: version for name, version in pins.items() if not only or name in only}
    if not all(_found(cache, name, version) for name, version in wanted.items()):
        _download(requirements, cache)
    for name, version in wanted.items():
        wheel = _found(cache, name, version)
        if wheel is None:
            raise RuntimeError(f"{name} {version} is not among the wheels in {cache}: delete the folder and try again")
        yield wheel


def _download(requirements: Path, cache: Path) -> None:
    """Raises subprocess.CalledProcessError where pip fails; pip says why."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    options = ["--no-deps", "--only-binary=:all:", "--dest", str(cache), "--requirement", str(requirements)]
    subprocess.run([*pip, *options], check=True)


def _found(cache: Path, name: str, version: str) -> Path | None:
    return next(iter(sorted(cache.glob(f"{name.replace('-', '_')}-{version}-*.whl"))), None)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.build_platform_paths", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="the folder for the downloaded wheels")
    parser.add_argument("--only", nargs="+", default=[], metavar="PACKAGE", help="build from these packages alone")
    parser.add_argument("--out", type=Path, default=OUT, help="where the tables go (default: policies/platform)")
    parser.add_argument("--report", type=Path, help="a file for the details of the report")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
