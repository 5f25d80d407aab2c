"""The two bodies of one resource that a check compared, for what is told of it beside the verdict.

Rules:
- The live body is the very reading that was judged: it is remembered on its way to the observer, never read again.
- Both are sealed, and aligned as for a check. Neither is stored, and neither leaves this process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from driftguard.flow.canonical import canonical
from driftguard.flow.check import FindingKind
from driftguard.flow.identity import Standing
from driftguard.flow.normalised import Normalised, normalised
from driftguard.flow.path import Path
from driftguard.flow.ports import Reader, Sealer
from driftguard.flow.reading import Deployment, Json, Members, Reading, Wanted
from driftguard.flow.record import Snapshot
from driftguard.flow.resource import ResourceRef
from driftguard.flow.secrets import align
from driftguard.flow.treated import Treated, treated

COMPARED = (FindingKind.UNCHANGED, FindingKind.TOUCHED, FindingKind.MOVED, FindingKind.MOVED_BY_JOB)


class Remembering:
    """A reader that keeps the last reading of each resource."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.last: dict[str, Reading] = {}

    def read(self, wanted: Iterable[Wanted], *, budget: float) -> Iterator[Reading]:
        """As the reader does."""
        for reading in self._reader.read(wanted, budget=budget):
            self.last[reading.ref.key] = reading
            yield reading

    def members(self, scope: ResourceRef) -> Members:
        """As the reader does."""
        return self._reader.members(scope)

    def deployment(self, ref: ResourceRef) -> Deployment:
        """As the reader does."""
        return self._reader.deployment(ref)

    def tenant_of(self, subscription: str) -> str:
        """As the reader does."""
        return self._reader.tenant_of(subscription)


@dataclass(frozen=True)
class Compared:
    """The stored and the live body of a resource, sealed. `after` is None where nothing was compared."""

    before: Json
    after: Json
    type_: str

    @property
    def is_compared(self) -> bool:
        """Whether there is a live body that was compared."""
        return self.after is not None

    @cached_property
    def standing(self) -> Standing:
        """Finds what stands at a path in the canonical forms, as the diff has it."""
        bodies = (self.before, self.after) if self.is_compared else (self.before,)
        return Standing(*(canonical(body, self.type_) for body in bodies))

    @cached_property
    def normalised(self) -> tuple[Normalised, ...]:
        """The raw differences that the canonical form makes equal."""
        return normalised(self.before, self.after, self.type_) if self.is_compared else ()

    def treated(self, path: Path) -> Treated:
        """What the canonical form does with a path."""
        return treated(self.before, self.after, self.type_, path)


def compared(stored: Snapshot, live: Snapshot | None, sealer: Sealer) -> Compared:
    """The bodies behind a finding of one of the kinds COMPARED; the stored one alone otherwise. Raises SecretKeyMissing."""
    if live is None:
        return Compared(stored.body, None, stored.ref.type)
    return Compared(*align(stored.body, live.body, sealer), stored.ref.type)
