"""Which rules of a policy did something in recorded pairs, and how often.

Rules:
- A rule fires once for each path that it ignored, each path that counts because it watches it, and each value that it
  redacted: in one pair the values of the body that has more of them.
- A rule that only gives a severity fires once for each pair whose resource it matches.
- Where several rules fit a path the first one is told, so a rule behind it does not fire: it is shadowed there.
- A pair that is in flight or gone is matched, and not compared: what a rule would have done in it is not known.
- An expired rule is not applied: it is told as expired, and neither matches nor fires.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property, lru_cache

from driftguard.flow.canonical import canonical
from driftguard.flow.classify import ChangeClass
from driftguard.flow.diff import Change
from driftguard.flow.identity import Standing
from driftguard.flow.path import PathPattern, PatternSet, Position
from driftguard.flow.policy import Policy, Rule
from driftguard.flow.policy_notices import is_own
from driftguard.flow.reading import Json
from driftguard.flow.resource import ResourceRef


class RuleState(StrEnum):
    """What became of a rule in a recording."""

    FIRED = "fired"
    NEVER_FIRED = "never fired"
    NEVER_MATCHED = "never matched"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class RuleFirings:
    """One rule: in how many pairs its match fitted the resource, and how often it fired.

    `not_compared` are those of `matched` that were in flight or gone. `told_instead` are the rules that were told where this
    one fits too, the most frequent first.
    """

    rule: Rule
    own: bool
    state: RuleState
    matched: int
    fired: int
    not_compared: int = 0
    told_instead: tuple[str, ...] = ()


@dataclass
class Firings:
    """Counts over the pairs of a recording, for the rules of a policy on a day (UTC)."""

    policy: Policy
    today: date
    _matched: Counter[str] = field(default_factory=Counter)
    _fired: Counter[str] = field(default_factory=Counter)
    _not_compared: Counter[str] = field(default_factory=Counter)
    _shadowed: dict[str, Counter[str]] = field(default_factory=dict)

    def add(
        self,
        ref: ResourceRef,
        fired: Iterable[tuple[str, int]],
        shadowed: Iterable[tuple[str, str]] = (),
        *,
        compared: bool = True,
    ) -> None:
        """Count one pair: its resource, whether it was compared, and what `replay.Verdict` says of its rules."""
        for rule in self.policy.rules:
            if rule.applies(ref, self.today):
                self._matched[rule.name] += 1
                self._not_compared[rule.name] += not compared
        for name, times in fired:
            self._fired[name] += times
        for name, instead in shadowed:
            self._shadowed.setdefault(name, Counter())[instead] += 1

    def rules(self) -> tuple[RuleFirings, ...]:
        """Every rule, in the order of the policy: its own first."""
        return tuple(self._told(rule) for rule in self.policy.rules)

    def _told(self, rule: Rule) -> RuleFirings:
        matched = self._matched[rule.name]
        fired = self._fired[rule.name] if rule.ignore or rule.watch or rule.redact else matched
        if rule.expires and rule.expires < self.today:
            state = RuleState.EXPIRED
        elif fired:
            state = RuleState.FIRED
        else:
            state = RuleState.NEVER_FIRED if matched else RuleState.NEVER_MATCHED
        instead = tuple(name for name, _ in self._shadowed.get(rule.name, Counter()).most_common())
        return RuleFirings(rule, is_own(rule), state, matched, fired, self._not_compared[rule.name], instead)


@dataclass(frozen=True)
class Bodies:
    """Two sealed bodies of a resource type that were compared."""

    before: Json
    after: Json
    type_: str

    @cached_property
    def standing(self) -> Standing:
        """Finds what stands at a path, as the diff has it."""
        return Standing(canonical(self.before, self.type_), canonical(self.after, self.type_))


def shadowed(
    policy: Policy, ref: ResourceRef, today: date, changes: Iterable[Change], bodies: Bodies
) -> Iterator[tuple[str, str]]:
    """(A rule that fits a change, the rule that was told of it instead), for every change that a rule decided."""
    decided = [change for change in changes if change.rule and change.kind is not ChangeClass.PLATFORM]
    if not decided:
        return
    for rule in policy.rules:
        if (rule.ignore or rule.watch) and rule.applies(ref, today):
            alone = _alone(rule).path_rules(ref, today)
            for change in decided:
                if change.rule != rule.name and alone.classify(change.path, bodies.standing)[1] == rule.name:
                    yield rule.name, change.rule or ""


@lru_cache(maxsize=4096)
def _alone(rule: Rule) -> Policy:
    """A policy of this rule and no table: what the rule would say of a path by itself."""
    return Policy(source="", digest="", platform=lambda type_: None, rules=(rule,))


def redacted(rule: Rule, *bodies: Json) -> int:
    """How many values of a body the rule redacts; of several bodies, the one where they are the most."""
    patterns = PatternSet([(PathPattern.parse(path), rule.name) for path in rule.redact])
    return max((_hits(patterns, patterns.start(), body) for body in bodies), default=0)


def _hits(patterns: PatternSet, at: Position, value: Json) -> int:
    """The values that are redacted here and below; null and the empty text hold no secret."""
    if not at:
        return 0
    if patterns.hit(at):
        return _leaves(value)
    if isinstance(value, dict):
        return sum(_hits(patterns, patterns.advance(at, key), item) for key, item in value.items())
    if isinstance(value, list):
        return sum(map(_hits, [patterns] * len(value), patterns.advance_to_each(at, value), value))
    return 0


def _leaves(value: Json) -> int:
    if isinstance(value, dict | list):
        return sum(map(_leaves, value.values() if isinstance(value, dict) else value))
    return int(value is not None and value != "")
