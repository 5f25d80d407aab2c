"""Telemetry that keeps what it is told, for tests: values held to the same forms as what is really sent."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from driftguard.flow.telemetry import INSTRUMENTS, SPANS, Span, Telemetry, strict

Key = tuple[str, ...]


@dataclass
class Told(Span):
    """A span as it was told."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)

    def tell(self, **attributes: object) -> None:
        assert set(attributes) <= set(SPANS[self.name]), attributes
        self.attributes |= strict(SPANS[self.name], attributes)


class Measured(Telemetry):
    """Keeps everything; what no table knows fails the test."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._counts: dict[str, Counter[Key]] = {}
        self._durations: dict[str, list[float]] = {}
        self._levels: list[tuple[str, dict[str, str], float]] = []
        self.spans: list[Told] = []
        self.flushed = 0

    def counts(self, name: str) -> Counter[Key]:
        """The sums of a counter by attributes: (name, value, name, value, …)."""
        return self._counts.get(name, Counter())

    def total(self, name: str, **attributes: str) -> int:
        """The sum of a counter where these attributes are as given."""
        wanted = attributes.items()
        return sum(
            count
            for key, count in self.counts(name).items()
            if wanted <= dict(zip(key[::2], key[1::2], strict=True)).items()
        )

    def durations(self, name: str) -> list[float]:
        """What a histogram was given."""
        return self._durations.get(name, [])

    def levels(self, name: str) -> dict[str, float]:
        """What a gauge said last, by its one attribute."""
        return {next(iter(told.values())): value for of, told, value in self._levels if of == name}

    def forget(self) -> None:
        """Forget the levels that were told."""
        self._levels.clear()

    def count(self, name: str, amount: int = 1, **attributes: str) -> None:
        with self._turn:
            self._counts.setdefault(name, Counter())[_key(name, "counter", attributes)] += amount

    def level(self, name: str, value: float, **attributes: str) -> None:
        _key(name, "gauge", attributes)
        self._levels.append((name, attributes, value))

    def took(self, name: str, seconds: float, **attributes: str) -> None:
        _key(name, "histogram", attributes)
        self._durations.setdefault(name, []).append(seconds)

    @contextmanager
    def span(self, name: str, **attributes: str) -> Iterator[Span]:
        told = Told(name)
        told.tell(**attributes)
        self.spans.append(told)
        yield told

    def joined(self, trace_parent: str) -> nullcontext[None]:
        return nullcontext()

    def flush(self) -> None:
        self.flushed += 1


def _key(name: str, kind: str, attributes: dict[str, str]) -> Key:
    instrument = INSTRUMENTS[name]
    assert instrument.kind == kind and set(attributes) == set(instrument.attributes), (name, attributes)
    told = strict(instrument.attributes, attributes)
    return tuple(part for item in told.items() for part in item)
