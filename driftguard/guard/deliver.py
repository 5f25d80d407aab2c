"""Deliver: tells every target what waits in the outbox.

Rules:
- A note is claimed before it is sent, so that two processes do not send it at once; a claim that was never finished runs out.
- Sent and then killed before it was written down: it is sent again, and the target keeps one note (the port's promise).
- One target that fails holds up no other; per halt and target the order is kept.
- A failure is written down with its reason and tried again later; nothing is dropped.
- Evidence that is lost or damaged is such a failure: what does not match the halt's digest is sent to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from driftguard.errors import BadConfiguration, Conflict, DriftGuardError, Unavailable
from driftguard.flow.moment import from_text, to_text
from driftguard.flow.ports import Note, Put, Row
from driftguard.flow.ticket import Delivery, wait_after
from driftguard.guard import index
from driftguard.guard.context import Guard
from driftguard.guard.halting import earlier_of, load_evidence
from driftguard.guard.measured import told_standing
from driftguard.guard.rows import OUTBOX
from driftguard.guard.standing import measure_standing
from driftguard.guard.work import Work


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one note: `state` delivered or due; `where` it stands, or the `problem` and when it is tried again."""

    job: str
    halt: str
    target: str
    event: str
    state: Delivery
    where: str = ""
    problem: str = ""
    next_at: str = ""


def deliver_due(guard: Guard, job: str | None = None, *, now: bool = False) -> list[Delivered]:
    """Send what is due, of one job or of all. `now`: also what waits for its next try. Raises StoreUnavailable."""
    told = send_due(guard, job, now=now)
    if job is None:
        told_standing(guard, measure_standing)
    return told


def send_due(guard: Guard, job: str | None = None, *, now: bool = False) -> list[Delivered]:
    """As `deliver_due`, and nothing is measured of what stands open. Raises StoreUnavailable."""
    with guard.telemetry.span("driftguard.deliver") as span:
        told = _send(guard, job, now)
        span.tell(sent=len(told) - len(waiting(told)), waiting=len(waiting(told)))
    return told


def _send(guard: Guard, job: str | None, now: bool) -> list[Delivered]:
    told: list[Delivered] = []
    stuck: set[tuple[str, str]] = set()
    for of_job, row in index.due_notes(guard.store, guard.clock.now(), job):
        lane = (row.body["halt"], row.body["target"])
        if lane in stuck:
            continue
        result = _deliver_one(guard, of_job, row, now)
        if result is None or result.state is not Delivery.DELIVERED:
            stuck.add(lane)
        if result is not None:
            told.append(result)
    return told


def list_deliveries(guard: Guard, job: str | None = None, *, all_states: bool = False) -> list[Delivered]:
    """Where the notes of one job or of all stand, in order of job and id; without `all_states` those that wait."""
    if all_states or job:
        names = [job] if job else index.jobs(guard.store)
        rows = [(name, row) for name in names for row in index.all_rows(guard.store, name, OUTBOX)]
    else:
        rows = index.due_notes(guard.store, guard.clock.now())
    told = [as_stored(name, row) for name, row in rows]
    return told if all_states else waiting(told)


def as_stored(job: str, row: Row) -> Delivered:
    """Where the note of this outbox row stands."""
    body = row.body
    state = Delivery(body["state"])
    next_at = "" if state is Delivery.DELIVERED else body["next_at"]
    return _result(job, row, state, where=body.get("where", ""), problem=body.get("problem", ""), next_at=next_at)


def deliver_after(guard: Guard, job: str) -> None:
    """Send what is due of a job, after its verb has committed: a store that fails now must not hide what was decided.

    The notes wait in the outbox all the same; the next command sends them.
    """
    with suppress(Unavailable, BadConfiguration):  # no answer, no sign-in any more, or a key that was rotated
        send_due(guard, job)


def _deliver_one(guard: Guard, job: str, row: Row, at_once: bool) -> Delivered | None:
    """The result, or None where it is not this process's turn."""
    now = guard.clock.now()
    waits = from_text(row.body["next_at"]) > now
    if waits and (row.body["state"] == Delivery.SENDING or not at_once):
        return None
    target = guard.targets.get(row.body["target"])
    held_for = timedelta(seconds=target.claim if target else 0.0)
    claim = {**row.body, "state": str(Delivery.SENDING), "next_at": to_text(now + held_for)}
    version = _write(guard, job, row.id, claim, row.version)
    if version is None:
        return None
    try:
        if target is None:
            raise Unavailable(
                f"no target {row.body['target']!r} is set up", "set it up again, or the note keeps waiting"
            )
        receipt = target.deliver(_note(guard, job, row))
    except DriftGuardError as error:
        guard.telemetry.count("driftguard.notes.sent", target=row.body["target"], outcome="failed")
        return _failed(guard, job, row, version, error)
    sent = {**claim, "state": str(Delivery.DELIVERED), "where": receipt.where, "problem": "", "next_at": to_text(now)}
    _write(guard, job, row.id, sent, version)
    guard.telemetry.count("driftguard.notes.sent", target=row.body["target"], outcome="sent")
    return _result(job, row, Delivery.DELIVERED, where=receipt.where)


def _failed(guard: Guard, job: str, row: Row, version: str, error: DriftGuardError) -> Delivered:
    attempts = row.body["attempts"] + 1
    next_at = to_text(guard.clock.now() + wait_after(attempts))
    body = {
        **row.body,
        "state": str(Delivery.DUE),
        "attempts": attempts,
        "next_at": next_at,
        "problem": str(error),
    }
    _write(guard, job, row.id, body, version)
    return _result(job, row, Delivery.DUE, problem=str(error), next_at=next_at)


def _write(guard: Guard, job: str, row_id: str, body: dict[str, object], version: str) -> str | None:
    """The row's new version, or None where somebody else was faster."""
    try:
        return guard.store.commit(job, [Put(OUTBOX, row_id, body, version)])[OUTBOX, row_id]
    except Conflict:
        return None


def _note(guard: Guard, job: str, row: Row) -> Note:
    work = Work(guard.store, job, guard.clock.now())
    halt = work.halt(row.body["halt"])
    status = {
        "state": str(halt.state),
        "cause": halt.cause,
        "opened_at": halt.opened_at,
        "decision": halt.decision,
        "proposal": halt.proposal,
        "confirmation": halt.confirmation,
        "expires_at": halt.expires_at,
        "in_use": {"run": halt.in_use["run"]} if halt.in_use else None,
        "closed_at": halt.closed_at,
        "closed_because": halt.closed_because,
        "earlier": earlier_of(guard, halt),
    }
    return Note(
        halt=halt.id,
        job=job,
        event=row.body["event"],
        ticket=halt.ticket,
        run=halt.run,
        status=status,
        evidence=load_evidence(guard, halt),
        version=halt.evidence,
        evidence_digest=halt.evidence_digest,
        ledger_head=f"{work.job.ledger_number}:{work.job.ledger_head}",
    )


def _result(job: str, row: Row, state: Delivery, *, where: str = "", problem: str = "", next_at: str = "") -> Delivered:
    body = row.body
    return Delivered(job, body["halt"], body["target"], body["event"], state, where, problem, next_at)


def waiting(results: Iterable[Delivered]) -> list[Delivered]:
    """The notes that are not delivered yet."""
    return [result for result in results if result.state is not Delivery.DELIVERED]
