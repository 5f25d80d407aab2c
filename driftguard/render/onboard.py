"""The result of onboard: what a first check would report, the rules that would pass over it, and the job's policy entry.

The text is made from the view.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.decide import Action, Judged
from driftguard.flow.reading import Cause, Members
from driftguard.guard.onboard import Beside, Onboarded
from driftguard.guard.two_looks import Differing
from driftguard.render.findings import (
    author,
    change_line,
    configuration,
    headline,
    noise,
    resource_name,
    resource_title,
)
from driftguard.render.json_views import View, findings_view
from driftguard.render.offered_rules import offered_rules
from driftguard.render.tables import number
from driftguard.render.untrusted import one_line

_MOST = 20

_REMEDIES: Mapping[Cause, str] = {
    Cause.THROTTLED: "look again later; other clients use up the subscription's reads",
    Cause.TIMEOUT: "look again; DRIFTGUARD_READ_TIMEOUT gives an answer more time",
    Cause.NO_CONNECTION: "see that this machine reaches Azure Resource Manager, and look again",
    Cause.NOT_JSON: "look for a proxy between this machine and Azure Resource Manager",
    Cause.TOO_LARGE: "leave it out of the job, and guard what is in it by other ids",
    Cause.OUT_OF_TIME: "look again, or give the job a longer check_budget in the policy",
}
_LIST_REMEDIES: Mapping[Cause, str] = {
    **_REMEDIES,
    Cause.FORBIDDEN: "give the sign-in the role Reader there",
    Cause.REFUSED: "correct the id, and see that the scope exists",
    Cause.OUT_OF_TIME: "look again, or name smaller scopes",
}


def onboard_view(told: Onboarded, entry: Mapping[str, Any], following: Sequence[str], exit_code: int) -> View:
    """{job, watch, read, verdict, differing, in_flight, unreadable, not_there, not_listed, beside, on_unmanaged, guarded_by,
    not_in_body, without_table, rules, log_latency, generation, policy, told, entry, next, exit_code}.

    `watch` and `log_latency` are seconds; `verdict` is what a check would answer; `differing` are findings as everywhere,
    with `counts`, `authors_known` (no other writer can still turn up) and `changes_by_itself` (and no person wrote);
    `rules` are {resource_type, path, text}, the text to paste; `entry` is {outcome, text, where, why, remedy}; `next` are
    commands. `in_flight`, `unreadable` and `not_there` are {resource, type, cause, detail, remedy}, `not_listed` are {scope,
    cause, detail, remedy}.
    """
    differing = [_differing(one) for one in told.looks.differing]
    silent = told.looks.silent
    return {
        "job": told.job,
        "watch": told.watch,
        "read": told.looks.read,
        "verdict": str(told.verdict),
        "differing": differing,
        "in_flight": [_silent(one) for one in silent if one.kind is FindingKind.IN_FLIGHT],
        "unreadable": [_silent(one) for one in silent if one.kind is FindingKind.UNREADABLE],
        "not_there": [_silent(one) for one in silent if one.kind is FindingKind.GONE],
        "not_listed": [_not_listed(one) for one in told.not_listed],
        "beside": [_beside(one) for one in told.beside],
        "on_unmanaged": str(told.on_unmanaged),
        "guarded_by": {resource: list(jobs) for resource, jobs in told.guarded_by.items()},
        "not_in_body": {kind: list(parts) for kind, parts in told.not_in_body.items()},
        "without_table": list(told.without_table),
        "rules": offered_rules(differing),
        "log_latency": told.log_latency,
        "generation": told.generation,
        "policy": told.policy,
        "told": list(told.told),
        "entry": dict(entry),
        "next": list(following),
        "exit_code": exit_code,
    }


def _differing(one: Differing) -> View:
    found = replace(one.judged.finding, changes=one.changes)
    return {
        **findings_view([Judged(found, one.judged.action, one.judged.reason)])[0],
        "counts": one.counts,
        "authors_known": one.authors_known,
        "changes_by_itself": one.changes_by_itself,
    }


def _not_listed(members: Members) -> View:
    remedy = _LIST_REMEDIES.get(members.cause) if members.cause else None
    return {
        "scope": members.scope.id,
        "cause": str(members.cause) if members.cause else None,
        "detail": members.detail or None,
        "remedy": remedy or "look again, or name what is in it one by one: --resource ID",
    }


def _silent(finding: Finding) -> View:
    return {
        "resource": finding.ref.id,
        "type": finding.ref.type,
        "cause": str(finding.cause) if finding.cause else None,
        "detail": finding.detail or None,
        "remedy": _remedy(finding),
    }


def _remedy(finding: Finding) -> str:
    if finding.kind is FindingKind.IN_FLIGHT:
        return "let its operation end, then look again"
    if finding.kind is FindingKind.GONE:
        return "correct the id, or deploy it first: a record waits for it"
    if finding.cause is Cause.FORBIDDEN:
        return f"give the sign-in the role Reader there (it lacks {finding.ref.type}/read)"
    return _REMEDIES.get(finding.cause, "look again") if finding.cause else "look again"


def _beside(one: Beside) -> View:
    return {
        "scope": one.scope.id,
        "not_named": [ref.id for ref in one.strangers],
        "complete": one.complete,
        "detail": one.detail or None,
    }


def onboard_text(view: Mapping[str, Any]) -> str:
    """What a first check would report, then the entry, then what to do next. Begins with ONBOARD."""
    job, read, apart = one_line(view["job"]), view["read"], f"{view['watch']:g} s apart"
    lines = [f"ONBOARD job {job}: {read} read twice, {apart}; a check would answer: {one_line(view['verdict'])}"]
    counting = [one for one in view["differing"] if one["counts"]]
    passed = [one for one in view["differing"] if not one["counts"]]
    if view["differing"]:
        lines += _counting(counting)
        lines += _section(
            "Rules that would ignore what no person changed, for `rules:` in the policy",
            _rule_lines(view["rules"]),
            0,
        )
        lines += _not_attributed(counting, view["log_latency"])
        lines += _section(
            "Differed, and counts for nothing", [f"{n.resource}: {n.what} ({n.why})" for n in noise(counting, passed)]
        )
    elif read:
        lines.append("Nothing differed between the two looks.")
    lines += _section("Still being changed", map(_silent_line, view["in_flight"]))
    lines += _section("Could not be read", map(_silent_line, view["unreadable"]))
    lines += _section("Not there", map(_silent_line, view["not_there"]))
    lines += _section("Could not be listed", map(_not_listed_line, view["not_listed"]))
    lines += _besides(view["beside"])
    guarded = [f"{resource_name(one)}: {one_line(', '.join(jobs), 160)}" for one, jobs in view["guarded_by"].items()]
    lines += _section("Guarded by another job already", guarded)
    lines += _section("Not in the body of a resource, and so not compared", _unread(view["not_in_body"]))
    lines += _section(
        "No table says what Azure itself writes to", [one_line(kind, 120) for kind in view["without_table"]]
    )
    lines += _section("Also", [one_line(text, 300) for text in view["told"]])
    lines += _entry(view["entry"])
    lines += _section("Next", [one_line(command, 4000) for command in view["next"]])
    return "\n".join(lines)


def _counting(counting: Sequence[Mapping[str, Any]]) -> list[str]:
    lines: list[str] = []
    for one in counting[:_MOST]:
        stops = "stops a run" if one["action"] in (Action.HALT, Action.UNCLEAR) else "lets a run go on"
        lines += ["", f"{resource_title(one)} {headline(one)}: {stops} ({one_line(one['reason'], 120)})"]
        lines += [f"  {change_line(change)}" for change in configuration(one)[:_MOST]]
        lines += _more(len(configuration(one)) - _MOST)
        lines += [f"  {text}" for text in [author(one)] if text and one.get("attribution")]
    return [*lines, *_more(len(counting) - _MOST)]


def _not_attributed(counting: Sequence[Mapping[str, Any]], log_latency: float) -> list[str]:
    """For what no rule is offered yet, since it is not known whether a person wrote it."""
    waiting = [one for one in counting if not one["authors_known"] and configuration(one)]
    if not waiting:
        return []
    minutes = math.ceil(log_latency / 60)
    lines = [
        "",
        "Not attributed yet, so no rule is offered:",
        *(f"  {resource_name(one['resource'])}: {_why_not_attributed(one)}" for one in waiting[:_MOST]),
        *_more(len(waiting) - _MOST),
    ]
    late = (
        f"  The Activity Log is up to {number(minutes, 'minute', 'minutes')} late: look again with --wait-for-authors,"
    )
    return [*lines, f"{late} which asks it that much later."]


def _why_not_attributed(one: Mapping[str, Any]) -> str:
    return one_line((one.get("attribution") or {}).get("why") or "", 200) or "another writer may still turn up"


def _not_listed_line(one: Mapping[str, Any]) -> str:
    cause = f"{one_line(one['cause'], 40)}; " if one["cause"] else ""
    return f"{one_line(one['scope'], 200)}: {cause}{one_line(one['detail'] or '', 200)}: {one_line(one['remedy'], 200)}"


def _rule_lines(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    return [line[2:] for rule in rules[:_MOST] for line in str(rule["text"]).splitlines()] + _more(len(rules) - _MOST)


def _silent_line(one: Mapping[str, Any]) -> str:
    cause = f"{one_line(one['cause'], 40)}; " if one["cause"] else ""
    return (
        f"{resource_name(one['resource'])}: {cause}{one_line(one['detail'] or '', 200)}: {one_line(one['remedy'], 200)}"
    )


def _besides(beside: Sequence[Mapping[str, Any]]) -> list[str]:
    lines: list[str] = []
    for one in beside:
        names = [resource_name(resource) for resource in one["not_named"]]
        lines += _section(f"In {one_line(one['scope'], 200)}, and not named (--resource-group guards all of it)", names)
        if not one["complete"]:
            lines += ["", f"{one_line(one['scope'], 200)} could not be listed whole: {one_line(one['detail'], 200)}"]
    return lines


def _unread(not_in_body: Mapping[str, Sequence[str]]) -> list[str]:
    """Once for all types, then what only some have."""
    of_all = [
        part for part in next(iter(not_in_body.values()), ()) if all(part in parts for parts in not_in_body.values())
    ]
    lines = [f"of every resource: {one_line(', '.join(of_all), 240)}"] if of_all else []
    for kind, parts in not_in_body.items():
        own = [part for part in parts if part not in of_all]
        lines += [f"of {one_line(kind, 120)}: {one_line(', '.join(own), 200)}"] if own else []
    return lines


def _entry(entry: Mapping[str, Any]) -> list[str]:
    said = {
        "written": f"written to {one_line(entry['where'], 400)}",
        "to write": f"not written (--dry-run); it would stand at {one_line(entry['where'], 400)}",
    }.get(entry["outcome"], "not written")
    lines = ["", f"Policy entry, {said}:", *str(entry["text"]).splitlines()]
    told = [one_line(text, 600) for text in (entry["why"], entry["remedy"]) if text]
    return [*lines, *(f"  {text}" for text in [": ".join(told)] if text)]


def _section(title: str, lines: Iterable[str], most: int = _MOST) -> list[str]:
    """A title with its lines; at most so many, 0 is all."""
    every = list(lines)
    shown = every[:most] if most else every
    return ["", f"{title}:", *(f"  {line}" for line in shown), *_more(len(every) - len(shown))] if every else []


def _more(left: int) -> list[str]:
    return [f"  and {left} more: see --json"] if left > 0 else []
