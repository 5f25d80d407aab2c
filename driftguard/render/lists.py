"""Lists of halts, jobs, proposals and notes for people, one line each; and one job with what it has recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from driftguard.flow.moment import for_people, from_text
from driftguard.flow.record import Baseline
from driftguard.render.findings import resource_name, when_text
from driftguard.render.tables import age, number, table
from driftguard.render.untrusted import one_line

if TYPE_CHECKING:  # types only, as in text.py
    from driftguard.guard.deliver import Delivered
    from driftguard.guard.jobs import JobView
    from driftguard.guard.rows import HaltRow

_CELL = 48
_MOST_RESOURCES = 200


def halts_text(halts: Sequence[HaltRow], now: datetime) -> str:
    """A table: id, age, job, ticket, actor, state, resources."""
    if not halts:
        return "No halts."
    heads = ("HALT", "AGE", "JOB", "TICKET", "ACTOR", "STATE", "RESOURCES")
    return table(heads, [_halt_row(halt, now) for halt in halts])


def _halt_row(halt: HaltRow, now: datetime) -> Sequence[str]:
    names = [resource_name(one["resource"]) for one in halt.summary]
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    return (
        _cell(halt.id),
        age(from_text(halt.opened_at), now),
        _cell(halt.job),
        _cell(halt.ticket or "-"),
        _cell(halt.actor or "unknown"),
        str(halt.state),
        f"{names[0]}{more}" if names else "-",
    )


def jobs_text(views: Sequence[JobView]) -> str:
    """A table: job, generation, when recorded, state."""
    if not views:
        return "No jobs: nothing is recorded yet."
    rows = [
        (_cell(view.row.name), str(view.row.generation), _when(view.row.baseline_at), _job_state(view))
        for view in views
    ]
    return table(("JOB", "GENERATION", "RECORDED", "STATE"), rows)


def job_text(view: JobView) -> str:
    """One job: where it stands, and what it has recorded."""
    job = view.row
    lines = [
        f"Job {one_line(job.name)}: {_job_state(view)}",
        f"  cloud {one_line(job.cloud)}, tenant {one_line(job.tenant or 'not known')}",
        f"  last found as recorded: {_when(job.good_at)}",
        f"  ledger: {number(job.ledger_number, 'entry', 'entries')}, head {one_line(job.ledger_head)}",
    ]
    if view.baseline is not None:
        lines += ["", *_baseline(view.baseline)]
    return "\n".join(lines)


def _job_state(view: JobView) -> str:
    job = view.row
    states = []
    if job.retired_at:
        states.append(f"retired {when_text(job.retired_at)}")
    if job.lease:
        states.append(f"updating: run {one_line(job.lease.run, 80)} until {when_text(job.lease.until)}")
    if job.pending:
        states.append("settling: its last record waits for resources")
    if view.halt:
        states.append(f"halt {one_line(view.halt.id)} is {view.halt.state}")
    return "; ".join(states) or ("ready" if job.generation else "nothing recorded")


def _baseline(baseline: Baseline) -> list[str]:
    by = f"by {one_line(baseline.by, 80)}"
    told = [
        f"{what} {one_line(text, 80)}" for what, text in (("run", baseline.run), ("ticket", baseline.ticket)) if text
    ]
    entries = sorted(baseline.entries.values(), key=lambda entry: entry.ref.key)
    rows = [
        (
            _cell(resource_name(entry.ref.id)),
            one_line(entry.ref.type, 80),
            one_line(entry.api_version, 30),
            for_people(entry.at),
            str(entry.provenance),
        )
        for entry in entries[:_MOST_RESOURCES]
    ]
    holds = number(len(entries), "resource", "resources")
    first = f"Generation {baseline.generation}, {for_people(baseline.at)}, {', '.join([by, *told])}: {holds}"
    more = [f"and {len(entries) - _MOST_RESOURCES} more (--json has all)"] if len(entries) > _MOST_RESOURCES else []
    return [first, *table(("RESOURCE", "TYPE", "API-VERSION", "READ AT", "ACCEPTED BY"), rows).splitlines(), *more]


def proposals_text(proposals: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """A table: id, job, when, by whom, run, what it holds."""
    if not proposals:
        return "No proposals."
    rows = [
        (
            _cell(body["id"]),
            _cell(job),
            when_text(body["at"]),
            _cell(body["by"]["name"] or body["by"]["object_id"] or "unknown"),
            _cell(body["run"] or "-"),
            ", ".join(f"{number} {what}" for what, number in sorted(body["counts"].items())),
        )
        for job, body in proposals
    ]
    return table(("PROPOSAL", "JOB", "MADE", "BY", "RUN", "HOLDS"), rows)


def deliveries_text(deliveries: Sequence[Delivered]) -> str:
    """A table: halt, job, event, target, state, where the note stands or why it waits."""
    if not deliveries:
        return "No notes are due."
    rows = [
        (_cell(one.halt), _cell(one.job), _cell(one.event), _cell(one.target), str(one.state), _place(one))
        for one in deliveries
    ]
    return table(("HALT", "JOB", "EVENT", "TARGET", "STATE", "WHERE"), rows)


def _place(one: Delivered) -> str:
    if one.problem:
        return f"{one_line(one.problem, 300)}; next try {_when(one.next_at)}"
    return one_line(one.where, 300) or "-"


def _when(moment: str) -> str:
    return when_text(moment) if moment else "-"


def _cell(text: str) -> str:
    return one_line(text, _CELL)
