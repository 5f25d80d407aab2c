"""The last look at what leaves: only items, tags and attributes of the tables."""

from __future__ import annotations

import json
from typing import Any

import pytest

from driftguard.adapters.telemetry.envelopes import only_ours


def measured(name: str = "driftguard.checks", **more: Any) -> dict[str, Any]:
    base = {"ver": 2, "metrics": [{"name": name, "value": 1, "count": 1}], "properties": {"verdict": "halt"}, **more}
    data = {"baseType": "MetricData", "baseData": base}
    return {"name": "Microsoft.ApplicationInsights.Metric", "iKey": "k", "time": "t", "tags": {}, "data": data}


def left(*items: Any) -> list[dict[str, Any]]:
    told = json.loads(only_ours(json.dumps(items).encode()))
    assert isinstance(told, list)
    return told


def test_an_item_of_ours_is_left_as_it_is() -> None:
    assert left(measured()) == [measured()]


@pytest.mark.parametrize(
    "item",
    [
        measured("_OTELRESOURCE_"),
        measured("Request_Success_Count"),
        {
            "name": "Microsoft.ApplicationInsights.Message",
            "data": {"baseType": "MessageData", "baseData": {"message": "x"}},
        },
        {"data": {"baseType": "ExceptionData", "baseData": {"exceptions": []}}},
        {"data": {"baseType": "RequestData", "baseData": {"name": "driftguard.check", "url": "https://x"}}},
        {"data": {"baseType": "RemoteDependencyData", "baseData": {"name": "SELECT 1"}}},
        {"data": {"baseType": "MetricData", "baseData": {"metrics": "x"}}},
        {"data": {"baseType": "MetricData", "baseData": {"metrics": []}}},
        {"data": {"baseType": ["MetricData"], "baseData": {}}},
        {"data": None},
        "text",
        None,
    ],
)
def test_an_item_of_another_kind_is_dropped(item: Any) -> None:
    assert left(item, measured()) == [measured()]


def test_what_is_not_in_the_tables_is_taken_out_of_an_item() -> None:
    item = measured(properties={"verdict": "halt", "job": "a b", "url": "https://x"}, secret="s")
    bad = {"ai.cloud.roleInstance": "host-7", "ai.device.id": "host-7", "ai.operation.id": "x y"}
    item["tags"] = {"ai.cloud.role": "driftguard", **bad}
    item["extra"] = "x"
    (told,) = left(item)
    assert told == {**measured(properties={"verdict": "halt", "job": "other"}), "tags": {"ai.cloud.role": "driftguard"}}


def test_a_span_keeps_its_times_and_loses_address_and_data() -> None:
    kept = {"name": "driftguard.check", "id": "1", "duration": "0.00:00:01.000", "success": True}
    properties = {"job": "shop", "error": "busy", "stack": "x"}
    base = {**kept, "data": "GET https://x", "target": "x", "properties": properties}
    (told,) = left({"data": {"baseType": "RemoteDependencyData", "baseData": base}})
    assert told["data"]["baseData"] == {**kept, "properties": {"job": "shop", "error": "busy"}}


@pytest.mark.parametrize("body", [b"", b"{}", b"nonsense", b"\xff"])
def test_what_cannot_be_read_is_not_sent(body: bytes) -> None:
    with pytest.raises(ValueError):
        only_ours(body)
