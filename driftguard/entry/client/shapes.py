"""Whether an answer holds together: a status alone never lets a run go on.

Rules:
- What is believed is a view that answers exactly what was asked, and whose parts agree: verdict, exit code, clearance, halt.
- A view may have more members than are known here; one that lacks a member, or has another type of it, is refused.
- A check's status agrees with its view too. Everything refused is Unavailable: nothing was decided from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from driftguard.entry.verbs import View
from driftguard.flow.decide import Verdict
from driftguard.flow.halt import FINAL, LETS_PASS
from driftguard.flow.record import Fate
from driftguard.guard.answer import Ask

_NOTHING = type(None)
INDEX = "~index"  # the row of the lists across jobs, where they could not be made anew
_CHECK: Mapping[str, tuple[type, ...]] = {
    "check": (str,),
    "job": (str,),
    "run": (str,),
    "verdict": (str,),
    "observed": (bool,),
    "why": (str,),
    "clearance": (str, _NOTHING),
    "until": (str, _NOTHING),
    "halt": (dict, _NOTHING),
    "findings": (list,),
    "counts": (dict,),
    "coverage": (dict,),
    "told": (list,),
    "exit_code": (int,),
}
_RECORD: Mapping[str, tuple[type, ...]] = {
    "record": (str,),
    "job": (str,),
    "generation": (int,),
    "provenance": (str, _NOTHING),
    "proposal": (str, _NOTHING),
    "halt": (dict, _NOTHING),
    "resolved": (dict, _NOTHING),
    "resources": (list,),
    "counts": (dict,),
    "told": (list,),
    "exit_code": (int,),
}
_HALT: Mapping[str, tuple[type, ...]] = {
    "id": (str,),
    "job": (str,),
    "state": (str,),
    "final": (bool,),
    "digest": (str,),
    "evidence": (dict,),
    "confirmation": (dict, _NOTHING),
}
_JOB: Mapping[str, tuple[type, ...]] = {
    "job": (str,),
    "version": (str,),
    "generation": (int,),
    "lease": (dict, _NOTHING),
    "halt": (dict, _NOTHING),
}
_SCANNED: Mapping[str, tuple[type, ...]] = {
    "job": (str,),
    "verdict": (str,),
    "observed": (bool,),
    "why": (str,),
    "halt": (str, _NOTHING),
}
_VERDICTS = {str(Verdict.PROCEED): 0, str(Verdict.HALT): 1, str(Verdict.CANNOT_TELL): 2}


class Inconsistent(ValueError):
    """A view that cannot be believed; the message says why, without a part of it."""


def require_check(view: Any, ask: Ask) -> View:
    """The view of a check, if it answers this question and its parts agree. Raises Inconsistent."""
    found = _members(view, _CHECK, "the check")
    _agree(found["job"] == ask.job and found["run"] == ask.run, "it is of another job or run")
    _agree(found["verdict"] in _VERDICTS, "its verdict is none that is known")
    code = 0 if found["observed"] else _VERDICTS[found["verdict"]]
    _agree(found["exit_code"] == code, "its exit code is not that of its verdict")
    _agree(bool(found["check"]), "it has no id")
    cleared = code == 0 and ask.takes_lease
    _agree(bool(found["clearance"]) is cleared, "its clearance does not fit its verdict and what was asked")
    _agree((found["until"] is not None) is cleared, "the end of its clearance does not fit its verdict")
    halt = found["halt"]
    if halt is not None:
        _agree(require_halt(halt)["job"] == ask.job, "its halt is of another job")
        _agree(not halt["final"], "its halt is closed")
        if code == 0 and not found["observed"]:
            _agree(halt["state"] in LETS_PASS, "it lets the run go on, and its halt lets nothing pass")
            used_by = (halt.get("in_use") or {}).get("run", ask.run)
            _agree(used_by == ask.run, "it lets the run go on under a decision that another run uses")
    _agree(code != 1 or halt is not None, "it halts without a halt")
    return found


def require_record(view: Any, job: str) -> View:
    """The view of a record, if it is of this job and its parts agree. Raises Inconsistent."""
    found = _members(view, _RECORD, "the record")
    _agree(found["job"] == job and bool(found["record"]), "it is of another job")
    _agree((found["provenance"] is None) is (found["proposal"] is not None), "it is neither a record nor a proposal")
    rows = [_members(row, {"resource": (str,), "fate": (str,)}, "a resource") for row in found["resources"]]
    fates = Counter(row["fate"] for row in rows)
    _agree(
        found["halt"] is not None or not any(row.get("held") is not None for row in rows),
        "it holds something without a halt",
    )
    _agree(dict(fates) == found["counts"], "its counts are not those of its resources")
    for name in ("halt", "resolved"):
        if found[name] is not None:
            halt = require_halt(found[name])
            _agree(halt["job"] == job, "its halt is of another job")
            _agree(halt["final"] is (name == "resolved"), "what it holds is closed, or what it resolved is open")
    code = 1 if found["halt"] is not None else 4 if fates[str(Fate.PENDING)] else 0
    _agree(found["exit_code"] == code, "its exit code is not that of what it did")
    return found


def require_halt(view: Any, halt: str | None = None) -> View:
    """The view of a halt, if it has this id, or one that begins so. Raises Inconsistent."""
    found = _members(view, _HALT, "the halt")
    _agree(found["id"].startswith(halt or "h-"), "it is another halt")
    _agree(found["final"] is (found["state"] in FINAL), "its state is final, or not, and it says otherwise")
    _agree(isinstance(found.get("in_use"), (dict, _NOTHING)), "the halt has no in_use of the right form")
    return found


def require_job(view: Any, job: str) -> View:
    """The view of a job, if it is this one. Raises Inconsistent."""
    found = _members(view, _JOB, "the job")
    _agree(found["job"] == job, "it is another job")
    return found


def require_explained(view: Any, job: str) -> View:
    """The view of what a rule decides in this job. Raises Inconsistent."""
    found = _members(view, {"job": (str,), "resource": (str,), "exit_code": (int,)}, "the explanation")
    _agree(found["job"] == job, "it is of another job")
    return found


def require_scan(view: Any, jobs: Sequence[str] | None) -> View:
    """The view of a scan of these jobs, if its parts agree. Raises Inconsistent."""
    found = _members(view, {"scan": (str,), "jobs": (list,), "exit_code": (int,)}, "the scan")
    rows = [_members(row, _SCANNED, "a job") for row in found["jobs"]]
    told = {row["verdict"] for row in rows if not row["observed"]}
    code = 1 if str(Verdict.HALT) in told else 2 if str(Verdict.CANNOT_TELL) in told else 0
    _agree(found["exit_code"] == code, "its exit code is not that of its jobs")
    _agree(told <= {*_VERDICTS, "busy"}, "a verdict is none that is known")
    judged = Counter(row["job"] for row in rows)
    _agree(all(count == 1 for count in judged.values()), "it judged a job twice")
    _agree(not jobs or judged.keys() - {INDEX} == set(jobs), "it judged not the jobs that were named, or others")
    return found


def require_rows(view: Any, member: str, each: Callable[[Any], Any] | None = None) -> list[View]:
    """The rows of a page of a list. Raises Inconsistent."""
    rows = _members(view, {member: (list,)}, "the list")[member]
    for row in rows:
        _members(row, {}, "a row")
        if each:
            each(row)
    return list(rows)


def _members(view: Any, wanted: Mapping[str, tuple[type, ...]], what: str) -> View:
    if not isinstance(view, dict):
        raise Inconsistent(f"{what} is no object")
    for name, kinds in wanted.items():
        # An exact type: true is a whole number to Python, and must be none here.
        if name not in view or type(view[name]) not in kinds:
            raise Inconsistent(f"{what} has no {name} of the right form")
    return view


def _agree(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Inconsistent(otherwise)
