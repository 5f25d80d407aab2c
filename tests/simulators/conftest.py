"""A running sandbox with a clock that stands still, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from driftguard.sandbox import Sandbox
from tests.simulators.sandbox_client import START, Client


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """The default estate; time stands still unless a test advances it."""
    with Sandbox(now=lambda: START) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    speaker = Client(sandbox)
    yield speaker
    speaker.session.close()
