"""Walks through a paged list of ARM.

Rules:
- `nextLink` is untrusted: it stays on the host that answered first, is never asked for twice, and pages are capped.
- A list that could not be read to its end says so; it never looks like a shorter list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from driftguard.adapters.readers.arm_answers import Failure, object_in
from driftguard.adapters.readers.arm_client import ArmClient
from driftguard.flow.reading import Cause, Json

MOST_PAGES = 1000


def pages(
    client: ArmClient,
    path: str,
    query: Mapping[str, str],
    *,
    subscription: str,
    deadline: float,
    most: int = MOST_PAGES,
) -> Iterator[list[Json] | Failure]:
    """The rows of each page; a Failure is the last element where the list was not read to its end.

    Raises OtherScope, Unavailable (sign-in).
    """
    answer = client.get(path, query, subscription=subscription, deadline=deadline)
    seen: set[str] = set()
    for _ in range(most):
        body = object_in(answer)
        if isinstance(body, Failure):
            yield body
            return
        rows, link = body.get("value"), body.get("nextLink")
        if not isinstance(rows, list):
            yield Failure(Cause.NOT_JSON, "a page of the list holds no list")
            return
        yield rows
        if not link:
            return
        if not isinstance(link, str) or link in seen:
            yield Failure(Cause.REFUSED, "the list leads back to a page that was read before")
            return
        seen.add(link)
        answer = client.follow(link, subscription=subscription, deadline=deadline)
    yield Failure(Cause.REFUSED, f"the list has more than {most} pages")
