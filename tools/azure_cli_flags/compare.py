"""Holds the tables against what azure-cli knows, type by type and path by path.

Rules:
- Only types and paths that both know are compared.
- A path of a table agrees if azure-cli marks it, something above it, or everything below it as read-only. Otherwise the
  table may hide a person's change: these are the disagreements that matter. That a command takes a value for the path is
  proof that it can be written, whatever the mark says.
- A read-only path of azure-cli agrees if the table has it, something above it, or everything below it.
- Left out: `id`, `name`, `etag`, `systemData`, `provisioningState` anywhere, and `type`, `tags`, `location` of a resource
  or list element. Drift Guard handles them by rule, not by table. Of what the table lacks, also those of an object.
- Left out too: what stands in a resource that is embedded in an embedded resource; the tables do not go there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from driftguard.flow.path import format_path
from tools.azure_cli_flags.knowledge import Known, Part, age
from tools.azure_cli_flags.place import ANY_TYPE
from tools.azure_cli_flags.tables import Entry, Pattern
from tools.azure_cli_flags.writes import ANY_ELEMENT, ANY_NAME, Steps

_BY_RULE = frozenset({"id", "name", "etag", "systemdata", "provisioningstate"})
_OF_A_RESOURCE = frozenset({"type", "tags", "location"})
_WRAP = "properties"  # some requests carry without it what the answer has below it
_EMBEDDED = 2  # `properties` of the resource and of what is embedded in it


@dataclass(frozen=True, slots=True)
class Hidden:
    """A path that the table calls read-only and azure-cli does not.

    `open` are the paths, it or below it, that azure-cli does not mark, of `known` that it knows there; `written` is the
    newest api-version at which a command takes a value for one of them, or empty.
    """

    path: str
    open: tuple[str, ...]
    known: int
    written: str


@dataclass(slots=True)
class Comparison:
    """One type (or named resource) that both know: how many paths of either side the other knows, and what differs.

    `written` paths are those for which a command of azure-cli takes a value; the table covers `written_hidden` of them.
    """

    entry: Entry
    known: Known
    table_paths: int = 0
    cli_paths: int = 0
    written: int = 0
    written_hidden: int = 0
    hidden: list[Hidden] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        return not self.hidden and not self.missing


def compare(tables: dict[tuple[str, str], Entry], known: dict[tuple[str, str], Known]) -> list[Comparison]:
    """The comparison of every entry whose type azure-cli reads, sorted by type and name."""
    found = ((entry, _known_for(key, known)) for key, entry in tables.items())
    return [_compared(entry, one) for entry, one in found if one is not None]


def _known_for(key: tuple[str, str], known: dict[tuple[str, str], Known]) -> Known | None:
    parent = key[0].rpartition("/")[0]
    return known.get(key) or (known.get((f"{parent}/{ANY_TYPE}", key[1])) if "/" in parent else None)


def _compared(entry: Entry, known: Known) -> Comparison:
    result = Comparison(entry, known)
    for pattern in entry.read_only:
        way = known.body.at(pattern.steps)
        if way and not _by_rule(pattern.steps):
            result.table_paths += 1
            result.hidden += _hidden(pattern, way, known)
    covered = _Covered(entry.read_only)
    for steps, part in _flagged(known):
        result.cli_paths += 1
        if not covered.whole(steps, part):
            result.missing.append(path_text(steps))
    result.missing.sort()
    written = [steps for steps in known.written if not _by_rule(steps)]
    result.written = len(written)
    result.written_hidden = sum(covered.whole(steps) or covered.whole((_WRAP, *steps)) for steps in written)
    return result


def _hidden(pattern: Pattern, way: list[Part], known: Known) -> list[Hidden]:
    spelled = tuple(part.step for part in way)
    leaves = [steps for steps, _ in way[-1].leaves(spelled)]
    written = _written(spelled, known)
    left = list[Steps]()
    if not any(part.read_only for part in way):
        left = list(_open_leaves(way[-1], spelled))
        if all(_by_rule(steps) for steps in left) and len(left) < len(leaves):
            left = []  # what azure-cli does not mark is what the tables leave to a rule
        elif spelled[0].lower() == _WRAP and not written:
            written = _written(spelled[1:], known)
    if not left and not written:
        return []
    return [Hidden(pattern.text, tuple(path_text(steps) for steps in left), len(leaves), written)]


def _open_leaves(part: Part, steps: Steps) -> Iterator[Steps]:
    """The leaves that neither are read-only nor stand below something that is."""
    if part.read_only:
        return
    if not part.parts:
        yield steps
    for below in part.parts.values():
        yield from _open_leaves(below, (*steps, below.step))


def _written(steps: Steps, known: Known) -> str:
    """The newest api-version at which a command writes the path or something below it, or empty."""
    folded = tuple(step.lower() for step in steps)
    versions = (version for path, version in known.written.items() if path[: len(folded)] == folded)
    return max(versions, key=age, default="")


def flagged_paths(known: Known) -> list[str]:
    """The topmost read-only paths of azure-cli, sorted, without what is left out."""
    return sorted(path_text(steps) for steps, _ in _flagged(known))


def _flagged(known: Known) -> Iterator[tuple[Steps, Part]]:
    for steps, part in _read_only(known.body, ()):
        if not (_by_rule(steps) or _of_embedded(steps) or _too_deep(steps)):
            yield steps, part


def _read_only(part: Part, steps: Steps) -> Iterator[tuple[Steps, Part]]:
    """The topmost read-only paths."""
    for below in part.parts.values():
        there = (*steps, below.step)
        if below.read_only:
            yield there, below
        else:
            yield from _read_only(below, there)


class _Covered:
    """Whether the patterns of a table cover a path: by itself, from above, or all that is below."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._patterns = {tuple(step.lower() for step in pattern.steps) for pattern in patterns}

    def whole(self, steps: Steps, part: Part | None = None) -> bool:
        if part is None or self._from_above(steps):
            return self._from_above(steps)
        leaves = [leaf for leaf, _ in part.leaves(steps) if leaf != steps and not _by_rule(leaf)]
        return bool(leaves) and all(self._from_above(leaf) for leaf in leaves)

    def _from_above(self, steps: Steps) -> bool:
        folded = tuple(step.lower() for step in steps)
        return any(folded[:length] in self._patterns for length in range(1, len(folded) + 1))


def _by_rule(steps: Steps) -> bool:
    folded = [step.lower() for step in steps]
    of_resource = len(steps) == 1 or steps[-2] in (ANY_ELEMENT, ANY_NAME)
    return folded[-1] in _BY_RULE or (folded[-1] in _OF_A_RESOURCE and of_resource) or "systemdata" in folded


def _of_embedded(steps: Steps) -> bool:
    return steps[-1].lower() in _OF_A_RESOURCE and len(steps) > 1 and steps[-2].lower() != _WRAP


def _too_deep(steps: Steps) -> bool:
    return sum(step.lower() == _WRAP for step in steps) > _EMBEDDED


def path_text(steps: Steps) -> str:
    """The path as the tables write it."""
    text = ""
    for step in steps:
        if step == ANY_ELEMENT:
            text += ANY_ELEMENT
        elif step == ANY_NAME:
            text += f".{ANY_NAME}" if text else ANY_NAME
        else:
            plain = format_path((step,))
            text += plain if plain.startswith("[") or not text else f".{plain}"
    return text
