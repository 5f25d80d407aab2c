"""Views as the service answers them, as small as they may be."""

from __future__ import annotations

from typing import Any

HALT_ID = "h-0123456789ab"


def check(**changed: Any) -> dict[str, Any]:
    """A check that cleared run-1 of shop."""
    return {
        "check": "c-1",
        "job": "shop",
        "run": "run-1",
        "verdict": "proceed",
        "observed": False,
        "why": "nothing changed",
        "clearance": "c-1",
        "until": "2026-03-02T06:00:00.000000Z",
        "halt": None,
        "findings": [],
        "counts": {"unchanged": 1},
        "coverage": {"read": 1},
        "told": [],
        "exit_code": 0,
        **changed,
    }


def halted(**changed: Any) -> dict[str, Any]:
    """A check that halted run-1 of shop."""
    return check(**{"verdict": "halt", "clearance": None, "until": None, "halt": halt(), "exit_code": 1, **changed})


def unclear(**changed: Any) -> dict[str, Any]:
    """A check that could not tell."""
    return check(**{"verdict": "cannot tell", "clearance": None, "until": None, "exit_code": 2, **changed})


def halt(**changed: Any) -> dict[str, Any]:
    return {
        "id": HALT_ID,
        "job": "shop",
        "state": "open",
        "final": False,
        "digest": "00",
        "evidence": {"version": 1, "digest": "sha256:00"},
        "confirmation": None,
        "version": "7",
        "document": {"schema": "driftguard/evidence/1"},
        **changed,
    }


def record(**changed: Any) -> dict[str, Any]:
    """A record of one resource."""
    return {
        "record": "r-1",
        "job": "shop",
        "generation": 2,
        "provenance": "record under a clearance",
        "proposal": None,
        "halt": None,
        "resolved": None,
        "resources": [{"resource": "/subscriptions/1", "fate": "recorded"}],
        "counts": {"recorded": 1},
        "told": [],
        "exit_code": 0,
        **changed,
    }


def job(**changed: Any) -> dict[str, Any]:
    return {"job": "shop", "version": "42", "generation": 2, "lease": None, "halt": None, **changed}


def scan(*rows: tuple[str, str], exit_code: int) -> dict[str, Any]:
    """A scan of (job, verdict)."""
    jobs = [
        {"job": name, "verdict": verdict, "observed": False, "why": "", "halt": None, "problem": None}
        for name, verdict in rows
    ]
    return {"scan": "scan-1", "jobs": jobs, "notes_waiting": 0, "exit_code": exit_code}
