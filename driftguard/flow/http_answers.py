"""The class of an HTTP answer, for counting: what was asked and answered is told apart from what was down.

Rules:
- The classes are a closed set (`ANSWER_CLASSES`); every status and every code, whatever a server sends, falls into one.
- A read that found nothing new, a condition that was not met, a lease and a position are what callers asked for with a
  condition: they are counted apart from each other, and never as an outage.
- The service's own code (`x-ms-error-code`, `odata.error.code`, `error.code`) goes before the status where one status
  holds several classes (409 and 412). An unknown code is judged by the status alone.

Sources: learn.microsoft.com, "Blob service error codes", "Table service error codes", "Common REST API error codes";
Azure Resource Manager: "Understand how Azure Resource Manager throttles requests".
"""

from __future__ import annotations

OK = "ok"
NOT_MODIFIED = "not-modified"
NOT_FOUND = "not-found"
PRECONDITION = "precondition"
LEASE = "lease"
POSITION = "position"
CONFLICT = "conflict"
THROTTLED = "throttled"
REFUSED = "refused"
INVALID = "invalid"
OUTAGE = "outage"

ANSWER_CLASSES = frozenset(
    {OK, NOT_MODIFIED, NOT_FOUND, PRECONDITION, LEASE, POSITION, CONFLICT, THROTTLED, REFUSED, INVALID, OUTAGE}
)

_MAY_SAY_LEASE = frozenset({409, 412})
_NO_LEASE = frozenset({"infiniteleasedurationrequired"})
"""Codes in small letters that are of leases and do not start with the word."""

_POSITION = frozenset(
    {
        "appendpositionconditionnotmet",
        "maxblobsizeconditionnotmet",
        "sequencenumberconditionnotmet",
        "sequencenumberincrementtoolarge",
        "invalidrange",
        "invalidpagerange",
    }
)
_THROTTLED = frozenset({"serverbusy", "toomanyrequests", "throttlingexception", "subscriptionrequeststhrottled"})
_STATUSES = {
    304: NOT_MODIFIED,
    401: REFUSED,
    403: REFUSED,
    404: NOT_FOUND,
    408: OUTAGE,
    409: CONFLICT,
    410: NOT_FOUND,
    412: PRECONDITION,
    416: POSITION,
    429: THROTTLED,
}


def answer_class(status: int, code: str = "") -> str:
    """One of ANSWER_CLASSES, for an HTTP status (0: no answer came) and the service's own error code, if it gave one."""
    if 200 <= status < 300:
        return OK
    return _by_code(status, code.lower()) or _STATUSES.get(status) or (INVALID if 300 <= status < 500 else OUTAGE)


def _by_code(status: int, code: str) -> str:
    """The class that the code alone decides; empty where the status decides."""
    if status in _MAY_SAY_LEASE and (code.startswith("lease") or code in _NO_LEASE):
        return LEASE
    if code in _POSITION and 400 <= status < 500:
        return POSITION
    if code in _THROTTLED and (status == 503 or 400 <= status < 500):
        return THROTTLED
    return ""
