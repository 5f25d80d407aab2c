"""The default estate and generated resources."""

from __future__ import annotations

import json

import pytest

from driftguard.errors import WrongUse
from driftguard.flow.resource import parse_ref
from driftguard.sandbox import SUBSCRIPTION, Sandbox, default_estate, many
from tests.simulators.sandbox_client import MACHINE, NETWORK, VAULT, VNET


def test_the_default_estate_is_of_many_types_in_three_groups() -> None:
    refs = [parse_ref(resource_id) for resource_id, _ in default_estate()]
    inside = [ref for ref in refs if ref.type != "Microsoft.Resources/resourceGroups"]
    assert len(inside) >= 40
    assert len({ref.type for ref in inside}) >= 12
    assert len({ref.resource_group for ref in refs}) == 3
    assert {ref.subscription for ref in refs} == {SUBSCRIPTION}
    assert len({ref.key for ref in refs}) == len(refs)


def test_its_references_lead_to_resources_of_the_estate() -> None:
    sandbox = Sandbox()
    nic = sandbox.get(f"{NETWORK}/networkInterfaces/nic-app-1")
    address = sandbox.get(f"{NETWORK}/publicIPAddresses/pip-jump")
    vnet = sandbox.get(VNET)
    assert nic and address and vnet
    assert nic["properties"]["virtualMachine"]["id"].endswith("/vm-app-1")
    assert address["properties"]["ipConfiguration"]["id"] == f"{nic['id']}/ipConfigurations/ipconfig1"
    assert [len(it["properties"].get("ipConfigurations", [])) for it in vnet["properties"]["subnets"]] == [2, 1, 0]


def test_types_that_document_system_data_show_it() -> None:
    sandbox = Sandbox()
    vault, machine = sandbox.get(VAULT), sandbox.get(MACHINE)
    assert vault and machine
    assert vault["systemData"]["createdByType"] == "Application"
    assert "systemData" not in machine


def test_two_sandboxes_start_alike_etags_and_times_aside() -> None:
    first, second = Sandbox(), Sandbox()
    assert first.ids() == second.ids()
    one, other = first.get(VNET), second.get(VNET)
    assert one and other
    assert json.dumps(one).replace(one["etag"].strip('W/"'), "") == json.dumps(other).replace(
        other["etag"].strip('W/"'), ""
    )


def test_many_makes_that_many_resources_of_about_that_size() -> None:
    sandbox = Sandbox(many(600, 3000))
    ids = [it for it in sandbox.ids() if "/providers/" in it]
    sizes = [len(sandbox.call("GET", it).encoded()) for it in ids]
    assert len(ids) == 600
    assert 2600 < sum(sizes) / len(sizes) < 3300
    assert min(sizes) > 2000 and max(sizes) < 3800
    assert sum("/Microsoft.Network/" in it for it in ids) == 420


@pytest.mark.parametrize("size", [500, 20_000])
def test_other_sizes_are_met_as_far_as_a_body_can(size: int) -> None:
    sandbox = Sandbox(many(20, size))
    sizes = [len(sandbox.call("GET", it).encoded()) for it in sandbox.ids() if "/providers/" in it]
    assert 0.7 * size < sum(sizes) / len(sizes) < max(1.3 * size, 1500)


def test_many_refuses_a_number_below_zero() -> None:
    with pytest.raises(WrongUse):
        list(many(-1))
