"""On Azure Storage: a process is killed before a write; what it leaves is whole, and the same command completes it.

`make test` kills at a fixed sample of the places between two writes, `make soak` at every one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from driftguard.flow.halt import State
from driftguard.sandbox import Sandbox, default_estate
from tests.azurite.server import Azurite
from tests.scenarios.other_processes import Left, Processes, left_at, notes, processes
from tests.scenarios.places import Place, on
from tests.scenarios.steps import NAT, ROBS_DNS, SHOP_DNS
from tests.scenarios.worker import KILLED
from tests.world import JOB, NETWORK, VNET

ESTATE = [(one, body) for one, body in default_estate() if one in (NETWORK, VNET, NAT)]
BOTH = [VNET, NAT]
MOST_PLACES = 30
# Before the blobs, the lists across jobs, the job's commit, the claim of a note, its files, and what says that it was sent.
OF_HALT = (0, 3, 4, 5, 6, 9)
OF_RECORD = (0, 1, 2)
OF_OVERWRITE = (0, 1, 2, 3, 6)


def places(sample: Sequence[int]) -> list[Any]:
    """A few places for every run, all of them for the soak; a place behind the last write is not one."""
    few = [pytest.param(number, id=f"before write {number}") for number in sample]
    rest = [number for number in range(MOST_PLACES) if number not in {*sample}]
    return [*few, *(pytest.param(number, marks=pytest.mark.soak, id=f"before write {number}") for number in rest)]


@dataclass
class Shop:
    """A store on Azure Storage, and the processes that work on it."""

    others: Processes
    azurite: Azurite
    folder: Path

    @property
    def place(self) -> Place:
        return self.others.places[self.folder]

    def call(self, **call: Any) -> dict[str, Any]:
        return self.others.call(self.folder, **call)

    def set_dns(self, server: str, as_: str) -> None:
        self.others.advance(60)
        self.others.sandbox.patch(VNET, {"properties": {"dhcpOptions": {"dnsServers": [server]}}}, as_=as_)
        self.others.advance(60)

    def cleared(self, run: str) -> str:
        answer = self.call(verb="check", job=JOB, run=run)
        assert answer["exit"] == 0, answer
        return str(answer["said"]["clearance"])

    def left(self) -> Left:
        return left_at(self.place)

    def kill(self, place: int, sample: Sequence[int], call: dict[str, Any]) -> None:
        """Let the call's process be killed there. Skips where it makes fewer writes: the soak tries every number."""
        ended = self.call(**call, kill_before=place)
        if ended["exit"] != KILLED:
            assert place not in sample, f"nothing was killed: {ended}"
            pytest.skip(f"the command makes no more than {place} writes")

    def require_one_halt(self) -> None:
        """One halt with one evidence and one note that was delivered."""
        left = self.left()
        [halt] = left.halts
        assert (halt.state, halt.evidence) == (State.OPEN, 1)
        [note] = notes(self.folder)
        assert note.stem == halt.id and halt.evidence_digest in note.read_text()
        assert {one["state"] for one in left.outbox} == {"delivered"}
        assert not [stray for stray in note.parent.iterdir() if halt.id not in stray.name]


@pytest.fixture(scope="module")
def others() -> Iterator[Processes]:
    with Sandbox(ESTATE) as sandbox, processes(sandbox) as made:
        yield made


@pytest.fixture
def shop(others: Processes, azurite: Azurite, tmp_path: Path) -> Shop:
    """A job that has recorded two resources."""
    others.places[tmp_path] = on(azurite)
    made = Shop(others, azurite, tmp_path)
    made.set_dns(SHOP_DNS, "pipeline")
    assert made.call(verb="record", job=JOB, run=None, clearance=None, resources=BOTH)["exit"] == 0
    return made


@pytest.mark.parametrize("place", places(OF_HALT))
def test_a_halt_is_one_halt_wherever_its_process_was_killed(shop: Shop, place: int) -> None:
    shop.set_dns(ROBS_DNS, "person-portal")
    shop.kill(place, OF_HALT, {"verb": "check", "job": JOB, "run": "run-1"})
    before = shop.left()
    assert len(before.halts) <= 1 and before.job.generation == 1 and before.job.lease is None
    assert shop.call(verb="check", job=JOB, run="run-2")["exit"] == 1
    shop.require_one_halt()


@pytest.mark.parametrize("place", places(OF_RECORD))
def test_a_record_is_the_old_set_or_the_new_one_wherever_its_process_was_killed(shop: Shop, place: int) -> None:
    clearance = shop.cleared("run-1")
    shop.set_dns("10.20.0.11", "pipeline")
    call = {"verb": "record", "job": JOB, "run": "run-1", "clearance": clearance, "resources": BOTH}
    shop.kill(place, OF_RECORD, call)
    before = shop.left()
    dns = before.recorded[VNET.lower()]["properties"]["dhcpOptions"]["dnsServers"]
    assert (before.job.generation, dns) in ((1, [SHOP_DNS]), (2, ["10.20.0.11"]))
    assert shop.call(verb="check", job=JOB, run="run-2")["exit"] == (0 if before.job.lease is None else 4)
    assert shop.call(**call)["exit"] == 0
    after = shop.left()
    assert (after.job.generation, after.halts) == (2, ())
    assert after.recorded[VNET.lower()]["properties"]["dhcpOptions"]["dnsServers"] == ["10.20.0.11"]


@pytest.mark.parametrize("place", places(OF_OVERWRITE))
def test_an_overwrite_ends_its_halt_wherever_its_record_was_killed(shop: Shop, place: int) -> None:
    shop.set_dns(ROBS_DNS, "person-portal")
    assert shop.call(verb="check", job=JOB, run="run-1")["exit"] == 1
    halt = shop.left().halts[0].id
    assert shop.call(verb="decide", halt=halt, by="dana@contoso.com", decision="overwrite", if_match=None)["exit"] == 0
    clearance = shop.cleared("run-2")
    shop.set_dns(SHOP_DNS, "pipeline")
    call = {"verb": "record", "job": JOB, "run": "run-2", "clearance": clearance, "resources": BOTH}
    shop.kill(place, OF_OVERWRITE, call)
    assert shop.left().halts[0].state in (State.IN_USE, State.RESOLVED)
    assert shop.call(**call)["exit"] == 0
    after = shop.left()
    assert [one.state for one in after.halts] == [State.RESOLVED]
    assert {one["state"] for one in after.outbox} == {"delivered"}
    [note] = notes(shop.folder)
    assert "resolved" in note.read_text()
