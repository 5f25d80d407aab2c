"""What is worth saying of a policy: what is valid and yet probably not meant, with what to write instead.

Rules:
- A notice never changes how anything is judged.
- A rule of a shipped file (`tolerated: …`) is not told for being broad: it is the product's, not the team's. What is told
  of it together with a team's rule stands at the line of the team's.
- What no one can be sure of is not told: a notice that is wrong teaches people to skip them all. A rule with a condition
  is passed over where the condition may make the difference, an expired one wherever it would have to apply.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase

from driftguard.flow.attribute import Actor
from driftguard.flow.canonical import canonical
from driftguard.flow.classify import PathRules
from driftguard.flow.path import Path, PathPattern, parse_path
from driftguard.flow.policy import JobPolicy, Policy, Response, Rule
from driftguard.flow.policy_overlap import Contradiction, contradictions, fits_everything, shadowed
from driftguard.flow.reading import Json
from driftguard.flow.resource import ResourceRef

TELL_AHEAD = timedelta(days=30)
SHIPPED = "tolerated: "
"""How the names of the rules in the shipped file begin."""
HOW_TO_QUOTE = "a name with a blank, dot, colon or slash stands in brackets and quotes, as in tags['cost center']"
"""The remedy for a path that cannot be read, beside an example of its own."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to say of a policy file. `where` is `file:line`, or the file alone; `remedy` says what to write instead."""

    where: str
    text: str
    remedy: str = ""

    @property
    def file(self) -> str:
        """The file's path."""
        return self._place()[0]

    @property
    def line(self) -> int | None:
        """The line, from 1; None where it is about the whole file."""
        return self._place()[1]

    def _place(self) -> tuple[str, int | None]:
        file, _, line = self.where.rpartition(":")
        return (file, int(line)) if file and re.fullmatch(r"[0-9]+", line) else (self.where, None)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.text, self.remedy) if part)


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a policy file. `policy` is None where there are errors, `source` is its path or "built-in default"."""

    source: str
    policy: Policy | None
    errors: tuple[Notice, ...] = ()
    warnings: tuple[Notice, ...] = ()

    @property
    def exit_code(self) -> int:
        """3 where something is wrong, else 0."""
        return 3 if self.errors else 0


def notices(policy: Policy, today: date) -> tuple[Notice, ...]:
    """Everything that can be told from the policy alone, on a day (UTC)."""
    own = [rule for rule in policy.rules if is_own(rule) and rule.when is None and not _is_expired(rule, today)]
    defaults = policy.defaults
    return (
        *_dates(policy.rules, today),
        *_idle_rules(policy.rules),
        *_contradictions(policy.rules, today),
        *_whole_resources(own),
        *_every_type(own),
        *_shadowed_jobs(policy.jobs),
        *_risky_answers(defaults, *(job for job in policy.jobs if job.on_drift != defaults.on_drift)),
        *_callers_without_id(defaults, JobPolicy()),
        *(notice for job in policy.jobs for notice in _callers_without_id(job, defaults)),
    )


def superfluous(policy: Policy, today: date) -> tuple[Notice, ...]:
    """Ignored paths that Azure writes itself anyway, in rules on one type. Raises BadConfiguration for a damaged table."""
    return tuple(_superfluous(policy, today))


def is_own(rule: Rule) -> bool:
    """Whether the rule stands in the policy file, and not in the shipped one."""
    return not rule.name.startswith(SHIPPED)


def _dates(rules: Iterable[Rule], today: date) -> Iterator[Notice]:
    for rule in rules:
        if _is_expired(rule, today):
            text = f"rule {rule.name!r} expired on {rule.expires} and is not applied"
            yield Notice(rule.where, text, "renew or remove it")
        elif rule.expires and rule.expires - today <= TELL_AHEAD:
            text = f"rule {rule.name!r} expires on {rule.expires}"
            yield Notice(rule.where, text, "renew it or prepare to lose it")


def _is_expired(rule: Rule, today: date) -> bool:
    return rule.expires is not None and rule.expires < today


def _idle_rules(rules: Iterable[Rule]) -> Iterator[Notice]:
    for rule in rules:
        for key, glob, possible, example in (
            ("type", rule.match.type, _TYPE, "Microsoft.Network/virtualNetworks"),
            ("resource_group", rule.match.resource_group, _ONE_NAME, "rg-shop-*"),
            ("name", rule.match.name, _ONE_NAME, "vnet-*"),
            ("id", rule.match.id, _ID, "/subscriptions/*/resourceGroups/rg-shop/*"),
        ):
            if glob and not _could_fit(glob, possible):
                text = f"rule {rule.name!r} can never match: no {key} looks like {glob!r}"
                yield Notice(rule.where, text, f"write it as {example}")


_TYPE = re.compile(r"[a-z0-9]+(\.[a-z0-9]+)*(/[^\s/]+)+\Z", re.IGNORECASE)
_ONE_NAME = re.compile(r"[^\s/?#%\\<>]+\Z")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_ID = re.compile(r"(/[^\s/?#%\\<>]+)+\Z")


def _could_fit(glob: str, possible: re.Pattern[str]) -> bool:
    """Whether some text of the possible form fits the glob; True where that is not easily told."""
    if "[" in glob:
        return True
    text = glob.replace("?", "x")
    if possible is _ID and text.startswith("*"):
        text = "/" + text
    return any(possible.match(text.replace("*", filling)) for filling in ("", "x", "x/x"))


def _contradictions(rules: Iterable[Rule], today: date) -> Iterator[Notice]:
    """A path both ignored and watched for the same resources: ignoring wins, which the watching rule did not mean."""
    rules = list(rules)
    own = [rule for rule in rules if is_own(rule)]
    shipped = [rule for rule in rules if not is_own(rule)]
    yield from (_never_watched(found) for found in contradictions(own, rules, today))
    hidden = {(found.ignoring.name, found.ignored): found for found in contradictions(shipped, own, today)}
    for found in hidden.values():
        ignoring, watching = found.ignoring, found.watching
        text = f"rule {ignoring.name!r} ignores {found.ignored!r}, and so hides what rule {watching.name!r} is there to tell"
        yield Notice(ignoring.where, text, f"take the path out, unless {found.watched} may change unseen")


def _never_watched(found: Contradiction) -> Notice:
    watching, ignoring = found.watching, found.ignoring
    what = "it" if found.ignored.lower() == found.watched.lower() else repr(found.ignored)
    where = "" if found.everywhere else " in the resources of both"
    text = (
        f"rule {watching.name!r} watches {found.watched!r}, but rule {ignoring.name!r} ignores {what}{where}, and wins"
    )
    if is_own(ignoring):
        return Notice(watching.where, text, f"take the path out of one of them; the other stands at {ignoring.where}")
    return Notice(watching.where, text, "take the path out: that rule always applies")


_PROPERTY_OF_NO_RULE = "a property that no rule names"


def _whole_resources(rules: Iterable[Rule]) -> Iterator[Notice]:
    for rule in rules:
        for path in rule.ignore:
            pattern = PathPattern.parse(path)
            if any(map(pattern.matches, (("properties", _PROPERTY_OF_NO_RULE), (_PROPERTY_OF_NO_RULE,)))):
                text = f"rule {rule.name!r} ignores {path!r}: nearly everything of these resources may change unseen"
                yield Notice(
                    rule.where, text, "name the paths that may change, such as properties.siteConfig.appCommandLine"
                )


def _every_type(rules: Iterable[Rule]) -> Iterator[Notice]:
    for rule in rules:
        if rule.ignore and fits_everything(rule.match):
            text = f"rule {rule.name!r} ignores {', '.join(rule.ignore)} in every resource of every type"
            yield Notice(rule.where, text, "name in its match the types or resource groups that it is meant for")


def _shadowed_jobs(jobs: tuple[JobPolicy, ...]) -> Iterator[Notice]:
    for place, earlier in shadowed([entry.match for entry in jobs]):
        entry, first = jobs[place], jobs[earlier]
        text = f"the entry for {entry.match!r} never applies: {first.match!r} at {first.where} comes first"
        yield Notice(entry.where, text, "move it before that one, or remove it")


def _risky_answers(*settings: JobPolicy) -> Iterator[Notice]:
    for entry in settings:
        for actor in (Actor.PERSON, Actor.UNKNOWN):
            if entry.on_drift[actor] is Response.ACCEPT:
                text = f"on_drift.{actor}: accept lets runs overwrite such changes without a word"
                yield Notice(entry.where, text, f"write {actor}: halt, or warn to be told")


_CALLERS = {
    "pipelines": "the application (client) id of the pipeline",
    "readers": "the object id of the group or person",
    "reviewers": "the object id of the group or person",
}


def _callers_without_id(entry: JobPolicy, inherited: JobPolicy) -> Iterator[Notice]:
    """Who is named by anything but an id: names can change their owner, so a service lets nobody in by one."""
    for key, wanted in _CALLERS.items():
        named: tuple[str, ...] | None = getattr(entry, key)
        if named is None or named == getattr(inherited, key):
            continue  # told where it stands
        for text in dict.fromkeys(named):
            if not _GUID.fullmatch(text):
                told = f"{text!r} under {key} can never match: a service knows its callers by id, never by name"
                yield Notice(entry.where, told, f"write {wanted}, a GUID such as 11111111-2222-3333-4444-555555555555")


def _superfluous(policy: Policy, today: date) -> Iterator[Notice]:
    for rule in policy.rules:
        if is_own(rule) and not _is_expired(rule, today):
            for path in rule.ignore:
                steps = _steps(path)
                why = _why_never_counting(policy, rule, steps, today) if steps else None
                if why and not _is_watched(policy, rule.match.type, steps):
                    text = f"rule {rule.name!r} ignores {path!r}, which never halts anyway: {why}"
                    yield Notice(rule.where, text, "remove the path from the rule")


def _why_never_counting(policy: Policy, rule: Rule, path: Path, today: date) -> str | None:
    """Why a difference at the path counts for nothing without the rule, in every resource that it is for; None where it does."""
    if _is_dropped(path):
        return "an ETag is no part of what is compared"
    of_every_type = PathRules()
    if _is_glob(rule.match.type):
        return of_every_type.classify(path)[1]
    ref = ResourceRef("arm", "public", "", "", rule.match.type, rule.match.name)
    return policy.path_rules(ref, today).platform.find(path) or of_every_type.classify(path)[1]


def _is_dropped(path: Path) -> bool:
    """Whether the canonical form is the same whatever text stands at the path."""
    one, other = (canonical(_body_with(text, path), "") for text in ("x", "y"))
    return bool(one == other)


def _body_with(value: Json, path: Path) -> Json:
    for step in reversed(path):
        value = {step: value} if isinstance(step, str) else [value]
    return value


def _is_glob(text: str) -> bool:
    return not text or bool(set("*?[") & set(text))


def _steps(pattern: str) -> Path:
    """The pattern as the one path that it names, with any element for `[*]`; empty where it names many."""
    try:
        return parse_path(pattern.replace("[*]", "[0]"))
    except ValueError:
        return ()


def _is_watched(policy: Policy, type_: str, path: Path) -> bool:
    """Whether some rule that may be for this type takes the path, or a part of it, back."""
    return any(
        PathPattern(watched, PathPattern.parse(watched).steps[: len(path)]).matches(path)
        for rule in policy.rules
        if fnmatchcase(type_.lower(), rule.match.type.lower() or "*")
        for watched in rule.watch
    )
