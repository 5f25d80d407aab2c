"""A short way to write a halt's row down."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from driftguard.flow.halt import State
from driftguard.guard.rows import HaltRow


def halt_row(identity: str = "h-1", job: str = "job", **more: Any) -> HaltRow:
    """An open halt; `more` are members of HaltRow."""
    plain = HaltRow(
        id=identity,
        job=job,
        generation=1,
        digest="d",
        attempt=1,
        state=State.OPEN,
        opened_at="2026-03-01T12:00:00.000000Z",
        cause="drift",
        run="run-1",
        ticket=None,
        started_by=None,
        findings=f"{job}/halts/{identity}/1",
        evidence=1,
        evidence_digest="sha256:e",
        summary=[],
    )
    return replace(plain, **more)
