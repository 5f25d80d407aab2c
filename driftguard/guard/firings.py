"""Which rules of a policy did something in recorded pairs, and how often.

Rules:
- A rule fires once for each path that it ignored, each path that counts because it watches it, and each value that it
  redacted: in one pair the values of the body that has more of them.
- A rule that only gives a severity fires once for each pair whose resource it matches.
- Where several rules fit a path the first one is told, so a rule behind it does not fire: it is not needed there.
- An expired rule is not applied: it is told as expired, and neither matches nor fires.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

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
    """One rule: in how many pairs its match fitted the resource, and how often it fired."""

    rule: Rule
    own: bool
    state: RuleState
    matched: int
    fired: int


@dataclass
class Firings:
    """Counts over the pairs of a recording, for the rules of a policy on a day (UTC)."""

    policy: Policy
    today: date
    _matched: Counter[str] = field(default_factory=Counter)
    _fired: Counter[str] = field(default_factory=Counter)

    def add(self, ref: ResourceRef, fired: Iterable[tuple[str, int]]) -> None:
        """Count one pair: its resource, and (name of a rule, how often) of what fired in it."""
        for rule in self.policy.rules:
            if rule.applies(ref, self.today):
                self._matched[rule.name] += 1
        for name, times in fired:
            self._fired[name] += times

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
        return RuleFirings(rule, is_own(rule), state, matched, fired)


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
