"""Whether a live state is what another job recorded there: the part of a check that looks into the other jobs' baselines.

Rules:
- Only a state that the other job's own run is proven to have written, at the same api-version, is that job's.
- Where one of the two states holds marks that the other has not, since rules for secrets changed between them, both are
  brought to the same marks and compared again. What cannot be compared is nobody's.
"""

from __future__ import annotations

from contextlib import suppress

from driftguard.errors import SecretKeyMissing
from driftguard.flow.canonical import canonical, fingerprint
from driftguard.flow.record import Entry, Provenance, Snapshot
from driftguard.flow.resource import ResourceRef, scope_key
from driftguard.flow.secrets import align
from driftguard.guard import index
from driftguard.guard.blobs import Bodies, Damaged, load_baseline
from driftguard.guard.context import Guard
from driftguard.guard.work import Work


class Neighbours:
    """The baselines of the other jobs, each loaded once. Not to be kept longer than one check."""

    def __init__(self, guard: Guard, job: str) -> None:
        self._guard = guard
        self._job = job
        self._bodies = Bodies(guard.store)
        self._in_scope: dict[str, list[tuple[str, dict[str, Entry]]]] = {}

    def whose(self, entry: Entry, live: Snapshot) -> str:
        """The job whose own run is proven to have written exactly this state of the entry's resource, or empty."""
        for job, entries in self._of(scope_of(entry.ref)):
            other = entries.get(entry.ref.key)
            if other is None or other.api_version != live.api_version:
                continue
            if other.provenance is Provenance.CLEARANCE and other.proven and self._is_the_same(other, live):
                return job
        return ""

    def _is_the_same(self, other: Entry, live: Snapshot) -> bool:
        if other.fingerprint == live.fingerprint:
            return True
        with suppress(Damaged, SecretKeyMissing):
            theirs, ours = align(self._bodies.of(other).body, live.body, self._guard.sealer)
            return fingerprint(canonical(theirs, live.ref.type)) == fingerprint(canonical(ours, live.ref.type))
        return False

    def _of(self, scope: str) -> list[tuple[str, dict[str, Entry]]]:
        if scope not in self._in_scope:
            store = self._guard.store
            others = [Work(store, name, self._guard.clock.now()).job for name in index.jobs_in(store, scope)]
            self._in_scope[scope] = [
                (other.name, load_baseline(store, other.baseline).entries)
                for other in others
                if other.name != self._job and other.baseline and not other.retired_at
            ]
        return self._in_scope[scope]


def scope_of(ref: ResourceRef) -> str:
    """The scope under which the index knows a resource: what holds it, else its subscription, else the tenant."""
    return scope_key(ref)
