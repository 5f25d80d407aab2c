"""The permissions in docs/security.md, the custom role, and what is really asked of ARM: three times the same."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from driftguard.flow.access import Caller, Role
from driftguard.flow.review import Person
from driftguard.guard.record import Naming
from driftguard.sandbox import SUBSCRIPTION
from tests.documents import column, fenced
from tests.scenarios.steps import BOTH, SHOP_DNS, deploy, set_dns, story
from tests.source_tree import ROOT
from tests.world import NETWORK, VNET

SECURITY = ROOT / "docs/security.md"
ROLE: dict[str, Any] = json.loads((ROOT / "deploy/custom-role.json").read_text(encoding="utf-8"))

# What a GET of this path needs, the first that fits; the path is in lower case.
ACTIONS = [
    (r"/subscriptions/[^/]+", "Microsoft.Resources/subscriptions/read"),
    (r"/subscriptions/[^/]+/providers/[^/]+", "Microsoft.Resources/subscriptions/providers/read"),
    (r"/subscriptions/[^/]+/resources", "Microsoft.Resources/subscriptions/resources/read"),
    (r"/subscriptions/[^/]+/resourcegroups/[^/]+", "Microsoft.Resources/subscriptions/resourceGroups/read"),
    (
        r"/subscriptions/[^/]+/resourcegroups/[^/]+/resources",
        "Microsoft.Resources/subscriptions/resourceGroups/resources/read",
    ),
    (r".*/providers/microsoft\.resources/deployments/[^/]+", "Microsoft.Resources/deployments/read"),
    (
        r"/subscriptions/[^/]+/providers/microsoft\.insights/eventtypes/management/values",
        "Microsoft.Insights/eventtypes/values/read",
    ),
    (r".*/providers/microsoft\.network/.+", "Microsoft.Network/x/read"),
]


def action_of(path: str) -> str:
    found = (action for pattern, action in ACTIONS if re.fullmatch(pattern, path.partition("?")[0].lower()))
    return next(found, f"an action that nobody has thought of: {path}")


def allowed(action: str) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in ROLE["Actions"])


def test_the_custom_role_is_one_that_azure_takes() -> None:
    assert set(ROLE) == {
        "Name", "IsCustom", "Description", "Actions", "NotActions", "DataActions", "NotDataActions", "AssignableScopes",
    }  # fmt: skip
    assert ROLE["IsCustom"] is True
    assert len(ROLE["Name"]) <= 128
    assert len(ROLE["Description"]) <= 2048
    assert all(re.fullmatch(r"/subscriptions/[0-9a-f-]{36}", scope) for scope in ROLE["AssignableScopes"])


def test_the_custom_role_reads_and_does_nothing_else() -> None:
    assert ROLE["DataActions"] == ROLE["NotDataActions"] == ROLE["NotActions"] == []
    for action in ROLE["Actions"]:
        assert re.fullmatch(r"Microsoft\.[A-Za-z]+(/[A-Za-z]+|/\*)+/read", action), action


def test_the_table_of_permissions_is_the_custom_role() -> None:
    assert [text.strip("`") for text in column(SECURITY, "action")] == ROLE["Actions"]


def test_what_is_asked_of_arm_is_what_the_role_allows_and_every_action_is_needed(tmp_path: Path) -> None:
    with story(tmp_path) as telling:
        telling.record(None, naming=BOTH)
        telling.record(None, naming=Naming(scopes=(NETWORK,)), job="by-group")
        telling.record(None, naming=Naming(scopes=(f"/subscriptions/{SUBSCRIPTION}",)), job="by-subscription")
        telling.record(None, naming=Naming(deployments=(deploy(telling, VNET),)), job="by-deployment")
        set_dns(telling, SHOP_DNS)
        telling.sandbox.delete(BOTH.resources[1], as_="person-portal")
        telling.advance(minutes=1)
        telling.check()
        asked = telling.sandbox.traffic.requests()
    assert {method for method, _, _ in asked} == {"GET"}
    needed = {action_of(path) for _, path, _ in asked if not _is_of_another_namespace(path)}
    assert not {action for action in needed if not allowed(action)}
    unused = [one for one in ROLE["Actions"] if not any(fnmatchcase(action.lower(), one.lower()) for action in needed)]
    assert unused == []


def _is_of_another_namespace(path: str) -> bool:
    """Whether it is a resource of the shop that is not in the example: a team puts its own namespaces into the role."""
    found = re.fullmatch(r".*/providers/(microsoft\.[a-z]+/[a-z]+)/.+", path.partition("?")[0].lower())
    ours = ("microsoft.network/", "microsoft.resources/deployments", "microsoft.insights/eventtypes")
    return found is not None and not found[1].startswith(ours)


def test_the_app_roles_in_the_document_are_those_of_the_code() -> None:
    [manifest] = [json.loads(block) for kind, block in fenced(SECURITY.read_text(encoding="utf-8")) if kind == "json"]
    kinds = {"Application": False, "User": True}
    for role in manifest["appRoles"]:
        held = {
            kind
            for kind, is_person in kinds.items()
            if Caller(Person("x"), is_person=is_person, roles=frozenset({Role(role["value"])})).has(Role(role["value"]))
        }
        assert set(role["allowedMemberTypes"]) == held, role["value"]
    assert [role["value"] for role in manifest["appRoles"]] == list(Role)
    assert {"name": "idtyp"} in manifest["optionalClaims"]["accessToken"]


@pytest.mark.parametrize(
    "path", ["/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/x/config/list", "/x"]
)
def test_an_action_that_nobody_has_thought_of_is_not_allowed(path: str) -> None:
    assert not allowed(action_of(path))
