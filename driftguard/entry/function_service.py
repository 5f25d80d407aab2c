"""The service as the Functions app runs it: one guard and one web application for all functions of the process.

Rules:
- Both are made when they are first needed, once, also where many first requests come at the same time.
- Settings that are wrong are no reason to fail at the start: the log says what is wrong, and every call is refused.
- Pages take a bearer token: there are no browser sessions, since another instance would not know them.
- What is measured is sent also where the guard cannot be opened, or the settings are wrong.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from driftguard.errors import BadConfiguration
from driftguard.settings import process_environment, read_settings, telemetry_setting
from driftguard.wiring import SharedGuard, SharedTelemetry, failure_counted

if TYPE_CHECKING:  # types only: a timer needs neither
    import azure.functions as func

    from driftguard.entry.http.service import Service
    from driftguard.flow.access import Identities
    from driftguard.flow.telemetry import Telemetry
    from driftguard.guard.context import Guard


class FunctionService:
    """What the functions share. `environ` is read when something is first needed."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._turn = threading.Lock()
        self._building = threading.Lock()
        self._telemetry = SharedTelemetry(lambda: telemetry_setting(environ))
        self._shared: SharedGuard | None = None
        self._middleware: func.AsgiMiddleware | None = None

    def guard(self) -> Guard:
        """The guard that all functions share. Raises BadConfiguration, StoreUnavailable, SecretKeyMissing."""
        with self._turn:
            if self._shared is None:
                with failure_counted(self._telemetry()):
                    settings = read_settings(self._environ)
                self._shared = SharedGuard(settings, self._telemetry)
            shared = self._shared
        return shared()

    def telemetry(self) -> Telemetry:
        """Where to measure; nothing else is opened for it."""
        return self._telemetry()

    @contextmanager
    def invocation(self, context: func.Context) -> Iterator[Guard]:
        """The guard for a trigger that nobody waits for: its spans belong to the invocation's trace, and what it measured
        is sent when it ends, since the host may put the process to sleep then. Raises as `guard`."""
        telemetry = self.telemetry()
        try:
            with telemetry.joined(trace_parent_of(context)):
                yield self.guard()
        finally:
            telemetry.flush()

    async def answer(self, request: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        """Answer a request by the web application."""
        from driftguard.entry.function_asgi import readable, unreadable_address, without_type

        # Imports take a while at the first request: the worker's loop stays free for others meanwhile.
        middleware = self._middleware
        if middleware is None:
            middleware = await asyncio.to_thread(self._application)
        as_seen = readable(request)
        if as_seen is None:
            return unreadable_address()
        return without_type(await middleware.handle_async(as_seen, context))

    def close(self) -> None:
        """Give everything back; what is needed again is made anew from the environment as it is then."""
        with self._building, self._turn:
            if self._shared is not None:
                self._shared.close()
            self._shared = self._middleware = None
            self._telemetry.close()

    def _application(self) -> func.AsgiMiddleware:
        with self._building:
            if self._middleware is None:
                import azure.functions as func

                from driftguard.entry.api import create_app
                from driftguard.entry.function_asgi import InFunctions

                self._telemetry()  # its imports take a while too
                self._middleware = func.AsgiMiddleware(InFunctions(create_app(self._service())))  # type: ignore[no-untyped-call]  # reason: azure-functions types only half of it
            return self._middleware

    def _service(self) -> Service:
        from driftguard.entry.http.service import Service

        return Service(guard=self.guard, identities=self._identities(), telemetry=self.telemetry)

    def _identities(self) -> Identities | None:
        from driftguard.wiring import identities_from

        try:
            return identities_from(read_settings(self._environ))
        except BadConfiguration as error:
            logging.getLogger("driftguard").error("nobody is let in: %s", error)
            return None


def trace_parent_of(context: func.Context) -> str:
    """The W3C `traceparent` of the invocation; empty where the host tells none."""
    return str(getattr(getattr(context, "trace_context", None), "trace_parent", None) or "")


service = FunctionService(process_environment())
