"""Which share of each type's leaves the tables call read-only: a table that swallows too much is seen here.

Counted over recorded readings (GET), for types with at least five of them; ETags, `id`, `name` and `type` count as leaves.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.corpus import OBSERVATIONS, absent, lines, recorded_observations
from benchmarks.judgement_pairs import rules_of
from benchmarks.row import Row
from driftguard.flow.classify import ChangeClass, PathRules
from driftguard.flow.identity import Standing, element_steps
from driftguard.flow.path import Path as BodyPath

_ENOUGH = 5
_QUICK_LINES = 200


def rows(*, quick: bool = False) -> Iterator[Row]:
    """One row a type, the largest share first, for reading only."""
    file = recorded_observations()
    if file is None:
        yield Row("read-only leaves", None, note=absent(OBSERVATIONS))
        return
    readings, read_only, leaves = _counted(file, _QUICK_LINES if quick else None)
    shares = {type_: 100 * read_only[type_] / leaves[type_] for type_ in leaves if readings[type_] >= _ENOUGH}
    for type_ in sorted(shares, key=lambda type_: (-shares[type_], type_)):
        note = f"read-only: {read_only[type_]:,} of {leaves[type_]:,} leaves in {readings[type_]} readings"
        yield Row(type_, shares[type_], unit="%", note=note)


def leaves_of(value: Any, path: BodyPath = ()) -> Iterator[tuple[BodyPath, Any]]:
    """Every leaf with its path; empty objects and lists are leaves too."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves_of(item, (*path, key))
    elif isinstance(value, list) and value:
        name = next((step for step in reversed(path) if isinstance(step, str)), "")
        for step, item in element_steps(name, value):
            yield from leaves_of(item, (*path, step))
    else:
        yield path, value


def _counted(file: Path, at_most: int | None) -> tuple[Counter[str], Counter[str], Counter[str]]:
    readings: Counter[str] = Counter()
    read_only: Counter[str] = Counter()
    leaves: Counter[str] = Counter()
    for line in lines(file, at_most):
        seen = json.loads(line)
        if seen["method"] != "GET" or not isinstance(seen["body"], dict):
            continue
        type_ = seen["type"]
        found = list(_classes(seen["body"], rules_of(seen["id"], type_)))
        readings[type_] += 1
        leaves[type_] += len(found)
        read_only[type_] += found.count(ChangeClass.PLATFORM)
    return readings, read_only, leaves


def _classes(body: Any, rules: PathRules) -> Iterator[ChangeClass]:
    standing = Standing(body)
    return (rules.classify(path, standing)[0] for path, _ in leaves_of(body))
