"""Opens, meets and closes halts within one transaction; used by check, record and what is retried.

Rules:
- Evidence and findings are written create-only before the halt's row says that they exist. Their keys are named by their
  content, so what a lost try left behind is named by no row and never taken for another's.
- What is read back must match its name, and the latest evidence the digest in the row: a damaged one is told to nobody.
- A halt, its note and its entry in the ledger commit together with the job.
- A difference that changed supersedes the halt, and the new one shows what had been decided.
- What is taken over unread keeps the live snapshot with which it was found: a record compares the live state with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from driftguard.errors import WrongUse
from driftguard.flow.check import Finding
from driftguard.flow.decide import Action, Judged
from driftguard.flow.diff import MISSING
from driftguard.flow.evidence import Coverage, build_evidence, digest_of, to_bytes
from driftguard.flow.halt import Decision, Event, State, difference_digest, halt_id, transition
from driftguard.flow.moment import from_text, to_text
from driftguard.flow.path import format_path
from driftguard.flow.policy import Policy
from driftguard.flow.record import Snapshot
from driftguard.flow.review import Person, authors_of
from driftguard.guard import halt_file
from driftguard.guard.blobs import Damaged, damaged, get_named, put_named
from driftguard.guard.context import Guard
from driftguard.guard.observe import Seen
from driftguard.guard.purged import was_purged
from driftguard.guard.rows import RECORD, HaltRow, used_by
from driftguard.guard.verify import read_evidence
from driftguard.guard.work import Work, sealed_under

_SUMMARY_RESOURCES = 20
_SUMMARY_CHANGES = 8
_SUMMARY_TEXT = 200


@dataclass(frozen=True)
class Occasion:
    """For whom a halt opens: the run, its ticket, who started it, and what was read."""

    run: str | None
    stage: str | None
    ticket: str | None
    started_by: Person | None
    coverage: Coverage
    policy: Policy


def age(guard: Guard, work: Work, *, settling: bool) -> None:
    """Apply what time did: a lease that ended, a decision whose time passed. `settling`: a record still waits for resources."""
    lease = work.job.lease
    if lease and from_text(lease.until) <= work.now:
        work.job.lease = None
        work.log("lease ended", clearance=lease.clearance, run=lease.run)
    halt = work.current()
    if halt is None:
        return
    if halt.state is State.IN_USE and work.job.lease is None and not settling:
        if (halt.in_use or {}).get("clearance") in _recorded(guard, work):
            # Its run has recorded, and what the halt is about never settled: the one run that might pass is over.
            close(
                work, halt, transition(halt.state, Event.RECORDED_BAD), "its run recorded, and it never became readable"
            )
            tell_closed(guard, work, halt)
            work.used_up = halt
            return
        end_lease(work, halt)
    if halt.expires_at and from_text(halt.expires_at) <= work.now:
        expired = transition(halt.state, Event.TIME_PASSED)
        if expired is not halt.state:
            close(work, halt, expired, "the decision was not used within its time")
            halt.closed_at = halt.expires_at  # whenever that was noticed
            tell_closed(guard, work, halt)


def _recorded(guard: Guard, work: Work) -> set[str]:
    """The last clearance, where it has recorded."""
    last = work.job.last_clearance
    if last is None or guard.store.get(work.job.name, RECORD, used_by(last.clearance)) is None:
        return set()
    return {last.clearance}


def end_lease(work: Work, halt: HaltRow) -> None:
    """Put a halt in use back to where it stood before the lease."""
    halt.state = transition(halt.state, Event.LEASE_ENDED, before=halt.state_before)
    halt.state_before = None
    work.save_halt(halt)


def open_halt(
    guard: Guard, work: Work, seen: Sequence[Seen], judged: Sequence[Judged], occasion: Occasion, cause: str
) -> HaltRow:
    """A new halt for what `judged` halts, or the one that is there for exactly this; the open one is superseded by it."""
    halting = [item.finding for item in judged if item.action is Action.HALT]
    digest = difference_digest(halting)
    earlier = work.current()
    if earlier is not None:
        supersede(work, earlier, guard)
    attempt = _next_attempt(work, digest)
    identity = halt_id(work.job.name, work.job.generation, digest, attempt)
    work.job.halts += 1
    halt = HaltRow(
        id=identity,
        job=work.job.name,
        generation=work.job.generation,
        digest=digest,
        attempt=attempt,
        state=State.OPEN,
        opened_at=to_text(work.now),
        cause=cause,
        run=occasion.run,
        ticket=occasion.ticket,
        stage=occasion.stage,
        started_by=occasion.started_by.to_dict() if occasion.started_by else None,
        findings="",
        evidence=0,
        evidence_digest="",
        summary=[],
        number=work.job.halts,
        earlier=_earlier(guard, earlier or work.used_up),
    )
    known = halt_file.load(guard.store, earlier.findings).live if earlier and _carries(judged) else {}
    tell_evidence(guard, work, halt, seen, judged, occasion, known)
    work.log("halted", halt=halt.id, digest=digest, evidence=halt.evidence_digest, run=occasion.run, cause=cause)
    work.tell(halt, "halted", list(guard.targets))
    return halt


def amend(
    guard: Guard, work: Work, halt: HaltRow, seen: Sequence[Seen], judged: Sequence[Judged], occasion: Occasion
) -> bool:
    """A new version of the evidence where more is known of the authors than before; whether there is one."""
    held = halt_file.load(guard.store, halt.findings)
    now = [item.finding for item in judged if item.action is Action.HALT]
    before, after = (
        {p.name or p.object_id for p in authors_of(held.findings)[0]},
        {p.name or p.object_id for p in authors_of(now)[0]},
    )
    if not after - before:
        return False
    tell_evidence(guard, work, halt, seen, judged, occasion, held.live)
    work.log("evidence amended", halt=halt.id, version=halt.evidence, evidence=halt.evidence_digest)
    work.tell(halt, f"amended-{halt.evidence}", list(guard.targets))
    return True


def tell_evidence(
    guard: Guard,
    work: Work,
    halt: HaltRow,
    seen: Sequence[Seen],
    judged: Sequence[Judged],
    occasion: Occasion,
    known: Mapping[str, Snapshot],
) -> None:
    """Write the next version of the evidence and of the findings, and let the halt's row name them.

    `known` are the live snapshots of before: a finding that was carried over keeps its own.
    """
    halting = {item.finding.ref.key: item.finding for item in judged if item.action is Action.HALT}
    write_version(
        guard, halt, build_evidence(_facts(guard, halt, halt.evidence + 1, occasion), judged, occasion.coverage)
    )
    live = {item.finding.ref.key: item.live for item in seen}
    write_findings(
        guard,
        halt,
        [Seen(one, known.get(key) if one.carried else live.get(key)) for key, one in halting.items()],
    )
    work.wrote_bodies(sealed_under(occasion.policy))
    halt.author_unknown = authors_of(list(halting.values()))[1]
    named = [item["who"] for item in halt.summary if item["who"]]
    halt.actor = named[0] if named else ""


def _carries(judged: Sequence[Judged]) -> bool:
    """Whether something is taken over from an earlier halt unread."""
    return any(item.finding.carried for item in judged if item.action is Action.HALT)


def write_version(guard: Guard, halt: HaltRow, document: dict[str, Any]) -> None:
    """Write the document as the halt's next version of the evidence, and let its row name it."""
    version, digest = halt.evidence + 1, document["digest"]
    key = evidence_key(halt.job, halt.id, version, digest)
    _write_once(guard, key, to_bytes(document))
    halt.evidence, halt.evidence_digest, halt.evidence_keys = version, digest, [*halt.evidence_keys, key]


def write_findings(guard: Guard, halt: HaltRow, held: Sequence[Seen]) -> None:
    """Write down what the halt is about, under a new name each time, and let its row name and summarise it."""
    prefix = f"{halt.job}/halts/{halt.id}/{halt.evidence}-{guard.new_id()}"
    halt.findings, halt.summary = halt_file.save(guard.store, prefix, held), _summary([item.finding for item in held])


def supersede(work: Work, halt: HaltRow, guard: Guard) -> None:
    """Close a halt whose difference changed."""
    close(work, halt, transition(halt.state, Event.CHANGED), "the difference changed: another halt stands for it")
    tell_closed(guard, work, halt)


def resolve(guard: Guard, work: Work, halt: HaltRow, event: Event, why: str) -> None:
    """Close a halt whose difference is gone, explained, or was dealt with as decided."""
    state = transition(halt.state, event)
    if state is halt.state:
        return
    close(work, halt, state, why)
    tell_closed(guard, work, halt)


def close(work: Work, halt: HaltRow, state: State, why: str) -> None:
    """Give the halt its final state, with the reason."""
    halt.state, halt.state_before = state, None
    halt.closed_at, halt.closed_because = to_text(work.now), why
    work.log(str(state), halt=halt.id, why=why)
    work.save_halt(halt)


def tell_closed(guard: Guard, work: Work, halt: HaltRow) -> None:
    """Put the closing note into the outbox."""
    work.tell(halt, "resolved", list(guard.targets))


def decision_expires(work: Work, holds: timedelta) -> str:
    """Until when a decision taken now holds."""
    return to_text(work.now + holds)


def evidence_key(job: str, halt: str, version: int, digest: str) -> str:
    """The blob of one version of a halt's evidence; `digest` is the document's."""
    return f"{job}/evidence/{halt}/{version:04d}-{_digits(digest)}"


def load_evidence(guard: Guard, halt: HaltRow, version: int | None = None) -> bytes:
    """A version of the evidence (the latest by default), as it was written. Raises Damaged where it is lost or changed."""
    latest = version is None or version == halt.evidence
    named = halt.evidence_keys[(version or halt.evidence) - 1 :][:1]
    if not named:
        raise Damaged(f"the row of the halt {halt.id} does not name that evidence", "restore it from a backup")
    key = named[0]
    data = guard.store.read(key)
    if data is None:
        raise Damaged(f"the store has lost {key}", "restore it from a backup")
    digest = _proven_digest(key, data)
    if latest and digest != halt.evidence_digest:
        raise damaged(key)
    return data


def kept_of(guard: Guard, halt: HaltRow) -> list[str]:
    """The keys of all resources whose change an earlier decision kept. Raises Damaged where their list is lost."""
    earlier = halt.earlier or {}
    if not earlier.get("kept_in"):
        return list(earlier.get("kept", []))
    stored = get_named(guard.store, earlier["kept_in"])
    if not isinstance(stored, list) or not all(isinstance(key, str) for key in stored):
        raise damaged(earlier["kept_in"])
    return stored


def earlier_of(guard: Guard, halt: HaltRow) -> dict[str, Any] | None:
    """What is told of the halt that this one superseded: {"halt", "decision", "kept"}, with all that was kept."""
    if halt.earlier is None:
        return None
    return {"halt": halt.earlier["halt"], "decision": halt.earlier["decision"], "kept": kept_of(guard, halt)}


def _digits(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def _proven_digest(key: str, data: bytes) -> str:
    """The digest of an evidence that is what it says and what its key says. Raises Damaged."""
    try:
        document = read_evidence(data)
        digest = digest_of(document)
    except (WrongUse, RecursionError) as error:
        raise damaged(key) from error
    if document.get("digest") != digest or not key.endswith(f"-{_digits(digest)}"):
        raise damaged(key)
    return digest


def _write_once(guard: Guard, key: str, data: bytes) -> None:
    """Write the evidence; a try before this one may have written the same. Raises Damaged where something else is there."""
    if not guard.store.put_once(key, data) and guard.store.read(key) != data:
        raise damaged(key)


def _facts(guard: Guard, halt: HaltRow, version: int, occasion: Occasion) -> dict[str, Any]:
    return {
        "version": version,
        "halt": {
            "id": halt.id,
            "digest": halt.digest,
            "attempt": halt.attempt,
            "opened_at": halt.opened_at,
            "cause": halt.cause,
            "earlier": earlier_of(guard, halt),
        },
        "job": halt.job,
        "generation": halt.generation,
        # Of the run that was halted, also where another one, or the timer, learned more.
        "run": halt.run,
        "stage": halt.stage,
        "started_by": halt.started_by["name"] if halt.started_by else None,
        "ticket": halt.ticket,
        "policy": {"source": occasion.policy.source, "digest": occasion.policy.digest},
        "tool": {"name": "driftguard", "version": guard.version},
    }


def _next_attempt(work: Work, digest: str) -> int:
    """The first attempt at this difference that is not final yet (1 for a difference never met)."""
    attempt = 1
    while _is_over(work, halt_id(work.job.name, work.job.generation, digest, attempt)):
        attempt += 1
    return attempt


def _is_over(work: Work, identity: str) -> bool:
    """Whether a halt of this id is final, or was before retention removed it: its id stands for no other one."""
    met = work.known_halt(identity)
    return met.final if met else was_purged(work.store, work.job.name, identity)


def _earlier(guard: Guard, halt: HaltRow | None) -> dict[str, Any] | None:
    """What a superseding halt shows of the one before: its decision, and the resources that were kept.

    There may be thousands of them, so the list is a blob: a row stays small.
    """
    if halt is None:
        return None
    kept = set(kept_of(guard, halt))
    if halt.decided is Decision.KEEP:
        kept |= {finding.ref.key for finding in halt_file.load(guard.store, halt.findings).findings}
    # A halt that nobody decided on hands on what it shows of the one before.
    decision = (halt.earlier or {}).get("decision")
    if halt.decision:
        decision = {key: halt.decision[key] for key in ("decision", "by", "reason", "at")}
    keys = sorted(kept)
    kept_in = put_named(guard.store, f"{halt.job}/halts/{halt.id}/kept", keys) if keys else ""
    return {"halt": halt.id, "decision": decision, "kept": keys[:_SUMMARY_RESOURCES], "kept_in": kept_in}


def _summary(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    told = []
    for finding in findings[:_SUMMARY_RESOURCES]:
        found = finding.attribution
        told.append(
            {
                "resource": finding.ref.id,
                "finding": str(finding.kind),
                "cause": str(finding.cause) if finding.cause else "",
                "who": found.who if found else "",
                "actor": str(found.actor) if found else "",
                "client": found.client if found else "",
                "when": to_text(found.at) if found and found.at else "",
                "changes": [
                    {"path": format_path(c.path), "before": _short(c.before), "after": _short(c.after)}
                    for c in finding.configuration[:_SUMMARY_CHANGES]
                ],
                "more_changes": max(0, len(finding.configuration) - _SUMMARY_CHANGES),
            }
        )
    return told


def _short(value: Any) -> str:
    text = "(none)" if value is MISSING else json.dumps(value, sort_keys=True)
    return text if len(text) <= _SUMMARY_TEXT else text[:_SUMMARY_TEXT] + "…"
