"""What a check says of one resource: the findings.

Rules (the table `FINDINGS`, first row that applies):
- Without a baseline of its own a resource is Unrecorded (named) or Unmanaged (listed in the job's scope): never "good".
- What could not be read is Unreadable, whatever else is known.
- 404 while the scope is readable is Gone; a missing resource group is one finding for all of it.
- A state that is not terminal, nested ones included, is InFlight: nothing is concluded from a half-done state.
- One configuration change makes it Moved; MovedByJob where exactly the live state is what another job's own run recorded.
- A moved ETag, or only platform or ignored differences, is Touched; otherwise it is Unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from driftguard.flow.attribute import Attribution
from driftguard.flow.classify import ChangeClass
from driftguard.flow.diff import Change
from driftguard.flow.reading import Cause, ETags, Outcome
from driftguard.flow.resource import ResourceRef, holder_name, holder_of, key_of


class FindingKind(StrEnum):
    """The findings; the words are part of a halt's digest and of the evidence."""

    UNCHANGED = "unchanged"
    TOUCHED = "touched"
    MOVED = "moved"
    MOVED_BY_JOB = "moved by job"
    GONE = "gone"
    IN_FLIGHT = "inflight"
    UNREADABLE = "unreadable"
    UNRECORDED = "unrecorded"
    UNMANAGED = "unmanaged"


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of one resource at a check; the columns of the truth table."""

    recorded: bool
    listed: bool = False
    outcome: Outcome = Outcome.FOUND
    in_flight: bool = False
    configuration_change: bool = False
    other_jobs_state: bool = False
    other_difference: bool = False
    etag_moved: bool = False


FINDINGS: tuple[tuple[Callable[[Signs], bool], FindingKind], ...] = (
    (lambda s: not s.recorded and s.listed, FindingKind.UNMANAGED),
    (lambda s: not s.recorded, FindingKind.UNRECORDED),
    (lambda s: s.outcome is Outcome.UNREADABLE, FindingKind.UNREADABLE),
    (lambda s: s.outcome is not Outcome.FOUND, FindingKind.GONE),
    (lambda s: s.in_flight, FindingKind.IN_FLIGHT),
    (lambda s: s.configuration_change and s.other_jobs_state, FindingKind.MOVED_BY_JOB),
    (lambda s: s.configuration_change, FindingKind.MOVED),
    (lambda s: s.other_difference or s.etag_moved, FindingKind.TOUCHED),
    (lambda s: True, FindingKind.UNCHANGED),
)


def find(signs: Signs) -> FindingKind:
    """The finding of one resource."""
    return next(kind for applies, kind in FINDINGS if applies(signs))


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison, as evidence shows it: ETags, api-version, request ids, the server's time."""

    etags: ETags = ETags()
    api_version: str = ""
    at: datetime | None = None
    request_id: str | None = None
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says of one resource.

    `changes` are all differences with their class. `cause` and `detail` are set for Unreadable and InFlight.
    `fingerprint` is the live state's. `lasting` is True once it has been unreadable for long enough to halt.
    `carried`: the resource could not be read now, so the open halt's finding stands. `covers`: the ids that a missing
    resource group took with it. `other_job`: whose recorded state it is (MovedByJob). `severity` is the policy's word.
    """

    ref: ResourceRef
    kind: FindingKind
    changes: tuple[Change, ...] = ()
    before: Side = field(default_factory=Side)
    after: Side = field(default_factory=Side)
    cause: Cause | None = None
    detail: str = ""
    fingerprint: str = ""
    attribution: Attribution | None = None
    lasting: bool = False
    carried: bool = False
    covers: tuple[str, ...] = ()
    other_job: str = ""
    severity: str = ""

    @property
    def configuration(self) -> tuple[Change, ...]:
        """The changes that count."""
        return tuple(change for change in self.changes if change.kind is ChangeClass.CONFIGURATION)


def collapse_groups(findings: Iterable[Finding], missing_groups: dict[str, ResourceRef]) -> list[Finding]:
    """One Gone finding for each missing holder (resource group, container) instead of one for each resource in it.

    `missing_groups` maps the holder's key to its ref.
    """
    gone: dict[str, list[Finding]] = {}
    kept: list[Finding] = []
    for finding in findings:
        group = _group_key(finding.ref)
        if finding.kind is FindingKind.GONE and group in missing_groups:
            gone.setdefault(group, []).append(finding)
        else:
            kept.append(finding)
    for group, members in sorted(gone.items()):
        first = members[0]
        covers = tuple(sorted(member.ref.id for member in members))
        detail = f"the {holder_name(first.ref)} is gone, and with it {len(covers)} recorded resources"
        # The group was last seen when the last of its resources was; ETag and api-version were that resource's, not its own.
        seen_at = max((member.before.at for member in members if member.before.at), default=None)
        before = Side(at=seen_at)
        kept.append(replace(first, ref=missing_groups[group], before=before, covers=covers, detail=detail))
    return kept


def covered_keys(finding: Finding) -> Iterator[str]:
    """The keys of the resources that went with the finding's own."""
    return (key_of(covered, finding.ref.kind) for covered in finding.covers)


def _group_key(ref: ResourceRef) -> str:
    holder = holder_of(ref)
    return holder.key if holder else ""
