"""Paths into a resource body, as people read them in ARM, and patterns over them.

Rules:
- A step is a property name, a list element by identity (`[name=default]`), or a list element by index (`[3]`).
  Which of the two: identity.py.
- `parse_path` is the exact inverse of `format_path`: a name that is not plain is quoted (`tags['a.b']`).
- A pattern matches the path that it names and everything below it. Names and identities compare without regard to case.
- `*` is one property, `[*]` one list element, `**` any number of steps, none included.
- Where several patterns of a set match, the one given first wins.
- With the element itself at hand, `[key=value]` matches it by that property alone, whatever else stands in the list.

Source: names in ARM are case-insensitive (github Azure/azure-resource-manager-rpc, common-api-details.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from driftguard.errors import CannotTell

MAX_DEPTH = 256  # far beyond any documented resource, and within Python's own recursion limit


class TooDeep(CannotTell):
    """A body nests deeper than MAX_DEPTH levels."""

    def __init__(self) -> None:
        super().__init__(
            f"a resource body nests deeper than {MAX_DEPTH} levels",
            "read the resource by hand; no Azure resource is documented to nest so deeply",
        )


@dataclass(frozen=True, slots=True)
class Element:
    """A list element by identity: the one whose property `key` has this value."""

    key: str
    value: str


Step = str | int | Element
Path = tuple[Step, ...]


def path_order(path: Path) -> tuple[tuple[int, str, str, int], ...]:
    """A sort key for paths: parents before children, elements by index in the order of their index."""
    return tuple(_step_order(step) for step in path)


def _step_order(step: Step) -> tuple[int, str, str, int]:
    if isinstance(step, str):
        return (0, step, "", 0)
    return (2, "", "", step) if isinstance(step, int) else (1, step.key, step.value, 0)


_PLAIN_NAME = re.compile(r"[A-Za-z0-9_$-]+")
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_$/.:@()-]+")


def format_path(path: Path) -> str:
    """The path as text, such as `properties.subnets[name=default].properties.addressPrefix`; empty for the root."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif isinstance(step, Element):
            key = step.key if _PLAIN_NAME.fullmatch(step.key) else _quoted(step.key)
            text += f"[{key}={step.value if _PLAIN_VALUE.fullmatch(step.value) else _quoted(step.value)}]"
        elif _PLAIN_NAME.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{_quoted(step)}]"
    return text


def _quoted(text: str) -> str:
    return "'" + "".join(_escaped(char) for char in text) + "'"


def _escaped(char: str) -> str:
    # Escaping what does not print keeps control characters and text-direction overrides out of evidence and logs.
    if char in "'\\":
        return "\\" + char
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


_QUOTED = r"'(?:[^'\\]|\\['\\]|\\u[0-9a-f]{4}|\\U000[0-9a-f]{5}|\\U0010[0-9a-f]{4})*'"
_TOKEN = re.compile(
    rf"""(?P<dot>\.)?(?P<name>\*\*|\*|[A-Za-z0-9_$-]+)
       |\[(?P<any>\*)\]
       |\[(?P<index>[0-9]{{1,9}})\]
       |\[(?P<key>[A-Za-z0-9_$-]+|{_QUOTED})=(?P<value>[A-Za-z0-9_$/.:@()-]+|{_QUOTED})\]
       |\[(?P<quoted>{_QUOTED})\]""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|(.))")


@dataclass(frozen=True, slots=True)
class _Wildcard:
    text: str


_ANY_NAME, _ANY_ELEMENT, _ANY_DEPTH = _Wildcard("*"), _Wildcard("[*]"), _Wildcard("**")


def parse_path(text: str) -> Path:
    """The path that `format_path` wrote. Raises ValueError for text that is no path."""
    steps: list[Step] = []
    for token in _tokens(text):
        if isinstance(token, _Wildcard):
            raise ValueError(f"{text!r} is a pattern: a path has no {token.text}")
        steps.append(token)
    return tuple(steps)


def _tokens(text: str) -> Iterator[Step | _Wildcard]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or (match["name"] and bool(match["dot"]) != (position > 0)):
            raise ValueError(f"{text!r} is not a path: cannot read it from {text[position:]!r} on")
        position = match.end()
        yield _token(match)


def _token(match: re.Match[str]) -> Step | _Wildcard:
    if match["name"]:
        return {"*": _ANY_NAME, "**": _ANY_DEPTH}.get(match["name"], match["name"])
    if match["any"]:
        return _ANY_ELEMENT
    if match["index"]:
        return int(match["index"])
    return (
        _unquoted(match["quoted"]) if match["quoted"] else Element(_unquoted(match["key"]), _unquoted(match["value"]))
    )


def _unquoted(text: str) -> str:
    if not text.startswith("'"):
        return text
    return _ESCAPE.sub(lambda m: m[3] or chr(int(m[1] or m[2], 16)), text[1:-1])


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A pattern over paths."""

    text: str
    steps: tuple[Step | _Wildcard, ...]

    @staticmethod
    def parse(text: str) -> PathPattern:
        """Reads a pattern such as `properties.subnets[*].properties.*`. Raises ValueError with what is wrong."""
        steps = tuple(_tokens(text))
        if not steps or all(step is _ANY_DEPTH for step in steps):
            raise ValueError(f"the pattern {text!r} would match everything: name at least one step")
        return PathPattern(text, steps)

    @property
    def has_length(self) -> bool:
        """Whether it names paths of one length only: there is no `**` in it."""
        return _ANY_DEPTH not in self.steps

    def has_same_step(self, other: PathPattern, index: int) -> bool:
        """Whether both say the same at this place."""
        ours, theirs = self.steps[index], other.steps[index]
        if isinstance(ours, _Wildcard) or isinstance(theirs, _Wildcard):
            return ours is theirs
        return _folded(ours) == _folded(theirs)

    def literal_steps(self, start: int) -> Path:
        """The steps from `start` on. Raises ValueError where one of them is a wildcard."""
        steps: list[Step] = []
        for step in self.steps[start:]:
            if isinstance(step, _Wildcard):
                raise ValueError(f"{self.text!r} has {step.text} where one property or element must be named")
            steps.append(step)
        return tuple(steps)

    def matches(self, path: Path) -> bool:
        """Whether the path is what the pattern names, or lies below it."""
        return PatternSet([(self, self.text)]).find(path) is not None


class _Node:
    """One position in the tree of all patterns of a set."""

    __slots__ = ("any_depth", "any_element", "any_name", "identities", "literal", "loops", "rank", "tag")

    def __init__(self) -> None:
        self.literal: dict[Step, _Node] = {}
        self.identities: set[str] = set()  # the keys of the elements in `literal`
        self.any_name: _Node | None = None
        self.any_element: _Node | None = None
        self.any_depth: _Node | None = None
        self.loops = False  # stays in place for any step: what `**` is
        self.rank = -1
        self.tag = ""

    def child(self, step: Step | _Wildcard) -> _Node:
        if step is _ANY_NAME:
            self.any_name = self.any_name or _Node()
            return self.any_name
        if step is _ANY_ELEMENT:
            self.any_element = self.any_element or _Node()
            return self.any_element
        if isinstance(step, _Wildcard):
            if self.any_depth is None:
                self.any_depth = _Node()
                self.any_depth.loops = True
            return self.any_depth
        folded = _folded(step)
        if isinstance(folded, Element):
            self.identities.add(folded.key)
        return self.literal.setdefault(folded, _Node())

    def successors(self, step: Step) -> Iterator[_Node]:
        if self.loops:
            yield self
        if (exact := self.literal.get(_folded(step))) is not None:
            yield exact
        wild = self.any_name if isinstance(step, str) else self.any_element
        if wild is not None:
            yield wild

    def successors_by_content(self, item: dict[str, Any]) -> Iterator[_Node]:
        """The nodes of the elements that this one is, by any property that a pattern names."""
        for key, values in _told(item, self.identities).items():
            for value in values:
                if (exact := self.literal.get(Element(key, value))) is not None:
                    yield exact


Position = tuple[_Node, ...]
ContentsAt = Callable[[Path], Iterable[Any]]  # what stands at a path, in each body that has it


class PatternSet:
    """Many patterns, each with a tag (such as the name of its rule), matched in one walk along the path."""

    __slots__ = ("_root", "_start")

    def __init__(self, tagged: Iterable[tuple[PathPattern, str]] = ()) -> None:
        self._root = _Node()
        for rank, (pattern, tag) in enumerate(tagged):
            node = self._root
            for step in pattern.steps:
                node = node.child(step)
            if node.rank < 0:
                node.rank, node.tag = rank, tag
        self._start = _with_any_depth([self._root])

    def __bool__(self) -> bool:
        return len(self._start) > 1 or bool(self._root.literal or self._root.any_name or self._root.any_element)

    def find(self, path: Path, contents_at: ContentsAt | None = None) -> str | None:
        """The tag of the first given pattern that matches the path, or None.

        `contents_at` gives what stands at a path, so that list elements are matched by what they hold as well.
        """
        position, best = self._start, None
        for index, step in enumerate(path):
            if isinstance(step, str) or contents_at is None or not any(node.identities for node in position):
                position = self.advance(position, step)
            else:
                position = self.advance_to(position, step, contents_at(path[: index + 1]))
            if not position:
                break
            found = min((node for node in position if node.rank >= 0), key=lambda node: node.rank, default=None)
            if found is not None and (best is None or found.rank < best.rank):
                best = found
        return best.tag if best else None

    def start(self) -> Position:
        """Where a walk from the root of a body starts."""
        return self._start

    def advance(self, position: Position, step: Step) -> Position:
        """Where the walk is after one more step; empty where no pattern can match any more."""
        return _with_any_depth([after for node in position for after in node.successors(step)])

    def advance_to(self, position: Position, step: int | Element, items: Iterable[Any]) -> Position:
        """Where the walk is after stepping to a list element; `items` are that element, once for each body walked."""
        after = [after for node in position for after in node.successors(step)]
        for item in items:
            if isinstance(item, dict):
                after += [after for node in position if node.identities for after in node.successors_by_content(item)]
        return _with_any_depth(after)

    def advance_to_each(self, position: Position, items: list[Any]) -> list[Position]:
        """Where the walk is after stepping to each element of a list, for rules that may match too much but never too little.

        An element is the one that `[key=value]` names where it says so itself, where it does not say, and where no element
        of the list says so: the named one may have been renamed. Each is also the one at its index.
        """
        named = [(step, node) for at in position for step, node in at.literal.items() if isinstance(step, Element)]
        told = [_told(item, {step.key for step, _ in named}) for item in items]
        there = {(key, value) for members in told for key, values in members.items() for value in values}
        return [
            _with_any_depth(
                [after for node in position for after in node.successors(index)]
                + [node for step, node in named if _may_be(step, members, there)]
            )
            for index, members in enumerate(told)
        ]

    def hit(self, position: Position) -> bool:
        """Whether a pattern matches exactly here; everything below matches with it."""
        return any(node.rank >= 0 for node in position)


def _told(item: Any, keys: set[str]) -> dict[str, set[str]]:
    """The values in lower case of those properties of a list element, whatever the letter case of their names."""
    members: dict[str, set[str]] = {}
    if keys and isinstance(item, dict):
        for key, value in item.items():
            if key.lower() in keys and isinstance(value, str | int):
                members.setdefault(key.lower(), set()).add(str(value).lower())
    return members


def _may_be(step: Element, members: dict[str, set[str]], there: set[tuple[str, str]]) -> bool:
    own = members.get(step.key)
    return not own or step.value in own or (step.key, step.value) not in there


def _with_any_depth(nodes: list[_Node]) -> Position:
    """The nodes, and those that `**` reaches without a step; each once."""
    reached = {id(node): node for node in nodes}
    for node in nodes:
        while node.any_depth is not None:
            node = node.any_depth
            reached[id(node)] = node
    return tuple(reached.values())


def _folded(step: Step) -> Step:
    if isinstance(step, str):
        return step.lower()
    return step if isinstance(step, int) else Element(step.key.lower(), step.value.lower())
