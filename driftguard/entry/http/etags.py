"""ETags: one for each representation of a state, made of the version of its row; and the conditions that name them.

Rules:
- A tag is `"<row version>.<representation>.<product version>"` and strong: two representations of one state never share one,
  and neither do two versions of the product, which may render differently.
- If-Match on a change names a state: the text of a tag before the first dot must be the row's version now, whichever
  representation showed it. Without it a change is refused (428); `*` would let a change pass over a state that nobody saw, and is
  refused as well; a weak tag never matches.
- If-None-Match is compared as RFC 9110 says; one that is not well formed is no condition.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from driftguard import __version__
from driftguard.entry.http.problems import invalid
from driftguard.errors import NotFound, PreconditionMissing, Stale

if TYPE_CHECKING:
    from starlette.requests import Request

_TAG = re.compile(r'[\s,]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|\Z)')
_LONGEST = 4096
_REMEDY = "read it, decide on what you saw, and send its ETag in If-Match"


def tag(version: str, representation: str) -> str:
    """The ETag of a representation of the row at this version."""
    return f'"{version}.{representation}.{__version__}"'


def tag_of_bytes(body: bytes) -> str:
    """The ETag of a page of a collection: of the bytes that are sent."""
    return tag(hashlib.sha256(body).hexdigest()[:32], "json")


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
