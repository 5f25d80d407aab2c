"""Reads a policy file into a tree of YAML nodes, each with its place.

Rules:
- At most 1 MB, UTF-8, one document, plain YAML types, 100,000 values with aliases followed: a file cannot exhaust us.
- Nothing is constructed from the nodes here; YAML tags never choose a Python type.
- Whatever is wrong leaves as BadPolicyFile: its message has the first five problems as lines `file:line: text: remedy`, its
  `found` has all of them. A problem of the YAML itself hides those behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode

from driftguard.errors import BadConfiguration
from driftguard.flow.policy_notices import Notice

MAX_BYTES = 1_000_000
MAX_NODES = 100_000
MAX_SHOWN = 5

TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(TAG + name for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp"))
# PyYAML lets the errors of chr() and int() through, for escapes and directives with numbers that are out of range.
_ODD_NUMBERS = (yaml.YAMLError, ValueError, OverflowError)
_REMEDY = "correct the file; `driftguard policy check` lists every problem in it"
_DESCRIBED = "policies/README.md describes every key"


class BadPolicyFile(BadConfiguration):
    """A policy file cannot be read, or is wrong. `found` has every problem, in the order of lines."""

    def __init__(self, message: str, remedy: str, found: Iterable[Notice]) -> None:
        super().__init__(message, remedy)
        self.found = tuple(found)


class Problems(Exception):
    """What is wrong in a file."""

    def __init__(self, *found: Notice) -> None:
        super().__init__(*map(str, found))
        self.found = found

    @staticmethod
    def at(node: Node, text: str, remedy: str = _DESCRIBED) -> Problems:
        """One problem, at the place of the node; `remedy` says what to write instead."""
        return Problems(Notice(where_is(node), text, remedy))


Read = Callable[[Node], Any]
"""Reads one node: its value, or raises Problems."""


def where_is(node: Node) -> str:
    """The node's place, as `file:line`."""
    return f"{node.start_mark.name}:{node.start_mark.line + 1}"


def read_file(path: Path, read: Read, *, shared: bool = False) -> Any:
    """The file's content as `read` gives it. `shared`: worked out once for each content, and not to be changed by anybody.

    Raises BadPolicyFile.
    """
    work_out = _worked_out_once if shared else _worked_out
    try:
        return work_out(str(path), _bytes(path), read)
    except Problems as problems:
        # An alias is read wherever it is used, and told once.
        found = sorted(dict.fromkeys(problems.found), key=lambda problem: problem.line or 0)
        shown = [str(problem) for problem in found[:MAX_SHOWN]]
        if len(found) > MAX_SHOWN:
            shown.append(f"… and {len(found) - MAX_SHOWN} more")
        raise BadPolicyFile("\n".join(shown), _REMEDY, found) from None


def _worked_out(name: str, data: bytes, read: Read) -> Any:
    return read(_compose(name, data))


_worked_out_once = lru_cache(maxsize=8)(_worked_out)


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "no file can have that name"
        text, remedy = f"the policy file cannot be read ({reason})", "name an existing file"
        raise BadPolicyFile(f"{path}: {text}", remedy, [Notice(str(path), text, remedy)]) from None
    if len(data) > MAX_BYTES:
        text, remedy = f"the file is larger than {MAX_BYTES:,} bytes", "name a policy file, or shorten this one"
        raise Problems(Notice(f"{path}:1", text, remedy))
    return data


def _compose(name: str, data: bytes) -> Node:
    """The tree of the file's one document, with every node's place."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Problems(Notice(f"{name}:{line}", "the file is not UTF-8", "save it as UTF-8")) from None
    root, tags = _parse(name, text)
    if root is None:
        raise Problems(Notice(f"{name}:1", "the file is empty", "write at least: version: 1"))
    _refuse_odd_nodes(root, tags)
    return root


class _Loader(yaml.SafeLoader):
    """Keeps the tags that are written out: a node does not tell whether its own was, or follows from its value."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name
        self.tags: list[Notice] = []

    def fetch_tag(self) -> None:
        """One more tag."""
        super().fetch_tag()
        mark, (handle, suffix) = self.tokens[-1].start_mark, self.tokens[-1].value
        self.tags.append(_odd_tag(f"{self.name}:{mark.line + 1}", f"{handle or ''}{suffix}"))


def _odd_tag(where: str, tag: str) -> Notice:
    return Notice(where, f"the tag {tag!r} is not used here", "write a plain value")


def _parse(name: str, text: str) -> tuple[Node | None, list[Notice]]:
    """The tree, and what is to be said of the tags written out in it."""
    # The pure Python parser: its recursion ends in RecursionError, the C one's can end the process.
    try:
        loader = _Loader(name, text)
        try:
            return loader.get_single_node(), loader.tags
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Problems(Notice(f"{name}:{line}", "a control character is not allowed here", "remove it")) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        text = f"not valid YAML: {_one_line(error.context, error.problem)}"
        raise Problems(Notice(f"{name}:{line}", text, "compare with the example in policies/README.md")) from None
    except RecursionError:
        text, remedy = "lists and mappings are nested too deeply", "write them out, no key needs more than a few levels"
        raise Problems(Notice(f"{name}:1", text, remedy)) from None
    except _ODD_NUMBERS:
        text = "not valid YAML: a number or an escape is out of range"
        raise Problems(Notice(f"{name}:1", text, "write the character itself")) from None


def _one_line(*texts: str | None) -> str:
    return " ".join(", ".join(text for text in texts if text).split())


def _refuse_odd_nodes(root: Node, tags: list[Notice]) -> None:
    """Refuses tags, values that YAML gives other tags than its plain ones, and trees that aliases make huge or endless."""
    left, done, found = [root], 0, list(tags)
    written = {tag.where for tag in tags}
    while left:
        node = left.pop()
        done += 1
        if done + len(left) > MAX_NODES:
            raise Problems.at(node, f"more than {MAX_NODES:,} values, aliases followed", "write it without aliases")
        if node.tag == TAG + "merge":
            found.append(Notice(where_is(node), "merge keys (<<) are not used here", "write the keys out"))
        elif node.tag not in _PLAIN_TAGS and where_is(node) not in written:
            found.append(_odd_tag(where_is(node), node.tag))
        if isinstance(node, MappingNode):
            left.extend(part for pair in node.value for part in pair)
        elif isinstance(node, SequenceNode):
            left.extend(node.value)
    if found:
        raise Problems(*found)
