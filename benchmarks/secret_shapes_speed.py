"""Whether a value that is nearly a secret, again and again, is looked through in a time that grows with its length only."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.row import Row
from driftguard.flow.secret_shapes import is_secret_value

TIMES = 20.0  # of the time for a tenth of the length
_LONG, _QUICK = 200_000, 2_000  # characters

NEARLY_SECRETS = (
    "A",
    "eyJ",
    "-eyJ",
    " -a",
    "://",
    "-----BEGIN ",
    "key ",
    "token ",
    "a@:",
    "JQQJ99",
    "xoxb-",
    "=",
    " bearer a",
    "://a:",
    "://a:b",
    "mysql ",
    "mysql -p",
    " basic aaaa",
    "token\\",
)
"""What the shapes of secrets begin with."""


def nearly_secret(part: str, length: int) -> str:
    """The part again and again, about so many characters, with an end at which every shape is tried."""
    return part * (length // len(part)) + "= : @ -"


def rows(*, quick: bool = False) -> Iterator[Row]:
    """The worst of all parts."""
    length = _QUICK if quick else _LONG
    ratios = {part: _seconds(part, length) / _seconds(part, length // 10) for part in NEARLY_SECRETS}
    worst = max(ratios, key=lambda part: ratios[part])
    note = f"{_seconds(worst, length) * 1000:.1f} ms for {worst!r}, the worst of {len(ratios)}"
    yield Row(f"secrets in {length:,} characters, to a tenth of it", ratios[worst], TIMES, "x", note)


def _seconds(part: str, length: int) -> float:
    """The best of three looks."""
    value, best = nearly_secret(part, length), float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        is_secret_value(value)
        best = min(best, time.perf_counter() - begun)
    return best
