"""The results of the verbs for machines: plain JSON with stable member names.

Rules:
- A finding has one form everywhere: that of the evidence (docs/evidence.schema.json).
- Moments are text in UTC (`2026-03-01T02:14:07.000000Z`); what is not there is null, never left out.
- A result that ends a command carries its `exit_code`.
- Views hold no bodies, no names of blobs, and no clearance but the one that a check gives to its own run.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from driftguard.errors import DriftGuardError
from driftguard.flow.decide import Action, Judged, Verdict
from driftguard.flow.evidence import Coverage, build_evidence
from driftguard.flow.moment import to_text
from driftguard.flow.record import Baseline, Entry
from driftguard.render.untrusted import without_agent_commands

if TYPE_CHECKING:  # types only: a view of an error needs none of the verbs
    from driftguard.guard.accepting import Taken
    from driftguard.guard.check import Answer
    from driftguard.guard.deliver import Delivered
    from driftguard.guard.jobs import JobView
    from driftguard.guard.record import Recorded
    from driftguard.guard.rows import HaltRow, Lease
    from driftguard.guard.scan import ScanReport

View = dict[str, Any]

_MOST_OF_A_JOB, _MOST_FINDINGS = 50, 2000  # of a scan: it is one answer, also over HTTP


def json_text(view: Mapping[str, Any]) -> str:
    """A view as it may be printed into the log of a build: ASCII only, and no command to the build's agent in it."""
    return without_agent_commands(json.dumps(view, indent=1, sort_keys=True))


def check_view(answer: Answer) -> View:
    """{check, job, run, verdict, observed, why, clearance, until, halt, findings, counts, coverage, told, exit_code}.

    `verdict` is proceed, halt or cannot tell; `findings` are all that are not unchanged, what halts first; `counts` are
    {finding: number} over all; `halt` is as in `halt_view`, or null.
    """
    judged = answer.judgement.judged
    return {
        "check": answer.check,
        "job": answer.job,
        "run": answer.run,
        "verdict": str(answer.verdict),
        "observed": answer.observed,
        "why": answer.why,
        "clearance": answer.clearance,
        "until": _moment(answer.until),
        "halt": _halt(answer.halt) if answer.halt else None,
        "findings": findings_view(judged),
        "counts": dict(sorted(Counter(str(item.finding.kind) for item in judged).items())),
        "coverage": answer.coverage.to_dict(),
        "told": list(answer.told),
        "exit_code": answer.exit_code,
    }


def findings_view(judged: Iterable[Judged]) -> list[View]:
    """The findings that are not unchanged in the form of the evidence, what halts first."""
    document = build_evidence({}, judged, Coverage())
    return [*document["findings"], *document["also_seen"]]


def record_view(recorded: Recorded) -> View:
    """{record, job, generation, provenance, proposal, halt, resolved, resources, counts, told, exit_code}.

    `provenance` is null for a proposal and `proposal` its id; `halt` is what is held, `resolved` what the record ended;
    `resources` are {resource, fate, finding, cause, detail, held}, where `held` is the finding that a halt holds, or null.
    """
    return {
        "record": recorded.record,
        "job": recorded.job,
        "generation": recorded.generation,
        "provenance": str(recorded.provenance) if recorded.provenance else None,
        "proposal": recorded.proposal,
        "halt": _halt(recorded.halt) if recorded.halt else None,
        "resolved": _halt(recorded.resolved) if recorded.resolved else None,
        "resources": [_taken(item) for item in recorded.taken],
        "counts": dict(sorted(Counter(str(item.fate) for item in recorded.taken).items())),
        "told": list(recorded.told),
        "exit_code": recorded.exit_code,
    }


def _held(item: Taken) -> Judged:
    return Judged(item.held or item.seen.finding, Action.HALT, str(item.fate))


def _taken(item: Taken) -> View:
    finding = item.seen.finding
    return {
        "resource": finding.ref.id,
        "type": finding.ref.type,
        "fate": str(item.fate),
        "finding": str(finding.kind),
        "cause": str(finding.cause) if finding.cause else None,
        "detail": finding.detail or None,
        "held": findings_view([_held(item)])[0] if item.held else None,
    }


def halt_view(halt: HaltRow, version: str | None = None, evidence: Mapping[str, Any] | None = None) -> View:
    """{id, job, state, final, digest, generation, attempt, number, cause, opened_at, run, ticket, started_by, actor,
    author_unknown, summary, evidence {version, digest}, decision, proposal, confirmation, in_use, expires_at, earlier,
    closed_at, closed_because, version, document}.

    `version` is the row's version (its ETag: what `--if-match` takes), `document` the evidence; null where not asked for.
    """
    return {**_halt(halt), "version": version, "document": dict(evidence) if evidence is not None else None}


def halts_view(halts: Sequence[HaltRow]) -> View:
    """{halts: [as `halt_view`, without version and document]}."""
    return {"halts": [_halt(halt) for halt in halts]}


def _halt(halt: HaltRow) -> View:
    return {
        "id": halt.id,
        "job": halt.job,
        "state": str(halt.state),
        "final": halt.final,
        "digest": halt.digest,
        "generation": halt.generation,
        "attempt": halt.attempt,
        "number": halt.number,
        "cause": halt.cause,
        "opened_at": halt.opened_at,
        "run": halt.run,
        "ticket": halt.ticket,
        "started_by": halt.started_by,
        "actor": halt.actor or None,
        "author_unknown": halt.author_unknown,
        "summary": halt.summary,
        "evidence": {"version": halt.evidence, "digest": halt.evidence_digest},
        "decision": halt.decision,
        "proposal": halt.proposal,
        "confirmation": halt.confirmation,
        "in_use": {"run": halt.in_use["run"]} if halt.in_use else None,
        "expires_at": halt.expires_at,
        "earlier": halt.earlier,
        "closed_at": halt.closed_at,
        "closed_because": halt.closed_because or None,
    }


def job_view(view: JobView) -> View:
    """{job, version, cloud, tenant, generation, recorded_at, retired_at, lease {run, until, halt}, settling, good_at,
    selectors, ledger {number, head}, halts, halt, mode, hold {reason, by, at}, baseline}.

    `version` is the row's version (its ETag: what `--if-match` takes). `mode` is enforce or observe, as the policy says now;
    null where the policy cannot be loaded. `hold` is the legal hold, or null.

    `halt` is the one that is not final, or null; `halts` how many there ever were. `baseline` is {generation, at, by, run,
    ticket, resources [{resource, type, api_version, etag, fingerprint, at, provenance, proven}]}; null where nothing is.
    """
    return {**_job(view), "baseline": _baseline(view.baseline) if view.baseline else None}


def jobs_view(views: Sequence[JobView]) -> View:
    """{jobs: [as `job_view`, without baseline]}."""
    return {"jobs": [_job(view) for view in views]}


def _job(view: JobView) -> View:
    job = view.row
    return {
        "job": job.name,
        "version": view.version,
        "cloud": job.cloud,
        "tenant": job.tenant or None,
        "generation": job.generation,
        "recorded_at": job.baseline_at or None,
        "retired_at": job.retired_at,
        "lease": _lease(job.lease) if job.lease else None,
        "settling": bool(job.pending),
        "good_at": job.good_at or None,
        "selectors": job.selectors,
        "ledger": {"number": job.ledger_number, "head": job.ledger_head},
        "halts": job.halts,
        "halt": _halt(view.halt) if view.halt else None,
        "mode": str(view.mode) if view.mode else None,
        "hold": {name: job.hold.get(name) for name in ("reason", "by", "at")} if job.hold is not None else None,
    }


def _lease(lease: Lease) -> View:
    return {"run": lease.run, "until": lease.until, "halt": lease.halt or None}


def _baseline(baseline: Baseline) -> View:
    return {
        "generation": baseline.generation,
        "at": to_text(baseline.at),
        "by": baseline.by,
        "run": baseline.run,
        "ticket": baseline.ticket,
        "resources": [_entry(entry) for _, entry in sorted(baseline.entries.items())],
    }


def _entry(entry: Entry) -> View:
    return {
        "resource": entry.ref.id,
        "type": entry.ref.type,
        "api_version": entry.api_version,
        "etag": entry.etags.normal(),
        "fingerprint": entry.fingerprint,
        "at": to_text(entry.at),
        "provenance": str(entry.provenance),
        "proven": entry.proven,
    }


_OF_PROPOSAL = ("id", "state", "at", "by", "run", "ticket", "generation", "selectors", "counts")


def proposals_view(proposals: Sequence[tuple[str, Mapping[str, Any]]]) -> View:
    """{proposals: [{job, id, state, at, by, run, ticket, generation, selectors, counts}]}."""
    return {"proposals": [{"job": job, **{key: body[key] for key in _OF_PROPOSAL}} for job, body in proposals]}


def deliveries_view(deliveries: Sequence[Delivered]) -> View:
    """{deliveries: [{job, halt, target, event, state, where, problem, next_at}]}; null for what does not apply."""
    return {
        "deliveries": [
            {
                "job": one.job,
                "halt": one.halt,
                "target": one.target,
                "event": one.event,
                "state": str(one.state),
                "where": one.where or None,
                "problem": one.problem or None,
                "next_at": one.next_at or None,
            }
            for one in deliveries
        ]
    }


def scan_view(report: ScanReport) -> View:
    """{scan, jobs [{job, verdict, observed, why, halt, problem, findings, findings_left}], notes_waiting, swept, exit_code}.

    `findings` are in the form of the evidence, what halts first, at most 50 a job and 2,000 in all; `findings_left` are so
    many more. A job whose verdict is proceed has none.

    `verdict` is proceed, halt, cannot tell, or busy for a job that was left alone; `halt` is an id, or null; `problem` the
    stable name of the error where a job could not be judged at all.

    `swept` is {purged {kind: count}, anchored, faults}: what was removed, the anchor that was written now or null, and what
    went wrong, one line each. It holds nothing where jobs were named.
    """
    rows = [
        _scanned(one.job, str(one.verdict), one.why, one.halt.id if one.halt else None, one.observed)
        for one in report.answers
    ]
    rows += [_scanned(job, "busy", "another run updates it, or it is settling") for job in report.busy]
    rows += [_scanned(job, "cannot tell", str(error), problem=error.problem) for job, error in report.errors.items()]
    rows.sort(key=lambda row: str(row["job"]))
    return {
        "scan": report.scan,
        "jobs": _with_findings(rows, report),
        "notes_waiting": sum(1 for note in report.delivered if note.problem),
        "swept": {**report.swept.to_dict(), "anchored": report.swept.anchored or None},
        "exit_code": report.exit_code,
    }


def _scanned(
    job: str, verdict: str, why: str, halt: str | None = None, observed: bool = False, problem: str | None = None
) -> View:
    return {"job": job, "verdict": verdict, "observed": observed, "why": why, "halt": halt, "problem": problem}


def _with_findings(rows: Sequence[View], report: ScanReport) -> list[View]:
    unclear = {one.job: one.judgement.judged for one in report.answers if one.verdict is not Verdict.PROCEED}
    room = _MOST_FINDINGS
    told = []
    for row in rows:
        found = findings_view(unclear.get(row["job"], ()))
        shown = found[: min(_MOST_OF_A_JOB, room)]
        room -= len(shown)
        told.append({**row, "findings": shown, "findings_left": len(found) - len(shown)})
    return told


def error_view(error: DriftGuardError) -> View:
    """{problem, message, remedy, exit_code}: `problem` is the stable name, as in errors.py."""
    return {
        "problem": error.problem,
        "message": error.message,
        "remedy": error.remedy,
        "exit_code": error.exit_code,
    }


def _moment(moment: datetime | None) -> str | None:
    return to_text(moment) if moment else None
