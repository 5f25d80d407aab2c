"""Lists: the generic list of a subscription or group, and the list of one type or collection.

Rules:
- The generic list shows tracked top-level resources only (those with a location), without properties and ETag.
- `$expand` adds createdTime, changedTime and provisioningState; ARM's changedTime runs ten minutes behind a write.
- A page ends with `nextLink` where there is more; its token is opaque to the caller.
- The list of a type shows each resource as its own GET does, ETag in the body included.

Source: facts of recorded traffic and the SDK's documentation of `resources.list`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from driftguard.flow.resource import ResourceRef
from driftguard.sandbox import shapes
from driftguard.sandbox.answers import Request, error
from driftguard.sandbox.bodies import Record, rendered, rendered_child
from driftguard.sandbox.clock import stamp
from driftguard.sandbox.state import GROUP, State

Json = Any  # what json.loads gives
PAGE = 1000
_ROW_FIELDS = ("location", "kind", "sku", "plan", "identity", "managedBy", "zones", "tags", "systemData")
_TYPE_FILTER = re.compile(r"\s*resourceType eq '([^']+)'\s*\Z", re.IGNORECASE)
_EXPANDABLE = ("createdTime", "changedTime", "provisioningState")
_REFRESH = timedelta(seconds=600)


def generic(state: State, scope: str, request: Request, now: datetime, address: str, page: int = PAGE) -> Json:
    """A page of the generic list below `scope` (a lower-cased id). Raises Refused for a filter that is not known."""
    wanted = _wanted_type(request.query.get("$filter", ""))
    rows = [
        record
        for record in state.below(scope + "/")
        if record.type.count("/") == 1
        and record.type.lower() != GROUP
        and (not wanted or record.type.lower() == wanted)
        and record.tracked
        and record.key.count("/providers/") == 1
    ]
    expand = [name for name in request.query.get("$expand", "").split(",") if name in _EXPANDABLE]
    size = min(page, _number(request.query.get("$top", str(page)), "$top") or page)
    start = _number(request.query.get("$skiptoken", "0"), "$skiptoken")
    answer: dict[str, Json] = {"value": [_row(record, expand, now) for record in rows[start : start + size]]}
    if start + size < len(rows):
        answer["nextLink"] = f"{address}&$skiptoken={start + size}"
    return answer


def _wanted_type(text: str) -> str:
    if not text:
        return ""
    match = _TYPE_FILTER.match(text)
    if not match:
        raise error(400, "InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string.")
    return match[1].lower()


def _number(text: str, name: str) -> int:
    if not text.isdigit():
        raise error(400, "InvalidQueryString", f"The query parameter {name} has to be a number.")
    return int(text)


def _row(record: Record, expand: Iterable[str], now: datetime) -> dict[str, Json]:
    body = record.body()
    row: dict[str, Json] = {"id": record.id, "name": record.id.rsplit("/", 1)[-1], "type": record.type}
    row |= {name: body[name] for name in _ROW_FIELDS if name in body}
    refreshed = record.written + _REFRESH
    extra = {
        "createdTime": stamp(record.created),
        "changedTime": stamp(refreshed if refreshed <= now else record.written),
        "provisioningState": record.state or "Succeeded",
    }
    return row | {name: extra[name] for name in expand}


def of_type(state: State, any_of_it: ResourceRef, api_version: str) -> Json:
    """The list of a type in its scope; `any_of_it` is a ref with any name in the place of the members' names."""
    scope = any_of_it.key.rpartition("/")[0] + "/"
    parent = state.records.get(any_of_it.key.rsplit("/", 2)[0])
    collections = shapes.EMBEDDED.get(parent.type.lower(), ()) if parent else ()
    name = next((it for it in collections if it.lower() == any_of_it.type.rpartition("/")[2].lower()), None)
    if parent is not None and name is not None:
        children = parent.body().get("properties", {}).get(name, [])
        return {"value": [rendered_child(parent, name, child, api_version) for child in children]}
    wanted = any_of_it.type.lower()
    within = scope if any_of_it.resource_group or wanted == GROUP else f"/subscriptions/{any_of_it.subscription}/"
    found = (record for record in state.below(within) if record.type.lower() == wanted)
    return {"value": [rendered(record, api_version) for record in found]}
