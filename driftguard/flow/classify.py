"""Which class a difference at a path is of: whether it counts, Azure writes it, or a rule passes over it.

Rules:
- A path that a policy rule ignores is IGNORED, and the change keeps the rule's name. This beats everything.
- A path that a policy rule watches is CONFIGURATION, even where Azure writes it.
- A path that Azure writes itself is PLATFORM: by the table of its type, or by ARM's own names (`WRITTEN_BY_ARM`) where ARM
  writes them (place.py). The same name in a dictionary whose names people choose is CONFIGURATION.
- A rule that watches `[key=value]` finds a list element by that property, whether it tells the list's elements apart or not;
  a rule that ignores finds it only where it does: editing a list never widens what is ignored.
- Everything else is CONFIGURATION: what nobody vouched for counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from driftguard.flow.identity import Standing
from driftguard.flow.path import Path, PatternSet
from driftguard.flow.place import Place, people_name_properties

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

    def classify(self, path: Path, standing: Standing | None = None) -> tuple[ChangeClass, str | None]:
        """The class of a change at this path, and the rule that decided, if any.

        `standing` finds what stands at a path in the bodies compared. Without it an element is known by its step only,
        and a resource inside another one, outside a list, is not known as one.
        """
        if (rule := self.ignore.find(path)) is not None:
            return ChangeClass.IGNORED, rule
        if (rule := self.watch.find(path, standing)) is not None:
            return ChangeClass.CONFIGURATION, rule
        if (rule := self.platform.find(path) or _written_by_arm(path, standing)) is not None:
            return ChangeClass.PLATFORM, rule
        return ChangeClass.CONFIGURATION, None


def _written_by_arm(path: Path, standing: Standing | None) -> str | None:
    for index, step in enumerate(path):
        if isinstance(step, str) and step.lower() in WRITTEN_BY_ARM and _place(path[:index], standing).is_arms:
            return f"{step} is written by Azure Resource Manager"
    return None


def _place(path: Path, standing: Standing | None) -> Place:
    """The place of the object at this path, as the canonical form finds it."""
    place = Place.RESOURCE
    if standing is not None and path[:1] == ("properties",) and any(map(people_name_properties, standing(()))):
        return Place.PEOPLES
    for index, step in enumerate(path):
        place = place.below(step.lower()) if isinstance(step, str) else place.element()
        if place is Place.INSIDE and standing is not None:
            # On each side that has it: nobody makes a resource of their own object by giving it an id.
            objects = standing(path[: index + 1])
            if objects and all(isinstance(item, dict) and place.holding(item).is_arms for item in objects):
                place = Place.RESOURCE
    return place
