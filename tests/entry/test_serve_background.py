"""The loop beside the service: when it does what, and that nothing ends it but being told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftguard.entry.background import Background, start
from driftguard.errors import StoreUnavailable
from driftguard.guard.context import Guard
from driftguard.guard.review import list_halts
from tests.scenarios.steps import ROBS_DNS, set_dns, story
from tests.world import World


class Time:
    """Time that passes by waiting only, and is over after so many seconds."""

    def __init__(self, ends: float) -> None:
        self.at, self._ends = 0.0, ends

    def now(self) -> float:
        return self.at

    def wait(self, seconds: float) -> bool:
        self.at += seconds
        return self.at > self._ends


def background(world: World, time: Time, told: list[str], scan_every: float | None) -> Background:
    return Background(lambda: world.guard, scan_every=scan_every, now=time.now, wait=time.wait, tell=told.append)


def test_every_job_is_judged_as_often_as_is_asked_for(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        told: list[str] = []
        background(shop, Time(1900), told, 900.0).run()
        assert told == ["scan: 1 jobs; halted: shop-prod"] * 2
        assert len(list_halts(shop.guard)) == 1
        assert len(shop.notes()) == 1


def test_without_scans_only_notes_are_sent(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        set_dns(shop, ROBS_DNS)
        told: list[str] = []
        background(shop, Time(7200), told, None).run()
        assert not told
        assert not list_halts(shop.guard)


def test_a_fault_is_told_in_one_line_and_the_loop_goes_on(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        faults = iter([StoreUnavailable("the store is\nlocked", "wait"), RuntimeError("secret")])

        def guard() -> Guard:
            for fault in faults:
                raise fault
            return shop.guard

        time, told = Time(200), list[str]()
        Background(guard, scan_every=None, now=time.now, wait=time.wait, tell=told.append).run()
        assert len(told) == 2
        assert "locked" in told[0] and "\n" not in told[0]
        assert told[1] == "notes: an unforeseen RuntimeError; the next round tries again"
        assert time.at == 240


def test_a_line_that_cannot_be_written_ends_no_loop(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        tried: list[str] = []

        def tell(line: str) -> None:
            tried.append(line)
            raise OSError(28, "No space left on device")

        time = Time(1000)
        Background(lambda: shop.guard, scan_every=300.0, now=time.now, wait=time.wait, tell=tell).run()
        assert tried == ["scan: 1 jobs"] * 3


def test_what_takes_longer_than_its_interval_does_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with story(tmp_path) as shop:
        shop.first_record()
        time, told = Time(1000), list[str]()
        loop = background(shop, time, told, 60.0)
        scan = loop._scan

        def slow(guard: Guard) -> None:
            time.at += 300
            scan(guard)

        monkeypatch.setattr(loop._chores[1], "do", slow)
        loop.run()
        assert len(told) == 3


def test_the_thread_ends_when_it_is_told_to(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        start(lambda: shop.guard, scan_every=None, now=lambda: 0.0, tell=print)()
