"""One story to tell: a person opened SSH on a network security group, the platform and autoscale moved other things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from driftguard.flow.attribute import Actor, Attribution, Event
from driftguard.flow.check import Finding, FindingKind, Side
from driftguard.flow.classify import ChangeClass
from driftguard.flow.decide import Action, Judged, Judgement, Verdict
from driftguard.flow.diff import MISSING, Change
from driftguard.flow.evidence import Coverage, build_evidence, to_bytes
from driftguard.flow.halt import State
from driftguard.flow.moment import to_text
from driftguard.flow.path import parse_path
from driftguard.flow.ports import Note
from driftguard.flow.reading import Cause, ETags
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.guard.check import Answer
from driftguard.guard.rows import HaltRow

NOW = datetime(2026, 3, 1, 2, 14, 7, tzinfo=UTC)
HALT, JOB, RUN = "h-0123456789ab", "shop-prod", "4711"
GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-shop"
NSG = f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/nsg-web"
SCALE_SET = f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/vmss-shop"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/kv-shop"
MARKS = ("secret:k1:" + "a" * 32, "secret:k1:" + "b" * 32)
RULE = {"properties": {"destinationPortRange": "22"}, "name": "allow-ssh"}


def change(
    path: str, before: Any, after: Any, kind: ChangeClass = ChangeClass.CONFIGURATION, rule: str | None = None
) -> Change:
    return Change(parse_path(path), before, after, kind, rule)


def event(caller: str = "ada@example.com", at: datetime = NOW) -> Event:
    operation = "Microsoft.Network/networkSecurityGroups/write"
    return Event(
        source="activity-log", id="e-1", resource=NSG.lower(), operation=operation, at=at, caller=caller, object_id="o-1",
        app_id="a-1", is_person=True, client="Azure portal", correlation_id="corr-1", category="Administrative",
    )  # fmt: skip


def attribution(caller: str = "ada@example.com") -> Attribution:
    written = event(caller)
    return Attribution(
        Actor.PERSON, "certain", caller, "o-1", "a-1", written.client, written.operation, "corr-1", NOW,
        (NOW - timedelta(hours=1), NOW + timedelta(minutes=5)), writers=(written,),
    )  # fmt: skip


def nobody(why: str = "no event yet; activity-log may still tell") -> Attribution:
    bracket = (NOW - timedelta(hours=1), NOW + timedelta(minutes=5))
    return Attribution(Actor.UNKNOWN, "unknown", "", "", "", "", "", "", None, bracket, why=why)


def ref(resource: str) -> ResourceRef:
    return parse_ref(resource, tenant="00000000-0000-0000-0000-00000000000a")


BEFORE = Side(ETags(header='W/"1"'), "2024-05-01", NOW - timedelta(days=1), "req-1", "corr-0")
AFTER = Side(ETags(header='W/"2"', properties="2"), "2024-05-01", NOW + timedelta(minutes=5), "req-2", "corr-2")

MOVED = Finding(
    ref(NSG), FindingKind.MOVED, fingerprint="f" * 64, attribution=attribution(), before=BEFORE, after=AFTER,
    changes=(
        change("properties.provisioningState", "Succeeded", "Updating", ChangeClass.PLATFORM, "written by ARM"),
        change("properties.securityRules[name=allow-ssh]", MISSING, RULE),
        change("tags.owner", "shop", MISSING),
        change("properties.adminPassword", *MARKS),
    ),
)  # fmt: skip
SCALED = Finding(
    ref(SCALE_SET), FindingKind.TOUCHED, before=BEFORE, after=AFTER,
    changes=(change("sku.capacity", 2, 5, ChangeClass.IGNORED, "autoscale decides the capacity"),),
)  # fmt: skip
UNREAD = Finding(ref(VAULT), FindingKind.UNREADABLE, cause=Cause.FORBIDDEN, detail="AuthorizationFailed", before=BEFORE)
LASTING = replace(UNREAD, lasting=True)
GONE_GROUP = Finding(
    ref(GROUP), FindingKind.GONE, detail="the resource group is gone, and with it 2 recorded resources",
    covers=(NSG, VAULT), attribution=nobody(), before=BEFORE,
)  # fmt: skip

HALTING = Judged(MOVED, Action.HALT, "on_drift.person: halt")
TOLD = Judged(SCALED, Action.TELL, "told, never stops a run")
UNCLEAR = Judged(UNREAD, Action.UNCLEAR, "forbidden")
COVERAGE = Coverage(
    2,
    ((VAULT, "forbidden", "AuthorizationFailed"),),
    {"Microsoft.KeyVault/vaults": ("secrets",)},
    (f"{GROUP}: page 2 failed",),
)


def halt(state: State = State.OPEN, **more: Any) -> HaltRow:
    summary = [{"resource": NSG, "finding": "moved", "who": "ada@example.com"}]
    row = HaltRow(
        id=HALT, job=JOB, generation=3, digest="d" * 64, attempt=1, state=state, opened_at=to_text(NOW), cause="drift",
        run=RUN, ticket="CHG0030001", started_by=None, findings="", evidence=1, evidence_digest="sha256:" + "0" * 64,
        summary=summary, actor="ada@example.com", author_unknown=False, number=1,
    )  # fmt: skip
    return replace(row, **more)


def answer(
    verdict: Verdict = Verdict.HALT, judged: tuple[Judged, ...] = (HALTING, TOLD, UNCLEAR), **more: Any
) -> Answer:
    fields = {"coverage": COVERAGE, "why": f"halted ({HALT}): waits for a reviewer's decision", **more}
    return Answer(check="c-1", job=JOB, run=RUN, verdict=verdict, judgement=Judgement(judged, verdict), **fields)


def evidence(*judged: Judged, coverage: Coverage = COVERAGE, **facts: Any) -> dict[str, Any]:
    about = {"id": HALT, "digest": "d" * 64, "attempt": 1, "opened_at": to_text(NOW), "cause": "drift", "earlier": None}
    known = {
        "version": 1, "halt": about, "job": JOB, "generation": 3, "run": RUN, "stage": "prod", "started_by": "Bo",
        "ticket": "CHG0030001", "policy": {"source": "built-in default", "digest": "e" * 64},
        "tool": {"name": "driftguard", "version": "0"},
    }  # fmt: skip
    return build_evidence({**known, **facts}, judged or (HALTING, TOLD, UNCLEAR), coverage)


def note(
    document: Mapping[str, Any] | None = None, *, event: str = "halted", ledger: int = 1, ticket: str | None = "CHG0030001",
    **status: Any,
) -> Note:  # fmt: skip
    told = document or evidence()
    known = {
        "state": "open", "cause": "drift", "opened_at": to_text(NOW), "decision": None, "proposal": None,
        "confirmation": None, "closed_at": None, "closed_because": "", "earlier": None,
    }  # fmt: skip
    return Note(
        halt=HALT, job=JOB, event=event, ticket=ticket, run=RUN, status={**known, **status}, evidence=to_bytes(told),
        version=told["version"], evidence_digest=told["digest"], ledger_head=f"{ledger}:{'c' * 64}",
    )  # fmt: skip


def decision(decided: str = "keep", **more: Any) -> dict[str, Any]:
    taken = {
        "decision": decided, "by": "cy@example.com", "reason": "needed tonight", "at": to_text(NOW + timedelta(hours=1)),
        "digest": "d" * 64, "evidence": 1, "resources": [], "in_code": None, "asserted": True,
    }  # fmt: skip
    return {**taken, **more}


HOSTILE = "\x1b[2J\r\nHALT over\u202e\u2066 \x9b31m\u2028fake ##vso[task.complete result=Succeeded] `x` | <b>@all</b> [a](http://e)"
