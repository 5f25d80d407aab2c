"""What Drift Guard says of edited bodies: each is sealed and compared as `driftguard replay` compares a pair."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.corpus import lines
from benchmarks.judgement_pairs import policy, ref_of, today
from benchmarks.mutations_formal import formally_changed
from benchmarks.mutations_made import Mutation, mutations
from driftguard.flow.check import FindingKind
from driftguard.flow.classify import ChangeClass
from driftguard.flow.compare import Comparison, compare
from driftguard.flow.identity import Standing
from driftguard.flow.path import Path as BodyPath
from driftguard.flow.path import format_path
from driftguard.flow.reading import ETags
from driftguard.flow.secrets import seal
from driftguard.flow.settled import first_non_terminal

NO_ETAGS = ETags()
_INDEX = re.compile(r"\[0\]")


class _Marks:
    """Marks that live as long as one run: no body is stored, so the key need not be a secret."""

    key_id = "run"

    def mark(self, name: str, value: str, key_id: str | None = None) -> str:
        message = f"{name}\0{value}".encode("utf-8", "surrogatepass")
        return f"secret:{self.key_id}:{hmac.new(b'run', message, hashlib.sha256).hexdigest()[:32]}"


_SEALER = _Marks()


@dataclass(frozen=True, slots=True)
class Reading:
    """A settled answer to a GET."""

    type: str
    id: str
    body: dict[str, Any]


Told = tuple[str, str, str, str]  # type, path with `[*]` for elements, kind of edit, what swallowed it


@dataclass
class Judged:
    """Counts over edits. `left_out` were not tried, since Azure writes there; the texts of `respelled` say type and paths."""

    bodies: int = 0
    tried: Counter[str] = field(default_factory=Counter)
    left_out: Counter[Told] = field(default_factory=Counter)
    tolerated: Counter[Told] = field(default_factory=Counter)
    missed: Counter[Told] = field(default_factory=Counter)
    respelled: Counter[str] = field(default_factory=Counter)

    def add(self, other: Judged) -> None:
        """Count these as well."""
        self.bodies += other.bodies
        self.tried += other.tried
        self.left_out += other.left_out
        self.tolerated += other.tolerated
        self.missed += other.missed
        self.respelled += other.respelled


def settled_readings(file: Path, at_most: int | None = None) -> list[Reading]:
    """The distinct bodies among the readings of resources in which nothing is running."""
    found: dict[str, Reading] = {}
    for line in islice(lines(file), at_most):
        seen = json.loads(line)
        body = seen["body"]
        if seen["method"] != "GET" or seen["status"] != 200 or not isinstance(body, dict):
            continue
        if first_non_terminal(body) is None:
            found.setdefault(json.dumps([seen["type"], body], sort_keys=True), Reading(seen["type"], seen["id"], body))
    return list(found.values())


def judge(readings: Iterable[Reading], per_body: int | None = None, seed: int = 1) -> Judged:
    """Counts over every edit of these readings, or over so many of each body, chosen by the seed."""
    total = Judged()
    for reading in readings:
        judging = _Judging(reading)
        edits: Iterable[Mutation] = mutations(reading.body)
        if per_body is not None:
            edits = list(edits)
            edits = random.Random(seed).sample(edits, min(per_body, len(edits)))
        for edit in edits:
            judging.edit(edit)
        judging.form(seed)
        total.add(judging.counts)
    return total


class _Judging:
    """The edits of one reading."""

    def __init__(self, reading: Reading) -> None:
        ref = ref_of(reading.id, reading.type)
        self._reading = reading
        self._rules = policy().path_rules(ref, today())
        self._redact = policy().redact(ref, today())
        self._sealed = self._seal(reading.body)
        self._standing = Standing(reading.body, reading.body)
        self.counts = Judged(bodies=1)

    def edit(self, edit: Mutation) -> None:
        kind, rule = self._rules.classify(edit.path, self._standing)
        written = self._rules.platform.find(edit.path)
        if kind is ChangeClass.PLATFORM or (kind is ChangeClass.IGNORED and written is not None):
            self.counts.left_out[self._told(edit, written or rule or "")] += 1
            return
        self.counts.tried[edit.kind] += 1
        told = self._compared(edit.body)
        if told.kind is not FindingKind.MOVED:
            tolerated = bool(told.changes) and all(change.kind is ChangeClass.IGNORED for change in told.changes)
            (self.counts.tolerated if tolerated else self.counts.missed)[self._told(edit, _swallowed(told))] += 1

    def _told(self, edit: Mutation, why: str) -> Told:
        return self._reading.type, _pattern(edit.path), edit.kind, why

    def form(self, seed: int) -> None:
        told = self._compared(formally_changed(self._reading.body, self._sealed, seed))
        if told.kind is not FindingKind.UNCHANGED:
            paths = ", ".join(sorted({_pattern(change.path) for change in told.changes})) or str(told.kind)
            self.counts.respelled[f"{self._reading.type}: {paths}"] += 1

    def _compared(self, body: Any) -> Comparison:
        return compare(self._sealed, NO_ETAGS, self._seal(body), NO_ETAGS, self._reading.type, self._rules)

    def _seal(self, body: Any) -> Any:
        return seal(body, _SEALER, self._redact, type_=self._reading.type)


def _swallowed(told: Comparison) -> str:
    if told.kind is FindingKind.UNCHANGED:
        return "one canonical form"
    return "; ".join(sorted({f"{change.kind}: {change.rule}" for change in told.changes})) or str(told.kind)


def _pattern(path: BodyPath) -> str:
    """The path with `[*]` for every list element."""
    return _INDEX.sub("[*]", format_path(tuple(step if isinstance(step, str) else 0 for step in path)))


def counted(counts: Counter[Told]) -> Iterator[str]:
    """What was counted, the commonest first, as lines."""
    for (type_, path, kind, why), count in counts.most_common():
        yield f"{count:6} {type_} {path}: {kind}: {why}"
