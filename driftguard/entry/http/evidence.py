"""Evidence of a halt: a version of it, as JSON (the bytes as they were written), Markdown or HTML.

Rules:
- What the address ends with decides; without it the header Accept does, and the answer says so (Vary).
- The JSON of a version never changes, nor may a cache ask for it again; a rendering is made anew, by the product of the day.
- The bytes that are sent are of the row's version that the ETag names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import Path
from starlette.responses import Response

from driftguard.entry.http.accept import chosen
from driftguard.entry.http.answers import ASK_AGAIN, FOR_EVER, tagged, unchanged
from driftguard.entry.http.asked import Asked
from driftguard.entry.http.etags import halt_tag, is_unchanged, of_evidence, tag
from driftguard.entry.http.models import Evidence
from driftguard.entry.http.problems import Refused
from driftguard.entry.http.routes import Call, Caller
from driftguard.errors import Conflict
from driftguard.flow.access import Role

JSON, MARKDOWN, HTML = "application/json", "text/markdown", "text/html"
_FORMS = {"json": JSON, "md": MARKDOWN, "html": HTML}
_TRIES = 5
Form = Literal["json", "md", "html"]
Version = Annotated[int, Path(ge=1, le=10**9)]


def latest(asked: Caller) -> Response:
    """The latest evidence, in the form that Accept asks for."""
    return _evidence(asked, None, None)


def latest_as(asked: Caller, form: Form) -> Response:
    """The latest evidence in this form."""
    return _evidence(asked, None, form)


def version_of(asked: Caller, version: Version) -> Response:
    """This version of the evidence, in the form that Accept asks for."""
    return _evidence(asked, version, None)


def version_as(asked: Caller, version: Version, form: Form) -> Response:
    """This version of the evidence in this form."""
    return _evidence(asked, version, form)


def _evidence(asked: Asked, version: int | None, suffix: Form | None) -> Response:
    form = suffix or _wanted(asked)
    vary = {} if suffix else {"Vary": "Accept"}
    cache = FOR_EVER if version is not None and form == "json" else ASK_AGAIN
    representation = f"evidence-{form}"
    for _ in range(_TRIES):
        before = asked.halt_version() or ""
        shown = before if version is None else of_evidence(version, before)
        if current := asked.still_good(shown, representation):
            return unchanged(current, cache=cache, **vary)
        body, halt = _rendered(asked, version, form)
        if asked.halt_version() == before:
            current = tag(shown, representation)
            if halt is not None:
                current = halt_tag(halt, shown, representation, body, asked.at)
            if is_unchanged(asked.request, current):
                return unchanged(current, cache=cache, **vary)
            policy = {"Content_Security_Policy": _html_policy()} if form == "html" else {}
            return tagged(body, current, _media(form), cache=cache, **vary, **policy)
    raise Conflict("the halt changes too often", "try again in a moment")


def _wanted(asked: Asked) -> Form:
    accept = ", ".join(asked.request.headers.getlist("accept"))
    media = chosen(accept, list(_FORMS.values()))
    if media is None:
        offered = f"accept one of: {', '.join(_FORMS.values())}"
        raise Refused("not-acceptable", "the evidence has no such form", offered, headers={"Vary": "Accept"})
    return next(form for form in ("json", "md", "html") if _FORMS[form] == media)


def _media(form: Form) -> str:
    return JSON if form == "json" else f"{_FORMS[form]}; charset=utf-8"


def _rendered(asked: Asked, version: int | None, form: Form) -> tuple[bytes, Mapping[str, Any] | None]:
    """The bytes, and the view of the halt where they show where it stands now."""
    data = asked.verbs.evidence(asked.halt, version)
    if form == "json":
        return data, None
    document = json.loads(data)
    if form == "md":
        from driftguard.render.evidence_markdown import evidence_markdown

        return evidence_markdown(document).encode("utf-8"), None
    from driftguard.guard.review import find_halt
    from driftguard.render.html import evidence_html
    from driftguard.render.json_views import halt_view

    # A version says what was found; the latest one also where the halt stands now.
    halt = halt_view(find_halt(asked.guard, asked.halt)[0]) if version is None else None
    return evidence_html(document, halt).encode("utf-8"), halt


def _html_policy() -> str:
    from driftguard.render.html import EVIDENCE_CSP

    return EVIDENCE_CSP


_REFUSES = ("wrong-use", "not-found", "conflict")
_ALL = (JSON, MARKDOWN, HTML)
CALLS = tuple(
    Call(
        "GET", path, endpoint, "The evidence", (Role.READER,), Evidence,
        problems=(*_REFUSES, *(() if "{form}" in path else ("not-acceptable",))), media=_ALL, conditional=True,
    )
    for path, endpoint in (
        ("/api/halts/{halt}/evidence", latest),
        ("/api/halts/{halt}/evidence.{form}", latest_as),
        ("/api/halts/{halt}/evidence/{version}.{form}", version_as),
        ("/api/halts/{halt}/evidence/{version}", version_of),
    )
)  # fmt: skip
