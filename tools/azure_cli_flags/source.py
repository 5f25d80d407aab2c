"""The classes, functions and imports of one generated module, found by name.

Rules:
- Only what generated modules are made of is known. Anything else raises UnknownSource: a wrong reading is worse than none.
"""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Function = ast.FunctionDef


class UnknownSource(Exception):
    """A generated module says something that this reader does not know; the message says where and what."""


@dataclass(eq=False)
class Scope:
    """A module or class: its functions and inner classes by name, and the values that the interpreted code sets."""

    name: str
    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, Scope] = field(default_factory=dict)
    values: dict[str, object] = field(default_factory=dict)
    bases: tuple[str, ...] = ()
    module: Scope | None = None  # None in the scope of a module itself

    def named(self, name: str) -> object:
        """What a function of this scope means by a name of its module: a class, a function, a value, or None."""
        module = self.module or self
        return module.classes.get(name) or module.functions.get(name) or module.values.get(name)


class Sources:
    """All generated modules by path. Each is parsed when it is asked for and not kept: all of them would fill the memory."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def with_text(self, text: str) -> Iterator[str]:
        """The paths of the modules that hold the text, sorted."""
        yield from (path for path in sorted(self._texts) if text in self._texts[path])

    def module(self, path: str) -> Scope:
        """The module at the path, with the classes that it imports by name from its own folder. Raises UnknownSource."""
        tree = _parsed(path, self._texts[path])
        module = _scope(path, tree.body)
        folder = path.rpartition("/")[0]
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.level == 1 and f"{folder}/{node.module}.py" in self._texts:
                beside = self.module(f"{folder}/{node.module}.py")
                for name in node.names:
                    if name.name in beside.classes:
                        module.classes.setdefault(name.asname or name.name, beside.classes[name.name])
        return module


def _parsed(path: str, text: str) -> ast.Module:
    gc.disable()  # a tree holds no cycles, and looking for some takes four times as long as the parsing itself
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise UnknownSource(f"{path}: {error}") from None
    finally:
        gc.enable()


def _scope(name: str, body: list[ast.stmt], module: Scope | None = None, bases: tuple[str, ...] = ()) -> Scope:
    scope = Scope(name, bases=bases, module=module)
    for node in body:
        if isinstance(node, ast.FunctionDef):
            scope.functions[node.name] = node
        elif isinstance(node, ast.ClassDef):
            inherited = tuple(ast.unparse(base) for base in node.bases)
            scope.classes[node.name] = _scope(node.name, node.body, module or scope, inherited)
    return scope


def text_of(node: ast.expr | None, where: str) -> str:
    """The text that a string constant holds. Raises UnknownSource for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise UnknownSource(f"{where}: expected a text, found {ast.unparse(node) if node else 'nothing'}")


def returned(scope: Scope, name: str) -> ast.expr:
    """What the function `name` of the class returns. Raises UnknownSource where it has no such function."""
    if name in scope.functions:
        for node in ast.walk(scope.functions[name]):
            if isinstance(node, ast.Return) and node.value is not None:
                return node.value
    raise UnknownSource(f"{scope.name}: nothing is returned by {name}")
