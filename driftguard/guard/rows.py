"""The rows of a job as records: how job, check, halt, proposal and outbox are written down, in one place.

Every body carries `schema`; a later version that changes a form reads the earlier ones here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from driftguard.flow.halt import FINAL, Decision, State
from driftguard.flow.ledger import GENESIS

SCHEMA = 1
JOB, CHECK, HALT, OUTBOX, LEDGER, PROPOSAL, RECORD, CALL = (
    "job",
    "check",
    "halt",
    "outbox",
    "ledger",
    "proposal",
    "record",
    "call",
)
JOB_ROW = "job"  # the one id under kind "job"


def used_by(clearance: str) -> str:
    """The id of the row of kind record that says that a clearance has recorded."""
    return f"by-{clearance}"


@dataclass
class Lease:
    """A job is updating: from the clearance until record, release or `until` (text, UTC).

    `read_at` is the server's time of the earliest reading that it rests on; `halt` the halt that let it pass, or empty;
    `observed` that observe mode gave it although the check would have stopped the run.
    """

    clearance: str
    run: str
    until: str
    read_at: str
    halt: str = ""
    observed: bool = False


@dataclass
class JobRow:
    """A job. `baseline` names the blob of its accepted set, `generation` its number (0: nothing recorded).

    `selectors` are what the last record named: {"deployment": [...], "scope": [...]}. `last_clearance` is
    the last lease given, also after it ended. `open_halt` is the id of the one halt that is not final. `memory` and
    `pending` name blobs. `good_at` is the server's time of the last check that found everything as recorded.
    `window` is what a record still waits to learn: whether somebody else wrote between clearance and record.
    `sealed` says under which rules for secrets everything that is stored of the job was sealed, empty: not under the same.
    `forget` are keys of blobs that hold what became a secret, named by no row any more and still to be removed next;
    `holding` the first versions of evidence that hold such values ("<halt> <version>"), and `holding_more` how many
    more do: evidence never changes.
    """

    name: str
    cloud: str = "public"
    tenant: str = ""
    generation: int = 0
    baseline: str = ""
    baseline_at: str = ""
    selectors: dict[str, list[str]] = field(default_factory=dict)
    retired_at: str | None = None
    lease: Lease | None = None
    last_clearance: Lease | None = None
    open_halt: str | None = None
    halts: int = 0
    ledger_number: int = 0
    ledger_head: str = GENESIS
    memory: str = ""
    pending: str = ""
    good_at: str = ""
    own_correlations: list[str] = field(default_factory=list)
    window: dict[str, Any] | None = None
    sealed: str = ""
    forget: list[str] = field(default_factory=list)
    holding: list[str] = field(default_factory=list)
    holding_more: int = 0

    def to_body(self) -> dict[str, Any]:
        """As a row's body."""
        return {"schema": SCHEMA, **asdict(self)}

    @staticmethod
    def from_body(body: dict[str, Any]) -> JobRow:
        """The inverse of `to_body`."""
        fields = {key: value for key, value in body.items() if key != "schema"}
        for name in ("lease", "last_clearance"):
            if fields.get(name):
                fields[name] = Lease(**fields[name])
        return JobRow(**fields)


@dataclass
class HaltRow:
    """A halt: identity, state and digest. What was told, delivered or learned about it are rows and blobs of their own.

    `findings` names the blob with what it is about; `evidence` is the number of the latest version, `evidence_keys` name
    the blobs of all of them in order, and `evidence_digest` is the latest one's. `earlier` is {"halt", "decision", "kept",
    "kept_in"} of the halt that this one superseded: `kept_in` names the blob with the keys of all kept resources, `kept`
    are the first of them, to be shown. `decision` is
    {"decision", "by", "reason", "at", "digest", "evidence", "resources", "in_code", "for_run", "asserted"}; `proposal` the
    same while a second reviewer is needed. `in_use` is {"run", "clearance"}. `starters` are those who started
    the runs that met it. `expires_at` bounds a decision for one run.
    """

    id: str
    job: str
    generation: int
    digest: str
    attempt: int
    state: State
    opened_at: str
    cause: str
    run: str | None
    ticket: str | None
    started_by: dict[str, Any] | None
    findings: str
    evidence: int
    evidence_digest: str
    summary: list[dict[str, Any]]
    evidence_keys: list[str] = field(default_factory=list)
    stage: str | None = None
    actor: str = ""
    author_unknown: bool = True
    number: int = 0
    told: int = 0
    state_before: State | None = None
    decision: dict[str, Any] | None = None
    proposal: dict[str, Any] | None = None
    confirmation: dict[str, Any] | None = None
    in_use: dict[str, str] | None = None
    starters: list[dict[str, Any]] = field(default_factory=list)
    expires_at: str | None = None
    earlier: dict[str, Any] | None = None
    closed_at: str | None = None
    closed_because: str = ""

    @property
    def final(self) -> bool:
        """Whether it can no longer change."""
        return self.state in FINAL

    @property
    def decided(self) -> Decision | None:
        """The decision in force, if any."""
        return Decision(self.decision["decision"]) if self.decision else None

    def to_body(self) -> dict[str, Any]:
        """As a row's body."""
        return {"schema": SCHEMA, **asdict(self)}

    @staticmethod
    def from_body(body: dict[str, Any]) -> HaltRow:
        """The inverse of `to_body`."""
        fields = {key: value for key, value in body.items() if key != "schema"}
        fields["state"] = State(fields["state"])
        if fields["state_before"]:
            fields["state_before"] = State(fields["state_before"])
        return HaltRow(**fields)
