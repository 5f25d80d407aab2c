"""The addresses of the calls. What cannot be a name is refused here with the error that the verb raises in process."""

from __future__ import annotations

import re

from driftguard.errors import NotFound
from driftguard.guard.work import require_job_name

# Only these characters get into a path: what is a name nowhere cannot lead to another call either.
_HALT = re.compile(r"h-[0-9a-f]{0,64}\Z")
_PROPOSAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}\Z")


def is_halt(text: str) -> bool:
    """Whether the text can be the id of a halt, or the beginning of one."""
    return _HALT.match(text) is not None


def is_proposal(text: str) -> bool:
    """Whether the text can be the id of a proposal."""
    return _PROPOSAL.match(text) is not None


def job_path(job: str) -> str:
    """The address of a job. Raises WrongUse for what cannot be a job's name."""
    return f"/api/jobs/{require_job_name(job)}"


def halt_path(halt: str) -> str:
    """The address of a halt. Raises NotFound for what cannot be an id."""
    if not is_halt(halt):
        raise NotFound(f"there is no halt {halt}", "see driftguard halts list --all")
    return f"/api/halts/{halt}"
