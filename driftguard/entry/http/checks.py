"""Checks and records: what a pipeline asks before and after an update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.responses import Response

from driftguard.entry import limits
from driftguard.entry.http import problems
from driftguard.entry.http.answers import answer
from driftguard.entry.http.asked import Asked
from driftguard.entry.http.long_calls import Ended
from driftguard.entry.http.models import CheckBody, CheckLater, CheckView, RecordBody, RecordLater, RecordView
from driftguard.entry.http.routes import Call, Caller
from driftguard.entry.in_process import InProcess
from driftguard.flow.access import Role
from driftguard.flow.review import Person
from driftguard.guard import calls
from driftguard.guard.context import Checkout, Guard

_LONGEST_TABLE = 4000


async def check(asked: Caller, body: CheckBody) -> Response:
    """Judge the job for a run; longer than 20 s: 202, ask at Location."""
    # Not `def`: a check reads Azure, for minutes at times, and would hold one of the few threads that answer everything else.
    ended = await asked.calls.answer(asked, "check", partial(_check, asked, body))
    if isinstance(ended, calls.Begun):
        return _later(asked, ended, "checks")
    return _checked(asked, ended)


async def record(asked: Caller, body: RecordBody) -> Response:
    """Record what a deployment left; longer than 20 s: 202, ask at Location."""
    ended = await asked.calls.answer(asked, "record", partial(_record, asked, body))  # not `def`: as check
    if isinstance(ended, calls.Begun):
        return _later(asked, ended, "records")
    if ended.view is None:
        return problems.response(ended.problem or {})
    return answer({**ended.view, **_review(asked, ended.view)}, 201)


def check_later(asked: Caller, call: str) -> Response:
    """What became of a check that took longer."""
    return told_later(asked, asked.job, "check", call)


def record_later(asked: Caller, call: str) -> Response:
    """What became of a record that took longer."""
    return told_later(asked, asked.job, "record", call)


def told_later(asked: Asked, partition: str, verb: str, call_id: str, *, own_only: bool = False) -> Response:
    """A call as its caller may see it."""
    found = calls.look(asked.guard, partition, verb, call_id, asked.caller_id, own_only=own_only)
    view = {
        "id": found.id,
        "state": found.state,
        "started_at": found.started_at,
        "answer": found.answer,
        "problem": found.problem,
        "summary": found.summary,
        **_review(asked, found.answer or {}),
    }
    return answer(view, Retry_After="2") if found.state == calls.RUNNING else answer(view)


def _check(asked: Asked, body: CheckBody) -> dict[str, Any]:
    from driftguard.guard.answer import Ask

    guard: Guard = replace(asked.guard, checkout=_AsTold(body.contains))
    starter = _starter(body.started_by)
    ask = Ask(asked.job, body.run, body.stage, body.ticket, starter, body.gate, tuple(body.resources), _holder(asked))
    limits.require_ask(ask)
    _require_ids(guard, body.resources)
    return InProcess(guard).check(ask)


def _record(asked: Asked, body: RecordBody) -> dict[str, Any]:
    from driftguard.guard.recorded import Naming, Recording

    recording = Recording(
        asked.job,
        body.run,
        body.clearance,
        Naming(tuple(body.deployments), tuple(body.resources), tuple(body.scopes)),
        body.stage,
        body.ticket,
        _starter(body.started_by),
        body.after_failure,
        _holder(asked),
    )
    limits.require_recording(recording)
    _require_ids(asked.guard, [*body.resources, *body.scopes, *body.deployments])
    return asked.verbs.record(recording)


class _AsTold(Checkout):
    """The run's own source code, as far as the run tells: the service has no checkout of it."""

    def __init__(self, told: Mapping[str, bool]) -> None:
        self._told = told

    def contains(self, commit: str) -> bool | None:
        return self._told.get(commit)


def _require_ids(guard: Guard, ids: Sequence[str]) -> None:
    """Raises WrongUse, OtherScope for what is no id of a resource."""
    from driftguard.flow.resource import parse_ref

    for text in ids:
        parse_ref(text, cloud=guard.cloud)


def _holder(asked: Asked) -> str:
    """Whose the lease is. Who may do everything works with the store in process as well: there nobody is told apart."""
    return "" if asked.caller.everything else asked.caller_id


def _starter(name: str | None) -> Person | None:
    """Who started the run, as a pipeline claims: nobody proved it."""
    return Person(name, asserted=True) if name else None


def _later(asked: Asked, begun: calls.Begun, kind: str) -> Response:
    view = {"id": begun.id, "state": calls.RUNNING, "started_at": begun.body["started_at"]}
    return answer(view, 202, Location=f"/api/jobs/{asked.job}/{kind}/{begun.id}", Retry_After="2")


def _checked(asked: Asked, ended: Ended) -> Response:
    view = ended.view
    if view is None:
        return problems.response(ended.problem or {})
    if view["exit_code"] == 0:
        return answer(view)
    correlation = problems.correlation_id(asked.request)
    if view["exit_code"] == 1 and view["halt"]:
        return problems.response(_halted(view, correlation, _review(asked, view)))
    title = "ask again in a few minutes; nothing was decided"
    document = problems.problem(
        "could-not-tell", 503, title, view["why"], view["exit_code"], correlation, {"check": view}
    )
    return problems.response(document)


def _review(asked: Asked, view: Mapping[str, Any]) -> dict[str, str]:
    """Where a person looks at the halt of a view, relative; nothing where there is none, or the service has no pages."""
    halt = view.get("halt")
    return {"review": f"/ui/halts/{halt['id']}"} if asked.has_pages and isinstance(halt, Mapping) else {}


def _halted(view: Mapping[str, Any], correlation: str, review: Mapping[str, str]) -> dict[str, Any]:
    from driftguard.render.text import check_text

    halt = view["halt"]
    more = {
        "check": view,
        "halt": {name: halt[name] for name in ("id", "digest", "state")},
        **review,
        "table": check_text(view)[:_LONGEST_TABLE],
    }
    title = f"do not update; a reviewer decides: driftguard halts show {halt['id']}"
    return problems.problem("halt", 412, title, view["why"], 1, correlation, more)


_REFUSES = ("busy", "conflict", "wrong-use", "other-scope", "nothing-recorded", "could-not-tell")
CALLS = (
    Call(
        "POST", "/api/jobs/{job}/checks", check, "Proceed: the run may go on", (Role.PIPELINE,), CheckView,
        problems=("halt", *_REFUSES), later=True,
    ),
    Call(
        "GET", "/api/jobs/{job}/checks/{call}", check_later, "The check", (Role.PIPELINE,), CheckLater,
        problems=("not-found",),
    ),
    Call(
        "POST", "/api/jobs/{job}/records", record, "Recorded", (Role.PIPELINE,), RecordView, 201,
        problems=("halt-open", "no-clearance", "not-found", *_REFUSES), later=True,
    ),
    Call(
        "GET", "/api/jobs/{job}/records/{call}", record_later, "The record", (Role.PIPELINE,), RecordLater,
        problems=("not-found",),
    ),
)  # fmt: skip
