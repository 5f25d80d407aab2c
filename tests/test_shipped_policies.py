"""The policies that the product ships with judge as they say: each rule by the examples in tests/fixtures/tolerated/."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from driftguard.flow.classify import ChangeClass
from driftguard.flow.compare import compare
from driftguard.flow.diff import Change
from driftguard.flow.path import PathPattern, format_path, parse_path
from driftguard.flow.policy import Policy, Rule
from driftguard.flow.reading import ETags
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy

FIXTURES = Path(__file__).parent / "fixtures" / "tolerated"
TODAY = date(2026, 5, 1)
GROUP = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-shop"


@cache
def shipped() -> Policy:
    return load_policy(None, folder=policies_folder())


def cases(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found


ALL = [
    pytest.param(case, id=f"{file.stem}: {case['says']}")
    for file in sorted(FIXTURES.glob("*.yaml"))
    for case in cases(file)
]


def of_type(resource_type: str) -> ResourceRef:
    namespace, *types = resource_type.split("/")
    return parse_ref(f"{GROUP}/providers/{namespace}/" + "/".join(f"{part}/x" for part in types))


def judged(case: dict[str, Any], policy: Policy | None = None) -> tuple[Change, ...]:
    rules = (policy or shipped()).path_rules(of_type(case["type"]), TODAY)
    return compare(case["before"], ETags(), case["after"], ETags(), case["type"], rules).changes


def told(changes: tuple[Change, ...], kind: ChangeClass) -> list[str]:
    return sorted(format_path(change.path) for change in changes if change.kind is kind)


@pytest.mark.parametrize("case", ALL)
def test_each_example_is_judged_as_it_says(case: dict[str, Any]) -> None:
    changes = judged(case)
    for kind in ChangeClass:
        expected = case.get(str(kind), [])
        if kind is not ChangeClass.PLATFORM or expected:
            assert told(changes, kind) == sorted(expected), kind
    watched = sorted(
        format_path(change.path) for change in changes if change.kind is ChangeClass.CONFIGURATION and change.rule
    )
    assert watched == sorted(case.get("watched", []))


@pytest.mark.parametrize("case", ALL)
def test_each_example_is_judged_the_same_in_the_other_direction(case: dict[str, Any]) -> None:
    if any(rule.when and rule.when.appears for rule in firing(judged(case))):
        return  # what vanishes counts
    back = {**case, "before": case["after"], "after": case["before"]}
    for kind in (ChangeClass.CONFIGURATION, ChangeClass.IGNORED):
        assert told(judged(back), kind) == told(judged(case), kind)


def firing(changes: tuple[Change, ...]) -> list[Rule]:
    names = {change.rule for change in changes}
    return [rule for rule in shipped().rules if rule.name in names]


def paths_of(rule: Rule) -> Iterator[tuple[str, ChangeClass]]:
    yield from ((path, ChangeClass.IGNORED) for path in rule.ignore)
    yield from ((path, ChangeClass.CONFIGURATION) for path in rule.watch)


EVERY_PATH = [
    pytest.param(rule, path, kind, id=f"{rule.name}: {path}")
    for rule in shipped().rules
    for path, kind in paths_of(rule)
]


@pytest.mark.parametrize(("rule", "path", "kind"), EVERY_PATH)
def test_every_path_of_every_rule_has_an_example_in_the_fixture_that_the_rule_names(
    rule: Rule, path: str, kind: ChangeClass
) -> None:
    pattern = PathPattern.parse(path)
    assert any(
        change.rule == rule.name and change.kind is kind and pattern.matches(change.path)
        for case in cases(FIXTURES / f"{rule.fixture}.yaml")
        for change in judged(case)
    )


@pytest.mark.parametrize("rule", [rule for rule in shipped().rules if rule.ignore], ids=lambda rule: rule.name)
def test_beside_what_a_rule_passes_over_a_persons_change_counts(rule: Rule) -> None:
    """An example of the type in which something counts, with the rule's own path changed as well or instead."""
    assert any(
        rule.match.fits(of_type(case["type"])) and told(judged(case), ChangeClass.CONFIGURATION)
        for case in cases(FIXTURES / f"{rule.fixture}.yaml")
    )


def test_every_shipped_rule_ignores_or_watches_and_says_why() -> None:
    for rule in shipped().rules:
        assert bool(rule.ignore) != bool(rule.watch), rule.name
        assert rule.reason or rule.watch, rule.name
        assert rule.fixture, rule.name
        assert not rule.expires and not rule.redact and not rule.severity, rule.name


def test_no_shipped_rule_is_for_certain_names() -> None:
    for rule in shipped().rules:
        match = rule.match
        assert match.type and not (match.name or match.id or match.resource_group or match.subscription), rule.name


def test_every_fixture_is_named_by_a_rule() -> None:
    assert {file.stem for file in FIXTURES.glob("*.yaml")} == {rule.fixture for rule in shipped().rules}


def test_a_condition_that_is_unknown_hides_nothing() -> None:
    """Without the bodies at hand no rule with a condition passes over anything."""
    for rule in shipped().rules:
        if rule.when and rule.ignore:
            resource_type = next(
                case["type"]
                for case in cases(FIXTURES / f"{rule.fixture}.yaml")
                if rule.match.fits(of_type(case["type"])) and rule in firing(judged(case))
            )
            rules = shipped().path_rules(of_type(resource_type), TODAY)
            for path in rule.ignore:
                concrete = parse_path(path.replace("[*]", "[0]"))
                assert rules.classify(concrete)[0] is not ChangeClass.IGNORED


def test_examples_are_left_as_they_are() -> None:
    for case in (case for file in FIXTURES.glob("*.yaml") for case in cases(file)):
        kept = copy.deepcopy(case)
        judged(case)
        assert case == kept


# What the tables of Azure's SDK packages say, where it matters most.

ACTS = [
    ("Microsoft.Network/virtualNetworks", "properties.resourceGuid"),
    ("Microsoft.Compute/virtualMachines", "properties.vmId"),
    ("Microsoft.Compute/disks", "properties.uniqueId"),
    ("Microsoft.Compute/disks", "properties.timeCreated"),
    ("Microsoft.Storage/storageAccounts", "properties.creationTime"),
    ("Microsoft.Sql/servers/databases", "properties.creationDate"),
    ("Microsoft.Insights/components", "properties.CreationDate"),
    ("Microsoft.OperationalInsights/workspaces", "properties.createdDate"),
    ("Microsoft.ServiceBus/namespaces", "systemData.createdAt"),
    ("Microsoft.ManagedIdentity/userAssignedIdentities", "properties.principalId"),
    ("Microsoft.Web/sites", "properties.state"),
    ("Microsoft.Web/sites/slots", "properties.slotSwapStatus"),
    ("Microsoft.ContainerService/managedClusters", "properties.powerState.code"),
    ("Microsoft.Insights/components", "properties.InstrumentationKey"),
    ("Microsoft.OperationalInsights/workspaces", "properties.customerId"),
    ("Microsoft.Storage/storageAccounts", "properties.networkAcls.defaultAction"),
    ("Microsoft.Storage/storageAccounts", "properties.keyCreationTime.key1"),
    ("Microsoft.Storage/storageAccounts", "sku.name"),
    ("Microsoft.Network/networkSecurityGroups", "properties.securityRules[name=a].properties.access"),
    ("Microsoft.Network/loadBalancers", "properties.frontendIPConfigurations[name=a].properties.privateIPAddress"),
    ("Microsoft.KeyVault/vaults", "properties.accessPolicies[objectId=a].permissions.secrets[0]"),
    ("Microsoft.Web/sites", "properties.siteConfig.minTlsVersion"),
    ("Microsoft.Sql/servers", "properties.publicNetworkAccess"),
    ("Microsoft.Compute/virtualMachines", "identity.type"),
    ("Microsoft.ContainerService/managedClusters", "properties.kubernetesVersion"),
]
WRITTEN_BY_AZURE = [
    ("Microsoft.ServiceBus/namespaces", "systemData.lastModifiedAt"),
    ("Microsoft.ServiceBus/namespaces", "systemData.createdBy"),
    ("Microsoft.ServiceBus/namespaces/topics", "properties.accessedAt"),
    ("Microsoft.ServiceBus/namespaces/queues", "properties.countDetails.activeMessageCount"),
    ("Microsoft.Network/virtualNetworks", "properties.subnets[name=a].properties.ipConfigurations[0].id"),
    ("Microsoft.Network/virtualNetworks/subnets", "properties.ipConfigurations"),
    ("Microsoft.Network/networkSecurityGroups", "properties.networkInterfaces"),
    ("Microsoft.Network/networkInterfaces", "properties.virtualMachine.id"),
    ("Microsoft.Network/publicIPAddresses", "properties.ipConfiguration"),
    ("Microsoft.Compute/disks", "managedBy"),
    ("Microsoft.Web/serverfarms", "properties.numberOfSites"),
    ("Microsoft.Sql/servers/databases", "properties.earliestRestoreDate"),
]


def shipped_class(resource_type: str, path: str) -> ChangeClass:
    return shipped().path_rules(of_type(resource_type), TODAY).classify(parse_path(path))[0]


@pytest.mark.parametrize(("resource_type", "path"), ACTS)
def test_a_new_resource_and_a_deliberate_act_count_as_configuration(resource_type: str, path: str) -> None:
    assert shipped_class(resource_type, path) is ChangeClass.CONFIGURATION


@pytest.mark.parametrize(("resource_type", "path"), WRITTEN_BY_AZURE)
def test_what_azure_writes_itself_is_platform(resource_type: str, path: str) -> None:
    assert shipped_class(resource_type, path) is ChangeClass.PLATFORM


def test_what_is_not_read_is_listed_for_the_types_with_settings_beside_their_body() -> None:
    assert any("app settings" in text for text in shipped().unread("Microsoft.Web/sites"))
    assert any("locks" in text for text in shipped().unread("Microsoft.Any/thing"))
