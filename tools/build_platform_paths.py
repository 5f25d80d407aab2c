"""Builds policies/platform/ from Azure's SDK packages: `python -m tools.build_platform_paths --cache DIR`.

Rules:
- Packages are downloaded as wheels, at the versions and digests of `platform_packages*.txt`, and only those that are read;
  they are never installed, imported or executed.
- The same packages give the same bytes.
- `--only` builds the files of the namespaces of a few packages and leaves the other files as they are. Every package of such a
  namespace is read too: a namespace is written whole or not at all.
- What is wrong with a pin, a wheel or a file in it ends the build with 1 and its name; nothing is written then.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tools.platform_paths.namespaces import check_concerned, concerned, namespaces_of, read_namespaces, text_of
from tools.platform_paths.package import read_package
from tools.platform_paths.report import report_of
from tools.platform_paths.resources import Resources, uses_of
from tools.platform_paths.schema import Package
from tools.platform_paths.table import table_of
from tools.platform_paths.wheels import Pin, from_wheel, normal, pinned
from tools.platform_paths.write import replace, write

PINS = tuple(Path(__file__).with_name(name) for name in ("platform_packages.txt", "platform_packages_beside.txt"))
INDEX = Path(__file__).with_name("platform_namespaces.txt")
OUT = Path(__file__).resolve().parents[1] / "policies" / "platform"


def main(arguments: Sequence[str], pins: Sequence[Path] = PINS) -> int:
    """Runs the command. Returns 0, or 1 after telling what is wrong."""
    options = _options(arguments)
    try:
        summary = build(options, pins)
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        print(f"build_platform_paths: {error}", file=sys.stderr)
        return 1
    print(summary)
    return 0


def build(options: argparse.Namespace, pins: Sequence[Path]) -> str:
    """Writes the tables and gives a summary. Raises ValueError for a pin, a wheel or a file in it that is wrong."""
    only = _named(options.only, pins)
    known = concerned(only, read_namespaces(options.index)) if only else {}
    packages = _packages(_wheels(options.cache, set().union(*known.values()), pins))
    uses = uses_of(packages)
    read = namespaces_of(uses)
    check_concerned(only, read, known)
    resources = Resources(uses)
    if only:
        resources.keep_namespaces(known)
    table = table_of(resources)
    found = report_of(packages, resources, table, write(table, options.out, keep_others=bool(only)))
    if not only:
        replace(options.index, text_of(read).encode())
    if options.report:
        options.report.write_text(found.details, encoding="utf-8")
    return found.summary


def _packages(wheels: Iterable[tuple[Path, Pin]]) -> list[Package]:
    with ProcessPoolExecutor(max_workers=2) as pool:
        return list(pool.map(_package, wheels))


def _package(wheel: tuple[Path, Pin]) -> Package:
    path, pin = wheel
    return read_package(from_wheel(path, pin.digests))


def _named(only: Sequence[str], pins: Sequence[Path]) -> set[str]:
    """The packages of `--only` under their pinned names. Raises ValueError for one that is not pinned."""
    known = {name for file in pins for name in _pins(file)}
    if unknown := sorted(normal(name) for name in only if normal(name) not in known):
        raise ValueError(f"not among the pinned packages: {', '.join(unknown)}; see {pins[0].name}")
    return {normal(name) for name in only}


def _wheels(cache: Path, names: set[str], pins: Sequence[Path]) -> list[tuple[Path, Pin]]:
    """The wheels of these packages (none named: of all), downloaded where they are missing, with their pins."""
    cache.mkdir(parents=True, exist_ok=True)
    found = []
    for file in pins:
        wanted = {name: pin for name, pin in _pins(file).items() if not names or name in names}
        if missing := [pin for name, pin in wanted.items() if _found(cache, name, pin) is None]:
            _download(missing, cache)
        for name, pin in wanted.items():
            wheel = _found(cache, name, pin)
            if wheel is None:
                raise ValueError(
                    f"{name} {pin.version} is not among the wheels in {cache}: delete the folder and try again"
                )
            found.append((wheel, pin))
    return found


def _pins(file: Path) -> dict[str, Pin]:
    """The pins of a file. Raises ValueError for one without a digest."""
    pins = pinned(file.read_text("utf-8").splitlines())
    if bare := [name for name, pin in pins.items() if not pin.digests]:
        raise ValueError(f"{file.name}: without --hash=sha256:…: {', '.join(bare)}")
    return pins


def _download(pins: Iterable[Pin], cache: Path) -> None:
    """Raises subprocess.CalledProcessError where pip fails; pip says why."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("".join(f"{pin.line}\n" for pin in pins), encoding="utf-8")
        options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", str(cache)]
        subprocess.run([*pip, *options, "--requirement", str(requirements)], check=True)


def _found(cache: Path, name: str, pin: Pin) -> Path | None:
    return next(iter(sorted(cache.glob(f"{name.replace('-', '_')}-{pin.version}-*.whl"))), None)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.build_platform_paths", description="Builds policies/platform/ from Azure's SDK packages."
    )
    parser.add_argument("--cache", type=Path, required=True, help="the folder for the downloaded wheels")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="PACKAGE", help="build only the namespaces of these packages"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="where the tables go (default: policies/platform)")
    parser.add_argument(
        "--index", type=Path, default=INDEX, help="which packages speak of a namespace (default: %(default)s)"
    )
    parser.add_argument("--report", type=Path, help="a file for the details of the report")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
