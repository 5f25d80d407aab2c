"""What a job remembers from check to check, in one blob: what stays silent, and since when a difference is seen.

Rules:
- A resource that is unreadable or in flight is counted, check by check, until it answers; 3 checks or 15 minutes are lasting.
- A difference is remembered by the live fingerprint with the time when it was first seen: the end of its bracket. Another
  state of the resource is another difference; one that is gone is forgotten.
- A check of named resources changes only what it remembers of them. A record begins with a clean sheet.
- A memory that is lost or damaged is an empty one. Silence is counted anew, and a difference is first seen by the next
  check: both only make a job wait longer, for a waiver or until the log has told of the longer bracket.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.moment import from_text, to_text
from driftguard.flow.ports import Store
from driftguard.flow.review import UNREAD
from driftguard.guard.blobs import Damaged, get_named, put_named
from driftguard.guard.context import LASTING_FOR, LASTING_TIMES
from driftguard.guard.rows import JobRow

_WRITTEN = (FindingKind.MOVED, FindingKind.MOVED_BY_JOB, FindingKind.GONE)


@dataclass(frozen=True)
class Memory:
    """`silent`: {key: {"since", "times"}}; `changed`: {key: {"fingerprint", "at"}}; moments as text."""

    silent: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    changed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def first_seen(self, finding: Finding) -> datetime | None:
        """When exactly this difference was first seen, or None where it is new."""
        known = self.changed.get(finding.ref.key)
        return from_text(known["at"]) if known and known["fingerprint"] == finding.fingerprint else None

    def lasts(self, finding: Finding, now: datetime) -> bool:
        """Whether a resource has been silent for long enough to halt."""
        known = self.silent.get(finding.ref.key)
        return bool(known and (known["times"] >= LASTING_TIMES or now - from_text(known["since"]) >= LASTING_FOR))

    def after(self, findings: Iterable[Finding], now: datetime, *, partial: bool) -> Memory:
        """The memory after a check that found this; `partial`: it read only some of the job's resources."""
        findings = list(findings)
        read = {finding.ref.key for finding in findings}
        silent = _kept(self.silent, read, partial)
        changed = _kept(self.changed, read, partial)
        for finding in findings:
            key = finding.ref.key
            if finding.kind in UNREAD:
                before = self.silent.get(key, {"since": to_text(now), "times": 0})
                silent[key] = {"since": before["since"], "times": before["times"] + 1}
                if key in self.changed:
                    changed[key] = self.changed[key]  # silence is not another state
            elif finding.kind in _WRITTEN:
                at = self.first_seen(finding) or finding.after.at or now
                changed[key] = {"fingerprint": finding.fingerprint, "at": to_text(at)}
        return Memory(silent, changed)


def load(store: Store, job: JobRow) -> Memory:
    """What the job remembers; nothing where that is lost or damaged. Raises StoreUnavailable for a store that is down."""
    if not job.memory:
        return Memory()
    try:
        return _from_json(get_named(store, job.memory))
    except (Damaged, KeyError, TypeError, ValueError, AttributeError):
        return Memory()


def save(store: Store, job: JobRow, memory: Memory) -> None:
    """Write the memory down, and let the job's row name it."""
    stored = {"silent": dict(memory.silent), "changed": dict(memory.changed)}
    # The key never comes back: what is remembered again is another blob than the one that is about to be removed.
    after = hashlib.sha256(job.memory.encode()).hexdigest()[:12]
    job.memory = put_named(store, f"{job.name}/memory/{after}", stored) if memory != Memory() else ""


def rename(store: Store, job: JobRow, fingerprints: Mapping[str, str]) -> None:
    """Remember differences by other fingerprints of the same states: {old: new}."""
    known = load(store, job)
    changed = {
        key: {**one, "fingerprint": fingerprints.get(one["fingerprint"], one["fingerprint"])}
        for key, one in known.changed.items()
    }
    if changed != known.changed:
        save(store, job, Memory(known.silent, changed))


def _from_json(stored: Any) -> Memory:
    """Raises KeyError, TypeError, ValueError or AttributeError for another form."""
    silent = {key: {"since": known["since"], "times": known["times"]} for key, known in stored["silent"].items()}
    changed = {
        key: {"fingerprint": known["fingerprint"], "at": known["at"]} for key, known in stored["changed"].items()
    }
    for moment in (*(one["since"] for one in silent.values()), *(one["at"] for one in changed.values())):
        from_text(moment)
    if not all(isinstance(one["times"], int) for one in silent.values()):
        raise TypeError("a count is no number")
    return Memory(silent, changed)


def _kept(known: Mapping[str, Any], read: Collection[str], partial: bool) -> dict[str, Any]:
    return {key: value for key, value in known.items() if partial and key not in read}
