"""What may leave: the last look at telemetry, at what is really about to be sent.

Rules:
- Everything that may leave stands in the literal tables here and in flow/telemetry.py; anything else is taken out: host
  name, locale and operating system of the machine, numbers that the exporter collects about itself, logs, exceptions.
- An item of another kind, or of a metric or span that is not ours, is dropped. What cannot be read is not sent.

Source of the form: github.com/microsoft/ApplicationInsights-Home, EndpointSpecs (envelope, MetricData, RemoteDependencyData).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from driftguard.flow.telemetry import INSTRUMENTS, SPANS, strict

_ENVELOPE = ("ver", "name", "time", "iKey", "sampleRate")
_TAGS: Mapping[str, re.Pattern[str]] = {
    "ai.cloud.role": re.compile(r"driftguard\Z"),
    "ai.application.ver": re.compile(r"[0-9A-Za-z.+-]{1,40}\Z"),
    "ai.operation.id": re.compile(r"[0-9a-f]{32}\Z"),
    "ai.operation.parentId": re.compile(r"[0-9a-f]{16}\Z"),
    "ai.operation.name": re.compile(r"driftguard\.[a-z]{1,20}\Z"),
    "ai.internal.sdkVersion": re.compile(r"[0-9A-Za-z.:_-]{1,64}\Z"),
}
_MEASURED = ("name", "value", "count", "min", "max")
_DONE = ("ver", "name", "id", "resultCode", "duration", "success", "type")


def only_ours(body: bytes) -> bytes:
    """The items that may leave, as JSON; an empty list where there is none. Raises ValueError for what is no list of items."""
    items = json.loads(body)
    if not isinstance(items, list):
        raise ValueError("not a list of items")
    kept = [_of_ours(item) for item in items]
    return json.dumps([item for item in kept if item is not None]).encode()


def _of_ours(item: Any) -> dict[str, Any] | None:
    """The item with what may leave of it, or None."""
    data = item.get("data") if isinstance(item, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("baseData"), dict):
        return None
    base = {"MetricData": _measured, "RemoteDependencyData": _done}.get(str(data.get("baseType")), _not_ours)
    kept = base(data["baseData"])
    if kept is None:
        return None
    envelope = {name: item[name] for name in _ENVELOPE if name in item}
    return {**envelope, "tags": _tags(item.get("tags")), "data": {"baseType": data["baseType"], "baseData": kept}}


def _measured(data: dict[str, Any]) -> dict[str, Any] | None:
    metrics = [one for one in data.get("metrics") or () if isinstance(one, dict) and one.get("name") in INSTRUMENTS]
    if len(metrics) != 1:
        return None
    properties = strict(INSTRUMENTS[metrics[0]["name"]].attributes, data.get("properties") or {})
    kept = {name: metrics[0][name] for name in _MEASURED if metrics[0].get(name) is not None}
    return {"ver": data.get("ver", 2), "metrics": [kept], "properties": properties}


def _done(data: dict[str, Any]) -> dict[str, Any] | None:
    if data.get("name") not in SPANS:
        return None
    kept = {name: data[name] for name in _DONE if data.get(name) is not None}
    return {**kept, "properties": strict(SPANS[data["name"]], data.get("properties") or {})}


def _not_ours(_data: dict[str, Any]) -> None:
    return None


def _tags(tags: Any) -> dict[str, str]:
    if not isinstance(tags, dict):
        return {}
    return {name: tags[name] for name, form in _TAGS.items() if form.match(str(tags.get(name, "")))}
