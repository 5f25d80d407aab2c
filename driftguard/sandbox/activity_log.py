"""The Activity Log: who wrote what, as events, and the one query that it allows.

Rules:
- One operation is several events with the same operation and correlation id: Started (with the request), then
  Succeeded or Failed (without it); an operation that goes on has Accepted between them.
- Events are listed newest first, 200 per page; an event shows only `latency` seconds after it happened.
- `$filter` is required, starts with the time and may end with one of four properties; nothing else is allowed.
- The log reaches back 90 days.
- The casing of an id varies from event to event, as in reality: ids are to be compared without it.

Sources: Azure Monitor documentation, "Activity log event schema" and "Retrieve activity log data using the REST API".
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from driftguard.sandbox.actors import Actor
from driftguard.sandbox.answers import Request, activity_log_error
from driftguard.sandbox.clock import stamp

Json = Any  # what json.loads gives
PAGE = 200
KEPT = timedelta(days=90)
_TIME = r"'([0-9T:.Z+-]{10,40})'"
_FILTER = re.compile(
    rf"\s*eventTimestamp ge {_TIME}(?: and eventTimestamp le {_TIME})?"
    r"(?: and (resourceUri|resourceGroupName|resourceProvider|correlationId) eq '([^']*)')?\s*\Z",
    re.IGNORECASE,
)
_SELECTABLE = frozenset(
    """authorization claims correlationId description eventDataId eventName eventTimestamp httpRequest level operationId
    operationName properties resourceGroupName resourceProviderName resourceId status submissionTimestamp subStatus
    subscriptionId""".split()
)
_REASONS = {200: "OK", 201: "Created", 202: "Accepted", 204: "NoContent", 403: "Forbidden", 409: "Conflict"}


@dataclass(frozen=True, slots=True)
class Operation:
    """A write, delete or action on a resource by an actor. `name` is such as `Microsoft.Web/sites/write`."""

    id: str
    resource_id: str
    resource_type: str
    name: str
    actor: Actor
    request: Request
    tenant: str
    status: int = 200


@dataclass(frozen=True, slots=True)
class Event:
    """A stored event; `number` counts up and tells pages apart."""

    number: int
    at: datetime
    resource_key: str
    correlation_id: str
    document: dict[str, Json]

    @property
    def order(self) -> tuple[datetime, int]:
        """Where it stands in time."""
        return self.at, self.number


class ActivityLog:
    """All events. The methods are not safe for threads by themselves; `Arm` holds its lock around them."""

    def __init__(self, latency: float = 0.0) -> None:
        self.latency = latency
        self._events: list[Event] = []

    def add(self, operation: Operation, outcome: str, at: datetime, *, properties: Json = None) -> None:
        """An event of an operation. `outcome`: Started, Accepted, Succeeded or Failed."""
        number = len(self._events)
        document = _document(operation, outcome, at, number, self.latency)
        if properties is not None:
            document["properties"] = properties
        key = operation.resource_id.lower()
        self._events.append(Event(number, at, key, operation.request.correlation_id, document))

    def documents(self) -> list[dict[str, Json]]:
        """All events as shown, newest first."""
        return [event.document for event in sorted(self._events, key=lambda event: event.order, reverse=True)]

    def query(self, request: Request, subscription: str, now: datetime, address: str) -> dict[str, Json]:
        """A page of events. Raises Refused for a filter, selection or page that is not allowed."""
        since, until, field, value = _parsed(request.query.get("$filter", ""), now)
        chosen = _selection(request.query.get("$select", ""))
        after = self._cursor(request.query.get("$skipToken", ""))
        visible_until = min(until, now - timedelta(seconds=self.latency))
        found = [
            event
            for event in self._events
            if since <= event.at <= visible_until
            and (after is None or event.order < after.order)
            and event.resource_key.startswith(f"/subscriptions/{subscription}")
            and _matches(event, field, value)
        ]
        found.sort(key=lambda event: event.order, reverse=True)
        page: dict[str, Json] = {"value": [_selected(event.document, chosen) for event in found[:PAGE]]}
        if len(found) > PAGE:
            page["nextLink"] = f"{address}&$skipToken={found[PAGE - 1].number}"
        return page

    def _cursor(self, token: str) -> Event | None:
        """The last event of the page before, or None on the first page."""
        if not token:
            return None
        if not token.isdigit() or int(token) >= len(self._events):
            raise activity_log_error("The skip token is invalid.")
        return self._events[int(token)]


def _parsed(text: str, now: datetime) -> tuple[datetime, datetime, str, str]:
    """Start, end, property and value of a filter."""
    match = _FILTER.match(text)
    if not match:
        raise activity_log_error(
            "The filter is invalid: it has to start with eventTimestamp and may name one of resourceUri, "
            "resourceGroupName, resourceProvider and correlationId."
        )
    since, until = _time(match[1]), _time(match[2]) if match[2] else now
    if since < now - KEPT:
        raise activity_log_error("The start time cannot be more than 90 days in the past.")
    if until < since:
        raise activity_log_error("The end time cannot be before the start time.")
    return since, until, (match[3] or "").lower(), (match[4] or "").lower()


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError:
        raise activity_log_error(f"The time '{text}' in the filter is invalid.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _selection(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if names - _SELECTABLE:
        raise activity_log_error(f"The property '{min(names - _SELECTABLE)}' cannot be selected.")
    return names


def _matches(event: Event, field: str, value: str) -> bool:
    parts = event.resource_key.split("/")
    if field == "resourceuri":
        return event.resource_key == value
    if field == "resourcegroupname":
        return len(parts) > 4 and parts[3] == "resourcegroups" and parts[4] == value
    if field == "resourceprovider":
        return bool(event.document["resourceProviderName"]["value"].lower() == value)
    return not field or event.correlation_id.lower() == value


def _selected(document: dict[str, Json], names: frozenset[str]) -> dict[str, Json]:
    if not names:
        return document
    return {name: value for name, value in document.items() if name in names or name == "caller"}


def _cased(resource_id: str, number: int) -> str:
    """The id in one of the casings that the log really shows: as written, group in capitals, all in lower case."""
    if number % 3 == 1:
        parts = resource_id.split("/")
        if len(parts) > 4:
            parts[3], parts[4] = "resourcegroups", parts[4].upper()
        return "/".join(parts)
    return resource_id.lower() if number % 3 == 2 else resource_id


def _document(operation: Operation, outcome: str, at: datetime, number: int, latency: float) -> dict[str, Json]:
    """The event as the REST form shows it."""
    actor, request, parts = operation.actor, operation.request, operation.resource_id.split("/")
    reason = _REASONS.get(operation.status, str(operation.status))
    started = outcome == "Started"
    document: dict[str, Json] = {
        "authorization": {"action": operation.name, "role": actor.role, "scope": operation.resource_id},
        "caller": actor.caller,
        "channels": "Operation",
        "claims": actor.claims(operation.tenant),
        "correlationId": request.correlation_id,
        "description": "",
        "eventDataId": str(uuid.uuid4()),
        "eventName": {"value": "BeginRequest" if started else "EndRequest"},
        "category": {"value": actor.category, "localizedValue": actor.category},
        "eventTimestamp": stamp(at),
        "submissionTimestamp": stamp(at + timedelta(seconds=latency)),
        "level": "Error" if outcome == "Failed" else "Informational",
        "operationId": operation.id,
        "operationName": {"value": operation.name, "localizedValue": operation.name},
        "resourceId": _cased(operation.resource_id, number),
        "resourceGroupName": parts[4] if len(parts) > 4 and parts[3].lower() == "resourcegroups" else "",
        "resourceProviderName": {"value": operation.resource_type.partition("/")[0]},
        "resourceType": {"value": operation.resource_type, "localizedValue": operation.resource_type},
        "status": {"value": outcome, "localizedValue": outcome},
        "subStatus": {"value": "" if started else reason},
        "subscriptionId": parts[2] if len(parts) > 2 else "",
        "tenantId": operation.tenant,
        "properties": {
            "statusCode": "" if started else reason,
            "serviceRequestId": None,
            "eventCategory": actor.category,
            "entity": operation.resource_id,
            "message": operation.name,
            "hierarchy": parts[2] if len(parts) > 2 else "",
        },
    }
    if actor.kind == "Application":
        document["authorization"]["evidence"] = {
            "role": actor.role,
            "principalId": actor.object_id,
            "principalType": "ServicePrincipal",
        }
    if started and actor.kind != "Platform":
        document["httpRequest"] = {
            "clientRequestId": request.headers.get("x-ms-client-request-id", str(uuid.uuid4())),
            "clientIpAddress": request.client_ip or actor.client_ip,
            "method": request.method,
            "uri": f"https://management.azure.com{request.path}?api-version={request.api_version}",
        }
    return document
