"""Good answers: a view as JSON, with its ETag and what a cache may do with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from driftguard.entry.http.etags import is_unchanged, tag_of_bytes

ASK_AGAIN = "private, no-cache"
FOR_EVER = "private, max-age=31536000, immutable"
NEVER = "no-store"


def json_bytes(view: Mapping[str, Any]) -> bytes:
    """The view as it is sent."""
    return json.dumps(view, sort_keys=True, separators=(",", ":")).encode("ascii")


def answer(view: Mapping[str, Any], status: int = 200, **headers: str) -> Response:
    """A view that is kept by no cache; `Retry_After` is the header Retry-After."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(json_bytes(view), status, {"Cache-Control": NEVER, **told}, "application/json")


def tagged(
    body: bytes, tag: str, media: str = "application/json", *, cache: str = ASK_AGAIN, **headers: str
) -> Response:
    """A representation with its ETag."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(body, 200, {"ETag": tag, "Cache-Control": cache, **told}, media)


def unchanged(tag: str, *, cache: str = ASK_AGAIN, **headers: str) -> Response:
    """304: the caller has this representation."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status_code=304, headers={"ETag": tag, "Cache-Control": cache, **told})


def page(request: Request, view: Mapping[str, Any]) -> Response:
    """A page of a collection; its ETag is over the bytes that are sent."""
    body = json_bytes(view)
    tag = tag_of_bytes(body)
    return unchanged(tag) if is_unchanged(request, tag) else tagged(body, tag)
