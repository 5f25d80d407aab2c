"""Paths that a person can change although the packages call them read-only: the rows of exceptions.yaml.

Rules:
- Each path stands under what changes it. It and what is below it is left out of the table, so that a change of it counts;
  what stands beside it in an object that is read-only as a whole stays in the table.
- In a type `*` stands for any text. A path that begins with `**.` is any that ends with what follows; `**` is every path.
- A row that no longer leaves anything out is an error: the list stays true.
- Whether something is running at the moment has no row here: a policy rule watches that where it matters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import yaml

EXCEPTIONS = Path(__file__).with_suffix(".yaml")
EVERYTHING, ANYWHERE = "**", "**."

Rows = dict[tuple[str, str], str]


def read_exceptions(file: Path = EXCEPTIONS) -> Rows:
    """By type and path: what changes it. Raises ValueError for what is no row, or stands there twice."""
    rows: Rows = {}
    for entry in yaml.safe_load(file.read_text("utf-8")) or []:
        match entry:
            case {"by": str(by), "paths": dict(paths), **rest} if by and paths and not rest:
                for row in ((name, path) for name in paths for path in paths[name]):
                    if row in rows:
                        raise ValueError(f"{file.name}: twice: {' '.join(row)}")
                    rows[row] = by
            case _:
                raise ValueError(f"{file.name}: an entry has `by` and `paths`, not {str(entry)[:100]}")
    return rows


CHANGED_OTHERWISE = read_exceptions()


def without_exceptions(resource_type: str, paths: Iterable[str]) -> list[str]:
    """The paths without those that a person can change."""
    leaves_out = [_leaves_out(path) for path in _paths_of(resource_type)]
    return [path for path in paths if not any(leaves(path) for leaves in leaves_out)]


def above_exceptions(resource_type: str) -> frozenset[str]:
    """Where something that a person can change stands below: such an object is not told as a whole."""
    paths = [path for path in _paths_of(resource_type) if not path.startswith(EVERYTHING)]
    return frozenset(path[:end] for path in paths for end, char in enumerate(path) if char in ".[" and end)


def unused(found: Iterable[tuple[str, str]], types: Iterable[str]) -> list[str]:
    """The rows of known types that leave nothing out; `found`: every read-only path before exceptions, by type."""
    paths: dict[str, set[str]] = {name: set() for name in types}
    for name, path in found:
        paths[name].add(path)
    left = []
    for name, path in CHANGED_OTHERWISE:
        known = [paths[each] for each in paths if _is_of(name)(each)]
        if known and not any(_leaves_out(path)(each) for some in known for each in some):
            left.append(f"{name} {path}")
    return left


def _paths_of(resource_type: str) -> list[str]:
    return [path for name, path in CHANGED_OTHERWISE if _is_of(name)(resource_type)]


@cache
def _is_of(name: str) -> Callable[[str], object]:
    return re.compile(".*".join(re.escape(part) for part in name.split("*")), re.IGNORECASE).fullmatch


def _leaves_out(row: str) -> Callable[[str], bool]:
    if row == EVERYTHING:
        return lambda path: True
    if row.startswith(ANYWHERE):
        return lambda path: path.endswith(row.removeprefix(EVERYTHING)) or path == row.removeprefix(ANYWHERE)
    return lambda path: path == row or path.startswith((f"{row}.", f"{row}["))
