"""When a rule on a path applies: what else must stand in the resource, or how the value changed.

Rules:
- A condition is asked of the bodies before and after. A rule that ignores needs it to hold in every body that has what the
  rule is about; a rule that watches needs it in one of them. So what cannot be told never hides a change.
- The path of a condition shares its leading steps with the path of the rule: the `[*]` and `*` among them are the same
  list element or property. The rest of it is literal.
- A secret's value is not known: it never makes a rule ignore, and always may make it watch.
- What a condition names is compared in canonical form, and a number or truth value as text.
- Where an element of a list without identity came or went cannot be told: a rule that watches takes it that it did.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from driftguard.flow.canonical import canonical
from driftguard.flow.identity import Standing
from driftguard.flow.path import Path, PathPattern, PatternSet, Step
from driftguard.flow.secrets import is_mark

_BEFORE, _AFTER = 0, 1


@dataclass(frozen=True, slots=True)
class When:
    """What must hold: what stands at another path, how the value itself changed, or both.

    `path`: what stands there is one of `is_`, or fits one of the globs `like` (letter case means nothing), or with `absent`
    nothing stands there.
    `appears`: the value was not there before. `comes_or_goes`: it was there either before or after, not both.
    `differs_by`: it is a date-time before and after, and these are more than so many seconds apart. What is no date-time
    on both sides may be, so it counts as such.
    """

    path: str = ""
    is_: tuple[str, ...] = ()
    like: tuple[str, ...] = ()
    absent: bool = False
    appears: bool = False
    comes_or_goes: bool = False
    differs_by: float | None = None


class Conditional:
    """One path pattern of a rule that has a condition. Raises ValueError for a condition that the pattern cannot have."""

    __slots__ = ("_length", "_paths", "_rest", "_shared", "_words", "rule", "when")

    def __init__(self, pattern: str, rule: str, when: When) -> None:
        parsed = PathPattern.parse(pattern)
        if not parsed.has_length:
            raise ValueError(f"a path with ** cannot have a condition: {pattern!r}")
        self.rule = rule
        self.when = when
        self._paths = PatternSet([(parsed, rule)])
        self._length = len(parsed.steps)
        self._shared, self._rest = _split(parsed, when.path) if when.path else (0, ())
        self._words = {form for word in when.is_ for form in _forms(word, self._rest)}

    def ignores(self, path: Path, standing: Standing | None) -> bool:
        """Whether the path is the pattern's and the condition holds in every body that has it."""
        if standing is None or self._paths.find(path) is None or not self._changed_so(path, standing):
            return False
        if not self.when.path:
            return True
        found = list(self._values(path, standing))
        return bool(found) and all(self._holds_for_all(values) for values in found)

    def watches(self, path: Path, standing: Standing | None) -> bool:
        """Whether the path is the pattern's and the condition holds in one of the bodies; without bodies it may hold."""
        if self._paths.find(path, standing) is None:
            return False
        if standing is None:
            return True
        subject = path[: self._length]
        may_have_come = self.when.comes_or_goes and isinstance(subject[-1], int)
        if not may_have_come and not self._changed_so(path, standing):
            return False
        return not self.when.path or any(self._may_hold(values) for values in self._values(path, standing))

    def _changed_so(self, path: Path, standing: Standing) -> bool:
        """Whether what the pattern names changed as the condition says."""
        subject = path[: self._length]
        before, after = (standing.in_body(body, subject) for body in (_BEFORE, _AFTER))
        if self.when.appears:
            return bool(after) and not before
        if self.when.comes_or_goes:
            return bool(after) != bool(before)
        return self.when.differs_by is None or _are_apart(before, after, self.when.differs_by)

    def _values(self, path: Path, standing: Standing) -> Iterator[list[Any]]:
        """What stands at the other path, once for each body that has what both paths share."""
        shared = path[: self._shared]
        for body in (_BEFORE, _AFTER):
            if standing.in_body(body, shared):
                yield standing.in_body(body, (*shared, *self._rest))

    def _holds_for_all(self, values: list[Any]) -> bool:
        if self.when.absent:
            return not values
        return bool(values) and all(not is_mark(value) and self._fits(value) for value in values)

    def _may_hold(self, values: list[Any]) -> bool:
        if self.when.absent:
            return not values
        return any(is_mark(value) or self._fits(value) for value in values)

    def _fits(self, value: Any) -> bool:
        text = _as_text(value)
        if text is None:
            return False
        return text in self._words or any(fnmatchcase(text, glob.lower()) for glob in self.when.like)


def _split(pattern: PathPattern, condition: str) -> tuple[int, tuple[Step, ...]]:
    """How many leading steps the two paths share, and the rest of the condition's."""
    other = PathPattern.parse(condition)
    shared = 0
    while shared < min(len(pattern.steps), len(other.steps)) and pattern.has_same_step(other, shared):
        shared += 1
    return shared, other.literal_steps(shared)


def _forms(word: str, path: Path) -> Iterator[str]:
    """A word of a condition as it is written, and in the forms in which a body has it under the last name of the path."""
    name = path[-1] if path and isinstance(path[-1], str) else "value"
    yield word.lower()
    form = canonical({name: word}, "")
    yield str(form.get(name, word)).lower()
    try:
        number = canonical({"value": float(word)}, "").get("value")
    except (ValueError, OverflowError):
        return
    yield str(number).lower()


def _as_text(value: Any) -> str | None:
    """A plain value as the text that a condition has for it, in lower case; None for what is not plain."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).lower() if isinstance(value, str | int | float) else None


def _are_apart(before: list[Any], after: list[Any], seconds: float) -> bool:
    """Whether both are there and more than so many seconds apart, as far as can be told."""
    if not before or not after:
        return False
    start, end = _instant(before[0]), _instant(after[0])
    return start is None or end is None or abs((end - start).total_seconds()) > seconds


def _instant(value: Any) -> datetime | None:
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return instant.replace(tzinfo=UTC) if instant and instant.tzinfo is None else instant
