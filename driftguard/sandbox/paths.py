"""Setting a value at a path of a body: `properties.subnets[name=default].properties.addressPrefix`, `[0]`.

Rules:
- A path is names with dots; `[name=x]` picks a list's element by that property, `[0]` by position.
- What is missing on the way is made; None as a value removes. Names with dots are not reached.
"""

from __future__ import annotations

import re
from typing import Any

from driftguard.errors import WrongUse

Json = Any  # what json.loads gives
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]|\[([^=\]]+)=([^\]]*)\]")


def set_at(body: dict[str, Json], path: str, value: Json) -> None:
    """Set or remove (None) the value at a path. Raises WrongUse for a path that leads nowhere."""
    *way, last = _steps(path)
    node: Json = body
    for step in way:
        node = _child(node, step, path)
    _place(node, last, value, path)


def _steps(path: str) -> list[str | int | tuple[str, str]]:
    steps: list[str | int | tuple[str, str]] = []
    position = 0
    while position < len(path):
        if path[position] == "." and steps:
            position += 1
        match = _STEP.match(path, position)
        if not match:
            raise _nowhere(path)
        name, index, key, wanted = match.groups()
        steps.append(name if name is not None else int(index) if index is not None else (key, wanted))
        position = match.end()
    if not steps:
        raise _nowhere(path)
    return steps


def _child(node: Json, step: str | int | tuple[str, str], path: str) -> Json:
    if isinstance(step, str) and isinstance(node, dict):
        return node.setdefault(step, {})
    index = _index(node, step, path)
    return node[index]


def _index(node: Json, step: str | int | tuple[str, str], path: str) -> int:
    if isinstance(node, list):
        if isinstance(step, int) and step < len(node):
            return step
        if isinstance(step, tuple):
            for index, element in enumerate(node):
                if isinstance(element, dict) and str(element.get(step[0], "")).lower() == step[1].lower():
                    return index
    raise _nowhere(path)


def _place(node: Json, step: str | int | tuple[str, str], value: Json, path: str) -> None:
    if isinstance(step, str) and isinstance(node, dict):
        if value is None:
            node.pop(step, None)
        else:
            node[step] = value
        return
    index = _index(node, step, path)
    node[index : index + 1] = [] if value is None else [value]


def _nowhere(path: str) -> WrongUse:
    return WrongUse(f"the path {path!r} leads nowhere", "write it such as properties.subnets[name=web].properties.x")
