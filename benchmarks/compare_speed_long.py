"""Whether the time of a comparison grows as its bodies do: lists of 100,000 elements, and 200 levels.

Rules:
- Each row is the time for the large body in times of that for one a tenth of its size: 10 is exactly in step, and a
  comparison of everything with everything would be 100.
- The edit is the worst one: every element is another.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.row import Row
from driftguard.flow.classify import PathRules
from driftguard.flow.compare import compare
from driftguard.flow.reading import ETags

TIMES = 20.0  # ten times the size, and what sorting and a full cache cost
_LARGE, _DEEP = 100_000, 200
_CHANGES = 20  # at the end of the levels
_NAMES = ("a", "properties", "systemData", "template")
_TYPE = "Microsoft.Network/virtualNetworks"
_ID = "/subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.Network/x"
_NO_ETAGS = ETags()

_ELEMENTS: dict[str, Callable[[int, int], Any]] = {
    "numbers": lambda number, edit: number + edit,
    "objects with ids": lambda number, edit: {"id": f"{_ID}/{number}", "v": edit},
    "objects with other ids": lambda number, edit: {"id": f"{_ID}/{edit}/{number}", "v": 1},
    "objects without identity": lambda number, edit: {"v": number, "w": edit},
    "objects with a name twice": lambda number, edit: {"name": f"n{number // 2}", "v": edit},
}


def rows(*, quick: bool = False) -> Iterator[Row]:
    """Lists of each kind, and names of each kind nested in themselves."""
    large, deep = (_LARGE // 100, 20) if quick else (_LARGE, _DEEP)
    for what, element in _ELEMENTS.items():
        yield _row(f"{large:,} {what}", large, partial(_long, element))
    for name in _NAMES:
        yield _row(f"{deep} levels of {name}", deep, partial(_nested, name))


def _row(what: str, large: int, made: Callable[[int, int], Any]) -> Row:
    small_ms, large_ms = (_milliseconds(made(size, 1), made(size, 2)) for size in (large // 10, large))
    return Row(f"{what}, to a tenth of it", large_ms / small_ms, TIMES, "x", f"{large_ms:,.0f} ms")


def _long(element: Callable[[int, int], Any], size: int, edit: int) -> Any:
    return [element(number, edit) for number in range(size)]


def _nested(name: str, depth: int, edit: int) -> Any:
    value: Any = {f"leaf{number}": number + edit for number in range(_CHANGES)}
    for _ in range(depth):
        value = {name: value}
    return value


def _milliseconds(before: Any, after: Any) -> float:
    """The best of three comparisons."""
    best = float("inf")
    old, new = ({"properties": {"x": value}} for value in (before, after))
    for _ in range(3):
        gc.collect()
        begun = time.perf_counter()
        compare(old, _NO_ETAGS, new, _NO_ETAGS, _TYPE, PathRules())
        best = min(best, time.perf_counter() - begun)
    return best * 1000
