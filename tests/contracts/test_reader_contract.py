"""What every reader keeps: one reading for each resource, in any order, within the budget; nothing that stands for another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from driftguard.adapters.readers.arm import ArmReader
from driftguard.adapters.readers.arm_options import ArmOptions
from driftguard.adapters.readers.by_kind import ByKind
from driftguard.errors import OtherScope, WrongUse
from driftguard.flow.ports import Reader
from driftguard.flow.reading import Cause, Outcome, Wanted
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.sandbox import Sandbox
from driftguard.system_clock import SystemClock
from tests.adapters.readers.blob_shop import blobs
from tests.azurite.server import Azurite
from tests.world import NETWORK, PROVIDERS, VNET


@dataclass
class Case:
    """A reader with a scope, something that is there in it, something that is not, and something in no scope at all."""

    reader: Reader
    scope: ResourceRef
    there: ResourceRef
    missing: ResourceRef
    nowhere: ResourceRef
    foreign: ResourceRef


Open = Callable[[ExitStack, Azurite], Case]


def _arm(stack: ExitStack, azurite: Azurite) -> Case:
    box = stack.enter_context(Sandbox())
    reader = stack.enter_context(ArmReader(ArmOptions(endpoint=box.endpoint, token="pipeline"), SystemClock()))
    return Case(
        reader,
        parse_ref(NETWORK),
        parse_ref(VNET),
        parse_ref(f"{PROVIDERS}/virtualNetworks/none"),
        parse_ref(VNET.replace("rg-shop-network", "rg-none")),
        parse_ref(VNET, cloud="usgov"),
    )


def _blob(stack: ExitStack, azurite: Azurite) -> Case:
    mine = stack.enter_context(blobs(azurite))
    there = parse_ref(mine.put("there.json", b"{}"))
    return Case(
        mine.reader,
        parse_ref(mine.url),
        there,
        parse_ref(f"{mine.url}/none"),
        parse_ref(f"{mine.url}-none/none"),
        parse_ref(there.id.replace("windows.net", "usgovcloudapi.net"), cloud="usgov"),
    )


def _by_kind(of: Open) -> Open:
    def opened(stack: ExitStack, azurite: Azurite) -> Case:
        case = of(stack, azurite)
        case.reader = ByKind({case.there.kind: case.reader}, SystemClock())
        return case

    return opened


@pytest.fixture(
    params=[_arm, _blob, _by_kind(_arm), _by_kind(_blob)], ids=["arm", "blob", "arm by kind", "blob by kind"]
)
def case(request: pytest.FixtureRequest, azurite: Azurite) -> Iterator[Case]:
    with ExitStack() as stack:
        yield request.param(stack, azurite)


def test_every_resource_gets_one_reading_of_its_own(case: Case) -> None:
    wanted = [case.there, case.missing, case.nowhere, case.there]
    readings = list(case.reader.read((Wanted(ref) for ref in wanted), budget=30))

    assert sorted(reading.ref for reading in readings) == sorted(wanted)
    outcomes = {reading.ref: reading.outcome for reading in readings}
    assert outcomes == {
        case.there: Outcome.FOUND,
        case.missing: Outcome.MISSING,
        case.nowhere: Outcome.GROUP_MISSING,
    }
    assert all((reading.body is not None) == (reading.outcome is Outcome.FOUND) for reading in readings)


def test_what_is_found_has_a_version_and_the_servers_time(case: Case) -> None:
    (reading,) = case.reader.read([Wanted(case.there)], budget=30)

    assert reading.api_version and reading.request_id and reading.status in (200, 206)
    assert reading.at.microsecond == 0 and reading.at.tzinfo is not None
    (again,) = case.reader.read([Wanted(case.there, reading.api_version)], budget=30)
    assert (again.body, again.api_version, again.etags) == (reading.body, reading.api_version, reading.etags)


def test_without_time_nothing_is_known(case: Case) -> None:
    readings = list(case.reader.read([Wanted(case.there), Wanted(case.missing)], budget=0))

    assert {(one.outcome, one.cause, one.body) for one in readings} == {(Outcome.UNREADABLE, Cause.OUT_OF_TIME, None)}
    assert len(readings) == 2


def test_a_long_list_is_not_taken_at_once(case: Case) -> None:
    taken = 0

    def wanted() -> Iterator[Wanted]:
        nonlocal taken
        for _ in range(3000):
            taken += 1
            yield Wanted(case.there)

    next(iter(readings := case.reader.read(wanted(), budget=30)))
    assert taken < 200
    readings.close()  # type: ignore[attr-defined]  # reason: a generator, which a caller may leave


def test_nothing_wanted_is_nothing_read(case: Case) -> None:
    assert list(case.reader.read([], budget=30)) == []


def test_a_resource_of_another_cloud_is_refused(case: Case) -> None:
    with pytest.raises((OtherScope, WrongUse)):
        list(case.reader.read([Wanted(case.foreign)], budget=30))


def test_a_scope_lists_what_is_in_it_and_only_that(case: Case) -> None:
    members = case.reader.members(case.scope)

    assert members.complete
    assert case.there in members.refs
    assert all(ref.key.startswith(case.scope.key + "/") for ref in members.refs)


def test_what_is_no_scope_is_refused(case: Case) -> None:
    with pytest.raises(WrongUse):
        case.reader.members(case.there)


def test_a_resource_is_no_deployment(case: Case) -> None:
    if not isinstance(case.reader, ByKind):
        with pytest.raises(WrongUse):
            case.reader.deployment(case.there)
