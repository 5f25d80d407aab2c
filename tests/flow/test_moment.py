from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.flow.moment import for_people, from_text, to_text

zones = st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-14 * 60, 14 * 60))
FIRST, LAST = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001  # reason: Hypothesis wants its bounds without a zone
moments = st.datetimes(FIRST, LAST, timezones=zones)


@given(moments)
def test_a_moment_comes_back_from_text_as_the_same_moment_in_utc(moment: datetime) -> None:
    back = from_text(to_text(moment))
    assert (back, back.utcoffset()) == (moment, timedelta(0))


@given(moments, moments)
def test_the_order_of_texts_is_the_order_of_moments(one: datetime, other: datetime) -> None:
    assert (to_text(one) < to_text(other)) is (one < other)


def test_a_moment_is_written_with_microseconds_and_z() -> None:
    moment = datetime(2026, 3, 1, 3, 14, 7, tzinfo=timezone(timedelta(hours=1)))
    assert to_text(moment) == "2026-03-01T02:14:07.000000Z"
    assert to_text(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00.000000Z"
    assert for_people(moment) == "2026-03-01 02:14:07 UTC"


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        to_text(datetime(2026, 3, 1))  # noqa: DTZ001  # reason: the very mistake that is refused


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-03-01",
        "2026-03-01T02:14:07Z",
        "2026-03-01T02:14:07.5Z",
        "2026-3-1T2:14:7.000000Z",
        "2026-03-01 02:14:07.000000Z",
        "2026-03-01T02:14:07.000000",
        "2026-03-01T02:14:07.000000+00:00",
        "2026-03-01T02:14:07.000000+01:00",
        "2026-03-01T02:14:07.0000001Z",
        "2026-13-01T02:14:07.000000Z",
        " 2026-03-01T02:14:07.000000Z",
        "2026-03-01T02:14:07.000000z",
    ],
)
def test_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_text(text)
