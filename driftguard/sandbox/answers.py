"""What the sandbox answers: one HTTP answer as data, and ARM's error bodies as recorded.

Rules:
- `x-ms-failure-cause: gateway` stands on what ARM's front door answers itself; a resource provider's error has none.
- The Activity Log has an error shape of its own (`Code`, `Message`, no wrapper), and so has Azure DNS (no wrapper).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Json = Any  # what json.loads gives


@dataclass(frozen=True, slots=True)
class Request:
    """A call of ARM, without its transport. `path` is decoded; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Json = None
    correlation_id: str = ""
    client_ip: str = ""

    @property
    def api_version(self) -> str:
        """The api-version asked for, or an empty text."""
        return self.query.get("api-version", "")


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and body; the body is JSON (None: no body at all)."""

    status: int
    body: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The error's code, or an empty text."""
        if not isinstance(self.body, dict):
            return ""
        error = self.body.get("error", self.body)
        return str(error.get("code") or error.get("Code") or "") if isinstance(error, dict) else ""

    @property
    def message(self) -> str:
        """The error's message, or an empty text."""
        if not isinstance(self.body, dict):
            return ""
        error = self.body.get("error", self.body)
        return str(error.get("message") or error.get("Message") or "") if isinstance(error, dict) else ""

    def with_headers(self, headers: Mapping[str, str]) -> Answer:
        """The same answer with more headers."""
        return replace(self, headers={**self.headers, **headers})

    def encoded(self) -> bytes:
        """The body as sent."""
        return b"" if self.body is None else json.dumps(self.body, separators=(",", ":")).encode()


class Refused(Exception):
    """A call that ends in an error answer; raised inside the sandbox only, and never leaves it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.code)
        self.answer = answer


GATEWAY = {"x-ms-failure-cause": "gateway"}


def error(status: int, code: str, message: str, *, gateway: bool = False, **more: Json) -> Refused:
    """An error in ARM's wrapper; `more` are further fields of `error`."""
    return Refused(Answer(status, {"error": {"code": code, "message": message, **more}}, GATEWAY if gateway else {}))


def bare_error(status: int, code: str, message: str) -> Refused:
    """An error without wrapper, as Azure DNS writes it."""
    return Refused(Answer(status, {"code": code, "message": message}))


def activity_log_error(message: str) -> Refused:
    """A 400 of the Activity Log."""
    return Refused(Answer(400, {"Code": "BadRequest", "Message": message}))


def missing_api_version() -> Refused:
    """The call named no api-version."""
    message = "The api-version query parameter (?api-version=) is required for all requests."
    return error(400, "MissingApiVersionParameter", message, gateway=True)


def group_not_found(name: str) -> Refused:
    """The resource group is missing."""
    return error(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.", gateway=True)


def resource_not_found(type_and_name: str, group: str) -> Refused:
    """The resource is missing while its group is there."""
    message = (
        f"The Resource '{type_and_name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    )
    return error(404, "ResourceNotFound", message, gateway=True)


def parent_not_found(parent_name: str) -> Refused:
    """A nested resource whose parent is missing."""
    message = f"Can not perform requested operation on nested resource. Parent resource '{parent_name}' not found."
    return error(404, "ParentResourceNotFound", message, gateway=True)


def subscription_not_found(subscription: str) -> Refused:
    """No such subscription."""
    return error(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.", gateway=True)


def invalid_body(message: str) -> Refused:
    """The body of a write is not what ARM can read."""
    return error(
        400,
        "InvalidRequestContent",
        f"The request content was invalid and could not be deserialized: '{message}'.",
        gateway=True,
    )


def not_permitted(caller: str, object_id: str, action: str, scope: str) -> Refused:
    """The caller lacks the right to write."""
    message = (
        f"The client '{caller}' with object id '{object_id}' does not have authorization to perform action '{action}' "
        f"over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
    )
    return error(403, "AuthorizationFailed", message, gateway=True)


def locked(scope: str, verb: str, locks: list[str]) -> Refused:
    """A lock forbids the write or delete. `verb`: `write` or `delete`."""
    message = (
        f"The scope '{scope}' cannot perform {verb} operation because following scope(s) are locked: "
        f"'{','.join(locks)}'. Please remove the lock and try again."
    )
    return error(409, "ScopeLocked", message, gateway=True)


def unauthenticated(code: str, message: str, authority: str) -> Refused:
    """A 401 with the challenge that names the tenant's authority."""
    challenge = f'Bearer authorization_uri="{authority}", error="invalid_token", error_description="{message}"'
    refused = error(401, code, message, gateway=True)
    return Refused(refused.answer.with_headers({"WWW-Authenticate": challenge}))
