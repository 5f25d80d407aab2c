"""What tells an element of a list apart may be a secret itself: then no path that is told or stored holds it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driftguard.errors import Busy
from driftguard.flow.reading import Reading, Wanted
from driftguard.guard import halting
from driftguard.guard.explain import explain
from driftguard.guard.record import Naming
from tests.scenarios.steps import cleared, halted, job_row, stored_halt, story
from tests.scenarios.test_redact_later import PLAIN, REDACTING, gated
from tests.scenarios.traces import traces
from tests.world import JOB, VNET, World

NAME = "Loud-Heron-0815"
NAMES_ARE_SECRETS = REDACTING.replace("[tags.note]", '["properties.subnets[*].name", "properties.subnets[*].id"]')
Body = dict[str, Any]


def as_it_is(body: Body, number: int) -> None:
    """Alters nothing."""


class Alters:
    """A reader whose answers are altered by `how(body, number of the reading)`."""

    def __init__(self, reader: Any) -> None:
        self._reader, self.readings = reader, 0
        self.how: Callable[[Body, int], None] = as_it_is

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def read(self, wanted: Iterable[Wanted], *, budget: float) -> Iterator[Reading]:
        for reading in self._reader.read(wanted, budget=budget):
            self.readings += 1
            body = copy.deepcopy(reading.body)
            if body is not None:
                self.how(body, self.readings)
            yield replace(reading, body=body)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with story(tmp_path) as telling:
        telling.with_policy(PLAIN)
        telling.sandbox.put(
            f"{VNET}/subnets/{NAME}", {"properties": {"addressPrefix": "10.20.77.0/24"}}, as_="pipeline"
        )
        telling.advance(minutes=1)
        yield telling


def altered(shop: World) -> Alters:
    alters = Alters(shop.guard.reader)
    shop.guard = replace(shop.guard, reader=alters)
    return alters


def subnet(body: Body) -> Body:
    return next(one["properties"] for one in body["properties"]["subnets"] if one["name"] == NAME)


def updating(body: Body, number: int) -> None:
    subnet(body)["provisioningState"] = "Updating"


def flapping(body: Body, number: int) -> None:
    subnet(body).update(addressPrefix="10.20.78.0/24", delegation="1" if number == 1 else "2")


def silent_for_long(shop: World) -> Any:
    """The answer once the resource has been in flight for long enough to halt."""
    for number in range(4):
        shop.advance(minutes=10)
        answer = shop.check(f"run-{number}")
    return answer


def test_a_state_that_is_not_final_is_told_by_a_path_in_marks(shop: World) -> None:
    shop.with_policy(NAMES_ARE_SECRETS)
    reader = altered(shop)
    shop.first_record(VNET)
    reader.how = updating
    detail = halted_detail(silent_for_long(shop))
    assert detail.startswith("properties.subnets[name=secret:") and detail.endswith("is not in a final state")
    assert traces(shop.folder, NAME) == []


def test_a_first_reading_that_is_not_final_is_told_in_marks_too(shop: World) -> None:
    shop.with_policy(NAMES_ARE_SECRETS)
    nat = VNET.replace("virtualNetworks/vnet-shop", "natGateways/nat-shop")
    reader = altered(shop)
    reader.how = lambda body, number: updating(body, number) if body["name"] == "vnet-shop" else None
    shop.record(None, naming=Naming(resources=(VNET, nat)))
    assert job_row(shop).pending and traces(shop.folder, NAME) == []
    with pytest.raises(Busy) as refused:
        gated(shop)
    assert NAME not in str(refused.value)


def test_an_identity_that_looks_like_a_secret_needs_no_rule(shop: World) -> None:
    key = f"AccountKey={NAME}"
    reader = altered(shop)
    shop.first_record(VNET)
    before = traces(shop.folder, key)
    reader.how = lambda body, number: body["properties"].update(
        items=[{"key": key, "properties": {"provisioningState": "Updating"}}]
    )
    answer = silent_for_long(shop)
    assert key not in halted_detail(answer) and "is not in a final state" in halted_detail(answer)
    assert traces(shop.folder, key) == before == []


def test_a_rule_on_the_state_itself_does_not_make_it_final(shop: World) -> None:
    shop.with_policy(REDACTING.replace("[tags.note]", '["properties.subnets[*].properties"]'))
    reader = altered(shop)
    shop.first_record(VNET)
    reader.how = updating
    assert {str(one.finding.kind) for one in gated(shop).judgement.judged} == {"inflight"}


def halted_detail(answer: Any) -> str:
    halted(answer)
    return str(answer.judgement.halting[0].detail)


@pytest.mark.parametrize("how", [flapping, updating])
def test_a_detail_that_was_stored_before_the_rule_leaves_all_that_can_be_written_anew(shop: World, how: Any) -> None:
    reader = altered(shop)
    shop.first_record(VNET)
    reader.how, reader.readings = how, 0
    halt = halted(silent_for_long(shop) if how is updating else shop.check("run-1"))
    assert NAME in json.loads(halting.load_evidence(shop.guard, halt))["findings"][0]["detail"]
    reader.readings = 5
    shop.with_policy(NAMES_ARE_SECRETS)
    assert halted(shop.check("run-9")).id == halt.id
    now = stored_halt(shop, halt)
    told = halting.load_evidence(shop.guard, now).decode()
    assert NAME not in told and "secret:" in json.loads(told)["findings"][0]["detail"]
    left = [place for place in traces(shop.folder, NAME) if "evidence" not in place and place != "file store.db"]
    assert left == [] and job_row(shop).holding == [f"{halt.id} {number}" for number in range(1, now.evidence)]


def test_what_was_not_read_beside_a_halt_leaves_its_evidence_too(shop: World) -> None:
    nat = VNET.replace("virtualNetworks/vnet-shop", "natGateways/nat-shop")
    reader = altered(shop)
    shop.first_record(VNET, nat)
    reader.how = lambda body, number: updating(body, number) if body["name"] == "vnet-shop" else None
    shop.advance(minutes=1)
    shop.sandbox.patch(nat, {"properties": {"idleTimeoutInMinutes": 11}}, as_="person-portal")
    shop.advance(minutes=1)
    halt = halted(shop.check("run-1"))
    assert NAME in halting.load_evidence(shop.guard, halt).decode()
    shop.with_policy(NAMES_ARE_SECRETS)
    halted(shop.check("run-2"))
    now = stored_halt(shop, halt)
    assert now.evidence == 2 and NAME not in halting.load_evidence(shop.guard, now).decode()
    assert job_row(shop).holding == [f"{halt.id} 1"]


def test_what_a_record_waits_for_is_told_in_marks_after_the_rule(shop: World) -> None:
    reader = altered(shop)
    shop.first_record(VNET)
    clearance = cleared(shop.check("run-1"))
    reader.how = updating
    shop.record("run-1", clearance=clearance, naming=Naming(resources=(VNET,)))
    assert [place for place in traces(shop.folder, NAME) if "/pending/" in place]
    shop.with_policy(NAMES_ARE_SECRETS)
    with pytest.raises(Busy):
        gated(shop)
    assert traces(shop.folder, NAME) == []


def test_explain_tells_no_identity_that_a_rule_of_today_redacts(shop: World) -> None:
    shop.first_record(VNET)
    body = shop.sandbox.get(VNET)
    assert body is not None
    body["properties"]["subnets"] = [{"name": "x", "properties": {"addressPrefix": "10.20.78.0/24"}}]
    shop.advance(minutes=1)
    shop.sandbox.put(VNET, body, as_="person-portal")
    shop.advance(minutes=1)
    shop.with_policy(NAMES_ARE_SECRETS)
    told = explain(shop.guard, JOB, VNET)
    assert told.paths and NAME not in str(told)
    asked = explain(shop.guard, JOB, VNET, "properties.subnets")
    assert NAME not in str(asked)


def test_explain_compares_under_a_rule_that_nothing_was_sealed_by_yet(shop: World) -> None:
    shop.first_record(VNET)
    shop.with_policy(NAMES_ARE_SECRETS)
    told = explain(shop.guard, JOB, VNET)
    assert str(told.finding.kind) == "unchanged" and told.paths == ()
