"""Where a new element of the list `jobs` goes in the text of a policy file, found by the marks of its YAML nodes.

Rules:
- The list and everything around it is in block style, one key a line; anything else is Odd, and nothing is put into it.
- Comment lines right above an entry are about that entry: the new one goes above them. One that is indented deeper than the
  entry's dash belongs to the entry before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_ODD_BREAKS = re.compile("\r(?!\n)|[\x85\u2028\u2029]")


class Odd(Exception):
    """The file is of a form that nothing is put into."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the lines go: after `start` characters, in place of what stands up to `end`, indented by `indent`."""

    start: int
    end: int
    indent: str
    head: str = ""


def place_of(text: str, root: Node, number: int) -> Place:
    """Where the entry goes that will be the `number`th of the list, from 0. Raises Odd."""
    if _ODD_BREAKS.search(text):
        raise Odd("its line ends are not those of one system")
    if not isinstance(root, MappingNode) or root.flow_style:
        raise Odd("it is written in flow style")
    members = {str(key.value): value for key, value in root.value if isinstance(key, ScalarNode)}
    jobs = members.get("jobs")
    if jobs is None:
        after = _line_after(text, members["version"])
        return Place(after, after, "  ", "jobs:")
    if not isinstance(jobs, SequenceNode):
        raise Odd("its jobs are no list")
    if not jobs.value:
        return _in_place_of_none(text, jobs)
    if jobs.flow_style:
        raise Odd("its list of jobs is written in flow style")
    dashes = [_dash(text, item) for item in jobs.value]
    if dashes != sorted(set(dashes)):
        raise Odd("its list of jobs has aliases")
    indent = " " * (_column(text, dashes[0]))
    if number < len(dashes):
        start = _above_comments(text, text.rfind("\n", 0, dashes[number]) + 1, len(indent))
    else:
        start = _below_comments(text, _line_after(text, jobs.value[-1], least=dashes[-1]), len(indent))
    return Place(start, start, indent)


def _in_place_of_none(text: str, jobs: SequenceNode) -> Place:
    """`jobs: []`: the brackets go, a comment behind them stays."""
    start, end = jobs.start_mark.index, jobs.end_mark.index
    line_ends = text.find("\n", end)
    line_ends = len(text) if line_ends < 0 else line_ends + 1
    rest = text[end:line_ends].rstrip("\r\n")
    line_starts = text.rfind("\n", 0, start) + 1
    brackets = re.fullmatch(r"\[ *\]", text[start:end])
    if not brackets or not re.fullmatch(r"jobs *: +", text[line_starts:start]) or not re.fullmatch(r" *(#.*)?", rest):
        raise Odd("its list of jobs is written in flow style")
    return Place(line_starts, line_ends, "  ", f"jobs:{rest.rstrip()}")


def _dash(text: str, item: Node) -> int:
    """Where the dash of a list's element stands."""
    line_starts = text.rfind("\n", 0, item.start_mark.index) + 1
    found = re.fullmatch(r"( *)- +", text[line_starts : item.start_mark.index])
    if found is None:
        raise Odd("its list of jobs is not written one key a line")
    return line_starts + len(found[1])


def _column(text: str, index: int) -> int:
    return index - (text.rfind("\n", 0, index) + 1)


def _above_comments(text: str, start: int, deepest: int) -> int:
    """The beginning of the comment lines right above a line, which are about what follows."""
    while start:
        above = text.rfind("\n", 0, start - 1) + 1
        comment = _comment_at(text[above:start])
        if comment is None or comment > deepest:
            break
        start = above
    return start


def _below_comments(text: str, start: int, outer: int) -> int:
    """The end of the comment lines from here on that are indented deeper than `outer`."""
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end + 1
        comment = _comment_at(text[start:end])
        if comment is None or comment <= outer:
            break
        start = end
    return start


def _comment_at(line: str) -> int | None:
    """The column of a line's comment; None where the line is something else."""
    found = re.match(r" *#", line)
    return found.end() - 1 if found else None


def _line_after(text: str, node: Node, least: int = 0) -> int:
    """The beginning of the line after the last one that a value takes, comments behind it included."""
    leaf = node
    while isinstance(leaf, MappingNode | SequenceNode) and leaf.value and not leaf.flow_style:
        leaf = leaf.value[-1][1] if isinstance(leaf, MappingNode) else leaf.value[-1]
    end = leaf.end_mark.index
    if end < least:
        raise Odd("its list of jobs has aliases")
    if isinstance(leaf, ScalarNode) and leaf.style in ("|", ">"):
        return text.rfind("\n", 0, end) + 1 if end < len(text) else len(text)
    next_line = text.find("\n", end)
    return len(text) if next_line < 0 else next_line + 1
