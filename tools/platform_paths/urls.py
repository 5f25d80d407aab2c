"""What a URL names: a resource type, a literal name, an action on a resource.

Rules:
- The text after the last `/providers/` counts: types under any scope and extension types are one.
- Types and names take turns: an even number of segments is a resource, an odd one is a collection or an action.
- A parameter where a type should stand is replaced by each value of its enum; without an enum the URL is left out.
- Resource groups and subscriptions are the types `Microsoft.Resources/resourceGroups` and `…/subscriptions`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_SUBSCRIPTION = re.compile(r"/subscriptions/\{\w+\}", re.IGNORECASE)
_GROUP = re.compile(r"/subscriptions/\{\w+\}/resourcegroups/\{\w+\}", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """What a request is for. `literal`: the resource's own name, where the URL fixes it; `action`: after a resource."""

    resource_type: str
    literal: str | None = None
    action: str | None = None


def targets(url: str, enums: Mapping[str, tuple[str, ...]]) -> Iterator[Target]:
    """The targets of a URL; several where a parameter stands for a type, none where it names no resource."""
    path = re.sub("//+", "/", url).rstrip("/")
    if _GROUP.fullmatch(path):
        yield Target("Microsoft.Resources/resourceGroups")
    elif _SUBSCRIPTION.fullmatch(path):
        yield Target("Microsoft.Resources/subscriptions")
    elif "/providers/" in path:
        namespace, *segments = path.rpartition("/providers/")[2].split("/")
        if _is_parameter(namespace):
            return
        for types in _spelled(segments[::2], enums):
            target = _target(namespace, types, segments[1::2])
            if target is not None:
                yield target


def _target(namespace: str, types: list[str], names: list[str]) -> Target | None:
    if len(types) == len(names):
        literal = None if not names or "{" in names[-1] else names[-1]
        return Target("/".join([namespace, *types]), literal) if types else None
    *owner, action = types
    literal = None if not names or "{" in names[-1] else names[-1]
    return Target("/".join([namespace, *owner]), literal, action) if owner else None


def _spelled(types: list[str], enums: Mapping[str, tuple[str, ...]]) -> Iterator[list[str]]:
    """The types with each parameter replaced by each of its values."""
    if not types:
        yield []
        return
    first, *rest = types
    choices = enums.get(first[1:-1], ()) if _is_parameter(first) else (first,)
    for choice in choices:
        if "{" not in choice:
            for tail in _spelled(rest, enums):
                yield [choice, *tail]


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")
