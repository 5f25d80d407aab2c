"""Which paths a generated command puts into a request body.

Rules:
- A path counts as written where the command takes a value for it from an argument. An object that only groups others
  (its argument is `.`) is not written by itself.
- What a path is held to (`{kind:Foo}`, the discriminator) is not part of the path.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tools.azure_cli_flags.shape import DICTIONARIES, LISTS, OBJECTS
from tools.azure_cli_flags.source import UnknownSource, text_of

ANY_ELEMENT, ANY_NAME = "[*]", "*"  # the steps of driftguard.flow.path for each element, and for each entry

Steps = tuple[str, ...]

_PLACE = re.compile(r"\.(?P<name>[^.\[{]+)|(?P<element>\[\])|(?P<entry>\{\})|\{[^{}]+\}")


@dataclass(frozen=True, slots=True)
class Builder:
    """A place in the body that a command builds; `written` and `kinds` belong to the whole body."""

    at: Steps = ()
    written: set[Steps] = field(default_factory=set)
    kinds: dict[Steps, str] = field(default_factory=dict)

    def below(self, *steps: str) -> Builder:
        return Builder((*self.at, *steps), self.written, self.kinds)

    def take(self, kind: str, argument: str | None) -> Builder:
        """Note what stands here, and that an argument gives its value if so."""
        self.kinds[self.at] = kind
        if argument is not None and (argument != "." or kind not in OBJECTS | LISTS | DICTIONARIES):
            self.written.add(self.at)
        return self


def _get(builder: Builder, node: ast.Call) -> Builder:
    place, position, steps = text_of(node.args[0], "get"), 0, list[str]()
    while position < len(place):
        found = _PLACE.match(place, position)
        if found is None:
            raise UnknownSource(f"get: cannot read {place!r}")
        steps += [found["name"]] if found["name"] else []
        steps += [ANY_ELEMENT] if found["element"] else []
        steps += [ANY_NAME] if found["entry"] else []
        position = found.end()
    return builder.below(*steps)


def _set_prop(builder: Builder, node: ast.Call) -> Builder:
    return builder.below(text_of(node.args[0], "set_prop")).take(_kind(node, 1), _argument(node, 2))


def _set_elements(builder: Builder, node: ast.Call) -> Builder:
    step = ANY_NAME if builder.kinds.get(builder.at) in DICTIONARIES else ANY_ELEMENT
    return builder.below(step).take(_kind(node, 0), _argument(node, 1))


def _same(builder: Builder, node: ast.Call) -> Builder:
    return builder


def _kind(node: ast.Call, number: int) -> str:
    if len(node.args) > number and isinstance(kind := node.args[number], ast.Name):
        return kind.id
    raise UnknownSource(f"cannot tell what {ast.unparse(node)[:200]} sets")


def _argument(node: ast.Call, number: int) -> str | None:
    return text_of(node.args[number], "argument") if len(node.args) > number else None


# A constant is no choice of the caller's, yet it is sent: whoever calls ARM may send another one. It counts as written.
def _set_const(builder: Builder, node: ast.Call) -> Builder:
    return builder.below(text_of(node.args[0], "set_const")).take(_kind(node, 2), ".const")


BUILDER_CALLS: dict[str, Callable[[Builder, ast.Call], Builder]] = {
    "get": _get,
    "set_prop": _set_prop,
    "set_elements": _set_elements,
    "set_anytype_elements": _same,
    "set_const": _set_const,
    "discriminate_by": _same,
}
