"""The question that a run asks of a job, and the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from driftguard.flow.decide import Judgement, Verdict
from driftguard.flow.evidence import Coverage
from driftguard.flow.review import Person
from driftguard.guard.rows import HaltRow


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks. `run` is the pipeline run; `resources` are ids where only these are judged (which implies a gate).

    `caller` is the id of who asks through a service; empty in process.
    """

    job: str
    run: str
    stage: str | None = None
    ticket: str | None = None
    started_by: Person | None = None
    gate: bool = False
    resources: tuple[str, ...] = ()
    caller: str = ""

    @property
    def takes_lease(self) -> bool:
        """Whether a Proceed gives a clearance."""
        return not self.gate and not self.resources


@dataclass(frozen=True)
class Answer:
    """What a check answers. `clearance` is set where the run may go on and holds the lease, until `until`.

    `why` is one line; `told` are further lines worth telling; `exit_code` is the command line's.
    """

    check: str
    job: str
    run: str
    verdict: Verdict
    why: str
    judgement: Judgement
    coverage: Coverage
    observed: bool = False
    clearance: str | None = None
    until: datetime | None = None
    halt: HaltRow | None = None
    told: tuple[str, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """0 proceed, 1 halt, 2 could not tell; 0 in observe mode, where nothing is stopped."""
        if self.observed:
            return 0
        return {Verdict.PROCEED: 0, Verdict.HALT: 1, Verdict.CANNOT_TELL: 2}[self.verdict]
