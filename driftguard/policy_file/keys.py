"""The keys of the policy files, as data, and what must hold between them.

Rules:
- A key that does not stand here is an error; policies/README.md describes every one.
- A rule has a match and an effect; an ignored path needs a reason; a redacted path never expires: a secret stays one.
- A condition is one of three kinds, and is for ignored and watched paths only.
- An account is of one person; a rule's name is used once in its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from driftguard.errors import OtherScope, WrongUse
from driftguard.flow.attribute import Actor, Principal
from driftguard.flow.condition import Conditional, When
from driftguard.flow.policy import Match, Mode, OwnWrites, Response, Rule, Severity, UnknownAuthor
from driftguard.flow.policy_notices import Notice
from driftguard.flow.resource import clouds_of, parse_ref, shown
from driftguard.flow.retention import LEAST
from driftguard.policy_file.containers import Keys, list_of, table_of
from driftguard.policy_file.tree import Problems, Read, where_is
from driftguard.policy_file.values import (
    day_of,
    duration,
    fitting,
    number,
    path_of,
    period,
    scalar,
    text_of,
    word_of,
    yes,
)

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-[A-Za-z0-9.]+)?", re.ASCII)
_TYPE = re.compile(r"[A-Za-z0-9.]+(/[A-Za-z0-9._-]+)+")

_HALT_WARN = word_of(Response.HALT, Response.WARN)
_HALT_WARN_ACCEPT = word_of(Response.HALT, Response.WARN, Response.ACCEPT)
_GUID_TEXT = fitting(_GUID, "a GUID such as 11111111-2222-3333-4444-555555555555")
_TYPE_TEXT = fitting(_TYPE, "a resource type such as Microsoft.Network/virtualNetworks")
_API_VERSION_WANTED = "an api-version such as 2024-05-01"
_API_VERSION_TEXT = fitting(_API_VERSION, _API_VERSION_WANTED)

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
        "readers": list_of(text_of),
        "reviewers": list_of(text_of),
    }
)
RETENTION = Keys({kind: period(least) for kind, least in LEAST.items()}, example="{checks: 90d}")
PRINCIPAL = Keys(
    {"app_id": _GUID_TEXT, "object_id": _GUID_TEXT, "user": text_of, "label": text_of},
    example="{app_id: 11111111-2222-3333-4444-555555555555}",
)
MATCH = Keys(
    {"type": text_of, "resource_group": text_of, "name": text_of, "id": text_of, "subscription": _GUID_TEXT},
    example="{type: Microsoft.Network/virtualNetworks}",
)


def _principal(node: Node) -> Principal:
    given = PRINCIPAL(node)
    if not given.keys() - {"label"}:
        remedy = "add app_id, object_id or user; label is only how it is shown"
        raise Problems.at(node, "a principal needs an app_id, an object_id or a user", remedy)
    return Principal(**given)


def _scope(node: Node) -> str:
    """The key of a subscription, resource group, container or resource."""
    text = text_of(node)
    try:
        return parse_ref(text, cloud=clouds_of(text)[0]).key
    except (WrongUse, OtherScope):
        told = f"the id of a subscription, resource group, container or resource is expected here, not {shown(text)}"
        remedy = (
            "write /subscriptions/{id}, that with /resourceGroups/{name}, "
            "or https://{account}.blob.core.windows.net/{container}"
        )
        raise Problems.at(node, told, remedy) from None


def _match(node: Node) -> Match:
    given = MATCH(node)
    if not given:
        raise Problems.at(node, "an empty match is not used", 'write type: "*" for a rule on everything')
    return Match(**given)


WHEN = Keys(
    {
        "path": path_of,
        "is": list_of(text_of),
        "like": list_of(text_of),
        "absent": yes,
        "appears": yes,
        "comes_or_goes": yes,
        "differs_by": duration(above_zero=True),
    },
    example="{path: properties.allocationMethod, is: [Dynamic]}",
)
_AT_PATH = ("is", "like", "absent")
_OF_VALUE = ("appears", "comes_or_goes", "differs_by")


def _when(node: Node) -> When:
    given = WHEN(node)
    at_path, of_value = ([key for key in keys if given.get(key)] for keys in (_AT_PATH, _OF_VALUE))
    if not at_path and not of_value:
        raise Problems.at(node, "a condition says nothing", f"give it one of {', '.join((*_AT_PATH, *_OF_VALUE))}")
    if bool(at_path) != ("path" in given):
        raise Problems.at(
            node, "a condition on another path is half there", "give it both: path, and is, like or absent"
        )
    if len(of_value) > 1 or ("absent" in given and len(at_path) > 1):
        both = " and ".join(of_value if len(of_value) > 1 else at_path)
        raise Problems.at(node, f"a condition cannot have {both}", "keep one of them")
    return When(**{"is_" if key == "is" else key: value for key, value in given.items()})


RULE = Keys(
    {
        "name": text_of,
        "match": _match,
        "ignore": list_of(path_of),
        "watch": list_of(path_of),
        "redact": list_of(path_of),
        "when": _when,
        "severity": word_of(*Severity),
        "reason": text_of,
        "owner": text_of,
        "expires": day_of,
    },
    required=("name", "match"),
)
TOLERATED_RULE = Keys({**RULE.keys, "fixture": text_of}, required=RULE.required)
JOB = Keys(
    {
        "match": text_of,
        "mode": word_of(*Mode),
        "principals": list_of(_principal),
        # By job only: an application that may act for every job is never what a team means.
        "pipelines": list_of(text_of),
        "scopes": list_of(_scope),
        **DEFAULTS.keys,
    },
    required=("match",),
)


def _rule(node: Node, keys: Keys = RULE) -> Rule:
    given, problems = keys.read(node)
    problems += [Notice(where_is(node), text, remedy) for text, remedy in _faults(given, _written(node))]
    if problems:
        raise Problems(*problems)
    if given.get("when"):
        _check_condition(node, given)
    return Rule(**given, where=where_is(node))


def _written(node: Node) -> set[str]:
    return {str(key.value) for key, _ in node.value}


def _faults(given: dict[str, Any], written: set[str]) -> Iterator[tuple[str, str]]:
    """What is wrong between the keys of a rule, with the remedy; a key that could not be read counts as written."""
    rule = f"rule {given['name']!r}" if "name" in given else "the rule"
    effects = {key for key in written & {"ignore", "watch", "redact", "severity"} if given.get(key, True)}
    if not effects:
        yield f"{rule} does nothing", "add ignore, watch, redact or severity"
    if "ignore" in effects and "reason" not in written:
        yield f"{rule} ignores paths without the key 'reason'", "write reason: why their changes do not count"
    if "redact" in effects and "expires" in written:
        yield f"{rule} must not expire, a secret stays one", "put redact in a rule of its own, without expires"


def _check_condition(node: Node, given: dict[str, Any]) -> None:
    name, when = given["name"], given["when"]
    ignored, watched = given.get("ignore", ()), given.get("watch", ())
    if given.get("redact") or given.get("severity") or not (ignored or watched):
        text = f"the condition of rule {name!r} is for ignore and watch"
        raise Problems.at(node, text, "put redact and severity in another rule")
    if when.appears and watched:
        text = f"rule {name!r}: what appears is ignored by a condition, never watched"
        raise Problems.at(node, text, "take out 'watch'")
    if when.differs_by is not None and ignored:
        raise Problems.at(node, f"rule {name!r}: differs_by is for watched dates", "take out 'ignore'")
    try:
        for path in (*ignored, *watched):
            Conditional(path, name, when)
    except ValueError as error:
        raise Problems.at(node, f"rule {name!r}: {error}", "write both paths out, up to where they part") from None


def _tolerated_rule(node: Node) -> Rule:
    return _rule(node, TOLERATED_RULE)


def _rules(node: Node, read: Read = _rule) -> tuple[Rule, ...]:
    problems = list(_doubled_names(node))
    try:
        rules: tuple[Rule, ...] = list_of(read)(node)
    except Problems as found:
        raise Problems(*found.found, *problems) from None
    if problems:
        raise Problems(*problems)
    return rules


def _doubled_names(node: Node) -> Iterator[Notice]:
    """Rules whose name an earlier rule has; told beside whatever else is wrong with them."""
    first: dict[str, str] = {}
    for rule in node.value if isinstance(node, SequenceNode) else ():
        for key, value in rule.value if isinstance(rule, MappingNode) else ():
            if key.value == "name" and isinstance(value, ScalarNode):
                name, where = value.value.strip(), where_is(rule)
                if name in first:
                    text = f"the rule name {name!r} stands here twice, first at {first[name]}"
                    yield Notice(where, text, "give one of them another name")
                first.setdefault(name, where)


def _job(node: Node) -> dict[str, Any]:
    return {**JOB(node), "where": where_is(node)}


def _identities(node: Node) -> dict[str, tuple[str, ...]]:
    identities: dict[str, tuple[str, ...]] = table_of(text_of, list_of(text_of))(node)
    owner: dict[str, str] = {}
    doubled: list[Notice] = []
    for person, accounts in node.value:
        for account in accounts.value:
            other = owner.setdefault(account.value.strip().lower(), person.value)
            if other != person.value:
                text = f"the account {account.value!r} is already one of {other!r}"
                doubled.append(Notice(where_is(account), text, "name it under one person only"))
    if doubled:
        raise Problems(*doubled)
    return identities


def _lower_type(node: Node) -> str:
    return str(_TYPE_TEXT(node)).lower()


def _api_version(node: Node) -> str:
    """An api-version, which begins with a day that there is."""
    text = str(_API_VERSION_TEXT(node))
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        wanted = f"{_API_VERSION_WANTED} is expected here, not {text!r}: there is no such day"
        raise Problems.at(node, wanted, f"write {_API_VERSION_WANTED}") from None
    return text


def _any_or_lower_type(node: Node) -> str:
    return "*" if isinstance(node, ScalarNode) and node.value == "*" else _lower_type(node)


def _version(node: Node) -> int:
    text = scalar(node, "the version 1")
    if text != "1":
        raise Problems.at(node, f"version {text!r} of the policy format is not known", "write version: 1")
    return 1


POLICY = Keys(
    {
        "version": _version,
        "jobs": list_of(_job),
        "defaults": DEFAULTS,
        "identities": _identities,
        "api_versions": table_of(_lower_type, _api_version),
        "retention": RETENTION,
        "rules": _rules,
    },
    required=("version",),
    example="at least: version: 1",
)
TOLERATED = Keys({"version": _version, "rules": lambda node: _rules(node, _tolerated_rule)}, required=("version",))
UNREAD = Keys({"version": _version, "types": table_of(_any_or_lower_type, list_of(text_of))}, required=("version",))
