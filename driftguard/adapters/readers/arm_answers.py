"""Reads one HTTP answer of ARM into a Reading. Pure: no request is sent here, no clock is read.

Rules:
- Only a JSON object counts as a state, read strictly (`flow/strict_json.py`): no HTML, no half body.
- The body must be of the resource that was asked for, where it names one.
- 404 is `MISSING` only with a service error code that says so; whether the scope is readable is checked by the caller.
- 202 is an operation under way, a redirect is never followed, 403 is never "gone".
- `detail` holds the status and the service's error code, never a part of the body.

Sources: github Azure/azure-resource-manager-rpc v1.0/common-api-details.md (errors), Addendum.md (ETags).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from driftguard.flow.reading import Cause, ETags, Outcome, Reading
from driftguard.flow.resource import ResourceRef
from driftguard.flow.strict_json import NotJson, parse_object

# The words with which services say that a resource is not there (ResourceNotFound, ContainerNotFound, …DoesNotExist).
_ABSENT = re.compile(r"(notfound|notexists?)\Z", re.IGNORECASE)
# Codes of a 404 that are about something else than the resource.
_NOT_ABSENT = frozenset(
    ["subscriptionnotfound", "tenantnotfound", "providernotfound", "apiversionnotfound", "httpresourcenotfound"]
)
_CODE = re.compile(r"[A-Za-z0-9_.\-]{1,80}\Z")
_ETAG_NAMES = ("etag", "eTag", "ETag", "Etag", "@odata.etag")
_MOST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer. Header names are in lower case; the body is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """No complete answer came. `detail` is one line."""

    cause: Cause
    detail: str


def read_answer(ref: ResourceRef, api_version: str, answer: Answer | Failure, now: datetime) -> Reading:
    """The reading that an answer amounts to; `now` (UTC) stands in where the server sent no usable date.

    MISSING here is what the service said; that the scope is readable is for the caller to prove.
    """
    if isinstance(answer, Failure):
        return unreadable(ref, api_version, now, answer.cause, answer.detail)
    body: dict[str, Any] | None = None
    cause: Cause | None = None
    if answer.status in (HTTPStatus.OK, HTTPStatus.CREATED):
        outcome, body, cause, detail = _state(ref, answer)
    else:
        outcome, cause, detail = _no_state(answer)
    return Reading(
        ref=ref,
        api_version=api_version,
        outcome=outcome,
        at=server_time(answer, now),
        body=body,
        etags=_etags(answer, body) if body is not None else ETags(),
        request_id=_header(answer, "x-ms-request-id"),
        correlation_id=_header(answer, "x-ms-correlation-request-id"),
        status=answer.status,
        cause=cause,
        detail=detail,
    )


def unreadable(ref: ResourceRef, api_version: str, at: datetime, cause: Cause, detail: str) -> Reading:
    """A reading of which nothing is known but why."""
    return Reading(ref, api_version, Outcome.UNREADABLE, at, cause=cause, detail=detail)


def object_in(answer: Answer | Failure) -> dict[str, Any] | Failure:
    """The JSON object of a 200, whatever it describes (a list, a provider, a subscription); else why there is none."""
    if isinstance(answer, Failure):
        return answer
    if answer.status != HTTPStatus.OK:
        return Failure(_cause(answer.status), described(answer))
    try:
        return parse_object(answer.body)
    except NotJson as why:
        return Failure(Cause.NOT_JSON, f"{answer.status}: {why}")


def error_code(answer: Answer) -> str:
    """The service's error code, from the places where services put it; empty where there is none."""
    try:
        body = parse_object(answer.body)
    except NotJson:
        body = {}
    error, odata = body.get("error"), body.get("odata.error")
    candidates = (
        error.get("code") if isinstance(error, dict) else None,
        body.get("code"),
        body.get("Code"),
        odata.get("code") if isinstance(odata, dict) else None,
        answer.headers.get("x-ms-error-code"),
    )
    return next((c for c in candidates if isinstance(c, str) and _CODE.match(c)), "")


def described(answer: Answer) -> str:
    """One line for a person: status, and the service's error code or the status's own phrase."""
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = ""
    return f"{answer.status} {error_code(answer) or phrase}".strip()


def server_time(answer: Answer, now: datetime) -> datetime:
    """The time of the answer's `Date` header in UTC, else `now`."""
    try:
        at = parsedate_to_datetime(answer.headers.get("date", ""))
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return now


def _state(ref: ResourceRef, answer: Answer) -> tuple[Outcome, dict[str, Any] | None, Cause | None, str]:
    try:
        body = parse_object(answer.body)
    except NotJson as why:
        return Outcome.UNREADABLE, None, Cause.NOT_JSON, f"{answer.status}: {why}"
    if _names_another(body.get("id"), ref):
        detail = f"{answer.status}: the body is of another resource than the one asked for"
        return Outcome.UNREADABLE, None, Cause.REFUSED, detail
    return Outcome.FOUND, body, None, ""


def _no_state(answer: Answer) -> tuple[Outcome, Cause | None, str]:
    if answer.status == HTTPStatus.NOT_FOUND:
        return _absence(answer)
    return Outcome.UNREADABLE, _cause(answer.status), described(answer)


def _absence(answer: Answer) -> tuple[Outcome, Cause | None, str]:
    try:
        parse_object(answer.body)
    except NotJson as why:
        return Outcome.UNREADABLE, Cause.NOT_JSON, f"404 that does not come from ARM: {why}"
    code, detail = error_code(answer).lower(), described(answer)
    if code == "resourcegroupnotfound":
        return Outcome.GROUP_MISSING, None, detail
    if _ABSENT.search(code) and code not in _NOT_ABSENT:
        return Outcome.MISSING, None, detail
    return Outcome.UNREADABLE, Cause.REFUSED, detail


def _cause(status: int) -> Cause:
    if status == HTTPStatus.ACCEPTED:
        return Cause.IN_FLIGHT
    if status == HTTPStatus.FORBIDDEN:
        return Cause.FORBIDDEN
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Cause.THROTTLED
    if status == HTTPStatus.REQUEST_TIMEOUT:
        return Cause.TIMEOUT
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Cause.SERVER_ERROR
    return Cause.REFUSED


def _names_another(named: object, ref: ResourceRef) -> bool:
    """True where the body's id is an ARM id of something else. Some services leave out the first or add a last slash,
    and some answer an `id` that is not an ARM id at all (a GUID, a URL of their own): that names nothing here."""
    if not isinstance(named, str):
        return False
    path = "/" + unquote(named).strip("/").lower()
    return path.startswith(("/subscriptions/", "/providers/")) and path != unquote(ref.key)


def _etags(answer: Answer, body: dict[str, Any]) -> ETags:
    properties = body.get("properties")
    return ETags(
        header=answer.headers.get("etag"),
        body=_etag_in(body),
        properties=_etag_in(properties) if isinstance(properties, dict) else None,
    )


def _etag_in(members: dict[str, Any]) -> str | None:
    return next((members[name] for name in _ETAG_NAMES if isinstance(members.get(name), str)), None)


def _header(answer: Answer, name: str) -> str | None:
    text = answer.headers.get(name)
    return "".join(c for c in text if c.isprintable())[:_MOST_TEXT] if text else None
