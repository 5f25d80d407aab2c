"""The results of the tools (explain, verify, doctor, replay), for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from driftguard.flow.moment import for_people, to_text
from driftguard.flow.path import format_path
from driftguard.guard.doctor import Symptom
from driftguard.guard.explain import NORMALISED, Explained, PathTold
from driftguard.guard.replay import ReplaySummary
from driftguard.guard.verify import Verified
from driftguard.render.untrusted import one_line

_MOST_SHOWN = 20


def explain_view(told: Explained) -> dict[str, Any]:
    """{"job", "resource", "type", "finding", "action", "reason", "severity", "recorded", "compared", "paths",
    "normalised", "not_in_body", "policy", "exit_code"}.

    Each of `paths` is {"path", "class", "rule", "reason", "owner", "note", "differs"}, where the class may be `normalised`,
    the rule is then the normalisation, and what there is not is null. `compared` is false where there was no live body to
    compare; `differs` is null then. Each of `normalised` is {"path", "normalisation",
    "reason"}.
    """
    entry = told.entry
    return {
        "job": told.job,
        "resource": entry.ref.id,
        "type": entry.ref.type,
        "finding": str(told.finding.kind),
        "action": told.action,
        "reason": told.reason,
        "severity": told.severity,
        "recorded": {
            "at": to_text(entry.at),
            "api_version": entry.api_version,
            "etag": entry.etags.normal(),
            "fingerprint": entry.fingerprint,
            "provenance": str(entry.provenance),
        },
        "compared": told.compared,
        "paths": [_path_view(one) for one in told.paths],
        "normalised": [
            {"path": format_path(one.path), "normalisation": str(one.what), "reason": one.reason}
            for one in told.normalised
        ],
        "not_in_body": list(told.not_in_body),
        "policy": told.policy,
        "exit_code": told.exit_code,
    }


def _path_view(one: PathTold) -> dict[str, Any]:
    return {
        "path": one.path,
        "class": one.kind,
        "rule": one.rule,
        "reason": one.why or None,
        "owner": one.owner or None,
        "note": one.note or None,
        "differs": one.differs,
    }


def explain_text(told: Explained) -> str:
    """One resource: how it was recorded, what is found now, which rule decides on each path, and what is no difference."""
    entry, found = told.entry, told.finding
    lines = [
        one_line(entry.ref.id),
        f"  recorded {for_people(entry.at)} ({entry.provenance}), api-version {entry.api_version}, "
        f"ETag {one_line(entry.etags.normal() or 'none')}",
        f"  now {found.kind}: {told.action} ({told.reason}); severity {told.severity}",
    ]
    if found.detail:
        lines.append(f"  {one_line(found.detail)}")
    if found.attribution:
        who = found.attribution.who or f"unknown: {found.attribution.why}"
        lines.append(f"  written by {one_line(who)}")
    if not told.compared:
        lines.append(
            "  not compared: there is no live body that could be; below is what is recorded, and the rules for it"
        )
    for one in told.paths:
        note = f"; {one_line(one.note, 500)}" if one.note else ""
        lines.append(f"  {one_line(one.path or 'all of it')}: {_class_text(one)}; {_rule_text(one)}{note}")
    for equal in told.normalised[:_MOST_SHOWN]:
        path = one_line(format_path(equal.path) or "all of it")
        lines.append(f"  {path}: equal after normalisation; {equal.what}: {one_line(equal.reason, 300)}")
    if len(told.normalised) > _MOST_SHOWN:
        lines.append(f"  … and {len(told.normalised) - _MOST_SHOWN} more are equal after normalisation: see --json")
    lines += [f"  not part of its body: {one_line(part)}" for part in told.not_in_body]
    lines.append(f"  policy: {one_line(told.policy)}")
    return "\n".join(lines)


def _class_text(one: PathTold) -> str:
    if one.differs is None:
        return "not compared" if one.kind == NORMALISED else f"not compared, a difference would be {one.kind}"
    if one.kind == NORMALISED:
        return "equal after normalisation"
    return f"{one.kind}, {'differs' if one.differs else 'does not differ now'}"


def _rule_text(one: PathTold) -> str:
    """The rule that decided, with its reason and whom to ask."""
    why = f": {one_line(one.why, 300)}" if one.why else ""
    owner = f" ({one_line(one.owner, 120)})" if one.owner else ""
    return f"{one_line(one.rule)}{why}{owner}"


def verify_view(result: Verified) -> dict[str, Any]:
    """{"ok", "checked", "faults", "exit_code"}."""
    return {
        "ok": not result.faults,
        "checked": list(result.checked),
        "faults": list(result.faults),
        "exit_code": result.exit_code,
    }


def verify_text(result: Verified) -> str:
    """What was looked at, and what is wrong."""
    lines = [f"looked at: {one_line(text)}" for text in result.checked]
    lines += [f"WRONG: {one_line(text)}" for text in result.faults]
    return "\n".join([*lines, "" if result.faults else "everything is as it was written"]).rstrip()


def doctor_view(symptoms: Sequence[Symptom]) -> dict[str, Any]:
    """{"ok", "looked_at": [{"name", "ok", "told"}], "exit_code"}."""
    ok = all(symptom.ok for symptom in symptoms)
    looked = [{"name": symptom.name, "ok": symptom.ok, "told": symptom.told} for symptom in symptoms]
    return {"ok": ok, "looked_at": looked, "exit_code": 0 if ok else 2}


def doctor_text(symptoms: Sequence[Symptom]) -> str:
    """One line for each thing looked at."""
    return "\n".join(f"{'ok  ' if s.ok else 'BAD '} {one_line(s.name)}: {one_line(s.told)}" for s in symptoms)


def replay_view(summary: ReplaySummary) -> dict[str, Any]:
    """{"judged", "unreadable", "findings": {finding: n}, "by_label": {label: {finding: n}}, "exit_code"}."""
    return {
        "judged": summary.judged,
        "unreadable": summary.unreadable,
        "findings": dict(summary.findings),
        "by_label": {label: dict(counts) for label, counts in summary.by_label.items()},
        "exit_code": summary.exit_code,
    }


def replay_text(summary: ReplaySummary) -> str:
    """A table: findings by label."""
    words = sorted(summary.findings)
    rows = [["label", *words]]
    for label, counts in sorted(summary.by_label.items()):
        rows.append([one_line(label), *(str(counts.get(word, 0)) for word in words)])
    rows.append(["all", *(str(summary.findings[word]) for word in words)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, f"{summary.judged} judged, {summary.unreadable} not readable"])
