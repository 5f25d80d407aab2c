"""host.json: its keys are documented ones, its values are those that docs/function-app.md gives reasons for.

The schema below holds the keys of the "host.json reference for Azure Functions 2.x and later" and of the page on the HTTP
extension, as far as they are for an app like this one; a key that is not in it is a mistake or needs a row here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.documents import table
from tests.runtime_harness import FunctionsApp, functions_app

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "function-app.md"
HOST: dict[str, Any] = json.loads((ROOT / "host.json").read_text("utf-8"))

SPAN = {"type": "string", "pattern": r"^(\d+\.)?([01]\d|2[0-3]):[0-5]\d:[0-5]\d$"}
COUNT = {"anyOf": [{"const": -1}, {"type": "integer", "minimum": 1}]}  # -1: unbounded
LEVEL = {"enum": ["Trace", "Debug", "Information", "Warning", "Error", "Critical", "None"]}
KIND = "(Dependency|Event|Exception|PageView|Request|Trace)"


def closed(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """An object with no other members than these."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


SAMPLING = closed(
    {
        "isEnabled": {"type": "boolean"},
        "maxTelemetryItemsPerSecond": {"type": "number", "exclusiveMinimum": 0},
        "evaluationInterval": SPAN,
        "initialSamplingPercentage": {"type": "number", "minimum": 0, "maximum": 100},
        "samplingPercentageIncreaseTimeout": SPAN,
        "samplingPercentageDecreaseTimeout": SPAN,
        "minSamplingPercentage": {"type": "number", "minimum": 0, "maximum": 100},
        "maxSamplingPercentage": {"type": "number", "minimum": 0, "maximum": 100},
        "movingAverageRatio": {"type": "number", "minimum": 0, "maximum": 1},
        "excludedTypes": {"type": "string", "pattern": f"^{KIND}(;{KIND})*$"},
        "includedTypes": {"type": "string", "pattern": f"^{KIND}(;{KIND})*$"},
    }
)
HTTP = closed(
    {
        "routePrefix": {"type": "string", "pattern": r"^[^/]*$"},
        "maxOutstandingRequests": COUNT,
        "maxConcurrentRequests": COUNT,
        "dynamicThrottlesEnabled": {"type": "boolean"},
        "customHeaders": {"type": "object", "additionalProperties": {"type": "string"}},
        "hsts": closed(
            {
                "isEnabled": {"type": "boolean"},
                "maxAge": {"type": "string", "pattern": r"^\d+$"},  # a string, says the reference
                "includeSubDomains": {"type": "boolean"},
                "excludedHosts": {"type": "array", "items": {"type": "string"}},
                "preload": {"type": "boolean"},
            },
            ("isEnabled",),
        ),
    }
)
SCHEMA = closed(
    {
        "version": {"const": "2.0"},
        "functionTimeout": {"anyOf": [SPAN, {"const": "-1"}]},
        "aggregator": closed({"batchSize": {"type": "integer", "minimum": 1}, "flushTimeout": SPAN}),
        "concurrency": closed(
            {"dynamicConcurrencyEnabled": {"type": "boolean"}, "snapshotPersistenceEnabled": {"type": "boolean"}}
        ),
        "healthMonitor": closed(
            {
                "enabled": {"type": "boolean"},
                "healthCheckInterval": SPAN,
                "healthCheckWindow": SPAN,
                "healthCheckThreshold": {"type": "integer", "minimum": 1},
                "counterThreshold": {"type": "number", "minimum": 0, "maximum": 1},
            }
        ),
        "singleton": closed(
            {
                "lockPeriod": SPAN,
                "listenerLockPeriod": SPAN,
                "listenerLockRecoveryPollingInterval": SPAN,
                "lockAcquisitionTimeout": SPAN,
                "lockAcquisitionPollingInterval": SPAN,
            }
        ),
        "logging": closed(
            {
                "fileLoggingMode": {"enum": ["debugOnly", "always", "never"]},
                "logLevel": {"type": "object", "additionalProperties": LEVEL},
                "console": closed({"isEnabled": {"type": "boolean"}}),
                "applicationInsights": closed(
                    {
                        "samplingSettings": SAMPLING,
                        "enableLiveMetrics": {"type": "boolean"},
                        "enableDependencyTracking": {"type": "boolean"},
                        "enablePerformanceCountersCollection": {"type": "boolean"},
                    }
                ),
            }
        ),
        "extensions": closed({"http": HTTP}),
        "extensionBundle": closed(
            {
                "id": {"const": "Microsoft.Azure.Functions.ExtensionBundle"},
                "version": {"type": "string", "pattern": r"^[\[(][^,]+, *[^,]+[\])]$"},
            },
            ("id", "version"),
        ),
        "watchDirectories": {"type": "array", "items": {"type": "string"}},
        "watchFiles": {"type": "array", "items": {"type": "string"}},
    },
    ("version", "extensionBundle"),
)


@pytest.fixture(scope="module")
def app() -> Iterator[FunctionsApp]:
    with functions_app(ROOT) as loaded:
        yield loaded


def values(part: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every value with its dotted name, as JSON."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield from values(value, f"{name}.{key}" if name else key)
    else:
        yield name, part if isinstance(part, str) else json.dumps(part)


def test_every_key_is_a_documented_one_with_a_value_of_its_kind() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(HOST)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 2},
        {"functionTimeout": "30m"},
        {"http": {}},
        {"extensions": {"http": {"maxConcurrentRequests": 0}}},
        {"extensions": {"http": {"hsts": {"isEnabled": True, "maxAge": 10}}}},
        {"extensionBundle": {"id": "Microsoft.Azure.Functions.ExtensionBundle"}},
        {"logging": {"logLevel": {"default": "Info"}}},
    ],
)
def test_the_schema_finds_what_the_host_would_not_take(wrong: dict[str, Any]) -> None:
    assert not Draft202012Validator(SCHEMA).is_valid({**HOST, **wrong})


def test_every_value_stands_in_the_document_with_its_reason() -> None:
    told = {row[0]: (row[1], row[2]) for row in table(DOCUMENT, "key of host.json")[1:]}
    assert {name: told[name][0] if name in told else None for name, _ in values(HOST)} == {
        name: value or "(empty)" for name, value in values(HOST)
    }
    assert told.keys() == {name for name, _ in values(HOST)}
    assert all(reason for _, reason in told.values())


def test_every_function_stands_in_the_document(app: FunctionsApp) -> None:
    assert {row[0] for row in table(DOCUMENT, "function")[1:]} == set(app.bindings)


def test_the_fourth_bundle_is_asked_for() -> None:
    assert HOST["extensionBundle"]["version"] == "[4.*, 5.0.0)"


def test_routes_have_no_prefix_and_none_is_the_host_s_own_or_overlaps_another(app: FunctionsApp) -> None:
    assert HOST["extensions"]["http"]["routePrefix"] == ""
    triggers = [one for bindings in app.bindings.values() for one in bindings if one["type"] == "httpTrigger"]
    first = [one["route"].split("/")[0] for one in triggers]
    assert len(set(first)) == len(first), "disjoint by their first segment"
    assert not {"admin", "runtime"} & set(first) and not [one for one in first if "{" in one]


def test_timers_have_a_setting_for_their_schedule_and_no_queue_is_bound(app: FunctionsApp) -> None:
    kinds = {one["type"] for bindings in app.bindings.values() for one in bindings}
    assert kinds == {"httpTrigger", "http", "timerTrigger"}, "a queue needs its settings in host.json"
    schedules = [one["schedule"] for bindings in app.bindings.values() for one in bindings if "schedule" in one]
    assert all(re.fullmatch(r"%DRIFT_[A-Z]+_SCHEDULE%", one) for one in schedules)


def test_a_function_may_run_longer_than_any_http_answer_and_has_an_end() -> None:
    hours, minutes, seconds = map(int, HOST["functionTimeout"].split(":"))
    assert 230 < hours * 3600 + minutes * 60 + seconds <= 3600


def test_more_requests_may_wait_than_run_and_both_have_a_bound() -> None:
    http = HOST["extensions"]["http"]
    assert 200 <= http["maxConcurrentRequests"] < http["maxOutstandingRequests"]


def test_the_file_holds_no_secret_and_no_address() -> None:
    text = (ROOT / "host.json").read_text("utf-8").lower()
    assert not re.search(r"key|secret|password|token|connection|://|accountname|[0-9a-f]{16}", text)


def test_telemetry_samples_neither_requests_nor_faults() -> None:
    sampling = HOST["logging"]["applicationInsights"]["samplingSettings"]
    assert sampling["isEnabled"] and set(sampling["excludedTypes"].split(";")) == {"Request", "Exception"}
