"""Reads the source of the project without running it: modules, imports, names, comments, files of the repository."""

from __future__ import annotations

import ast
import io
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "driftguard"


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def steps_of_flow() -> list[Path]:
    return sorted(path for path in (PACKAGE / "flow").glob("*.py") if path.name != "__init__.py")


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def dotted(path: Path) -> str:
    """`driftguard.flow.resource`; the package's own name for an `__init__.py`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def known() -> frozenset[str]:
    return frozenset(map(dotted, modules()))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted module of every import of the file, wherever it stands; names of our own modules to the full."""
    package = dotted(path).split(".") if path.name == "__init__.py" else dotted(path).split(".")[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            for name in node.names:
                inner = f"{module}.{name.name}"
                yield node.lineno, inner if inner in known() else module


def our_imports(path: Path) -> Iterator[tuple[int, str]]:
    for line, module in imports(path):
        if module.partition(".")[0] == "driftguard":
            yield line, module


def part(module: str) -> str:
    """`flow` of `driftguard.flow.resource`; empty for the package itself, which holds the version only."""
    return module.split(".")[1] if "." in module else ""


def names_in(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted text of every name and attribute, such as `datetime.now`, with names of imports resolved."""
    renamed: dict[str, str] = {}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            renamed |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            renamed |= {name.asname: name.name for name in node.names if name.asname}
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.Attribute, ast.Name)):
            text = ast.unparse(node)
            first, dot, rest = text.partition(".")
            yield node.lineno, renamed.get(first, first) + dot + rest


def source_without_comments(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of code, without comments and docstrings."""
    docstrings: set[int] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = path.read_text(encoding="utf-8").splitlines()
    for line, column, _ in comments(path):
        lines[line - 1] = lines[line - 1][:column]
    yield from ((number, text) for number, text in enumerate(lines, 1) if number not in docstrings)


def comments(path: Path) -> Iterator[tuple[int, int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.start[1], token.string


def repository_files() -> list[Path]:
    """What is committed or would be: tracked and untracked files that are not ignored."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip(f"not a git checkout: {listed.stderr.decode(errors='replace').strip()}")
    paths = (ROOT / name.decode() for name in listed.stdout.split(b"\0") if name)
    return sorted({path for path in paths if path.is_file()})


def python_files() -> list[Path]:
    return [path for path in repository_files() if path.suffix == ".py"]
