"""What the HTTP interface works with: handed to `create_app`, made by function_app.py, by `driftguard serve` and by tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from driftguard.flow.access import Identities
from driftguard.flow.telemetry import NO_TELEMETRY, Telemetry

if TYPE_CHECKING:
    from driftguard.entry.http.sessions import Sessions
    from driftguard.guard.context import Guard


@dataclass(frozen=True)
class Service:
    """`guard` gives the guard that all requests share; it may raise DriftGuardError at any call.

    `identities` tells who presents a bearer token; None: no identity provider is set up, and every call but the health
    ones is refused. `sessions` are those of browsers; None: no pages. `hosts` are the names by which the service may be
    called, empty: any. `answer_within` is how many seconds a check or a record may take before it is answered with 202.
    `telemetry` gives where answers are counted.
    """

    guard: Callable[[], Guard]
    identities: Identities | None = None
    sessions: Sessions | None = None
    hosts: tuple[str, ...] = ()
    answer_within: float = 20.0
    telemetry: Callable[[], Telemetry] = lambda: NO_TELEMETRY
