"""What stays of a halt that retention removed: a small row, so that its id never repeats and whoever asks for it is told.

Rules:
- The row is written in the commit that removes the halt: a halt is there, or was removed, and never neither.
- A difference of the same generation that is met again opens the next attempt, as after any halt that is final.
- It says when the halt was removed, after how many days, the digest of its latest evidence, and the entry of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable

from driftguard.errors import NotFound
from driftguard.flow.moment import for_people, from_text, to_text
from driftguard.flow.ports import Row, Store
from driftguard.guard.rows import HaltRow
from driftguard.guard.work import Work

PURGED = "purged"


def leave(work: Work, halt: HaltRow, after_days: int) -> None:
    """Leave the row of a halt that this transaction removes; its ledger entry is the latest one."""
    body = {
        "halt": halt.id,
        "generation": halt.generation,
        "digest": halt.digest,
        "attempt": halt.attempt,
        "state": str(halt.state),
        "opened_at": halt.opened_at,
        "closed_at": halt.closed_at,
        "evidence": halt.evidence,
        "evidence_digest": halt.evidence_digest,
        "purged_at": to_text(work.now),
        "after_days": after_days,
        "ledger": work.job.ledger_number,
    }
    known = work.store.version(work.job.name, PURGED, halt.id)
    if known is None:
        work.put_new(PURGED, halt.id, body)
    else:  # a version that knows of no such rows opened the halt again
        work.put_over(PURGED, halt.id, body, known)


def was_purged(store: Store, job: str, halt: str) -> bool:
    """Whether a halt of exactly this id was removed."""
    return store.version(job, PURGED, halt) is not None


def tell_if_purged(store: Store, jobs: Iterable[str], halt: str) -> None:
    """Raises NotFound with what is known of it where a halt of one of these jobs, by its id or the start of it, was removed."""
    for job in jobs:
        exact = store.get(job, PURGED, halt)
        found = (
            [exact] if exact else [row for row in store.list(job, PURGED, after=halt, limit=2) if _begins(row, halt)]
        )
        if len(found) == 1:
            body = found[0].body
            raise NotFound(
                f"the halt {found[0].id} of the job {job} was removed on {for_people(from_text(body['purged_at']))}, "
                f"{body['after_days']} days after it was closed; the digest of its evidence was {body['evidence_digest']}, "
                f"entry {body['ledger']} of the ledger says so",
                "a copy of its evidence is still proven by the ledger: driftguard verify FILE --store",
            )


def _begins(row: Row, start: str) -> bool:
    return row.id.startswith(start)
