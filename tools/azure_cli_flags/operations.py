"""The HTTP operations of generated commands: what they ask, at which api-version, what comes back, what they send.

Rules:
- An operation is a class made of `AAZHttpOperation`. Its URL, verb and api-version stand in its properties.
- A command that reads a resource, changes it by its arguments and puts it back says what it changes in a class of its own,
  `InstanceUpdateByJson` or `InstanceCreateByJson`. That counts for the one PUT of the command, unless it changes only a
  part that it selected: then the paths are relative to that part and are left out.
- URLs without `/providers/` (data planes, locations of a subscription) name no resource type and are left out.
- What cannot be followed is not left out in silence: `Reading.unread` names it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from tools.azure_cli_flags.interpret import interpreted
from tools.azure_cli_flags.shape import Shape
from tools.azure_cli_flags.source import Scope, Sources, UnknownSource, returned, text_of
from tools.azure_cli_flags.writes import Builder, Steps

WRITES = frozenset({"PUT", "PATCH"})
_HTTP = "AAZHttpOperation"
_INSTANCE_BUILDERS = ("_update_instance", "_create_instance")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: verb, URL with `{}` parameters, api-version, the body of a 200 answer, paths it writes."""

    verb: str
    url: str
    version: str
    answer: Shape | None = None
    written: frozenset[Steps] = frozenset()


@dataclass(slots=True)
class Reading:
    """All operations of all commands, and what could not be followed."""

    operations: list[Operation] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def read_operations(sources: Sources) -> Reading:
    """Every GET with its answer, every PUT and PATCH with what it writes, in the order of the modules' paths."""
    reading = Reading()
    for path in sources.with_text(_HTTP):
        for command in sources.module(path).classes.values():
            try:
                reading.operations += _operations(command)
            except UnknownSource as unknown:
                reading.unread.append(f"{path}: {unknown}")
    return reading


def _operations(command: Scope) -> Iterator[Operation]:
    http = [scope for scope in command.classes.values() if _HTTP in scope.bases]
    http = [scope for scope in http if "/providers/" in _url(scope).lower()]
    verbs = {scope.name: text_of(returned(scope, "method"), scope.name) for scope in http}
    writers = [scope for scope in http if verbs[scope.name] in WRITES]
    changed = _changed(command) if len(writers) == 1 else frozenset()
    for scope in http:
        verb = verbs[scope.name]
        if verb == "GET":
            yield Operation(verb, _url(scope), _version(scope), _answer(scope))
        elif verb in WRITES:
            yield Operation(verb, _url(scope), _version(scope), written=_sent(scope) | changed)


def _url(scope: Scope) -> str:
    call = returned(scope, "url")
    if isinstance(call, ast.Call) and call.args:
        return text_of(call.args[0], scope.name)
    raise UnknownSource(f"{scope.name}: no URL is formatted")


def _version(scope: Scope) -> str:
    function = scope.functions.get("query_parameters")
    for node in ast.walk(function) if function else ():
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.args[0]) == "'api-version'":
            return text_of(node.args[1], scope.name)
    raise UnknownSource(f"{scope.name}: no api-version is sent")


def _answer(scope: Scope) -> Shape | None:
    for name in ("_build_schema_on_200", "_build_schema_on_200_201"):
        if name in scope.functions:
            answer = interpreted(scope.functions[name], scope)
            return answer if isinstance(answer, Shape) else None
    return None


def _sent(scope: Scope) -> frozenset[Steps]:
    function = scope.functions.get("content")
    return _written(scope, function) if function else frozenset()


def _changed(command: Scope) -> frozenset[Steps]:
    found: set[Steps] = set()
    for scope in command.classes.values():
        for name in _INSTANCE_BUILDERS:
            if name in scope.functions and "selectors" not in ast.unparse(scope.functions["__call__"]):
                found |= _written(scope, scope.functions[name])
    return frozenset(found)


def _written(scope: Scope, function: ast.FunctionDef) -> frozenset[Steps]:
    body = Builder()
    interpreted(function, scope, body)
    return frozenset(body.written)
