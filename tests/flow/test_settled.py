from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from driftguard.flow.path import MAX_DEPTH, TooDeep, format_path
from driftguard.flow.settled import first_non_terminal, is_terminal
from tests.flow.bodies import json_values


@pytest.mark.parametrize(
    "state",
    [
        "Succeeded",
        "succeeded",
        "Failed",
        "Canceled",
        "Ready",
        "Active",
        "Online",
        "Completed",
        "Stopped",
        "Deleted",
        "Enabled",
        "",
    ],
)
def test_final_states(state: str) -> None:
    assert is_terminal(state)


@pytest.mark.parametrize(
    "state",
    [
        "Updating",
        "provisioning",
        "Creating",
        "DELETING",
        "RegisteringDns",
        "ProvisioningAccount",
        "ResolvingDNS",
        "Running",
        "Accepted",
        "accepted",
        "InProgress",
        "In Progress",
        "Pending",
        "Queued",
        "Created",
        "Unknown",
        "NotSpecified",
    ],
)
def test_states_of_something_that_still_runs(state: str) -> None:
    assert not is_terminal(state)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"properties": {"provisioningState": "Updating"}}, "properties.provisioningState"),
        ({"properties": {"ProvisioningState": "Updating"}}, "properties.ProvisioningState"),
        (
            {"subnets": [{"name": "a"}, {"name": "b", "properties": {"provisioningState": "Deleting"}}]},
            "subnets[name=b].properties.provisioningState",
        ),
        ({"a": [[1], [{"provisioningState": "Accepted"}]]}, "a[1][0].provisioningState"),
        ({"properties": {"provisioningState": "Succeeded"}}, None),
        ({"properties": {"provisioningState": None, "state": "Updating"}}, None),
        ({"tags": {"provisioningState": "Updating"}}, None),
        ("Updating", None),
    ],
)
def test_the_first_state_that_is_not_final_is_found_at_any_depth(body: Any, path: str | None) -> None:
    found = first_non_terminal(body)
    assert (None if found is None else format_path(found)) == path


@given(json_values)
def test_any_body_has_an_answer(body: Any) -> None:
    first_non_terminal(body)


def test_a_body_without_end_is_a_named_error() -> None:
    deep: Any = {}
    for _ in range(MAX_DEPTH + 2):
        deep = {"a": deep}
    with pytest.raises(TooDeep):
        first_non_terminal(deep)
