"""Explain: which rule decided on one resource, or on one path of it, as it is live now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from driftguard.errors import NotFound
from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.classify import ChangeClass
from driftguard.flow.decide import judge
from driftguard.flow.path import Path, format_path, parse_path
from driftguard.flow.policy import Policy
from driftguard.flow.record import Entry
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.guard.blobs import load_baseline
from driftguard.guard.context import Guard
from driftguard.guard.looking import attributed
from driftguard.guard.observe import Observer
from driftguard.guard.work import Work


@dataclass(frozen=True, slots=True)
class PathTold:
    """One path: its class, the rule or table row that decided, and whether it differs now.

    `why` and `owner` are the rule's `reason` and `owner`, empty where the policy names none.
    """

    path: str
    kind: str
    rule: str
    differs: bool
    why: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Explained:
    """One resource: how it was recorded, what is found of it now, what that means, and each path that differs."""

    job: str
    entry: Entry
    finding: Finding
    action: str
    reason: str
    severity: str
    paths: tuple[PathTold, ...]
    not_in_body: tuple[str, ...]
    policy: str

    @property
    def exit_code(self) -> int:
        """2 where the resource could not be read, else 0."""
        return 2 if self.finding.kind is FindingKind.UNREADABLE else 0


def explain(guard: Guard, job: str, resource: str, path: str | None = None) -> Explained:
    """Read one resource and say why it is judged as it is. Raises NotFound, WrongUse, Unavailable. Writes nothing."""
    policy = guard.policy()
    work = Work(guard.store, job, guard.clock.now())
    if not work.job.baseline:
        raise NotFound(f"nothing is recorded for the job {job}", f"run `driftguard record --job {job} …`")
    baseline = load_baseline(guard.store, work.job.baseline)
    entry = _entry(baseline.entries, resource, work.job.cloud)
    rules = policy.for_job(job)
    observer = Observer(guard, work.job, policy, baseline.entries)
    seen = attributed(guard, work.job, rules, observer.observe_each([entry]))
    finding = seen[0].finding
    judged = judge([finding], rules).judged[0]
    teller = _Teller(policy, entry.ref, guard.today())
    told = [teller.told(change.path, change.kind, change.rule, differs=True) for change in finding.changes]
    if path is not None:
        told = [_one(observer, teller, path, told)]
    return Explained(
        job,
        entry,
        finding,
        str(judged.action),
        judged.reason,
        str(policy.severity(entry.ref, guard.today())),
        tuple(told),
        policy.unread(entry.ref.type),
        f"{policy.source} ({policy.digest[:12]})",
    )


_NOBODY = "no rule vouches for it, so it counts"


@dataclass(frozen=True)
class _Teller:
    """Tells paths of one resource with what the policy says of the rule."""

    policy: Policy
    ref: ResourceRef
    today: date

    def told(self, path: Path, kind: ChangeClass, rule: str | None, *, differs: bool) -> PathTold:
        written = self.policy.rule(rule, self.ref, self.today) if rule else None
        why, owner = (written.reason, written.owner) if written else ("", "")
        return PathTold(format_path(path), str(kind), rule or _NOBODY, differs, why, owner)


def _one(observer: Observer, teller: _Teller, text: str, told: list[PathTold]) -> PathTold:
    try:
        path = parse_path(text)
    except ValueError as error:
        raise NotFound(str(error), "write it as `properties.subnets[name=default].properties.addressPrefix`") from error
    for one in told:
        if one.path == format_path(path):
            return one
    kind, rule = observer.rules_of(teller.ref).classify(path)
    return teller.told(path, kind, rule, differs=False)


def _entry(entries: dict[str, Entry], text: str, cloud: str) -> Entry:
    """The entry that a full id, or a name that is unique in the job, names."""
    if text.startswith(("/", "https://")):
        found = entries.get(parse_ref(text, cloud=cloud).key)
        matches = [found] if found else []
    else:
        matches = [entry for entry in entries.values() if entry.ref.name.lower() == text.lower()]
    if len(matches) != 1:
        raise NotFound(
            f"{len(matches)} recorded resources are called {text}", "give the full id: see driftguard jobs show"
        )
    return matches[0]
