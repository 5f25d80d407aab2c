"""What a team wants judged, and how: job settings, and rules on the paths of resources.

Rules:
- The first job entry, in file order, whose `match` fits the job's name applies; without one the defaults apply.
- A rule applies to a resource where every part of its `match` fits (globs, without regard to case, `*` crosses `/`).
- A rule applies through the day in `expires`, by UTC, and no longer: an expired rule never hides a difference.
- What Azure writes itself, and what it never tells, comes from the table of the type (platform_table.py), asked for only
  when a resource of it is judged.
- Where several rules name a severity the highest wins.
- Nothing here reads a file or a clock: the tables come through a callable, the day through an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from fnmatch import fnmatchcase

from driftguard.flow.attribute import Actor, Principal
from driftguard.flow.classify import PathRules
from driftguard.flow.condition import Conditional, When
from driftguard.flow.path import PathPattern, PatternSet
from driftguard.flow.platform_table import PlatformTable
from driftguard.flow.resource import ResourceRef
from driftguard.flow.retention import Retention


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


BUILT_IN = "built-in default"  # the source of a policy that no file was named for
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
    `pipelines`, `readers` and `reviewers` are ids of applications, people and groups that may call a service for the job;
    without `pipelines` (None) the `principals` may, and an empty list binds nobody. `scopes` are keys of subscriptions,
    resource groups and resources: nothing outside becomes part of the job; without them (None) there is no limit.
    `identities` says which accounts are one person: {person: account ids}.
    """

    job: str = ""
    match: str = ""
    where: str = ""
    mode: Mode = Mode.ENFORCE
    principals: tuple[Principal, ...] = ()
    pipelines: tuple[str, ...] | None = None
    scopes: tuple[str, ...] | None = None
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
    """One rule of a policy. `ignore`, `watch` and `redact` are path patterns as written; `where` is its `file:line`.

    `when` says when its `ignore` and `watch` apply, None: always. `fixture` names the example that shows what it is for.
    """

    name: str
    match: Match
    ignore: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    when: When | None = None
    severity: Severity | None = None
    reason: str = ""
    owner: str = ""
    expires: date | None = None
    fixture: str = ""
    where: str = ""

    def applies(self, ref: ResourceRef, today: date | None) -> bool:
        """Whether the rule is for this resource and not expired; without a day, expired ones count as well."""
        return not (today and self.expires and self.expires < today) and self.match.fits(ref)


@dataclass(frozen=True, eq=False)
class Policy:
    """A policy file, together with the tolerated differences and the platform tables that always apply.

    `source` is the file's path or BUILT_IN; `digest` is SHA-256 (hex) over everything that judges.
    `rules` are the file's own, then the tolerated ones: the first that fits a path is the one that is told.
    `api_versions` and `unread_settings` have resource types in lower case; `*` in the latter is every type.
    `platform` gives the table of a resource type, None where there is none; it may raise BadConfiguration.
    `retention` says how long what is stored is kept. It judges nothing, so the digest does not cover it.
    """

    source: str
    digest: str
    platform: Callable[[str], PlatformTable | None]
    jobs: tuple[JobPolicy, ...] = ()
    defaults: JobPolicy = field(default_factory=JobPolicy)
    rules: tuple[Rule, ...] = ()
    api_versions: Mapping[str, str] = field(default_factory=dict)
    unread_settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    retention: Retention = Retention()
    # PatternSets are costly to build and the same for most resources of a type.
    _path_rules: dict[tuple[str, str, tuple[int, ...]], PathRules] = field(default_factory=dict, init=False, repr=False)
    _redactions: dict[tuple[str, str, tuple[int, ...]], PatternSet] = field(
        default_factory=dict, init=False, repr=False
    )
    _of_type: dict[str, tuple[int, ...]] = field(default_factory=dict, init=False, repr=False)

    def for_job(self, job: str) -> JobPolicy:
        """The settings of a job."""
        entry = next((entry for entry in self.jobs if fnmatchcase(job, entry.match)), self.defaults)
        return replace(entry, job=job)

    def path_rules(self, ref: ResourceRef, today: date) -> PathRules:
        """The path rules for a resource on a day (UTC). Raises BadConfiguration for a damaged platform table."""
        key = self._key(ref, today)
        if key not in self._path_rules:
            rules = [self.rules[index] for index in key[2]]
            always = [rule for rule in rules if rule.when is None]
            self._path_rules[key] = PathRules(
                platform=PatternSet(self._platform_patterns(ref)),
                ignore=_pattern_set((rule.name, rule.ignore) for rule in always),
                watch=_pattern_set((rule.name, rule.watch) for rule in always),
                ignore_when=_conditionals((rule, rule.ignore) for rule in rules),
                watch_when=_conditionals((rule, rule.watch) for rule in rules),
            )
        return self._path_rules[key]

    def redact(self, ref: ResourceRef, today: date) -> PatternSet:
        """The paths of a resource whose values are secrets, beyond those known by their names.

        Raises BadConfiguration for a damaged platform table.
        """
        key = self._key(ref, today)
        if key not in self._redactions:
            written = [(rule.name, rule.redact) for rule in (self.rules[index] for index in key[2])]
            patterns = [(PathPattern.parse(path), name) for name, paths in written for path in paths]
            self._redactions[key] = PatternSet([*patterns, *self._secret_patterns(ref)])
        return self._redactions[key]

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

    def _key(self, ref: ResourceRef, today: date) -> tuple[str, str, tuple[int, ...]]:
        """What decides on the rules of a resource: its type, its name where the table tells names apart, and the rules."""
        table = self.platform(ref.type)
        name = ref.name.lower() if table is not None and ref.name.lower() in table.by_name else ""
        return ref.type.lower(), name, self._applying(ref, today)

    def _applying(self, ref: ResourceRef, today: date | None) -> tuple[int, ...]:
        type_ = ref.type.lower()
        if type_ not in self._of_type:
            fitting = (index for index, rule in enumerate(self.rules) if _fits(type_, rule.match.type))
            self._of_type[type_] = tuple(fitting)
        return tuple(index for index in self._of_type[type_] if self.rules[index].applies(ref, today))

    def _platform_patterns(self, ref: ResourceRef) -> list[tuple[PathPattern, str]]:
        table = self.platform(ref.type)
        return [(path, f"read-only in {table.package}") for path in table.of(ref.name).read_only] if table else []

    def _secret_patterns(self, ref: ResourceRef) -> list[tuple[PathPattern, str]]:
        table = self.platform(ref.type)
        return [(path, f"a secret in {table.package}") for path in table.of(ref.name).secret] if table else []


def _fits(text: str, glob: str) -> bool:
    return not glob or fnmatchcase(text.lower(), glob.lower())


def _conditionals(ruled: Iterable[tuple[Rule, tuple[str, ...]]]) -> tuple[Conditional, ...]:
    return tuple(Conditional(path, rule.name, rule.when) for rule, paths in ruled if rule.when for path in paths)


def _pattern_set(named: Iterable[tuple[str, tuple[str, ...]]]) -> PatternSet:
    return PatternSet([(PathPattern.parse(path), name) for name, paths in named for path in paths])
