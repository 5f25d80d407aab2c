"""When what is stored was kept long enough."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest

from driftguard.flow.retention import LEAST, MOST, Retention, is_over, was_unnamed_long_enough

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_every_kind_has_a_default_within_its_bounds() -> None:
    kept = asdict(Retention())
    assert kept.keys() == LEAST.keys()
    assert all(LEAST[kind] <= days <= MOST for kind, days in kept.items())


@pytest.mark.parametrize("days", [7, 90, MOST])
def test_a_period_is_over_to_the_second(days: int) -> None:
    end = NOON + timedelta(days=days)
    assert (is_over(NOON, days, end - SECOND), is_over(NOON, days, end)) == (False, True)


def test_for_ever_is_never_over_and_what_is_still_to_come_neither() -> None:
    assert not is_over(NOON, None, NOON + timedelta(days=365_000))
    assert not is_over(NOON, 7, NOON - timedelta(days=365))


@pytest.mark.parametrize(
    ("days", "hours", "may_go"), [(0, 23, False), (0, 24, True), (7, 24, False), (None, 999, False)]
)
def test_what_nothing_names_waits_a_day_at_least(days: int | None, hours: int, may_go: bool) -> None:
    assert was_unnamed_long_enough(NOON, days, NOON + timedelta(hours=hours)) is may_go
