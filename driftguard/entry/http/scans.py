"""Scans of many jobs, and the notes that were sent of their halts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from driftguard.entry.http.answers import answer
from driftguard.entry.http.answers import page as as_page
from driftguard.entry.http.asked import Asked
from driftguard.entry.http.checks import told_later
from driftguard.entry.http.halts import After, Limit, Named
from driftguard.entry.http.models import Begun, Deliveries, ScanBody, ScanLater
from driftguard.entry.http.pages import DEFAULT, bound_jobs, cut, from_jobs, next_page, position
from driftguard.entry.http.routes import Call, Caller
from driftguard.flow.access import Role
from driftguard.flow.ports import Row
from driftguard.guard import calls, index
from driftguard.guard.rows import OUTBOX
from driftguard.guard.scan import is_judged


async def scan(asked: Caller, body: ScanBody) -> Response:
    """Judge jobs as a gate does; ask at Location what was found."""
    # Not `def`: a scan takes as long as it takes, on threads of its own, and the answer does not wait for it.
    names = await asked.calls.signing.run(partial(_names, asked, body))
    begun = await asked.calls.begin(asked, calls.SCANS, "scan", partial(asked.verbs.scan, names))
    view = {"id": begun.id, "state": calls.RUNNING, "started_at": begun.body["started_at"]}
    return answer(view, 202, Location=f"/api/scans/{begun.id}", Retry_After="2")


def _names(asked: Asked, body: ScanBody) -> list[str] | None:
    """The jobs to judge, None for all. Raises NotAllowed, NotFound, WrongUse for one that is named."""
    if body.jobs is not None:
        return [name for job in dict.fromkeys(body.jobs) for name in bound_jobs(asked, Role.PIPELINE, job)]
    if asked.caller.everything:
        return None
    names = [name for name in index.jobs(asked.guard.store) if asked.may(Role.PIPELINE, name)]
    return [name for name in names if is_judged(asked.guard, name)]


def scan_later(asked: Caller, call: str) -> Response:
    """What became of a scan; only who asked for it is told."""
    return told_later(asked, calls.SCANS, "scan", call, own_only=True)


def deliveries(
    asked: Caller,
    job: Named = None,
    all_states: Annotated[bool, Query(alias="all", description="Delivered ones too.")] = False,
    after: After = None,
    limit: Limit = DEFAULT,
) -> Response:
    """The notes that wait, of the jobs that the caller is bound to."""
    from driftguard.guard.deliver import as_stored, waiting
    from driftguard.render.json_views import deliveries_view

    def notes(name: str, last: str) -> Iterator[tuple[str, Row]]:
        for row in index.all_rows(asked.guard.store, name, OUTBOX, after=last):
            if all_states or waiting([as_stored(name, row)]):
                yield name, row

    found = from_jobs(bound_jobs(asked, job=job), position(after, "deliveries", 2), notes)
    told, more = cut(found, limit)
    following = next_page(asked.request, "deliveries", told[-1][0], told[-1][1].id) if more else None
    view = deliveries_view([as_stored(name, row) for name, row in told])
    return as_page(asked.request, {**view, "next": following})


CALLS = (
    Call(
        "POST", "/api/scans", scan, "The scan goes on", (Role.PIPELINE,), Begun, 202,
        problems=("wrong-use", "not-found"), later=True,
    ),
    Call(
        "GET", "/api/scans/{call}", scan_later, "The scan", (Role.PIPELINE,), ScanLater,
        problems=("wrong-use", "not-found"),
    ),
    Call(
        "GET", "/api/deliveries", deliveries, "A page of notes", (Role.READER,), Deliveries,
        problems=("wrong-use", "not-found"), conditional=True,
    ),
)  # fmt: skip
