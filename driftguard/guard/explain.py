"""Explain: which rule, table row or normalisation decided on one resource, or on one path of it, as it is live now.

Rules:
- It is read as often as a check reads, and the bodies are those that a check compares (compared.py): the answer is that of
  a check.
- A path has exactly one answer: its own difference, else the one that it is part of, else those below it, else the
  normalisation that makes it equal, else the class that a difference of it would have.
- What is gone, cannot be read or is not settled is not compared: then nothing is said to differ or not to, the rules are
  told, and what is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from driftguard.errors import NotFound, WrongUse
from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.classify import ChangeClass, PathRules
from driftguard.flow.decide import judge
from driftguard.flow.diff import Change
from driftguard.flow.normalised import REASONS, Normalisation, Normalised, by_index
from driftguard.flow.path import Path, format_path, parse_path
from driftguard.flow.policy import Policy
from driftguard.flow.policy_notices import HOW_TO_QUOTE
from driftguard.flow.record import Entry, Snapshot
from driftguard.flow.resource import ResourceRef, holder_name, parse_ref
from driftguard.guard import halt_file
from driftguard.guard.blobs import Damaged, load_baseline
from driftguard.guard.compared import COMPARED, Compared, Remembering, compared
from driftguard.guard.context import Guard
from driftguard.guard.looking import attributed
from driftguard.guard.observe import Observer
from driftguard.guard.work import Work, attempts, read_steadily

NORMALISED = "normalised"
"""The class of a path whose raw difference is none in the canonical form."""


@dataclass(frozen=True, slots=True)
class PathTold:
    """One path: its class, the rule, table row or normalisation that decided, and whether it differs now.

    `differs` is None where there was no live body to compare: the class is then that of a difference, if there is one.
    `kind` is a ChangeClass or NORMALISED. `why` and `owner` are the rule's `reason` and `owner`, empty where the policy
    names none. `note` says how the path was compared.
    """

    path: str
    kind: str
    rule: str
    differs: bool | None
    why: str = ""
    owner: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Explained:
    """One resource: how it was recorded, what is found of it now, what that means, and each path that differs.

    `paths` is the one path that was asked for, where one was. `normalised` are the raw differences that are none.
    `compared` is False where there was no live body to compare.
    """

    job: str
    entry: Entry
    finding: Finding
    action: str
    reason: str
    severity: str
    paths: tuple[PathTold, ...]
    not_in_body: tuple[str, ...]
    policy: str
    normalised: tuple[Normalised, ...] = ()
    compared: bool = True

    @property
    def exit_code(self) -> int:
        """2 where the resource could not be read, else 0."""
        return 2 if self.finding.kind is FindingKind.UNREADABLE else 0


def explain(guard: Guard, job: str, resource: str, path: str | None = None) -> Explained:
    """Read one resource and say why it is judged as it is. Raises NotFound, WrongUse, Unavailable. Writes nothing."""
    asked = None if path is None else _parsed(path)
    return attempts(partial(read_steadily, guard.store, job, partial(_explain, guard, job, resource, asked)))


def _explain(guard: Guard, job: str, resource: str, asked: Path | None) -> Explained:
    policy = guard.policy()
    work = Work(guard.store, job, guard.clock.now())
    if not work.job.baseline:
        raise NotFound(f"nothing is recorded for the job {job}", f"run `driftguard record --job {job} …`")
    baseline = load_baseline(guard.store, work.job.baseline)
    entry = _entry(baseline.entries, resource, work.job.cloud)
    rules = policy.for_job(job)
    reader = Remembering(guard.reader)
    told_in_marks: dict[str, Snapshot] = {}
    with suppress(Damaged):  # a halt that cannot be read is told by the next check
        told_in_marks = halt_file.live_of(guard.store, job, work.job.open_halt)
    observer = Observer(replace(guard, reader=reader), work.job, policy, baseline.entries, told=told_in_marks)
    seen = attributed(guard, work.job, rules, observer.observe([entry]))
    finding = _of_itself(seen[0].finding)
    judged = judge([finding], rules).judged[0]
    teller = _Teller(policy, entry.ref, guard.today())
    read = reader.last.get(entry.ref.key)
    live = observer.snapshot(read, entry.ref, entry.key_id) if read and finding.kind in COMPARED else None
    bodies = compared(observer.recorded(entry), live, guard.sealer)
    answering = _Answering(teller, finding.changes, bodies, observer.rules_of(entry.ref))
    told = answering.all() if asked is None else [answering.one(asked)]
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
        bodies.normalised if asked is None else (),
        bodies.is_compared,
    )


def _of_itself(finding: Finding) -> Finding:
    """The finding of a resource whose group is gone, told of this resource alone."""
    return replace(finding, covers=(), detail=f"its {holder_name(finding.ref)} is gone") if finding.covers else finding


_NOBODY = "no rule vouches for it, so it counts"


@dataclass(frozen=True)
class _Teller:
    """Tells paths of one resource with what the policy says of the rule."""

    policy: Policy
    ref: ResourceRef
    today: date

    def told(
        self, path: Path, kind: ChangeClass, rule: str | None, *, differs: bool | None, notes: Sequence[str]
    ) -> PathTold:
        written = self.policy.rule(rule, self.ref, self.today) if rule else None
        why, owner = (written.reason, written.owner) if written else ("", "")
        return PathTold(format_path(path), str(kind), rule or _NOBODY, differs, why, owner, _joined(notes))


@dataclass(frozen=True)
class _Answering:
    """Answers for the paths of one resource."""

    teller: _Teller
    changes: Sequence[Change]
    bodies: Compared
    rules: PathRules

    def all(self) -> list[PathTold]:
        """Every path that differs."""
        return [self._of_change(change.path, change) for change in self.changes]

    def one(self, asked: Path) -> PathTold:
        """The one answer for a path."""
        place = self.bodies.treated(asked)
        path = place.path
        around = [change for change in self.changes if _is_in(path, change.path)]
        below = [change for change in self.changes if _is_in(change.path, path)]
        equal = [one for one in self.bodies.normalised if _is_in(one.path, path)]
        if around and not place.is_dropped and (place.is_there or around[-1].path == path):
            return self._of_change(path, around[-1])
        if below:
            return self._of_changes(path, below)
        if equal:
            return self._of_normalised(path, equal)
        if place.is_dropped and place.what:
            return PathTold(format_path(path), NORMALISED, str(place.what), self._same, REASONS[place.what])
        treatment = f"{place.what}: {place.reason}" if place.what else place.reason
        return self._of_rules(path, treatment if place.is_there else self._absent)

    @property
    def _same(self) -> bool | None:
        """What is said of a path without a difference."""
        return False if self.bodies.is_compared else None

    @property
    def _absent(self) -> str:
        return "it is in neither body" if self.bodies.is_compared else "it is not in the recorded body"

    def _of_change(self, path: Path, change: Change) -> PathTold:
        part = "" if change.path == path else f"part of the difference at {format_path(change.path)}"
        notes = (part, by_index(path, self.bodies.standing))
        return self.teller.told(path, change.kind, change.rule, differs=True, notes=notes)

    def _of_changes(self, path: Path, below: Sequence[Change]) -> PathTold:
        """What all the differences below have in common, else what the path itself would be."""
        decided = {(change.kind, change.rule) for change in below}
        kind, rule = decided.pop() if len(decided) == 1 else self.rules.classify(path, self.bodies.standing)
        note = f"{_count(len(below), 'difference')} below it, the first at {format_path(below[0].path)}"
        return self.teller.told(path, kind, rule, differs=True, notes=(note, by_index(path, self.bodies.standing)))

    def _of_normalised(self, path: Path, equal: Sequence[Normalised]) -> PathTold:
        rules = [what for what in Normalisation if any(one.what is what for one in equal)]
        reasons = "; ".join(next(one.reason for one in equal if one.what is what) for what in rules)
        note = (
            ""
            if equal[0].path == path
            else f"{_count(len(equal), 'place')} below it, the first at {format_path(equal[0].path)}"
        )
        notes = (note, by_index(path, self.bodies.standing))
        return PathTold(format_path(path), NORMALISED, ", ".join(rules), False, reasons, note=_joined(notes))

    def _of_rules(self, path: Path, treatment: str) -> PathTold:
        kind, rule = self.rules.classify(path, self.bodies.standing)
        notes = (treatment, by_index(path, self.bodies.standing))
        return self.teller.told(path, kind, rule, differs=self._same, notes=notes)


def _is_in(path: Path, outer: Path) -> bool:
    return path[: len(outer)] == outer


def _count(count: int, one: str) -> str:
    return f"{count} {one}{'' if count == 1 else 's'}"


def _joined(notes: Sequence[str]) -> str:
    return "; ".join(note for note in notes if note)


def _parsed(text: str) -> Path:
    try:
        return parse_path(text)
    except ValueError as error:
        remedy = f"write it as properties.subnets[name=default].properties.addressPrefix; {HOW_TO_QUOTE}"
        raise WrongUse(str(error), remedy) from error


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
