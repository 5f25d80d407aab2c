"""The verbs in this process, on a guard: each calls one verb of guard/ and makes a view of its result.

What a verb needs is imported when it is called: a command, or a first answer of the service, pays for nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from driftguard.entry import limits
from driftguard.entry.verbs import JobChange, Verbs, View
from driftguard.errors import NotFound

if TYPE_CHECKING:
    from driftguard.guard.answer import Ask
    from driftguard.guard.context import Guard
    from driftguard.guard.recorded import Recording
    from driftguard.guard.review import Confirming, Deciding


class InProcess(Verbs):
    """The port `Verbs` on a guard."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def check(self, ask: Ask) -> View:
        from driftguard.guard.check import check
        from driftguard.render.json_views import check_view

        limits.require_ask(ask)
        return check_view(check(self._guard, ask))

    def record(self, recording: Recording) -> View:
        from driftguard.guard.record import record
        from driftguard.render.json_views import record_view

        limits.require_recording(recording)
        return record_view(record(self._guard, recording))

    def jobs(self) -> View:
        from driftguard.guard.jobs import list_jobs
        from driftguard.render.json_views import jobs_view

        return jobs_view(list_jobs(self._guard))

    def job(self, job: str) -> View:
        from driftguard.guard.jobs import show_job
        from driftguard.render.json_views import job_view

        return job_view(show_job(self._guard, job))

    def release(self, change: JobChange) -> View:
        from driftguard.guard.jobs import release

        limits.require_change(change)
        release(
            self._guard,
            change.job,
            by=change.by,
            reason=change.reason,
            clearance=change.clearance,
            if_match=change.if_match,
        )
        return self.job(change.job)

    def retire(self, change: JobChange) -> View:
        from driftguard.guard.jobs import retire

        limits.require_change(change)
        retire(
            self._guard,
            change.job,
            by=change.by,
            reason=change.reason,
            resources=change.resources,
            if_match=change.if_match,
        )
        return self.job(change.job)

    def move(self, change: JobChange, to: str) -> View:
        from driftguard.guard.jobs import move

        limits.require_change(change)
        move(
            self._guard,
            change.job,
            to,
            by=change.by,
            reason=change.reason,
            resources=change.resources,
            if_match=change.if_match,
        )
        return self.job(to)

    def proposals(self, job: str | None) -> View:
        from driftguard.guard.jobs import proposals
        from driftguard.render.json_views import proposals_view

        require_known_job(self._guard, job)
        return proposals_view(proposals(self._guard, job))

    def accept(self, change: JobChange, proposal: str) -> View:
        from driftguard.guard.jobs import accept

        limits.require_change(change)
        accept(self._guard, change.job, proposal, by=change.by, reason=change.reason, if_match=change.if_match)
        return self.job(change.job)

    def hold(self, change: JobChange) -> View:
        from driftguard.guard.legal_hold import hold

        limits.require_change(change)
        hold(self._guard, change.job, by=change.by, reason=change.reason, if_match=change.if_match)
        return self.job(change.job)

    def unhold(self, change: JobChange) -> View:
        from driftguard.guard.legal_hold import unhold

        limits.require_change(change)
        unhold(self._guard, change.job, by=change.by, reason=change.reason, if_match=change.if_match)
        return self.job(change.job)

    def halts(self, job: str | None, *, all_states: bool) -> View:
        from driftguard.guard.review import list_halts
        from driftguard.render.json_views import halts_view

        require_known_job(self._guard, job)
        return halts_view(list_halts(self._guard, job=job, all_states=all_states))

    def halt(self, halt: str, evidence: int | None) -> View:
        from driftguard.guard.halting import load_evidence
        from driftguard.guard.review import find_halt
        from driftguard.render.json_views import halt_view

        found, version = find_halt(self._guard, halt)
        _require_version(found.evidence, evidence)
        return halt_view(found, version, json.loads(load_evidence(self._guard, found, evidence)))

    def evidence(self, halt: str, version: int | None) -> bytes:
        from driftguard.guard.halting import load_evidence
        from driftguard.guard.review import find_halt

        found, _ = find_halt(self._guard, halt)
        _require_version(found.evidence, version)
        return load_evidence(self._guard, found, version)

    def decide(self, deciding: Deciding) -> View:
        from driftguard.guard.review import decide
        from driftguard.render.json_views import halt_view

        limits.require_deciding(deciding)
        return halt_view(decide(self._guard, deciding))

    def confirm(self, confirming: Confirming) -> View:
        from driftguard.guard.review import confirm
        from driftguard.render.json_views import halt_view

        limits.require_confirming(confirming)
        return halt_view(confirm(self._guard, confirming))

    def explain(self, job: str, resource: str, path: str | None) -> View:
        from driftguard.guard.explain import explain
        from driftguard.render.tools import explain_view

        limits.require_explaining(resource, path)
        return explain_view(explain(self._guard, job, resource, path))

    def deliveries(self, job: str | None, *, all_states: bool) -> View:
        from driftguard.guard.deliver import list_deliveries
        from driftguard.render.json_views import deliveries_view

        require_known_job(self._guard, job)
        return deliveries_view(list_deliveries(self._guard, job, all_states=all_states))

    def scan(self, jobs: Sequence[str] | None) -> View:
        from driftguard.guard.scan import gate_every_job
        from driftguard.render.json_views import scan_view

        limits.require_scanning(jobs)
        for job in jobs or ():
            require_known_job(self._guard, job)
        return scan_view(gate_every_job(self._guard, only=jobs))

    def review_address(self, halt_id: str) -> str | None:
        return None


def require_known_job(guard: Guard, job: str | None) -> None:
    """Raises NotFound for a job that was never recorded, WrongUse for what cannot be a job's name."""
    from driftguard.guard.work import Work

    if job is not None and not Work(guard.store, job, guard.clock.now()).exists:
        raise NotFound(f"there is no job {job}", "see driftguard jobs list")


def _require_version(latest: int, version: int | None) -> None:
    if version is not None and not 1 <= version <= latest:
        raise NotFound(
            f"the halt has no version {version} of its evidence, the latest is {latest}",
            "leave the version out for the latest",
        )
