"""A process is killed before any one of its writes: what it leaves is whole, and the same command again completes it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from driftguard.flow.halt import State
from driftguard.sandbox import Sandbox, default_estate
from tests.scenarios.other_processes import Left, Processes, left_in, notes, processes
from tests.scenarios.steps import NAT, ROBS_DNS, SHOP_DNS
from tests.scenarios.worker import KILLED
from tests.world import JOB, NETWORK, VNET

ESTATE = [(one, body) for one, body in default_estate() if one in (NETWORK, VNET, NAT)]
BOTH = [VNET, NAT]


@dataclass
class Shop:
    """A prepared store, and the processes that work on copies of it."""

    others: Processes
    prepared: Path
    copies: Path

    def set_dns(self, server: str, as_: str) -> None:
        self.others.advance(60)
        self.others.sandbox.patch(VNET, {"properties": {"dhcpOptions": {"dnsServers": [server]}}}, as_=as_)
        self.others.advance(60)

    def call(self, folder: Path | None = None, **call: Any) -> dict[str, Any]:
        return self.others.call(folder or self.prepared, **call)

    def killed_everywhere(self, call: dict[str, Any], *, at_least: int) -> Iterator[Path]:
        """A copy of the prepared store for every place: the call was killed there. Ends where it was not killed.

        `at_least` is how many places between two writes there must be, so that the enumeration shows something.
        """
        place = 0
        while True:
            folder = self.copies / f"killed-before-{place}"
            shutil.copytree(self.prepared, folder)
            ended = self.call(folder, **call, kill_before=place)
            if ended["exit"] != KILLED:
                assert place >= at_least, f"only {place} places: {ended}"
                return
            yield folder
            place += 1


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Sandbox(ESTATE) as sandbox, processes(sandbox) as others:
        made = Shop(others, tmp_path / "prepared", tmp_path)
        made.prepared.mkdir()
        assert made.call(verb="record", job=JOB, run=None, clearance=None, resources=BOTH)["exit"] == 0
        yield made


def _cleared(shop: Shop, run: str) -> str:
    answer = shop.call(verb="check", job=JOB, run=run)
    assert answer["exit"] == 0, answer
    return str(answer["said"]["clearance"])


def _require_one_halt(folder: Path, left: Left) -> None:
    """One halt with one evidence and one note that was delivered."""
    [halt] = left.halts
    assert (halt.state, halt.evidence) == (State.OPEN, 1)
    [note] = notes(folder)
    assert note.stem == halt.id and halt.evidence_digest in note.read_text()
    assert {one["state"] for one in left.outbox} == {"delivered"}
    assert not [stray for stray in note.parent.iterdir() if halt.id not in stray.name]


def test_a_halt_is_one_halt_wherever_its_process_was_killed(shop: Shop) -> None:
    shop.set_dns(ROBS_DNS, "person-portal")
    for folder in shop.killed_everywhere({"verb": "check", "job": JOB, "run": "run-1"}, at_least=8):
        before = left_in(folder)
        assert len(before.halts) <= 1 and before.job.generation == 1
        assert shop.call(folder, verb="check", job=JOB, run="run-2")["exit"] == 1
        _require_one_halt(folder, left_in(folder))


@pytest.mark.parametrize("again", ["the same run", "another run's check"])
def test_a_record_is_the_old_set_or_the_new_one_wherever_its_process_was_killed(shop: Shop, again: str) -> None:
    clearance = _cleared(shop, "run-1")
    old = left_in(shop.prepared).recorded
    shop.set_dns("10.20.0.11", "pipeline")
    call = {"verb": "record", "job": JOB, "run": "run-1", "clearance": clearance, "resources": BOTH}
    for folder in shop.killed_everywhere(call, at_least=3):  # a plain record is two blobs and one commit
        before = left_in(folder)
        dns = before.recorded[VNET.lower()]["properties"]["dhcpOptions"]["dnsServers"]
        assert (before.job.generation, dns) in ((1, [SHOP_DNS]), (2, ["10.20.0.11"]))
        assert before.recorded[NAT.lower()] == old[NAT.lower()]
        if again != "the same run":
            expected = 0 if before.job.lease is None else 4  # updating: nobody else is let in
            assert shop.call(folder, verb="check", job=JOB, run="run-2")["exit"] == expected
            continue
        assert shop.call(folder, **call)["exit"] == 0
        after = left_in(folder)
        assert (after.job.generation, after.job.lease, after.halts) == (2, None, ())
        assert after.recorded[VNET.lower()]["properties"]["dhcpOptions"]["dnsServers"] == ["10.20.0.11"]
        assert shop.call(folder, verb="check", job=JOB, run="run-2")["exit"] == 0


def test_a_record_that_holds_something_back_opens_one_halt_wherever_it_was_killed(shop: Shop) -> None:
    clearance = _cleared(shop, "run-1")
    shop.set_dns(ROBS_DNS, "person-portal")
    call = {"verb": "record", "job": JOB, "run": "run-1", "clearance": clearance, "resources": BOTH}
    for folder in shop.killed_everywhere(call, at_least=8):
        before = left_in(folder)
        assert (before.job.generation, len(before.halts)) in ((1, 0), (2, 1))
        assert shop.call(folder, **call)["exit"] == 1
        after = left_in(folder)
        assert after.job.generation == 2
        assert after.recorded[VNET.lower()]["properties"]["dhcpOptions"]["dnsServers"] == [SHOP_DNS]
        _require_one_halt(folder, after)


def test_an_overwrite_ends_its_halt_wherever_its_record_was_killed(shop: Shop) -> None:
    shop.set_dns(ROBS_DNS, "person-portal")
    assert shop.call(verb="check", job=JOB, run="run-1")["exit"] == 1
    halt = left_in(shop.prepared).halts[0].id
    assert shop.call(verb="decide", halt=halt, by="dana@contoso.com", decision="overwrite", if_match=None)["exit"] == 0
    clearance = _cleared(shop, "run-2")
    shop.set_dns(SHOP_DNS, "pipeline")
    call = {"verb": "record", "job": JOB, "run": "run-2", "clearance": clearance, "resources": BOTH}
    for folder in shop.killed_everywhere(call, at_least=8):
        assert left_in(folder).halts[0].state in (State.IN_USE, State.RESOLVED)
        assert shop.call(folder, **call)["exit"] == 0
        after = left_in(folder)
        assert [one.state for one in after.halts] == [State.RESOLVED]
        assert {one["state"] for one in after.outbox} == {"delivered"}
        [note] = notes(folder)
        assert "resolved" in note.read_text()


def test_a_first_record_is_there_or_not_wherever_its_process_was_killed(shop: Shop) -> None:
    shop.prepared = shop.copies / "empty"
    shop.prepared.mkdir()
    call = {"verb": "record", "job": JOB, "run": None, "clearance": None, "resources": BOTH}
    for folder in shop.killed_everywhere(call, at_least=4):
        assert shop.call(folder, **call)["exit"] == 0
        assert left_in(folder).job.generation == 1
        assert shop.call(folder, verb="check", job=JOB, run="run-1")["exit"] == 0
