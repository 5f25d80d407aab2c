"""Side effects: what a write of one resource changes in others, as a literal table of links.

Rules:
- A reference from one resource to another shows at the other end as a read-only property there.
- A write adds the links that are new and removes those that are gone; it never touches the others.
- Whatever a link changes gets a new ETag (the whole document: a NIC in a subnet moves the virtual network's ETag),
  and no event in the Activity Log: nobody wrote it.
- A reference to something that does not exist has no effect.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

Json = Any  # what json.loads gives


@dataclass(frozen=True, slots=True)
class Link:
    """`value` (an id) stands at `target` under `field`: in a list, as the one `{id}`, as plain text, or counted."""

    target: str
    field: str
    value: str
    how: Literal["list", "one", "text", "count", "connection"]


def links_of(resource_type: str, resource_id: str, body: dict[str, Json]) -> set[Link]:
    """All links that a resource's body makes."""
    follow = _LINKS.get(resource_type.lower())
    return set(follow(resource_id, body)) if follow else set()


def _ids(place: Json, *names: str) -> Iterator[str]:
    """The ids at a path of names; lists are walked through, what is missing is passed over."""
    if isinstance(place, list):
        for element in place:
            yield from _ids(element, *names)
    elif isinstance(place, dict) and names:
        yield from _ids(place.get(names[0]), *names[1:])
    elif isinstance(place, dict) and isinstance(place.get("id"), str):
        yield place["id"]
    elif isinstance(place, str) and not names:
        yield place


def _children(resource_id: str, body: Json, collection: str) -> Iterator[tuple[str, Json]]:
    for child in body.get("properties", {}).get(collection, []):
        yield f"{resource_id}/{collection}/{child['name']}", child.get("properties", {})


def _interface(nic: str, body: Json) -> Iterator[Link]:
    for config, properties in _children(nic, body, "ipConfigurations"):
        yield from (Link(it, "ipConfigurations", config, "list") for it in _ids(properties, "subnet"))
        yield from (Link(it, "ipConfiguration", config, "one") for it in _ids(properties, "publicIPAddress"))
        pools = _ids(properties, "loadBalancerBackendAddressPools")
        yield from (Link(it, "backendIPConfigurations", config, "list") for it in pools)
    for group in _ids(body, "properties", "networkSecurityGroup"):
        yield Link(group, "networkInterfaces", nic, "list")


def _network(network: str, body: Json) -> Iterator[Link]:
    for subnet, properties in _children(network, body, "subnets"):
        for name in ("networkSecurityGroup", "routeTable", "natGateway"):
            yield from (Link(it, "subnets", subnet, "list") for it in _ids(properties, name))


def _balancer(balancer: str, body: Json) -> Iterator[Link]:
    for frontend, properties in _children(balancer, body, "frontendIPConfigurations"):
        yield from (Link(it, "ipConfiguration", frontend, "one") for it in _ids(properties, "publicIPAddress"))
        yield from (Link(it, "ipConfigurations", frontend, "list") for it in _ids(properties, "subnet"))
    for rule, properties in _children(balancer, body, "loadBalancingRules"):
        yield from (Link(it, "loadBalancingRules", rule, "list") for it in _ids(properties, "backendAddressPool"))


def _machine(machine: str, body: Json) -> Iterator[Link]:
    properties = body.get("properties", {})
    for nic in _ids(properties, "networkProfile", "networkInterfaces"):
        yield Link(nic, "virtualMachine", machine, "one")
    storage = properties.get("storageProfile", {})
    for disk in [*_ids(storage, "osDisk", "managedDisk"), *_ids(storage, "dataDisks", "managedDisk")]:
        yield Link(disk, "managedBy", machine, "text")


def _site(site: str, body: Json) -> Iterator[Link]:
    for plan in _ids(body, "properties", "serverFarmId"):
        yield Link(plan, "numberOfSites", site, "count")


def _private_endpoint(endpoint: str, body: Json) -> Iterator[Link]:
    yield from (Link(it, "privateEndpoints", endpoint, "list") for it in _ids(body, "properties", "subnet"))
    for _, properties in _children(endpoint, body, "privateLinkServiceConnections"):
        for service in _ids(properties, "privateLinkServiceId"):
            yield Link(service, "privateEndpointConnections", endpoint, "connection")


_LINKS: dict[str, Callable[[str, Json], Iterator[Link]]] = {
    "microsoft.network/networkinterfaces": _interface,
    "microsoft.network/virtualnetworks": _network,
    "microsoft.network/loadbalancers": _balancer,
    "microsoft.network/privateendpoints": _private_endpoint,
    "microsoft.compute/virtualmachines": _machine,
    "microsoft.web/sites": _site,
}


def add(body: dict[str, Json], link: Link) -> None:
    """Make the link visible in the target's body (an embedded child's element is a body too)."""
    properties = body.setdefault("properties", {})
    if link.how == "list":
        properties.setdefault(link.field, []).append({"id": link.value})
    elif link.how == "one":
        properties[link.field] = {"id": link.value}
    elif link.how == "text":
        body[link.field] = link.value
        properties["diskState"] = "Attached"
    elif link.how == "count":
        properties[link.field] = properties.get(link.field, 0) + 1
    else:
        properties.setdefault(link.field, []).append(_connection(link))
    if link.field == "ipConfiguration":
        properties.setdefault("ipAddress", public_address(link.target))
    if link.field == "virtualMachine":
        properties |= {"macAddress": _mac_address(link.target), "primary": True}
        body["properties"] = properties


def remove(body: dict[str, Json], link: Link) -> None:
    """Take the link out of the target's body."""
    properties = body.setdefault("properties", {})
    if link.how == "list":
        gone = link.value.lower()
        properties[link.field] = [it for it in properties.get(link.field, []) if it["id"].lower() != gone]
        if not properties[link.field]:
            del properties[link.field]
    elif link.how == "one":
        properties.pop(link.field, None)
    elif link.how == "text":
        body.pop(link.field, None)
        properties["diskState"] = "Unattached"
    elif link.how == "count":
        properties[link.field] = max(0, properties.get(link.field, 0) - 1)
    else:
        name = _connection(link)["name"]
        properties[link.field] = [it for it in properties.get(link.field, []) if it.get("name") != name]
    if link.field == "ipConfiguration" and properties.get("publicIPAllocationMethod") != "Static":
        properties.pop("ipAddress", None)


def _connection(link: Link) -> dict[str, Json]:
    name = f"{link.value.rsplit('/', 1)[-1]}.{_digest(link.value).hex()[:8]}"
    state = {"status": "Approved", "description": "Auto-Approved", "actionRequired": "None"}
    return {
        "name": name,
        "id": f"{link.target}/privateEndpointConnections/{name}",
        "properties": {"privateEndpoint": {"id": link.value}, "privateLinkServiceConnectionState": state},
    }


def public_address(resource_id: str) -> str:
    """The address that a public IP gets: the same one for the same id."""
    first, second, third = _digest(resource_id)[:3]
    return f"20.{first}.{second}.{max(1, third)}"


def _mac_address(resource_id: str) -> str:
    return "-".join(["00", "0D", "3A", *(f"{byte:02X}" for byte in _digest(resource_id)[:3])])


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.lower().encode()).digest()
