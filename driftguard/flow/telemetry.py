"""What is measured of the guard's own work: counts, levels, durations, spans.

Rules:
- Only what stands in `INSTRUMENTS` and `SPANS` is measured, with the attributes that they name and no other.
- A value is of the form that `FORMS` gives its attribute, or it is told as `other`: no body, secret, token, resource id,
  ticket or text of a person can get into telemetry by mistake. The one name of people's own choice is that of a job.
- A level is told when it is measured and not repeated: no process goes on telling what was true once.
- Measuring never fails and never changes what is decided.

Units are UCUM (ucum.org), as OpenTelemetry's semantic conventions for metrics ask.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from driftguard.flow.http_answers import ANSWER_CLASSES

OTHER = "other"
ALL = "*"
"""In place of a job or a target: the level of all of them together. It is told also where it is 0."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One thing that is measured. `kind` is counter, gauge or histogram; `unit` in UCUM; `attributes` are the names allowed."""

    kind: str
    unit: str
    told: str
    attributes: tuple[str, ...] = ()


INSTRUMENTS: dict[str, Instrument] = {
    "driftguard.openings": Instrument("counter", "{opening}", "Tries to open the guard with its store", ("outcome",)),
    "driftguard.checks": Instrument("counter", "{check}", "Checks that were answered", ("verdict", "mode", "job")),
    "driftguard.check.duration": Instrument("histogram", "s", "How long a check took", ("verdict", "mode")),
    "driftguard.records": Instrument("counter", "{record}", "Records that were answered", ("outcome", "job")),
    "driftguard.decisions": Instrument("counter", "{decision}", "Decisions that people took", ("decision",)),
    "driftguard.halts.open": Instrument("gauge", "{halt}", "Halts that let nothing pass", ("job",)),
    "driftguard.halts.oldest_age": Instrument("gauge", "s", "The age of the oldest of them", ("job",)),
    "driftguard.notes.waiting": Instrument("gauge", "{note}", "Notes that are not delivered yet", ("target",)),
    "driftguard.notes.oldest_age": Instrument("gauge", "s", "Since when the oldest of them waits", ("target",)),
    "driftguard.notes.sent": Instrument("counter", "{note}", "Notes that were sent", ("target", "outcome")),
    "driftguard.arm.requests": Instrument("counter", "{request}", "Requests to ARM", ("kind", "answer")),
    "driftguard.arm.throttled_seconds": Instrument("histogram", "s", "How long a request waited for ARM's limits"),
    "driftguard.storage.requests": Instrument("counter", "{request}", "Requests of the store", ("service", "answer")),
    "driftguard.blob.requests": Instrument("counter", "{request}", "Requests for guarded blobs", ("kind", "answer")),
    "driftguard.http.answers": Instrument("counter", "{answer}", "Answers of the service", ("route", "answer")),
    "driftguard.scan.duration": Instrument("histogram", "s", "How long a scan took"),
    "driftguard.scans": Instrument("counter", "{scan}", "Scans that ended", ("outcome",)),
    "driftguard.sweep.faults": Instrument("counter", "{fault}", "Faults of a sweep, by its part", ("part",)),
}

SPANS: dict[str, tuple[str, ...]] = {
    "driftguard.check": ("verdict", "mode", "job", "resources", "changed", "error"),
    "driftguard.record": ("outcome", "job", "resources", "error"),
    "driftguard.decide": ("decision", "error"),
    "driftguard.confirm": ("decision", "error"),
    "driftguard.scan": ("outcome", "jobs", "halted", "unclear", "error"),
    "driftguard.deliver": ("sent", "waiting", "error"),
}
"""The verbs by name, with the attributes of their spans."""

_NUMBER = re.compile(r"[0-9]{1,9}\Z")
_PART = r"(?:[a-z]{1,20}(?:-[a-z]{1,20})?|\{[a-z]{1,20}(?::path)?\})"  # of the address of a call: a word, or a {name}
_WORD = re.compile(r"[a-z]{1,20}(?:-[a-z]{1,20}){0,3}\Z")
_VERDICTS = frozenset({"proceed", "halt", "cannot-tell", "nothing-recorded", "busy", "refused", "failed"})
_SERVED = frozenset({"halt", "nothing-recorded", "unconditional", "busy", "could-not-tell"})

FORMS: Mapping[str, frozenset[str] | re.Pattern[str]] = {
    "verdict": _VERDICTS,
    "mode": frozenset({"check", "gate", "scan", "observe"}),
    "job": re.compile(r"(?:\*|[A-Za-z0-9][A-Za-z0-9._-]{0,99})\Z"),  # the rule of job names, and ALL
    "outcome": frozenset(
        {"opened", "recorded", "proposed", "held", "pending", "sent", "calm", "halted"}
        | {"refused", "busy", "cannot-tell", "failed"}
    ),
    "decision": frozenset({"overwrite", "keep", "stop", "waive", "confirm"}),
    "target": re.compile(r"(?:\*|[a-z]{1,20}(?:-[a-z]{1,20}){0,3})\Z"),
    "kind": frozenset(
        {"resource", "scope", "list", "deployment", "provider", "subscription", "activity-log", "blob", "container"}
    ),
    "answer": ANSWER_CLASSES | _SERVED,
    "service": frozenset({"table", "blob", "queue"}),
    "route": re.compile(rf"(?:none|(?:GET|POST)(?: (?:/{_PART}(?:\.{_PART})?){{1,6}}/?))\Z"),
    "part": frozenset({"purge", "anchor", "integrity", "telemetry"}),
    "error": _WORD,
    **dict.fromkeys(("resources", "changed", "jobs", "halted", "unclear", "sent", "waiting"), _NUMBER),
}  # fmt: skip
"""What a value of each attribute may be: one of a set, or of a short form."""


def strict(allowed: tuple[str, ...], attributes: Mapping[str, object]) -> dict[str, str]:
    """The attributes as they may be told: none that is not allowed, no value that is not of its form."""
    return {name: _of_form(name, str(attributes[name])) for name in allowed if name in attributes}


def _of_form(name: str, value: str) -> str:
    form = FORMS[name]
    if isinstance(form, frozenset):
        return value if value in form else OTHER
    return value if len(value) <= 200 and form.match(value) else OTHER


class Span(Protocol):
    """A piece of work that is under way."""

    def tell(self, **attributes: object) -> None:
        """Say more of it, by what `SPANS` allows."""
        ...


class Telemetry(Protocol):
    """Where measurements go."""

    def count(self, name: str, amount: int = 1, **attributes: str) -> None:
        """Add to a counter."""
        ...

    def level(self, name: str, value: float, **attributes: str) -> None:
        """Tell what a gauge says now; it is told once."""
        ...

    def took(self, name: str, seconds: float, **attributes: str) -> None:
        """Add to a histogram."""
        ...

    def span(self, name: str, **attributes: str) -> AbstractContextManager[Span]:
        """A piece of work, from entering to leaving; one that ends with an error says its kind only."""
        ...

    def joined(self, trace_parent: str) -> AbstractContextManager[None]:
        """Spans that begin inside belong to the trace that this W3C `traceparent` names; another text changes nothing."""
        ...

    def flush(self) -> None:
        """Send what was measured so far: takes at most a few seconds, and tells nobody where it fails."""
        ...


class _Unmeasured(Span):
    def tell(self, **attributes: object) -> None:
        pass


class NoTelemetry(Telemetry):
    """Measures nothing."""

    def count(self, name: str, amount: int = 1, **attributes: str) -> None:
        pass

    def level(self, name: str, value: float, **attributes: str) -> None:
        pass

    def took(self, name: str, seconds: float, **attributes: str) -> None:
        pass

    def span(self, name: str, **attributes: str) -> AbstractContextManager[Span]:
        return nullcontext(_Unmeasured())

    def joined(self, trace_parent: str) -> AbstractContextManager[None]:
        return nullcontext()

    def flush(self) -> None:
        pass


NO_TELEMETRY = NoTelemetry()
