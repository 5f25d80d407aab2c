"""Lists of halts, jobs, proposals, notes and of a scan for people, one line each; and one job with what it has recorded.

They are made from views, as the texts in text.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from driftguard.flow.moment import from_text
from driftguard.render.findings import change_line, configuration, headline, resource_name, when_text
from driftguard.render.members import Members, count, mapping, mappings, text, texts
from driftguard.render.tables import age, number, table
from driftguard.render.untrusted import one_line

_CELL = 48
_MOST_RESOURCES = 200
_MOST_FINDINGS = 5
_NO_JOBS = (
    "No jobs that are recorded here and open to you."  # true of a service too, which tells what the caller may see
)
_OBSERVED = "observe mode: nothing is stopped"


def halts_text(view: Members, now: datetime) -> str:
    """A table: id, age, job, ticket, actor, state, resources."""
    halts = mappings(view, "halts")
    if not halts:
        return "No halts."
    heads = ("HALT", "AGE", "JOB", "TICKET", "ACTOR", "STATE", "RESOURCES")
    return table(heads, [_halt_row(halt, now) for halt in halts])


def _halt_row(halt: Members, now: datetime) -> Sequence[str]:
    names = [resource_name(text(one, "resource")) for one in mappings(halt, "summary")]
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    return (
        _cell(halt, "id"),
        _age(halt, "opened_at", now),
        _cell(halt, "job"),
        _cell(halt, "ticket"),
        _cell(halt, "actor", "unknown"),
        _cell(halt, "state"),
        f"{names[0]}{more}" if names else "-",
    )


def jobs_text(view: Members) -> str:
    """A table: job, generation, when recorded, state."""
    jobs = mappings(view, "jobs")
    if not jobs:
        return _NO_JOBS
    rows = [(_cell(job, "job"), _cell(job, "generation"), _when(job, "recorded_at"), _job_state(job)) for job in jobs]
    return table(("JOB", "GENERATION", "RECORDED", "STATE"), rows)


def job_text(view: Members) -> str:
    """One job: where it stands, and what it has recorded."""
    ledger, baseline = mapping(view, "ledger"), mapping(view, "baseline")
    lines = [
        f"Job {_shown(view, 'job')}: {_job_state(view)}",
        f"  cloud {_shown(view, 'cloud')}, tenant {_shown(view, 'tenant') or 'not known'}",
        f"  last found as recorded: {_when(view, 'good_at')}",
        f"  ledger: {number(count(ledger, 'number'), 'entry', 'entries')}, head {_shown(ledger, 'head')}",
    ]
    if hold := mapping(view, "hold"):
        lines.append(
            f"  legal hold: since {_when(hold, 'at')}, by {_shown(hold, 'by', 80)}: {_shown(hold, 'reason', 300)}"
        )
    if baseline:
        lines += ["", *_baseline(baseline)]
    return "\n".join(lines)


def _job_state(job: Members) -> str:
    states = []
    lease, halt = mapping(job, "lease"), mapping(job, "halt")
    if job.get("retired_at"):
        states.append(f"retired {_when(job, 'retired_at')}")
    if lease:
        states.append(f"updating: run {_shown(lease, 'run', 80)} until {_when(lease, 'until')}")
    if job.get("settling"):
        states.append("settling: its last record waits for resources")
    if halt:
        states.append(f"halt {_shown(halt, 'id')} is {_shown(halt, 'state', 40)}")
    said = ["; ".join(states) or ("ready" if count(job, "generation") else "nothing recorded")]
    if job.get("mode") == "observe" and not job.get("retired_at"):
        said.append(_OBSERVED)
    if mapping(job, "hold"):
        said.append("under legal hold")
    return "; ".join(said)


def _baseline(baseline: Members) -> list[str]:
    by = f"by {_shown(baseline, 'by', 80)}"
    told = [f"{what} {_shown(baseline, what, 80)}" for what in ("run", "ticket") if baseline.get(what)]
    entries = mappings(baseline, "resources")
    rows = [
        (
            one_line(resource_name(text(entry, "resource")), _CELL),
            _shown(entry, "type", 80),
            _shown(entry, "api_version", 30),
            _when(entry, "at"),
            _shown(entry, "provenance", 60),
        )
        for entry in entries[:_MOST_RESOURCES]
    ]
    holds = number(len(entries), "resource", "resources")
    generation, at = _shown(baseline, "generation"), _when(baseline, "at")
    first = f"Generation {generation}, {at}, {', '.join([by, *told])}: {holds}"
    more = [f"and {len(entries) - _MOST_RESOURCES} more (--json has all)"] if len(entries) > _MOST_RESOURCES else []
    return [first, *table(("RESOURCE", "TYPE", "API-VERSION", "READ AT", "ACCEPTED BY"), rows).splitlines(), *more]


def proposals_text(view: Members) -> str:
    """A table: id, job, when, by whom, run, what it holds."""
    proposals = mappings(view, "proposals")
    if not proposals:
        return "No proposals."
    rows = [
        (
            _cell(one, "id"),
            _cell(one, "job"),
            _when(one, "at"),
            _proposer(mapping(one, "by")),
            _cell(one, "run"),
            _held(mapping(one, "counts")),
        )
        for one in proposals
    ]
    return table(("PROPOSAL", "JOB", "MADE", "BY", "RUN", "HOLDS"), rows)


def _proposer(by: Members) -> str:
    return _cell(by, "name", "") or _cell(by, "object_id", "unknown")


def _held(counts: Members) -> str:
    return ", ".join(f"{count(counts, what)} {one_line(what, 60)}" for what in sorted(counts))


def deliveries_text(view: Members, none: str = "No notes are due.") -> str:
    """A table: halt, job, event, target, state, where the note stands or why it waits; `none` where there is no note."""
    deliveries = mappings(view, "deliveries")
    if not deliveries:
        return none
    heads = ("HALT", "JOB", "EVENT", "TARGET", "STATE", "WHERE")
    columns = ("halt", "job", "event", "target", "state")
    return table(heads, [(*(_cell(one, name) for name in columns), _place(one)) for one in deliveries])


def _place(one: Members) -> str:
    if one.get("problem"):
        return f"{_shown(one, 'problem', 300)}; next try {_when(one, 'next_at')}"
    return _shown(one, "where", 300) or "-"


def scan_text(view: Members) -> str:
    """A table: job, verdict, halt, why; below it what was found of each job, how many of each verdict, what waits, what was
    purged and anchored, and what of that went wrong."""
    jobs = mappings(view, "jobs")
    if not jobs:
        return "\n".join([_NO_JOBS, *_swept(view)])
    rows = [(_cell(job, "job"), _verdict(job), _cell(job, "halt"), _shown(job, "why", 200)) for job in jobs]
    counts = Counter(_verdict(job) for job in jobs)
    judged = ", ".join(f"{counts[verdict]} {verdict}" for verdict in sorted(counts))
    waiting = count(view, "notes_waiting")
    notes = f"; {number(waiting, 'note waits', 'notes wait')} (driftguard deliveries)" if waiting else ""
    found = [line for job in jobs for line in _found(job)]
    return "\n".join([table(("JOB", "VERDICT", "HALT", "WHY"), rows), *found, f"{judged}{notes}", *_swept(view)])


def _swept(view: Members) -> list[str]:
    """What a scan of every job did besides judging; nothing where it did nothing."""
    swept = mapping(view, "swept")
    purged = mapping(swept, "purged")
    kinds = [f"{count(purged, kind)} {one_line(kind, 60)}" for kind in sorted(purged) if count(purged, kind)]
    lines = [f"purged: {', '.join(kinds)}"] if kinds else []
    lines += [f"anchored: {_shown(swept, 'anchored')}"] if swept.get("anchored") else []
    return [*lines, *(f"went wrong: {one_line(fault, 300)}" for fault in texts(swept, "faults"))]


def _found(job: Members) -> list[str]:
    """The findings of one job in short: the resource, the first path that counts, and who wrote it."""
    findings = mappings(job, "findings")
    if not findings:
        return []
    lines = [f"  {_finding(finding)}" for finding in findings[:_MOST_FINDINGS]]
    left = len(findings) - len(lines) + count(job, "findings_left")
    more = [f"  and {left} more (--json, or driftguard check --job {_shown(job, 'job')} --gate)"] if left > 0 else []
    return [f"{_shown(job, 'job')}:", *lines, *more]


def _finding(finding: Members) -> str:
    changes = configuration(finding)
    what = change_line(changes[0]) if changes else headline(finding)
    more = f" (+{len(changes) - 1})" if len(changes) > 1 else ""
    return f"{resource_name(text(finding, 'resource'))}: {what}{more}{_writer(finding)}"


def _writer(finding: Members) -> str:
    who = _shown(mapping(finding, "attribution"), "who", 80)
    return f", by {who}" if who else ""


def _verdict(job: Members) -> str:
    observed = " (observed)" if job.get("observed") is True else ""
    return f"{_cell(job, 'verdict')}{observed}"


def _age(view: Members, name: str, now: datetime) -> str:
    try:
        return age(from_text(text(view, name)), now)
    except ValueError:
        return "-"


def _when(view: Members, name: str) -> str:
    return when_text(text(view, name)) if view.get(name) else "-"


def _shown(view: Members, name: str, limit: int = 200) -> str:
    return one_line(text(view, name), limit)


def _cell(view: Members, name: str, none: str = "-") -> str:
    return _shown(view, name, _CELL) or none
