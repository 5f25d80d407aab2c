"""The requests that a package can make: verb, URL, body, and what a GET answers.

Rules:
- `build_…_request` functions hold the URL and the verb; the oldest style has the URL in `fn.metadata`, maybe of the method
  that calls this one, and calls `self._client.get(url, …)`.
- A method that is an `@overload` says nothing; a long-running operation calls the builder in `_x_initial`, and `begin_x` has
  the answer.
- What is read out of an answer that is an error (`error = …`) is not the answer.
- A body is what is serialized; one that is no model (or list or dictionary of models) is ANY: enums in the path are no body.
- The URL is read up to a question mark.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tools.platform_paths.annotations import Annotations, holds_models
from tools.platform_paths.models_msrest import value_of
from tools.platform_paths.schema import ANY, Models, Operation, Value

_VERBS = frozenset({"GET", "PUT", "PATCH", "POST", "DELETE", "HEAD"})
_VERSION = re.compile(r"20\d\d-\d\d-\d\d(?:-[a-z.0-9]+)?")
_FUNCTIONS = (ast.FunctionDef,)


@dataclass(frozen=True)
class _Builder:
    verb: str
    url: str
    api_version: str
    enums: tuple[tuple[str, tuple[str, ...]], ...]


def read_operations(source: str, models: Models, annotations: Annotations, default_version: str) -> Iterator[Operation]:
    """The operations of one file. `default_version`: where the file names no api-version. Raises SyntaxError."""
    tree = ast.parse(source)
    builders = {
        node.name: built
        for node in tree.body
        if isinstance(node, _FUNCTIONS) and node.name.startswith("build_")
        if (built := _builder(node, annotations, default_version)) is not None
    }
    reader = _Methods(builders, models, annotations, default_version)
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from reader.operations(node)


class _Methods:
    """Reads the methods of the classes of one file."""

    def __init__(
        self, builders: dict[str, _Builder], models: Models, annotations: Annotations, default_version: str
    ) -> None:
        self._builders = builders
        self._models = models
        self._annotations = annotations
        self._default_version = default_version

    def operations(self, group: ast.ClassDef) -> Iterator[Operation]:
        methods = [node for node in group.body if isinstance(node, _FUNCTIONS) and not _is_overload(node)]
        urls = _metadata(group)
        answers = {called: self._answer(node) for node in methods for called in _own_calls(node) if called != node.name}
        for node in methods:
            request = self._request(node, urls)
            if request is not None:
                result = self._answer(node) or answers.get(node.name)
                yield replace(request, body=self._body(node), result=result)

    def _request(self, node: ast.FunctionDef, urls: dict[str, str]) -> Operation | None:
        for call in _calls(node):
            if isinstance(call.func, ast.Name) and call.func.id in self._builders:
                built = self._builders[call.func.id]
                return Operation(built.verb, urls.get(node.name, built.url), built.api_version, None, None, built.enums)
        url = urls.get(node.name) or next((urls[name] for name in _named_urls(node) if name in urls), None)
        if url is None:
            return None
        verb = next((name.upper() for name in _client_calls(node) if name.upper() in _VERBS), None)
        version = _version_in(node) or self._default_version
        return Operation(verb, url, version, None, None) if verb else None

    def _body(self, node: ast.FunctionDef) -> Value | None:
        parameters = {item.arg: item.annotation for item in (*node.args.args, *node.args.kwonlyargs)}
        for call in _calls(node):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            if name == "body" and len(call.args) == 2 and isinstance(call.args[1], ast.Constant):
                value = value_of(str(call.args[1].value), self._models.models)
                return value if holds_models(value) else ANY
            if name == "dumps" and call.args and isinstance(call.args[0], ast.Name):
                return self._annotations.body(parameters.get(call.args[0].id)) or ANY
        return None

    def _answer(self, node: ast.FunctionDef) -> Value | None:
        errors = _read_as_errors(node)
        for call in _calls(node):
            if not call.args or _called(call) not in ("_deserialize", "deserialize") or call in errors:
                continue
            wanted = call.args[0]
            if isinstance(wanted, ast.Constant) and isinstance(wanted.value, str):
                value = value_of(wanted.value, self._models.models)
            else:
                value = self._annotations.value(wanted)
            if holds_models(value):
                return value
        return None


def _builder(node: ast.FunctionDef, annotations: Annotations, default_version: str) -> _Builder | None:
    url = verb = None
    names: dict[str, str] = {}
    for item in ast.walk(node):
        if isinstance(item, ast.Constant) and isinstance(item.value, str):
            if url is None and item.value.startswith("/"):
                url = item.value
        elif isinstance(item, ast.keyword) and item.arg == "method" and isinstance(item.value, ast.Constant):
            verb = str(item.value.value)
        elif isinstance(item, ast.Dict):
            names.update(_url_names(item))
    if url is None or verb is None:
        return None
    parameters = {item.arg: item.annotation for item in (*node.args.args, *node.args.kwonlyargs)}
    enums = {name: annotations.enum_values(parameters.get(variable)) for name, variable in names.items()}
    fixed = tuple((name, values) for name, values in enums.items() if values)
    return _Builder(verb, url.partition("?")[0], _version_in(node) or default_version, fixed)


def _url_names(node: ast.Dict) -> dict[str, str]:
    """The variable behind each parameter of the URL: `"recordType": _SERIALIZER.url("record_type", record_type, …)`."""
    return {
        str(key.value): value.args[1].id
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(value, ast.Call)
        if len(value.args) > 1 and isinstance(value.args[1], ast.Name)
    }


def _version_in(node: ast.FunctionDef) -> str | None:
    for item in ast.walk(node):
        if isinstance(item, ast.Constant) and isinstance(item.value, str) and _VERSION.fullmatch(item.value):
            return item.value
    return None


def _metadata(group: ast.ClassDef) -> dict[str, str]:
    """`get.metadata = {'url': …}` by method."""
    urls = {}
    for item in group.body:
        if (
            isinstance(item, ast.Assign)
            and isinstance(item.targets[0], ast.Attribute)
            and item.targets[0].attr == "metadata"
            and isinstance(item.targets[0].value, ast.Name)
            and isinstance(item.value, ast.Dict)
            and isinstance(item.value.values[0], ast.Constant)
        ):
            urls[item.targets[0].value.id] = str(item.value.values[0].value).partition("?")[0]
    return urls


def _named_urls(node: ast.FunctionDef) -> Iterator[str]:
    """The methods whose URL this one uses: `self.create.metadata['url']` in `_create_initial`."""
    for item in ast.walk(node):
        if isinstance(item, ast.Attribute) and item.attr == "metadata" and isinstance(item.value, ast.Attribute):
            yield item.value.attr


def _is_overload(node: ast.FunctionDef) -> bool:
    return any(isinstance(item, ast.Name) and item.id == "overload" for item in node.decorator_list)


def _calls(node: ast.FunctionDef) -> Iterator[ast.Call]:
    return (item for item in ast.walk(node) if isinstance(item, ast.Call))


def _read_as_errors(node: ast.FunctionDef) -> list[ast.expr]:
    assigned = [item for item in ast.walk(node) if isinstance(item, ast.Assign)]
    return [item.value for item in assigned if isinstance(item.targets[0], ast.Name) and item.targets[0].id == "error"]


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _own_calls(node: ast.FunctionDef) -> Iterator[str]:
    for call in _calls(node):
        if (
            isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id == "self"
        ):
            yield call.func.attr


def _client_calls(node: ast.FunctionDef) -> Iterator[str]:
    for call in _calls(node):
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        if isinstance(owner, ast.Attribute) and owner.attr == "_client":
            yield _called(call)
