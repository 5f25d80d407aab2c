"""The OpenAPI document: what FastAPI makes of the calls, with every status, problem, header and role that a call has."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from driftguard import __version__
from driftguard.entry.http import problems
from driftguard.entry.http.models import Begun, Problem
from driftguard.entry.http.routes import Call

_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_SIGNED_IN = (
    "not-signed-in",
    "not-allowed",
    "bad-configuration",
    "store-unavailable",
    "unavailable",
    "secret-key-missing",
)
_ALWAYS = ("internal-fault",)
_TOLD = {
    400: "The request cannot be understood, or asks for what cannot be",
    401: "Not signed in",
    403: "Not allowed: role, binding, or four eyes",
    404: "There is no such thing",
    406: "No such form",
    409: "Not now, or not any more",
    412: "Halted, or the state changed since it was seen",
    413: "The body is too large",
    415: "The body is not said to be JSON",
    422: "The request is not of the form of this call",
    428: "The state that was decided on is not named, or nothing is recorded",
    500: "A fault that nobody foresaw",
    503: "It cannot be told now; nothing proceeds",
}
_TEXT = {"schema": {"type": "string"}}
_HEADER: dict[str, Any] = {"schema": {"type": "string"}}


def responses_of(call: Call) -> dict[int | str, dict[str, Any]]:
    """The documented answers of a call, but its good one."""
    told: dict[int | str, dict[str, Any]] = {}
    for name in (*_ALWAYS, *(_SIGNED_IN if call.roles else ()), *call.problems):
        told.setdefault(problems.status_of(name), {"names": []})["names"].append(name)
    if call.roles:
        extra = {400: "invalid-input", 422: "invalid-input"}
        if call.method == "POST":
            extra |= {413: "too-large", 415: "unsupported-media-type"}
        for status, name in extra.items():
            told.setdefault(status, {"names": []})["names"].append(name)
    answers = {status: _problem(int(status), one["names"]) for status, one in told.items()}
    if call.conditional:
        answers[304] = {"description": "Unchanged", "headers": {"ETag": _HEADER}}
    if call.later:
        headers = {"Location": _HEADER, "Retry-After": _HEADER}
        answers[202] = {"description": "It goes on: ask at Location", "model": Begun, "headers": headers}
    if call.conditional or call.media:
        answers[call.status] = {"headers": {"ETag": _HEADER} if call.conditional else {}}
        answers[call.status]["content"] = {media: dict(_TEXT) for media in call.media if "json" not in media}
    return answers


def _problem(status: int, names: list[str]) -> dict[str, Any]:
    told = f"{_TOLD[status]}: {', '.join(dict.fromkeys(names))}"
    return {"description": told, "content": {problems.MEDIA_TYPE: {"schema": _SCHEMA}}}


def extra_of(call: Call) -> dict[str, Any]:
    """What FastAPI does not say of a call by itself: who may call it, and the conditions that it takes."""
    extra: dict[str, Any] = {"x-roles": [str(role) for role in call.roles]}
    if call.roles:
        extra["security"] = [{"bearer": []}]
    parameters = []
    if call.changes or call.path.endswith("/release"):
        told = "The ETag of the state that was decided on."
        parameters.append({"name": "If-Match", "in": "header", "required": False, "description": told, **_HEADER})
    if call.conditional:
        parameters.append({"name": "If-None-Match", "in": "header", "required": False, **_HEADER})
    parameters += [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": 100}}
        for name in ("job", "halt")
        if f"{{{name}}}" in call.path
    ]
    if parameters:
        extra["parameters"] = parameters
    return extra


def document(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=__version__, description=app.description, routes=app.routes)
        components = made.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "A token of the identity provider."}
        }
        app.openapi_schema = made
    return app.openapi_schema
