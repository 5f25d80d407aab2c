"""What the service answers where it refuses or fails: problem documents (RFC 9457).

Rules:
- The type names the error; the exit code that the command line gives for it stands beside it, so that nobody goes by the status.
- The title is the remedy, the detail says what happened. Neither holds a part of the request, or of what went wrong inside.
- What concerns the service itself (its store, its settings, its keys) is told in full only to the user of a service on their
  own machine, who is its operator; to everybody else the log has it, under the correlation id.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from driftguard.errors import DriftGuardError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:driftguard:problem:"
LOG = logging.getLogger("driftguard.http")

STATUS: Mapping[str, int] = {
    "not-signed-in": 401,
    "not-allowed": 403,
    "not-found": 404,
    "wrong-use": 400,
    "other-scope": 400,
    "no-clearance": 409,
    "already-final": 409,
    "halt-open": 409,
    "busy": 409,
    "conflict": 409,
    "stale": 412,
    "precondition-missing": 428,
    "nothing-recorded": 428,
    "could-not-tell": 503,
    "unavailable": 503,
    "store-unavailable": 503,
    "secret-key-missing": 503,
    "bad-configuration": 503,
}
"""The status of every error in errors.py, by its name."""

HTTP_ONLY: Mapping[str, tuple[int, int]] = {
    "halt": (412, 1),
    "invalid-input": (422, 3),
    "too-large": (413, 3),
    "not-acceptable": (406, 3),
    "unsupported-media-type": (415, 3),
    "method-not-allowed": (405, 3),
    "internal-fault": (500, 2),
}
"""The problems that only HTTP knows: status and exit code. `invalid-input` is also 400, where the request is no JSON."""

_OF_THE_SERVICE = ("store-unavailable", "secret-key-missing", "bad-configuration")
_RETRY_AFTER = {"busy": "30", "conflict": "1", "unavailable": "10", "store-unavailable": "10", "could-not-tell": "15"}
_BY_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 415: "unsupported-media-type"}


@dataclass
class Refused(Exception):
    """A request that is answered with a problem; raised and caught inside entry/http only."""

    name: str
    detail: str
    title: str
    status: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.status = self.status or status_of(self.name)


def status_of(name: str) -> int:
    """The status of a problem; 503 for an error that the tables do not know yet: nothing proceeds."""
    return STATUS.get(name) or HTTP_ONLY.get(name, (503, 2))[0]


def invalid(detail: str, title: str, status: int = 400) -> Refused:
    """A request that cannot be understood."""
    return Refused("invalid-input", detail, title, status)


def correlation_id(request: Request) -> str:
    """The correlation id of the request, as outermost.py set it."""
    return str(request.scope.get("state", {}).get("correlation_id", ""))


def problem(
    name: str,
    status: int,
    title: str,
    detail: str,
    exit_code: int,
    correlation: str,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The document; `more` are further members."""
    return {
        "type": TYPE_PREFIX + name,
        "title": title,
        "status": status,
        "detail": detail,
        "correlation_id": correlation,
        "exit_code": exit_code,
        **(more or {}),
    }


def of_error(error: DriftGuardError, correlation: str, *, to_operator: bool = False) -> dict[str, Any]:
    """The problem document of one of our errors."""
    status = status_of(error.problem)
    detail, title = error.message, error.remedy or error.message
    if error.problem in _OF_THE_SERVICE and not to_operator:
        LOG.error("%s: %s correlation=%s", error.problem, error, correlation)
        detail = "the service cannot work: its store, its settings or its keys are not in order"
        # What is wrong with settings or keys stays wrong until somebody mends it.
        first = "try again later" if error.problem == "store-unavailable" else "tell the service's operator"
        title = f"{first}; its operator finds the reason in the service's log, by the correlation id"
    return problem(error.problem, status, title, detail, error.exit_code, correlation)


def of_fault(place: str, correlation: str) -> dict[str, Any]:
    """The problem document of what nobody foresaw; its kind and place (no text) go to the log."""
    LOG.error("internal fault (%s) correlation=%s", place, correlation)
    title = "nothing was decided; report it with the correlation id"
    return problem("internal-fault", 500, title, "the service failed in a way that nobody foresaw", 2, correlation)


def place(error: BaseException) -> str:
    """The kind of a fault and where it happened; not its text, which may hold what was read."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = f"{at.tb_frame.f_globals.get('__name__')}:{at.tb_lineno}" if at else "unknown place"
    return f"{type(error).__name__} at {where}"


def response(document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """The document as an answer, with the headers that its kind asks for."""
    from starlette.responses import JSONResponse

    name = str(document["type"]).removeprefix(TYPE_PREFIX)
    told = dict(headers or {})
    if document["status"] == 401:
        told["WWW-Authenticate"] = "Bearer"
    if name in _RETRY_AFTER:
        told.setdefault("Retry-After", _RETRY_AFTER[name])
    return JSONResponse(document, document["status"], told, MEDIA_TYPE)


async def answer_error(request: Request, error: Exception) -> Response:
    """The handler of DriftGuardError."""
    assert isinstance(error, DriftGuardError)
    caller = request.scope.get("state", {}).get("caller")
    to_operator = bool(caller and caller.everything)
    return response(of_error(error, correlation_id(request), to_operator=to_operator))


async def answer_refused(request: Request, error: Exception) -> Response:
    """The handler of Refused."""
    assert isinstance(error, Refused)
    return response(of_refused(error, correlation_id(request)), error.headers)


def of_refused(error: Refused, correlation: str) -> dict[str, Any]:
    """The problem document of a refusal."""
    exit_code = HTTP_ONLY.get(error.name, (0, 3))[1]
    return problem(error.name, error.status, error.title, error.detail, exit_code, correlation, error.more)


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """The handler of what the framework refuses by itself: no such path, no such method."""
    from starlette.exceptions import HTTPException

    assert isinstance(error, HTTPException)
    name = _BY_STATUS.get(error.status_code, "invalid-input")
    detail = {404: "there is nothing at this address", 405: "this address does not know the method"}
    refused = Refused(
        name,
        detail.get(error.status_code, "the request cannot be understood"),
        "see /api/openapi.json for the calls",
        error.status_code if error.status_code in (*_BY_STATUS, 400) else 400,
    )
    return response(of_refused(refused, correlation_id(request)), error.headers)


async def answer_invalid(request: Request, error: Exception) -> Response:
    """The handler of a request that is not of the form of its model: which member, and what is wrong, without its value."""
    from fastapi.exceptions import RequestValidationError

    assert isinstance(error, RequestValidationError)
    found = [
        {"where": ".".join(str(part)[:80] for part in one["loc"])[:200], "problem": str(one["type"])[:80]}
        for one in error.errors()[:20]
    ]
    first = f": {found[0]['where']} ({found[0]['problem']})" if found else ""
    title = "send what /api/openapi.json describes"
    refused = Refused(
        "invalid-input", f"the request is not of the form of this call{first}", title, more={"errors": found}
    )
    return response(of_refused(refused, correlation_id(request)))
