"""Which packages speak of which provider namespace: `platform_namespaces.txt`, one namespace a line, made by a full build.

Rules:
- A part of the tables is built from every package of the namespaces concerned: a table made from half of them would be wrong.
- Letter case does not tell namespaces apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from tools.platform_paths.resources import Use

HEAD = "# Made by tools/build_platform_paths.py: each provider namespace in lower case, and the packages that speak of it.\n"

Namespaces = dict[str, set[str]]


def namespaces_of(uses: Mapping[str, Iterable[Use]]) -> Namespaces:
    """The names of the packages by namespace; `uses`: every request by type."""
    found: Namespaces = defaultdict(set)
    for key, some in uses.items():
        found[key.partition("/")[0]] |= {use.package.partition(" ")[0] for use in some}
    return dict(found)


def read_namespaces(file: Path) -> Namespaces:
    """What the file says. Raises ValueError where there is none."""
    if not file.is_file():
        raise ValueError(f"there is no {file.name}: build everything first, without --only")
    lines = (line.split() for line in file.read_text("utf-8").splitlines() if not line.startswith("#"))
    return {namespace: set(packages) for namespace, *packages in lines}


def text_of(namespaces: Namespaces) -> str:
    """The text of the file, sorted."""
    return HEAD + "".join(f"{name} {' '.join(sorted(namespaces[name]))}\n" for name in sorted(namespaces))


def concerned(packages: set[str], known: Namespaces) -> Namespaces:
    """The namespaces that these packages speak of. Raises ValueError for a package that is in none."""
    if unknown := sorted(packages - set().union(*known.values())):
        raise ValueError(f"no namespace is known of {', '.join(unknown)}: build everything once, without --only")
    return {name: all_of_it for name, all_of_it in known.items() if all_of_it & packages}


def check_concerned(packages: set[str], read: Namespaces, known: Namespaces) -> None:
    """Raises ValueError where the packages speak of a namespace that is not known of them."""
    new = [name for name, found in read.items() if found & packages - known.get(name, set())]
    if new:
        raise ValueError(f"new of these packages: {', '.join(sorted(new))}; build everything once, without --only")
