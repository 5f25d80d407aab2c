"""Moments as text: UTC, ISO 8601 with `Z`, microseconds, so that text order is time order."""

from __future__ import annotations

from datetime import UTC, datetime


def to_text(moment: datetime) -> str:
    """`2026-03-01T02:14:07.000000Z`. Raises ValueError for a moment without a time zone: it could be any hour."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def from_text(text: str) -> datetime:
    """The inverse of `to_text`. Raises ValueError for any other form."""
    moment = datetime.fromisoformat(text)
    if to_text(moment) != text:
        raise ValueError(f"{text!r} is not a moment as it is stored")
    return moment.replace(tzinfo=UTC)


def for_people(moment: datetime) -> str:
    """`2026-03-01 02:14:07 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
