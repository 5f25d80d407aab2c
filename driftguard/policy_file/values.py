"""Readers of the values, lists and mappings in a policy file.

Rules:
- A reader takes one YAML node and gives its value, or raises Problems; the problems of a list or mapping come together.
- A text is a text: what YAML reads as a boolean, a number or nothing is refused, with the remedy.
- A mapping has each key once, without regard to case; one with fixed keys names the closest known key.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any
from unicodedata import category

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from driftguard.flow.path import PathPattern
from driftguard.flow.policy_notices import Notice
from driftguard.policy_file.tree import TAG, Problems, Read, where_is

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhd]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 366 * 86400


def scalar(node: Node, wanted: str) -> str:
    """The characters of one plain value; `wanted` says in an error what belongs here."""
    remedy = f"write {wanted.rstrip(',')}"
    if not isinstance(node, ScalarNode):
        found = "a list" if isinstance(node, SequenceNode) else "a mapping"
        raise Problems.at(node, f"{wanted} is expected here, not {found}", remedy)
    if node.tag == TAG + "null":
        nothing = f"{wanted} is expected here, but there is nothing"
        raise Problems.at(node, nothing, f"{remedy}, or remove the key")
    if node.tag == TAG + "bool":
        word = node.value
        raise Problems.at(node, f"{wanted} is expected here; YAML reads {word} as true or false", f'write "{word}"')
    text: str = node.value
    if any(category(letter) in ("Cc", "Cs") and letter not in "\n\t" for letter in text):
        raise Problems.at(node, f"{wanted} is expected here, without control characters", "remove them")
    return text


def text_of(node: Node) -> str:
    """A text that is not empty, without blanks around it."""
    text = scalar(node, "a text")
    if node.tag != TAG + "str":
        raise Problems.at(node, "a text is expected here", f'put it in quotes: "{text}"')
    if not text.strip():
        raise Problems.at(node, "a text is expected here, but it is empty", "write a text, or remove the key")
    return text.strip()


def fitting(form: re.Pattern[str], wanted: str) -> Read:
    """A value of which every character fits the form."""

    def read(node: Node) -> str:
        text = scalar(node, wanted)
        if not form.fullmatch(text):
            raise Problems.at(node, f"{wanted} is expected here, not {text!r}", f"write {wanted}")
        return text

    return read


def word_of(*words: StrEnum) -> Read:
    """One of these words, as the member of its enumeration."""
    wanted = "one of " + ", ".join(words)

    def read(node: Node) -> StrEnum:
        text = scalar(node, wanted)
        found = next((word for word in words if word == text), None)
        if found is None:
            close = difflib.get_close_matches(text, map(str, words), n=1)
            remedy = f"write {close[0]}" if close else f"write {wanted}"
            raise Problems.at(node, f"{wanted} is expected here, not {text!r}", remedy)
        return found

    return read


def number(least: int, most: int) -> Read:
    """A whole number in these bounds."""
    wanted = f"a number from {least} to {most}"
    digits = fitting(re.compile(r"[0-9]{1,9}"), wanted)

    def read(node: Node) -> int:
        number = int(digits(node))
        if not least <= number <= most:
            raise Problems.at(node, f"{wanted} is expected here, not {number}", f"write {wanted}")
        return number

    return read


def duration(*, above_zero: bool) -> Read:
    """Seconds as a float, from `90s`, `30m`, `4h`, `2d` or a number of seconds."""
    wanted = "a duration such as 90s, 30m, 4h or 2d" + (", more than 0," if above_zero else "")

    def read(node: Node) -> float:
        text = scalar(node, wanted)
        found = _DURATION.fullmatch(text)
        seconds = float(found[1]) * _SECONDS[found[2]] if found else math.nan
        if not 0 <= seconds <= _LONGEST or (above_zero and not seconds):
            raise Problems.at(node, f"{wanted} is expected here, at most 366d, not {text!r}", "write it as 90s")
        return seconds

    return read


def yes(node: Node) -> bool:
    """The word true: a key that is either given so or left out."""
    if not isinstance(node, ScalarNode) or node.tag != TAG + "bool" or node.value.lower() != "true":
        raise Problems.at(node, "true is expected here, or the key left out", "write true, or remove the key")
    return True


def day_of(node: Node) -> date:
    """A day in ISO form."""
    text = scalar(node, "a day such as 2027-06-30")
    try:
        return date.fromisoformat(text)
    except ValueError:
        remedy = "write year-month-day, a day that there is"
        raise Problems.at(node, f"a day such as 2027-06-30 is expected here, not {text!r}", remedy) from None


def path_of(node: Node) -> str:
    """A path pattern, as written."""
    text = text_of(node)
    try:
        PathPattern.parse(text)
    except ValueError as error:
        example = "properties.subnets[*].properties.addressPrefix"
        raise Problems.at(node, f"{text!r} is not a path ({error})", f"write it as {example}") from None
    return text


def list_of(read: Read) -> Read:
    """A list of such values, as a tuple."""

    def read_all(node: Node) -> tuple[Any, ...]:
        if not isinstance(node, SequenceNode):
            raise Problems.at(node, "a list is expected here", "write [one, two], or [] for none")
        return tuple(_all(read, node.value))

    return read_all


def table_of(read_key: Read, read: Read) -> Read:
    """A mapping whose keys the user chooses; two keys that differ in case only are doubled."""

    def read_all(node: Node) -> dict[str, Any]:
        pairs, problems = _pairs(node)
        keys, wrong_keys = _read_each(read_key, [key for key, _ in pairs])
        values, wrong_values = _read_each(read, [value for _, value in pairs])
        if found := [*problems, *wrong_keys, *wrong_values]:
            raise Problems(*found)
        return dict(zip(keys, values, strict=True))

    return read_all


def _all(read: Read, nodes: Iterable[Node]) -> list[Any]:
    """Every node read; the problems of all of them together."""
    values, problems = _read_each(read, nodes)
    if problems:
        raise Problems(*problems)
    return values


def _read_each(read: Read, nodes: Iterable[Node]) -> tuple[list[Any], list[Notice]]:
    """What could be read, and what is wrong with the rest."""
    values: list[Any] = []
    problems: list[Notice] = []
    for node in nodes:
        try:
            values.append(read(node))
        except Problems as found:
            problems += found.found
    return values, problems


def _pairs(node: Node) -> tuple[list[tuple[Node, Node]], list[Notice]]:
    """The pairs whose keys are usable, each key once, and what is wrong with the other keys."""
    if not isinstance(node, MappingNode):
        raise Problems.at(node, "a mapping (key: value) is expected here", "write {} for none")
    seen: dict[str, Node] = {}
    usable: list[tuple[Node, Node]] = []
    problems: list[Notice] = []
    for key, value in node.value:
        try:
            name = scalar(key, "a key").lower()
        except Problems as found:
            problems += found.found
            continue
        if name in seen:
            text = f"the key {key.value!r} stands here twice, first at {where_is(seen[name])}"
            problems.append(Notice(where_is(key), text, "keep one of them"))
        else:
            seen[name] = key
            usable.append((key, value))
    return usable, problems


@dataclass(frozen=True)
class Keys:
    """A mapping that takes these keys only."""

    keys: Mapping[str, Read]
    required: tuple[str, ...] = ()

    def __call__(self, node: Node) -> dict[str, Any]:
        """The values by key. Raises Problems for unknown and missing keys and bad values."""
        values, problems = self.read(node)
        if problems:
            raise Problems(*problems)
        return values

    def read(self, node: Node) -> tuple[dict[str, Any], list[Notice]]:
        """The values that could be read, by key, and everything that is wrong. Raises Problems for what is no mapping."""
        pairs, problems = _pairs(node)
        missing = [key for key in self.required if key not in {name.value for name, _ in pairs}]
        problems += [Notice(where_is(node), f"the key {key!r} is missing", f"write {key}: …") for key in missing]
        values: dict[str, Any] = {}
        for key, value in pairs:
            try:
                values[key.value] = self._reader(key)(value)
            except Problems as found:
                problems += found.found
        return values, problems

    def _reader(self, key: Node) -> Read:
        name = text_of(key)
        if name not in self.keys:
            close = difflib.get_close_matches(name, self.keys, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(self.keys)}"
            raise Problems.at(key, f"unknown key {name!r}", hint)
        return self.keys[name]
