"""Whether one entry of a policy covers another: whatever the second one names, the first one names too.

Rules:
- Only what is sure is told. Where a glob has `?` or `[…]`, only the same glob is sure to be covered by it.
- Letter case means nothing in a match or a path; in the name of a job it does.
- What is written the same is found at once. Beyond that at most MOST_COMPARED pairs are held beside each other, so that no
  file keeps a check waiting; what stands behind them is not told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date
from fnmatch import fnmatchcase
from itertools import product
from math import prod

from driftguard.flow.path import Path, PathPattern, PatternSet, Step
from driftguard.flow.policy import Match, Rule

MOST_COMPARED = 100_000

_WILDCARD = re.compile(r"[*?\[]")
_PARTS = tuple(field.name for field in fields(Match))
_ANYTHING = {"type": re.compile(r"\**|\*+/\*+"), "id": re.compile(r"|/?\*+"), "subscription": re.compile("")}
_ANY_TEXT = re.compile(r"\**")


def covers(glob: str, other: str) -> bool:
    """Whether every text that fits `other` surely fits `glob`."""
    return glob == other or (not set("?[]") & set(glob) and fnmatchcase(other, glob))


def overlap(glob: str, other: str) -> bool:
    """Whether some text surely fits both of two globs that have `*` and no other wildcard."""
    if any("*" not in one or set("?[]") & set(one) for one in (glob, other)):
        return False
    (head, tail), (other_head, other_tail) = (
        (one[: one.index("*")], one[one.rindex("*") + 1 :]) for one in (glob, other)
    )
    heads_agree = head.startswith(other_head) or other_head.startswith(head)
    return heads_agree and (tail.endswith(other_tail) or other_tail.endswith(tail))


def fits_everything(match: Match) -> bool:
    """Whether the match fits every resource."""
    return all(_part(match, name) == "*" for name in _PARTS)


def _part(match: Match, name: str) -> str:
    """One part of a match in lower case; `*` where it fits everything, however that is written."""
    text = str(getattr(match, name)).lower()
    return "*" if _ANYTHING.get(name, _ANY_TEXT).fullmatch(text) else text


def shadowed(globs: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Each glob that an earlier one surely covers, by its place, with the place of the first such one."""
    first: dict[str, int] = {}
    by_head: dict[str, list[int]] = {}
    left = MOST_COMPARED
    for place, glob in enumerate(globs):
        found = first.get(glob)
        for end in range(len(glob) + 1):
            earlier = by_head.get(glob[:end], ())[:left]
            left -= len(earlier)
            covering = next((other for other in earlier if covers(globs[other], glob)), None)
            found = min((one for one in (found, covering) if one is not None), default=None)
        if found is not None:
            yield place, found
        if first.setdefault(glob, place) == place and "*" in glob:
            by_head.setdefault(_WILDCARD.split(glob)[0], []).append(place)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A path that one rule watches and another one ignores. `everywhere`: in all resources that the watching rule is for."""

    watching: Rule
    watched: str
    ignoring: Rule
    ignored: str
    everywhere: bool


@dataclass(frozen=True)
class _Ignored:
    rule: Rule
    path: str
    paths: PatternSet


def contradictions(watching: Iterable[Rule], ignoring: Iterable[Rule], today: date) -> Iterator[Contradiction]:
    """The watched paths that never count, since a rule without a condition ignores them; each once, as of a day (UTC).

    A rule that ignores fewer resources, or a part of the path only, is an exception that somebody meant.
    """
    finding = _Finding(rule for rule in ignoring if rule.when is None and _is_in_force(rule, today))
    for rule in watching:
        if _is_in_force(rule, today):
            for path in rule.watch:
                yield from finding.of(rule, path)


def _is_in_force(rule: Rule, today: date) -> bool:
    return not (rule.expires and rule.expires < today)


class _Finding:
    """Finds what ignores a watched path."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        patterns = [(rule, path, PathPattern.parse(path)) for rule in rules for path in rule.ignore]
        self._all = PatternSet((pattern, "") for _, _, pattern in patterns)
        self._ignored = [_Ignored(rule, path, PatternSet([(pattern, "")])) for rule, path, pattern in patterns]
        self._same = {(_key(one.rule.match), one.path.lower()): one for one in reversed(self._ignored)}
        self._left = MOST_COMPARED

    def of(self, rule: Rule, path: str) -> Iterator[Contradiction]:
        examples = _examples(PathPattern.parse(path)) if self._ignored else []
        if not examples or not _hits_all(self._all, examples):
            return
        found = self._same.get((_key(rule.match), path.lower()))
        if found is None:
            candidates = self._ignored[: self._left]
            self._left -= len(candidates)
            found = next((one for one in candidates if _meets(one, rule) and _hits_all(one.paths, examples)), None)
        if found is not None:
            yield Contradiction(rule, path, found.rule, found.path, _covers_match(found.rule.match, rule.match))


def _key(match: Match) -> tuple[str, ...]:
    return tuple(_part(match, name) for name in _PARTS)


def _meets(ignored: _Ignored, rule: Rule) -> bool:
    """Whether the ignoring rule is for all resources of the other, or for some by a type that crosses the other's."""
    ours, theirs = ignored.rule.match, rule.match
    if _covers_match(ours, theirs):
        return True
    ours_type, theirs_type = _part(ours, "type"), _part(theirs, "type")
    others_covered = all(covers(_part(ours, name), _part(theirs, name)) for name in _PARTS if name != "type")
    return others_covered and not covers(theirs_type, ours_type) and overlap(ours_type, theirs_type)


def _covers_match(match: Match, other: Match) -> bool:
    return all(covers(_part(match, name), _part(other, name)) for name in _PARTS)


def _hits_all(paths: PatternSet, examples: Iterable[Path]) -> bool:
    return all(paths.find(path) is not None for path in examples)


_A_NAME, _AN_INDEX = "a property that no rule names", 999_999_999
_STANDS_FOR: dict[str, tuple[Path, ...]] = {
    "*": ((_A_NAME,),),
    "[*]": ((_AN_INDEX,),),
    "**": ((), (_A_NAME,), (_AN_INDEX,), (_A_NAME, _AN_INDEX, _A_NAME)),
}
_MOST_EXAMPLES = 64


def _examples(pattern: PathPattern) -> list[Path]:
    """Paths of which one at least escapes every other pattern that does not cover this one; none where they are too many."""
    kinds = [_stands_for(step) for step in pattern.steps]
    if prod(map(len, kinds)) > _MOST_EXAMPLES:
        return []
    return [tuple(step for part in parts for step in part) for parts in product(*kinds)]


def _stands_for(step: object) -> tuple[Path, ...]:
    wildcard = getattr(step, "text", None)
    if wildcard is None:
        literal: Step = step  # type: ignore[assignment]  # reason: what is no wildcard is a step
        return ((literal,),)
    return _STANDS_FOR[wildcard]
