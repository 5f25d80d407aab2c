"""What is told of a valid policy that is probably not meant, each with its place and a remedy."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from driftguard.flow.attribute import Actor
from driftguard.flow.condition import When
from driftguard.flow.path import PathPattern
from driftguard.flow.platform_table import PlatformPaths, PlatformTable
from driftguard.flow.policy import JobPolicy, Match, Policy, Response, Rule
from driftguard.flow.policy_notices import SHIPPED, Notice, notices, superfluous

TODAY = date(2026, 5, 1)
VNETS = Match(type="Microsoft.Network/virtualNetworks")
TABLE = PlatformTable("a package 1.0", PlatformPaths(read_only=(PathPattern.parse("properties.written"),)))


def policy(*rules: Rule, **more: Any) -> Policy:
    return Policy(source="p.yaml", digest="", platform=lambda type_: TABLE, rules=rules, **more)


def ignoring(name: str, path: str, match: Match = VNETS, **more: Any) -> Rule:
    return Rule(name, match, ignore=(path,), reason="x", where=f"{name}.yaml:1", **more)


def told(judging: Policy) -> list[str]:
    found = notices(judging, TODAY)
    assert all(notice.text and notice.remedy and notice.file for notice in found)
    return [str(notice) for notice in found]


def test_a_notice_knows_its_file_and_line() -> None:
    one, whole, odd = Notice("a:b/c.yaml:12", "t", "r"), Notice("c.yaml", "t"), Notice("a:b.yaml", "t")
    assert (one.file, one.line, str(one)) == ("a:b/c.yaml", 12, "a:b/c.yaml:12: t: r")
    assert (whole.file, whole.line, str(whole)) == ("c.yaml", None, "c.yaml: t")
    assert (odd.file, odd.line) == ("a:b.yaml", None)


def test_expired_and_soon_expiring_rules_are_told() -> None:
    gone, soon = told(
        policy(
            ignoring("gone", "tags", expires=date(2026, 4, 30)),
            ignoring("soon", "tags", expires=date(2026, 5, 31)),
            ignoring("later", "tags", expires=date(2026, 6, 1)),
        )
    )
    assert gone == "gone.yaml:1: rule 'gone' expired on 2026-04-30 and is not applied: renew or remove it"
    assert "expires on 2026-05-31" in soon


@pytest.mark.parametrize(
    "match",
    [
        Match(type="virtualNetworks"),
        Match(type="Microsoft Network/virtualNetworks"),
        Match(type="Microsoft.Network/"),
        Match(type="/virtualNetworks"),
        Match(name="hub/default"),
        Match(resource_group="rg shop"),
        Match(id="subscriptions/*"),
    ],
)
def test_a_rule_that_can_never_match_is_told(match: Match) -> None:
    [one] = told(policy(ignoring("r", "tags", match)))
    assert "can never match" in one and "write it as" in one


@pytest.mark.parametrize(
    "match",
    [
        Match(type="*", name="a"),
        Match(type="*subnets"),
        Match(type="Microsoft.*"),
        Match(type="Microsoft.Network/*/subnets"),
        Match(type="Microsoft.Network*"),
        Match(type="*/virtualNetworks"),
        Match(type="Microsoft.[NC]*/*"),
        Match(id="*/resourceGroups/rg-*/providers/*"),
        Match(id="/subscriptions/*"),
        Match(id="*hub"),
        Match(name="*", resource_group="rg-?"),
    ],
)
def test_a_rule_that_can_match_is_not_told(match: Match) -> None:
    assert told(policy(ignoring("r", "tags", match))) == []


def test_a_rule_with_a_condition_is_not_told_for_being_broad_or_contradicted() -> None:
    appears = When(appears=True)
    watching = Rule("watching", Match(type="*"), watch=("properties",), where="w.yaml:3")
    assert told(policy(ignoring("r", "properties", Match(type="*"), when=appears), watching)) == []


@pytest.mark.parametrize("path", ["properties", "Properties", "*", "properties.*", "properties.**", "**.*"])
def test_ignoring_everything_of_a_resource_is_told(path: str) -> None:
    [one] = told(policy(ignoring("r", path)))
    assert f"ignores {path!r}" in one


@pytest.mark.parametrize("path", ["properties.a", "*.a", "properties.*.a", "**.a", "tags", "tags.*", "properties.a.**"])
def test_ignoring_a_part_of_a_resource_is_not_told(path: str) -> None:
    assert told(policy(ignoring("r", path))) == []


def test_ignoring_in_every_type_is_told_and_in_some_resources_of_every_type_it_is_not() -> None:
    [one] = told(policy(ignoring("r", "tags", Match(type="*"))))
    assert "in every resource of every type" in one
    assert told(policy(ignoring("r", "tags", Match(type="*", resource_group="rg-*")))) == []
    assert told(policy(Rule("r", Match(type="*"), watch=("tags",), where="r.yaml:1"))) == []


def test_shipped_rules_are_not_told_for_being_broad() -> None:
    assert told(policy(ignoring(f"{SHIPPED}r", "properties", Match(type="*")))) == []


def test_a_path_both_ignored_and_watched_is_told() -> None:
    watching = Rule("watching", VNETS, watch=("Tags.owner",), where="w.yaml:3")
    [one] = told(policy(ignoring("i", "tags.owner"), watching))
    assert one.startswith("w.yaml:3: rule 'watching' watches 'Tags.owner', but rule 'i' ignores it, and wins: ")


@pytest.mark.parametrize(
    ("first", "second", "shadowed"),
    [
        ("pay-*", "pay-*", True),
        ("*", "pay-*", True),
        ("pay-*", "pay-prod", True),
        ("pay-?", "pay-*", False),
        ("a", "b", False),
    ],
)
def test_a_job_entry_that_an_earlier_one_covers_is_told(first: str, second: str, shadowed: bool) -> None:
    jobs = (JobPolicy(match=first, where="p.yaml:2"), JobPolicy(match=second, where="p.yaml:3"))
    assert [one.startswith("p.yaml:3: ") and "p.yaml:2" in one for one in told(policy(jobs=jobs))] == [True] * shadowed


def test_accepting_a_persons_changes_is_told_once() -> None:
    lax = JobPolicy(where="p.yaml", on_drift={**JobPolicy().on_drift, Actor.PERSON: Response.ACCEPT})
    [one] = told(policy(defaults=lax, jobs=(replace(lax, match="shop"),)))
    assert one.startswith("p.yaml: on_drift.person: accept")


def test_ignoring_what_azure_writes_itself_is_superfluous() -> None:
    [one] = superfluous(policy(ignoring("r", "properties.written.below"), ignoring("s", "properties.own")), TODAY)
    assert "which never halts anyway: read-only in a package 1.0" in str(one) and one.where == "r.yaml:1"


@pytest.mark.parametrize(
    "rules",
    [
        (ignoring("r", "properties"),),  # more than what Azure writes
        (ignoring("r", "properties.written", Match(type="Microsoft.Network/*")),),  # several types
        (ignoring("r", "properties.written", Match(name="hub")),),
        (ignoring("r", "*.written"),),
        (ignoring(f"{SHIPPED}r", "properties.written"),),
        (ignoring("r", "properties.written"), Rule("w", Match(type="*"), watch=("properties.written.at",))),
        (ignoring("r", "properties.written"), Rule("w", Match(name="hub"), watch=("properties.*",))),
    ],
)
def test_what_may_have_an_effect_is_not_superfluous(rules: tuple[Rule, ...]) -> None:
    assert superfluous(policy(*rules), TODAY) == ()
