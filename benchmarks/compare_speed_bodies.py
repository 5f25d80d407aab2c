"""Resource bodies of a wanted size, made from a seed: a network security group, a virtual network, a load balancer."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

NETWORK = "Microsoft.Network"
_GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-shop/providers"
_ETAG = 'W/"00000000-0000-0000-0000-00000000000a"'
Body = dict[str, Any]


def bodies(size: int, seed: int = 1) -> list[Body]:
    """One body of each type, each of about `size` bytes of JSON."""
    return [_grown(make, size, seed) for make in (_security_group, _network, _load_balancer)]


def with_one_leaf_changed(body: Body) -> Body:
    """The body as it is read again, with one value in the middle of its longest list changed."""
    again = read_again(body)
    longest = max((value for value in again["properties"].values() if isinstance(value, list)), key=len)
    changed = longest[len(longest) // 2]["properties"]
    name = next(name for name, value in changed.items() if isinstance(value, str) and name != "provisioningState")
    changed[name] += "x"
    return again


def read_again(body: Body) -> Body:
    """The same body from another answer: nothing of it is the same object."""
    again: Body = json.loads(json.dumps(body))
    return again


def _grown(make: Callable[[random.Random, int], Body], size: int, seed: int) -> Body:
    one, two = (len(json.dumps(make(random.Random(seed), count))) for count in (10, 20))
    return make(random.Random(seed), max(1, round((size - 2 * one + two) / ((two - one) / 10))))


def _resource(kind: str, name: str, properties: Body) -> Body:
    return {
        "name": name,
        "id": f"{_GROUP}/{NETWORK}/{kind}/{name}",
        "etag": _ETAG,
        "type": f"{NETWORK}/{kind}",
        "location": "westeurope",
        "tags": {"owner": "shop", "stage": "production"},
        "properties": {"provisioningState": "Succeeded", "resourceGuid": "00000000-0000-0000-0000-0000000000aa"}
        | properties,
    }


def _child(parent: str, kind: str, name: str, properties: Body) -> Body:
    child_id = f"{_GROUP}/{NETWORK}/{parent}/{kind}/{name}"
    return {
        "name": name,
        "id": child_id,
        "etag": _ETAG,
        "properties": {"provisioningState": "Succeeded"} | properties,
        "type": f"{NETWORK}/{parent.split('/')[0]}/{kind}",
    }


def _security_group(chance: random.Random, count: int) -> Body:
    rules = [
        _child(
            "networkSecurityGroups/nsg",
            "securityRules",
            f"rule-{number}",
            {
                "description": "",
                "protocol": chance.choice(["Tcp", "Udp", "*"]),
                "sourcePortRange": "*",
                "destinationPortRange": str(chance.randrange(1, 65535)),
                "sourceAddressPrefix": _prefix(chance, number),
                "destinationAddressPrefix": "VirtualNetwork",
                "access": chance.choice(["Allow", "Deny"]),
                "priority": 100 + number,
                "direction": chance.choice(["Inbound", "Outbound"]),
                "sourcePortRanges": [],
                "destinationPortRanges": [],
                "sourceAddressPrefixes": [],
                "destinationAddressPrefixes": [],
            },
        )
        for number in range(count)
    ]
    return _resource("networkSecurityGroups", "nsg", {"securityRules": rules, "defaultSecurityRules": []})


def _network(chance: random.Random, count: int) -> Body:
    subnets = [
        _child(
            "virtualNetworks/vnet",
            "subnets",
            f"subnet-{number}",
            {
                "addressPrefix": _prefix(chance, number),
                "networkSecurityGroup": {"id": f"{_GROUP}/{NETWORK}/networkSecurityGroups/nsg-{number % 5}"},
                "serviceEndpoints": [{"service": "Microsoft.Storage", "locations": ["westeurope", "northeurope"]}],
                "ipConfigurations": [
                    {"id": f"{_GROUP}/{NETWORK}/networkInterfaces/nic-{number}-{nic}/ipConfigurations/ipconfig"}
                    for nic in range(chance.randrange(4))
                ],
                "delegations": [],
                "privateEndpointNetworkPolicies": "Disabled",
            },
        )
        for number in range(count)
    ]
    space = {"addressPrefixes": ["10.0.0.0/8", "2001:db8::/32"]}
    return _resource("virtualNetworks", "vnet", {"addressSpace": space, "subnets": subnets})


def _load_balancer(chance: random.Random, count: int) -> Body:
    parent = "loadBalancers/lb"
    front = {"id": f"{_GROUP}/{NETWORK}/{parent}/frontendIPConfigurations/front"}
    parts: dict[str, list[Body]] = {"loadBalancingRules": [], "probes": [], "inboundNatRules": []}
    for number in range(count):
        port = chance.randrange(1, 65535)
        probe = _child(parent, "probes", f"probe-{number}", {"protocol": "Tcp", "port": port, "intervalInSeconds": 15})
        rule = {"frontendIPConfiguration": front, "protocol": "Tcp", "frontendPort": port, "backendPort": port}
        balanced = rule | {"enableFloatingIP": False, "idleTimeoutInMinutes": 4, "probe": {"id": probe["id"]}}
        parts["probes"].append(probe)
        parts["loadBalancingRules"].append(_child(parent, "loadBalancingRules", f"rule-{number}", balanced))
        parts["inboundNatRules"].append(_child(parent, "inboundNatRules", f"nat-{number}", rule))
    address = {"privateIPAddress": "10.0.0.4", "privateIPAllocationMethod": "Dynamic", "zones": ["1", "2", "3"]}
    fronts = [_child(parent, "frontendIPConfigurations", "front", address)]
    return _resource("loadBalancers", "lb", {"frontendIPConfigurations": fronts, **parts})


def _prefix(chance: random.Random, number: int) -> str:
    return f"10.{number // 250}.{number % 250}.0/{chance.randrange(24, 29)}"
