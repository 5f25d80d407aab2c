"""The keys of the policy files, as data, and what must hold between them.

Rules:
- A key that does not stand here is an error; policies/README.md describes every one.
- A rule has a match and an effect; an ignored path needs a reason; a redacted path never expires: a secret stays one.
- An account is of one person; a rule's name is used once in its file.
"""

from __future__ import annotations

import re
from typing import Any

from yaml.nodes import Node, ScalarNode

from driftguard.flow.attribute import Actor, Principal
from driftguard.flow.policy import Match, Mode, OwnWrites, Response, Rule, Severity, UnknownAuthor
from driftguard.policy_file.tree import Problems, where_is
from driftguard.policy_file.values import (
    Keys,
    day_of,
    duration,
    fitting,
    list_of,
    number,
    path_of,
    scalar,
    table_of,
    text_of,
    word_of,
)

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-[A-Za-z0-9.]+)?", re.ASCII)
_TYPE = re.compile(r"[A-Za-z0-9.]+(/[A-Za-z0-9._-]+)+")

_HALT_WARN = word_of(Response.HALT, Response.WARN)
_HALT_WARN_ACCEPT = word_of(Response.HALT, Response.WARN, Response.ACCEPT)
_GUID_TEXT = fitting(_GUID, "a GUID such as 11111111-2222-3333-4444-555555555555")
_TYPE_TEXT = fitting(_TYPE, "a resource type such as Microsoft.Network/virtualNetworks")
_API_VERSION_TEXT = fitting(_API_VERSION, "an api-version such as 2024-05-01")

ON_DRIFT = Keys({actor.value: _HALT_WARN if actor is Actor.OUR_PIPELINE else _HALT_WARN_ACCEPT for actor in Actor})
DEFAULTS = Keys(
    {
        "on_drift": ON_DRIFT,
        "on_unmanaged": word_of(Response.IGNORE, Response.WARN, Response.HALT),
        "on_other_job": word_of(Response.ACCEPT, Response.WARN, Response.HALT),
        "on_window_write": _HALT_WARN,
        "unknown_author": word_of(*UnknownAuthor),
        "own_writes": word_of(*OwnWrites),
        "stability_reads": number(1, 10),
        "stability_gap": duration(above_zero=False),
        "settle": duration(above_zero=False),
        "lease": duration(above_zero=True),
        "pending_limit": duration(above_zero=True),
        "check_budget": duration(above_zero=True),
    }
)
PRINCIPAL = Keys({"app_id": _GUID_TEXT, "object_id": _GUID_TEXT, "user": text_of, "label": text_of})
MATCH = Keys({"type": text_of, "resource_group": text_of, "name": text_of, "id": text_of, "subscription": _GUID_TEXT})


def _principal(node: Node) -> Principal:
    given = PRINCIPAL(node)
    if not given.keys() - {"label"}:
        raise Problems.at(node, "a principal needs an app_id, an object_id or a user")
    return Principal(**given)


def _match(node: Node) -> Match:
    given = MATCH(node)
    if not given:
        raise Problems.at(node, 'an empty match is not used: write type: "*" for a rule on everything')
    return Match(**given)


RULE = Keys(
    {
        "name": text_of,
        "match": _match,
        "ignore": list_of(path_of),
        "watch": list_of(path_of),
        "redact": list_of(path_of),
        "severity": word_of(*Severity),
        "reason": text_of,
        "owner": text_of,
        "expires": day_of,
    },
    required=("name", "match"),
)
JOB = Keys(
    {
        "match": text_of,
        "mode": word_of(*Mode),
        "principals": list_of(_principal),
        "readers": list_of(text_of),
        "reviewers": list_of(text_of),
        **DEFAULTS.keys,
    },
    required=("match",),
)


def _rule(node: Node) -> Rule:
    given = RULE(node)
    name = given["name"]
    if not any(given.get(key) for key in ("ignore", "watch", "redact", "severity")):
        raise Problems.at(node, f"rule {name!r} does nothing: add ignore, watch, redact or severity")
    if given.get("ignore") and "reason" not in given:
        raise Problems.at(node, f"rule {name!r} ignores paths: say why in its key 'reason'")
    if given.get("redact") and "expires" in given:
        raise Problems.at(node, f"rule {name!r} must not expire, a secret stays one: put redact in a rule of its own")
    return Rule(**given, where=where_is(node))


def _rules(node: Node) -> tuple[Rule, ...]:
    rules: tuple[Rule, ...] = list_of(_rule)(node)
    first: dict[str, Rule] = {}
    doubled = [
        f"{rule.where}: the rule name {rule.name!r} stands here twice, first at {first[rule.name].where}"
        for rule in rules
        if first.setdefault(rule.name, rule) is not rule
    ]
    if doubled:
        raise Problems(*doubled)
    return rules


def _job(node: Node) -> dict[str, Any]:
    return {**JOB(node), "where": where_is(node)}


def _identities(node: Node) -> dict[str, tuple[str, ...]]:
    identities: dict[str, tuple[str, ...]] = table_of(text_of, list_of(text_of))(node)
    owner: dict[str, str] = {}
    for person, accounts in node.value:
        for account in accounts.value:
            other = owner.setdefault(account.value.strip().lower(), person.value)
            if other != person.value:
                raise Problems.at(account, f"the account {account.value!r} is already one of {other!r}")
    return identities


def _lower_type(node: Node) -> str:
    return str(_TYPE_TEXT(node)).lower()


def _any_or_lower_type(node: Node) -> str:
    return "*" if isinstance(node, ScalarNode) and node.value == "*" else _lower_type(node)


def _version(node: Node) -> int:
    text = scalar(node, "the version 1")
    if text != "1":
        raise Problems.at(node, f"version {text!r} of the policy format is not known: write version: 1")
    return 1


POLICY = Keys(
    {
        "version": _version,
        "jobs": list_of(_job),
        "defaults": DEFAULTS,
        "identities": _identities,
        "api_versions": table_of(_lower_type, _API_VERSION_TEXT),
        "rules": _rules,
    },
    required=("version",),
)
TOLERATED = Keys({"version": _version, "rules": _rules}, required=("version",))
UNREAD = Keys({"version": _version, "types": table_of(_any_or_lower_type, list_of(text_of))}, required=("version",))
