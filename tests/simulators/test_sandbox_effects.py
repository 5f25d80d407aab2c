"""Side effects: what a write of one resource changes in others."""

from __future__ import annotations

from typing import Any

from driftguard.sandbox import Sandbox
from tests.simulators.sandbox_client import ACCOUNT, APP, NETWORK, NSG, PLAN, SITE, VNET

NIC = f"{NETWORK}/networkInterfaces/nic-new"
PIP = f"{NETWORK}/publicIPAddresses/pip-new"


def _read(sandbox: Sandbox, path: str) -> dict[str, Any]:
    found = sandbox.get(path)
    assert found is not None
    return found


def _interface(subnet: str = "data", **more: Any) -> dict[str, Any]:
    config = {"subnet": {"id": f"{VNET}/subnets/{subnet}"}, "publicIPAddress": {"id": PIP}}
    configs = [{"name": "c1", "properties": config}]
    return {"location": "westeurope", "properties": {"ipConfigurations": configs, **more}}


def test_an_interface_moves_the_networks_etag_and_shows_in_the_subnet(sandbox: Sandbox) -> None:
    before = _read(sandbox, VNET)
    sandbox.put(NIC, _interface())
    after, subnet = _read(sandbox, VNET), _read(sandbox, f"{VNET}/subnets/data")
    assert after["etag"] != before["etag"]
    assert {"id": f"{NIC}/ipConfigurations/c1"} in subnet["properties"]["ipConfigurations"]
    assert subnet in after["properties"]["subnets"]


def test_moving_or_deleting_the_interface_removes_it_from_the_subnet(sandbox: Sandbox) -> None:
    sandbox.put(NIC, _interface("data"))
    sandbox.put(NIC, _interface("web"))
    assert "ipConfigurations" not in _read(sandbox, f"{VNET}/subnets/data")["properties"]
    in_web = _read(sandbox, f"{VNET}/subnets/web")["properties"]["ipConfigurations"]
    assert len(in_web) == 3
    sandbox.delete(NIC)
    assert len(_read(sandbox, f"{VNET}/subnets/web")["properties"]["ipConfigurations"]) == 2


def test_a_network_that_is_put_without_them_keeps_its_ip_configurations(sandbox: Sandbox) -> None:
    body = _read(sandbox, VNET)
    for subnet in body["properties"]["subnets"]:
        subnet["properties"].pop("ipConfigurations", None)
    sandbox.put(VNET, body)
    assert len(_read(sandbox, f"{VNET}/subnets/web")["properties"]["ipConfigurations"]) == 2


def test_a_public_address_knows_the_interface_that_uses_it(sandbox: Sandbox) -> None:
    sandbox.put(PIP, {"location": "westeurope"})
    before = _read(sandbox, PIP)
    sandbox.put(NIC, _interface())
    used = _read(sandbox, PIP)
    assert used["etag"] != before["etag"]
    assert used["properties"]["ipConfiguration"] == {"id": f"{NIC}/ipConfigurations/c1"}
    assert used["properties"]["ipAddress"].startswith("20.")
    sandbox.delete(NIC)
    assert {"ipConfiguration", "ipAddress"}.isdisjoint(_read(sandbox, PIP)["properties"])


def test_a_machine_gives_its_interface_a_mac_address_and_manages_its_disk(sandbox: Sandbox) -> None:
    sandbox.put(NIC, _interface())
    disk, machine = f"{APP}/Microsoft.Compute/disks/disk-new", f"{APP}/Microsoft.Compute/virtualMachines/vm-new"
    sandbox.put(disk, {"location": "westeurope", "properties": {"diskSizeGB": 30}})
    storage = {"osDisk": {"name": "disk-new", "managedDisk": {"id": disk}}}
    properties = {"networkProfile": {"networkInterfaces": [{"id": NIC}]}, "storageProfile": storage}
    sandbox.put(machine, {"location": "westeurope", "properties": properties})
    nic = _read(sandbox, NIC)["properties"]
    assert nic["virtualMachine"] == {"id": machine}
    assert nic["macAddress"].startswith("00-0D-3A-")
    assert _read(sandbox, disk)["managedBy"] == machine
    assert _read(sandbox, disk)["properties"]["diskState"] == "Attached"
    sandbox.delete(machine)
    assert "managedBy" not in _read(sandbox, disk)


def test_a_site_counts_in_its_plan(sandbox: Sandbox) -> None:
    assert _read(sandbox, PLAN)["properties"]["numberOfSites"] == 2
    sandbox.put(f"{SITE}-3", {"location": "westeurope", "properties": {"serverFarmId": PLAN}})
    assert _read(sandbox, PLAN)["properties"]["numberOfSites"] == 3
    sandbox.delete(f"{SITE}-3")
    assert _read(sandbox, PLAN)["properties"]["numberOfSites"] == 2


def test_a_subnet_shows_in_the_security_group_that_it_uses(sandbox: Sandbox) -> None:
    assert _read(sandbox, NSG)["properties"]["subnets"] == [{"id": f"{VNET}/subnets/web"}]
    sandbox.patch(f"{VNET}/subnets/web", {"properties": {"networkSecurityGroup": None}})
    assert "subnets" not in _read(sandbox, NSG)["properties"]


def test_a_private_endpoint_shows_as_a_connection_of_its_target(sandbox: Sandbox) -> None:
    connections = _read(sandbox, ACCOUNT)["properties"]["privateEndpointConnections"]
    assert [it["properties"]["privateEndpoint"]["id"] for it in connections] == [f"{NETWORK}/privateEndpoints/pe-blob"]
    sandbox.delete(f"{NETWORK}/privateEndpoints/pe-blob")
    assert _read(sandbox, ACCOUNT)["properties"]["privateEndpointConnections"] == []


def test_side_effects_leave_no_event(sandbox: Sandbox) -> None:
    sandbox.put(NIC, _interface())
    written = {event["resourceId"].lower() for event in sandbox.events()}
    assert written == {NIC.lower()} or {it.rsplit("/", 1)[-1] for it in written} == {"nic-new"}


def test_a_reference_to_nothing_or_to_nonsense_has_no_effect(sandbox: Sandbox) -> None:
    body = _interface()
    body["properties"]["ipConfigurations"][0]["properties"]["subnet"] = {"id": "not an id"}
    assert sandbox.put(NIC, body)["name"] == "nic-new"
