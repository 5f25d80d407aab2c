"""Models written by the older generators: classes with `_attribute_map` and `_validation`.

Rules:
- A key with dots (`properties.provisioningState`) stands for nested objects; `\\\\.` in a key is a dot of the name itself.
- A property is read-only where `_validation` says `readonly`; these models cannot say that a property is write-only.
- The key "" stands for any further property.
- `_subtype_map` names what may stand in the place of a class; its subtypes name theirs.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from tools.platform_paths.schema import (
    ANY,
    PLAIN,
    TEXT,
    Kind,
    Model,
    Models,
    Property,
    Value,
    dictionary_of,
    list_of,
    object_of,
)

_PLAIN_TYPES = frozenset(
    {"int", "long", "float", "bool", "iso-8601", "rfc-1123", "unix-time", "duration", "date", "time", "decimal"}
)
_FIXED_TEXT = re.compile(r":(?:var)?type (\w+): str or\s+~")


def is_msrest(source: str) -> bool:
    """Whether a file of models is of this style."""
    return "_attribute_map" in source


def read_models(source: str, origin: str) -> Models:
    """The models of one file. Raises SyntaxError for text that is not Python, ValueError for an unknown form of a map."""
    classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    models = Models(origin)
    for name, node in classes.items():
        model = Model(name)
        models.models[name] = model
        fixed = frozenset(_FIXED_TEXT.findall(ast.get_docstring(node, clean=False) or ""))
        validation = _inherited(name, "_validation", classes)
        for attribute, entry in _inherited(name, "_attribute_map", classes).items():
            read_only = bool(validation.get(attribute, {}).get("readonly"))
            value = value_of(entry["type"], classes)
            if value == TEXT and attribute in fixed:
                value = PLAIN
            _add(model, _steps(entry["key"]), value, not read_only, models)
    for name in classes:
        models.models[name].subtypes = tuple(dict.fromkeys(_subtypes(name, classes)))
    return models


def value_of(text: str, models: Any) -> Value:
    """The value that a type in msrest's own short form names, such as `[Subnet]` or `{str}`; `models`: the known names."""
    if text.startswith("["):
        return list_of(value_of(text[1:-1], models))
    if text.startswith("{"):
        return dictionary_of(value_of(text[1:-1], models))
    if text in models:
        return object_of(text)
    if text in ("str", "bytearray", "base64"):
        return TEXT
    return ANY if text in ("object", "") else PLAIN  # what else is named is an enum


def _steps(key: str) -> list[str]:
    return [step.replace("\\.", ".") for step in re.split(r"(?<!\\)\.", key)]


def _add(model: Model, steps: list[str], value: Value, writable: bool, models: Models) -> None:
    name, *below = steps
    if not name:
        model.is_open = True
    elif not below:
        model.properties[name.lower()] = Property(name, value, writable=writable)
    else:
        group = _group(model, name, models)
        if group is not None:
            _add(group, below, value, writable, models)


def _group(model: Model, name: str, models: Models) -> Model | None:
    """The object that a key with dots stands for; None where the class also holds it as a model of its own."""
    known = model.properties.get(name.lower())
    group_name = f"{model.name}.{name}"
    if known is None:
        model.properties[name.lower()] = Property(name, object_of(group_name))
        models.models[group_name] = Model(group_name)
    elif known.value.kind is not Kind.OBJECT or known.value.models != (group_name,):
        return None
    return models.models[group_name]


def _inherited(name: str, attribute: str, classes: dict[str, ast.ClassDef]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(classes[name].bases):
        if isinstance(base, ast.Name) and base.id in classes and base.id != name:
            found.update(_inherited(base.id, attribute, classes))
    found.update(_literal(classes[name], attribute))
    return found


def _literal(node: ast.ClassDef, attribute: str) -> dict[str, Any]:
    for item in node.body:
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name) and item.targets[0].id == attribute:
            value = ast.literal_eval(item.value)
            if not isinstance(value, dict):
                raise ValueError(f"{node.name}.{attribute} is no dictionary")
            return value
    return {}


def _subtypes(name: str, classes: dict[str, ast.ClassDef]) -> list[str]:
    found: list[str] = []
    for choices in _literal(classes[name], "_subtype_map").values():
        for child in choices.values():
            if child in classes and child != name:
                found += [child, *_subtypes(child, classes)]
    return found
