"""What a team wants judged, and how: job settings, and rules on the paths of resources.

Rules:
- The first job entry, in file order, whose `match` fits the job's name applies; without one the defaults apply.
- A rule applies to a resource where every part of its `match` fits (globs, without regard to case, `*` crosses `/`).
- A rule applies through the day in `expires`, by UTC, and no longer: an expired rule never hides a difference.
- What Azure writes itself comes from the tables of the type and of the generic entries above it (`Namespace/*`,
  `Namespace/type/*`), which are asked for per provider namespace and only when a resource of it is judged.
- Where several rules name a severity the highest wins.
- Nothing here reads a file or a clock: the tables come through a callable, the day through an argument.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from driftguard.flow.attribute import Actor, Principal
from driftguard.flow.classify import PathRules
from driftguard.flow.path import PathPattern, PatternSet
from driftguard.flow.resource import ResourceRef

TELL_AHEAD = timedelta(days=30)


class Mode(StrEnum):
    """Whether a job's runs are stopped, or only told what would have stopped them."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class Response(StrEnum):
    """What a finding asks for; each key of the policy takes some of these."""

    HALT = "halt"
    WARN = "warn"
    ACCEPT = "accept"
    IGNORE = "ignore"


class UnknownAuthor(StrEnum):
    """Who may decide on a change whose author is not known."""

    REFUSE = "refuse"
    SECOND_REVIEWER = "second_reviewer"
    ALLOW = "allow"


class OwnWrites(StrEnum):
    """How sure it must be that a change is the job's own write."""

    PROVEN = "proven"
    PROBABLE = "probable"


class Severity(StrEnum):
    """How bad a change of a resource is, from low to critical."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


_RANK = {severity: rank for rank, severity in enumerate(Severity)}

ON_DRIFT: Mapping[Actor, Response] = {
    Actor.PERSON: Response.HALT,
    Actor.UNKNOWN: Response.HALT,
    Actor.OTHER_AUTOMATION: Response.HALT,
    Actor.OUR_PIPELINE: Response.HALT,
    Actor.AZURE_POLICY: Response.WARN,
    Actor.AUTOSCALE: Response.WARN,
    Actor.PLATFORM: Response.WARN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPolicy:
    """The settings of one job, every one resolved; durations in seconds. The values here are the built-in defaults.

    `match` is the glob of the entry that applied, empty where none did; `where` is that entry's `file:line`, or the file.
    `on_drift` has every class of actor; its `our_pipeline` counts only for a write that is not proven to be the job's.
    `identities` says which accounts are one person: {person: account ids}.
    """

    job: str = ""
    match: str = ""
    where: str = ""
    mode: Mode = Mode.ENFORCE
    principals: tuple[Principal, ...] = ()
    readers: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    identities: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    on_drift: Mapping[Actor, Response] = field(default_factory=lambda: dict(ON_DRIFT))
    on_unmanaged: Response = Response.WARN
    on_other_job: Response = Response.WARN
    on_window_write: Response = Response.HALT
    unknown_author: UnknownAuthor = UnknownAuthor.SECOND_REVIEWER
    own_writes: OwnWrites = OwnWrites.PROVEN
    stability_reads: int = 2
    stability_gap: float = 1.0
    settle: float = 120.0
    lease: float = 4 * 3600.0
    pending_limit: float = 3600.0
    check_budget: float = 600.0


@dataclass(frozen=True, slots=True)
class Match:
    """Which resources a rule is for: globs, and a subscription's id. An empty part fits every resource."""

    type: str = ""
    resource_group: str = ""
    name: str = ""
    id: str = ""
    subscription: str = ""

    def fits(self, ref: ResourceRef) -> bool:
        """Whether every part fits, without regard to case."""
        return (
            _fits(ref.type, self.type)
            and _fits(ref.resource_group, self.resource_group)
            and _fits(ref.name, self.name)
            and _fits(ref.key, self.id)
            and self.subscription.lower() in ("", ref.subscription)
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a policy. `ignore`, `watch` and `redact` are path patterns as written; `where` is its `file:line`."""

    name: str
    match: Match
    ignore: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    severity: Severity | None = None
    reason: str = ""
    owner: str = ""
    expires: date | None = None
    where: str = ""

    def applies(self, ref: ResourceRef, today: date | None) -> bool:
        """Whether the rule is for this resource and not expired; without a day, expired ones count as well."""
        return not (today and self.expires and self.expires < today) and self.match.fits(ref)


@dataclass(frozen=True, slots=True)
class PlatformTable:
    """The paths that Azure writes itself in a resource type, and where that is said."""

    source: str
    read_only: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Policy:
    """A policy file, together with the tolerated differences and the platform tables that always apply.

    `source` is the file's path or "built-in default"; `digest` is SHA-256 (hex) over everything that judges.
    `rules` are the file's own, then the tolerated ones: the first that fits a path is the one that is told.
    `api_versions` and `unread_settings` have resource types in lower case; `*` in the latter is every type.
    `platform` gives {type in lower case: table} of a provider namespace, empty for an unknown one; it may raise
    BadConfiguration.
    """

    source: str
    digest: str
    platform: Callable[[str], Mapping[str, PlatformTable]]
    jobs: tuple[JobPolicy, ...] = ()
    defaults: JobPolicy = field(default_factory=JobPolicy)
    rules: tuple[Rule, ...] = ()
    api_versions: Mapping[str, str] = field(default_factory=dict)
    unread_settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # PatternSets are costly to build and the same for most resources of a type.
    _path_rules: dict[tuple[str, tuple[int, ...]], PathRules] = field(default_factory=dict, init=False, repr=False)
    _redactions: dict[tuple[int, ...], PatternSet] = field(default_factory=dict, init=False, repr=False)

    def for_job(self, job: str) -> JobPolicy:
        """The settings of a job."""
        entry = next((entry for entry in self.jobs if fnmatchcase(job, entry.match)), self.defaults)
        return replace(entry, job=job)

    def path_rules(self, ref: ResourceRef, today: date) -> PathRules:
        """The path rules for a resource on a day (UTC). Raises BadConfiguration for a damaged platform table."""
        applying = self._applying(ref, today)
        key = (ref.type.lower(), applying)
        if key not in self._path_rules:
            rules = [self.rules[index] for index in applying]
            self._path_rules[key] = PathRules(
                platform=PatternSet(self._platform_patterns(ref)),
                ignore=_pattern_set((rule.name, rule.ignore) for rule in rules),
                watch=_pattern_set((rule.name, rule.watch) for rule in rules),
            )
        return self._path_rules[key]

    def redact(self, ref: ResourceRef, today: date) -> PatternSet:
        """The paths of a resource whose values are secrets, beyond those known by their names."""
        applying = self._applying(ref, today)
        if applying not in self._redactions:
            rules = [self.rules[index] for index in applying]
            self._redactions[applying] = _pattern_set((rule.name, rule.redact) for rule in rules)
        return self._redactions[applying]

    def severity(self, ref: ResourceRef, today: date | None = None) -> Severity:
        """The highest severity that a rule gives the resource, else normal; without a day, expired rules count."""
        given = (self.rules[index].severity for index in self._applying(ref, today))
        return max((severity for severity in given if severity), key=_RANK.__getitem__, default=Severity.NORMAL)

    def rule(self, name: str, ref: ResourceRef, today: date) -> Rule | None:
        """The rule of that name that applies to the resource on a day; None for what no rule of the policy is called."""
        return next((self.rules[i] for i in self._applying(ref, today) if self.rules[i].name == name), None)

    def unread(self, resource_type: str) -> tuple[str, ...]:
        """What is not part of the type's body, and so is not read unless it is recorded by its own id."""
        unread = self.unread_settings
        return (*unread.get(resource_type.lower(), ()), *unread.get("*", ()))

    def warnings(self, today: date) -> tuple[str, ...]:
        """What is valid and yet probably not meant, as `file:line: text`."""
        return (
            *_date_warnings(self.rules, today),
            *_idle_rule_warnings(self.rules),
            *_contradictions(self.rules),
            *_shadowed_jobs(self.jobs),
            *_risky_answers(self.defaults, *(job for job in self.jobs if job.on_drift != self.defaults.on_drift)),
        )

    def _applying(self, ref: ResourceRef, today: date | None) -> tuple[int, ...]:
        return tuple(index for index, rule in enumerate(self.rules) if rule.applies(ref, today))

    def _platform_patterns(self, ref: ResourceRef) -> list[tuple[PathPattern, str]]:
        tables = self.platform(ref.namespace)
        found = [tables[entry] for entry in _entries_for(ref.type.lower()) if entry in tables]
        return [
            (PathPattern.parse(path), f"read-only in {ref.namespace} (source: {table.source})")
            for table in found
            for path in table.read_only
        ]


def _entries_for(resource_type: str) -> list[str]:
    """The table entries for a type: its own, then `namespace/type/*` and `namespace/*` of what stands above it."""
    parts = resource_type.split("/")
    return [resource_type, *("/".join([*parts[:end], "*"]) for end in range(len(parts) - 1, 0, -1))]


def _fits(text: str, glob: str) -> bool:
    return not glob or fnmatchcase(text.lower(), glob.lower())


def _pattern_set(named: Iterable[tuple[str, tuple[str, ...]]]) -> PatternSet:
    return PatternSet([(PathPattern.parse(path), name) for name, paths in named for path in paths])


def _date_warnings(rules: Iterable[Rule], today: date) -> Iterator[str]:
    for rule in rules:
        if rule.expires and rule.expires < today:
            yield f"{rule.where}: rule {rule.name!r} expired on {rule.expires} and is not applied: renew or remove it"
        elif rule.expires and rule.expires - today <= TELL_AHEAD:
            yield f"{rule.where}: rule {rule.name!r} expires on {rule.expires}: renew it or prepare to lose it"


def _idle_rule_warnings(rules: Iterable[Rule]) -> Iterator[str]:
    for rule in rules:
        for key, glob, possible in (
            ("type", rule.match.type, _TYPE),
            ("resource_group", rule.match.resource_group, _ONE_NAME),
            ("name", rule.match.name, _ONE_NAME),
            ("id", rule.match.id, _ID),
        ):
            if glob and not _could_fit(glob, possible):
                yield f"{rule.where}: rule {rule.name!r} can never match: no {key} looks like {glob!r}"


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


def _contradictions(rules: Iterable[Rule]) -> Iterator[str]:
    """A path both ignored and watched for the same resources: ignoring wins, which the watching rule did not mean."""
    ignored = {(rule.match, path.lower()): rule for rule in rules for path in rule.ignore}
    for rule in rules:
        for path in rule.watch:
            other = ignored.get((rule.match, path.lower()))
            if other:
                yield f"{rule.where}: rule {rule.name!r} watches {path!r}, but rule {other.name!r} ignores it, and wins"


def _shadowed_jobs(jobs: tuple[JobPolicy, ...]) -> Iterator[str]:
    for position, entry in enumerate(jobs):
        earlier = next((other for other in jobs[:position] if _covers(other.match, entry.match)), None)
        if earlier:
            before = f"{earlier.match!r} at {earlier.where} comes first"
            yield f"{entry.where}: the entry for {entry.match!r} never applies: {before}"


def _covers(glob: str, other: str) -> bool:
    """Whether every name that fits `other` surely fits `glob`: equal, or `glob` has no wildcard but `*`."""
    return glob == other or (not set("?[") & set(glob) and fnmatchcase(other, glob))


def _risky_answers(*settings: JobPolicy) -> Iterator[str]:
    for entry in settings:
        for actor in (Actor.PERSON, Actor.UNKNOWN):
            if entry.on_drift[actor] is Response.ACCEPT:
                yield f"{entry.where}: on_drift.{actor}: accept lets runs overwrite such changes without a word"
