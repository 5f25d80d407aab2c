"""Lists for people: aligned columns, no lines drawn; ages and numbers as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

_GAP = "  "


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows under their heads, each column as wide as its widest cell. The cells are shown as they are."""
    lines = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        _GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def age(since: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits: `40s`, `12m`, `3h`, `5d`; `0s` for a moment that is yet to come."""
    passed = max(now - since, timedelta())
    for unit, length in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1))):
        if passed >= length:
            return f"{passed // length}{unit}"
    return f"{passed // timedelta(seconds=1)}s"


def number(count: int, one: str, many: str) -> str:
    """`1 entry`, `2 entries`."""
    return f"{count} {one if count == 1 else many}"
