"""docs/http.md and the OpenAPI document say what the app does: calls, roles, problems, and examples that lead somewhere."""

from __future__ import annotations

import re
from typing import Any

from driftguard import errors
from driftguard.entry.api import create_app
from driftguard.entry.http import problems
from driftguard.entry.http.service import Service
from tests.documents import column, table
from tests.source_tree import ROOT
from tests.test_docs import all_errors

PAGE = ROOT / "docs/http.md"


def document() -> dict[str, Any]:
    def no_guard() -> Any:
        raise AssertionError("the document is made without a store")

    return create_app(Service(guard=no_guard)).openapi()


def operations() -> dict[str, Any]:
    paths = document()["paths"]
    return {f"{method.upper()} {path}": told for path, told_of in paths.items() for method, told in told_of.items()}


def test_the_page_names_every_call_with_its_roles() -> None:
    told = {row[0].strip("`"): row[1] for row in table(PAGE, "call")[1:]}
    assert told == {call: ", ".join(one["x-roles"]) or "none" for call, one in operations().items()}


def test_the_page_names_every_problem_with_status_and_exit_code() -> None:
    told = {row[0].strip("`"): (row[1], int(row[2])) for row in table(PAGE, "HTTP problem")[1:]}
    ours = {kind.problem: kind for kind in all_errors(errors.DriftGuardError) if kind.__module__ == errors.__name__}
    expected = {name: (str(status), ours[name].exit_code) for name, status in problems.STATUS.items()}
    expected |= {name: (str(status), code) for name, (status, code) in problems.HTTP_ONLY.items()}
    expected["invalid-input"] = ("400, 422", 3)
    assert told == expected
    assert column(PAGE, "HTTP problem") == list(told)


def test_every_example_calls_an_address_that_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8").replace("\\\n", " ")
    calls = [
        (match[1] or "GET", match[2])
        for line in text.splitlines()
        if line.startswith("curl ")
        for match in [re.search(r'curl -s[i]?(?: -X ([A-Z]+))? "\$SERVER(/[^"?]*)', line)]
        if match
    ]
    assert len(calls) == len(re.findall(r"^curl ", text, re.MULTILINE)) >= 8
    forms = {call: re.escape(call).replace(r"\{", "{").replace(r"\}", "}") for call in operations()}
    forms = {call: re.sub(r"\{[a-z]+\}", "[^/]+", form) for call, form in forms.items()}
    for method, path in calls:
        there = path == "/api/openapi.json" or any(re.fullmatch(form, f"{method} {path}") for form in forms.values())
        assert there, f"{method} {path}"


def test_every_call_tells_its_problems_roles_and_conditions() -> None:
    for call, told in operations().items():
        statuses = set(told["responses"])
        assert "500" in statuses and told["operationId"] and told["description"]
        for status, answer in told["responses"].items():
            if int(status) >= 400:
                schema = answer["content"][problems.MEDIA_TYPE]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}, (call, status)
        if told["x-roles"]:
            assert told["security"] == [{"bearer": []}] and {"401", "403", "503"} <= statuses
        names = {one["name"] for one in told.get("parameters", [])}
        assert set(re.findall(r"\{([a-z]+)\}", call)) <= names
        if told["x-roles"] == ["Reviewer"]:
            assert {"412", "428"} <= statuses and "If-Match" in names
        if call.startswith("POST"):
            body = told["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            schema = document()["components"]["schemas"][body]
            assert schema["additionalProperties"] is False and schema["examples"]
    assert document()["components"]["schemas"]["Problem"]["examples"]


def test_names_of_calls_are_unique() -> None:
    names = [one["operationId"] for one in operations().values()]
    assert len(names) == len(set(names)) == 28
