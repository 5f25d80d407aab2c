"""Checks, records and scans: they work on threads of their own, and are answered in time, with 202 where they take longer.

Rules:
- A request waits for its work at most `answer_within` seconds and holds no thread meanwhile: however many checks work, there are
  threads left for everything else.
- What takes longer gets a row (guard/calls.py) and goes on. A heart says every 15 s that it is alive, until the row says how it
  ended; writing that down is tried again where the store did not answer. Rows are begun on threads that do nothing else.
- Where no row can be begun the work goes on all the same, and the answer says so.
- What reads Azure for an answer is bounded for each caller: whoever asks for much waits, or is refused, and nobody else.
- Nothing is cancelled where the client is gone: a check that it asked for is stored, and asked again it is the same one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from driftguard.entry.http import problems
from driftguard.entry.http.workers import Workers, finished
from driftguard.errors import Conflict, DriftGuardError, Unavailable
from driftguard.flow.moment import to_text
from driftguard.guard import calls

if TYPE_CHECKING:
    from starlette.requests import Request

    from driftguard.flow.access import Caller
    from driftguard.guard.context import Guard

View = dict[str, Any]
HEART = 15.0  # seconds; a quarter of the silence after which a call counts as lost
_IF_NOT_BEGUN = {
    "check": "ask again in a moment for the same run: it is given the same clearance",
    "record": "look at the job in a moment, and record again where it does not have this record",
    "scan": "ask again in a moment",
}
_TRIES = 240  # to write down how a call ended: an hour


class Asking(Protocol):
    """What is needed of a request to work for it (asked.Asked)."""

    @property
    def guard(self) -> Guard: ...
    @property
    def caller(self) -> Caller: ...
    @property
    def caller_id(self) -> str: ...
    @property
    def request(self) -> Request: ...
    @property
    def job(self) -> str: ...


@dataclass(frozen=True)
class Ended:
    """How work ended: with a view, or with a problem document."""

    view: View | None = None
    problem: Mapping[str, Any] | None = None


@dataclass
class _Held:
    guard: Guard
    begun: calls.Begun
    outcome: calls.Outcome | None = None
    tries: int = 0
    turn: threading.Lock = field(default_factory=threading.Lock)


class LongCalls:
    """The threads of one app. `answer_within` is in seconds."""

    def __init__(self, answer_within: float) -> None:
        self.answer_within = answer_within
        self.signing = Workers("sign-in", threads=8, waiting=4000)
        # What reads ARM and answers in one go; a caller has no more than a few threads of it.
        self.reading = Workers("reading", threads=8, waiting=200, of_one_key=3, open_of_one_key=24)
        self.beginning = Workers("begins", threads=2, waiting=2000)  # writes rows of calls, and waits for nothing else
        self.working = Workers("check", threads=16, waiting=1000, of_one_key=4)
        self.scanning = Workers("scan", threads=2, waiting=20)
        self.heart = Heart()
        self.jobs_of_halts: dict[str, str] = {}  # by the halt's whole id, which is made of its job: it never changes

    async def answer(self, asked: Asking, verb: str, work: Callable[[], View]) -> Ended | calls.Begun:
        """How the work ended, or the call that it became. Raises Unavailable, StoreUnavailable."""
        submitted = to_text(asked.guard.clock.now())
        future = self.working.submit(partial(_ended, asked, work), asked.job)
        if await finished(future, self.answer_within):
            return future.result()
        return await self._held(asked, asked.job, verb, future, submitted)

    async def begin(self, asked: Asking, partition: str, verb: str, work: Callable[[], View]) -> calls.Begun:
        """The call that the work becomes at once. Raises Unavailable, StoreUnavailable."""
        submitted = to_text(asked.guard.clock.now())
        return await self._held(asked, partition, verb, self.scanning.submit(partial(_ended, asked, work)), submitted)

    async def _held(
        self, asked: Asking, partition: str, verb: str, future: Future[Ended], submitted: str
    ) -> calls.Begun:
        begin = partial(calls.begin, asked.guard, partition, verb, asked.caller_id, submitted)
        try:
            begun = await self.beginning.run(begin)
        except DriftGuardError as error:
            problems.LOG.error(
                "a call could not be begun: %s correlation=%s", error, problems.correlation_id(asked.request)
            )
            raise Unavailable(
                f"the {verb} goes on, but the service could not write down where to ask for it",
                _IF_NOT_BEGUN[verb],
            ) from error
        self.heart.hold(asked.guard, begun, future)
        return begun


class Heart:
    """Says of the calls that it holds that they are alive, and writes down how they ended."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._held: list[_Held] = []
        self._beats = False

    def hold(self, guard: Guard, begun: calls.Begun, future: Future[Ended]) -> None:
        """Take care of the call until its end is written down."""
        held = _Held(guard, begun)
        with self._turn:
            self._held.append(held)
            if not self._beats:
                self._beats = True
                threading.Thread(target=self._beat_on, name="heart", daemon=True).start()
        future.add_done_callback(partial(self._end, held))

    def beat(self) -> None:
        """One beat: every call that works is alive; how one ended is written down where that failed before."""
        with self._turn:
            held = list(self._held)
        for one in held:
            self._write(one)

    def _end(self, held: _Held, future: Future[Ended]) -> None:
        held.outcome = _outcome(held.begun.body["verb"], future.result())
        # Not on the thread that adds this callback, which may be the event loop's.
        threading.Thread(target=self._write, args=(held,), name="call-ends", daemon=True).start()

    def _write(self, held: _Held) -> None:
        with held.turn:
            if held.tries < 0:
                return
            held.tries += 1
            try:
                if held.outcome is None:
                    held.tries = 0
                    calls.say_alive(held.guard, held.begun)
                    return
                calls.finish(held.guard, held.begun, held.outcome)
            except Conflict:
                pass  # the row was removed: nobody waits for it any more
            except DriftGuardError as error:
                problems.LOG.warning("a call could not be written down: %s", error)
                if held.tries < _TRIES:
                    return
            held.tries = -1
        with self._turn:
            self._held.remove(held)

    def _beat_on(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(HEART)
            self.beat()
            with self._turn:
                if not self._held:
                    self._beats = False
                    return


def _ended(asked: Asking, work: Callable[[], View]) -> Ended:
    correlation = problems.correlation_id(asked.request)
    try:
        return Ended(work())
    except DriftGuardError as error:
        return Ended(problem=problems.of_error(error, correlation, to_operator=asked.caller.everything))
    except Exception as error:  # noqa: BLE001  # reason: whoever asks later is told of the fault, without its text
        return Ended(problem=problems.of_fault(problems.place(error), correlation))


def _outcome(verb: str, ended: Ended) -> calls.Outcome:
    view = ended.view
    if view is None:
        return calls.Outcome(problem=ended.problem)
    names = {"check": ("verdict", "why", "exit_code"), "record": ("generation", "proposal", "exit_code")}
    summary = {name: view.get(name) for name in names.get(verb, ("scan", "exit_code"))}
    halt = view.get("halt")
    return calls.Outcome(answer=view, summary=summary | ({"halt": halt["id"]} if halt else {}))
