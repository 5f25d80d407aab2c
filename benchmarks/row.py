"""One row of the table: what was measured, its bound, and whether it holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. `bound` is the most that `value` may be, in `unit`; None where the row is for reading only.

    A value without a unit is a count, and is shown as a whole number.
    `value` is None where nothing was measured; `note` says why, or what stands behind the number.
    """

    what: str
    value: float | None
    bound: float | None = None
    unit: str = "s"
    note: str = ""

    @property
    def missed(self) -> bool:
        """Whether the measurement misses its bound."""
        return self.value is not None and self.bound is not None and self.value > self.bound

    @property
    def result(self) -> str:
        """`ok`, `missed`, or what kept it from being either."""
        if self.value is None:
            return "not measured"
        if self.bound is None:
            return ""
        return "missed" if self.missed else "ok"


_WIDTHS = (54, 12, 12, 13)


def heading() -> str:
    """The head of the table, two lines."""
    names = _line("what", "measured", "bound", "result", "")
    return f"{names}\n{'-' * (sum(_WIDTHS) + 30)}"


def shown(row: Row) -> str:
    """One line of the table."""
    return _line(row.what, _number(row.value, row.unit), _number(row.bound, row.unit), row.result, row.note)


def any_missed(rows: Iterable[Row]) -> bool:
    """Whether one of the rows misses its bound."""
    return any(row.missed for row in rows)


def _line(*cells: str) -> str:
    fixed = (f"{cell} ".ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False))
    return "".join([*fixed, cells[-1]]).rstrip()


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if not unit:
        return f"{value:,.0f}"
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.2f} {unit}"
