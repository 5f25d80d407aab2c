"""How a finding reads: the words that text and notes share, from findings in the form of the evidence.

Rules:
- A finding is a member of `findings` or `also_seen` of the evidence (docs/evidence.schema.json); the same form everywhere.
- What counts (configuration) and what does not (platform, ignored) are told apart, the latter with the rule that said so.
- Nobody is named as the author without an event; then it is said why, and between which moments it happened.
- Every text from outside passes `untrusted.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from driftguard.flow.check import FindingKind
from driftguard.flow.classify import ChangeClass
from driftguard.flow.diff import MISSING
from driftguard.flow.moment import for_people, from_text
from driftguard.flow.path import Element, parse_path
from driftguard.flow.review import UNREAD
from driftguard.render.untrusted import VALUE, one_line, two_values, value_text

Finding = Mapping[str, Any]

_PATH = 160
_EVENT = ("at", "operation", "correlation_id", "client")  # what an attribution takes from the event that it names
_ACTORS = {
    "person": "a person",
    "unknown": "not known what kind of account",
    "other_automation": "other automation",
    "our_pipeline": "the job's own pipeline",
    "azure_policy": "Azure Policy",
    "autoscale": "autoscale",
    "platform": "the platform",
}


_SAY_ALL = (FindingKind.UNRECORDED, FindingKind.UNMANAGED)  # their detail says the same once more


@dataclass(frozen=True, slots=True)
class Noise:
    """Something that moved and counts for nothing: the resource, what moved, and the rule or policy key that said so."""

    resource: str
    what: str
    why: str


def resource_name(resource: str) -> str:
    """The names in an id after its provider, such as `vnet-hub/default`; the last name where it has no provider."""
    segments = resource.split("/")
    lowered = [segment.lower() for segment in segments]
    if "providers" not in lowered:
        return one_line(segments[-1], 80)
    last = len(lowered) - 1 - lowered[::-1].index("providers")
    return one_line("/".join(segments[last + 3 :: 2]) or segments[-1], 80)


def resource_title(finding: Finding) -> str:
    """`web-nsg (Microsoft.Network/networkSecurityGroups) in rg-shop`."""
    segments = str(finding["resource"]).split("/")
    in_group = len(segments) > 5 and segments[3].lower() == "resourcegroups"
    group = f" in {one_line(segments[4], 90)}" if in_group else ""
    return f"{resource_name(finding['resource'])} ({one_line(finding['type'], 120)}){group}"


def headline(finding: Finding) -> str:
    """What is found of the resource, in a few words."""
    kind, detail = finding["finding"], one_line(finding.get("detail", ""), 300)
    words = {
        FindingKind.UNCHANGED: "is as recorded",
        FindingKind.TOUCHED: "was touched, and nothing that counts differs",
        FindingKind.MOVED: "was changed",
        FindingKind.MOVED_BY_JOB: f"was changed by the job {one_line(finding.get('other_job', ''), 100)}",
        FindingKind.GONE: "is gone",
        FindingKind.IN_FLIGHT: "is still being changed",
        FindingKind.UNREADABLE: f"could not be read ({one_line(finding.get('cause', ''), 40)})",
        FindingKind.UNRECORDED: "is named, and was never recorded: the next record takes it in",
        FindingKind.UNMANAGED: "is in the job's scope, and was never recorded",
    }[FindingKind(kind)]
    return f"{words}: {detail}" if detail and kind not in _SAY_ALL else words


def configuration(finding: Finding) -> list[Mapping[str, Any]]:
    """The changes that count."""
    return [change for change in finding["changes"] if change["class"] == ChangeClass.CONFIGURATION]


def path_text(change: Mapping[str, Any]) -> str:
    """The path of a change; the whole resource where it has none."""
    return one_line(change["path"], _PATH) or "(the whole resource)"


def sides(change: Mapping[str, Any]) -> tuple[str, str]:
    """Before and after as text; what stands on one side only has the room of both."""
    before, after = change.get("before", MISSING), change.get("after", MISSING)
    return two_values(before, after, 2 * VALUE if before is MISSING or after is MISSING else VALUE)


def change_line(change: Mapping[str, Any]) -> str:
    """`path: before -> after`, or `path: list element added: value`."""
    path = path_text(change)
    if _is_element(change["path"]) and "before" not in change:
        return f"{path}: list element added: {value_text(change['after'], 2 * VALUE)}"
    if _is_element(change["path"]) and "after" not in change:
        return f"{path}: list element removed: {value_text(change['before'], 2 * VALUE)}"
    before, after = sides(change)
    return f"{path}: {before} -> {after}"


def _is_element(path: str) -> bool:
    try:
        steps = parse_path(path)
    except ValueError:
        return False
    return bool(steps) and isinstance(steps[-1], (Element, int))


def author(finding: Finding) -> str:
    """Who did it, with what client, when, and how sure; empty where nobody needs to have done anything."""
    found = finding.get("attribution")
    if found is None:
        return "" if finding["finding"] in UNREAD else "by nobody known: attribution was not sought"
    if not found["who"]:
        why = one_line(found["why"], 200) or "no event names the writer"
        return f"by nobody known: {why}; {_bracket(found)}"
    client = f" with {one_line(found['client'], 80)}" if found["client"] else ""
    when = f" at {when_text(found['at'])}" if found["at"] else f" {_bracket(found)}"
    others = _others(found)
    more = f"; {others} more wrote as well" if others else ""
    return f"by {one_line(found['who'], 120)} ({actor_text(found['actor'])}){client}{when}, {sure_text(found)}{more}"


def _others(found: Mapping[str, Any]) -> int:
    """How many beside the named one wrote. `who` may be a label: the named one's own event says who that is."""
    own = [writer for writer in found["writers"] if all(writer[key] == found[key] for key in _EVENT)]
    named = {writer["who"].lower() for writer in own[:1]}
    named |= {found[key].lower() for key in ("who", "object_id") if found[key]}
    return len({writer["who"].lower() for writer in found["writers"]} - named)


def actor_text(actor: str) -> str:
    """The class of an actor in words."""
    return _ACTORS.get(actor, one_line(actor, 40))


def sure_text(attribution: Mapping[str, Any]) -> str:
    """How sure the attribution is, and by which sources."""
    sources = sorted({one_line(writer["source"], 40) for writer in attribution["writers"] if writer["source"]})
    named = f" ({', '.join(sources)})" if sources else ""
    return f"{'certain' if attribution['sure'] == 'certain' else 'not certain'}{named}"


def _bracket(found: Mapping[str, Any]) -> str:
    return f"between {when_text(found['last_seen_good'])} and {when_text(found['first_seen_changed'])}"


def when_text(moment: str | None) -> str:
    """A stored moment as a person reads it."""
    try:
        return for_people(from_text(moment or ""))
    except ValueError:
        return one_line(moment or "an unknown time", 40)


def noise(findings: Iterable[Finding], also_seen: Iterable[Finding]) -> list[Noise]:
    """What also moved, and is held against nobody."""
    told = [one for finding in findings for one in _uncounted(finding)]
    for finding in also_seen:
        if finding["finding"] in UNREAD:
            continue
        moved = _counted_and_let_be(finding) + _uncounted(finding)
        told += moved or [Noise(resource_name(finding["resource"]), _still(finding), one_line(finding["reason"], 120))]
    return told


def _counted_and_let_be(finding: Finding) -> list[Noise]:
    """Configuration changes that the policy halts nothing for."""
    name, why = resource_name(finding["resource"]), one_line(finding["reason"], 120)
    return [Noise(name, change_line(change), why) for change in configuration(finding)]


def _uncounted(finding: Finding) -> list[Noise]:
    name = resource_name(finding["resource"])
    rest = [change for change in finding["changes"] if change["class"] != ChangeClass.CONFIGURATION]
    return [Noise(name, path_text(change), _rule(change)) for change in rest]


def _rule(change: Mapping[str, Any]) -> str:
    rule = one_line(change.get("rule", ""), 120)
    if change["class"] == ChangeClass.IGNORED:
        return f"ignored by the rule {rule}"
    return rule or "written by the platform"


def _still(finding: Finding) -> str:
    if finding["finding"] == FindingKind.TOUCHED and not finding.get("detail"):
        return "only its ETag moved"
    return headline(finding)


def not_read(coverage: Mapping[str, Any], findings: Sequence[Finding] = ()) -> list[str]:
    """What was not read, one line each; without the `findings` that say so themselves."""
    said = {finding["resource"] for finding in findings if finding["finding"] in UNREAD}
    lines = [
        f"{resource_name(one['resource'])}: {one_line(one['cause'], 40)} {one_line(one['detail'], 160)}".rstrip()
        for one in coverage["not_read"]
        if one["resource"] not in said
    ]
    lines += [f"not listed whole: {one_line(scope, 240)}" for scope in coverage["scopes_not_listed"]]
    return lines + _parts_not_read(coverage["parts_not_read"])


def _parts_not_read(parts: Mapping[str, Sequence[str]]) -> list[str]:
    """What is not in the bodies: once for all types, then what only some have."""
    of_all = [part for part in next(iter(parts.values()), ()) if all(part in others for others in parts.values())]
    lines = [f"of every resource: {one_line(', '.join(of_all), 240)}"] if of_all else []
    for kind, of_type in parts.items():
        own = [part for part in of_type if part not in of_all]
        lines += [f"of {one_line(kind, 120)}: {one_line(', '.join(own), 160)}"] if own else []
    return lines
