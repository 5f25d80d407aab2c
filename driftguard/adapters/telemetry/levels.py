"""Gauges: each level is told once, by the next collection after it was measured."""

from __future__ import annotations

import threading

Attributes = tuple[tuple[str, str], ...]


class Levels:
    """The levels that wait to be told, by gauge and attributes; a later one of the same takes the place of an earlier one."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._waiting: dict[str, dict[Attributes, float]] = {}

    def put(self, name: str, value: float, attributes: dict[str, str]) -> None:
        """The gauge says this now."""
        with self._turn:
            self._waiting.setdefault(name, {})[tuple(sorted(attributes.items()))] = value

    def take(self, name: str) -> list[tuple[float, dict[str, str]]]:
        """What is to be told of the gauge; it is not told again."""
        with self._turn:
            waiting = self._waiting.pop(name, {})
        return [(value, dict(attributes)) for attributes, value in waiting.items()]
