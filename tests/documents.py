"""Reads the documents of the project: their blocks, tables, headings, and the command lines that they hold."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from driftguard.entry.cli import cli
from tests.source_tree import ROOT

README, RUNBOOK, ARCHITECTURE = ROOT / "README.md", ROOT / "docs/runbook.md", ROOT / "docs/architecture.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), ROOT / "policies/README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fenced(text: str) -> Iterator[tuple[str, str]]:
    """Language and content of every fenced block."""
    return ((found[1], found[2]) for found in FENCE.finditer(text))


def inline(text: str) -> list[str]:
    """Every text in backticks outside of fenced blocks, on one line."""
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", FENCE.sub("", text))]


def table(path: Path, first: str) -> list[list[str]]:
    """The rows of the table whose first column has this head; cells without backticks, the head first."""
    lines = path.read_text(encoding="utf-8").splitlines()
    heads = [number - 1 for number, line in enumerate(lines) if line.startswith("|---")]
    start = next(number for number in heads if lines[number].startswith(f"| {first} |"))
    end = next(number for number in range(start, len(lines)) if not lines[number].startswith("|"))
    shown = [line.replace("`", "").strip("| ") for line in lines[start:end] if not line.startswith("|---")]
    return [[cell.strip() for cell in line.split(" | ")] for line in shown]


def column(path: Path, first: str, number: int = 0) -> list[str]:
    return [row[number] for row in table(path, first)[1:]]


def commands() -> Iterator[tuple[str, list[str], bool]]:
    """Every `driftguard …` of the documents: where, its words, and whether it stands as a whole line to type."""
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        for _, block in fenced(text):
            for line in block.replace("\\\n", " ").splitlines():
                if not line.lstrip().startswith("#"):
                    yield from ((path.name, words, True) for words in called(line))
        for span in inline(text):
            yield from ((path.name, words, False) for words in called(span))


def called(line: str) -> Iterator[list[str]]:
    """The words of each of our commands on a line of a shell, without what follows a pipe, a comment and the like."""
    line = re.sub(r"\s#.*", "", line)
    for found in re.finditer(r"(?:^|[\s(])driftguard (?=[a-z-])", line):
        lexer = shlex.shlex(line[found.end() :], posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
        end = next((n for n, word in enumerate(words) if set(word) <= set("&|;()<>")), len(words))
        yield words[:end]


def fault(words: list[str], whole: bool) -> str:
    """What is wrong with a command line; empty where nothing is."""
    command: click.Command = cli
    context = click.Context(cli)
    words = list(words)
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words.pop(0))
        if found is None:
            return "no such command"
        command = found
    try:
        given, left, _ = command.make_parser(click.Context(command)).parse_args(words)
    except click.UsageError as error:
        return error.message
    present = {name for name, value in given.items() if isinstance(value, str | bool | tuple | list) and value != ()}
    lacking = [option.name for option in command.params if option.required and option.name not in present]
    wrong = [
        given[option.name]
        for option in command.params
        if isinstance(option.type, click.Choice)
        and option.name in present
        and given[option.name] not in option.type.choices
    ]
    if left or wrong:
        return f"too much: {left}" if left else f"not a choice: {wrong}"
    return f"lacks {lacking}" if whole and lacking else ""


def anchors(path: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).lower().replace(" ", "-") for head in heads}
