"""What is told of a valid policy that is probably not meant, each with its place and a remedy."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

import pytest

from driftguard.flow import policy_overlap
from driftguard.flow.attribute import Actor
from driftguard.flow.condition import When
from driftguard.flow.path import PathPattern
from driftguard.flow.platform_table import PlatformPaths, PlatformTable
from driftguard.flow.policy import JobPolicy, Match, Policy, Response, Rule
from driftguard.flow.policy_notices import SHIPPED, Notice, notices, superfluous
from driftguard.flow.policy_overlap import shadowed

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


def test_on_its_last_day_a_rule_still_applies_and_is_told_as_such() -> None:
    last_day = policy(ignoring("last", "tags", expires=TODAY))
    assert told(last_day) == ["last.yaml:1: rule 'last' expires on 2026-05-01: renew it or prepare to lose it"]


def test_an_expired_rule_is_told_for_nothing_else() -> None:
    gone = date(2026, 4, 30)
    watching = Rule("watching", VNETS, watch=("tags.owner",), where="w.yaml:3")
    judging = policy(
        ignoring("everything", "properties", Match(type="*"), expires=gone),
        ignoring("i", "tags.owner", expires=gone),
        ignoring("written", "properties.written", expires=gone),
        watching,
    )
    assert [" expired on " in one for one in told(judging)] == [True] * 3
    assert superfluous(judging, TODAY) == ()
    late = policy(ignoring("i", "tags.owner"), replace(watching, expires=gone))
    assert ["contradict" if "watches" in one else "expired" for one in told(late)] == ["expired"]


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
    for everything in (
        Match(type="*"),
        Match(name="*"),
        Match(type="**"),
        Match(type="*/*"),
        Match(id="/*"),
        Match(type="*", name="*", resource_group="**"),
    ):
        [one] = told(policy(ignoring("r", "tags", everything)))
        assert "in every resource of every type" in one
    assert told(policy(ignoring("r", "tags", Match(type="*", subscription="1")))) == []
    assert told(policy(ignoring("r", "tags", Match(type="*", resource_group="rg-*")))) == []
    assert told(policy(Rule("r", Match(type="*"), watch=("tags",), where="r.yaml:1"))) == []


def test_shipped_rules_are_not_told_for_being_broad() -> None:
    assert told(policy(ignoring(f"{SHIPPED}r", "properties", Match(type="*")))) == []


def test_a_path_both_ignored_and_watched_is_told() -> None:
    watching = Rule("watching", VNETS, watch=("Tags.owner",), where="w.yaml:3")
    [one] = told(policy(ignoring("i", "tags.owner"), watching))
    assert one.startswith("w.yaml:3: rule 'watching' watches 'Tags.owner', but rule 'i' ignores it, and wins: ")


NETWORK = Match(type="Microsoft.Network/*")


@pytest.mark.parametrize(
    ("ignored", "ignoring_match", "watched", "watching_match"),
    [
        ("properties.a", VNETS, "properties.a.b", VNETS),
        ("properties.a", VNETS, "Properties.A", Match(type=VNETS.type.upper())),
        ("properties.subnets[*].id", VNETS, "properties.subnets[name=q].id", VNETS),
        ("properties.subnets[*]", VNETS, "properties.subnets[3].id", VNETS),
        ("properties.*", VNETS, "properties.a", VNETS),
        ("**.a", VNETS, "properties.**.a", VNETS),
        ("tags.x", NETWORK, "tags.x", VNETS),
        ("tags.x", Match(type="*"), "tags.x", Match(name="hub")),
        ("tags.x", Match(resource_group="rg-*"), "tags.x", Match(resource_group="RG-shop-?", name="hub")),
        ("tags.x", Match(type="Microsoft.Network/virtual*"), "tags.x", Match(type="*/virtualNetworks*")),
    ],
)
def test_what_is_watched_in_vain_is_told(
    ignored: str, ignoring_match: Match, watched: str, watching_match: Match
) -> None:
    watching = Rule("watching", watching_match, watch=(watched,), where="w.yaml:3")
    [one] = [one for one in told(policy(ignoring("i", ignored, ignoring_match), watching)) if "watches" in one]
    assert one.startswith(f"w.yaml:3: rule 'watching' watches {watched!r}, but rule 'i' ignores ")


@pytest.mark.parametrize(
    ("ignored", "ignoring_match", "watched", "watching_match"),
    [
        ("properties.a.b", VNETS, "properties.a", VNETS),
        ("properties.subnets[name=q]", VNETS, "properties.subnets[*]", VNETS),
        ("properties.*", VNETS, "properties.subnets", Match(type="Microsoft.Compute/disks")),
        ("*.a", VNETS, "**.a", VNETS),
        ("**.a", VNETS, "properties.**", VNETS),
        ("**.**.**.**.a", VNETS, "**.**.**.**.b", VNETS),
        ("tags.x", VNETS, "tags.x", NETWORK),
        ("tags.x", Match(type=VNETS.type, name="hub"), "tags.x", VNETS),
        ("tags.x", Match(type="Microsoft.Network/*", name="hub"), "tags.x", Match(type="*/virtualNetworks*")),
        ("tags.x", Match(type="Microsoft.[NC]*/*"), "tags.x", VNETS),
        ("tags.x", Match(type="*Networks"), "tags.x", Match(type="Microsoft.*/disks")),
        ("tags.x", Match(resource_group="rg-?"), "tags.x", Match(resource_group="rg-*")),
    ],
)
def test_an_exception_that_somebody_may_have_meant_is_not_told(
    ignored: str, ignoring_match: Match, watched: str, watching_match: Match
) -> None:
    watching = Rule("watching", watching_match, watch=(watched,), where="w.yaml:3")
    assert not [one for one in told(policy(ignoring("i", ignored, ignoring_match), watching)) if "watches" in one]


def test_what_is_watched_under_a_condition_is_ignored_all_the_same() -> None:
    watching = Rule("watching", VNETS, watch=("tags.owner",), when=When(appears=True), where="w.yaml:3")
    [one] = told(policy(ignoring("i", "tags"), watching))
    assert "rule 'i' ignores 'tags', and wins" in one


def test_a_contradiction_with_a_shipped_rule_stands_at_the_teams_own_line() -> None:
    shipped = ignoring(f"{SHIPPED}i", "tags.owner")
    [one] = told(policy(Rule("watching", VNETS, watch=("tags.owner",), where="w.yaml:3"), shipped))
    assert one.startswith("w.yaml:3: ") and shipped.where not in one and "that rule always applies" in one
    watched = Rule(f"{SHIPPED}w", VNETS, watch=("tags.a", "tags.b"), where="shipped.yaml:9")
    [one] = told(policy(ignoring("own", "tags"), watched))
    assert one.startswith("own.yaml:1: rule 'own' ignores 'tags', and so hides what rule 'tolerated: w' ")
    assert told(policy(watched, ignoring(f"{SHIPPED}i", "tags"))) == []


def test_many_rules_and_job_entries_are_compared_with_few_others_each() -> None:
    names = [f"team-{n}-*" for n in range(4000)] + [f"*-{n}" for n in range(4000)]
    jobs = tuple(JobPolicy(match=name, where=f"p.yaml:{n}") for n, name in enumerate(names))
    asked = 0

    def counted(text: str, glob: str) -> bool:
        nonlocal asked
        asked += 1
        return fnmatchcase(text, glob)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policy_overlap, "fnmatchcase", counted)
        assert told(policy(jobs=jobs)) == []
        rules = [ignoring(f"i{n}", "tags.x", Match(name=f"{n}-a*")) for n in range(1500)]
        watched = [Rule(f"w{n}", Match(name=f"{n}-b*"), watch=("tags.x",), where="w.yaml:1") for n in range(1500)]
        assert told(policy(*rules, *watched)) == []
    assert asked < 10 * policy_overlap.MOST_COMPARED


def test_the_first_entry_that_covers_one_is_told_whichever_way_it_does() -> None:
    names = ["b", "a*", "ab*", "a*", "abc", "b", "*", "b"]
    assert list(shadowed(names)) == [(2, 1), (3, 1), (4, 1), (5, 0), (7, 0)]


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


ID = "8F0A6A3E-6f0e-4a53-9a3d-0d0f2f9c1a01"


@pytest.mark.parametrize("key", ["pipelines", "readers", "reviewers"])
@pytest.mark.parametrize("name", ["dana@contoso.com", "platform team", ID[:-1], ID.replace("-", ""), f"{{{ID}}}", "*"])
def test_a_caller_who_is_no_id_is_told(key: str, name: str) -> None:
    entry = JobPolicy(match="shop", where="p.yaml:3", **{key: (ID, name, name)})  # type: ignore[arg-type]  # reason: by name
    [one] = told(policy(jobs=(entry,)))
    assert one.startswith(f"p.yaml:3: {name!r} under {key} can never match")


def test_a_caller_in_the_defaults_is_told_once_and_one_that_is_an_id_never() -> None:
    named = JobPolicy(where="p.yaml", readers=("readers",), reviewers=(ID,))
    heirs = (replace(named, match="a", where="p.yaml:3"), replace(named, match="b", where="p.yaml:4", readers=(ID,)))
    [one] = told(policy(defaults=named, jobs=heirs))
    assert one.startswith("p.yaml: 'readers' under readers")


@pytest.mark.parametrize("actor", list(Actor))
def test_only_what_people_and_nobody_known_did_is_told_where_it_is_accepted(actor: Actor) -> None:
    lax = JobPolicy(where="p.yaml", on_drift={**JobPolicy().on_drift, actor: Response.ACCEPT})
    said = [one.startswith(f"p.yaml: on_drift.{actor}: accept") for one in told(policy(defaults=lax))]
    assert said == [True] * (actor in (Actor.PERSON, Actor.UNKNOWN))


def test_ignoring_what_azure_writes_itself_is_superfluous() -> None:
    [one] = superfluous(policy(ignoring("r", "properties.written.below"), ignoring("s", "properties.own")), TODAY)
    assert "which never halts anyway: read-only in a package 1.0" in str(one) and one.where == "r.yaml:1"


@pytest.mark.parametrize("match", [VNETS, Match(type="*"), Match(name="hub"), NETWORK])
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("properties.provisioningState", "is written by Azure Resource Manager"),
        ("SystemData.createdAt", "is written by Azure Resource Manager"),
        ("properties.subnets[*].properties.provisioningState", "is written by Azure Resource Manager"),
        ("etag", "an ETag is no part of what is compared"),
    ],
)
def test_ignoring_what_arm_writes_in_every_type_is_superfluous(match: Match, path: str, why: str) -> None:
    [one] = superfluous(policy(ignoring("r", path, match)), TODAY)
    assert why in str(one)


@pytest.mark.parametrize(
    "rules",
    [
        (ignoring("r", "properties"),),  # more than what Azure writes
        (ignoring("r", "properties.written", Match(type="Microsoft.Network/*")),),  # several types
        (ignoring("r", "properties.written", Match(name="hub")),),
        (ignoring("r", "*.written"),),
        (ignoring("r", "tags.etag"),),
        (ignoring("r", "properties.subnets[*].etag"),),  # an ETag only beside an id or a name
        (ignoring("r", "tags.provisioningState"),),
        (ignoring("r", "properties.*.provisioningState"),),
        (ignoring("r", "systemData"), Rule("w", VNETS, watch=("systemData.createdBy",))),
        (ignoring(f"{SHIPPED}r", "properties.written"),),
        (ignoring("r", "properties.written"), Rule("w", Match(type="*"), watch=("properties.written.at",))),
        (ignoring("r", "properties.written"), Rule("w", Match(name="hub"), watch=("properties.*",))),
    ],
)
def test_what_may_have_an_effect_is_not_superfluous(rules: tuple[Rule, ...]) -> None:
    assert superfluous(policy(*rules), TODAY) == ()
