"""The HTTP interface: one FastAPI app over one service. docs/http.md tells how it is used.

Rules:
- An endpoint translates: it calls one verb, as the command line does, and answers its view.
- Who may call is decided before the body is read (http/routes.py); what is refused is
  answered with a problem document (http/problems.py).
- Nothing is done when the app starts or ends: the adapter of Azure Functions tells an app of neither.
"""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from driftguard import __version__
from driftguard.entry.http import checks, evidence, halts, health, jobs, layers, openapi, problems, scans
from driftguard.entry.http.long_calls import LongCalls
from driftguard.entry.http.measured import Measured
from driftguard.entry.http.outermost import Outermost
from driftguard.entry.http.routes import Call, guarded
from driftguard.entry.http.service import Service
from driftguard.entry.web import add_pages
from driftguard.errors import DriftGuardError

OPENAPI = "/api/openapi.json"
_TABLES = (checks.CALLS, halts.CALLS, evidence.CALLS, jobs.CALLS, scans.CALLS)
_DESCRIPTION = (
    "Halts automation that would overwrite somebody's manual change to an Azure resource. "
    "Errors are problem documents whose title is the remedy and which carry the command line's exit code."
)


def create_app(service: Service) -> FastAPI:
    """The app of this service. It asks the service for nothing before a request needs it."""
    app = FastAPI(
        title="Drift Guard",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(Outermost),
            Middleware(Measured, service=service),
            Middleware(layers.Headers),
            Middleware(layers.Head),
            Middleware(layers.Hosts, hosts=service.hosts),
            Middleware(layers.Sizes),
        ],
        exception_handlers={
            DriftGuardError: problems.answer_error,
            problems.Refused: problems.answer_refused,
            RequestValidationError: problems.answer_invalid,
            HTTPException: problems.answer_http_exception,
        },
    )
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]  # reason: FastAPI's own way to change the document
    long_calls = LongCalls(service.answer_within)
    for call in (*(one for table in _TABLES for one in table), *health.calls(service)):
        _add(app, call, service, long_calls)
    app.state.long_calls = long_calls
    add_pages(app, service)
    return app


def _add(app: FastAPI, call: Call, service: Service, long_calls: LongCalls) -> None:
    app.router.add_api_route(
        call.path,
        call.endpoint,
        methods=[call.method],
        status_code=call.status,
        response_model=call.model,
        response_description=call.told,
        responses=openapi.responses_of(call),
        openapi_extra=openapi.extra_of(call),
        operation_id=call.endpoint.__name__,
        route_class_override=guarded(call, service, long_calls),
    )
