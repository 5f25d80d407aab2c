"""How a finding reads: the words that text and notes share, from findings in the form of the evidence.

Rules:
- A finding is a member of `findings` or `also_seen` of the evidence (docs/evidence.schema.json); the same form everywhere.
- What counts (configuration) and what does not (platform, ignored) are told apart, the latter with the rule that said so.
- Nobody is named as the author without an event; then it is said why, and between which moments it happened.
- Every text from outside passes `untrusted.py`; a finding of a newer version, or one that lacks members, reads all the same.
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
from driftguard.render.members import mapping, mappings, text, texts
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


_HEADLINES = {
    FindingKind.UNCHANGED: "is as recorded",
    FindingKind.TOUCHED: "was touched, and nothing that counts differs",
    FindingKind.MOVED: "was changed",
    FindingKind.MOVED_BY_JOB: "was changed by the job {other_job}",
    FindingKind.GONE: "is gone",
    FindingKind.IN_FLIGHT: "is still being changed",
    FindingKind.UNREADABLE: "could not be read ({cause})",
    FindingKind.UNRECORDED: "is named, and was never recorded: the next record takes it in",
    FindingKind.UNMANAGED: "is in the job's scope, and was never recorded",
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
    resource = text(finding, "resource")
    segments = resource.split("/")
    in_group = len(segments) > 5 and segments[3].lower() == "resourcegroups"
    group = f" in {one_line(segments[4], 90)}" if in_group else ""
    return f"{resource_name(resource)} ({one_line(text(finding, 'type'), 120)}){group}"


def headline(finding: Finding) -> str:
    """What is found of the resource, in a few words."""
    kind, detail = text(finding, "finding"), one_line(text(finding, "detail"), 300)
    form = next((words for known, words in _HEADLINES.items() if known == kind), "")
    words = form.format(other_job=one_line(text(finding, "other_job"), 100), cause=one_line(text(finding, "cause"), 40))
    words = words or f"is found to be {one_line(kind, 60)}"
    return f"{words}: {detail}" if detail and kind not in _SAY_ALL else words


def configuration(finding: Finding) -> list[Mapping[str, Any]]:
    """The changes that count."""
    return [change for change in mappings(finding, "changes") if change.get("class") == ChangeClass.CONFIGURATION]


def path_text(change: Mapping[str, Any]) -> str:
    """The path of a change; the whole resource where it has none."""
    return one_line(text(change, "path"), _PATH) or "(the whole resource)"


def sides(change: Mapping[str, Any]) -> tuple[str, str]:
    """Before and after as text; what stands on one side only has the room of both."""
    before, after = change.get("before", MISSING), change.get("after", MISSING)
    return two_values(before, after, 2 * VALUE if before is MISSING or after is MISSING else VALUE)


def change_line(change: Mapping[str, Any]) -> str:
    """`path: before -> after`, or `path: list element added: value`."""
    path = path_text(change)
    if _is_element(text(change, "path")) and ("before" in change) is not ("after" in change):
        what = "removed" if "before" in change else "added"
        value = change["before"] if "before" in change else change["after"]
        return f"{path}: list element {what}: {value_text(value, 2 * VALUE)}"
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
    if not isinstance(found, Mapping):
        return "" if text(finding, "finding") in UNREAD else "by nobody known: attribution was not sought"
    if not text(found, "who"):
        why = one_line(text(found, "why"), 200) or "no event names the writer"
        return f"by nobody known: {why}; {_bracket(found)}"
    who, client = one_line(text(found, "who"), 120), one_line(text(found, "client"), 80)
    with_client = f" with {client}" if client else ""
    when = f" at {when_text(text(found, 'at'))}" if found.get("at") else f" {_bracket(found)}"
    others = _others(found)
    more = f"; {others} more wrote as well" if others else ""
    return f"by {who} ({actor_text(text(found, 'actor'))}){with_client}{when}, {sure_text(found)}{more}"


def _others(found: Mapping[str, Any]) -> int:
    """How many beside the named one wrote. `who` may be a label: the named one's own event says who that is."""
    writers = mappings(found, "writers")
    own = [writer for writer in writers if all(writer.get(key) == found.get(key) for key in _EVENT)]
    named = {text(writer, "who").lower() for writer in own[:1]}
    named |= {text(found, key).lower() for key in ("who", "object_id") if found.get(key)}
    return len({text(writer, "who").lower() for writer in writers} - named)


def actor_text(actor: str) -> str:
    """The class of an actor in words."""
    return _ACTORS.get(actor, one_line(actor, 40))


def sure_text(attribution: Mapping[str, Any]) -> str:
    """How sure the attribution is, and by which sources."""
    sources = sorted({one_line(text(writer, "source"), 40) for writer in mappings(attribution, "writers")} - {""})
    named = f" ({', '.join(sources)})" if sources else ""
    return f"{'certain' if attribution.get('sure') == 'certain' else 'not certain'}{named}"


def _bracket(found: Mapping[str, Any]) -> str:
    return f"between {when_text(text(found, 'last_seen_good'))} and {when_text(text(found, 'first_seen_changed'))}"


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
        if text(finding, "finding") in UNREAD:
            continue
        moved = _counted_and_let_be(finding) + _uncounted(finding)
        told += moved or [Noise(_name(finding), _still(finding), one_line(text(finding, "reason"), 120))]
    return told


def _name(finding: Finding) -> str:
    return resource_name(text(finding, "resource"))


def _counted_and_let_be(finding: Finding) -> list[Noise]:
    """Configuration changes that the policy halts nothing for."""
    name, why = _name(finding), one_line(text(finding, "reason"), 120)
    return [Noise(name, change_line(change), why) for change in configuration(finding)]


def _uncounted(finding: Finding) -> list[Noise]:
    rest = [change for change in mappings(finding, "changes") if change.get("class") != ChangeClass.CONFIGURATION]
    return [Noise(_name(finding), path_text(change), _rule(change)) for change in rest]


def _rule(change: Mapping[str, Any]) -> str:
    rule = one_line(text(change, "rule"), 120)
    if change.get("class") == ChangeClass.IGNORED:
        return f"ignored by the rule {rule}"
    return rule or "written by the platform"


def _still(finding: Finding) -> str:
    if finding.get("finding") == FindingKind.TOUCHED and not finding.get("detail"):
        return "only its ETag moved"
    return headline(finding)


def not_read(coverage: Mapping[str, Any], findings: Sequence[Finding] = ()) -> list[str]:
    """What was not read, one line each; without the `findings` that say so themselves."""
    said = {text(finding, "resource") for finding in findings if text(finding, "finding") in UNREAD}
    lines = [
        f"{_name(one)}: {one_line(text(one, 'cause'), 40)} {one_line(text(one, 'detail'), 160)}".rstrip()
        for one in mappings(coverage, "not_read")
        if text(one, "resource") not in said
    ]
    lines += [f"not listed whole: {one_line(scope, 240)}" for scope in texts(coverage, "scopes_not_listed")]
    parts = mapping(coverage, "parts_not_read")
    return lines + _parts_not_read({kind: texts(parts, kind) for kind in parts})


def _parts_not_read(parts: Mapping[str, Sequence[str]]) -> list[str]:
    """What is not in the bodies: once for all types, then what only some have."""
    of_all = [part for part in next(iter(parts.values()), ()) if all(part in others for others in parts.values())]
    lines = [f"of every resource: {one_line(', '.join(of_all), 240)}"] if of_all else []
    for kind, of_type in parts.items():
        own = [part for part in of_type if part not in of_all]
        lines += [f"of {one_line(kind, 120)}: {one_line(', '.join(own), 160)}"] if own else []
    return lines
