"""What is worth saying of a policy: what is valid and yet probably not meant, with what to write instead.

Rules:
- A notice never changes how anything is judged.
- A rule of a shipped file (`tolerated: …`) is not told for being broad: it is the product's, not the team's.
- What no one can be sure of is not told: a notice that is wrong teaches people to skip them all. A rule with a condition
  is passed over where the condition may make the difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase

from driftguard.flow.attribute import Actor
from driftguard.flow.path import Path, PathPattern, parse_path
from driftguard.flow.policy import JobPolicy, Match, Policy, Response, Rule
from driftguard.flow.resource import ResourceRef

TELL_AHEAD = timedelta(days=30)
SHIPPED = "tolerated: "
"""How the names of the rules in the shipped file begin."""


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
    always = [rule for rule in policy.rules if rule.when is None]
    own = [rule for rule in always if is_own(rule)]
    defaults = policy.defaults
    return (
        *_dates(policy.rules, today),
        *_idle_rules(policy.rules),
        *_contradictions(always),
        *_whole_resources(own),
        *_every_type(own),
        *_shadowed_jobs(policy.jobs),
        *_risky_answers(defaults, *(job for job in policy.jobs if job.on_drift != defaults.on_drift)),
    )


def superfluous(policy: Policy, today: date) -> tuple[Notice, ...]:
    """Ignored paths that Azure writes itself anyway, in rules on one type. Raises BadConfiguration for a damaged table."""
    return tuple(_superfluous(policy, today))


def is_own(rule: Rule) -> bool:
    """Whether the rule stands in the policy file, and not in the shipped one."""
    return not rule.name.startswith(SHIPPED)


def _dates(rules: Iterable[Rule], today: date) -> Iterator[Notice]:
    for rule in rules:
        if rule.expires and rule.expires < today:
            text = f"rule {rule.name!r} expired on {rule.expires} and is not applied"
            yield Notice(rule.where, text, "renew or remove it")
        elif rule.expires and rule.expires - today <= TELL_AHEAD:
            text = f"rule {rule.name!r} expires on {rule.expires}"
            yield Notice(rule.where, text, "renew it or prepare to lose it")


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
_ID = re.compile(r"(/[^\s/?#%\\<>]+)+\Z")


def _could_fit(glob: str, possible: re.Pattern[str]) -> bool:
    """Whether some text of the possible form fits the glob; True where that is not easily told."""
    if "[" in glob:
        return True
    text = glob.replace("?", "x")
    if possible is _ID and text.startswith("*"):
        text = "/" + text
    return any(possible.match(text.replace("*", filling)) for filling in ("", "x", "x/x"))


def _contradictions(rules: Iterable[Rule]) -> Iterator[Notice]:
    """A path both ignored and watched for the same resources: ignoring wins, which the watching rule did not mean."""
    rules = list(rules)
    ignored = {(rule.match, path.lower()): rule for rule in rules for path in rule.ignore}
    for rule in rules:
        for path in rule.watch:
            other = ignored.get((rule.match, path.lower()))
            if other:
                text = f"rule {rule.name!r} watches {path!r}, but rule {other.name!r} ignores it, and wins"
                yield Notice(rule.where, text, f"take the path out of one of them; the other stands at {other.where}")


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
        if rule.ignore and rule.match == Match(type="*"):
            text = f"rule {rule.name!r} ignores {', '.join(rule.ignore)} in every resource of every type"
            yield Notice(rule.where, text, "name in its match the types or resource groups that it is meant for")


def _shadowed_jobs(jobs: tuple[JobPolicy, ...]) -> Iterator[Notice]:
    for position, entry in enumerate(jobs):
        earlier = next((other for other in jobs[:position] if _covers(other.match, entry.match)), None)
        if earlier:
            text = f"the entry for {entry.match!r} never applies: {earlier.match!r} at {earlier.where} comes first"
            yield Notice(entry.where, text, "move it before that one, or remove it")


def _covers(glob: str, other: str) -> bool:
    """Whether every name that fits `other` surely fits `glob`: equal, or `glob` has no wildcard but `*`."""
    return glob == other or (not set("?[") & set(glob) and fnmatchcase(other, glob))


def _risky_answers(*settings: JobPolicy) -> Iterator[Notice]:
    for entry in settings:
        for actor in (Actor.PERSON, Actor.UNKNOWN):
            if entry.on_drift[actor] is Response.ACCEPT:
                text = f"on_drift.{actor}: accept lets runs overwrite such changes without a word"
                yield Notice(entry.where, text, f"write {actor}: halt, or warn to be told")


def _superfluous(policy: Policy, today: date) -> Iterator[Notice]:
    for rule in filter(is_own, policy.rules):
        if not rule.ignore or _is_glob(rule.match.type):
            continue
        ref = ResourceRef("arm", "public", "", "", rule.match.type, rule.match.name)
        platform = policy.path_rules(ref, today).platform
        for path in rule.ignore:
            steps = _steps(path)
            source = platform.find(steps) if steps else None
            if steps and source is not None and not _is_watched(policy, rule.match.type, steps):
                text = f"rule {rule.name!r} ignores {path!r}, which never halts anyway: {source}"
                yield Notice(rule.where, text, "remove the path from the rule")


def _is_glob(text: str) -> bool:
    return not text or bool(set("*?[") & set(text))


def _steps(pattern: str) -> Path:
    """The pattern as the one path that it names; empty where it names many."""
    try:
        return parse_path(pattern)
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
