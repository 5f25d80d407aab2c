"""One request and its answer, as the parts of the client hand them to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from driftguard.errors import Unavailable
from driftguard.flow.strict_json import NotJson, parse_object


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is absolute, with its query; `body` becomes JSON; `if_match` is a version, without quotes.

    `again`: it may be sent once more where no connection was made.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    if_match: str | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `headers` by name in lower case, `correlation` the id under which the service logged it."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    correlation: str = ""

    @property
    def media_type(self) -> str:
        """The type of the body without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Sends(Protocol):
    """The transport."""

    def send(self, request: Request) -> Answer:
        """The answer. Raises Unavailable, BadConfiguration."""
        ...


def json_object(answer: Answer) -> dict[str, Any]:
    """The body as a JSON object. Raises Unavailable for anything else."""
    try:
        return parse_object(answer.body, "the service's answer")
    except NotJson as error:
        raise not_ours(answer, str(error)) from None


def not_ours(answer: Answer, why: str) -> Unavailable:
    """The error for an answer that does not hold together: nothing of it is believed."""
    where = f", correlation id {answer.correlation}" if answer.correlation else ""
    return Unavailable(
        f"the service's answer cannot be used: {why} (HTTP {answer.status}{where})",
        "nothing was decided from it; check DRIFTGUARD_SERVER and what stands before the service, then try again",
    )
