"""What the annotations of a package say: models, enums, lists and dictionaries.

Rules:
- `Optional` and quotes mean nothing; `Union[str, SomeEnum]` is a text of a fixed set.
- A union of models is any of them; a union of models and anything else is ANY.
- `_types.X` is an alias only where the package's `_types.py` says so; the typed dictionaries of newer packages are not read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from tools.platform_paths.schema import ANY, PLAIN, TEXT, Kind, Value, dictionary_of, list_of, object_of

_LISTS = frozenset({"list", "List", "Sequence"})
_DICTIONARIES = frozenset({"dict", "Dict", "Mapping", "MutableMapping"})
_TEXTS = frozenset({"str", "bytes", "bytearray"})
_PLAIN = frozenset({"int", "float", "bool", "datetime", "date", "time", "timedelta", "Decimal", "Literal", "None"})


class Annotations:
    """Reads the annotations of one folder of a package; `enums` gives the values of each enum by its name."""

    def __init__(
        self, models: Iterable[str], enums: Mapping[str, tuple[str, ...]], aliases: Mapping[str, ast.expr] | None = None
    ) -> None:
        self._models = frozenset(models)
        self._aliases = dict(aliases or {})
        self.enums = enums

    def value(self, node: ast.expr) -> Value:
        """The value that an annotation promises."""
        if isinstance(node, ast.Constant):
            return self._quoted(node.value)
        if isinstance(node, ast.Subscript):
            return self._generic(_last_name(node.value), node.slice)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self._union([node.left, node.right])
        return self._named(node)

    def enum_values(self, node: ast.expr | None) -> tuple[str, ...]:
        """The values of the first enum that an annotation names."""
        for part in ast.walk(node) if node is not None else ():
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.startswith("_models."):
                found = self.enums.get(part.value.rpartition(".")[2])
            else:
                found = self.enums.get(_last_name(part)) if isinstance(part, ast.expr) else None
            if found:
                return found
        return ()

    def _quoted(self, text: object) -> Value:
        if text is None:
            return PLAIN
        try:
            return self.value(ast.parse(str(text), mode="eval").body)
        except SyntaxError:
            return ANY

    def _generic(self, name: str, inner: ast.expr) -> Value:
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if name == "Optional":
            return self.value(inner)
        if name == "Union":
            return self._union(parts)
        if name in _LISTS:
            return list_of(self.value(inner))
        if name in _DICTIONARIES:
            return dictionary_of(self.value(parts[-1]))
        return PLAIN if name == "Literal" else ANY

    def _union(self, parts: list[ast.expr]) -> Value:
        values = [self.value(part) for part in parts if not (isinstance(part, ast.Constant) and part.value is None)]
        if all(value.kind is Kind.OBJECT for value in values):
            return object_of(*dict.fromkeys(model for value in values for model in value.models))
        if all(value.kind in (Kind.TEXT, Kind.PLAIN) for value in values):
            return TEXT if all(value == TEXT for value in values) else PLAIN
        return values[0] if len(set(values)) == 1 else ANY

    def _named(self, node: ast.expr) -> Value:
        name = _last_name(node)
        if _is_alias(node) and name in self._aliases:
            return self.value(self._aliases[name])
        if name in self._models:
            return object_of(name)
        if name in self.enums or name in _PLAIN:
            return PLAIN
        return TEXT if name in _TEXTS else ANY

    def body(self, node: ast.expr | None) -> Value | None:
        """The models among the choices that a parameter's annotation leaves: what may be sent; None where there are none."""
        if node is None:
            return None
        parts = _choices(node)
        bodies = [self.value(part) for part in parts if not (_is_alias(part) and _last_name(part) not in self._aliases)]
        models = [value for value in bodies if holds_models(value)]
        if models and all(value.kind is Kind.OBJECT for value in models):
            return object_of(*dict.fromkeys(model for value in models for model in value.models))
        return models[0] if models else None


def holds_models(value: Value) -> bool:
    """Whether the value is an object of a model, or a list or dictionary of such."""
    return value.kind is Kind.OBJECT or (value.of is not None and holds_models(value.of))


def enums_of(source: str) -> dict[str, tuple[str, ...]]:
    """Enum classes of a file and their values."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = tuple(
                item.value.value
                for item in node.body
                if isinstance(item, ast.Assign)
                and isinstance(item.value, ast.Constant)
                and isinstance(item.value.value, str)
            )
    return found


def aliases_of(source: str) -> dict[str, ast.expr]:
    """The names that a `_types.py` gives to annotations."""
    return {
        node.targets[0].id: node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and not _is_list(node.value)
    }


def _is_list(node: ast.expr) -> bool:
    return isinstance(node, ast.List | ast.Tuple)


def _choices(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _choices(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.Subscript) and _last_name(node.value) in ("Union", "Optional"):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return [choice for part in parts for choice in _choices(part)]
    return [node]


def _is_alias(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("_types", "types")


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
