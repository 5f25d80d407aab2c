"""What the app's code says of itself, read as text: its settings, functions, routes and schedules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SETTING = re.compile(r"[A-Z][A-Z0-9_]{2,}\Z")


@dataclass(frozen=True)
class Function:
    """One function of the app: its name, and what its trigger names."""

    name: str
    route: str = ""
    schedule: str = ""
    anonymous: bool = False


def settings_read(path: Path) -> set[str]:
    """Every setting that the file asks `environ` for by a literal name, itself or by a helper that `environ` is given to."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Subscript) and _is_environ(node.value):
            names.update(_literals([node.slice]))
        elif isinstance(node, ast.Call):
            of_environ = isinstance(node.func, ast.Attribute) and _is_environ(node.func.value)
            if of_environ or any(map(_is_environ, node.args)):
                names.update(_literals(node.args))
    return {name for name in names if _SETTING.match(name)}


def functions_in(path: Path) -> Iterator[Function]:
    """The functions of function_app.py, by their decorators."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            told: dict[str, str] = {}
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute):
                    if decorator.func.attr == "function_name":
                        told["name"] = next(iter(_literals(decorator.args)), "")
                    for keyword in decorator.keywords:
                        told[keyword.arg or ""] = ast.unparse(keyword.value).strip("'\"")
            if "name" in told:
                anonymous = told.get("auth_level", "").endswith("ANONYMOUS")
                yield Function(told["name"], told.get("route", ""), told.get("schedule", ""), anonymous)


def _is_environ(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "environ"


def _literals(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
