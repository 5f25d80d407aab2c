"""`check --wait`: while the job is busy or unclear it is asked for again, and no longer than was said."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from driftguard.sandbox import SUBSCRIPTION
from driftguard.system_clock import SystemClock
from tests.entry.cli_shop import Shop, cli_shop

VNET = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-network/providers/Microsoft.Network/virtualNetworks/vnet-shop"


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    """A shop whose job has recorded a network."""
    with cli_shop(tmp_path, capsys) as made:
        assert made("record", "--job", "shop", "--resource", VNET).code == 0
        yield made


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], list[float]]:
    """Time passes by waiting only; what is given happens after each wait. Returns the waits."""

    def begin(after: Callable[[], object]) -> list[float]:
        passed: list[float] = []

        def sleep(self: SystemClock, seconds: float) -> None:
            passed.append(seconds)
            after()

        monkeypatch.setattr(SystemClock, "sleep", sleep)
        monkeypatch.setattr(SystemClock, "monotonic", lambda self: time.monotonic() + sum(passed))
        return passed

    return begin


def test_a_busy_job_is_asked_for_again_until_it_is_free(
    shop: Shop, waits: Callable[[Callable[[], object]], list[float]]
) -> None:
    clearance = shop("check", "--job", "shop", "--run", "1", "--json").json()["clearance"]
    polls = waits(lambda: shop("jobs", "release", "shop", "--clearance", clearance))
    ran = shop("check", "--job", "shop", "--run", "2", "--wait", "30m")
    assert (ran.code, polls) == (0, [15.0])


def test_a_job_that_stays_busy_is_busy_after_the_time(
    shop: Shop, waits: Callable[[Callable[[], object]], list[float]]
) -> None:
    assert shop("check", "--job", "shop", "--run", "1").code == 0
    polls = waits(lambda: None)
    ran = shop("check", "--job", "shop", "--run", "2", "--wait", "50s")
    assert (ran.code, polls) == (4, [15.0] * 3)


def test_a_job_that_cannot_be_judged_is_asked_for_again_until_it_can(
    shop: Shop, waits: Callable[[Callable[[], object]], list[float]]
) -> None:
    shop.sandbox.fault(VNET, "403")
    polls = waits(lambda: shop.sandbox.clear_faults())
    ran = shop("check", "--job", "shop", "--run", "2", "--wait", "1m")
    assert ran.code == 0 and 15.0 in polls


def test_a_halt_is_answered_at_once(shop: Shop, waits: Callable[[Callable[[], object]], list[float]]) -> None:
    shop.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")
    polls = waits(lambda: None)
    ran = shop("check", "--job", "shop", "--run", "2", "--wait", "1m")
    assert ran.code == 1 and 15.0 not in polls
