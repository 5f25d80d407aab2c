"""Sign-in of a browser: an invitation works once and not for long, a session ends, and nothing of them can be guessed."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

from driftguard.entry.http.sessions import INVITATION_HOLDS, SESSION_HOLDS, Sessions
from driftguard.flow.access import Caller
from driftguard.flow.review import Person

OWNER = Caller(Person("dana", asserted=True), is_person=True, everything=True)


class Told:
    """A clock and the tokens that were made, counting up."""

    def __init__(self) -> None:
        self.now = 0.0
        self.numbers = itertools.count(1)
        self.sessions = Sessions(OWNER, lambda: self.now, lambda: f"token-{next(self.numbers)}")

    def signed_in(self) -> str:
        session = self.sessions.redeem(self.sessions.invite())
        assert session
        return session


def test_an_invitation_begins_one_session_of_the_one_caller() -> None:
    told = Told()
    token = told.sessions.invite()
    session = told.sessions.redeem(token)
    assert session and session != token
    assert told.sessions.caller(session) is OWNER
    assert told.sessions.redeem(token) is None, "it works once"


def test_what_was_never_given_out_opens_nothing() -> None:
    told = Told()
    token = told.sessions.invite()
    for wrong in ("", "token-2", token + " ", token.upper(), "\ud800", "x" * 100_000):
        assert told.sessions.redeem(wrong) is None
        assert told.sessions.caller(wrong) is None
    assert told.sessions.caller(token) is None, "an invitation is no session"
    session = told.sessions.redeem(token)
    assert session and told.sessions.redeem(session) is None, "a session is no invitation"


def test_an_invitation_ends_after_ten_minutes_and_a_session_after_twelve_hours() -> None:
    told = Told()
    token, session = told.sessions.invite(), told.signed_in()
    told.now = INVITATION_HOLDS
    assert told.sessions.redeem(token) is None
    told.now = SESSION_HOLDS - 1
    assert told.sessions.caller(session) is OWNER
    told.now = SESSION_HOLDS
    assert told.sessions.caller(session) is None


def test_the_oldest_makes_room() -> None:
    told = Told()
    tokens = [told.sessions.invite() for _ in range(9)]
    assert told.sessions.redeem(tokens[0]) is None and told.sessions.redeem(tokens[-1])
    told = Told()
    sessions = [told.signed_in() for _ in range(33)]
    assert told.sessions.caller(sessions[0]) is None and told.sessions.caller(sessions[-1]) is OWNER


def test_many_at_once_redeem_an_invitation_once() -> None:
    told = Told()
    token = told.sessions.invite()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: told.sessions.redeem(token), range(64)))
    assert sum(1 for one in found if one) == 1


def test_what_stands_in_memory_opens_nothing() -> None:
    told = Told()
    token, session = told.sessions.invite(), told.signed_in()
    kept = repr([vars(told.sessions._invitations), vars(told.sessions._sessions)])
    assert token not in kept and session not in kept
