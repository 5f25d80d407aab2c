"""The call of a record, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field

from driftguard.flow.record import Fate, Provenance
from driftguard.flow.resource import ResourceRef
from driftguard.flow.review import Person
from driftguard.guard import accepting
from driftguard.guard.rows import HaltRow


@dataclass(frozen=True, slots=True)
class Naming:
    """What a run names: ids of deployments, resources, and scopes (resource groups, subscriptions)."""

    deployments: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.deployments or self.resources or self.scopes)


@dataclass(frozen=True, slots=True)
class Recording:
    """A call of record. `after_failure`: the run failed, and what it left is recorded all the same.

    `caller` is the id of who records through a service; empty in process.
    """

    job: str
    run: str | None
    clearance: str | None = None
    naming: Naming = Naming()
    stage: str | None = None
    ticket: str | None = None
    started_by: Person | None = None
    after_failure: bool = False
    caller: str = ""


@dataclass(frozen=True)
class Recorded:
    """What a record did. `proposal` is set where a reviewer must accept it; `halt` where something is held."""

    job: str
    record: str
    generation: int
    provenance: Provenance | None
    taken: tuple[accepting.Taken, ...]
    proposal: str | None = None
    halt: HaltRow | None = None
    resolved: HaltRow | None = None
    told: tuple[str, ...] = field(default=())

    def refs(self, fate: Fate) -> list[ResourceRef]:
        """The resources with this fate."""
        return [item.seen.finding.ref for item in self.taken if item.fate is fate]

    @property
    def exit_code(self) -> int:
        """1 where something is held, 4 where something is pending, else 0 (a proposal too: nothing is wrong)."""
        if self.halt:
            return 1
        return 4 if self.refs(Fate.PENDING) else 0
