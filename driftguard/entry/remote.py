"""The verbs through a service: each asks one call of its HTTP interface and answers what the verb answers in process.

Rules:
- A status alone never lets a run go on: a check or a record is believed only if its view holds together (client/shapes.py).
- Whatever is no whole answer of the service is Unavailable; a problem is the error of the same name (client/problems.py).
- What is wrong with a call by itself (a job's name, a missing reason, too long a ticket) is said here, as in process, before
  anything is sent.
- A change names the state that it was decided on; without one from the caller it is the state of a moment ago.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from driftguard.entry import limits
from driftguard.entry.client import shapes
from driftguard.entry.client.calls import Calls, at_seen_state, at_version, unusable
from driftguard.entry.client.exchange import Request, Sends
from driftguard.entry.client.paths import halt_path, is_proposal, job_path
from driftguard.entry.verbs import JobChange, Verbs, View
from driftguard.errors import BadConfiguration, NotFound, WrongUse
from driftguard.flow.review import Person, require_reason
from driftguard.flow.strict_json import NotJson, parse_object

if TYPE_CHECKING:
    from driftguard.flow.ports import Clock
    from driftguard.guard.answer import Ask
    from driftguard.guard.context import Checkout
    from driftguard.guard.recorded import Recording
    from driftguard.guard.review import Confirming, Deciding
    from driftguard.settings import Settings


@contextmanager
def open_remote(settings: Settings) -> Iterator[Verbs]:
    """The service that the settings name; nothing is sent before a verb is asked. Raises BadConfiguration."""
    from driftguard.entry.client.address import service_address
    from driftguard.entry.client.sign_in import sign_in
    from driftguard.entry.client.transport import Transport
    from driftguard.system_clock import SystemClock
    from driftguard.wiring import local_checkout

    if settings.server is None:
        raise BadConfiguration("no service is named", "set DRIFTGUARD_SERVER, or --server")
    clock = SystemClock()
    transport = Transport(service_address(settings.server), sign_in(settings), clock)
    try:
        yield Remote(transport, transport.address.base, clock, local_checkout())
    finally:
        transport.close()


class Remote(Verbs):
    """The port `Verbs` through a service. `checkout` is the caller's own: it tells whether a kept change is in the code."""

    def __init__(self, sends: Sends, server: str, clock: Clock, checkout: Checkout) -> None:
        self._calls = Calls(sends, clock)
        self._server = server
        self._checkout = checkout

    def review_address(self, halt_id: str) -> str | None:
        """Where a person can look at the halt in a browser; None where the service offered no page of it."""
        page = self._calls.offered.get(halt_id)
        return f"{self._server}{page}" if page else None

    def check(self, ask: Ask) -> View:
        limits.require_ask(ask)
        view = self._check(ask)
        commit = _commit_to_look_for(view)
        contained = self._checkout.contains(commit) if commit else None
        if commit is None or contained is None:
            return view
        return self._check(ask, {commit: contained})

    def record(self, recording: Recording) -> View:
        limits.require_recording(recording)
        naming = recording.naming
        body = _told(
            run=recording.run,
            stage=recording.stage,
            ticket=recording.ticket,
            started_by=_name(recording.started_by),
            clearance=recording.clearance,
            deployments=list(naming.deployments),
            resources=list(naming.resources),
            scopes=list(naming.scopes),
            after_failure=recording.after_failure,
        )
        request = Request("POST", f"{job_path(recording.job)}/records", body)
        return self._calls.work(request, 201, partial(shapes.require_record, job=recording.job), "the record")

    def jobs(self) -> View:
        return self._calls.all_of("/api/jobs", "jobs", {})

    def job(self, job: str) -> View:
        return self._calls.get(job_path(job), partial(shapes.require_job, job=job))

    def release(self, change: JobChange) -> View:
        limits.require_change(change)
        if change.clearance is None:
            return self._change(change, "release", {}, change.job)
        # The clearance names the lease exactly, and a pipeline, which may not read the job, has it.
        body = _told(clearance=change.clearance, reason=change.reason or None)
        path, believe = f"{job_path(change.job)}/release", partial(shapes.require_job, job=change.job)
        if change.if_match is None:  # a pipeline may not read the job: nothing is asked for to name its state
            return self._calls.change(path, body, 200, believe)
        return at_version(change.if_match, lambda version: self._calls.change(path, body, 200, believe, version))

    def retire(self, change: JobChange) -> View:
        limits.require_change(change)
        return self._change(change, "retire", {"resources": list(change.resources)}, change.job)

    def move(self, change: JobChange, to: str) -> View:
        limits.require_change(change)
        require_reason(change.reason)
        if change.job == to or not change.resources:
            raise WrongUse("name another job and the resources that move", "--to JOB --resource ID …")
        job_path(to)
        return self._change(change, "move", {"to": to, "resources": list(change.resources)}, to)

    def proposals(self, job: str | None) -> View:
        path = "/api/proposals" if job is None else f"{job_path(job)}/proposals"
        return self._calls.all_of(path, "proposals", {})

    def accept(self, change: JobChange, proposal: str) -> View:
        limits.require_change(change)
        require_reason(change.reason)
        if not is_proposal(proposal):
            self.job(change.job)
            raise NotFound(f"there is no proposal {proposal} of the job {change.job}", "see driftguard jobs proposals")
        return self._change(change, f"proposals/{proposal}/accept", {}, change.job)

    def hold(self, change: JobChange) -> View:
        limits.require_change(change)
        return self._change(change, "hold", {}, change.job)

    def unhold(self, change: JobChange) -> View:
        limits.require_change(change)
        return self._change(change, "unhold", {}, change.job)

    def halts(self, job: str | None, *, all_states: bool) -> View:
        return self._calls.all_of("/api/halts", "halts", _filters(job, all_states), shapes.require_halt)

    def halt(self, halt: str, evidence: int | None) -> View:
        query = "" if evidence is None else f"?evidence={evidence}"
        view = self._calls.get(halt_path(halt) + query, partial(shapes.require_halt, halt=halt))
        if not isinstance(view.get("version"), str) or not isinstance(view.get("document"), dict):
            raise unusable("the halt came without its version or its evidence")
        return view

    def evidence(self, halt: str, version: int | None) -> bytes:
        path = f"{halt_path(halt)}/evidence{'' if version is None else f'/{version}'}.json"
        data = self._calls.ok(Request("GET", path), 200).body
        try:
            document = parse_object(data, "the evidence")
        except NotJson as error:
            raise unusable(str(error)) from None
        named = document.get("halt")
        if not data.isascii() or not isinstance(named, dict) or not str(named.get("id")).startswith(halt):
            raise unusable("what came is not the evidence of this halt")
        return data

    def decide(self, deciding: Deciding) -> View:
        limits.require_deciding(deciding)
        body = _told(
            decision=str(deciding.decision),
            reason=require_reason(deciding.reason),
            resources=list(deciding.resources),
            in_code=deciding.in_code,
            evidence=deciding.evidence,
            **_as(deciding.reviewer),
        )
        return self._on_halt(deciding.halt, "decisions", body, deciding.if_match)

    def confirm(self, confirming: Confirming) -> View:
        limits.require_confirming(confirming)
        if not confirming.in_code.strip():
            raise WrongUse(
                "a confirmation names where the change is in the code", "add --in-code COMMIT or pull request"
            )
        body = _told(in_code=confirming.in_code, for_run=confirming.for_run, **_as(confirming.reviewer))
        return self._on_halt(confirming.halt, "confirmations", body, confirming.if_match)

    def explain(self, job: str, resource: str, path: str | None) -> View:
        limits.require_explaining(resource, path)
        query = urlencode(_told(resource=resource, path=path))
        return self._calls.get(f"{job_path(job)}/explain?{query}", partial(shapes.require_explained, job=job))

    def deliveries(self, job: str | None, *, all_states: bool) -> View:
        return self._calls.all_of("/api/deliveries", "deliveries", _filters(job, all_states))

    def scan(self, jobs: Sequence[str] | None) -> View:
        limits.require_scanning(jobs)
        for job in jobs or ():
            job_path(job)
        body = {} if jobs is None else {"jobs": list(jobs)}
        believe = partial(shapes.require_scan, jobs=jobs)
        return self._calls.work(Request("POST", "/api/scans", body), 202, believe, "the scan")

    def _check(self, ask: Ask, contains: Mapping[str, bool] | None = None) -> View:
        body = _told(
            run=ask.run,
            stage=ask.stage,
            ticket=ask.ticket,
            started_by=_name(ask.started_by),
            gate=ask.gate,
            resources=list(ask.resources),
            contains=dict(contains) if contains else None,
        )
        request = Request("POST", f"{job_path(ask.job)}/checks", body, again=True)
        return self._calls.work(request, 200, partial(shapes.require_check, ask=ask), "the check")

    def _change(self, change: JobChange, verb: str, body: Mapping[str, Any], answers: str) -> View:
        """Change a job; the view of the job that the call answers."""
        sent = {**body, "reason": require_reason(change.reason), **_as(change.by)}
        path, believe = f"{job_path(change.job)}/{verb}", partial(shapes.require_job, job=answers)
        return at_seen_state(
            lambda: str(self.job(change.job)["version"]),
            change.if_match,
            lambda version: self._calls.change(path, sent, 200, believe, version),
        )

    def _on_halt(self, halt: str, verb: str, body: Mapping[str, Any], if_match: str | None) -> View:
        path, believe = f"{halt_path(halt)}/{verb}", partial(shapes.require_halt, halt=halt)
        return at_seen_state(
            lambda: str(self.halt(halt, None)["version"]),
            if_match,
            lambda version: self._calls.change(path, body, 201, believe, version),
        )


def _commit_to_look_for(view: View) -> str | None:
    """The commit that a run must contain to pass the kept change that halted it, where only a checkout can tell."""
    halt = view["halt"]
    if view["exit_code"] != 1 or halt is None or halt["state"] != "kept-confirmed":
        return None
    confirmation = halt["confirmation"] or {}
    commit = confirmation.get("in_code")
    return commit if isinstance(commit, str) and commit and not confirmation.get("for_run") else None


def _filters(job: str | None, all_states: bool) -> dict[str, str | None]:
    """The query of a list. Raises WrongUse for what cannot be a job's name."""
    if job is not None:
        job_path(job)
    return {"job": job, "all": "true" if all_states else None}


def _told(**members: Any) -> dict[str, Any]:
    """The members that are told."""
    return {name: value for name, value in members.items() if value is not None}


def _name(person: Person | None) -> str | None:
    return (person.name or None) if person else None


def _as(person: Person) -> dict[str, str]:
    """The name that a caller goes by; only the one user of a local service may choose it."""
    return {"as": person.name} if person.name else {}
