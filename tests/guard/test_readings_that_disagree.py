"""What is read again: readings that disagree let nothing pass, and what cannot be judged is said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.decide import Verdict
from driftguard.flow.ports import Reader
from driftguard.flow.reading import Cause, Reading, Wanted
from driftguard.guard.check import Answer
from driftguard.guard.explain import explain
from tests.scenarios.steps import NAT, ROBS_DNS, SHOP_DNS, cleared, halted, story
from tests.world import JOB, VNET, World

DNS = "properties.dhcpOptions.dnsServers[0]"  # the path at which the readings disagree


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with story(tmp_path) as telling:
        telling.first_record(VNET, NAT)
        yield telling


class Replicas:
    """A reader that shows the virtual network, reading by reading, as recorded (`r`), changed (`m`, `n`),
    changed and being written (`u`), or as a 403 (`x`).
    """

    def __init__(self, telling: World, story: str) -> None:
        reader = telling.guard.reader
        self._telling, self._story = telling, story
        self._reader: Reader = reader._reader if isinstance(reader, Replicas) else reader
        self.reads = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def read(self, wanted: Iterable[Wanted], *, budget: float) -> Iterator[Reading]:
        shown = self._story[min(self.reads, len(self._story) - 1)]
        self.reads += 1
        sandbox = self._telling.sandbox
        server = {"r": SHOP_DNS, "m": ROBS_DNS, "n": "10.20.0.77", "u": ROBS_DNS, "x": SHOP_DNS}[shown]
        state = "Updating" if shown == "u" else "Succeeded"
        told = {"properties.dhcpOptions.dnsServers": [server], "properties.provisioningState": state}
        sandbox.platform(VNET, told)
        if shown == "x":
            sandbox.fault(VNET, "403")
        yield from self._reader.read(wanted, budget=budget)
        sandbox.clear_faults()


def checked(shop: World, story: str, reads: int = 2) -> tuple[Answer, Finding, int]:
    """The answer to a check, what it says of the virtual network, and how often that was read."""
    reader = Replicas(shop, story)
    shop.with_policy(f"version: 1\ndefaults: {{stability_reads: {reads}, unknown_author: allow}}\n")
    shop.guard = replace(shop.guard, reader=reader)
    shop.advance(minutes=1)
    answer = shop.check("run-2")
    (found,) = [one.finding for one in answer.judgement.judged if one.finding.ref.id == VNET]
    return answer, found, reader.reads


def test_a_difference_that_two_readings_agree_on_halts(shop: World) -> None:
    answer, found, reads = checked(shop, "mm")
    assert halted(answer) and (found.kind, reads) == (FindingKind.MOVED, 2)


def test_a_difference_that_the_next_two_readings_do_not_show_is_told_as_flapping(shop: World) -> None:
    answer, found, reads = checked(shop, "mrr")
    assert cleared(answer) and (found.kind, reads) == (FindingKind.TOUCHED, 3)
    assert found.detail.startswith(f"flapping at {DNS}: ")


@pytest.mark.parametrize(("story", "reads"), [("mrmm", 4), ("mnn", 3), ("mnrr", 4)])
def test_the_last_two_readings_that_agree_count(shop: World, story: str, reads: int) -> None:
    answer, found, read = checked(shop, story)
    assert read == reads
    assert (answer.verdict is Verdict.PROCEED) == story.endswith("rr")
    assert found.kind is (FindingKind.TOUCHED if story.endswith("rr") else FindingKind.MOVED)
    assert found.detail.startswith(f"flapping at {DNS}: ")


@pytest.mark.parametrize("story", ["mrmr", "mrnr", "mnmn", "mrmrr"])
def test_readings_that_never_agree_let_nothing_pass(shop: World, story: str) -> None:
    answer, found, reads = checked(shop, story)
    assert (answer.exit_code, answer.clearance, reads) == (2, None, 4)
    assert (found.kind, found.cause, found.changes) == (FindingKind.IN_FLIGHT, Cause.IN_FLIGHT, ())
    assert found.detail.startswith(f"flapping at {DNS}: ")


def test_more_readings_must_agree_where_the_policy_asks_for_more(shop: World) -> None:
    answer, found, reads = checked(shop, "mrmmrr", reads=3)
    assert (answer.exit_code, found.kind, reads) == (2, FindingKind.IN_FLIGHT, 6)
    answer, found, reads = checked(shop, "mrmrrr", reads=3)
    assert cleared(answer) and (found.kind, reads) == (FindingKind.TOUCHED, 6)


def test_one_reading_is_believed_where_the_policy_asks_for_one(shop: World) -> None:
    answer, found, reads = checked(shop, "mrr", reads=1)
    assert halted(answer) and (found.kind, reads) == (FindingKind.MOVED, 1)


@pytest.mark.parametrize(
    ("story", "kind", "reads"), [("mumm", "moved", 4), ("murr", "touched", 3), ("muumm", "moved", 5)]
)
def test_an_operation_that_begins_meanwhile_is_waited_for(shop: World, story: str, kind: str, reads: int) -> None:
    _, found, read = checked(shop, story)
    assert (str(found.kind), read) == (kind, reads)


def test_an_operation_that_goes_on_is_in_flight_when_the_settling_time_is_over(shop: World) -> None:
    began = shop.guard.clock.monotonic()
    answer, found, _ = checked(shop, "mu")
    assert (answer.exit_code, found.kind) == (2, FindingKind.IN_FLIGHT)
    assert shop.guard.clock.monotonic() - began >= 100.0  # seconds, of the 120 that it waits by default


def test_what_cannot_be_read_again_is_unreadable(shop: World) -> None:
    answer, found, reads = checked(shop, "mxm")
    assert (answer.exit_code, found.kind, found.cause, reads) == (2, FindingKind.UNREADABLE, Cause.FORBIDDEN, 2)


@pytest.mark.parametrize(
    ("story", "kind"),
    [
        ("mm", FindingKind.MOVED),
        ("mrr", FindingKind.TOUCHED),
        ("mrmm", FindingKind.MOVED),
        ("mrmr", FindingKind.IN_FLIGHT),
    ],
)
def test_explain_reads_again_and_says_what_a_check_says(shop: World, story: str, kind: FindingKind) -> None:
    _, found, reads = checked(shop, story)
    reader = Replicas(shop, story)
    shop.guard = replace(shop.guard, reader=reader)
    told = explain(shop.guard, JOB, VNET, DNS)
    assert (told.finding.kind, told.finding.detail, reader.reads) == (found.kind, found.detail, reads)
    assert told.finding.kind is kind
    differs = {FindingKind.MOVED: True, FindingKind.TOUCHED: False, FindingKind.IN_FLIGHT: None}
    assert [path.differs for path in told.paths] == [differs[kind]]


def test_flapping_that_lasts_halts_so_that_somebody_can_waive_it(shop: World) -> None:
    for _ in range(2):
        assert checked(shop, "mrmr")[0].exit_code == 2
    answer, found, _ = checked(shop, "mrmr")
    assert halted(answer) and found.lasting


def test_a_body_that_nests_too_deeply_is_unreadable_and_hides_nothing_else(shop: World) -> None:
    deep: Any = 0
    for _ in range(300):
        deep = {"a": deep}
    shop.sandbox.platform(NAT, {"properties.deep": deep})
    answer = shop.check("run-2")
    (found,) = [one.finding for one in answer.judgement.judged if one.finding.ref.id == NAT]
    assert (answer.exit_code, found.kind, found.cause) == (2, FindingKind.UNREADABLE, Cause.TOO_LARGE)
    _, moved, _ = checked(shop, "mm")
    assert moved.kind is FindingKind.MOVED


def test_a_new_resource_that_nests_too_deeply_is_pending_and_not_a_fault(shop: World) -> None:
    deep: Any = 0
    for _ in range(300):
        deep = {"a": deep}
    table = NAT.replace("natGateways/nat-shop", "routeTables/rt-deep")
    shop.sandbox.put(table, {"location": "westeurope", "properties": {"routes": []}})
    shop.sandbox.platform(table, {"properties.deep": deep})
    shop.advance(minutes=1)
    recorded = shop.first_record(table, VNET, job="other")
    assert recorded.exit_code == 4
    assert {item.seen.finding.cause for item in recorded.taken} == {Cause.TOO_LARGE, None}
