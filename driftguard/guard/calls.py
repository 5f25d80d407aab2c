"""Calls that take longer than an answer over HTTP may: what became of them, for whoever asks later, in any process.

Rules:
- A call is a row in the partition of its job, or in one of its own for what is about many jobs. Only the process that began it
  writes it: while it works it says from time to time that it is alive; one that fell silent for a minute is lost, and its
  question must be asked again.
- What a check answers is not kept with its clearance: that stands in the job's row, and is told only to the one who asked, while
  it is the job's last one.
- Rows, and answers too large for a row, are removed when they are older than a day: by retention, and by the calls that begin
  later, each of which looks at a bounded number of rows.
- An answer that was sealed under other rules for secrets than today's is told to nobody, and removed when the job is sealed
  again or somebody asks for it: the row stays, and the call is lost. Of a record that was written it still says so (`summary`):
  it is not to be asked again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any

from driftguard.errors import Conflict, NotFound
from driftguard.flow.moment import from_text, to_text
from driftguard.flow.ports import Delete, Put, Row, Write
from driftguard.guard import index
from driftguard.guard.blobs import Damaged, get_json, put_json
from driftguard.guard.context import Guard
from driftguard.guard.rows import CALL, JOB, JOB_ROW, SCHEMA, JobRow
from driftguard.guard.work import sealed_under

SCANS = "~scans"  # the partition of calls that are about many jobs
LOST_AFTER = timedelta(seconds=60)
_KEPT = timedelta(days=1)
_MOST_REMOVED = 40
_MOST_IN_ROW = 256 * 1024
_PAGE = 100  # rows of calls at a time: they may be large
# What is kept of the end of a call without its answer: numbers and ids, no text that may hold a secret.
_KEPT_OF = {"record": ("generation", "proposal", "exit_code")}

RUNNING, DONE, FAILED, LOST = "running", "done", "failed", "lost"


@dataclass
class Begun:
    """A call that this process works on. `by` is the id of the one who asked."""

    partition: str
    id: str
    body: dict[str, Any]
    version: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: with an answer (a view), or with a problem; `summary` is the answer in a few words."""

    answer: Mapping[str, Any] | None = None
    problem: Mapping[str, Any] | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A call as somebody sees it who asks for it: `state` is running, done, failed or lost."""

    id: str
    state: str
    started_at: str
    answer: Mapping[str, Any] | None = None
    problem: Mapping[str, Any] | None = None
    summary: Mapping[str, Any] | None = None


def begin(guard: Guard, partition: str, verb: str, by: str, started_at: str = "") -> Begun:
    """Write down that a call works, since `started_at` (now without it); removes some of what is older than a day.

    Raises StoreUnavailable, BadConfiguration.
    """
    begun_id = f"call-{guard.new_id()}"
    _remove(guard, partition, _old(guard, _some_rows(guard, partition, begun_id)))
    now = to_text(guard.clock.now())
    body = {
        "verb": verb,
        "by": by,
        "state": RUNNING,
        "started_at": started_at or now,
        "alive_at": now,
        "sealed": sealed_under(guard.policy()),
    }
    begun = Begun(partition, begun_id, {"schema": SCHEMA, **body}, "")
    _write(guard, begun, None)
    return begun


def say_alive(guard: Guard, begun: Begun) -> None:
    """Say that the process still works on the call. Raises StoreUnavailable, Conflict where it was removed."""
    begun.body["alive_at"] = to_text(guard.clock.now())
    _write(guard, begun, begun.version)


def finish(guard: Guard, begun: Begun, outcome: Outcome) -> None:
    """Write down how the call ended. Raises StoreUnavailable, Conflict where it was removed."""
    names = _KEPT_OF.get(begun.body["verb"], ()) if outcome.answer is not None else ()
    kept = {name: outcome.summary[name] for name in names if name in outcome.summary}
    begun.body = {**begun.body, "kept": kept, "alive_at": to_text(guard.clock.now())}
    if begun.body["sealed"] != sealed_under(guard.policy()):
        # More may be a secret than when it was answered; an earlier try to write it down may have left the answer.
        guard.store.forget([begun.body["told_in"]] if "told_in" in begun.body else [])
        begun.body = _without_answer(begun.body)
        _write(guard, begun, begun.version)
        return
    answer, cleared = _without_clearance(outcome.answer)
    told = {"answer": answer, "problem": outcome.problem, "summary": dict(outcome.summary)}
    body = {**begun.body, "state": FAILED if outcome.answer is None else DONE, "cleared": cleared}
    if len(json.dumps(told)) > _MOST_IN_ROW:
        body["told_in"] = f"{begun.partition}/call/{begun.id}"
        put_json(guard.store, body["told_in"], told)
    else:
        body["told"] = told
    begun.body = body
    _write(guard, begun, begun.version)


def look(guard: Guard, partition: str, verb: str, call_id: str, by: str, *, own_only: bool = False) -> Call:
    """The call as `by` may see it. Raises NotFound; also, with `own_only`, for a call of somebody else's."""
    row = guard.store.get(partition, CALL, call_id)
    if row is None or row.body["verb"] != verb or (own_only and row.body["by"] != by):
        raise NotFound(f"there is no {verb} {call_id[:100]}", "ask again: what is done is told for a day")
    body = row.body
    state = body["state"]
    if state == RUNNING and guard.clock.now() - from_text(body["alive_at"]) > LOST_AFTER:
        state = LOST
    if state == RUNNING:
        return Call(call_id, state, body["started_at"])
    lost = Call(call_id, LOST, body["started_at"], summary=body.get("kept") or None)
    if state == LOST:
        return lost
    if body["sealed"] != sealed_under(guard.policy()):
        _lose(guard, partition, [row])
        return lost
    told = _told(guard, body)
    if told is None:
        return lost
    answer = told["answer"]
    if answer is not None and body["cleared"]:
        answer = answer | _clearance_of(guard, partition, body) if body["by"] == by else answer
    return Call(call_id, state, body["started_at"], answer, told["problem"], told["summary"])


def forget_other_rules(guard: Guard, partition: str, sealed: str) -> None:
    """Remove the answers of other rules for secrets: those calls are lost. One that still works sees to itself."""
    rows = index.all_rows(guard.store, partition, CALL, at_once=_PAGE)
    old = [row for row in rows if row.body["sealed"] != sealed and row.body["state"] in (DONE, FAILED)]
    for start in range(0, len(old), _MOST_REMOVED):
        _lose(guard, partition, old[start : start + _MOST_REMOVED])


def _without_answer(body: Mapping[str, Any]) -> dict[str, Any]:
    """The row's body of a call that is lost."""
    return {name: value for name, value in body.items() if name not in ("told", "told_in", "cleared")} | {"state": LOST}


def _told(guard: Guard, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the call ended with; None where the store has lost it: the question can be asked again."""
    try:
        told: dict[str, Any] = body["told"] if "told" in body else get_json(guard.store, body["told_in"])
    except Damaged:
        return None
    return told


def _without_clearance(answer: Mapping[str, Any] | None) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The answer without its clearance, and what the clearance is known by. A new clearance is the id of its check."""
    if answer is None or not answer.get("clearance"):
        return (dict(answer) if answer is not None else None), None
    clearance = str(answer["clearance"])
    hidden = [name for name in ("clearance", "check") if answer.get(name) == clearance]
    return {**answer, **dict.fromkeys(hidden)}, {"digest": _digest(clearance), "members": hidden}


def _clearance_of(guard: Guard, name: str, body: Mapping[str, Any]) -> dict[str, str]:
    """The members that the clearance stands in, where it is still the job's last one."""
    row = guard.store.get(name, JOB, JOB_ROW)
    job_row = JobRow.from_body(row.body) if row else None
    lease = (job_row.lease or job_row.last_clearance) if job_row else None
    if lease is None or _digest(lease.clearance) != body["cleared"]["digest"]:
        return {}
    return dict.fromkeys(body["cleared"]["members"], lease.clearance)


def _digest(clearance: str) -> str:
    return hashlib.sha256(clearance.encode()).hexdigest()


def _write(guard: Guard, begun: Begun, expected: str | None) -> None:
    written = guard.store.commit(begun.partition, [Put(CALL, begun.id, begun.body, expected)])
    begun.version = written[CALL, begun.id]


def remove_old(guard: Guard, partition: str) -> int:
    """Remove a portion of the calls that are older than a day, with their answers; how many there were."""
    old = _old(guard, index.all_rows(guard.store, partition, CALL, at_once=_PAGE))
    _remove(guard, partition, old)
    return len(old)


def _old(guard: Guard, rows: Iterable[Row]) -> list[Row]:
    """A portion of those that are older than a day."""
    before = to_text(guard.clock.now() - _KEPT)
    return list(islice((row for row in rows if row.body["alive_at"] < before), _MOST_REMOVED))


def _some_rows(guard: Guard, partition: str, place: str) -> list[Row]:
    """At most two pages of calls: the first, and the one after `place` where there are more.

    Ids are random, and so is an id as a place: the calls that begin look at all rows in the course of time.
    """
    first = guard.store.list(partition, CALL, limit=_PAGE)
    if len(first) < _PAGE:
        return first
    return [*first, *guard.store.list(partition, CALL, after=max(place, first[-1].id), limit=_PAGE)]


def _remove(guard: Guard, partition: str, rows: list[Row]) -> None:
    """Remove these calls with their answers."""
    _forget(guard, partition, rows, [Delete(CALL, row.id, row.version) for row in rows])


def _lose(guard: Guard, partition: str, rows: list[Row]) -> None:
    """Remove the answers of these calls, and leave the calls as lost."""
    _forget(guard, partition, rows, [Put(CALL, row.id, _without_answer(row.body), row.version) for row in rows])


def _forget(guard: Guard, partition: str, rows: list[Row], writes: Sequence[Write]) -> None:
    """Remove what these calls were answered with, then write; somebody else may be doing the same."""
    if not rows:
        return
    guard.store.forget([row.body["told_in"] for row in rows if "told_in" in row.body])
    try:
        guard.store.commit(partition, writes)
    except Conflict:
        return  # the next call that begins looks again
