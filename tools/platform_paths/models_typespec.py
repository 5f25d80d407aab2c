"""Models written by the TypeSpec generator: classes whose properties are `rest_field(name=…, visibility=[…])`.

Rules:
- A property without a visibility is read and written.
- A base class counts only where it is a class of the same file (a package's own `Model` is not the library's).
- Whatever derives from a class with `__mapping__` and names a `discriminator` may stand in its place.
"""

from __future__ import annotations

import ast

from tools.platform_paths.annotations import Annotations
from tools.platform_paths.schema import ANY, Model, Models, Property

_FIELDS = ("rest_field", "rest_discriminator")


def is_typespec(source: str) -> bool:
    """Whether a file of models is of this style."""
    return "rest_field(" in source


def read_models(source: str, origin: str, annotations: Annotations) -> Models:
    """The models of one `_models.py`. Raises SyntaxError for text that is not Python."""
    classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    models = Models(origin)
    for name in classes:
        _add(name, classes, models, annotations)
    for name, node in classes.items():
        if _has_mapping(node):
            models.models[name].subtypes = tuple(_descendants(name, classes))
    return models


def _add(name: str, classes: dict[str, ast.ClassDef], models: Models, annotations: Annotations) -> Model:
    if name in models.models:
        return models.models[name]
    node, model = classes[name], Model(name)
    models.models[name] = model
    for base in reversed(_bases(node, classes)):
        inherited = _add(base, classes, models, annotations)
        model.properties.update(inherited.properties)
    for item in node.body:
        if (found := _property(item, annotations)) is not None:
            model.properties[found.name.lower()] = found
    return model


def _bases(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> list[str]:
    return [
        base.id for base in node.bases if isinstance(base, ast.Name) and base.id in classes and base.id != node.name
    ]


def _property(item: ast.stmt, annotations: Annotations) -> Property | None:
    if not (isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and isinstance(item.value, ast.Call)):
        return None
    call = item.value
    if not (isinstance(call.func, ast.Name) and call.func.id in _FIELDS):
        return None
    options = {keyword.arg: keyword.value for keyword in call.keywords}
    name, seen = _constant(options.get("name"), item.target.id), _visibility(options.get("visibility"))
    value = annotations.value(item.annotation) if item.annotation is not None else ANY
    return Property(name, value, readable="read" in seen, writable=bool(seen & {"create", "update"}))


def _visibility(node: ast.expr | None) -> frozenset[str]:
    if not isinstance(node, ast.List):
        return frozenset({"read", "create", "update"})
    return frozenset(item.value for item in node.elts if isinstance(item, ast.Constant) and isinstance(item.value, str))


def _constant(node: ast.expr | None, otherwise: str) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else otherwise


def _has_mapping(node: ast.ClassDef) -> bool:
    return any(
        isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.target.id == "__mapping__"
        for item in node.body
    )


def _descendants(name: str, classes: dict[str, ast.ClassDef]) -> list[str]:
    found: list[str] = []
    for child, node in classes.items():
        if name in _bases(node, classes) and child not in found:
            found += [child, *_descendants(child, classes)]
    return list(dict.fromkeys(found))
