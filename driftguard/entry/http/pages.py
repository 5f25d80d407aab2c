"""Pages of a collection, and the cursors between them.

Rules:
- A cursor names the last item that was told, by what the collection is ordered by: rows that come meanwhile move nothing, and
  nothing is told twice or left out.
- A cursor is good for the collection that gave it; any other text is refused. It gives no right: what a page holds is decided
  anew for each.
- A page never says how many there are: that would count what the caller may not see.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

from driftguard.entry.http.asked import Asked
from driftguard.entry.http.problems import Refused, invalid
from driftguard.flow.access import Role

MOST, DEFAULT = 200, 50
_LONGEST = 2048
T = TypeVar("T")


def bound_jobs(asked: Asked, role: Role = Role.READER, job: str | None = None) -> list[str]:
    """The jobs that the caller is bound to, sorted; or only this one. Raises NotAllowed, NotFound for one that is named.

    A name may be that of a partition in which a first record is only being made: there is nothing of a job in it yet.
    """
    if job is None:
        names = (name for name in asked.guard.store.partitions() if not name.startswith("~"))
        return [name for name in names if asked.may(role, name)]
    asked.require(role, job)
    require_known(asked, job)
    return [job]


def require_known(asked: Asked, job: str) -> None:
    """Raises NotFound for a job that was never recorded."""
    from driftguard.errors import NotFound
    from driftguard.guard.rows import JOB, JOB_ROW

    if asked.guard.store.version(job, JOB, JOB_ROW) is None:
        raise NotFound(f"there is no job {job}", "see driftguard jobs list")


def cut(items: Iterable[T], limit: int) -> tuple[list[T], bool]:
    """The first `limit` items, and whether there are more."""
    some = list(islice(items, limit + 1))
    return some[:limit], len(some) > limit


def from_jobs(names: Sequence[str], after: Sequence[str], rows: Callable[[str, str], Iterator[T]]) -> Iterator[T]:
    """What `rows(job, id after which)` gives for each job, from the cursor (job, id) on."""
    job, last = after if after else ("", "")
    for name in names:
        if name >= job:
            yield from rows(name, last if name == job else "")


def next_page(request: Request, collection: str, *position: str) -> str:
    """The relative address of the page after this position."""
    query = {name: value for name, value in request.query_params.items() if name != "after"}
    return f"{request.scope['path']}?{urlencode({**query, 'after': _cursor(collection, position)})}"


def position(after: str | None, collection: str, length: int) -> tuple[str, ...]:
    """The position that a cursor of this collection names; empty for none. Raises Refused for what is no cursor of it."""
    if after is None:
        return ()
    try:
        if len(after) > _LONGEST:
            raise ValueError
        told = json.loads(base64.b64decode(after.encode("ascii") + b"=" * (-len(after) % 4), b"-_", validate=True))
    except (ValueError, RecursionError, binascii.Error):
        raise _no_cursor() from None
    if not isinstance(told, list) or len(told) != length + 1 or not all(isinstance(one, str) for one in told):
        raise _no_cursor()
    if told[0] != collection:
        raise _no_cursor()
    return tuple(told[1:])


def view(name: str, items: Mapping[str, Any], following: str | None) -> dict[str, Any]:
    """A page: the members of the collection's view, and the address of the next one."""
    return {name: items[name], "next": following}


def _cursor(collection: str, position: Sequence[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps([collection, *position]).encode("ascii")).decode("ascii").rstrip("=")


def _no_cursor() -> Refused:
    return invalid("`after` is no cursor of this list", "take the address from `next`, or leave `after` out")
