"""The workbook shows every instrument, and asks for none that is not there."""

from __future__ import annotations

import json
import re
from typing import Any

from driftguard.flow.telemetry import FORMS, INSTRUMENTS, SPANS
from tests.source_tree import ROOT

WORKBOOK = json.loads((ROOT / "deploy" / "workbook.json").read_text(encoding="utf-8"))
TABLES = {"customMetrics", "dependencies", "requests"}


def queries() -> list[dict[str, Any]]:
    return [item["content"] for item in WORKBOOK["items"] if item["type"] == 3]


def asked(query: str) -> set[str]:
    """The metrics that a query asks for."""
    return set(re.findall(r'"(driftguard\.[a-z_.]+[a-z])"', query))


def test_it_is_a_workbook_whose_parts_have_names_of_their_own() -> None:
    assert WORKBOOK["version"] == "Notebook/1.0"
    names = [item["name"] for item in WORKBOOK["items"]]
    assert len(names) == len(set(names)) and {item["type"] for item in WORKBOOK["items"]} == {1, 3, 9}
    (time,) = [item for item in WORKBOOK["items"] if item["type"] == 9]
    assert [one["name"] for one in time["content"]["parameters"]] == ["TimeRange"]


def test_every_query_is_of_application_insights_and_of_the_time_that_was_chosen() -> None:
    for content in queries():
        assert content["version"] == "KqlItem/1.0" and content["queryType"] == 0, content["title"]
        assert content["resourceType"] == "microsoft.insights/components"
        assert content["timeContextFromParameter"] == "TimeRange"
        assert content["query"].splitlines()[0] in TABLES, content["query"]
        assert all(line.startswith("| ") for line in content["query"].splitlines()[1:]), content["query"]
        assert content["query"].count('"') % 2 == 0 and content["query"].count("(") == content["query"].count(")")


def test_every_instrument_is_shown_and_no_other_is_asked_for() -> None:
    shown = set().union(*(asked(content["query"]) for content in queries()))
    assert shown == set(INSTRUMENTS)


def test_a_query_asks_for_attributes_that_its_metrics_have() -> None:
    for content in queries():
        dimensions = set(re.findall(r"customDimensions\.(\w+)", content["query"]))
        metrics = asked(content["query"])
        if metrics:
            assert all(dimensions <= set(INSTRUMENTS[name].attributes) for name in metrics), content["title"]
        else:
            assert dimensions <= {name for names in SPANS.values() for name in names}, content["title"]


def test_a_gauge_is_shown_by_its_highest_value_and_a_counter_by_its_sum() -> None:
    for content in queries():
        for name in asked(content["query"]):
            wanted = "max(valueMax)" if INSTRUMENTS[name].kind == "gauge" else "sum(valueSum)"
            assert wanted in content["query"], content["title"]


def test_the_document_lists_every_instrument_with_its_kind_unit_and_attributes() -> None:
    text = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| `driftguard.")
    ]
    told = {row[0].strip("`"): (row[1], row[2]) for row in rows}
    wanted = {
        name: (f"{one.kind}, s" if one.unit == "s" else one.kind, ", ".join(f"`{word}`" for word in one.attributes))
        for name, one in INSTRUMENTS.items()
    }
    assert told == wanted
    assert all(f"`{name}`" in text for name in SPANS)


def test_the_document_lists_every_class_of_answers() -> None:
    text = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    form = FORMS["answer"]
    assert isinstance(form, frozenset)
    assert [name for name in form if f"`{name}`" not in text] == []
