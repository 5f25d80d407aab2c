"""The policy's matching: jobs, rules, platform tables, warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest

from driftguard.flow.attribute import Actor
from driftguard.flow.classify import ChangeClass
from driftguard.flow.condition import When
from driftguard.flow.identity import Standing
from driftguard.flow.path import Path, PathPattern, parse_path
from driftguard.flow.platform_table import PlatformPaths, PlatformTable
from driftguard.flow.policy import JobPolicy, Match, Mode, Policy, Response, Rule, Severity
from driftguard.flow.resource import ResourceRef, parse_ref

TODAY = date(2026, 5, 1)
SUBSCRIPTION = "aaaaaaaa-0000-0000-0000-000000000001"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-Shop-1"
VNET = parse_ref(f"{GROUP}/providers/Microsoft.Network/virtualNetworks/hub")
SUBNET = parse_ref(f"{GROUP}/providers/Microsoft.Network/virtualNetworks/hub/subnets/default")
VM = parse_ref(f"{GROUP}/providers/Microsoft.Compute/virtualMachines/vm-1")


def table(package: str, *paths: str, **by_name: str) -> PlatformTable:
    names = {name: PlatformPaths((PathPattern.parse(path),)) for name, path in by_name.items()}
    return PlatformTable(package, PlatformPaths(tuple(map(PathPattern.parse, paths))), names)


TABLES: Mapping[str, PlatformTable] = {
    "microsoft.network/virtualnetworks": table(
        "p 1.0", "properties.subnets[*].properties.purpose", "properties.resourceGuid"
    ),
    "microsoft.network/virtualnetworks/subnets": table("p 1.0", "properties.purpose", default="properties.always"),
}


def tables(resource_type: str) -> PlatformTable | None:
    return TABLES.get(resource_type.lower())


def policy(*rules: Rule, jobs: tuple[JobPolicy, ...] = (), defaults: JobPolicy | None = None) -> Policy:
    return Policy("test", "digest", tables, jobs=jobs, defaults=defaults or JobPolicy(), rules=rules)


def ignoring(name: str, path: str, match: Match, expires: date | None = None) -> Rule:
    return Rule(name, match, ignore=(path,), reason="because", expires=expires, where=f"{name}.yaml:1")


def classify(judging: Policy, ref: ResourceRef, path: str, today: date = TODAY) -> tuple[ChangeClass, str | None]:
    at: Path = parse_path(path)
    return judging.path_rules(ref, today).classify(at)


def test_the_first_matching_job_entry_wins() -> None:
    jobs = (
        JobPolicy(match="payments-test", mode=Mode.OBSERVE),
        JobPolicy(match="payments-*", lease=60.0),
        JobPolicy(match="*", lease=1.0),
    )
    judging = policy(jobs=jobs)
    assert judging.for_job("payments-test").mode is Mode.OBSERVE
    assert judging.for_job("payments-prod").lease == 60.0
    assert judging.for_job("shop").lease == 1.0


def test_a_job_without_an_entry_has_the_defaults_and_is_enforced() -> None:
    found = policy(jobs=(JobPolicy(match="payments-*", mode=Mode.OBSERVE),)).for_job("Payments-prod")
    assert (found.job, found.match, found.mode) == ("Payments-prod", "", Mode.ENFORCE)
    assert found.on_drift[Actor.PERSON] is Response.HALT


def test_every_class_of_actor_has_an_answer() -> None:
    assert set(JobPolicy().on_drift) == set(Actor)


@pytest.mark.parametrize(
    "match",
    [
        Match(type="microsoft.network/VIRTUALnetworks"),
        Match(type="Microsoft.Network/*"),
        Match(resource_group="RG-shop-*"),
        Match(name="HUB"),
        Match(id="*/providers/Microsoft.Network/*"),
        Match(subscription=SUBSCRIPTION.upper()),
        Match(type="*", resource_group="rg-shop-?", name="h*", id="/subscriptions/*", subscription=SUBSCRIPTION),
    ],
)
def test_a_match_compares_without_regard_to_case(match: Match) -> None:
    assert match.fits(VNET)


@pytest.mark.parametrize(
    "match",
    [
        Match(type="Microsoft.Network/virtualNetworks/subnets"),
        Match(type="Microsoft.Compute/*"),
        Match(resource_group="rg-other"),
        Match(name="hu"),
        Match(id="/subscriptions/*/vm-1"),
        Match(subscription="aaaaaaaa-0000-0000-0000-000000000002"),
        Match(type="Microsoft.Network/*", name="other"),
    ],
)
def test_one_part_that_does_not_fit_is_enough(match: Match) -> None:
    assert not match.fits(VNET)


def test_a_child_type_is_covered_by_a_glob_only() -> None:
    assert Match(type="Microsoft.Network/*").fits(SUBNET)
    assert not Match(type="Microsoft.Network/virtualNetworks").fits(SUBNET)


def test_an_ignored_path_keeps_the_name_of_its_rule() -> None:
    judging = policy(ignoring("first", "tags", Match(type="*")), ignoring("second", "tags.owner", Match(type="*")))
    assert classify(judging, VNET, "tags.owner") == (ChangeClass.IGNORED, "first")
    assert classify(judging, VNET, "location")[0] is ChangeClass.CONFIGURATION


def test_a_rule_applies_through_its_last_day_and_no_longer() -> None:
    judging = policy(ignoring("old", "tags", Match(type="*"), expires=TODAY))
    assert classify(judging, VNET, "tags", TODAY)[0] is ChangeClass.IGNORED
    assert classify(judging, VNET, "tags", date(2026, 5, 2))[0] is ChangeClass.CONFIGURATION


def test_platform_paths_come_from_the_table_of_the_type_which_is_named() -> None:
    judging = policy()
    assert classify(judging, VNET, "properties.resourceGuid") == (ChangeClass.PLATFORM, "read-only in p 1.0")
    assert classify(judging, SUBNET, "properties.resourceGuid")[0] is ChangeClass.CONFIGURATION
    assert classify(judging, VNET, "properties.purpose")[0] is ChangeClass.CONFIGURATION
    assert classify(judging, VNET, "properties.subnets[name=a].properties.purpose")[0] is ChangeClass.PLATFORM


def test_a_table_can_have_paths_of_its_own_for_a_resource_of_a_certain_name() -> None:
    judging = policy()
    other = parse_ref(f"{VNET.id}/subnets/other")
    assert classify(judging, SUBNET, "properties.always")[0] is ChangeClass.PLATFORM
    assert classify(judging, SUBNET, "properties.purpose")[0] is ChangeClass.CONFIGURATION
    assert classify(judging, other, "properties.always")[0] is ChangeClass.CONFIGURATION
    assert classify(judging, other, "properties.purpose")[0] is ChangeClass.PLATFORM


def test_a_secret_of_the_table_is_redacted() -> None:
    secret = PlatformPaths(secret=(PathPattern.parse("properties.join"),))
    judging = Policy("test", "digest", lambda _: PlatformTable("p 1.0", secret))
    assert judging.redact(VNET, TODAY).find(parse_path("properties.join")) == "a secret in p 1.0"


def test_a_rule_with_a_condition_applies_only_where_it_holds() -> None:
    dynamic = When(path="properties.method", is_=("Dynamic",))
    rule = Rule("dynamic", Match(type="*"), ignore=("properties.address",), when=dynamic)
    rules = policy(rule).path_rules(VNET, TODAY)
    address = parse_path("properties.address")
    for method, kind in (("Dynamic", ChangeClass.IGNORED), ("Static", ChangeClass.CONFIGURATION)):
        body = {"properties": {"method": method, "address": "10.0.0.4"}}
        assert rules.classify(address, Standing(body, body))[0] is kind
    assert rules.classify(address)[0] is ChangeClass.CONFIGURATION


def test_a_type_without_a_table_has_no_platform_path_of_its_own() -> None:
    assert classify(policy(), VM, "properties.resourceGuid")[0] is ChangeClass.CONFIGURATION


def test_a_watched_path_counts_as_configuration_and_an_ignored_one_beats_it() -> None:
    watching = Rule("watch", Match(type="*"), watch=("properties.resourceGuid",))
    assert classify(policy(watching), VNET, "properties.resourceGuid")[0] is ChangeClass.CONFIGURATION
    both = policy(watching, ignoring("ignore", "properties.resourceGuid", Match(type="*")))
    assert classify(both, VNET, "properties.resourceGuid")[0] is ChangeClass.IGNORED


def test_path_rules_are_built_once_per_type_and_set_of_rules() -> None:
    judging = policy(ignoring("one", "tags", Match(name="hub")))
    again = parse_ref(VNET.id.upper().replace("/HUB", "/hub"))
    other = parse_ref(VNET.id.replace("/hub", "/spoke"))
    assert judging.path_rules(VNET, TODAY) is judging.path_rules(again, TODAY)
    assert judging.path_rules(VNET, TODAY) is not judging.path_rules(other, TODAY)


def test_a_changed_copy_of_a_policy_does_not_share_what_was_built() -> None:
    judging = policy(ignoring("one", "tags", Match(type="*")))
    assert classify(judging, VNET, "tags")[0] is ChangeClass.IGNORED
    assert classify(replace(judging, rules=()), VNET, "tags")[0] is ChangeClass.CONFIGURATION


def test_redact_finds_the_paths_of_the_matching_rules() -> None:
    judging = policy(Rule("keys", Match(type="Microsoft.Network/*"), redact=("properties.*.sharedKey",)))
    path = parse_path("properties.peer.sharedKey")
    assert judging.redact(VNET, TODAY).find(path) == "keys"
    assert judging.redact(VM, TODAY).find(path) is None


def test_the_highest_severity_of_the_matching_rules_counts() -> None:
    low = Rule("low", Match(type="*"), severity=Severity.LOW)
    high = Rule("high", Match(type="Microsoft.Network/*"), severity=Severity.HIGH, expires=TODAY)
    assert policy(low, high).severity(VNET) is Severity.HIGH
    assert policy(high, low).severity(VNET, date(2026, 5, 2)) is Severity.LOW
    assert policy(low, high).severity(VM) is Severity.LOW
    assert policy().severity(VM) is Severity.NORMAL


def test_unread_settings_are_those_of_the_type_and_of_every_type() -> None:
    judging = replace(policy(), unread_settings={"microsoft.web/sites": ("app settings",), "*": ("locks",)})
    assert judging.unread("Microsoft.Web/Sites") == ("app settings", "locks")
    assert judging.unread("Microsoft.Other/things") == ("locks",)
