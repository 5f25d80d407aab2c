"""A stub ARM and a clock that passes only by sleeping, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.readers.arm_stub import ArmStub, FakeClock, running_stub


@pytest.fixture
def stub() -> Iterator[ArmStub]:
    with running_stub() as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
