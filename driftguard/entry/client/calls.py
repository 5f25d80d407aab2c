"""The ways in which a verb asks the service: read, change at a seen state, and work that may be answered later.

Rules:
- An answer is taken only where its status, its type and its view fit what was asked; everything else is an error.
- A check's problem carries its view: that of a halt, or of what could not be told. It never says that a run may go on.
- Status, name of the problem and exit code of the view say one and the same; where they do not, none of them is believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from driftguard.entry.client.exchange import Answer, Request, Sends, json_object, not_ours
from driftguard.entry.client.long_calls import Ended, asked_again_once, wait_for
from driftguard.entry.client.pages import whole_list
from driftguard.entry.client.problems import error_of, name_of, problem_of
from driftguard.entry.client.shapes import Inconsistent
from driftguard.entry.verbs import View
from driftguard.errors import Stale, Unavailable
from driftguard.flow.ports import Clock

Believe = Callable[[Any], View]
_OF_CHECK = {"halt": (412, 1), "could-not-tell": (503, 2)}
"""The problems that carry a check: their status, and the exit code that its view must have."""
_GO_ON = 200  # the status of a check that lets the run go on; that of a record (201) says nothing of the kind
_BOTH = "its status and what it says contradict each other"
_PAGE = re.compile(r"/ui/halts/(h-[0-9a-f]{1,64})\Z")
_VERSION = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_NO_VERSION = "-"  # matches no state: what cannot be a version is stale, as in process
_TRIES = 5  # of a change without a version from its caller, where somebody else is faster


class Calls:
    """Asks one service. `believe` gives the view, or raises Inconsistent. `offered` are the pages of halts that the service
    told of, by the halt's id: its own relative addresses.
    """

    def __init__(self, sends: Sends, clock: Clock) -> None:
        self._sends = sends
        self._clock = clock
        self.offered: dict[str, str] = {}

    def get(self, path: str, believe: Believe) -> View:
        """The view at this address."""
        return _believed(self.ok(Request("GET", path), 200), believe)

    def all_of(self, path: str, member: str, query: Mapping[str, str | None], believe: Believe | None = None) -> View:
        """{member: all rows of a list}."""
        return whole_list(self._sends, path, member, query, believe)

    def change(
        self, path: str, body: Mapping[str, Any], good: int, believe: Believe, if_match: str | None = None
    ) -> View:
        """What a change answers; `if_match` is the version of the state that it was decided on."""
        return _believed(self.ok(Request("POST", path, body, if_match), good), believe)

    def ok(self, request: Request, good: int) -> Answer:
        """The JSON answer with this status. Raises the error that it tells of, or Unavailable."""
        answer = self._sends.send(request)
        if answer.status != good:
            raise error_of(problem_of(answer), answer)
        if answer.media_type != "application/json":
            raise not_ours(answer, "it is no JSON")
        return answer

    def work(self, request: Request, good: int, believe: Believe, what: str) -> View:
        """What came of a call that may be answered later, or with a problem that carries the view."""
        ended = asked_again_once(lambda: self._begin(request, good), what)
        if ended.error is not None:
            raise ended.error
        page = _PAGE.match(ended.review) if isinstance(ended.review, str) else None
        if page is not None:
            self.offered[page[1]] = page[0]
        try:
            return believe(ended.answer)
        except Inconsistent as why:
            raise unusable(f"{what} cannot be believed: {why}") from None

    def _begin(self, request: Request, good: int) -> Ended:
        answer = self._sends.send(request)
        if answer.status == 202:
            return wait_for(self._sends, self._clock, answer, request.path)
        if answer.status == good and answer.media_type == "application/json":
            view = json_object(answer)
            if good == _GO_ON and view.get("exit_code") != 0:
                raise not_ours(answer, _BOTH)
            return Ended(view, review=view.pop("review", None))
        problem = problem_of(answer)
        name, told = name_of(problem), problem.get("check")
        if told is None or name not in _OF_CHECK:
            return Ended(error=error_of(problem, answer))
        status, code = _OF_CHECK[name]
        if status != answer.status:
            raise not_ours(answer, "its status is not that of its problem")
        if not isinstance(told, dict) or told.get("exit_code") != code:
            raise not_ours(answer, _BOTH)
        return Ended(told, review=problem.get("review"))


def at_seen_state(present: Callable[[], str], seen: str | None, change: Callable[[str], View]) -> View:
    """Change at the version that the caller saw, else at the present one: again where somebody else was faster.

    Raises Stale, and what `present` and `change` raise.
    """
    if seen is not None:
        return at_version(seen, change)
    for _ in range(_TRIES - 1):
        try:
            return change(present())
        except Stale:
            continue
    return change(present())


def at_version(seen: str, change: Callable[[str], View]) -> View:
    """Change at the version that the caller saw; what cannot be a version is one that nothing is at."""
    return change(seen if _VERSION.match(seen) else _NO_VERSION)


def unusable(why: str) -> Unavailable:
    """The error for what came whole, and yet cannot be true."""
    return Unavailable(why, "nothing was decided from it; the service may be of another version: try again, or update")


def _believed(answer: Answer, believe: Believe) -> View:
    try:
        return believe(json_object(answer))
    except Inconsistent as why:
        raise not_ours(answer, str(why)) from None
