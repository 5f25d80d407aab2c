"""Whether the service runs, and whether it can work. Nobody signs in for it, and nothing of what is inside is told."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from driftguard import __version__
from driftguard.entry.http import problems
from driftguard.entry.http.answers import answer
from driftguard.entry.http.models import Health
from driftguard.entry.http.routes import Call
from driftguard.entry.http.service import Service
from driftguard.errors import DriftGuardError


async def healthz() -> Response:
    """The app is loaded and answers; it asks nothing."""
    return answer({"status": "ok", "version": __version__})


def calls(service: Service) -> tuple[Call, ...]:
    """The calls; `readyz` asks the parts of this service."""

    def readyz(request: Request) -> Response:
        """Policy, store and identity provider are in order."""
        parts = {
            "policy": _works(lambda: service.guard().policy(), request),
            "store": _works(lambda: service.guard().store.version("~ready", "ready", "ready"), request),
            "identities": service.identities is not None,
        }
        if all(parts.values()):
            return answer({"status": "ready", "version": __version__})
        broken = ", ".join(name for name, works in parts.items() if not works)
        title = "the service's operator finds the reason in its log, by the correlation id"
        correlation = problems.correlation_id(request)
        more = {"parts": {name: "in order" if works else "not in order" for name, works in parts.items()}}
        document = problems.problem("unavailable", 503, title, f"not in order: {broken}", 2, correlation, more)
        return problems.response(document)

    return (
        Call("GET", "/healthz", healthz, "It answers", model=Health, any_query=True),
        Call("GET", "/readyz", readyz, "It can work", model=Health, problems=("unavailable",), any_query=True),
    )


def _works(part: Callable[[], object], request: Request) -> bool:
    try:
        part()
    except DriftGuardError as error:
        problems.LOG.error("not ready: %s correlation=%s", error, problems.correlation_id(request))
        return False
    return True
