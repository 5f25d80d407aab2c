"""What counts as a secret of a job's resources now, for what was stored when less of it did.

Rules:
- What is a mark stays one; only what became a secret since is sealed, by the key by which the rest of it was sealed.
- Where no rule of the policy names a path of the resource, and no more is known of secrets than before, nothing is done.
- Of a change that a halt or an evidence holds only the path is known: rather too much of it is sealed than too little.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from driftguard.errors import OtherScope, WrongUse
from driftguard.flow.diff import MISSING, Change
from driftguard.flow.path import Path
from driftguard.flow.policy import Policy
from driftguard.flow.ports import Sealer
from driftguard.flow.reading import Json
from driftguard.flow.record import Snapshot, reseal_snapshot
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.flow.secrets import SECRETS_VERSION, reseal, reseal_part
from driftguard.guard.context import Guard
from driftguard.guard.reseal_details import sealed_detail
from driftguard.guard.rows import JobRow


@dataclass(frozen=True)
class Sealing:
    """The rules for secrets of today, for one job. `more_known`: more counts as a secret by itself than when it was sealed."""

    sealer: Sealer
    policy: Policy
    today: date
    job: JobRow
    more_known: bool

    @staticmethod
    def of(guard: Guard, policy: Policy, job: JobRow) -> Sealing:
        """The rules for what is stored of this job."""
        same = job.sealed.startswith(f"{SECRETS_VERSION}:")
        return Sealing(guard.sealer, policy, guard.today(), job, not same)

    def concerns(self, ref: ResourceRef) -> bool:
        """Whether anything of the resource can have become a secret."""
        return self.more_known or bool(self.policy.redact(ref, self.today))

    def snapshot(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot, sealed once more; the same object where nothing of it became a secret.

        Raises SecretKeyMissing.
        """
        if not self.concerns(snapshot.ref):
            return snapshot
        return reseal_snapshot(snapshot, self.sealer, self.policy.redact(snapshot.ref, self.today))

    def change(self, ref: ResourceRef, change: Change, key_id: str = "") -> Change:
        """A change, sealed once more by what its path tells; the same object where nothing of it became a secret."""
        if not self.concerns(ref):
            return change
        path, before = self._part(ref, change.path, change.before, key_id)
        _, after = self._part(ref, change.path, change.after, key_id)
        same = (path, before, after) == (change.path, change.before, change.after)
        return change if same else replace(change, path=path, before=before, after=after)

    def detail(self, ref: ResourceRef, text: str, key_id: str = "") -> str:
        """What is told of a finding, with the paths in it sealed once more."""
        if not self.concerns(ref):
            return text
        return sealed_detail(text, lambda path: self._part(ref, path, MISSING, key_id)[0])

    def _part(self, ref: ResourceRef, path: Path, value: Any, key_id: str) -> tuple[Path, Any]:
        there = None if value is MISSING else value
        redact = self.policy.redact(ref, self.today)
        path, sealed = reseal_part(path, there, self.sealer, redact, key_id=key_id or None)
        return path, value if value is MISSING else sealed

    def holds_secret(self, body: Json) -> bool:
        """Whether a stored body that no list names any more holds what is a secret now; one that does not say whose it is may."""
        try:
            ref = self.ref(body.get("id") if isinstance(body, dict) else None)
        except (WrongUse, OtherScope):
            return True
        redact = self.policy.redact(ref, self.today)
        return self.concerns(ref) and reseal(body, self.sealer, redact, type_=ref.type) != body

    def ref(self, text: Any) -> ResourceRef:
        """The resource of this id in the job's cloud and tenant. Raises WrongUse, OtherScope."""
        return parse_ref(str(text), cloud=self.job.cloud, tenant=self.job.tenant)
