"""Proposing: what a record without a clearance reads is written down for a reviewer; the baseline stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from driftguard.errors import CannotTell
from driftguard.flow.attribute import Events
from driftguard.flow.check import FindingKind
from driftguard.flow.moment import to_text
from driftguard.flow.policy import Policy
from driftguard.flow.record import Entry
from driftguard.flow.review import UNREAD, Person
from driftguard.guard.blobs import put_json, put_pack
from driftguard.guard.context import Guard
from driftguard.guard.naming import Named
from driftguard.guard.observe import Seen
from driftguard.guard.recorded import Recorded, Recording
from driftguard.guard.rows import PROPOSAL
from driftguard.guard.work import Work, sealed_under


@dataclass(frozen=True)
class Read:
    """Everything a record read, before anything is decided. `entries` are those of the baseline of that time."""

    seen: tuple[Seen, ...]
    named: frozenset[str]
    answers: tuple[Events, ...]
    until: datetime
    baseline: str
    entries: dict[str, Entry]


def propose(
    guard: Guard, work: Work, call: Recording, policy: Policy, named: Named, read: Read, record: str
) -> Recorded:
    """Write down what was read for a reviewer to accept; the baseline stays."""
    job = work.job
    found = [item for item in read.seen if item.finding.ref.key in read.named]
    unread = [item for item in found if item.finding.kind in UNREAD]
    if unread:
        finding = unread[0].finding
        raise CannotTell(
            f"{finding.ref.id} could not be read: {finding.cause} {finding.detail}",
            "nothing was proposed: try again",
        )
    proposal = "p-" + guard.new_id()
    live = [item.live for item in found if item.live]
    pack = f"{job.name}/pack/{proposal}"
    put_pack(guard.store, pack, live)
    entries = [Entry.of(snapshot, pack=pack, line=line).to_dict() for line, snapshot in enumerate(live)]
    gone = [item.finding.ref.key for item in found if item.finding.kind is FindingKind.GONE]
    same = [item.finding.ref.key for item in found if not item.live and item.finding.kind is not FindingKind.GONE]
    blob = f"{job.name}/proposals/{proposal}"
    put_json(guard.store, blob, {"entries": entries, "gone": gone, "unchanged": same})
    row = {
        "id": proposal,
        "state": "proposed",
        "at": to_text(work.now),
        "by": (call.started_by or Person(name=by_whom(call))).to_dict(),
        "run": call.run,
        "ticket": call.ticket,
        "generation": job.generation,
        "selectors": named.selectors,
        "blob": blob,
        "counts": {"changed": len(entries), "gone": len(gone), "unchanged": len(same)},
    }
    work.put_new(PROPOSAL, proposal, row)
    work.wrote_bodies(sealed_under(policy))
    work.log("proposed", proposal=proposal, by=by_whom(call), run=call.run)
    work.commit()
    told = ("no clearance: this is a proposal; the baseline is as it was",)
    return Recorded(job.name, record, job.generation, None, (), proposal=proposal, told=told)


def by_whom(call: Recording) -> str:
    """Who recorded: the starter of the run, else the run."""
    return call.started_by.name if call.started_by else (call.run or "unknown")
