"""Whether the readings of one resource agree, and what is told where they do not.

Rules:
- Readings agree where they say the same: as recorded, or differing in exactly the same way.
- A path that differs in one reading and not in another, or differs otherwise, flaps: it is named, so that a person can look
  at it and a rule can be written for it.
- Where the last readings agree, what they say counts. Where they never agree nothing does: the resource is in flight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.halt import difference_digest
from driftguard.flow.path import Path, format_path, path_order
from driftguard.flow.reading import Cause, Json

CALM = (FindingKind.UNCHANGED, FindingKind.TOUCHED)
_TOLD = 5  # paths; a report of more helps nobody


@dataclass
class Readings:
    """What the readings of one resource said, in order."""

    _states: list[str] = field(default_factory=list)
    _changes: list[dict[Path, Json]] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """One more reading."""
        self._states.append("" if finding.kind in CALM else difference_digest([finding]))
        self._changes.append({change.path: change.after for change in finding.configuration})

    def agree(self, needed: int) -> bool:
        """Whether the last `needed` readings say the same."""
        return len(self._states) >= needed and len(set(self._states[-needed:])) == 1

    @property
    def disagreed(self) -> bool:
        """Whether any two readings said something else."""
        return len(set(self._states)) > 1

    def flapping(self) -> tuple[Path, ...]:
        """The paths on which readings said something else, sorted."""
        every = {path for changes in self._changes for path in changes}
        return tuple(sorted((path for path in every if not self._is_steady(path)), key=path_order))

    def _is_steady(self, path: Path) -> bool:
        first = self._changes[0].get(path, _NOT_DIFFERENT)
        return all(changes.get(path, _NOT_DIFFERENT) == first for changes in self._changes)


_NOT_DIFFERENT = object()


def told(finding: Finding, readings: Readings, needed: int) -> Finding:
    """The last finding of a resource, with what its readings disagreed on."""
    if not readings.disagreed:
        return finding
    where = _named(readings.flapping())
    if not readings.agree(needed):
        detail = f"flapping{where}: its readings did not agree; somebody may be writing, or a replica lags behind"
        unclear = replace(finding, kind=FindingKind.IN_FLIGHT, cause=Cause.IN_FLIGHT, detail=detail)
        return replace(unclear, changes=(), fingerprint="", other_job="")
    if finding.kind in CALM:
        detail = f"flapping{where}: it differed in one reading and not in the last ones"
        return replace(finding, kind=FindingKind.TOUCHED, detail=detail)
    return replace(finding, detail=f"flapping{where}: an earlier reading said something else; the last ones agree")


def _named(paths: Sequence[Path]) -> str:
    if not paths:
        return ""
    more = f" and {len(paths) - _TOLD} more" if len(paths) > _TOLD else ""
    return " at " + ", ".join(format_path(path) for path in paths[:_TOLD]) + more
