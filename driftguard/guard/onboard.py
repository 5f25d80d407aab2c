"""Onboard: what a first check of a job would report, before anything of it is recorded.

Rules:
- What is named is resolved exactly as a record does it, and compared as a check does it (two_looks.py).
- Nothing is recorded, opened or told. A store that is there is read for two things only: whether the job is recorded
  already, and which other jobs guard the same resources.
- What stands beside the named resources in their resource groups is listed, never read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from driftguard.errors import WrongUse
from driftguard.flow.attribute import Principal
from driftguard.flow.check import FindingKind
from driftguard.flow.policy import JobPolicy, Mode, Response
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.guard import index
from driftguard.guard.blobs import Damaged, load_baseline
from driftguard.guard.context import Guard
from driftguard.guard.naming import Named, resolve
from driftguard.guard.neighbours import scope_of
from driftguard.guard.recorded import Naming, Recording
from driftguard.guard.two_looks import Looks, NothingWritten, PassingKey, look_twice
from driftguard.guard.work import Work, require_job_name


@dataclass(frozen=True, slots=True)
class Onboarding:
    """A call of onboard. `watch`: seconds between the two looks; `principals`: who the job's entry is to name as its own."""

    job: str
    naming: Naming
    watch: float = 60.0
    principals: tuple[Principal, ...] = ()


@dataclass(frozen=True)
class Beside:
    """What a resource group lists and nobody named. `listed` is empty, and `detail` says why, where it is not known whole."""

    scope: ResourceRef
    strangers: tuple[ResourceRef, ...]
    complete: bool = True
    detail: str = ""


@dataclass(frozen=True)
class Onboarded:
    """What a first check would report.

    `beside` is what stands unnamed in the resource groups of what is named; `not_in_body` are settings that the body of a
    type does not hold, `without_table` types of which no table says what Azure writes itself; `guarded_by` are other jobs
    by resource id. `generation` is 0 for a job that is not recorded; `is_enforced` says that its runs are stopped today.
    """

    job: str
    policy: str
    watch: float
    looks: Looks
    beside: tuple[Beside, ...]
    on_unmanaged: Response
    not_in_body: Mapping[str, tuple[str, ...]]
    without_table: tuple[str, ...]
    guarded_by: Mapping[str, tuple[str, ...]]
    generation: int = 0
    is_enforced: bool = False
    told: tuple[str, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """2 where something could not be read or listed, else 0."""
        unread = any(finding.kind is FindingKind.UNREADABLE for finding in self.looks.silent)
        return 2 if unread or not all(one.complete for one in self.beside) else 0


def onboard(guard: Guard, call: Onboarding, key: bytes) -> Onboarded:
    """Look twice at what is named. `key`: 32 unpredictable bytes, to seal secrets with meanwhile.

    Raises WrongUse, NotFound, Busy, OtherScope, CannotTell, Unavailable, BadConfiguration. Writes nothing.
    """
    require_job_name(call.job)
    if not call.naming:
        raise WrongUse(
            f"nothing is named to guard for the job {call.job}",
            "name it: --deployment ID, --resource ID, --resource-group ID, --subscription ID or --ids-file F",
        )
    guard = replace(guard, store=NothingWritten(guard.store), sealer=PassingKey(key))
    policy = guard.policy()
    rules = policy.for_job(call.job)
    rules = replace(rules, principals=(*rules.principals, *call.principals))
    work = Work(guard.store, call.job, guard.clock.now())
    named = resolve(guard, work, Recording(call.job, None, naming=call.naming))

    def wait() -> None:
        guard.clock.sleep(call.watch)

    looks = look_twice(guard, call.job, policy, rules, named.refs, wait if call.watch else lambda: None)
    looks = _without_stale_rows(looks, named)
    types = sorted({ref.type for ref in named.refs}, key=str.lower)
    guarded_by, told = _guarded_by_others(guard, call.job, named.refs)
    return Onboarded(
        call.job,
        f"{policy.source} ({policy.digest[:12]})",
        call.watch,
        looks,
        tuple(_beside(guard, call.naming, named.refs)),
        rules.on_unmanaged,
        {kind: parts for kind in types if (parts := policy.unread(kind))},
        tuple(kind for kind in types if policy.platform(kind) is None),
        guarded_by,
        work.job.generation,
        _is_enforced(work, rules),
        (*told, *([_NO_PRINCIPAL] if not rules.principals else [])),
    )


_NO_PRINCIPAL = (
    "no principal is named: without one (--principal APP_ID) the job's own writes cannot be told from other automation"
)


def _is_enforced(work: Work, rules: JobPolicy) -> bool:
    recorded = bool(work.job.baseline) and not work.job.retired_at
    return recorded and rules.mode is Mode.ENFORCE


def _without_stale_rows(looks: Looks, named: Named) -> Looks:
    """ARM's lists show a deleted resource for a while: what only a list names, and is not there, is nothing to guard."""
    left = tuple(
        finding
        for finding in looks.silent
        if not (finding.kind is FindingKind.GONE and finding.ref.key in named.only_listed)
    )
    return replace(looks, silent=left)


def _beside(guard: Guard, naming: Naming, refs: Sequence[ResourceRef]) -> list[Beside]:
    """The resource groups of what is named, without those that are named whole."""
    whole = [parse_ref(text, cloud=guard.cloud).key + "/" for text in naming.scopes]
    groups = {scope_of(ref): "/".join(ref.id.split("/")[:5]) for ref in refs if ref.resource_group}
    known = {ref.key for ref in refs}
    found = []
    for group, text in sorted(groups.items()):
        if any(f"{group}/".startswith(scope) for scope in whole):
            continue
        members = guard.reader.members(parse_ref(text, cloud=guard.cloud))
        strangers = tuple(ref for ref in members.refs if ref.key not in known)
        found.append(Beside(members.scope, strangers, members.complete, members.detail))
    return found


def _guarded_by_others(
    guard: Guard, job: str, refs: Sequence[ResourceRef]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """The other jobs that have recorded one of the resources, by its id; and what of that could not be told."""
    others = sorted({name for scope in {scope_of(ref) for ref in refs} for name in index.jobs_in(guard.store, scope)})
    guarding: dict[str, tuple[str, ...]] = {}
    told = []
    for name in others:
        row = Work(guard.store, name, guard.clock.now()).job
        if name == job or row.retired_at or not row.baseline:
            continue
        try:
            entries = load_baseline(guard.store, row.baseline).entries
        except Damaged as error:
            told.append(f"what the job {name} guards cannot be told: {error.message}")
            continue
        for ref in refs:
            if ref.key in entries:
                guarding[ref.id] = (*guarding.get(ref.id, ()), name)
    return guarding, tuple(told)
