"""Verify: is this evidence what was written, is the ledger that it stands in whole, and is it the one that was anchored?"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from driftguard.errors import WrongUse
from driftguard.flow.anchor import Head, head_of
from driftguard.flow.evidence import SCHEMA, digest_of
from driftguard.flow.ledger import LedgerEntry
from driftguard.guard import index
from driftguard.guard.context import Guard
from driftguard.guard.held_against import Verified, hold_against, look_at_ledger
from driftguard.guard.work import require_job_name

_HEAD = re.compile(r"(?P<job>[^:]+):(?P<number>[0-9]{1,10}):(?P<hash>[0-9a-f]{64})\Z")


def read_evidence(data: bytes) -> dict[str, Any]:
    """The document in a file. Raises WrongUse for anything that is no evidence, also for members given twice."""
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=_no_doubles)
    except (ValueError, RecursionError) as error:
        raise WrongUse(f"this is no evidence: {error}", "give the JSON file, not the note") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise WrongUse("this is no evidence of Drift Guard", f"its member `schema` must be {SCHEMA}")
    return document


def verify_file(document: dict[str, Any]) -> Verified:
    """Whether the document's digest is the one that it carries."""
    try:
        actual = digest_of(document)
    except RecursionError:
        return Verified(("digest",), ("the file was changed: it nests deeper than any evidence",))
    if document.get("digest") != actual:
        return Verified(
            ("digest",), (f"the file was changed: its digest is {actual}, it says {document.get('digest')}",)
        )
    return Verified((f"digest {actual}",), ())


def parse_head(told: str) -> tuple[str, Head]:
    """(job, head) of `JOB:NUMBER:HASH`, as a note shows it. Raises WrongUse."""
    found = _HEAD.match(told.strip())
    try:
        if found:
            return require_job_name(found["job"]), head_of(int(found["number"]), found["hash"])
    except ValueError:
        pass
    raise WrongUse(
        f"{told[:200]!r} is no head of a ledger",
        "copy it from the note: --head JOB:NUMBER:HASH, the hash of 64 hex digits",
    )


def verify_in_store(guard: Guard, document: dict[str, Any], heads: Sequence[tuple[str, Head]] = ()) -> Verified:
    """As `verify_file`; that the ledger of its job knows exactly this evidence, and as `verify_jobs` of that job."""
    first = verify_file(document)
    job = require_job_name(str(document.get("job")))
    known: set[str] = set()
    jobs = [job, *(name for name, _ in heads if name != job)]

    def note(name: str, entry: LedgerEntry) -> None:
        digest = entry.data.get("evidence")
        if name == job and isinstance(digest, str):
            known.add(digest)

    rest = hold_against(guard, jobs, heads, note)
    faults = [*first.faults, *rest.faults]
    if document.get("digest") not in known:
        faults.append(f"the ledger of the job {job} knows no evidence with this digest")
    return replace(rest, checked=(*first.checked, *rest.checked, "evidence in the ledger"), faults=tuple(faults))


def verify_jobs(guard: Guard, jobs: Sequence[str], heads: Sequence[tuple[str, Head]] = ()) -> Verified:
    """Whether the ledgers of these jobs are whole, and are those that were anchored; `heads` are further ones of jobs."""
    return hold_against(guard, list(dict.fromkeys([*jobs, *(name for name, _ in heads)])), heads)


def verify_store(guard: Guard, heads: Sequence[tuple[str, Head]] = ()) -> Verified:
    """As `verify_jobs`, of every job that there is, and of every job that was anchored."""
    return hold_against(guard, None, heads)


def verify_ledgers(guard: Guard) -> Verified:
    """Whether the ledgers of all jobs are whole in themselves; no anchor is asked."""
    looked = [look_at_ledger(guard, job, None, ()) for job in index.jobs(guard.store)]
    return Verified(
        tuple(one.told for one in looked),
        tuple(fault for one in looked for fault in one.faults),
        tuple(told for one in looked for told in one.unclear),
    )


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is given twice")
    return found
