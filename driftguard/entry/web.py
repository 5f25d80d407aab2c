"""Pages for people: the open halts, and a halt with its evidence and the commands for the next steps.

Rules:
- A page is read only: whoever is signed in by a cookie can look, and change nothing by it.
- Who looks needs the reader's role, and sees the jobs that the policy binds them to, as in the HTTP interface.
- A cookie comes from the one-time address that `driftguard serve` prints; elsewhere a bearer token is asked for.
- Nobody is told what an address holds before they are signed in, and no address is handed on to another page.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from driftguard.entry.http import etags, problems
from driftguard.entry.http.asked import sign_in
from driftguard.entry.http.layers import LOOKS_ONLY
from driftguard.entry.in_process import InProcess
from driftguard.errors import BadConfiguration, DriftGuardError, NotFound, NotSignedIn
from driftguard.flow.access import Caller, Role, is_bound, require_bound, require_role

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from driftguard.entry.http.service import Service
    from driftguard.guard.context import Guard

COOKIE = "driftguard-session"
_HALT_ID = re.compile(r"h-[0-9a-f]{12}\Z")
_TITLES = {401: "Sign in", 403: "Not allowed", 404: "Not found"}
_BY_LINK = (
    "open the address that driftguard serve printed; it works once, so start driftguard serve again for another. "
    "If another page led here, load this one again"
)
_BY_TOKEN = "use the command line, such as driftguard halts list, or send a bearer token"

Endpoint = Callable[["Request", Caller], "Response"]


def add_pages(app: FastAPI, service: Service) -> None:
    """Add the pages below /ui to the application, outside of its OpenAPI document."""
    pages = _Pages(service)
    app.add_route("/", pages.start, methods=["GET"], include_in_schema=False)
    app.add_route("/ui", pages.start, methods=["GET"], include_in_schema=False)
    app.add_route("/ui/sign-in", pages.sign_in, methods=["GET"], include_in_schema=False)
    app.add_route("/ui/", pages.signed_in(pages.halts), methods=["GET"], include_in_schema=False)
    app.add_route("/ui/halts/{halt}", pages.signed_in(pages.halt), methods=["GET"], include_in_schema=False)
    app.add_route("/ui/{rest:path}", pages.signed_in(pages.nothing), methods=["GET"], include_in_schema=False)


class _Pages:
    """One method a page. They are no coroutines: each runs on a thread of its own."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def start(self, request: Request) -> Response:
        """Leads to the open halts."""
        return _led_to("/ui/")

    def sign_in(self, request: Request) -> Response:
        """Begins a session by the one-time token of the address; HEAD, which looks only, uses up nothing."""
        if request.method == "HEAD" or request.scope.get(LOOKS_ONLY):
            from starlette.responses import Response

            return Response(status_code=405, headers={**_headers("no-store"), "Allow": "GET"})
        sessions = self._service.sessions
        session = sessions.redeem(request.query_params.get("token", "")) if sessions else None
        if session is None:
            return self._refused(
                request, NotSignedIn("the address is not good, or was used before", self._how_to_sign_in())
            )
        from driftguard.entry.http.sessions import SESSION_HOLDS

        answer = _led_to("/ui/")
        answer.set_cookie(
            COOKIE,
            session,
            max_age=int(SESSION_HOLDS),
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer

    def halts(self, request: Request, caller: Caller) -> Response:
        """The open halts of the jobs that the caller may read."""
        from driftguard.render.html import halts_html

        require_role(caller, Role.READER)
        guard = self._service.guard()
        policy = guard.policy()
        halts = InProcess(guard).halts(None, all_states=False)["halts"]
        seen = [one for one in halts if is_bound(caller, Role.READER, policy.for_job(one["job"]))]
        text = halts_html(seen, guard.clock.now())
        return _page(request, text, etags.tag(hashlib.sha256(text.encode("utf-8")).hexdigest()[:32], "page"))

    def halt(self, request: Request, caller: Caller) -> Response:
        """One halt with its latest evidence. Raises NotFound, NotAllowed."""
        from driftguard.render.html import evidence_html

        require_role(caller, Role.READER)
        guard, name = self._service.guard(), request.path_params["halt"]
        if not _HALT_ID.match(name):
            raise NotFound("there is no such halt", "go back to the open halts at /ui/")
        at = guard.clock.now()
        if current := etags.still_good(request, _version_for(guard, name, caller), "page", at):
            return _answer("", current, 304)
        view: dict[str, Any] = InProcess(guard).halt(name, None)
        require_bound(caller, Role.READER, guard.policy().for_job(view["job"]))
        text = evidence_html(view["document"], view, back="../")
        return _page(request, text, etags.halt_tag(view, view["version"], "page", text.encode("utf-8"), at))

    def nothing(self, request: Request, caller: Caller) -> Response:
        """Raises NotFound: there is no such page."""
        raise NotFound("there is no such page", "go back to the open halts at /ui/")

    def signed_in(self, page: Endpoint) -> Callable[[Request], Response]:
        """The page for whoever is signed in; what it raises is told as a page."""

        def endpoint(request: Request) -> Response:
            caller = None
            try:
                caller = self._caller(request)
                return page(request, caller)
            except DriftGuardError as error:
                return self._refused(request, error, to_operator=caller is not None and caller.everything)

        return endpoint

    def _caller(self, request: Request) -> Caller:
        """Who looks. Raises NotSignedIn, BadConfiguration, Unavailable."""
        identities, sessions = self._service.identities, self._service.sessions
        if identities is None and sessions is None:
            raise BadConfiguration(
                "no identity provider is set up", "set DRIFTGUARD_AUTH_TENANT and DRIFTGUARD_AUTH_AUDIENCE"
            )
        if identities is not None and "authorization" in request.headers:
            return sign_in(self._service, request)
        found = sessions.caller(request.cookies.get(COOKIE, "")) if sessions else None
        if found is None:
            raise NotSignedIn("you are not signed in", self._how_to_sign_in())
        return found

    def _how_to_sign_in(self) -> str:
        return _BY_LINK if self._service.sessions is not None else _BY_TOKEN

    def _refused(self, request: Request, error: DriftGuardError, *, to_operator: bool = False) -> Response:
        """The page of an error."""
        from starlette.responses import HTMLResponse

        from driftguard.render.html import message_html

        correlation = problems.correlation_id(request)
        document = problems.of_error(error, correlation, to_operator=to_operator)
        status = document["status"]
        title = _TITLES.get(status, "This cannot be shown now")
        lines = [_sentence(document["detail"]), _sentence(document["title"])]
        told = HTMLResponse(
            message_html(title, [*lines, f"Correlation id: {correlation}"]), status, _headers("no-store")
        )
        if status == 401:
            told.headers["WWW-Authenticate"] = "Bearer"
        return told


def _version_for(guard: Guard, halt: str, caller: Caller) -> str | None:
    """The version of a halt's row, without loading it; None where no list knows its job. Raises NotAllowed."""
    from driftguard.guard.review import job_of_halt
    from driftguard.guard.rows import HALT

    job = job_of_halt(guard, halt)
    if job is None:
        return None
    require_bound(caller, Role.READER, guard.policy().for_job(job))
    return guard.store.version(job, HALT, halt)


def _page(request: Request, text: str, tag: str) -> Response:
    """The page, or 304 where the caller has it already."""
    return _answer("", tag, 304) if etags.is_unchanged(request, tag) else _answer(text, tag, 200)


def _answer(text: str, tag: str, status: int) -> Response:
    from starlette.responses import HTMLResponse, Response

    headers = {**_headers("private, no-cache"), "ETag": tag}
    return HTMLResponse(text, status, headers) if status == 200 else Response(None, status, headers)


def _led_to(address: str) -> Response:
    from starlette.responses import RedirectResponse

    return RedirectResponse(address, 303, _headers("no-store"))


def _headers(cache: str) -> dict[str, str]:
    from driftguard.render.html import EVIDENCE_CSP

    return {
        "Cache-Control": cache,
        "Content-Security-Policy": EVIDENCE_CSP,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _sentence(text: str) -> str:
    """`text` as a sentence: errors begin small and end without a stop."""
    return f"{text[:1].upper()}{text[1:]}."
