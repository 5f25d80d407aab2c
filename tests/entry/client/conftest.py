"""A client of a scripted server, with a clock that only sleeping moves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from driftguard.entry.client.address import service_address
from driftguard.entry.client.sign_in import SignIn
from driftguard.entry.client.transport import Transport
from driftguard.entry.remote import Remote
from tests.entry.client.scripted_server import Script, scripted_server
from tests.world import Checkout

TOKEN = "t0ken-of-a-test"


class Sleepless:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_server() as running:
        yield running


@pytest.fixture
def clock() -> Sleepless:
    return Sleepless()


@pytest.fixture
def checkout() -> Checkout:
    return Checkout()


@pytest.fixture
def transport(script: Script, clock: Sleepless) -> Iterator[Transport]:
    made = Transport(service_address(script.address), SignIn(lambda: TOKEN), clock, read_seconds=2.0)
    yield made
    made.close()


@pytest.fixture
def remote(transport: Transport, clock: Sleepless, checkout: Checkout) -> Remote:
    return Remote(transport, transport.address.base, clock, checkout)
