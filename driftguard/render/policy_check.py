"""The result of `policy check`, for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from driftguard.flow.policy_notices import Examined, Notice, is_own
from driftguard.guard.firings import RuleFirings, RuleState
from driftguard.guard.replay import ReplaySummary
from driftguard.render.tables import number, table
from driftguard.render.untrusted import one_line

_SAID = {
    RuleState.FIRED: "fired",
    RuleState.NEVER_MATCHED: "never fired: no recorded resource fits its match",
    RuleState.EXPIRED: "expired: it is not applied",
}
_RULES_NAMED = 3


def exit_code(examined: Examined, summary: ReplaySummary | None) -> int:
    """3 where the policy has errors, 2 where pairs were given and one could not be read or there was none, else 0."""
    if examined.exit_code or summary is None:
        return examined.exit_code
    return summary.exit_code if summary.judged else 2


def policy_view(
    examined: Examined, fired: Sequence[RuleFirings] = (), summary: ReplaySummary | None = None
) -> dict[str, Any]:
    """{"valid", "source", "digest", "errors", "warnings", "rules", "tolerated", "jobs", "pairs", "exit_code"}.

    An error or warning is {"file", "line", "text", "remedy"}. `digest`, and the numbers of rules and job entries, are null
    where there are errors. `pairs`, null without recorded pairs, is {"judged", "not_compared", "unreadable", "rules"};
    each of its rules is {"name", "file", "line", "own", "state", "matched", "not_compared", "fired", "told_instead",
    "expires"}, `state` one of fired, never fired, never matched and expired. `not_compared` are those of the judged or matched
    pairs that are in flight or gone, `told_instead` the rules that were told where this one fits too.
    """
    policy = examined.policy
    own = sum(map(is_own, policy.rules)) if policy else None
    return {
        "valid": policy is not None,
        "source": examined.source,
        "digest": policy.digest if policy else None,
        "errors": [_notice_view(notice) for notice in examined.errors],
        "warnings": [_notice_view(notice) for notice in examined.warnings],
        "rules": own,
        "tolerated": len(policy.rules) - (own or 0) if policy else None,
        "jobs": len(policy.jobs) if policy else None,
        "pairs": _pairs_view(fired, summary) if summary else None,
        "exit_code": exit_code(examined, summary),
    }


def _notice_view(notice: Notice) -> dict[str, Any]:
    return {"file": notice.file, "line": notice.line, "text": notice.text, "remedy": notice.remedy}


def _pairs_view(fired: Sequence[RuleFirings], summary: ReplaySummary) -> dict[str, Any]:
    return {
        "judged": summary.judged,
        "not_compared": summary.not_compared,
        "unreadable": summary.unreadable,
        "rules": [_rule_view(one) for one in fired],
    }


def _rule_view(one: RuleFirings) -> dict[str, Any]:
    place = Notice(one.rule.where, "")
    return {
        "name": one.rule.name,
        "file": place.file,
        "line": place.line,
        "own": one.own,
        "state": str(one.state),
        "matched": one.matched,
        "not_compared": one.not_compared,
        "fired": one.fired,
        "told_instead": list(one.told_instead),
        "expires": one.rule.expires.isoformat() if one.rule.expires else None,
    }


def policy_text(examined: Examined, fired: Sequence[RuleFirings] = (), summary: ReplaySummary | None = None) -> str:
    """Each error and warning with its place and remedy, then what the policy holds, then the rules in recorded pairs."""
    lines = [_notice_text(notice, "error") for notice in examined.errors]
    lines += [_notice_text(notice, "warning") for notice in examined.warnings]
    lines.append(_result_text(examined))
    if summary:
        pairs = number(summary.judged, "pair", "pairs")
        apart = f"{summary.not_compared} of them in flight or gone and not compared, " if summary.not_compared else ""
        lines.append(f"{pairs} judged with it, {apart}{summary.unreadable} not readable")
        if not summary.judged:
            return "\n".join([*lines, "nothing was judged: there is no pair that could be"])
        lines += _rules_text("rules of the policy", [one for one in fired if one.own])
        lines += _rules_text("tolerated rules, which always apply", [one for one in fired if not one.own])
    return "\n".join(lines)


def _notice_text(notice: Notice, kind: str) -> str:
    remedy = f": {one_line(notice.remedy, 300)}" if notice.remedy else ""
    return f"{one_line(notice.where)}: {kind}: {one_line(notice.text, 500)}{remedy}"


def _result_text(examined: Examined) -> str:
    policy, source = examined.policy, one_line(examined.source)
    if policy is None:
        return f"{source}: not valid, {number(len(examined.errors), 'error', 'errors')}"
    rules = number(sum(map(is_own, policy.rules)), "rule", "rules")
    jobs = number(len(policy.jobs), "job entry", "job entries")
    warnings = number(len(examined.warnings), "warning", "warnings")
    return f"{source}: valid, {warnings}; {jobs}, {rules}; digest {policy.digest[:12]}"


def _rules_text(head: str, fired: Sequence[RuleFirings]) -> list[str]:
    if not fired:
        return []
    rows = [
        [str(one.fired), str(one.matched), str(one.not_compared), one_line(one.rule.name, 100), _said(one)]
        for one in fired
    ]
    shown = table(("fired", "pairs matched", "not compared", "rule", ""), rows)
    return [f"{head}:", *(f"  {line}" for line in shown.splitlines())]


def _said(one: RuleFirings) -> str:
    """What became of the rule, and why it never fired."""
    if one.state is not RuleState.NEVER_FIRED:
        return _SAID[one.state]
    if one.told_instead:
        named = ", ".join(repr(one_line(name, 100)) for name in one.told_instead[:_RULES_NAMED])
        more = len(one.told_instead) - _RULES_NAMED
        return f"never fired: another rule was told: {named}{f' and {more} more' if more > 0 else ''}"
    if one.matched == one.not_compared:
        return "never fired: every pair that it matched is in flight or gone, and was not compared"
    held = " while its condition held" if one.rule.when else ""
    return f"never fired: it matched, and nothing that it names differed{held}"
