"""Calls that the service answers later: 202 with an address to ask at, until it says what came of it.

Rules:
- Only an address below the one that was asked is asked at, on the same server.
- It is asked as often as the service wants it, within bounds, and for 20 minutes in all.
- A look that fails is tried again a few times: what was asked for goes on without being looked at.
- A call whose process ended is lost; its caller may ask for it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from driftguard.entry.client.exchange import Answer, Request, Sends, json_object, not_ours
from driftguard.entry.client.problems import error_of, problem_of
from driftguard.errors import DriftGuardError, Unavailable
from driftguard.flow.ports import Clock

LONGEST_SECONDS = 1200.0
_PAUSES = (1.0, 10.0)
_USUAL_PAUSE = 2.0
_FAILED_LOOKS = 5


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended: with an answer that somebody has still to look through, with an error, or lost.

    `review` is where the service says that a halt is reviewed, as it came.
    """

    answer: Any = None
    error: DriftGuardError | None = None
    lost: bool = False
    review: Any = None


def wait_for(sends: Sends, clock: Clock, accepted: Answer, asked_at: str) -> Ended:
    """How the call that was accepted ended. `asked_at` is the path that was asked. Raises Unavailable."""
    place = _place(accepted, asked_at)
    until = clock.monotonic() + LONGEST_SECONDS
    pause, failed = _pause(accepted), 0
    while clock.monotonic() + pause <= until:
        clock.sleep(pause)
        try:
            answer = sends.send(Request("GET", place))
            ended = _ended(answer)
        except Unavailable:
            failed += 1
            if failed == _FAILED_LOOKS:
                raise
            continue
        failed, pause = 0, _pause(answer)
        if ended is not None:
            return ended
    raise Unavailable(
        f"the service did not finish within {LONGEST_SECONDS / 60:.0f} minutes",
        "nothing was decided from it; ask again, and look at the service",
    )


def asked_again_once(ask: Callable[[], Ended], what: str) -> Ended:
    """How the call ended; asked a second time where it was lost. Raises Unavailable where it is lost again."""
    for _ in range(2):
        ended = ask()
        if not ended.lost:
            return ended
    raise Unavailable(f"the service lost {what} twice: its process ended", "ask again, and look at the service")


def _ended(answer: Answer) -> Ended | None:
    """None while it goes on. Raises Unavailable, and what else a look is refused with."""
    if answer.status != 200:
        raise error_of(problem_of(answer), answer)
    _require_json(answer)
    view = json_object(answer)
    state, problem = view.get("state"), view.get("problem")
    if state == "running":
        return None
    if state == "lost":
        return Ended(lost=True)
    if state == "done" and isinstance(view.get("answer"), dict):
        return Ended(view["answer"], review=view.get("review"))
    if state == "failed" and isinstance(problem, dict):
        return Ended(error=error_of(problem, answer))
    raise not_ours(answer, "it does not say how the call ended")


def _require_json(answer: Answer) -> None:
    if answer.media_type != "application/json":
        raise not_ours(answer, "it is no JSON")


def _place(accepted: Answer, asked_at: str) -> str:
    place = accepted.headers.get("location", "")
    if not re.fullmatch(re.escape(asked_at) + r"/[A-Za-z0-9][A-Za-z0-9._-]{0,127}", place):
        raise not_ours(accepted, "it names no address of its own to ask at")
    return place


def _pause(answer: Answer) -> float:
    told = answer.headers.get("retry-after", "")
    least, most = _PAUSES
    return min(max(float(told), least), most) if re.fullmatch(r"\d{1,6}", told) else _USUAL_PAUSE
