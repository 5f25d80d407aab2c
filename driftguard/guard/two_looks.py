"""Two looks at the same resources, some time apart, compared as a check compares: what differs without anybody's update.

Rules:
- The first look stands in for a record, the second for a check; both read, seal and compare through the Observer.
- Every difference of the second look is told, also one that a check would find settled; whether a check would halt for it
  is judged on what the Observer then finds with the policy's own number of readings.
- What could not be read, or is not settled, is told only if it still is so at the second look.
- Who wrote is asked for everything that counts, also for what settled back or never agreed. An answer is whole only where
  a source covers the time of both looks: before that a writer can still turn up.
- Nothing is written. Secrets are sealed by a key that is thrown away: no key of a store is asked for.
"""

from __future__ import annotations

import hashlib
import hmac
from builtins import list as List  # the port has a method `list`, which hides the type in the class body
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from driftguard.errors import SecretKeyMissing, WrongUse
from driftguard.flow.attribute import DATE_TICK, Actor, Own, attribute
from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.classify import ChangeClass
from driftguard.flow.decide import Action, Judged, Verdict, judge
from driftguard.flow.diff import Change
from driftguard.flow.policy import JobPolicy, Policy
from driftguard.flow.ports import Row, Sealer, Store, Write
from driftguard.flow.record import Entry
from driftguard.flow.resource import ResourceRef, with_parents
from driftguard.flow.review import UNREAD
from driftguard.guard.blobs import put_pack
from driftguard.guard.context import Guard
from driftguard.guard.looking import attributed
from driftguard.guard.observe import Observer, Seen
from driftguard.guard.rows import JobRow
from driftguard.guard.work import sealed_under

_WRITTEN = (FindingKind.MOVED, FindingKind.MOVED_BY_JOB, FindingKind.GONE)


class NothingWritten(Store):
    """A store as it is, to which nothing is written: new blobs stay in memory, and a commit is refused.

    None is a store that holds nothing.
    """

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._blobs: dict[str, bytes] = {}

    def get(self, partition: str, kind: str, row_id: str) -> Row | None:
        return self._store.get(partition, kind, row_id) if self._store else None

    def list(self, partition: str, kind: str, *, after: str = "", limit: int = 1000) -> List[Row]:
        return self._store.list(partition, kind, after=after, limit=limit) if self._store else []

    def version(self, partition: str, kind: str, row_id: str) -> str | None:
        return self._store.version(partition, kind, row_id) if self._store else None

    def partitions(self) -> List[str]:
        return self._store.partitions() if self._store else []

    def kinds(self, partition: str) -> List[str]:
        return self._store.kinds(partition) if self._store else []

    def commit(self, partition: str, writes: Sequence[Write]) -> dict[tuple[str, str], str]:
        raise WrongUse(f"nothing is written to {partition} while a job is looked at", "record the job to write")

    def put_once(self, key: str, data: bytes) -> bool:
        return self._blobs.setdefault(key, data) is data

    def read(self, key: str) -> bytes | None:
        if key in self._blobs:
            return self._blobs[key]
        return self._store.read(key) if self._store else None

    def blobs(self, prefix: str) -> List[str]:
        return self._store.blobs(prefix) if self._store else []

    def forget(self, keys: Sequence[str]) -> bool:
        raise WrongUse("nothing is removed while a job is looked at", "use the verb that owns it")

    def close(self) -> None:
        """The store stays open: it is another one's."""


class PassingKey(Sealer):
    """Marks by a key that lives as long as this object. `key`: unpredictable bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.key_id = hashlib.sha256(b"key id" + key).hexdigest()[:16]

    def mark(self, name: str, value: str, key_id: str | None = None) -> str:
        if key_id not in (None, self.key_id):
            raise SecretKeyMissing(f"the key {key_id!r} is not at hand", "its store has it")
        message = f"{name}\0{value}".encode("utf-8", "surrogatepass")
        return f"secret:{self.key_id}:{hmac.new(self._key, message, hashlib.sha256).hexdigest()[:32]}"


_SETTLED_BACK = "it differed in one reading and not in the next"


@dataclass(frozen=True)
class Differing:
    """A resource that differed. `changes` are all that were seen; `judged` is what a check makes of it."""

    ref: ResourceRef
    changes: tuple[Change, ...]
    judged: Judged

    @property
    def counts(self) -> bool:
        """Whether something differed that no rule and no table passes over."""
        return self.judged.finding.kind in _WRITTEN or any(_counts(change) for change in self.changes)

    @property
    def authors_known(self) -> bool:
        """Whether a source has told everything up to the second look: nobody else can still turn up as its author."""
        found = self.judged.finding.attribution
        return found is not None and found.covered

    @property
    def changes_by_itself(self) -> bool:
        """Whether it is known that no person wrote: a writer of unknown kind may be one."""
        found = self.judged.finding.attribution
        if found is None or not found.covered:
            return False
        return found.actor is not Actor.PERSON and not (found.actor is Actor.UNKNOWN and found.writers)


@dataclass(frozen=True)
class Looks:
    """What two looks found. `read`: resources read both times; `silent`: those that were not, with what is found of them;
    `verdict`: what a check would answer at the second look.
    """

    read: int
    differing: tuple[Differing, ...]
    silent: tuple[Finding, ...]
    verdict: Verdict


def look_twice(
    guard: Guard,
    job: str,
    policy: Policy,
    rules: JobPolicy,
    refs: Sequence[ResourceRef],
    wait: Callable[[], None],
    wait_for_authors: Callable[[], None] = lambda: None,
) -> Looks:
    """Read the resources, `wait`, read them again. `guard` writes nothing and seals by a passing key.

    Where something counts, `wait_for_authors` is called before the sources are asked who wrote it.
    """
    row = JobRow(job, cloud=guard.cloud, sealed=sealed_under(policy))
    first = Observer(guard, row, policy, {}, rules).first_readings(refs)
    entries = _as_recorded(guard, job, first)
    wait()
    seen = Observer(guard, row, policy, entries, rules).observe_each(list(entries.values()))
    unread = [item.finding.ref for item in first if item.finding.ref.key not in entries]
    still = Observer(guard, row, policy, {}, rules).first_readings(unread) if unread else []
    as_checked = _as_checked(guard, row, policy, rules, entries, seen, wait_for_authors)
    differing = [
        _differing(item.finding, judged)
        for item in seen
        if item.finding.kind not in UNREAD
        and (judged := as_checked[item.finding.ref.key])
        and (item.finding.changes or judged.finding.kind in _WRITTEN)
    ]
    differing = _with_authors(guard, rules, differing)
    silent = [item.finding for item in seen if item.finding.kind in UNREAD]
    silent += [item.finding for item in still if item.finding.kind is not FindingKind.UNRECORDED]
    findings = [judged.finding for judged in as_checked.values()]
    findings += [item.finding for item in still if item.finding.kind in UNREAD]
    read = sum(1 for item in seen if item.finding.kind not in UNREAD)
    return Looks(read, tuple(differing), tuple(silent), judge(findings, rules).verdict)


def _as_recorded(guard: Guard, job: str, first: Sequence[Seen]) -> dict[str, Entry]:
    """The first look as a record would leave it: what was read, with its bodies in one pack."""
    snapshots = [item.live for item in first if item.finding.kind is FindingKind.UNRECORDED and item.live]
    pack = f"{job}/pack/first-look"
    put_pack(guard.store, pack, snapshots)
    return {one.ref.key: Entry.of(one, pack=pack, line=line) for line, one in enumerate(snapshots)}


def _as_checked(
    guard: Guard,
    row: JobRow,
    policy: Policy,
    rules: JobPolicy,
    entries: dict[str, Entry],
    seen: Sequence[Seen],
    wait_for_authors: Callable[[], None],
) -> dict[str, Judged]:
    """What a check makes of each resource: where something counts it is read on, and its author is sought."""
    doubtful = [entries[item.finding.ref.key] for item in seen if item.finding.kind in _WRITTEN]
    found = {item.finding.ref.key: item for item in seen}
    if doubtful:
        # Each resource by itself, also where its group is gone: the report is about resources.
        again = Observer(guard, row, policy, entries, rules).observe(doubtful)
        found.update((item.finding.ref.key, item) for item in again if not item.finding.covers)
    if doubtful or any(_counts(change) for item in seen for change in item.finding.changes):
        wait_for_authors()
    known = attributed(guard, row, rules, list(found.values()))
    return {one.finding.ref.key: one for one in judge((item.finding for item in known), rules).judged}


def _differing(second: Finding, judged: Judged) -> Differing:
    """The changes of both, one a path; the later one where both have it."""
    found = {change.path: change for change in (*second.changes, *judged.finding.changes)}
    if judged.finding.kind is FindingKind.UNCHANGED:
        back = replace(judged.finding, kind=FindingKind.TOUCHED, detail=_SETTLED_BACK)
        judged = Judged(back, Action.TELL, "told, never stops a run")
    return Differing(second.ref, tuple(found.values()), judged)


def _with_authors(guard: Guard, rules: JobPolicy, differing: Sequence[Differing]) -> list[Differing]:
    """With who wrote also what a check asks nobody for: what counts, and settled back or never agreed."""
    asked = {one.ref.key: one for one in differing if one.counts and one.judged.finding.attribution is None}
    brackets = {
        key: (before.at, after.at)
        for key, one in asked.items()
        if (before := one.judged.finding.before) and (after := one.judged.finding.after) and before.at and after.at
    }
    if not brackets:
        return list(differing)
    since, until = min(first for first, _ in brackets.values()), max(last for _, last in brackets.values())
    refs = with_parents([asked[key].ref for key in brackets])
    answers = [source.events(refs, since, until + DATE_TICK) for source in guard.sources]
    own = Own(rules.principals)

    def told(one: Differing) -> Differing:
        bracket = brackets.get(one.ref.key)
        if bracket is None:
            return one
        author = attribute(one.ref, answers, bracket, own)
        return replace(one, judged=replace(one.judged, finding=replace(one.judged.finding, attribution=author)))

    return [told(one) for one in differing]


def _counts(change: Change) -> bool:
    return change.kind is ChangeClass.CONFIGURATION
