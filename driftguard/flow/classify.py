"""Which class a difference at a path is of: whether it counts, Azure writes it, or a rule passes over it.

Rules:
- A path that a policy rule ignores is IGNORED, and the change keeps the rule's name. This beats everything.
- A path that a policy rule watches is CONFIGURATION, even where Azure writes it.
- A path that Azure writes itself is PLATFORM: by the table of its type, or by ARM's own names (`WRITTEN_BY_ARM`) where ARM
  writes them (place.py). The same name in a dictionary whose names people choose is CONFIGURATION.
- A rule that watches `[key=value]` finds a list element by that property, whether it tells the list's elements apart or not;
  a rule that ignores finds it only where it does: editing a list never widens what is ignored.
- A rule with a condition applies where the condition holds (condition.py), after the rules without one.
- Everything else is CONFIGURATION: what nobody vouched for counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import repeat

from driftguard.flow.condition import Conditional
from driftguard.flow.identity import Standing
from driftguard.flow.path import Path, PatternSet
from driftguard.flow.place import Place, people_name_properties
from driftguard.flow.reading import Json

# Written by ARM or by every resource provider, wherever a resource stands; source: github Azure/azure-resource-manager-rpc,
# async-api-reference.md (provisioningState), common-api-contracts.md (systemData).
WRITTEN_BY_ARM = frozenset({"provisioningstate", "systemdata"})


class ChangeClass(StrEnum):
    """Whether a change counts; the words are part of the evidence."""

    CONFIGURATION = "configuration"
    PLATFORM = "platform"
    IGNORED = "ignored"


@dataclass(frozen=True)
class PathRules:
    """What is known of the paths of one resource; each pattern's tag is the text that a change shows as its rule."""

    platform: PatternSet = PatternSet()
    ignore: PatternSet = PatternSet()
    watch: PatternSet = PatternSet()
    ignore_when: tuple[Conditional, ...] = ()
    watch_when: tuple[Conditional, ...] = ()

    def classify(self, path: Path, standing: Standing | None = None) -> tuple[ChangeClass, str | None]:
        """The class of a change at this path, and the rule that decided, if any.

        `standing` finds what stands at a path in the bodies compared. Without it an element is known by its step only, a
        resource inside another one, outside a list, is not known as one, and no condition is known to hold.
        """
        if (rule := self._ignoring(path, standing)) is not None:
            return ChangeClass.IGNORED, rule
        if (rule := self._watching(path, standing)) is not None:
            return ChangeClass.CONFIGURATION, rule
        if (rule := self.platform.find(path) or _written_by_arm(path, standing)) is not None:
            return ChangeClass.PLATFORM, rule
        return ChangeClass.CONFIGURATION, None

    def _ignoring(self, path: Path, standing: Standing | None) -> str | None:
        rule = self.ignore.find(path)
        return rule or next((one.rule for one in self.ignore_when if one.ignores(path, standing)), None)

    def _watching(self, path: Path, standing: Standing | None) -> str | None:
        rule = self.watch.find(path, standing)
        return rule or next((one.rule for one in self.watch_when if one.watches(path, standing)), None)


def _written_by_arm(path: Path, standing: Standing | None) -> str | None:
    named = [index for index, step in enumerate(path) if isinstance(step, str) and step.lower() in WRITTEN_BY_ARM]
    if not named:
        return None
    places = list(_places(path[: named[-1]], standing))
    return next(
        (f"{path[index]} is written by Azure Resource Manager" for index in named if places[index].is_arms), None
    )


def _places(path: Path, standing: Standing | None) -> Iterator[Place]:
    """The place of the resource itself and of what stands at each step of the path, as the canonical form finds it."""
    place = Place.RESOURCE
    yield place
    if standing is not None and path[:1] == ("properties",) and any(map(people_name_properties, standing(()))):
        yield from repeat(Place.PEOPLES, len(path))
        return
    contents = standing.along(path) if standing is not None else repeat([], len(path))
    for step, objects in zip(path, contents, strict=True):
        place = place.below(step.lower()) if isinstance(step, str) else place.element()
        # On each side that has it: nobody makes a resource of their own object by giving it an id.
        if place is Place.INSIDE and objects and all(_is_resource(item) for item in objects):
            place = Place.RESOURCE
        yield place


def _is_resource(item: Json) -> bool:
    return isinstance(item, dict) and Place.INSIDE.holding(item).is_arms
