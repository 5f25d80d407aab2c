"""The results of the tools (explain, verify, doctor, replay), for people and for machines.

The text of explain is made from its view, as the texts in text.py; the other tools work in process only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from driftguard.flow.attribute import Attribution
from driftguard.flow.moment import to_text
from driftguard.flow.path import format_path
from driftguard.guard.doctor import Symptom
from driftguard.guard.explain import NORMALISED, Explained, PathTold
from driftguard.guard.held_against import Anchors, Verified
from driftguard.guard.replay import ReplaySummary
from driftguard.render.findings import when_text
from driftguard.render.members import Members, mapping, mappings, text, texts
from driftguard.render.tables import number
from driftguard.render.untrusted import one_line

_MOST_SHOWN = 20


def explain_view(told: Explained) -> dict[str, Any]:
    """{"job", "resource", "type", "finding", "action", "reason", "severity", "detail", "author", "recorded", "compared",
    "paths", "normalised", "not_in_body", "policy", "exit_code"}.

    `detail` says more of the finding, or is null; `author` is {"who", "why"}: who wrote it, or why that is not known; null
    where it was not asked.

    Each of `paths` is {"path", "class", "rule", "reason", "owner", "note", "differs"}, where the class may be `normalised`,
    the rule is then the normalisation, and what there is not is null. `compared` is false where there was no live body to
    compare; `differs` is null then. Each of `normalised` is {"path", "normalisation", "reason"}.
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
        "detail": told.finding.detail or None,
        "author": _author(told.finding.attribution) if told.finding.attribution else None,
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


def _author(found: Attribution) -> dict[str, Any]:
    return {"who": found.who or None, "why": found.why or None}


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


def explain_text(view: Members) -> str:
    """One resource, from its view: how it was recorded, what is found now, which rule decides on each path, and what is no
    difference."""
    recorded, author = mapping(view, "recorded"), mapping(view, "author")
    lines = [
        _shown(view, "resource"),
        f"  recorded {when_text(text(recorded, 'at'))} ({_shown(recorded, 'provenance')}), "
        f"api-version {_shown(recorded, 'api_version')}, ETag {_shown(recorded, 'etag') or 'none'}",
        f"  now {_shown(view, 'finding')}: {_shown(view, 'action')} ({_shown(view, 'reason', 300)}); "
        f"severity {_shown(view, 'severity')}",
    ]
    if view.get("detail"):
        lines.append(f"  {_shown(view, 'detail')}")
    if author:
        lines.append(f"  written by {_shown(author, 'who') or one_line('unknown: ' + text(author, 'why'))}")
    if view.get("compared") is False:
        lines.append(
            "  not compared: there is no live body that could be; below is what is recorded, and the rules for it"
        )
    lines += [_path_text(one) for one in mappings(view, "paths")]
    normalised = mappings(view, "normalised")
    for equal in normalised[:_MOST_SHOWN]:
        what = f"{_shown(equal, 'normalisation')}: {_shown(equal, 'reason', 300)}"
        lines.append(f"  {_shown(equal, 'path') or 'all of it'}: equal after normalisation; {what}")
    if len(normalised) > _MOST_SHOWN:
        lines.append(f"  … and {len(normalised) - _MOST_SHOWN} more are equal after normalisation: see --json")
    lines += [f"  not part of its body: {one_line(part)}" for part in texts(view, "not_in_body")]
    lines.append(f"  policy: {_shown(view, 'policy')}")
    return "\n".join(lines)


def _path_text(one: Members) -> str:
    note = f"; {_shown(one, 'note', 500)}" if one.get("note") else ""
    return f"  {_shown(one, 'path') or 'all of it'}: {_class_text(one)}; {_rule_text(one)}{note}"


def _class_text(one: Members) -> str:
    kind, differs = _shown(one, "class"), one.get("differs")
    if differs is None:
        return "not compared" if kind == NORMALISED else f"not compared, a difference would be {kind}"
    if kind == NORMALISED:
        return "equal after normalisation"
    return f"{kind}, {'differs' if differs else 'does not differ now'}"


def _rule_text(one: Members) -> str:
    """The rule that decided, with its reason and whom to ask."""
    why = f": {_shown(one, 'reason', 300)}" if one.get("reason") else ""
    owner = f" ({_shown(one, 'owner', 120)})" if one.get("owner") else ""
    return f"{_shown(one, 'rule')}{why}{owner}"


def _shown(view: Members, name: str, limit: int = 200) -> str:
    return one_line(text(view, name), limit)


def verify_view(result: Verified) -> dict[str, Any]:
    """{"ok", "checked", "not_looked_at", "unclear", "faults", "anchors", "exit_code"}.

    `anchors` is null where none were compared, else {"where", "store", "count", "first", "last", "jobs", "other_stores"}:
    `store` the store's id, `first` and `last` days, `jobs` by name {"name", "day", "number", "anchors"}, or null where no
    anchor agrees with the job's ledger; `other_stores` names the newest document of each other store in that place.
    """
    return {
        "ok": result.exit_code == 0,
        "checked": list(result.checked),
        "faults": list(result.faults),
        "not_looked_at": list(result.not_looked_at),
        "unclear": list(result.unclear),
        "anchors": _anchors_view(result.anchors) if result.anchors else None,
        "exit_code": result.exit_code,
    }


def _anchors_view(compared: Anchors) -> dict[str, Any]:
    return {
        "where": compared.where,
        "store": compared.store or None,
        "count": compared.count,
        "first": compared.first or None,
        "last": compared.last or None,
        "jobs": {
            job: {"name": one.name, "day": one.day, "number": one.number, "anchors": one.anchors} if one else None
            for job, one in sorted(compared.jobs.items())
        },
        "other_stores": dict(compared.others),
    }


def verify_text(result: Verified) -> str:
    """What was looked at, what could not be, and what is wrong."""
    lines = [f"looked at: {one_line(told, 500)}" for told in result.checked]
    if result.anchors:
        lines.append(f"looked at: {_anchors_text(result.anchors)}")
    lines += [f"not looked at: {one_line(told, 500)}" for told in result.not_looked_at]
    lines += [f"COULD NOT TELL: {one_line(told, 500)}" for told in result.unclear]
    lines += [f"WRONG: {one_line(told, 500)}" for told in result.faults]
    return "\n".join([*lines, "" if result.exit_code else "everything is as it was written"]).rstrip()


def _anchors_text(compared: Anchors) -> str:
    where = one_line(compared.where)
    if not compared.count:
        return f"{where}: no anchor of this store"
    days = compared.first if compared.first == compared.last else f"{compared.first} to {compared.last}"
    return f"{number(compared.count, 'anchor', 'anchors')} of this store ({compared.store}) in {where}, {days}"


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
