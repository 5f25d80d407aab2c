"""What a deployment left: the accepted snapshots of a job, its baseline.

Rules:
- A baseline is one immutable set with a number, its generation; a record swaps the whole set or nothing.
- Nothing is taken from a resource in a non-terminal state, or from an answer that could not be read: it is *pending*.
- What a run did not name keeps its old snapshot.
- A resource keeps its old snapshot, and is *held* by a new halt, where an overwrite left the manual change in place or
  where somebody else wrote between clearance and record. Where a kept change was reverted, the kept state becomes the
  snapshot: the difference stays visible until a person decides on it (the old one would call the reverted state good).
- A recorded resource that is gone after the run is *retired* where the run is known to have deleted it, or its deletion
  was kept. It waits while a log may still tell; otherwise somebody else deleted it, or nobody knows: it is held.
- A secret is never part of a snapshot: bodies are sealed first, and sealed again where more counts as a secret later.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from driftguard.flow.canonical import canonical, fingerprint
from driftguard.flow.moment import from_text, to_text
from driftguard.flow.path import PatternSet
from driftguard.flow.ports import Sealer
from driftguard.flow.reading import ETags, Json, Reading
from driftguard.flow.resource import ResourceRef
from driftguard.flow.secrets import reseal, seal


class Provenance(StrEnum):
    """How a snapshot became accepted."""

    FIRST = "first record"
    CLEARANCE = "record under a clearance"
    PROPOSAL = "accepted proposal"
    KEPT = "kept by a decision"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One accepted or live reading, sealed: `body` has marks in place of secrets, `at` is the server's time."""

    ref: ResourceRef
    api_version: str
    etags: ETags
    fingerprint: str
    at: datetime
    body: dict[str, Json]
    request_id: str | None = None
    correlation_id: str | None = None
    key_id: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"entry": Entry.of(self).to_dict(), "body": self.body}

    @staticmethod
    def from_dict(stored: dict[str, Any]) -> Snapshot:
        """The inverse of `to_dict`."""
        return Entry.from_dict(stored["entry"]).with_body(stored["body"])


@dataclass(frozen=True, slots=True)
class Entry:
    """A snapshot without its body, as it stands in a baseline's list.

    `key_id` names the key of its secret marks; `pack` and `line` say where the body is stored; `proven` that the job's own
    run is known to have written this state.
    """

    ref: ResourceRef
    api_version: str
    etags: ETags
    fingerprint: str
    at: datetime
    request_id: str | None = None
    correlation_id: str | None = None
    key_id: str = ""
    pack: str = ""
    line: int = 0
    provenance: Provenance = Provenance.FIRST
    proven: bool = False

    @staticmethod
    def of(snapshot: Snapshot, **more: Any) -> Entry:
        """The entry of a snapshot."""
        return Entry(
            snapshot.ref,
            snapshot.api_version,
            snapshot.etags,
            snapshot.fingerprint,
            snapshot.at,
            snapshot.request_id,
            snapshot.correlation_id,
            snapshot.key_id,
            **more,
        )

    def with_body(self, body: dict[str, Json]) -> Snapshot:
        """The snapshot with its body."""
        return Snapshot(
            self.ref,
            self.api_version,
            self.etags,
            self.fingerprint,
            self.at,
            body,
            self.request_id,
            self.correlation_id,
            self.key_id,
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        ref, etags = self.ref, self.etags
        return {
            "ref": [ref.kind, ref.cloud, ref.tenant, ref.key, ref.type, ref.id],
            "api_version": self.api_version,
            "etags": [etags.header, etags.body, etags.properties],
            "fingerprint": self.fingerprint,
            "at": to_text(self.at),
            "request_id": self.request_id,
            "correlation_id": self.correlation_id,
            "key_id": self.key_id,
            "pack": self.pack,
            "line": self.line,
            "provenance": str(self.provenance),
            "proven": self.proven,
        }

    @staticmethod
    def from_dict(stored: dict[str, Any]) -> Entry:
        """The inverse of `to_dict`."""
        return Entry(
            ref=ResourceRef(*stored["ref"]),
            api_version=stored["api_version"],
            etags=ETags(*stored["etags"]),
            fingerprint=stored["fingerprint"],
            at=from_text(stored["at"]),
            request_id=stored["request_id"],
            correlation_id=stored["correlation_id"],
            key_id=stored["key_id"],
            pack=stored["pack"],
            line=stored["line"],
            provenance=Provenance(stored["provenance"]),
            proven=stored["proven"],
        )


@dataclass(frozen=True, slots=True)
class Baseline:
    """A job's accepted set. `selectors` are the scopes and ids that its last record named (`{"deployment": [ids], …}`)."""

    job: str
    generation: int
    at: datetime
    by: str
    run: str | None
    ticket: str | None
    entries: dict[str, Entry] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "job": self.job,
            "generation": self.generation,
            "at": to_text(self.at),
            "by": self.by,
            "run": self.run,
            "ticket": self.ticket,
            "entries": [entry.to_dict() for entry in self.entries.values()],
        }

    @staticmethod
    def from_dict(stored: dict[str, Any]) -> Baseline:
        """The inverse of `to_dict`."""
        entries = [Entry.from_dict(entry) for entry in stored["entries"]]
        return Baseline(
            stored["job"],
            stored["generation"],
            from_text(stored["at"]),
            stored["by"],
            stored["run"],
            stored["ticket"],
            {entry.ref.key: entry for entry in entries},
        )


def take_snapshot(reading: Reading, sealer: Sealer, redact: PatternSet, *, key_id: str | None = None) -> Snapshot:
    """The sealed snapshot of a FOUND reading; secrets are marked by `key_id`, by default the active key.

    Raises SecretKeyMissing, and TooDeep for a body that cannot be brought into canonical form.
    """
    if reading.body is None:
        raise ValueError("only a reading that found the resource has a snapshot")
    body = seal(reading.body, sealer, redact, key_id=key_id, type_=reading.ref.type)
    return Snapshot(
        reading.ref,
        reading.api_version,
        reading.etags,
        fingerprint(canonical(body, reading.ref.type)),
        reading.at,
        body,
        reading.request_id,
        reading.correlation_id,
        key_id or sealer.key_id,
    )


def reseal_snapshot(snapshot: Snapshot, sealer: Sealer, redact: PatternSet) -> Snapshot:
    """The snapshot with what became a secret since as marks, by its own key; the same object where nothing did.

    Raises SecretKeyMissing, and TooDeep.
    """
    key_id = snapshot.key_id or None
    return with_sealed_body(snapshot, reseal(snapshot.body, sealer, redact, key_id=key_id, type_=snapshot.ref.type))


def with_sealed_body(snapshot: Snapshot, body: Json) -> Snapshot:
    """The snapshot with the same body in which more is a mark; the same object where nothing is. Raises TooDeep."""
    if body == snapshot.body or not isinstance(body, dict):
        return snapshot
    return replace(snapshot, body=body, fingerprint=fingerprint(canonical(body, snapshot.ref.type)))


class Fate(StrEnum):
    """What a record does with one resource."""

    RECORDED = "recorded"
    UNTOUCHED = "keeps its old snapshot"
    PENDING = "pending"
    RETIRED = "retired"
    HELD = "held by a halt"
    REVERTED = "reverted: held by a halt"


@dataclass(frozen=True, slots=True)
class Traces:
    """What a record knows of one resource after the run.

    `decided_badly`: an overwrite left the manual change in place, or what was waived is still unreadable. `reverted`: a
    kept change is no longer there. `foreign_write`: somebody else wrote between clearance and record. `named`: this run
    named the resource. `own_deletion`: the run deleted it, or its deletion was kept. `log_complete`: a source has told
    everything up to the reading.
    """

    found: bool
    gone: bool
    settled: bool
    named: bool
    recorded: bool
    foreign_write: bool = False
    decided_badly: bool = False
    reverted: bool = False
    own_deletion: bool = False
    log_complete: bool = False


def fate_of(traces: Traces) -> Fate:
    """The fate, by the rules of this module, most careful first."""
    if not traces.gone and not (traces.found and traces.settled):
        if traces.decided_badly and traces.recorded:
            return Fate.HELD
        return Fate.PENDING if traces.named or traces.foreign_write else Fate.UNTOUCHED
    if traces.reverted:
        return Fate.REVERTED
    if traces.decided_badly or (traces.foreign_write and traces.recorded):
        return Fate.HELD
    if traces.gone:
        return _fate_of_gone(traces)
    return Fate.RECORDED if traces.named else Fate.UNTOUCHED


def _fate_of_gone(traces: Traces) -> Fate:
    if not traces.recorded:
        return Fate.PENDING  # named, and not there (yet)
    if traces.own_deletion:
        return Fate.RETIRED
    return Fate.HELD if traces.log_complete else Fate.PENDING
