"""Follows the straight-line code by which generated commands build response shapes and request bodies.

Rules:
- Nothing is run: assignments, calls of known builders, and tests for None are followed on values of our own.
- A response schema becomes a `Shape`. What a request body is given becomes a set of paths, see writes.py.
- A schema shared by several commands is built once and copied member by member, as the code does it: so shapes that contain
  themselves come out as cycles.
- Any other statement or call raises UnknownSource.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from tools.azure_cli_flags.shape import TYPES, Shape
from tools.azure_cli_flags.source import Function, Scope, UnknownSource, text_of
from tools.azure_cli_flags.writes import BUILDER_CALLS, Builder

_NOTHING = object()  # a function that has not returned yet


def interpreted(function: Function, owner: Scope, body: Builder | None = None) -> object:
    """What a builder function of the class `owner` returns; `body` notes what it writes. Raises UnknownSource."""
    return _Call(function, owner, (), (), body).result()


class _Call:
    """One call of one function: its local names, and the functions that are being followed."""

    def __init__(
        self,
        function: Function,
        owner: Scope,
        arguments: Sequence[object],
        above: tuple[Function, ...],
        body: Builder | None,
    ) -> None:
        self._function, self._owner, self._body = function, owner, body
        self._following = (*above, function)
        names = [argument.arg for argument in function.args.args]
        given = [owner, *arguments] if names[:1] in (["cls"], ["self"]) else list(arguments)
        self._locals: dict[str, object] = dict(zip(names, given, strict=False))
        self._globals: set[str] = set()

    def result(self) -> object:
        value = self._run(self._function.body)
        return None if value is _NOTHING else value

    def _run(self, body: list[ast.stmt]) -> object:
        for statement in body:
            value = self._step(statement)
            if value is not _NOTHING:
                return value
        return _NOTHING

    def _step(self, statement: ast.stmt) -> object:
        match statement:
            case ast.Return():
                return self._value(statement.value) if statement.value else None
            case ast.If(test=test, body=body, orelse=[]):
                return self._run(body) if self._holds(test) else _NOTHING
            case ast.Assign(targets=targets, value=value):
                found = self._value(value)
                for target in targets:
                    self._assign(target, found)
            case ast.Expr(value=value):
                if isinstance(value, ast.Call):
                    self._value(value)
            case ast.Global(names=names):
                self._globals.update(names)
            case ast.Pass():
                pass
            case _:
                raise self._unknown(statement)
        return _NOTHING

    def _holds(self, test: ast.expr) -> bool:
        match test:
            case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot() as op], comparators=[ast.Constant(value=None)]):
                return (self._value(left) is None) == isinstance(op, ast.Is)
        raise self._unknown(test)

    def _assign(self, target: ast.expr, value: object) -> None:
        match target:
            case ast.Name(id=name) if name in self._globals:
                (self._owner.module or self._owner).values[name] = value
            case ast.Name(id=name):
                self._locals[name] = value
            case ast.Tuple(elts=[ast.Name(id=first), ast.Name(id=second)]) if isinstance(value, Builder):
                self._locals[first], self._locals[second] = None, value  # `_content_value, _builder = …`
            case ast.Attribute(value=owner, attr=name):
                self._set(self._value(owner), name, value, target)
            case ast.Subscript(value=owner, slice=name):
                self._set(self._value(owner), text_of(name, self._owner.name), value, target)
            case _:
                raise self._unknown(target)

    def _set(self, owner: object, name: str, value: object, node: ast.expr) -> None:
        if isinstance(owner, Scope):
            owner.values[name] = value
        elif isinstance(owner, Shape) and isinstance(value, Shape):
            owner.members[name] = value
        else:
            raise self._unknown(node)

    def _value(self, node: ast.expr) -> object:
        match node:
            case ast.Constant(value=None):
                return None
            case ast.Name(id=name):
                return self._locals[name] if name in self._locals else self._owner.named(name)
            case ast.Attribute(value=owner, attr=name):
                return self._member(self._value(owner), name, node)
            case ast.Subscript(value=owner, slice=name):
                return self._member(self._value(owner), text_of(name, self._owner.name), node)
            case ast.Call():
                return self._call(node)
        raise self._unknown(node)

    def _member(self, owner: object, name: str, node: ast.expr) -> object:
        if isinstance(owner, Scope):
            return owner.values.get(name)
        if isinstance(owner, Shape) and name in owner.members:
            return owner.members[name]
        raise self._unknown(node)

    def _call(self, node: ast.Call) -> object:
        match node.func:
            case ast.Name(id=name) if name in TYPES:
                return _new_shape(name, node)
            case ast.Name(id=name):
                function = self._owner.named(name)
                if isinstance(function, Function):
                    return self._follow(function, self._owner, node)
            case ast.Attribute(attr="new_content_builder") if self._body is not None:
                return self._body
            case ast.Attribute(attr="serialize_content"):
                return None
            case ast.Attribute(value=owner, attr=name):
                return self._call_of(self._value(owner), name, node)
        raise self._unknown(node)

    def _call_of(self, owner: object, name: str, node: ast.Call) -> object:
        if isinstance(owner, Scope) and name in owner.functions:
            return self._follow(owner.functions[name], owner, node)
        if isinstance(owner, Builder) and name in BUILDER_CALLS:
            return BUILDER_CALLS[name](owner, node)
        if isinstance(owner, Shape) and name == "discriminate_by":
            key, value = (text_of(argument, self._owner.name) for argument in node.args[:2])
            known = self._value(node.args[2]) if len(node.args) > 2 else None
            return owner.variant(key, value, known if isinstance(known, Shape) else None)
        raise self._unknown(node)

    def _follow(self, function: Function, owner: Scope, node: ast.Call) -> object:
        arguments = [self._value(argument) for argument in node.args]
        if function in self._following and any(isinstance(argument, Builder) for argument in arguments):
            return None  # a body that contains itself: once round says what can be written
        return _Call(function, owner, arguments, self._following, self._body).result()

    def _unknown(self, node: ast.AST) -> UnknownSource:
        return UnknownSource(f"{self._owner.name}.{self._function.name}: cannot follow {ast.unparse(node)[:200]}")


def _new_shape(kind: str, node: ast.Call) -> Shape:
    read_only, name = False, None
    for keyword in node.keywords:
        if keyword.arg == "flags":
            flags = ast.literal_eval(keyword.value)
            read_only = flags.get("read_only", False) is True
        elif keyword.arg == "serialized_name":
            name = text_of(keyword.value, kind)
    return Shape(kind, read_only, name)
