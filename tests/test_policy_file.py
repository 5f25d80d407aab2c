"""Loading the policy files: what they may say, and that every mistake is told with its place."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.errors import BadConfiguration
from driftguard.flow.attribute import Actor, Principal
from driftguard.flow.classify import ChangeClass
from driftguard.flow.path import parse_path
from driftguard.flow.policy import JobPolicy, Mode, Policy, Response, Rule, Severity, UnknownAuthor
from driftguard.flow.policy_notices import notices, superfluous
from driftguard.flow.resource import parse_ref
from driftguard.flow.retention import Retention
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy
from driftguard.policy_file.examined import examine
from driftguard.policy_file.keys import (
    DEFAULTS,
    JOB,
    MATCH,
    ON_DRIFT,
    POLICY,
    PRINCIPAL,
    RETENTION,
    TOLERATED,
    TOLERATED_RULE,
    UNREAD,
    WHEN,
)
from driftguard.policy_file.tree import BadPolicyFile, read_file

FOLDER = policies_folder()
TODAY = date(2026, 5, 1)
SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
FIRST_DIGEST = "1517b5fc8c0cff8f6d7355af804614f3c356ddb14a9151cc766d33228236c17c"
GROUP = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-shop-1"
VNET = parse_ref(f"{GROUP}/providers/Microsoft.Network/virtualNetworks/hub")
SCALE_SET = parse_ref(f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/web")

EXAMPLE = """\
version: 1
jobs:
  - match: "payments-*"
    mode: enforce                       # or observe
    principals: [{app_id: 11111111-2222-3333-4444-555555555555, label: release pipeline}]
    readers: [8f0a6a3e-6f0e-4a53-9a3d-0d0f2f9c1a01]
    reviewers: [8f0a6a3e-6f0e-4a53-9a3d-0d0f2f9c1a02]
defaults: {on_drift: {person: halt, unknown: halt, other_automation: halt, azure_policy: warn, platform: warn},
           on_unmanaged: warn, on_other_job: warn, unknown_author: second_reviewer, own_writes: proven,
           stability_reads: 2, settle: 120s}
rules:
  - name: autoscale decides the capacity
    match: {type: Microsoft.Compute/virtualMachineScaleSets, resource_group: "rg-shop-*"}
    ignore: [sku.capacity]
    reason: the autoscale setting writes it
    owner: platform team
    expires: 2027-06-30
  - name: network is critical
    match: {type: "Microsoft.Network/*"}
    severity: high
    watch: ["properties.privateEndpointConnections[*]"]     # written by the platform, yet it matters here
    redact: ["properties.*.sharedKey"]
"""


def load(folder: Path, text: str | bytes) -> Policy:
    path = folder / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_policy(path, folder=FOLDER)


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(BadConfiguration) as caught:
        load(folder, text)
    assert caught.value.remedy
    return caught.value.message


def test_the_example_of_a_whole_policy_loads(tmp_path: Path) -> None:
    policy = load(tmp_path, EXAMPLE)
    job = policy.for_job("payments-prod")
    assert (job.mode, job.settle, job.stability_reads) == (Mode.ENFORCE, 120.0, 2)
    assert job.principals == (Principal(app_id="11111111-2222-3333-4444-555555555555", label="release pipeline"),)
    assert job.readers == ("8f0a6a3e-6f0e-4a53-9a3d-0d0f2f9c1a01",)
    assert job.reviewers == ("8f0a6a3e-6f0e-4a53-9a3d-0d0f2f9c1a02",)
    assert job.unknown_author is UnknownAuthor.SECOND_REVIEWER
    assert policy.severity(VNET) is Severity.HIGH
    assert policy.redact(VNET, TODAY).find(parse_path("properties.peer.sharedKey")) == "network is critical"
    classify = policy.path_rules(SCALE_SET, TODAY).classify
    assert classify(parse_path("sku.capacity")) == (ChangeClass.IGNORED, "autoscale decides the capacity")
    assert policy.path_rules(SCALE_SET, date(2027, 7, 1)).classify(parse_path("sku.capacity"))[0] is (
        ChangeClass.CONFIGURATION
    )
    assert notices(policy, TODAY) == superfluous(policy, TODAY) == ()
    assert policy.source == str(tmp_path / "mine.yaml")


def test_without_a_file_the_built_in_default_applies_and_says_so() -> None:
    policy = load_policy(None, folder=FOLDER)
    assert policy.source == "built-in default"
    assert notices(policy, TODAY) == superfluous(policy, TODAY) == ()
    given, built_in = policy.for_job("any"), JobPolicy()
    for field in fields(JobPolicy):
        if field.name not in ("job", "where"):
            assert getattr(given, field.name) == getattr(built_in, field.name), field.name


def test_the_default_file_names_every_default_key() -> None:
    text = (FOLDER / "default.yaml").read_text(encoding="utf-8")
    assert [
        key for key in (*POLICY.keys, *DEFAULTS.keys, *ON_DRIFT.keys, *RETENTION.keys) if f"{key}:" not in text
    ] == []


def test_a_job_overrides_defaults_key_by_key(tmp_path: Path) -> None:
    text = """\
version: 1
defaults: {on_drift: {autoscale: accept, platform: halt}, lease: 1h, settle: 0}
jobs:
  - {match: a, lease: 90, on_drift: {platform: warn}, mode: observe, stability_gap: 0.5s, check_budget: 2d}
"""
    policy = load(tmp_path, text)
    job, other = policy.for_job("a"), policy.for_job("b")
    assert (job.lease, job.settle, job.stability_gap, job.check_budget) == (90.0, 0.0, 0.5, 172800.0)
    assert (other.lease, other.mode) == (3600.0, Mode.ENFORCE)
    assert job.on_drift[Actor.AUTOSCALE] is Response.ACCEPT
    assert job.on_drift[Actor.PLATFORM] is Response.WARN
    assert other.on_drift[Actor.PLATFORM] is Response.HALT
    assert set(job.on_drift) == set(Actor)


def test_who_may_call_a_service_stands_in_an_entry_or_for_people_in_the_defaults(tmp_path: Path) -> None:
    text = """\
version: 1
defaults: {readers: [r1], reviewers: [v1]}
jobs:
  - {match: a, readers: [r2, r3], pipelines: [p1]}
  - {match: b, reviewers: []}
"""
    policy = load(tmp_path, text)
    callers = {job: policy.for_job(job) for job in ("a", "b", "no entry")}
    assert [(one.readers, one.reviewers, one.pipelines) for one in callers.values()] == [
        (("r2", "r3"), ("v1",), ("p1",)),
        (("r1",), (), None),
        (("r1",), ("v1",), None),
    ]
    assert "unknown key 'pipelines'" in refusal(tmp_path, "version: 1\ndefaults: {pipelines: [p1]}\n")


def test_a_caller_who_is_no_id_is_told_by_the_look_at_a_policy(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("version: 1\njobs:\n  - match: a\n    reviewers: [dana@contoso.com]\n", encoding="utf-8")
    [warning] = examine(path, folder=FOLDER, today=TODAY).warnings
    assert (warning.line, "'dana@contoso.com' under reviewers can never match" in warning.text) == (3, True)


def test_a_file_without_the_keys_of_later_versions_keeps_its_digest(folder: Path, tmp_path: Path) -> None:
    # What the first version gave for this file: a key that nobody wrote moves no digest that is stored.
    path = tmp_path / "mine.yaml"
    path.write_text("version: 1\njobs: [{match: a, reviewers: [b]}]\n", encoding="utf-8")
    assert load_policy(path, folder=folder).digest == FIRST_DIGEST
    digests = {FIRST_DIGEST}
    for used in ("pipelines: []", "pipelines: [c]", "scopes: []", f"scopes: [/subscriptions/{SUBSCRIPTION}]"):
        # A key that is there counts, also where it is empty: an empty list binds nobody, and lets nothing in.
        path.write_text(f"version: 1\njobs: [{{match: a, reviewers: [b], {used}}}]\n", encoding="utf-8")
        digests.add(load_policy(path, folder=folder).digest)
    assert len(digests) == 5


def test_how_long_things_are_kept_is_no_part_of_what_judges(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = "version: 1\njobs: [{match: a, reviewers: [b]}]\nretention: {halts: forever, checks: 7d}\n"
    path.write_text(text, encoding="utf-8")
    policy = load_policy(path, folder=folder)
    assert policy.digest == FIRST_DIGEST
    assert policy.retention == Retention(checks=7, halts=None)
    assert load_policy(None, folder=FOLDER).retention == Retention()


def test_the_scopes_of_a_job_are_ids_of_resources(tmp_path: Path) -> None:
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/RG-shop"
    policy = load(tmp_path, f"version: 1\njobs:\n  - match: a\n    scopes: [{group}/]\n")
    assert policy.for_job("a").scopes == (group.lower(),)
    assert policy.for_job("b").scopes is None
    for wrong in ("rg-shop", "/subscriptions/x", f"{group}/../rg-other", "https://example.com/subscriptions"):
        assert "is expected here" in refusal(tmp_path, f"version: 1\njobs:\n  - match: a\n    scopes: [{wrong}]\n")
    signed = [
        f"https://stshop.blob.core.windows.net/config{end}sig=canary" for end in ("?", ",", "/x%2C", "/x?sv=1%26")
    ]
    signed += ["https://evil.example/config?sig=canary", "AccountName=a;AccountKey=canary"]
    for text in signed:
        told = refusal(tmp_path, f"version: 1\njobs:\n  - match: a\n    scopes: ['{text}']\n")
        assert "container" in told and "canary" not in told
    assert "unknown key 'scopes'" in refusal(tmp_path, "version: 1\ndefaults: {scopes: []}\n")


def test_identities_and_api_versions(tmp_path: Path) -> None:
    text = """\
version: 1
identities: {anna: [anna@contoso.com, adm-anna]}
api_versions: {Microsoft.Network/virtualNetworks: 2024-05-01, Microsoft.Web/sites: "2024-04-01-preview"}
"""
    policy = load(tmp_path, text)
    assert policy.for_job("x").identities == {"anna": ("anna@contoso.com", "adm-anna")}
    assert policy.api_versions == {
        "microsoft.network/virtualnetworks": "2024-05-01",
        "microsoft.web/sites": "2024-04-01-preview",
    }


RULE_HEAD = "version: 1\nrules:\n  - name: r\n    match: {type: '*'}\n"
BAD = {
    "empty": ("", 1, "empty"),
    "comment only": ("# nothing\n", 1, "empty"),
    "list at the top": ("- version: 1\n", 1, "mapping"),
    "text at the top": ("policy\n", 1, "mapping"),
    "no version": ("jobs: []\n", 1, "'version' is missing"),
    "other version": ("version: 2\n", 1, "version '2'"),
    "unknown key": ("version: 1\ndefault: {}\n", 2, "did you mean 'defaults'?"),
    "unknown key, none close": ("version: 1\nqqq: {}\n", 2, "known here: version"),
    "unknown nested key": ("version: 1\ndefaults:\n  setle: 1s\n", 3, "did you mean 'settle'?"),
    "doubled key": ("version: 1\nrules: []\nrules: []\n", 3, "twice"),
    "two jobs entries": ("version: 1\njobs: []\n\njobs: []\n", 4, "'jobs' stands here twice"),
    "doubled type": ("version: 1\napi_versions:\n  A.b/c: 2024-01-01\n  a.B/c: 2024-01-01\n", 4, "twice"),
    "jobs not a list": ("version: 1\njobs: {match: a}\n", 2, "list"),
    "rules of nothing": ("version: 1\nrules:\n", 2, "list"),
    "job without match": ("version: 1\njobs:\n  - mode: observe\n", 3, "'match' is missing"),
    "boolean for a word": ("version: 1\njobs:\n  - match: a\n    mode: off\n", 4,
                         "YAML reads off as true or false: write one of enforce, observe"),
    "boolean for a number": ("version: 1\ndefaults: {stability_reads: on}\n", 2, "write a number from 1 to 10"),
    "boolean for a text": ("version: 1\njobs:\n  - match: yes\n", 3, 'write "yes"'),
    "boolean as a key": ("version: 1\non: {}\n", 2, "YAML reads on as"),
    "number for a text": ("version: 1\njobs:\n  - match: 2024\n", 3, 'in quotes: "2024"'),
    "nothing for a text": ("version: 1\njobs:\n  - match:\n", 3, "nothing"),
    "empty text": ("version: 1\njobs:\n  - match: ' '\n", 3, "empty"),
    "list for a text": ("version: 1\njobs:\n  - match: [a]\n", 3, "a list"),
    "mapping for a text": ("version: 1\njobs:\n  - match: {a: b}\n", 3, "a mapping"),
    "list as a key": ("version: 1\n? [a]\n: b\n", 2, "a list"),
    "control character": ('version: 1\njobs:\n  - match: "a\\e[2J"\n', 3, "control"),
    "half a character": ('version: 1\njobs:\n  - match: "a\\uD800"\n', 3, "control"),
    "unknown mode": ("version: 1\njobs:\n  - match: a\n    mode: enforced\n", 4, "one of enforce, observe"),
    "our pipeline accepted": ("version: 1\ndefaults:\n  on_drift:\n    our_pipeline: accept\n", 4, "one of halt, warn "),
    "unknown actor": ("version: 1\ndefaults:\n  on_drift:\n    people: halt\n", 4, "unknown key 'people'"),
    "ignore on other job": ("version: 1\ndefaults: {on_other_job: ignore}\n", 2, "accept, warn, halt"),
    "duration": ("version: 1\ndefaults:\n  settle: 2 minutes\n", 3, "90s, 30m, 4h or 2d"),
    "sixty-based duration": ("version: 1\ndefaults:\n  settle: 1:30\n", 3, "90s, 30m, 4h or 2d"),
    "endless duration": ("version: 1\ndefaults:\n  settle: .inf\n", 3, "90s"),
    "negative duration": ("version: 1\ndefaults:\n  settle: -1s\n", 3, "90s"),
    "no lease": ("version: 1\ndefaults:\n  lease: 0s\n", 3, "more than 0"),
    "too long": ("version: 1\ndefaults:\n  lease: 367d\n", 3, "at most 366d"),
    "a period that is too short": ("version: 1\nretention:\n  halts: 89d\n", 3, "at least 90d"),
    "a period without a unit": ("version: 1\nretention: {checks: 90}\n", 2, "a number of days such as 90d"),
    "a period in hours": ("version: 1\nretention: {checks: 2160h}\n", 2, "write 90d"),
    "a period of a century and more": ("version: 1\nretention: {checks: 36501d}\n", 2, "or forever"),
    "a period of no kind": ("version: 1\nretention: {ledger: 90d}\n", 2, "known here: checks, records"),
    "a retention that is no mapping": ("version: 1\nretention: forever\n", 2, "write {checks: 90d}"),
    "no stability read": ("version: 1\ndefaults:\n  stability_reads: 0\n", 3, "from 1 to 10"),
    "too many stability reads": ("version: 1\ndefaults:\n  stability_reads: 11\n", 3, "from 1 to 10"),
    "half a stability read": ("version: 1\ndefaults:\n  stability_reads: 1.5\n", 3, "from 1 to 10"),
    "principal of a label": ("version: 1\njobs:\n  - match: a\n    principals:\n      - label: x\n", 5, "app_id"),
    "app id": ("version: 1\njobs:\n  - match: a\n    principals:\n      - app_id: x\n", 5, "GUID"),
    "account of two": ("version: 1\nidentities:\n  anna: [a@x]\n  ben: [b@x,\n    A@x]\n", 5, "one of 'anna'"),
    "api-version of no day": ("version: 1\napi_versions:\n  A.b/c: 2024-13-45\n", 3, "'2024-13-45': there is no such day"),
    "preview of no day": ("version: 1\napi_versions: {A.b/c: 2024-02-30-preview}\n", 2, "there is no such day"),
    "no condition": (RULE_HEAD + "    watch: [a]\n    when: null\n", 6, "write {path: "),
    "a list for a match": ("version: 1\nrules:\n  - {name: r, match: [a], watch: [a]}\n", 3, "write {type: "),
    "a rule that is a text": ("version: 1\nrules:\n  - tags\n", 3, "write name: …, match: …"),
    "nothing for a needed key": ("version: 1\nrules:\n  - {name: , match: {type: '*'}, watch: [a]}\n", 3, "write a text"),
    "a tag on a plain value": ('version: !!int "1"\n', 1, "the tag '!!int' is not used here"),
    "a tag without a name": ("version: 1\njobs: ! []\n", 2, "the tag '!' is not used here"),
    "a name with a blank": (RULE_HEAD + "    watch: ['tags.cost center']\n", 5, "tags['cost center']"),
    "api-version": ("version: 1\napi_versions:\n  A.b/c: latest\n", 3, "2024-05-01"),
    "type of an api-version": ("version: 1\napi_versions:\n  vnet: 2024-05-01\n", 3, "Microsoft.Network/virtualNetworks"),
    "rule without a name": ("version: 1\nrules:\n  - match: {type: a/b}\n    watch: [a]\n", 3, "'name' is missing"),
    "rule without a match": ("version: 1\nrules:\n  - name: r\n    watch: [a]\n", 3, "'match' is missing"),
    "empty match": ("version: 1\nrules:\n  - name: r\n    match: {}\n    watch: [a]\n", 4, 'type: "*"'),
    "subscription name": ("version: 1\nrules:\n  - name: r\n    match: {subscription: prod}\n    watch: [a]\n", 4, "GUID"),
    "rule without an effect": (RULE_HEAD, 3, "does nothing"),
    "ignore without a reason": (RULE_HEAD + "    ignore: [tags]\n", 3, "'reason'"),
    "redact that expires": (RULE_HEAD + "    redact: [tags]\n    expires: 2027-01-01\n", 3, "must not expire"),
    "doubled rule": (RULE_HEAD + "    watch: [a]\n  - {name: r, match: {name: x}, watch: [a]}\n", 6, "first at "),
    "bad path": (RULE_HEAD + "    watch:\n      - tags\n      - 'a..b'\n", 7, "'a..b' is not a path"),
    "path that matches all": (RULE_HEAD + "    reason: x\n    ignore: ['**']\n", 6, "match everything"),
    "path as a text": (RULE_HEAD + "    watch: tags\n", 5, "list"),
    "unknown severity": (RULE_HEAD + "    severity: highest\n", 5, "low, normal, high, critical"),
    "no such day": (RULE_HEAD + "    watch: [a]\n    expires: 2027-02-30\n", 6, "2027-02-30"),
    "not YAML": ("version: 1\njobs: [\n", 3, "not valid YAML"),
    "tab": ("version: 1\njobs:\n\t- match: a\n", 3, "not valid YAML"),
    "undefined alias": ("version: 1\njobs: *gone\n", 2, "undefined alias"),
    "two documents": ("version: 1\n---\nversion: 1\n", 2, "single document"),
    "raw control character": ("version: 1\n\n\x07", 3, "control character"),
    "Python tag": ("version: 1\njobs: !!python/object/apply:os.getcwd []\n", 2, "tag"),
    "binary": ("version: 1\njobs:\n  - match: !!binary aGk=\n", 3, "tag"),
    "merge key": ("version: 1\ndefaults:\n  <<: {settle: 1s}\n", 3, "merge keys"),
    "escape out of range": ('version: 1\njobs:\n  - match: "\\UFFFFFFFF"\n', 1, "out of range"),
    "not UTF-8": (b"version: 1\njobs: []\n# caf\xe9\n", 3, "UTF-8"),
    "UTF-16": ("version: 1\n".encode("utf-16"), 1, "UTF-8"),
    "too deep": ("version: 1\njobs: " + "[" * 5_000, 1, "nested too deeply"),
    "too large": ("version: 1\n#" + "x" * 1_000_000, 1, "larger than 1,000,000 bytes"),
    "endless alias": ("version: 1\njobs: &a [*a, *a]\n", 2, "without aliases"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "said"), BAD.values(), ids=BAD.keys())
def test_every_mistake_is_told_with_its_file_and_line(tmp_path: Path, text: str | bytes, line: int, said: str) -> None:
    first = refusal(tmp_path, text).splitlines()[0]
    assert first.startswith(f"{tmp_path / 'mine.yaml'}:{line}: ")
    assert said in first


@pytest.mark.parametrize("text", [text for text, _, _ in BAD.values()], ids=BAD.keys())
def test_every_mistake_has_a_remedy_of_its_own(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(BadPolicyFile) as caught:
        load(tmp_path, text)
    assert caught.value.found
    for problem in caught.value.found:
        assert (problem.file, problem.line is not None) == (str(tmp_path / "mine.yaml"), True)
        assert problem.remedy and "policies/README.md describes" not in problem.remedy


MANY = """\
version: 2
rules:
  - name: one
    match: {}
    ignore: [a..b]
    reson: x
  - {name: one, match: {type: 2}, redact: [a], expires: never}
  - 7
identities: {anna: [a, 1], ben: x}
defaults: {lease: 0s, lease: 1s, on: 1}
jobs: !!binary aGk=
api_versions: {vnet: new}
"""


def test_all_mistakes_of_a_file_are_found_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    with pytest.raises(BadPolicyFile) as odd:
        load(tmp_path, MANY)
    assert [problem.line for problem in odd.value.found] == [11]
    with pytest.raises(BadPolicyFile) as caught:
        load(tmp_path, MANY.replace("!!binary aGk=", "[{mode: off}]"))
    said = [(problem.line, problem.text) for problem in caught.value.found]
    expected = [
        (1, "version '2'"), (3, "without the key 'reason'"), (4, "empty match"), (5, "not a path"), (6, "unknown key 'reson'"),
        (7, "must not expire"), (7, "a text is expected"), (7, "a day"), (7, "stands here twice"), (8, "a mapping"),
        (9, "a text is expected"), (9, "a list"), (10, "'lease' stands here twice"), (10, "YAML reads on"),
        (10, "more than 0"), (11, "'match' is missing"), (11, "YAML reads off"), (12, "a resource type"), (12, "an api-version"),
    ]  # fmt: skip
    assert [line for line, _ in said] == [line for line, _ in expected]
    for line, words in expected:
        assert [text for at, text in said if at == line and words in text], (line, words)


def test_what_an_alias_repeats_is_told_once(tmp_path: Path) -> None:
    text = "version: 1\njobs:\n  - {match: a, readers: &team [1]}\n  - {match: b, readers: *team}\n"
    assert refusal(tmp_path, text).count("put it in quotes") == 1


def test_aliases_that_multiply_are_refused(tmp_path: Path) -> None:
    levels = [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "aliases followed" in refusal(tmp_path, "\n".join(["version: 1", "x0: &x0 [a]", *levels]))


def test_an_alias_used_twice_is_followed(tmp_path: Path) -> None:
    text = "version: 1\njobs:\n  - {match: a, readers: &team [one, two]}\n  - {match: b, readers: *team}\n"
    assert load(tmp_path, text).for_job("b").readers == ("one", "two")


def test_several_mistakes_are_told_together_the_first_five(tmp_path: Path) -> None:
    lines = refusal(tmp_path, "version: 1\n" + "".join(f"key{n}: {n}\n" for n in range(8))).splitlines()
    assert [re.search(r":(\d+): ", line)[1] for line in lines[:5]] == ["2", "3", "4", "5", "6"]  # type: ignore[index]  # a line without a number fails the test too
    assert lines[5:] == ["… and 3 more"]


@pytest.mark.parametrize("name", ["absent.yaml", ".", "a\0b"])
def test_a_named_file_that_cannot_be_read_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadConfiguration, match="cannot be read"):
        load_policy(tmp_path / name, folder=FOLDER)


def said_of(path: Path) -> str:
    """What is wrong with the file, or that nothing is; any other error than BadConfiguration leaves."""
    try:
        load_policy(path, folder=FOLDER)
    except BadConfiguration as error:
        return error.message
    return f"{path}: nothing"


YAML_WORDS = st.sampled_from(
    ["version", "jobs", "rules", "defaults", "match", "name", "on_drift", "person", "halt", "settle", "ignore", "expires",
     ": ", "\n", "\n  ", "\n    - ", "- ", "{", "}", "[", "]", ",", "&a ", "*a", "!!", "!", "|", ">", "'", '"', "\\U",
     "%YAML ", "---", "...", "?", "<<", "#", "1", "1s", "on", "~", "2027-01-01", "*", "\t", "\ufeff", "é", "\0"]
)  # fmt: skip


@given(text=st.one_of(st.text(), st.lists(YAML_WORDS).map("".join), st.lists(YAML_WORDS).map("version: 1\n".join)))
def test_any_text_loads_or_is_refused_and_nothing_else(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "random.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert said_of(path).startswith(f"{path}:")


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), YAML_WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(YAML_WORDS, inner, max_size=3)),
    max_leaves=8,
)
TREES = st.fixed_dictionaries(
    {"version": st.just(1)},
    optional={
        "jobs": JSON_VALUES | st.lists(st.dictionaries(st.sampled_from(sorted(JOB.keys)), JSON_VALUES), max_size=2),
        "rules": JSON_VALUES
        | st.lists(st.dictionaries(st.sampled_from(sorted(TOLERATED_RULE.keys)), JSON_VALUES), max_size=2),
        "defaults": st.dictionaries(st.sampled_from(sorted(DEFAULTS.keys)), JSON_VALUES, max_size=3),
        "identities": JSON_VALUES,
        "api_versions": JSON_VALUES,
    },
)


@given(tree=TREES)
def test_any_tree_loads_or_is_refused_and_nothing_else(tmp_path_factory: pytest.TempPathFactory, tree: object) -> None:
    path = tmp_path_factory.getbasetemp() / "tree.yaml"
    path.write_text(json.dumps(tree), encoding="utf-8")
    assert said_of(path).startswith(f"{path}:")


REWRITTEN = (
    EXAMPLE.replace("settle: 120s", "settle: 2m, lease: 4h").replace("# or observe", "# a note") + "\n# the end\n"
)


def test_the_digest_is_of_the_judgement_not_of_the_writing(tmp_path: Path) -> None:
    digest = load(tmp_path, EXAMPLE).digest
    assert re.fullmatch(r"[0-9a-f]{64}", digest)
    assert load(tmp_path, REWRITTEN).digest == digest
    assert load(tmp_path, "# a heading\n\n" + EXAMPLE).digest == digest
    assert load(tmp_path, EXAMPLE.replace("\n", "\r\n")).digest == digest
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert load(elsewhere, EXAMPLE).digest == digest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("payments-*", "payment-*"),
        ("mode: enforce", "mode: observe"),
        ("person: halt", "person: warn"),
        ("settle: 120s", "settle: 121s"),
        ("on_unmanaged: warn", "on_unmanaged: halt"),
        ("reviewers: [8f0a", "reviewers: [9f0a"),
        ("readers: [8f0a", "readers: [9f0a"),
        ("mode: enforce", "pipelines: [11111111-2222-3333-4444-555555555555]"),
        ("defaults: {", "defaults: {reviewers: [8f0a6a3e-6f0e-4a53-9a3d-0d0f2f9c1a01], "),
        ("sku.capacity", "sku"),
        ("2027-06-30", "2027-07-01"),
        ("severity: high", "severity: low"),
        ("rg-shop-*", "rg-*"),
        ("sharedKey", "key"),
        ("version: 1", "version: 1\nidentities: {anna: [a]}"),
        ("version: 1", "version: 1\napi_versions: {A.b/c: 2024-05-01}"),
    ],
)
def test_the_digest_moves_with_the_judgement(tmp_path: Path, before: str, after: str) -> None:
    assert before in EXAMPLE
    assert load(tmp_path, EXAMPLE.replace(before, after)).digest != load(tmp_path, EXAMPLE).digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of policies of our own, as small as may be."""
    folder = tmp_path / "policies"
    (folder / "platform").mkdir(parents=True)
    for name in ("default.yaml", "tolerated.yaml", "unread.yaml"):
        (folder / name).write_text("version: 1\n", encoding="utf-8")
    return folder


def table(folder: Path, text: str, name: str = "Microsoft.Network.json") -> None:
    (folder / "platform" / name).write_text(text, encoding="utf-8")


GOOD_TABLE = '{"Microsoft.Network/virtualNetworks": {"package": "p 1.0", "read_only": ["properties.x"]}}'


def test_the_digest_covers_the_tolerated_rules_and_the_platform_tables(folder: Path) -> None:
    digests = {load_policy(None, folder=folder).digest}
    table(folder, GOOD_TABLE)
    digests.add(load_policy(None, folder=folder).digest)
    table(folder, GOOD_TABLE.replace("properties.x", "properties.y"))
    digests.add(load_policy(None, folder=folder).digest)
    rule = "version: 1\nrules: [{name: r, match: {type: '*'}, watch: [a]}]\n"
    (folder / "tolerated.yaml").write_text(rule, encoding="utf-8")
    digests.add(load_policy(None, folder=folder).digest)
    assert len(digests) == 4


def test_a_table_of_the_folder_is_worked_out_once_for_each_content(folder: Path) -> None:
    """It is long, and every policy has it: a service reads its policy again whenever that changed."""
    tables = [
        f"version: 1\nrules: [{{name: r, match: {{type: '*'}}, ignore: [{path}], reason: x}}]\n"
        for path in ("tags.a", "tags.b")
    ]

    def rule(text: str) -> Rule:
        (folder / "tolerated.yaml").write_text(text, encoding="utf-8")
        (found,) = read_file(folder / "tolerated.yaml", TOLERATED, shared=True)["rules"]
        assert isinstance(found, Rule)
        return found

    first, second, first_again = rule(tables[0]), rule(tables[1]), rule(tables[0])
    assert first is first_again and first.ignore != second.ignore


def test_tolerated_rules_apply_under_a_named_policy_and_are_told_as_such(folder: Path, tmp_path: Path) -> None:
    rule = "version: 1\nrules: [{name: noise, match: {type: '*'}, ignore: [tags], reason: x}]\n"
    (folder / "tolerated.yaml").write_text(rule, encoding="utf-8")
    (tmp_path / "mine.yaml").write_text("version: 1\n", encoding="utf-8")
    policy = load_policy(tmp_path / "mine.yaml", folder=folder)
    found = policy.path_rules(VNET, TODAY).classify(parse_path("tags.a"))
    assert found == (ChangeClass.IGNORED, "tolerated: noise")


@pytest.mark.parametrize("name", ["default.yaml", "tolerated.yaml", "unread.yaml"])
def test_a_missing_or_damaged_file_of_the_folder_is_an_error(folder: Path, name: str) -> None:
    (folder / name).write_text("version: 1\nmore: x\n", encoding="utf-8")
    with pytest.raises(BadConfiguration, match=re.escape(f"{folder / name}:2: ")):
        load_policy(None, folder=folder)
    (folder / name).unlink()
    with pytest.raises(BadConfiguration, match=re.escape(str(folder / name))):
        load_policy(None, folder=folder)


def test_a_missing_folder_of_platform_tables_is_an_error(folder: Path) -> None:
    (folder / "platform").rmdir()
    with pytest.raises(BadConfiguration, match="platform tables cannot be read"):
        load_policy(None, folder=folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"Microsoft.Network/virtualNetworks": []}',
        GOOD_TABLE.replace('"package": "p 1.0", ', ""),
        GOOD_TABLE.replace('"p 1.0"', "1"),
        GOOD_TABLE[:-1] + ", " + GOOD_TABLE[1:].replace("virtualNetworks", "VIRTUALNETWORKS"),
        GOOD_TABLE.replace('["properties.x"]', '"properties.x"'),
        GOOD_TABLE.replace('"properties.x"', "1"),
        GOOD_TABLE.replace("properties.x", "properties..x"),
        GOOD_TABLE.replace("properties.x", "**"),
        GOOD_TABLE.replace("Microsoft.Network/", "Microsoft.Compute/"),
    ],
    ids=str,
)
def test_a_damaged_platform_table_is_an_error_and_never_an_empty_one(folder: Path, text: str) -> None:
    table(folder, text)
    policy = load_policy(None, folder=folder)
    policy.path_rules(SCALE_SET, TODAY)
    for _ in range(2):
        with pytest.raises(BadConfiguration, match=r"Microsoft\.Network\.json: not a platform table"):
            policy.path_rules(VNET, TODAY)


def test_a_platform_table_judges_as_it_was_when_the_digest_was_taken(folder: Path) -> None:
    table(folder, GOOD_TABLE)
    policy = load_policy(None, folder=folder)
    table(folder, GOOD_TABLE.replace("properties.x", "properties.y"))
    assert policy.path_rules(VNET, TODAY).classify(parse_path("properties.x"))[0] is ChangeClass.PLATFORM


def test_the_readme_describes_every_key_and_every_word() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    sections = (POLICY, RETENTION, JOB, DEFAULTS, ON_DRIFT, PRINCIPAL, TOLERATED_RULE, WHEN, MATCH, TOLERATED, UNREAD)
    keys = {key for section in sections for key in section.keys}
    words = {word.value for kind in (Mode, Response, UnknownAuthor, Severity) for word in kind}
    assert sorted(word for word in keys | words if f"`{word}`" not in readme) == []


def test_the_example_in_the_readme_loads_without_a_warning(tmp_path: Path) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    example = readme.split("```yaml\n")[1].split("```")[0]
    assert notices(load(tmp_path, example), TODAY) == ()


REMEDIES = {
    "mode": ("version: 1\njobs: [{match: a, mode: on}]\n", "write one of enforce, observe"),
    "response": ("version: 1\ndefaults: {on_drift: {person: no}}\n", "write one of halt, warn, accept"),
    "key": ("version: 1\ndefaults: {on_drift: {on: halt}}\n", "known here: person, unknown, "),
    "list": ("version: 1\nrules: [{name: r, match: {name: a}, watch: tags}]\n", 'write ["tags"]'),
    "top-level list": ("- version: 1\n", "write at least: version: 1"),
    "top-level text": ("policy\n", "write at least: version: 1"),
    "version of nothing": ("version:\n", "write the version 1"),
    "match of nothing": ("version: 1\nrules: [{name: r, match: , watch: [a]}]\n", "write {type: Microsoft.Network/"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "remedy"), REMEDIES.values(), ids=REMEDIES.keys())
def test_a_remedy_does_not_lead_to_the_next_error(tmp_path: Path, text: str, remedy: str) -> None:
    with pytest.raises(BadPolicyFile) as caught:
        load(tmp_path, text)
    [problem] = caught.value.found
    assert problem.remedy.startswith(remedy)
    assert "write {}" not in problem.remedy
    assert not (problem.remedy.endswith("remove the key") and text.startswith(("version:\n", "version: 1\nrules")))


def test_a_path_that_cannot_be_read_is_said_once(tmp_path: Path) -> None:
    first = refusal(tmp_path, RULE_HEAD + "    watch: ['tags.cost center']\n")
    assert first.count("is not a path") == 1
    load(tmp_path, RULE_HEAD + """    watch: ["tags['cost center']"]\n""")


def test_a_type_that_its_namespace_does_not_have_is_told_with_the_closest_one(tmp_path: Path) -> None:
    def warnings(type_: str) -> list[str]:
        rule = f"version: 1\nrules: [{{name: r, match: {{type: '{type_}'}}, watch: [tags]}}]\n"
        (tmp_path / "mine.yaml").write_text(rule, encoding="utf-8")
        return [str(one) for one in examine(tmp_path / "mine.yaml", folder=FOLDER, today=TODAY).warnings]

    [one] = warnings("Microsoft.Network/virtualNetwork")
    assert one.startswith(f"{tmp_path / 'mine.yaml'}:2: ")
    assert one.endswith("not known in its namespace: did you mean Microsoft.Network/virtualNetworks?")
    for known in ("microsoft.network/VIRTUALNETWORKS", "Microsoft.Network/virtualNetworks/subnets", "Contoso.X/virtualNetwork",
                  "Microsoft.Network/something/quite/else", "Microsoft.Network/virtualNetwor*"):  # fmt: skip
        assert warnings(known) == []


def test_a_damaged_table_is_told_by_the_look_at_the_types(folder: Path, tmp_path: Path) -> None:
    table(folder, "[")
    (tmp_path / "mine.yaml").write_text(RULE_HEAD.replace("*", VNET.type) + "    watch: [a]\n", encoding="utf-8")
    [error] = examine(tmp_path / "mine.yaml", folder=folder, today=TODAY).errors
    assert "not a platform table" in error.text and error.remedy
