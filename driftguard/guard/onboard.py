"""Onboard: what a first check of a job would report, before anything of it is recorded.

Rules:
- What is named is resolved exactly as a record does it, and compared as a check does it (two_looks.py).
- Nothing is recorded, opened or told. A store that is there is read for two things only: whether the job is recorded
  already, and which other jobs guard the same resources.
- What stands beside the named resources in their resource groups is listed, never read.
- A scope that cannot be listed whole is told, and everything else that is named is looked at all the same.
- A store that cannot be read is told too: then it is not known whether the job is recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from driftguard.errors import BadConfiguration, StoreUnavailable, WrongUse
from driftguard.flow.attribute import Principal
from driftguard.flow.check import FindingKind
from driftguard.flow.decide import Verdict
from driftguard.flow.policy import JobPolicy, Mode, Response
from driftguard.flow.ports import Reader
from driftguard.flow.reading import Deployment, Members, Reading, Wanted
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
    """A call of onboard. `watch`: seconds between the two looks; `principals`: who the job's entry is to name as its own.

    `log_latency`: seconds after which the sources are taken to have told everything; `wait_for_authors`: wait that long
    where something counts, before they are asked who wrote it.
    """

    job: str
    naming: Naming
    watch: float = 60.0
    principals: tuple[Principal, ...] = ()
    log_latency: float = 1200.0
    wait_for_authors: bool = False


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
    `not_listed` are named scopes that could not be listed whole; `store_problem` is one line where the store cannot be read.
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
    not_listed: tuple[Members, ...] = ()
    store_problem: str = ""
    log_latency: float = 1200.0

    @property
    def verdict(self) -> Verdict:
        """What a check would answer; nothing is proceeded with where a scope is not known whole."""
        unknown = self.not_listed and self.looks.verdict is Verdict.PROCEED
        return Verdict.CANNOT_TELL if unknown else self.looks.verdict

    @property
    def exit_code(self) -> int:
        """2 where something could not be read or listed, else 0."""
        unread = any(finding.kind is FindingKind.UNREADABLE for finding in self.looks.silent)
        return 2 if unread or self.not_listed or not all(one.complete for one in self.beside) else 0


def onboard(guard: Guard, call: Onboarding, key: bytes) -> Onboarded:
    """Look twice at what is named. `key`: 32 unpredictable bytes, to seal secrets with meanwhile.

    Raises WrongUse, NotFound, Busy, OtherScope, Unavailable, BadConfiguration of the policy. Writes nothing.
    """
    require_job_name(call.job)
    if not call.naming:
        raise WrongUse(
            f"nothing is named to guard for the job {call.job}",
            "name it: --deployment ID, --resource ID, --resource-group ID, --subscription ID, --container URL or --ids-file F",
        )
    store_problem = _store_problem(guard)
    lists = _Lists(guard.reader)
    store = NothingWritten(None if store_problem else guard.store)
    guard = replace(guard, store=store, sealer=PassingKey(key), reader=lists)
    policy = guard.policy()
    rules = policy.for_job(call.job)
    rules = replace(rules, principals=(*rules.principals, *call.principals))
    work = Work(guard.store, call.job, guard.clock.now())
    named, not_listed = _named(guard, work, call, lists)

    def wait() -> None:
        guard.clock.sleep(call.watch)

    def wait_for_authors() -> None:
        if call.wait_for_authors:
            guard.clock.sleep(call.log_latency)

    looks = look_twice(
        guard, call.job, policy, rules, named.refs, wait if call.watch else lambda: None, wait_for_authors
    )
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
        not_listed,
        store_problem,
        call.log_latency,
    )


_NO_PRINCIPAL = (
    "no principal is named: without one (--principal APP_ID) the job's own writes cannot be told from other automation"
)


class _Lists(Reader):
    """The reader, asked for each list once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[str, Members] = {}

    def read(self, wanted: Iterable[Wanted], *, budget: float) -> Iterator[Reading]:
        return self._reader.read(wanted, budget=budget)

    def members(self, scope: ResourceRef) -> Members:
        if scope.key not in self._known:
            self._known[scope.key] = self._reader.members(scope)
        return self._known[scope.key]

    def deployment(self, ref: ResourceRef) -> Deployment:
        return self._reader.deployment(ref)

    def tenant_of(self, subscription: str) -> str:
        return self._reader.tenant_of(subscription)


def _store_problem(guard: Guard) -> str:
    """One line where the store cannot be read, else empty."""
    try:
        guard.store.partitions()
    except (StoreUnavailable, BadConfiguration) as error:
        return error.message
    return ""


def _named(guard: Guard, work: Work, call: Onboarding, lists: _Lists) -> tuple[Named, tuple[Members, ...]]:
    """What is named, and the scopes that were not listed whole; what those list all the same is looked at too."""
    listed = {text: lists.members(parse_ref(text, cloud=guard.cloud)) for text in call.naming.scopes}
    broken = tuple(members for members in listed.values() if not members.complete)
    if not broken:
        return resolve(guard, work, Recording(call.job, None, naming=call.naming)), ()
    partly = [ref for members in broken for ref in members.refs]
    whole = tuple(text for text, members in listed.items() if members.complete and members.refs)
    naming = replace(call.naming, resources=(*call.naming.resources, *(ref.id for ref in partly)), scopes=whole)
    if not naming:
        return Named((), {}, (), frozenset()), broken
    named = resolve(guard, work, Recording(call.job, None, naming=naming))
    one_by_one = {parse_ref(text, cloud=guard.cloud).key for text in call.naming.resources}
    only_listed = named.only_listed | ({ref.key for ref in partly} - one_by_one)
    return replace(named, only_listed=frozenset(only_listed)), broken


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
