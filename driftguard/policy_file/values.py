"""Readers of the plain values in a policy file.

Rules:
- A reader takes one YAML node and gives its value, or raises Problems.
- A text is a text: what YAML reads as a boolean, a number or nothing is refused, with the remedy.
"""

from __future__ import annotations

import difflib
import math
import re
from datetime import date
from enum import StrEnum
from unicodedata import category

from yaml.nodes import Node, ScalarNode, SequenceNode

from driftguard.flow.path import PathPattern
from driftguard.flow.policy_notices import HOW_TO_QUOTE
from driftguard.flow.retention import FOREVER, MOST
from driftguard.policy_file.tree import TAG, Problems, Read

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhd]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 366 * 86400

OR_REMOVE = ", or remove the key"
"""The end of a remedy; cut off where the key must be there."""


def scalar(node: Node, wanted: str, remedy: str = "") -> str:
    """The characters of one plain value; `wanted` says in an error what belongs here, `remedy` what to write."""
    remedy = remedy or f"write {wanted.rstrip(',')}"
    if not isinstance(node, ScalarNode):
        found = "a list" if isinstance(node, SequenceNode) else "a mapping"
        raise Problems.at(node, f"{wanted} is expected here, not {found}", remedy)
    if node.tag == TAG + "null":
        nothing = f"{wanted} is expected here, but there is nothing"
        raise Problems.at(node, nothing, f"{remedy}{OR_REMOVE}")
    if node.tag == TAG + "bool":
        raise Problems.at(node, f"{wanted} is expected here; YAML reads {node.value} as true or false", remedy)
    text: str = node.value
    if any(category(letter) in ("Cc", "Cs") and letter not in "\n\t" for letter in text):
        raise Problems.at(node, f"{wanted} is expected here, without control characters", "remove them")
    return text


def text_of(node: Node) -> str:
    """A text that is not empty, without blanks around it."""
    text = scalar(node, "a text", f'write "{node.value}"' if is_truth_value(node) else "")
    if node.tag != TAG + "str":
        raise Problems.at(node, "a text is expected here", f'put it in quotes: "{text}"')
    if not text.strip():
        raise Problems.at(node, "a text is expected here, but it is empty", f"write a text{OR_REMOVE}")
    return text.strip()


def is_truth_value(node: Node) -> bool:
    """Whether YAML reads the node as true or false."""
    return isinstance(node, ScalarNode) and node.tag == TAG + "bool"


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


def period(least: int) -> Read:
    """Whole days, from `90d`, at least `least`; None from `forever`."""
    wanted = f"a number of days such as {max(least, 90)}d, at least {least}d, or {FOREVER}"
    form = re.compile(r"([0-9]{1,5})d")

    def read(node: Node) -> int | None:
        text = scalar(node, wanted, f"write {max(least, 90)}d")
        if text == FOREVER:
            return None
        found = form.fullmatch(text)
        days = int(found[1]) if found else 0
        if not least <= days <= MOST:
            raise Problems.at(node, f"{wanted} is expected here, not {text!r}", f"write {max(least, 90)}d")
        return days

    return read


def yes(node: Node) -> bool:
    """The word true: a key that is either given so or left out."""
    if not is_truth_value(node) or node.value.lower() != "true":
        raise Problems.at(node, "true is expected here, or the key left out", f"write true{OR_REMOVE}")
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
        raise Problems.at(node, str(error), f"write it as {example}; {HOW_TO_QUOTE}") from None
    return text
