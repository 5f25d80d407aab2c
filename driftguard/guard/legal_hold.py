"""Legal hold: while a job is under it, retention removes nothing of it.

Rules:
- A reviewer puts a job under hold and takes it away, each with a reason; both stand in the ledger.
- It stops nothing else: the job is checked, recorded, decided on, retired and moved from as before. What moves to another job
  is under hold there only where that job is.
- It does not keep a value that became a secret: bodies are sealed again as without it, and evidence never changes anyway.
"""

from __future__ import annotations

from driftguard.errors import AlreadyFinal, NotFound, Stale
from driftguard.flow.moment import for_people, from_text, to_text
from driftguard.flow.review import Person, require_reason
from driftguard.guard.context import Guard
from driftguard.guard.review import require_person_at_hand
from driftguard.guard.rows import JobRow
from driftguard.guard.work import Work, attempts


def hold(guard: Guard, name: str, *, by: Person, reason: str, if_match: str | None = None) -> JobRow:
    """Put the job under legal hold. `if_match` is the version of the job's row that was seen, or None.

    Raises NotFound, Stale, NotAllowed inside CI, WrongUse without a reason, AlreadyFinal where it is under hold.
    """
    require_person_at_hand(guard, by)
    reason = require_reason(reason)

    def step() -> JobRow:
        work = _seen(guard, name, if_match)
        if (held := work.job.hold) is not None:
            since = for_people(from_text(str(held["at"])))
            raise AlreadyFinal(
                f"the job {name} is under legal hold since {since}, by {held['by']}", "it stays so until jobs unhold"
            )
        work.job.hold = {"reason": reason, "by": by.name, "at": to_text(work.now)}
        work.log("held", by=by.name, reason=reason, asserted=by.asserted)
        work.commit()
        return work.job

    return attempts(step)


def unhold(guard: Guard, name: str, *, by: Person, reason: str, if_match: str | None = None) -> JobRow:
    """Take the legal hold away; what is over is removed from the next purge on. Raises as `hold`."""
    require_person_at_hand(guard, by)
    reason = require_reason(reason)

    def step() -> JobRow:
        work = _seen(guard, name, if_match)
        if work.job.hold is None:
            raise AlreadyFinal(f"the job {name} is not under legal hold", "there is nothing to take away")
        since, work.job.hold = work.job.hold.get("at"), None
        work.log("hold taken away", by=by.name, reason=reason, since=since, asserted=by.asserted)
        work.commit()
        return work.job

    return attempts(step)


def _seen(guard: Guard, name: str, if_match: str | None) -> Work:
    """The job, if it is as the caller saw it. Raises NotFound, Stale."""
    work = Work(guard.store, name, guard.clock.now())
    if not work.exists:
        raise NotFound(f"there is no job {name}", "see driftguard jobs list")
    if if_match is not None and work.version != if_match:
        raise Stale(f"the job {name} changed since you saw it", f"look again: driftguard jobs show {name}")
    return work
