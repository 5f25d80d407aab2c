"""What azure-cli knows of each resource type: which paths it reads, which of them are read-only, which it writes.

Rules:
- The shape is that of the resource's own GET; where there is only a list, that of its elements.
- The newest stable api-version counts, a preview only where there is nothing else. Answers of that version are merged.
- A path is read-only if every answer and every variant (discriminator) that knows it says so. In doubt it is writable.
- What is written counts at any stable api-version, and at the version of the shape.
- Names compare without regard to case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tools.azure_cli_flags.operations import WRITES, Operation
from tools.azure_cli_flags.place import Place, place_of
from tools.azure_cli_flags.shape import DICTIONARIES, ELEMENT, LISTS, Shape
from tools.azure_cli_flags.writes import ANY_ELEMENT, ANY_NAME, Steps

_DEPTH = 16  # resources embedded in resources: beyond this nothing of a table is to be met


@dataclass(slots=True)
class Part:
    """A path that is known: its last step as it is spelled, whether it is read-only by itself, and what is below it."""

    step: str
    read_only: bool = False
    parts: dict[str, Part] = field(default_factory=dict)  # by the step in lower case

    def at(self, steps: Steps) -> list[Part]:
        """The parts on the way to the path, the last being the path itself; empty where the path is not known."""
        way, part = list[Part](), self
        for step in steps:
            below = part.parts.get(step.lower())
            if below is None:
                return []
            way.append(part := below)
        return way

    def leaves(self, above: Steps = ()) -> Iterator[tuple[Steps, Part]]:
        """Every path below, or this one, that has nothing below it."""
        if not self.parts:
            yield above, self
        for part in self.parts.values():
            yield from part.leaves((*above, part.step))


@dataclass(slots=True)
class Known:
    """One resource type, or the resource of one spelled-out name of it, as azure-cli knows it."""

    place: Place
    version: str = ""
    body: Part = field(default_factory=lambda: Part(""))
    has_write: bool = False
    written: dict[Steps, str] = field(default_factory=dict)  # path in lower case: the newest api-version that writes it


def known_types(operations: Iterable[Operation]) -> dict[tuple[str, str], Known]:
    """What is known by resource type and spelled-out name, both in lower case; only what some command reads."""
    by_key: dict[tuple[str, str], list[tuple[Place, Operation]]] = {}
    for operation in operations:
        if (place := place_of(operation.url)) is not None:
            by_key.setdefault((place.type.lower(), place.name.lower()), []).append((place, operation))
    known = {key: _known(by_key[key]) for key in sorted(by_key)}
    return {key: one for key, one in known.items() if one is not None}


def _known(operations: list[tuple[Place, Operation]]) -> Known | None:
    shapes = [(place, one.version, shape) for place, one in operations if (shape := _resource(place, one)) is not None]
    shapes = [found for found in shapes if not found[0].collection] or shapes
    if not shapes:
        return None
    newest = max((version for _, version, _ in shapes), key=age)
    places = sorted((place for place, version, _ in shapes if version == newest), key=lambda place: place.type)
    known = Known(places[0], newest)
    for number, shape in enumerate(shape for _, version, shape in shapes if version == newest):
        _merge(known.body, part_of(shape, "", ()), first=number == 0)
    for _, operation in operations:
        if operation.verb in WRITES and (age(operation.version)[0] or operation.version == newest):
            known.has_write = True
            for steps in operation.written:
                folded = tuple(step.lower() for step in steps)
                known.written[folded] = max(known.written.get(folded, ""), operation.version, key=age)
    return known


def age(version: str) -> tuple[bool, str]:
    """A key by which api-versions sort: previews before stable ones, older before newer."""
    return (len(version) == len("2025-01-01"), version)


def _resource(place: Place, operation: Operation) -> Shape | None:
    """The shape of one resource in the answer of a GET."""
    answer = operation.answer
    if answer is None or not place.collection:
        return answer
    for listed in (answer, answer.members.get("value")):
        if listed is not None and listed.kind in LISTS:
            return listed.members.get(ELEMENT)
    return None


def part_of(shape: Shape, step: str, above: tuple[Shape, ...]) -> Part:
    """The tree of paths of a shape. A shape that contains itself is followed once."""
    part = Part(step, shape.read_only)
    if shape in above or len(above) > _DEPTH:
        return part
    inside = (*above, shape)
    for name, member in shape.members.items():
        if name == ELEMENT and shape.kind in LISTS | DICTIONARIES:
            step = ANY_ELEMENT if shape.kind in LISTS else ANY_NAME
        else:
            step = member.called(name)
        part.parts[step.lower()] = part_of(member, step, inside)
    for variant in shape.variants.values():
        _merge(part, part_of(variant, step, inside), first=False, own=False)
    return part


def _merge(into: Part, other: Part, first: bool, own: bool = True) -> None:
    """Add what the other knows; a path that both know is read-only only if both say so."""
    if own:
        into.read_only = other.read_only and (first or into.read_only)
    for key, part in other.parts.items():
        if key in into.parts:
            _merge(into.parts[key], part, first)
        else:
            into.parts[key] = part
