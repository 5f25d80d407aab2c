"""Halts: lists, one halt, and what a reviewer says to it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from driftguard.entry.http.answers import answer, tagged, unchanged
from driftguard.entry.http.answers import json_bytes as to_json
from driftguard.entry.http.answers import page as as_page
from driftguard.entry.http.asked import Asked
from driftguard.entry.http.etags import halt_tag, is_unchanged, of_evidence
from driftguard.entry.http.models import ConfirmationBody, DecisionBody, Halts, HaltWithDocument
from driftguard.entry.http.pages import DEFAULT, MOST, bound_jobs, cut, next_page, position
from driftguard.entry.http.routes import Call, Caller, Seen
from driftguard.flow.access import Role
from driftguard.flow.halt import FINAL, Decision, State
from driftguard.guard.rows import HaltRow

Limit = Annotated[int, Query(ge=1, le=MOST)]
After = Annotated[str | None, Query(description="Where the page before ended: take it from `next`.")]
Named = Annotated[str | None, Query(min_length=1, max_length=256)]


def halts(
    asked: Caller,
    job: Named = None,
    all_states: Annotated[bool, Query(alias="all", description="Final ones too.")] = False,
    state: State | None = None,
    ticket: Named = None,
    run: Named = None,
    actor: Annotated[str | None, Query(max_length=256, description="Who changed it; without regard to case.")] = None,
    after: After = None,
    limit: Limit = DEFAULT,
) -> Response:
    """Open halts of the jobs that the caller is bound to, oldest first."""
    from driftguard.render.json_views import halts_view

    came_to = position(after, "halts", 2)
    wanted = {"ticket": ticket, "run": run, "state": state}
    found = sorted(
        (
            halt
            for halt in _halts(asked, job, all_states or state in FINAL)
            if all(value is None or getattr(halt, name) == value for name, value in wanted.items())
            and (actor is None or halt.actor.casefold() == actor.casefold())
            and (halt.opened_at, halt.id) > came_to
        ),
        key=lambda halt: (halt.opened_at, halt.id),
    )
    told, more = cut(found, limit)
    following = next_page(asked.request, "halts", told[-1].opened_at, told[-1].id) if more else None
    return as_page(asked.request, {**halts_view(told), "next": following})


def _halts(asked: Asked, job: str | None, all_states: bool) -> list[HaltRow]:
    from driftguard.guard.review import list_halts

    if job is None and not all_states:  # of all jobs at once, by the list of open halts
        return [halt for halt in list_halts(asked.guard) if asked.may(Role.READER, halt.job)]
    names = bound_jobs(asked, job=job)
    return [halt for name in names for halt in list_halts(asked.guard, job=name, all_states=all_states)]


def halt(asked: Caller, evidence: Annotated[int | None, Query(ge=1, le=10**9)] = None) -> Response:
    """One halt with its evidence, of a version or the latest."""
    view = asked.verbs.halt(asked.halt, evidence)
    body = to_json(view)
    current = halt_tag(view, _shown(asked, view["version"]), "json", body, asked.at)
    return unchanged(current) if is_unchanged(asked.request, current) else tagged(body, current)


def _unchanged_halt(asked: Asked) -> Response | None:
    """304 by the row's version and the tag's own deadline: neither row nor evidence is loaded."""
    version = asked.halt_version()
    current = asked.still_good(_shown(asked, version) if version else None, "json")
    return unchanged(current) if current else None


def _shown(asked: Asked, version: str) -> str:
    """What the tag begins with: the row's version; with an earlier evidence it names no state that can be decided on."""
    evidence = asked.request.query_params.get("evidence")
    return version if evidence is None else of_evidence(evidence, version)


def decide(asked: Caller, seen: Seen, body: DecisionBody) -> Response:
    """Take a decision on the state that If-Match names."""
    from driftguard.guard.review import Deciding

    reviewer = asked.reviewer(body.as_)
    decision, resources = Decision(body.decision), tuple(body.resources)
    deciding = Deciding(asked.halt, decision, body.reason, reviewer, resources, body.in_code, seen, body.evidence)
    return answer(asked.verbs.decide(deciding), 201)


def confirm(asked: Caller, seen: Seen, body: ConfirmationBody) -> Response:
    """Confirm that a kept change is in the code."""
    from driftguard.guard.review import Confirming

    confirming = Confirming(asked.halt, body.in_code, asked.reviewer(body.as_), body.for_run, seen)
    return answer(asked.verbs.confirm(confirming), 201)


_REFUSES = (
    "wrong-use",
    "other-scope",
    "not-found",
    "already-final",
    "busy",
    "conflict",
    "stale",
    "precondition-missing",
)
CALLS = (
    Call(
        "GET", "/api/halts", halts, "A page of halts", (Role.READER,), Halts,
        problems=("wrong-use", "not-found"), conditional=True,
    ),
    Call(
        "GET", "/api/halts/{halt}", halt, "The halt", (Role.READER,), HaltWithDocument,
        problems=("wrong-use", "not-found"), conditional=True, at_once=_unchanged_halt,
    ),
    Call(
        "POST", "/api/halts/{halt}/decisions", decide, "Decided", (Role.REVIEWER,), HaltWithDocument, 201,
        problems=_REFUSES, changes="halt",
    ),
    Call(
        "POST", "/api/halts/{halt}/confirmations", confirm, "Confirmed", (Role.REVIEWER,), HaltWithDocument, 201,
        problems=_REFUSES, changes="halt",
    ),
)  # fmt: skip
