"""The rows of a job as records: how job, check, halt, proposal and outbox are written down, in one place.

Every body carries `schema`; a later version that changes a form reads the earlier ones here.
A body of another form than was ever written is damaged, as a blob is; one of a later schema needs the product that wrote it.

Rules:
- Two versions of Drift Guard may work on one store for a while. A member that only a later version knows is kept in `more`
  as it was read, and written back; a later version that adds a member whose loss would be dangerous raises SCHEMA.
- A member that an earlier version does not know is left out while it says nothing, so that it can read the row.
- The other kinds of row are rewritten as the stored body with single members replaced, and keep what is unknown that way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import Any, TypeVar

from driftguard.errors import BadConfiguration
from driftguard.flow.halt import FINAL, Decision, State
from driftguard.flow.ledger import GENESIS
from driftguard.guard.blobs import Damaged

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
T = TypeVar("T")


def used_by(clearance: str) -> str:
    """The id of the row of kind record that says that a clearance has recorded."""
    return f"by-{clearance}"


@dataclass
class Lease:
    """A job is updating: from the clearance until record, release or `until` (text, UTC).

    `read_at` is the server's time of the earliest reading that it rests on; `halt` the halt that let it pass, or empty;
    `observed` that observe mode gave it although the check would have stopped the run. `caller` is the id of who was given
    it through a service; empty in process. The name of a run is no secret, so it counts for its caller only.
    """

    clearance: str
    run: str
    until: str
    read_at: str
    halt: str = ""
    observed: bool = False
    caller: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def is_of(self, run: str | None, caller: str) -> bool:
        """Whether it was given to this run of this caller."""
        return run is not None and (self.run, self.caller) == (run, caller)


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
    more do: evidence never changes. `hold` is {"reason", "by", "at"} while the job is under legal hold.
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
    hold: dict[str, Any] | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def to_body(self) -> dict[str, Any]:
        """As a row's body. What an earlier version does not know is left out where it says nothing."""
        body = _body(self)
        for name in ("lease", "last_clearance"):
            if body[name] is not None:
                body[name] = _with_more(body[name])
        if self.hold is None:
            del body["hold"]
        return body

    @staticmethod
    def from_body(body: dict[str, Any]) -> JobRow:
        """The inverse of `to_body`. Raises Damaged for another form, BadConfiguration for a later schema."""

        def made(members: dict[str, Any]) -> JobRow:
            for name in ("lease", "last_clearance"):
                if members.get(name):
                    members[name] = _of_form(Lease(**_known(Lease, members[name])))
            return JobRow(**_known(JobRow, members))

        return _read(body, "job", made)


@dataclass
class HaltRow:
    """A halt: identity, state and digest. What was told, delivered or learned about it are rows and blobs of their own.

    `findings` names the blob with what it is about; `evidence` is the number of the latest version, `evidence_keys` name
    the blobs of all of them in order, and `evidence_digest` is the latest one's. `earlier` is {"halt", "decision", "kept",
    "kept_in"} of the halt that this one superseded: `kept_in` names the blob with the keys of all kept resources, `kept`
    are the first of them, to be shown. `decision` is
    {"decision", "by", "reason", "at", "digest", "evidence", "resources", "in_code", "for_run", "asserted"}; `proposal` the
    same while a second reviewer is needed. `in_use` is {"run", "clearance"}. `starters` are those who started
    the runs that met it, and `starters_left_out` says that there were more than are kept. `expires_at` bounds a decision for
    one run.
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
    starters_left_out: bool = False
    expires_at: str | None = None
    earlier: dict[str, Any] | None = None
    closed_at: str | None = None
    closed_because: str = ""
    more: dict[str, Any] = field(default_factory=dict)

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
        return _body(self)

    @staticmethod
    def from_body(body: dict[str, Any]) -> HaltRow:
        """The inverse of `to_body`. Raises Damaged for another form, BadConfiguration for a later schema."""

        def made(members: dict[str, Any]) -> HaltRow:
            members["state"] = State(members["state"])
            if members["state_before"]:
                members["state_before"] = State(members["state_before"])
            return HaltRow(**_known(HaltRow, members))

        return _read(body, "halt", made)


def _read(body: Mapping[str, Any], kind: str, made: Callable[[dict[str, Any]], T]) -> T:
    """What `made` makes of the members of a row's body. Raises Damaged, BadConfiguration."""
    schema = body.get("schema", SCHEMA)
    if isinstance(schema, int) and schema > SCHEMA:
        raise BadConfiguration(
            f"the store has a {kind} of schema {schema}, this Drift Guard knows schemas up to {SCHEMA}",
            "use the newer version of Drift Guard that wrote it, or restore a backup from before that upgrade",
        )
    try:
        if not isinstance(schema, int):
            raise TypeError("schema")
        return _of_form(made({key: value for key, value in body.items() if key != "schema"}))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Damaged(
            f"the store holds a {kind} of a form that was never written ({type(error).__name__})",
            "restore it from a backup; nothing was decided",
        ) from None  # the cause could quote the row


def _body(row: JobRow | HaltRow) -> dict[str, Any]:
    """The body of a row, with the members that only a later version knows beside our own."""
    return {"schema": SCHEMA, **_with_more(asdict(row))}


def _with_more(members: dict[str, Any]) -> dict[str, Any]:
    """Members with those of `more` beside them; our own go before one of the same name."""
    more: dict[str, Any] = members.pop("more")
    return {**more, **members}


def _known(row: type[T], members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that this version knows, with all others under `more`. Raises AttributeError, TypeError."""
    names = {name for name, _ in _kinds(row.__name__)} - {"more"}
    known = {name: value for name, value in members.items() if name in names}
    return {**known, "more": {name: value for name, value in members.items() if name not in names}}


def _of_form(row: T) -> T:
    """The row, where each member is of its kind. Raises TypeError."""
    for name, kinds in _kinds(type(row).__name__):
        if not isinstance(getattr(row, name), kinds):
            raise TypeError(name)
    return row


@cache
def _kinds(row: str) -> tuple[tuple[str, tuple[type, ...]], ...]:
    """(member, kinds of value) of the class of this name, by its annotations: their outermost kind only."""
    members = fields({"JobRow": JobRow, "HaltRow": HaltRow, "Lease": Lease}[row])
    return tuple(
        (one.name, tuple(_KINDS[part.partition("[")[0]] for part in str(one.type).split(" | "))) for one in members
    )


_KINDS: dict[str, type] = {
    "str": str,
    "int": int,
    "bool": bool,
    "dict": dict,
    "list": list,
    "None": type(None),
    "State": State,
    "Lease": Lease,
}
