"""The models of the HTTP interface: bodies of requests, which are validated strictly, and answers, which are documented by them.

Rules:
- A request has no member that its model does not know, and nothing is turned into another type.
- An answer is the view of render/ as it is; a later version may add members, so a client takes what it does not know.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# More than the verbs take: how much that is, and in which words more is refused, stands in entry/limits.py.
Name = Annotated[str, StringConstraints(max_length=4000)]
Text = Annotated[str, StringConstraints(max_length=4000)]
ResourceId = Annotated[str, StringConstraints(max_length=4000)]
Few = Annotated[list[ResourceId], Field(max_length=10_000)]
Many = Annotated[list[ResourceId], Field(max_length=1_000_000)]
_GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-shop"
_VNET = f"{_GROUP}/providers/Microsoft.Network/virtualNetworks/vnet-shop"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class CheckBody(_Body):
    """A run asks whether it may update what the job owns."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"run": "4711", "ticket": "CHG0030001"}]})

    run: Name
    stage: Name | None = None
    ticket: Name | None = None
    started_by: Name | None = Field(default=None, description="Who started the run, as the pipeline says; asserted.")
    gate: bool = Field(default=False, description="Judge without taking the lease.")
    resources: Few = Field(default=[], description="Judge only these; never clears.")
    contains: dict[Name, bool] = Field(
        default={}, max_length=20, description="Whether the run's code contains these commits."
    )


class RecordBody(_Body):
    """A run says that it has deployed, and what."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"run": "4711", "clearance": "c-1", "resources": [_VNET]}]}
    )

    run: Name | None = None
    stage: Name | None = None
    ticket: Name | None = None
    started_by: Name | None = None
    clearance: Name | None = Field(default=None, description="The clearance that the check gave to this run.")
    deployments: Few = []
    resources: Many = []
    scopes: Few = Field(default=[], description="Resource groups or subscriptions: everything that they list.")
    after_failure: bool = False


class DecisionBody(_Body):
    """What a reviewer wants to happen to the manual change."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"decision": "overwrite", "reason": "agreed in CHG0030001"}]}
    )

    decision: Literal["overwrite", "keep", "stop", "waive"]
    reason: Text
    resources: Few = Field(default=[], description="Resources that must be named: waived, or kept before.")
    in_code: Name | None = Field(default=None, description="Where a kept change will be in the code.")
    evidence: int | None = Field(default=None, ge=1, le=10**9, description="The version of the evidence that was seen.")
    as_: Name | None = Field(default=None, alias="as", description="Who decides; on a local service only.")


class ConfirmationBody(_Body):
    """A kept change is in the code."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"in_code": "0ddba11"}]})

    in_code: Name
    for_run: Name | None = None
    as_: Name | None = Field(default=None, alias="as")


class ReasonBody(_Body):
    """Why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "agreed in CHG0030001"}]})

    reason: Text
    as_: Name | None = Field(default=None, alias="as")


class ReleaseBody(_Body):
    """End the lease: by the run that holds it with its clearance, or by a reviewer with a reason."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "the run was cancelled"}, {"clearance": "c-1"}]}
    )

    reason: Text = ""
    clearance: Name | None = None
    as_: Name | None = Field(default=None, alias="as")


class RetireBody(ReasonBody):
    """Take resources out of the job; none: retire the whole job."""

    resources: Few = []


class MoveBody(ReasonBody):
    """Move resources to another job."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"to": "network-prod", "resources": [_VNET], "reason": "the network team owns it"}]
        }
    )

    to: Name
    resources: Few


class ScanBody(_Body):
    """Judge these jobs as a gate does; none named: all that the caller is bound to."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"jobs": ["payments-prod"]}, {}]})

    jobs: Annotated[list[Name], Field(max_length=10_000)] | None = None


class _View(BaseModel):
    model_config = ConfigDict(extra="allow")


class Problem(_View):
    """An error (RFC 9457). `title` is the remedy, `exit_code` what the command line leaves with."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:driftguard:problem:stale",
                    "title": "look again, and decide on what is there now",
                    "status": 412,
                    "detail": "it changed since you saw it",
                    "correlation_id": "3f0c1d",
                    "exit_code": 3,
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str
    correlation_id: str
    exit_code: int


class Halt(_View):
    """A halt: the record that a job's update is stopped for exactly one difference."""

    id: str
    job: str
    state: str
    final: bool
    digest: str
    cause: str
    opened_at: str
    run: str | None
    ticket: str | None
    summary: list[dict[str, Any]]
    evidence: dict[str, Any]
    decision: dict[str, Any] | None
    proposal: dict[str, Any] | None
    confirmation: dict[str, Any] | None


class HaltWithDocument(Halt):
    """A halt with its row's version and its evidence; both null in the answer to a change."""

    version: str | None
    document: dict[str, Any] | None


class CheckView(_View):
    """What a check answers. Only `verdict` proceed (or `observed`) with a clearance lets a run go on."""

    check: str | None
    job: str
    run: str
    verdict: Literal["proceed", "halt", "cannot tell"]
    observed: bool
    why: str
    clearance: str | None
    until: str | None
    halt: Halt | None
    findings: list[dict[str, Any]]
    counts: dict[str, int]
    exit_code: int


class RecordView(_View):
    """What a record did; `exit_code` 1: something is held by a halt, 4: something is still settling."""

    record: str
    job: str
    generation: int
    provenance: str | None
    proposal: str | None
    halt: Halt | None
    resources: list[dict[str, Any]]
    exit_code: int


class Begun(_View):
    """A call that goes on: ask for it at Location."""

    id: str
    state: Literal["running"]
    started_at: str


class _Later(_View):
    id: str
    state: Literal["running", "done", "failed", "lost"]
    started_at: str
    problem: Problem | None
    summary: dict[str, Any] | None


class CheckLater(_Later):
    """A check that took longer; lost: its process ended, ask again. Only the one who asked sees the clearance."""

    answer: CheckView | None


class RecordLater(_Later):
    """A record that took longer."""

    answer: RecordView | None


class Scanned(_View):
    """What a scan found of one job."""

    job: str
    verdict: str
    observed: bool
    why: str
    halt: str | None
    problem: str | None
    findings: list[dict[str, Any]] = Field(
        description="In the form of the evidence, at most 50; none where the verdict is proceed."
    )
    findings_left: int = Field(description="How many findings more there are.")


class Swept(_View):
    """What a scan of every job did besides judging; nothing where jobs were named."""

    purged: dict[str, int] = Field(description="How much was removed, by kind, since it was kept long enough.")
    anchored: str | None = Field(description="The anchor of the ledgers that was written now.")
    faults: list[str] = Field(description="What of it went wrong, one line each.")


class ScanView(_View):
    """What a scan found, job by job."""

    scan: str
    jobs: list[Scanned]
    notes_waiting: int
    swept: Swept
    exit_code: int


class ScanLater(_Later):
    """A scan."""

    answer: ScanView | None


class Job(_View):
    """A job: where it stands."""

    job: str
    version: str
    generation: int
    recorded_at: str | None
    retired_at: str | None
    lease: dict[str, Any] | None
    settling: bool
    halt: Halt | None
    mode: str | None = Field(description="enforce or observe, by the policy of now; null where it cannot be loaded.")
    hold: dict[str, Any] | None = Field(description="The legal hold: reason, by, at; null without one.")


class JobWithBaseline(Job):
    """A job with what it has recorded."""

    baseline: dict[str, Any] | None


class _Page(_View):
    next: str | None = Field(description="The relative address of the next page, or null.")


class Jobs(_Page):
    """A page of jobs, in order of name."""

    jobs: list[Job]


class Halts(_Page):
    """A page of halts, oldest first."""

    halts: list[Halt]


class Proposals(_Page):
    """A page of proposals that wait, by job."""

    proposals: list[dict[str, Any]]


class Deliveries(_Page):
    """A page of notes and where each stands, by job."""

    deliveries: list[dict[str, Any]]


class Explained(_View):
    """Which rule decides on a resource, or on one path of it, as it is live now."""

    job: str
    resource: str
    finding: str
    action: str
    paths: list[dict[str, Any]]
    exit_code: int


class Evidence(_View):
    """The evidence of a halt (docs/evidence.schema.json)."""


class Health(_View):
    """The service answers."""

    status: str
    version: str
