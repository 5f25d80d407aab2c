"""ETags: one for each representation of a state, made of the version of its row; and the conditions that name them.

Rules:
- A tag is `"<row version>.<representation>.<product version>"` and strong: two representations of one state never share one,
  and neither do two versions of the product, which may render differently.
- What time alone will change has its next deadline in the tag, `"<row version>.<representation>-<microseconds>.<product>"`:
  while it is ahead, and the row's version is the same, so are the bytes.
- The tag of an earlier thing, such as a numbered version of the evidence, begins with no row's version: it names no state, and
  no change passes on it.
- If-Match on a change names a state: the text of a tag before the first dot must be the row's version now, whichever
  representation showed it. Without it a change is refused (428); `*` would let a change pass over a state that nobody saw, and is
  refused as well; a weak tag never matches.
- If-None-Match is compared as RFC 9110 says; one that is not well formed is no condition.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from driftguard import __version__
from driftguard.entry.http.problems import invalid
from driftguard.errors import NotFound, PreconditionMissing, Stale
from driftguard.flow.halt import State
from driftguard.flow.moment import from_text

if TYPE_CHECKING:
    from starlette.requests import Request

_TAG = re.compile(r'[\s,]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|\Z)')
_DEADLINE = re.compile(r"-\d{1,18}\Z", re.ASCII)
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 4096
_REMEDY = "read it, decide on what you saw, and send its ETag in If-Match"


def tag(version: str, representation: str, deadline: int | None = None) -> str:
    """The ETag of a representation of the row at this version; `deadline` as of `next_deadline`."""
    until = "" if deadline is None else f"-{deadline}"
    return f'"{version}.{representation}{until}.{__version__}"'


def of_evidence(number: int | str, version: str) -> str:
    """What the tag begins with of what shows a numbered version of the evidence, of a halt whose row is at `version`."""
    return f"e{number}-{version}"


def next_deadline(moments: Iterable[str | None], now: datetime) -> int | None:
    """The earliest of these moments (text, None for none) that is ahead, in microseconds since 1970."""
    ahead = [moment for text in moments if text and (moment := from_text(text)) > now]
    return _microseconds(min(ahead)) if ahead else None


def still_good(request: Request, version: str | None, representation: str, now: datetime) -> str | None:
    """The tag in If-None-Match that is of this row's version and whose deadline, if it has one, is ahead; else None.

    Nothing is loaded for it: a tag that the service gave for this version says itself until when it is good.
    """
    if version is None:
        return None
    begin, end = f'"{version}.{representation}', f'.{__version__}"'
    for one in _tags(_header(request, "if-none-match")):
        given = one.removeprefix("W/")
        if not given.startswith(begin) or not given.endswith(end):
            continue
        until = given[len(begin) : -len(end)]
        if not until or (_DEADLINE.match(until) and int(until[1:]) > _microseconds(now)):
            return given
    return None


def halt_tag(halt: Mapping[str, Any], version: str, representation: str, body: bytes, at: datetime) -> str:
    """The tag of a representation that shows where a halt (its view) stands, read after `at`."""
    if halt["state"] == State.IN_USE:  # when that ends is in the job's row: only the bytes can tell
        return tag(version, f"{representation}-{digest_of_bytes(body)}")
    return tag(version, representation, next_deadline([halt["expires_at"]], at))


def _microseconds(moment: datetime) -> int:
    return (moment - _BEGIN) // timedelta(microseconds=1)


def tag_of_bytes(body: bytes) -> str:
    """The ETag of a page of a collection: of the bytes that are sent."""
    return tag(digest_of_bytes(body), "json")


def digest_of_bytes(body: bytes) -> str:
    """What tells these bytes from others, and is no number."""
    return "b" + hashlib.sha256(body).hexdigest()[:31]


def is_unchanged(request: Request, current: str) -> bool:
    """Whether the caller already has this representation: GET is then answered with 304."""
    given = _header(request, "if-none-match")
    if given.strip() == "*":
        return True
    return current in [one.removeprefix("W/") for one in _tags(given)]


def seen_version(request: Request, now: str | None, stale: Stale | None = None) -> str:
    """The row's version, where If-Match names it as the state that was seen.

    `now` is the row's version, None where there is no row; `stale` is raised where another one was seen. Raises
    PreconditionMissing, Stale, NotFound; Refused for a header that is none.
    """
    given = _header(request, "if-match")
    if not given.strip():
        raise PreconditionMissing("a change needs the ETag of the state that it was decided on", _REMEDY)
    if given.strip() == "*":
        raise PreconditionMissing("If-Match: * would let the change pass over a state that nobody saw", _REMEDY)
    tags = _tags(given)
    if not tags:
        raise invalid("If-Match is no list of ETags", _REMEDY)
    if now is None:
        raise NotFound("there is no such state any more", "look again")
    if now not in [one.strip('"').partition(".")[0] for one in tags if not one.startswith("W/")]:
        raise stale or Stale("it changed since you saw it", "look again, and decide on what is there now")
    return now


def _header(request: Request, name: str) -> str:
    return ", ".join(request.headers.getlist(name))[: _LONGEST + 1]


def _tags(text: str) -> list[str]:
    """The tags of a list; none of what is not one."""
    found: list[str] = []
    rest = text.rstrip(", \t") if len(text) <= _LONGEST else ""
    at = 0
    while at < len(rest):
        match = _TAG.match(rest, at)
        if match is None:
            return []
        found.append(match[1])
        at = match.end()
    return found
