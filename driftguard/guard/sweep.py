"""Sweep: what a scan of every job does besides judging: purge what was kept long enough, anchor the ledgers, measure.

Rules:
- None of it stops the others, and none of it changes a verdict; what went wrong is told and tried again by the next scan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from driftguard.errors import DriftGuardError
from driftguard.flow.policy import Policy
from driftguard.guard.anchor import Anchored, anchor_heads
from driftguard.guard.context import Guard
from driftguard.guard.retention import purge
from driftguard.guard.standing import measure_standing

T = TypeVar("T")


@dataclass(frozen=True)
class Swept:
    """`purged` counts rows and blobs that were removed, by kind; `anchored` names the anchor that was written now, or is
    empty; `faults` are one line each."""

    purged: Mapping[str, int] = field(default_factory=dict)
    anchored: str = ""
    faults: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"purged": dict(self.purged), "anchored": self.anchored, "faults": list(self.faults)}


def sweep(guard: Guard, policy: Policy) -> Swept:
    """Do all of it. Never raises for a part that fails."""
    faults: list[str] = []
    purged: Mapping[str, int] = _unless_it_fails("purge", lambda: purge(guard, policy), {}, faults)
    anchored = _unless_it_fails("anchor", lambda: anchor_heads(guard), Anchored(), faults)
    faults += [f"integrity: {fault}" for fault in anchored.faults]  # something was rewritten: an alert of its own
    _unless_it_fails("telemetry", lambda: measure_standing(guard), None, faults)
    return Swept(purged, anchored.name, tuple(faults))


def _unless_it_fails(what: str, step: Callable[[], T], otherwise: T, faults: list[str]) -> T:
    try:
        return step()
    except DriftGuardError as error:
        faults.append(f"{what}: {error}")
    except Exception as error:  # noqa: BLE001  # reason: the jobs were judged; what comes after must not hide that
        faults.append(f"{what}: an unforeseen {type(error).__name__}")
    return otherwise
