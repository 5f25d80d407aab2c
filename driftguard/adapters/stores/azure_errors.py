"""Asks Azure Storage, and says what it refused: with the store's address, the service's error code and what to check.

Rules:
- A request is tried a few times and within a bounded time: a storage that hangs does not hang a check.
- What the SDK raises leaves as StoreUnavailable or BadConfiguration. A message holds the service's error code or the name
  of the error, never its text: that quotes addresses, keys of rows and, for a bad request, what was sent.
- A failure that a new try can mend is told apart from an answer: after it, a write may or may not have been made.

Source of the codes: learn.microsoft.com "Table service error codes", "Blob service error codes", "Common REST API error
codes".
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from driftguard.adapters.stores.azure_address import Place
from driftguard.errors import BadConfiguration, DriftGuardError, StoreUnavailable

PAUSES = (0.2, 0.8, 2.5)
"""Seconds before the second try, the third, …"""
GIVE_UP_AFTER = 45.0
"""Seconds after which no new try begins."""

_Answer = TypeVar("_Answer")
_CODE = re.compile(r"[A-Za-z0-9]{1,64}", re.ASCII)
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_NOT_OURS = frozenset({"AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation"})
_ROLES = (
    "give this identity the roles Storage Table Data Contributor and Storage Blob Data Contributor on the account, and "
    "check that the account's network rules let this machine in; a new role takes some minutes"
)
_STRING = (
    "check DRIFTGUARD_STORE_CONNECTION (a key may have been rotated, a signature ended), the clock of this machine and the "
    "account's network rules; without it, an identity with the roles Storage Table Data Contributor and Storage Blob Data "
    "Contributor signs in"
)
_REACH = "check the account's name, the network and the account's firewall, then try again"
_LATER = "try again in a moment; nothing proceeds meanwhile"


class Refused(Exception):
    """An answer that is no success: HTTP status, the service's error code (may be empty), and of a transaction which
    operation failed.

    Stays within the adapter: it becomes what it means to the call, or one of our errors.
    """

    def __init__(self, status: int, code: str, index: int = 0) -> None:
        super().__init__(status, code)
        self.status, self.code, self.index = status, code, index


class Unanswered(Exception):
    """No answer, half of one, or one that asks to come again. A write may have been made."""

    def __init__(self, what: str, status: int = 0) -> None:
        super().__init__(what)
        self.what, self.status = what, status


class Asking:
    """Makes requests to one store with a few tries each. Threads may share it."""

    def __init__(
        self,
        place: Place,
        *,
        pauses: Sequence[float] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place = place
        self._pauses = tuple(PAUSES if pauses is None else pauses)
        self._sleep = sleep
        self._monotonic = monotonic

    def ask(self, request: Callable[[], _Answer], *, when_refused: Callable[[Refused, bool], _Answer]) -> _Answer:
        """What the request answers, tried again where no answer came.

        `when_refused(refused, unsure)` gives the answer for a refusal, or raises; `unsure` says that an earlier try may have
        been carried out. It may make requests of its own. Raises StoreUnavailable, BadConfiguration.
        """
        begun = self._monotonic()
        unsure = False
        for pause in (*self._pauses, None):
            try:
                try:
                    return attempt(request)
                except Refused as refused:
                    return when_refused(refused, unsure)
            except Unanswered as failure:
                if pause is None or self._monotonic() - begun > GIVE_UP_AFTER:
                    raise self._out_of_reach(failure) from None
            unsure = True
            self._sleep(pause)
        raise AssertionError("the last try returns or raises")

    def error(self, refused: Refused) -> DriftGuardError:
        """Our error for an answer that means nothing else to the call."""
        where, status, code = self._place.address, refused.status, refused.code or f"{refused.status}"
        if code in _NOT_OURS and not self._place.signed_in:
            return BadConfiguration(
                f"the store {where} refused its connection string ({code})",
                _STRING,
            )
        if status in (401, 403):
            remedy = _ROLES if self._place.signed_in else _STRING
            return StoreUnavailable(f"the store {where} refused this identity ({code})", remedy)
        if code in ("TableNotFound", "ContainerNotFound"):
            what = "table" if code == "TableNotFound" else "container"
            return self.gone(what)
        if status == 404:
            return StoreUnavailable(f"the store {where} was not found ({code})", _REACH)
        return StoreUnavailable(
            f"the store {where} refused a request ({status} {code})".replace(f" {status})", ")"), _LATER
        )

    def gone(self, what: str = "table") -> StoreUnavailable:
        """The error for a store that was there; `what` is the part of it that is missing now."""
        return StoreUnavailable(
            f"the {what} of the store {self._place.address} is missing",
            "restore the store by `driftguard store copy` from its backup",
        )

    def damaged(self) -> StoreUnavailable:
        """The error for stored content that is not what was written."""
        return StoreUnavailable(
            f"the store {self._place.address} is damaged or holds what is not its own",
            "restore it by `driftguard store copy` from its backup, and let nothing else write to its table and container",
        )

    def _out_of_reach(self, failure: Unanswered) -> StoreUnavailable:
        where = self._place.address
        if failure.status in (429, 503):
            return StoreUnavailable(f"the store {where} is busy ({failure.what})", _LATER)
        if failure.status:
            return StoreUnavailable(f"the store {where} failed ({failure.what})", _LATER)
        return StoreUnavailable(f"the store {where} is out of reach ({failure.what})", _REACH)


def attempt(request: Callable[[], _Answer]) -> _Answer:
    """One try. Raises Refused, Unanswered, and our own errors as they are (no sign-in, wrong use)."""
    from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

    try:
        return request()
    except (DriftGuardError, Refused, Unanswered):
        raise
    except (ServiceRequestError, ServiceResponseError) as error:
        inner = error.inner_exception or error
        raise Unanswered(type(inner).__name__) from None
    except HttpResponseError as error:
        status, code = error.status_code, _code_of(error)
        if status is None or 200 <= status < 300:  # the answer broke off, or is not what it says to be
            raise Unanswered(type(error).__name__) from None
        if status in _TRANSIENT:
            raise Unanswered(f"{status} {code}".strip(), status) from None
        raise Refused(status, code, _index_of(error)) from None
    except Exception as error:  # noqa: BLE001  # reason: for an answer that is none the SDK raises whatever its parser does
        raise Unanswered(f"an answer that cannot be read: {type(error).__name__}") from None


def _code_of(error: object) -> str:
    code = getattr(error, "error_code", None)
    text = getattr(code, "value", code)
    if not isinstance(text, str):
        response = getattr(error, "response", None)
        text = getattr(response, "headers", {}).get("x-ms-error-code")
    return text if isinstance(text, str) and _CODE.fullmatch(text) else ""


def _index_of(error: object) -> int:
    index = getattr(error, "index", 0)
    return index if isinstance(index, int) and index >= 0 else 0
