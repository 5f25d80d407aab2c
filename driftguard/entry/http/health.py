"""Whether the service runs, and whether it can work. Nobody signs in for it, and nothing of what is inside is told."""

from __future__ import annotations

import threading
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
from driftguard.flow.ports import Anchors
from driftguard.guard.context import Guard

_ASK_ANCHORS_EVERY = 60.0  # seconds
_TOLD = {True: "in order", False: "not in order", None: "not set up"}


async def healthz() -> Response:
    """The app is loaded and answers; it asks nothing."""
    return answer({"status": "ok", "version": __version__})


def calls(service: Service) -> tuple[Call, ...]:
    """The calls; `readyz` asks the parts of this service."""
    anchors = _AnchorsNowAndThen()

    def readyz(request: Request) -> Response:
        """Policy, store, keys, anchors and identity provider are in order."""
        parts = {
            "policy": _works(lambda: service.guard().policy(), request),
            "store": _works(lambda: service.guard().store.version("~ready", "ready", "ready"), request),
            "keys": _works(lambda: service.guard().sealer.key_id, request),
            "anchors": anchors.work(service.guard, request),
            "identities": service.identities is not None,
        }
        broken = ", ".join(name for name, works in parts.items() if works is False)
        if not broken:
            return answer({"status": "ready", "version": __version__})
        title = "the service's operator finds the reason in its log, by the correlation id"
        correlation = problems.correlation_id(request)
        more = {"parts": {name: _TOLD[works] for name, works in parts.items()}}
        document = problems.problem("unavailable", 503, title, f"not in order: {broken}", 2, correlation, more)
        return problems.response(document)

    return (
        Call("GET", "/healthz", healthz, "It answers", model=Health, any_query=True),
        Call("GET", "/readyz", readyz, "It can work", model=Health, problems=("unavailable",), any_query=True),
    )


class _AnchorsNowAndThen:
    """Whether the place of the anchors can be read. Anybody may call `readyz`, and no check needs that place: so it is asked
    once in a while, by one thread, and a place that hangs holds up nobody else."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._known: tuple[Anchors, float, bool] | None = None  # the place, when it was asked, whether it answered

    def work(self, of: Callable[[], Guard], request: Request) -> bool | None:
        """None: none is set up. False also while the first answer is still waited for."""
        try:
            guard = of()
        except DriftGuardError:
            return False  # told already, for the store
        place = guard.anchors
        if place is None:
            return None
        now, known = guard.clock.monotonic(), self._known
        of_this_place = known is not None and known[0] is place
        if known and of_this_place and now - known[1] < _ASK_ANCHORS_EVERY:
            return known[2]
        if not self._asking.acquire(blocking=False):
            return known is not None and of_this_place and known[2]
        try:
            answers = _works(lambda: place.read("ready"), request)  # one small request; there is no such document
            self._known = (place, now, answers)
            return answers
        finally:
            self._asking.release()


def _works(part: Callable[[], object], request: Request) -> bool:
    try:
        part()
    except DriftGuardError as error:
        problems.LOG.error("not ready: %s correlation=%s", error, problems.correlation_id(request))
        return False
    return True
