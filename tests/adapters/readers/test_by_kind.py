"""One reader of several kinds: each resource by its own reader, one budget, flat memory, no answer that stands for another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from driftguard.adapters.readers.by_kind import MOST_WAITING, ByKind
from driftguard.errors import Unavailable, WrongUse
from driftguard.flow.reading import Deployment, Members, Outcome, Reading, Wanted
from driftguard.flow.resource import ResourceRef, parse_ref
from tests.adapters.readers.arm_stub import FakeClock

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-shop"
ARM = f"{GROUP}/providers/Microsoft.Network/virtualNetworks"
BLOB = "https://stshop.blob.core.windows.net/config"


class Told:
    """A reader that reads at most `ahead` resources before it answers one, each in `seconds`."""

    def __init__(self, clock: FakeClock, *, ahead: int = 4, seconds: float = 0.0, fails: bool = False) -> None:
        self.clock, self.ahead, self.seconds, self.fails = clock, ahead, seconds, fails
        self.budgets: list[float] = []

    def read(self, wanted: Iterable[Wanted], *, budget: float) -> Iterator[Reading]:
        self.budgets.append(budget)
        if self.fails:
            raise Unavailable("no sign-in", "sign in")
        source = iter(wanted)
        kept: list[Wanted] = []
        while True:
            while len(kept) < self.ahead and (one := next(source, None)) is not None:
                kept.append(one)
            if not kept:
                return
            self.clock.sleep(self.seconds)
            yield Reading(kept.pop(0).ref, "v", Outcome.MISSING, self.clock.now())

    def members(self, scope: ResourceRef) -> Members:
        return Members(scope, (), complete=True)

    def deployment(self, ref: ResourceRef) -> Deployment:
        raise WrongUse("not a deployment", "")

    def tenant_of(self, subscription: str) -> str:
        return f"tenant of {subscription}"


class Counted:
    """A list that knows how much of it was taken."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = iter(ids)
        self.taken = 0

    def __iter__(self) -> Iterator[Wanted]:
        for text in self._ids:
            self.taken += 1
            yield Wanted(parse_ref(text))


def reader(clock: FakeClock, arm: Any = None, blob: Any = None) -> ByKind:
    return ByKind({"arm": arm or Told(clock), "blob": blob or Told(clock)}, clock)


def _ids(count: int, *of: str) -> Iterator[str]:
    return (f"{of[number % len(of)]}/r{number}" for number in range(count))


@pytest.mark.parametrize(
    "ids",
    [
        [],
        list(_ids(50, ARM)),
        list(_ids(50, ARM, BLOB)),
        [*_ids(3000, ARM), *_ids(3000, BLOB)],
        [*_ids(3000, BLOB), *_ids(10, ARM), *_ids(3000, BLOB)],
    ],
)
def test_everything_wanted_is_read_once(ids: list[str], clock: FakeClock) -> None:
    wanted = [Wanted(parse_ref(text)) for text in ids]
    answered = [reading.ref for reading in reader(clock).read(wanted, budget=1)]

    assert sorted(answered) == sorted(one.ref for one in wanted)


def test_no_more_is_taken_from_the_list_than_fits(clock: FakeClock) -> None:
    wanted = Counted([*_ids(1, ARM), *_ids(4000, BLOB), *_ids(4000, ARM)])
    answered = 0
    for _ in reader(clock).read(wanted, budget=1):
        answered += 1
        assert wanted.taken - answered <= MOST_WAITING + 10
    assert answered == 8001


def test_a_list_of_one_kind_goes_through_in_one_piece(clock: FakeClock) -> None:
    arm = Told(clock)
    list(reader(clock, arm).read(Counted(_ids(5000, ARM)), budget=60))

    assert arm.budgets == [60]


def test_all_kinds_share_one_budget(clock: FakeClock) -> None:
    arm, blob = Told(clock, seconds=1), Told(clock, seconds=1)
    ids = [*_ids(5, ARM), *_ids(5, BLOB)]
    list(reader(clock, arm, blob).read([Wanted(parse_ref(text)) for text in ids], budget=8))

    assert (arm.budgets, blob.budgets) == ([8], [3])


def test_a_sign_in_that_fails_ends_the_call(clock: FakeClock) -> None:
    mixed = [Wanted(parse_ref(text)) for text in _ids(10, ARM, BLOB)]
    for arm, blob in ((Told(clock, fails=True), None), (None, Told(clock, fails=True))):
        with pytest.raises(Unavailable):
            list(reader(clock, arm, blob).read(mixed, budget=9))


def test_a_kind_that_nothing_reads_is_refused(clock: FakeClock) -> None:
    only_arm = ByKind({"arm": Told(clock)}, clock)

    with pytest.raises(WrongUse):
        list(only_arm.read([Wanted(parse_ref(f"{BLOB}/a"))], budget=9))
    with pytest.raises(WrongUse):
        only_arm.members(parse_ref(BLOB))


def test_scopes_go_to_the_reader_of_their_kind_and_tenants_to_that_of_arm(clock: FakeClock) -> None:
    both = reader(clock)

    assert both.members(parse_ref(BLOB)).scope.kind == "blob"
    assert both.members(parse_ref(GROUP)).scope.kind == "arm"
    assert both.tenant_of("s") == "tenant of s"
