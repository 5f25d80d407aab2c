from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from driftguard.flow.identity import Standing
from driftguard.flow.path import MAX_DEPTH, TooDeep, format_path
from driftguard.flow.place import FREE_FORM
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


def with_state(body: Any, word: str) -> Any:
    """The body in which every text called provisioningState is this word."""
    if isinstance(body, list):
        return [with_state(item, word) for item in body]
    if not isinstance(body, dict):
        return body
    return {
        key: word if key == "provisioningState" and isinstance(item, str) else with_state(item, word)
        for key, item in body.items()
    }


def has_state(body: Any) -> bool:
    """Whether a text called provisioningState stands where people name nothing."""
    if isinstance(body, list):
        return any(map(has_state, body))
    if not isinstance(body, dict):
        return False
    return isinstance(body.get("provisioningState"), str) or any(
        has_state(item) for key, item in body.items() if key.lower() not in FREE_FORM
    )


@given(json_values)
def test_in_any_body_a_state_is_found_where_it_is_not_final_and_nowhere_else(body: Any) -> None:
    assert first_non_terminal(with_state(body, "Succeeded")) is None
    running = with_state(body, "Updating")
    found = first_non_terminal(running)
    assert (found is not None) == has_state(body)
    if found is not None:
        assert found[-1] == "provisioningState"
        assert "Updating" in Standing(running)(found)


def test_a_body_without_end_is_a_named_error() -> None:
    deep: Any = {}
    for _ in range(MAX_DEPTH + 2):
        deep = {"a": deep}
    with pytest.raises(TooDeep):
        first_non_terminal(deep)
