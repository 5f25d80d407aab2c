"""Jobs: lists, one job, what is explained of it, and what is done to it as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from driftguard.entry.http.answers import answer, tagged, unchanged
from driftguard.entry.http.answers import json_bytes as to_json
from driftguard.entry.http.answers import page as as_page
from driftguard.entry.http.asked import Asked
from driftguard.entry.http.etags import digest_of_bytes, is_unchanged, next_deadline, seen_version, tag
from driftguard.entry.http.halts import After, Limit
from driftguard.entry.http.models import (
    Explained,
    Jobs,
    JobWithBaseline,
    MoveBody,
    Proposals,
    ReasonBody,
    ReleaseBody,
    RetireBody,
)
from driftguard.entry.http.pages import DEFAULT, bound_jobs, cut, from_jobs, next_page, position, require_known
from driftguard.entry.http.routes import Call, Caller, Seen
from driftguard.entry.verbs import JobChange, View
from driftguard.flow.access import Role
from driftguard.flow.halt import State
from driftguard.guard.jobs import JobView


def jobs(asked: Caller, after: After = None, limit: Limit = DEFAULT) -> Response:
    """The jobs that the caller is bound to, in order of name."""
    from driftguard.render.json_views import jobs_view

    came_to = position(after, "jobs", 1)
    names = [name for name in bound_jobs(asked) if (name,) > came_to]
    told, more = cut(_views(asked, names), limit)
    following = next_page(asked.request, "jobs", told[-1].row.name) if more else None
    return as_page(asked.request, {**jobs_view(told), "next": following})


def _views(asked: Asked, names: list[str]) -> Iterator[JobView]:
    from driftguard.guard.jobs import view_of

    for name in names:
        if view := view_of(asked.guard, name):
            yield view


def job(asked: Caller) -> Response:
    """One job with what it has recorded."""
    view = asked.verbs.job(asked.job)
    body, shown, current_halt = to_json(view), _representation(view["mode"]), view["halt"] or {}
    if view["lease"] is None and current_halt.get("state") == State.IN_USE:
        current = tag(
            view["version"], f"{shown}-{digest_of_bytes(body)}"
        )  # until when it settles is for the policy to say
    else:
        ends = [(view["lease"] or {}).get("until"), current_halt.get("expires_at")]
        current = tag(view["version"], shown, next_deadline(ends, asked.at))
    return unchanged(current) if is_unchanged(asked.request, current) else tagged(body, current)


def _representation(mode: str | None) -> str:
    """The mode stands in the tag: the policy changes it without a write to the job."""
    return f"json-{mode or 'unknown'}"


def _unchanged_job(asked: Asked) -> Response | None:
    """304 by the row's version, the policy's mode and the tag's own deadline: neither row nor baseline is loaded."""
    from driftguard.guard.jobs import mode_of

    version = asked.job_version()
    current = asked.still_good(version, _representation(mode_of(asked.guard, asked.job)))
    return unchanged(current) if current else None


async def explain(
    asked: Caller,
    resource: Annotated[str, Query(min_length=1, max_length=2048)],
    path: Annotated[str | None, Query(max_length=2048)] = None,
) -> Response:
    """Which rule decides on a resource, or on one path of it."""
    # Not `def`: it reads Azure, as a check does.
    work = partial(asked.verbs.explain, asked.job, resource, path)
    view = await asked.calls.reading.run(work, asked.caller_id)
    return answer(view)


def proposals_of(asked: Caller, after: After = None, limit: Limit = DEFAULT) -> Response:
    """The job's proposals that wait."""
    require_known(asked, asked.job)
    return _proposals(asked, [asked.job], after, limit)


def proposals(asked: Caller, after: After = None, limit: Limit = DEFAULT) -> Response:
    """The proposals that wait, of the jobs that the caller is bound to."""
    return _proposals(asked, bound_jobs(asked), after, limit)


def _proposals(asked: Asked, names: list[str], after: str | None, limit: int) -> Response:
    from driftguard.guard import jobs as verbs
    from driftguard.render.json_views import proposals_view

    def waiting(name: str, last: str) -> Iterator[tuple[str, dict[str, object]]]:
        return (one for one in verbs.proposals(asked.guard, name) if str(one[1]["id"]) > last)

    found = from_jobs(names, position(after, "proposals", 2), waiting)
    told, more = cut(found, limit)
    following = next_page(asked.request, "proposals", told[-1][0], str(told[-1][1]["id"])) if more else None
    return as_page(asked.request, {**proposals_view(told), "next": following})


def release(asked: Caller, body: ReleaseBody) -> Response:
    """End the job's lease."""
    by = asked.reviewer(body.as_)
    if body.clearance is None:
        asked.require(Role.REVIEWER, asked.job)
        seen = seen_version(asked.request, asked.job_version(), asked.stale())
    else:
        # The clearance names the lease exactly; what the caller says of the state holds all the same.
        asked.require(Role.PIPELINE, asked.job)
        given = "if-match" in asked.request.headers
        seen = seen_version(asked.request, asked.job_version(), asked.stale()) if given else ""
    change = JobChange(asked.job, by, body.reason, clearance=body.clearance, if_match=seen or None)
    return answer(asked.verbs.release(change))


async def retire(asked: Caller, seen: Seen, body: RetireBody) -> Response:
    """Take resources out of the job, or retire all of it."""
    # Not `def`, as the next two: it reads Azure, as a check does.
    change = JobChange(asked.job, asked.reviewer(body.as_), body.reason, tuple(body.resources), if_match=seen)
    return answer(await asked.calls.working.run(partial(asked.verbs.retire, change), asked.job))


async def move(asked: Caller, seen: Seen, body: MoveBody) -> Response:
    """Move resources to another job, of which the caller is a reviewer too; that job afterwards."""
    change = JobChange(asked.job, asked.reviewer(body.as_), body.reason, tuple(body.resources), if_match=seen)

    def moved() -> View:
        asked.require(Role.REVIEWER, body.to)
        return asked.verbs.move(change, body.to)

    return answer(await asked.calls.working.run(moved, asked.job))


async def accept(asked: Caller, seen: Seen, proposal: str, body: ReasonBody) -> Response:
    """Make a proposal the job's baseline."""
    change = JobChange(asked.job, asked.reviewer(body.as_), body.reason, if_match=seen)
    return answer(await asked.calls.working.run(partial(asked.verbs.accept, change, proposal), asked.job))


def hold(asked: Caller, seen: Seen, body: ReasonBody) -> Response:
    """Put the job under legal hold."""
    change = JobChange(asked.job, asked.reviewer(body.as_), body.reason, if_match=seen)
    return answer(asked.verbs.hold(change))


def unhold(asked: Caller, seen: Seen, body: ReasonBody) -> Response:
    """Take the legal hold away."""
    change = JobChange(asked.job, asked.reviewer(body.as_), body.reason, if_match=seen)
    return answer(asked.verbs.unhold(change))


_REFUSES = (
    "wrong-use", "other-scope", "not-found", "already-final", "halt-open", "busy", "conflict", "stale",
    "precondition-missing",
)  # fmt: skip
_ONLY_ITS_ROW = ("wrong-use", "not-found", "already-final", "conflict", "stale", "precondition-missing")
CALLS = (
    Call("GET", "/api/jobs", jobs, "A page of jobs", (Role.READER,), Jobs, conditional=True),
    Call(
        "GET", "/api/jobs/{job}", job, "The job", (Role.READER,), JobWithBaseline,
        problems=("wrong-use", "not-found"), conditional=True, at_once=_unchanged_job,
    ),
    Call(
        "GET", "/api/jobs/{job}/explain", explain, "Explained", (Role.READER,), Explained,
        problems=("wrong-use", "other-scope", "not-found", "conflict", "could-not-tell"),
    ),
    Call(
        "GET", "/api/jobs/{job}/proposals", proposals_of, "A page of proposals", (Role.READER,), Proposals,
        problems=("wrong-use", "not-found"), conditional=True,
    ),
    Call("GET", "/api/proposals", proposals, "A page of proposals", (Role.READER,), Proposals, conditional=True),
    Call(
        "POST", "/api/jobs/{job}/release", release, "The job afterwards", (Role.REVIEWER, Role.PIPELINE),
        JobWithBaseline, problems=_REFUSES,
    ),
    Call(
        "POST", "/api/jobs/{job}/retire", retire, "The job afterwards", (Role.REVIEWER,), JobWithBaseline,
        problems=(*_REFUSES, "could-not-tell"), changes="job",
    ),
    Call(
        "POST", "/api/jobs/{job}/move", move, "The other job afterwards", (Role.REVIEWER,), JobWithBaseline,
        problems=(*_REFUSES, "could-not-tell"), changes="job",
    ),
    Call(
        "POST", "/api/jobs/{job}/proposals/{proposal}/accept", accept, "The job afterwards", (Role.REVIEWER,),
        JobWithBaseline, problems=(*_REFUSES, "could-not-tell"), changes="job",
    ),
    Call(
        "POST", "/api/jobs/{job}/hold", hold, "The job afterwards", (Role.REVIEWER,), JobWithBaseline,
        problems=_ONLY_ITS_ROW, changes="job",
    ),
    Call(
        "POST", "/api/jobs/{job}/unhold", unhold, "The job afterwards", (Role.REVIEWER,), JobWithBaseline,
        problems=_ONLY_ITS_ROW, changes="job",
    ),
)  # fmt: skip
