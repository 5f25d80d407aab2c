"""Answers that say no: problem documents become the errors that the same verb raises in process.

Rules:
- Which error a problem is stands in a literal table. Its exit code is that error's own; an answer cannot choose it.
- A document that is not whole, that contradicts its own status, or that nobody here knows, is no answer of the service.
- 401 and 403 without a document come from what stands before the service, such as the check of a function key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from driftguard import errors
from driftguard.entry.client.exchange import Answer, json_object, not_ours
from driftguard.errors import CannotTell, DriftGuardError, NotAllowed, NotSignedIn, WrongUse

PROBLEM_JSON = "application/problem+json"
TYPE = "urn:driftguard:problem:"
_LONGEST = 4000  # characters of a message or remedy; a list of resources may stand in one

ERRORS: Mapping[str, type[DriftGuardError]] = {
    "could-not-tell": errors.CannotTell,
    "nothing-recorded": errors.NothingRecorded,
    "unavailable": errors.Unavailable,
    "store-unavailable": errors.StoreUnavailable,
    "secret-key-missing": errors.SecretKeyMissing,
    "wrong-use": errors.WrongUse,
    "not-found": errors.NotFound,
    "not-allowed": errors.NotAllowed,
    "not-signed-in": errors.NotSignedIn,
    "precondition-missing": errors.PreconditionMissing,
    "no-clearance": errors.NoClearance,
    "already-final": errors.AlreadyFinal,
    "stale": errors.Stale,
    "other-scope": errors.OtherScope,
    "bad-configuration": errors.BadConfiguration,
    "halt-open": errors.HaltOpen,
    "busy": errors.Busy,
    "conflict": errors.Conflict,
    # These names exist over HTTP only.
    "invalid-input": WrongUse,
    "too-large": WrongUse,
    "not-acceptable": WrongUse,
    "unsupported-media-type": WrongUse,
    "method-not-allowed": WrongUse,
    "internal-fault": CannotTell,
}


def problem_of(answer: Answer) -> dict[str, Any]:
    """The problem document of an answer that says no. Raises Unavailable, NotAllowed and NotSignedIn where there is none."""
    if answer.media_type != PROBLEM_JSON:
        raise _without_document(answer)
    document = json_object(answer)
    if document.get("status") != answer.status:
        raise not_ours(answer, "the problem names another status")
    return document


def name_of(document: Mapping[str, Any]) -> str:
    """The stable name of a problem, empty where it has none."""
    told = document.get("type")
    return told.removeprefix(TYPE) if isinstance(told, str) and told.startswith(TYPE) else ""


def error_of(document: Mapping[str, Any], answer: Answer) -> DriftGuardError:
    """The error that a problem document is; Unavailable where it is none that is known here."""
    kind = ERRORS.get(name_of(document))
    message, remedy = document.get("detail"), document.get("title")
    if kind is None or not isinstance(message, str) or not isinstance(remedy, str):
        return not_ours(answer, "it tells of a problem that this version does not know")
    if name_of(document) == "internal-fault" and answer.correlation:
        remedy = f"{remedy} (correlation id {answer.correlation})"
    return kind(message[:_LONGEST], remedy[:_LONGEST])


def _without_document(answer: Answer) -> DriftGuardError:
    if answer.status == 401:
        return NotSignedIn(
            "the service, or what stands before it, did not accept the sign-in (HTTP 401)",
            "check DRIFTGUARD_TOKEN or DRIFTGUARD_SERVER_SCOPE, and DRIFTGUARD_FUNCTION_KEY for an app on Azure",
        )
    if answer.status == 403:
        return NotAllowed(
            "what stands before the service refused the call (HTTP 403)",
            "check DRIFTGUARD_FUNCTION_KEY and the network rules of the app",
        )
    if 300 <= answer.status < 400:
        return not_ours(answer, "a redirect, and none is followed")
    return not_ours(answer, "it is not one of Drift Guard's")
