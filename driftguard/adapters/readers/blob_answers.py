"""What an answer for a blob amounts to: its state, or why there is none. Pure."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

from driftguard.adapters.readers.arm_answers import Answer, Failure, described, error_code, server_time, unreadable
from driftguard.adapters.readers.blob_client import cause_of
from driftguard.adapters.readers.blob_content import Got, body_of
from driftguard.flow.reading import Cause, ETags, Outcome, Reading
from driftguard.flow.resource import ResourceRef

NO_CONTAINER = "ContainerNotFound"
NO_BLOB = "BlobNotFound"
_MOST_TEXT = 200


def read_blob(ref: ResourceRef, api_version: str, told: Got | Answer | Failure, now: datetime) -> Reading:
    """The reading; `now` (UTC) stands in where the server sent no usable date.

    MISSING here is what the service said; that the container is readable is for the caller to prove.
    """
    if isinstance(told, Failure):
        return unreadable(ref, api_version, now, told.cause, told.detail)
    headers = {name.lower(): value for name, value in told.headers.items()}
    answer = told if isinstance(told, Answer) else Answer(HTTPStatus.OK, headers, b"")
    outcome, cause, detail = (Outcome.FOUND, None, "") if isinstance(told, Got) else _no_state(answer)
    found = isinstance(told, Got)
    return Reading(
        ref=ref,
        api_version=api_version,
        outcome=outcome,
        at=server_time(answer, now),
        body=body_of(ref.id, told) if isinstance(told, Got) else None,
        etags=ETags(header=headers.get("etag")) if found else ETags(),
        request_id=_printable(headers.get("x-ms-request-id")),
        status=answer.status,
        cause=cause,
        detail=detail,
    )


def _no_state(answer: Answer) -> tuple[Outcome, Cause | None, str]:
    detail = described(answer)
    if answer.status != HTTPStatus.NOT_FOUND:
        return Outcome.UNREADABLE, cause_of(answer), detail
    code = error_code(answer)
    if code == NO_BLOB:
        return Outcome.MISSING, None, detail
    if code == NO_CONTAINER:
        return Outcome.GROUP_MISSING, None, detail
    return Outcome.UNREADABLE, Cause.REFUSED, f"{detail}: not an answer of blob storage about this blob"


def _printable(text: str | None) -> str | None:
    return "".join(c for c in text if c.isprintable())[:_MOST_TEXT] if text else None
