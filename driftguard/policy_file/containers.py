"""Readers of the lists and mappings in a policy file.

Rules:
- The problems of a list or mapping come together.
- A mapping has each key once, without regard to case; one with fixed keys names the closest known key.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from driftguard.flow.policy_notices import Notice
from driftguard.policy_file.tree import TAG, Problems, Read, where_is
from driftguard.policy_file.values import OR_REMOVE, is_truth_value, scalar, text_of


def list_of(read: Read) -> Read:
    """A list of such values, as a tuple."""

    def read_all(node: Node) -> tuple[Any, ...]:
        if not isinstance(node, SequenceNode):
            given = isinstance(node, ScalarNode) and node.tag != TAG + "null"
            remedy = f'write ["{node.value}"]' if given else f"write [one, two]{OR_REMOVE}"
            raise Problems.at(node, "a list is expected here", remedy)
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


def _pairs(
    node: Node, example: str = f"write key: value{OR_REMOVE}", of_keys: str = ""
) -> tuple[list[tuple[Node, Node]], list[Notice]]:
    """The pairs whose keys are usable, each key once, and what is wrong with the other keys.

    `example` is the remedy for what is no mapping, `of_keys` the one for a key that is no text.
    """
    if not isinstance(node, MappingNode):
        raise Problems.at(node, "a mapping (key: value) is expected here", example)
    seen: dict[str, Node] = {}
    usable: list[tuple[Node, Node]] = []
    problems: list[Notice] = []
    for key, value in node.value:
        try:
            name = scalar(key, "a key", of_keys or (f'write "{key.value}"' if is_truth_value(key) else "")).lower()
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


def _without_removing(notice: Notice) -> Notice:
    """The notice for a key that must be there."""
    return replace(notice, remedy=notice.remedy.removesuffix(OR_REMOVE))


@dataclass(frozen=True, eq=False)  # one is another: so it can be the key of a cache
class Keys:
    """A mapping that takes these keys only. `example` shows what to write where there is none."""

    keys: Mapping[str, Read]
    required: tuple[str, ...] = ()
    example: str = ""

    def __call__(self, node: Node) -> dict[str, Any]:
        """The values by key. Raises Problems for unknown and missing keys and bad values."""
        values, problems = self.read(node)
        if problems:
            raise Problems(*problems)
        return values

    def read(self, node: Node) -> tuple[dict[str, Any], list[Notice]]:
        """The values that could be read, by key, and everything that is wrong. Raises Problems for what is no mapping."""
        example = self.example or ", ".join(f"{key}: …" for key in self.required or tuple(self.keys)[:1])
        pairs, problems = _pairs(node, f"write {example}{OR_REMOVE}", self._known)
        missing = [key for key in self.required if key not in {name.value for name, _ in pairs}]
        problems += [Notice(where_is(node), f"the key {key!r} is missing", f"write {key}: …") for key in missing]
        values: dict[str, Any] = {}
        for key, value in pairs:
            try:
                values[key.value] = self._reader(key)(value)
            except Problems as found:
                problems += found.found if key.value not in self.required else map(_without_removing, found.found)
        return values, problems

    @property
    def _known(self) -> str:
        return f"known here: {', '.join(self.keys)}"

    def _reader(self, key: Node) -> Read:
        name = text_of(key)
        if name not in self.keys:
            close = difflib.get_close_matches(name, self.keys, n=1)
            hint = f"did you mean {close[0]!r}?" if close else self._known
            raise Problems.at(key, f"unknown key {name!r}", hint)
        return self.keys[name]
