"""Lists that come in pages: every page is asked for, in order, on the same server.

Rules:
- The next page is at the path that was asked, with another query; anything else is refused.
- A list that does not end, or comes back to a page it had, is refused whole: half a list would look complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from driftguard.entry.client.exchange import Answer, Request, Sends, json_object, not_ours
from driftguard.entry.client.problems import error_of, problem_of
from driftguard.entry.client.shapes import Inconsistent, require_rows
from driftguard.entry.verbs import View

MOST_PAGES = 2000
_LIMIT = 200  # rows a page, the most that the service gives


def whole_list(
    sends: Sends,
    path: str,
    member: str,
    query: Mapping[str, str | None],
    each: Callable[[Any], Any] | None = None,
) -> View:
    """{member: [the rows of all pages]}; `each` raises Inconsistent for a row that is none. Raises what the call raises."""
    asked = {name: value for name, value in query.items() if value is not None}
    place: str | None = f"{path}?{urlencode(asked | {'limit': str(_LIMIT)})}"
    seen: set[str] = set()
    rows: list[View] = []
    while place is not None:
        answer = sends.send(Request("GET", place))
        seen.add(place)
        if answer.status != 200:
            raise error_of(problem_of(answer), answer)
        if answer.media_type != "application/json":
            raise not_ours(answer, "it is no JSON")
        page = json_object(answer)
        try:
            rows += require_rows(page, member, each)
        except Inconsistent as why:
            raise not_ours(answer, str(why)) from None
        place = _next(page, path, answer)
        if place in seen or len(seen) >= MOST_PAGES:
            raise not_ours(answer, "the list does not end")
    return {member: rows}


def _next(page: View, path: str, answer: Answer) -> str | None:
    told = page.get("next", answer)  # a page without the member does not say whether it is the last one
    if told is None:
        return None
    if (
        isinstance(told, str)
        and told.startswith(f"{path}?")
        and told.isascii()
        and told.isprintable()
        and "#" not in told
    ):
        return told
    raise not_ours(answer, "it does not say where the list goes on")
