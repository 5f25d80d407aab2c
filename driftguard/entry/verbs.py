"""The verbs that can be asked of Drift Guard in process or through a service, and what they answer: JSON views.

Rules:
- Both implementations (in_process.py, remote.py) answer the same view to the same question, and raise the same errors.
- A view is that of render/; texts for people are made from it, so that they do not depend on where it came from.
- A method raises DriftGuardError only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # types only: the client of a service needs no guard
    from driftguard.flow.review import Person
    from driftguard.guard.answer import Ask
    from driftguard.guard.recorded import Recording
    from driftguard.guard.review import Confirming, Deciding

View = dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobChange:
    """Who changes a job, and why. `if_match` is the version of the job that was seen, or None to use the present one.

    `resources` are the ids that are meant; `clearance` is the run's own, for a release.
    """

    job: str
    by: Person
    reason: str
    resources: tuple[str, ...] = ()
    clearance: str | None = None
    if_match: str | None = None


class Verbs(Protocol):
    """One method a verb."""

    def check(self, ask: Ask) -> View:
        """As `json_views.check_view`; `exit_code` says whether the run may go on."""
        ...

    def record(self, recording: Recording) -> View:
        """As `json_views.record_view`."""
        ...

    def jobs(self) -> View:
        """As `json_views.jobs_view`."""
        ...

    def job(self, job: str) -> View:
        """As `json_views.job_view`."""
        ...

    def release(self, change: JobChange) -> View:
        """End the job's lease; the job after it."""
        ...

    def retire(self, change: JobChange) -> View:
        """Take resources out of the job, or retire all of it; the job after it."""
        ...

    def move(self, change: JobChange, to: str) -> View:
        """Move resources to another job; that job after it."""
        ...

    def proposals(self, job: str | None) -> View:
        """As `json_views.proposals_view`."""
        ...

    def accept(self, change: JobChange, proposal: str) -> View:
        """Make a proposal the job's baseline; the job after it."""
        ...

    def hold(self, change: JobChange) -> View:
        """Put the job under legal hold; the job after it."""
        ...

    def unhold(self, change: JobChange) -> View:
        """Take the legal hold away; the job after it."""
        ...

    def halts(self, job: str | None, *, all_states: bool) -> View:
        """As `json_views.halts_view`."""
        ...

    def halt(self, halt: str, evidence: int | None) -> View:
        """As `json_views.halt_view` with its version and the evidence of this version (None: the latest)."""
        ...

    def evidence(self, halt: str, version: int | None) -> bytes:
        """A version of the evidence (None: the latest), byte for byte as it was written."""
        ...

    def decide(self, deciding: Deciding) -> View:
        """Take a decision; the halt after it, without version and document."""
        ...

    def confirm(self, confirming: Confirming) -> View:
        """Confirm that a kept change is in the code; the halt after it, without version and document."""
        ...

    def explain(self, job: str, resource: str, path: str | None) -> View:
        """As `tools.explain_view`."""
        ...

    def deliveries(self, job: str | None, *, all_states: bool) -> View:
        """As `json_views.deliveries_view`: the notes that wait, or all of them."""
        ...

    def scan(self, jobs: Sequence[str] | None) -> View:
        """Judge these jobs as a gate does, or every job: as `json_views.scan_view`."""
        ...

    def review_address(self, halt_id: str) -> str | None:
        """Where a person reviews the halt in a browser; None where there is no service."""
        ...
