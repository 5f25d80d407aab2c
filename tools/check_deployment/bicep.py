"""Reads a Bicep file: what it declares, what it uses, and its resources and modules as Python values.

Rules:
- The parser (pycep) gives a tree and a JSON form. The JSON form does not tell a text from a name, so names that are used
  come from the tree.
- A text is searched for `${…}`: names inside of it are used too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, cast

from lark import Token, Tree
from lark.exceptions import LarkError
from pycep import BicepParser

_INTERPOLATED = re.compile(r"\$\{([^}]*)\}")
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'")
_DOTTED = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(?!\w*\()")
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_USED = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\.outputs\.([A-Za-z_]\w*)")
_LITERALS = frozenset({"true", "false", "null"})


class NotBicep(Exception):
    """The file cannot be parsed."""


@dataclass(frozen=True)
class Module:
    """A module that a file uses: its path as written, and the names of the parameters that it is given."""

    path: str
    params: frozenset[str]


@dataclass(frozen=True)
class Template:
    """One file. `params` and `outputs` by name; a parameter is required where it has no default."""

    text: str
    scope: str
    params: dict[str, dict[str, Any]]
    variables: dict[str, Any]
    resources: dict[str, dict[str, Any]]
    modules: dict[str, Module]
    outputs: frozenset[str]
    used: frozenset[str]
    loop_names: frozenset[str] = field(default=frozenset())

    @property
    def declared(self) -> frozenset[str]:
        """Every name that the file may use."""
        return frozenset({*self.params, *self.variables, *self.resources, *self.modules, *self.loop_names})

    @property
    def required(self) -> frozenset[str]:
        """The parameters without a default."""
        return frozenset(name for name, one in self.params.items() if one["default"] is None)

    @property
    def module_outputs(self) -> list[tuple[str, str]]:
        """Every `module.outputs.name` of the file."""
        return _USED.findall(self.text)

    @property
    def guids(self) -> list[tuple[str, str]]:
        """Every GUID with the line that it stands in."""
        return [(found, line) for line in self.text.splitlines() for found in _GUID.findall(line)]

    def resource(self, of_type: str) -> Iterator[dict[str, Any]]:
        """The bodies of the resources of this type, without condition and loop around them."""
        for one in self.resources.values():
            if one["type"] == of_type:
                yield body_of(one["config"])


@cache
def _parser() -> BicepParser:
    return BicepParser(cache=False)


def read_bicep(path: Path) -> Template:
    """The file. Raises NotBicep."""
    return _template(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=64)
def _template(text: str) -> Template:
    try:
        parsed = cast(dict[str, Any], _parser().parse(text=text))
        tree = _parser().lark_parser.parse(text)
    except (LarkError, ValueError) as error:
        raise NotBicep(" ".join(str(error).split())[:200]) from error
    modules = {
        name: Module(one["detail"]["path"], frozenset(body_of(one["config"]).get("params", {})))
        for name, one in parsed.get("modules", {}).items()
    }
    return Template(
        text=text,
        scope=parsed["globals"]["scope"]["value"],
        params=parsed.get("parameters", {}),
        variables={name: one["value"] for name, one in parsed.get("variables", {}).items()},
        resources=parsed.get("resources", {}),
        modules=modules,
        outputs=frozenset(parsed.get("outputs", {})),
        used=frozenset(_names(tree)),
        loop_names=frozenset(str(one.children[0]) for one in tree.find_data("loop_array")),
    )


def body_of(config: dict[str, Any]) -> dict[str, Any]:
    """The object of a resource, without condition and loop around it."""
    return cast(dict[str, Any], config["config"] if "loop_type" in config or "condition" in config else config)


def property_paths(value: Any, path: str = "") -> Iterator[str]:
    """Dotted paths of all properties of an object that have a value; `[]` stands for any element of a list."""
    if isinstance(value, dict) and not _is_expression(value):
        for name, inner in value.items():
            yield from property_paths(inner, f"{path}.{name}" if path else str(name))
        if not value:
            yield path
    elif isinstance(value, list):
        for inner in value:
            yield from property_paths(inner, f"{path}[]")
    else:
        yield path


def _is_expression(value: dict[str, Any]) -> bool:
    """Whether the JSON form means a call or an operator; an object that was written has other names, or no `type` within."""
    if len(value) != 1:
        return False
    [(name, inner)] = value.items()
    return name in ("function", "operator") and isinstance(inner, dict) and "type" in inner


def _names(node: Tree[Token]) -> Iterator[str]:
    """Names that are used as values; not keys of objects, members after a dot, and types."""
    if node.data in ("key", "data_type", "module_path", "type_api_pair", "decorators"):
        return
    if node.data == "string":
        yield from _names_in(str(node.children[0]))
        return
    children = node.children[1:] if node.data == "loop_array" else node.children
    for number, child in enumerate(children):
        if isinstance(child, Tree):
            yield from _members(child) if node.data == "property_accessor" and number == 1 else _names(child)


def _members(node: Tree[Token]) -> Iterator[str]:
    """Names that are used by what stands after a dot: an index in brackets may be one, the members are none."""
    for child in node.children:
        if isinstance(child, Tree):
            if node.data == "index_accessor" and child is not node.children[0]:
                yield from _names(child)
            else:
                yield from _members(child)


def _names_in(text: str) -> Iterator[str]:
    if not text.startswith("'"):
        if text not in _LITERALS:
            yield text
        return
    for inside in _INTERPOLATED.findall(text):
        for name in _DOTTED.findall(_TEXT.sub("", inside)):
            if name not in _LITERALS:
                yield name
