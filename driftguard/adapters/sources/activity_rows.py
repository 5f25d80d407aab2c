"""Turns rows of the Activity Log into events. Pure.

Rules:
- Only writes, deletes and actions that change something count: not reads, not validations, not what Azure Policy
  evaluated, not health or advice.
- The rows of one operation (operation id, name, resource) are one event, at the time of the first of them.
- An operation that failed before it was accepted changed nothing. One that was accepted and then failed may have left a
  part of its change behind; it counts as a change, and so does one whose end is not known: the category says so.
- An autoscale event is of the resource that was scaled, not of the autoscale setting.
- A row that cannot be understood is counted, never passed over in silence.

Source of the fields: learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from driftguard.adapters.sources.activity_claims import caller_of, text
from driftguard.flow.attribute import Event

NAME = "activity-log"
END_NOT_KNOWN, FAILED = "end not known", "failed"
_MOST_ID = 4096
_CHANGES = ("/write", "/delete", "/action")
_SUCCEEDED = frozenset(["succeeded", "success", "completed"])
_ACCEPTED = "accepted"
_FAILED = frozenset(["failed", "failure", "canceled", "cancelled"])
_NEVER_A_CHANGE = frozenset(["servicehealth", "resourcehealth", "alert", "recommendation", "security"])
_EVALUATION = "microsoft.authorization/policies/"  # audit, deny, append …: a change itself has an event of its own
_READING_ACTIONS = ("list", "validate", "whatif")  # POST actions that ARM's own contract uses for reading


@dataclass(frozen=True, slots=True)
class Row:
    """One row that is about a change: what is compared, in lower case, and the row itself."""

    at: datetime
    resource: str
    operation: str
    status: str
    operation_id: str
    raw: Mapping[str, Any]


class NotARow(ValueError):
    """The row is not of the documented form."""


def row_of(raw: object) -> Row | None:
    """The row, or None where it is not about a change of a resource. Raises NotARow."""
    if not isinstance(raw, dict):
        raise NotARow("not an object")
    operation, resource = _value(raw.get("operationName")).lower(), _resource(raw)
    if not resource or not _changes_something(operation, _value(raw.get("category")).lower()):
        return None
    return Row(
        at=_time(raw.get("eventTimestamp")),
        resource=resource,
        operation=operation,
        status=_value(raw.get("status")).lower(),
        operation_id=_first_text(raw, "operationId", "correlationId", "eventDataId"),
        raw=raw,
    )


def events_of(rows: Iterable[Row]) -> list[Event]:
    """One event per operation that may have changed something, in order of time."""
    operations: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        operations.setdefault((row.operation_id, row.operation, row.resource), []).append(row)
    events = [_event(sorted(of_one, key=lambda row: row.at)) for of_one in operations.values() if _may_change(of_one)]
    return sorted(events, key=lambda event: (event.at, event.id))


def _event(rows: Sequence[Row]) -> Event:
    first = rows[0]
    claims: Mapping[str, object] = next((r.raw["claims"] for r in rows if isinstance(r.raw.get("claims"), dict)), {})
    named = next((text(r.raw.get("caller")) for r in rows if text(r.raw.get("caller"))), "")
    caller = caller_of(claims, named)
    category = "Policy" if caller.policy else _value(first.raw.get("category")) or "Administrative"
    return Event(
        source=NAME,
        id=_first_text(first.raw, "eventDataId", "id"),
        resource=first.resource,
        operation=_value(first.raw.get("operationName")),
        at=first.at,
        caller=caller.user_name or named or caller.app_id,
        object_id=caller.object_id,
        app_id=caller.app_id,
        is_person=False if category.lower() == "autoscale" and not caller.user_name else caller.is_person,
        client=caller.client,
        correlation_id=next((found for r in rows if (found := text(r.raw.get("correlationId")))), ""),
        category=category if _succeeded(rows) else f"{category}, {FAILED if _failed(rows) else END_NOT_KNOWN}",
        client_ip=next((found for r in rows if (found := _address(r.raw))), caller.address),
    )


def _succeeded(rows: Sequence[Row]) -> bool:
    return any(row.status in _SUCCEEDED for row in rows)


def _failed(rows: Sequence[Row]) -> bool:
    return not _succeeded(rows) and any(row.status in _FAILED for row in rows)


def _may_change(rows: Sequence[Row]) -> bool:
    # Services write a resource step by step after they have accepted a request.
    return not _failed(rows) or any(row.status == _ACCEPTED for row in rows)


def _changes_something(operation: str, category: str) -> bool:
    if not operation.endswith(_CHANGES) or category in _NEVER_A_CHANGE or operation.startswith(_EVALUATION):
        return False
    verb = operation.split("/")[-2]
    return not (operation.endswith("/action") and verb.startswith(_READING_ACTIONS))


def _resource(raw: Mapping[str, Any]) -> str:
    properties = raw.get("properties")
    if _value(raw.get("category")).lower() == "autoscale" and isinstance(properties, dict):
        scaled = text(properties.get("ResourceName"), _MOST_ID)
        if scaled.startswith("/"):
            return scaled.rstrip("/").lower()
    return text(raw.get("resourceId"), _MOST_ID).rstrip("/").lower()


def _address(raw: Mapping[str, Any]) -> str:
    request = raw.get("httpRequest")
    return text(request.get("clientIpAddress")) if isinstance(request, dict) else ""


def _value(field: object) -> str:
    """The text of a field, which comes as {"value": …, "localizedValue": …} or plain."""
    return text(field.get("value") if isinstance(field, dict) else field)


def _first_text(raw: Mapping[str, Any], *names: str) -> str:
    return next((found for name in names if (found := text(raw.get(name)))), "")


def _time(value: object) -> datetime:
    if not isinstance(value, str):
        raise NotARow("no time")
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise NotARow("not a time") from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
