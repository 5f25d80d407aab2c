"""The shop's network: virtual network, security groups, routes, addresses, load balancer, interfaces, DNS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from driftguard.sandbox.effects import public_address
from driftguard.sandbox.estate_parts import DATA, NETWORK, TAGS, fixed_guid, resource_id, tracked

Json = Any  # what json.loads gives
TIERS = {"web": "10.20.1.0/24", "app": "10.20.2.0/24", "data": "10.20.3.0/24"}
MACHINES = ("web-1", "web-2", "app-1")


def network_id(path: str) -> str:
    """The id of a network resource; `path` is such as `virtualNetworks/vnet-shop`."""
    return resource_id(NETWORK, f"Microsoft.Network/{path}")


def resources() -> list[tuple[str, Mapping[str, Json]]]:
    """(id, body) in the order in which they can be made."""
    return [
        *((network_id(f"networkSecurityGroups/nsg-{tier}"), _security_group(tier)) for tier in TIERS),
        (network_id("routeTables/rt-shop"), _route_table()),
        (network_id("natGateways/nat-shop"), _nat_gateway()),
        (network_id("virtualNetworks/vnet-shop"), _virtual_network()),
        *((network_id(f"publicIPAddresses/pip-{name}"), _public_address(name)) for name in ("web", "jump")),
        (network_id("loadBalancers/lb-web"), _balancer()),
        *((network_id(f"networkInterfaces/nic-{name}"), _interface(name)) for name in MACHINES),
        (network_id("ipGroups/ipg-offices"), tracked({"ipAddresses": ["203.0.113.0/28", "198.51.100.64/28"]})),
        (network_id("dnsZones/shop.contoso.com"), _dns_zone()),
        (
            network_id("dnsZones/shop.contoso.com/A/www"),
            _address_record(public_address(network_id("publicIPAddresses/pip-web"))),
        ),
        (network_id("dnsZones/shop.contoso.com/A/api"), _address_record("20.50.2.201")),
        (network_id("privateDnsZones/privatelink.blob.core.windows.net"), _private_zone()),
        (f"{network_id('dnsZones/shop.contoso.com')}/providers/Microsoft.Authorization/locks/keep", _lock()),
    ]


def private_endpoint() -> tuple[str, Mapping[str, Json]]:
    """The private endpoint of the shop's storage account, to be made after the account."""
    account = resource_id(DATA, "Microsoft.Storage/storageAccounts/stshopdata")
    connection = {"privateLinkServiceId": account, "groupIds": ["blob"], "requestMessage": ""}
    properties = {
        "resourceGuid": fixed_guid("pe-blob"),
        "subnet": {"id": network_id("virtualNetworks/vnet-shop/subnets/data")},
        "privateLinkServiceConnections": [{"name": "blob", "properties": connection}],
        "manualPrivateLinkServiceConnections": [],
        "customDnsConfigs": [{"fqdn": "stshopdata.blob.core.windows.net", "ipAddresses": ["10.20.3.20"]}],
    }
    return network_id("privateEndpoints/pe-blob"), tracked(properties)


def _rule(name: str, priority: int, port: str, source: str, access: str = "Allow") -> dict[str, Json]:
    properties = {
        "protocol": "Tcp",
        "sourcePortRange": "*",
        "destinationPortRange": port,
        "sourceAddressPrefix": source,
        "destinationAddressPrefix": "*",
        "access": access,
        "priority": priority,
        "direction": "Inbound",
    }
    return {"name": name, "properties": properties}


def _security_group(tier: str) -> dict[str, Json]:
    rules = {
        "web": [_rule("allow-https", 100, "443", "Internet"), _rule("allow-probe", 110, "8080", "AzureLoadBalancer")],
        "app": [_rule("allow-web", 100, "8443", TIERS["web"]), _rule("allow-ssh-office", 200, "22", "203.0.113.0/28")],
        "data": [_rule("allow-sql", 100, "1433", TIERS["app"]), _rule("deny-rest", 4000, "*", "*", "Deny")],
    }
    return tracked({"resourceGuid": fixed_guid(f"nsg-{tier}"), "securityRules": rules[tier]})


def _route_table() -> dict[str, Json]:
    route = {"addressPrefix": "0.0.0.0/0", "nextHopType": "VirtualAppliance", "nextHopIpAddress": "10.20.0.4"}
    routes = [{"name": "to-firewall", "properties": route}]
    return tracked({"resourceGuid": fixed_guid("rt"), "disableBgpRoutePropagation": True, "routes": routes})


def _nat_gateway() -> dict[str, Json]:
    return tracked({"resourceGuid": fixed_guid("nat"), "idleTimeoutInMinutes": 10}, sku={"name": "Standard"})


def _virtual_network() -> dict[str, Json]:
    subnets = [_subnet(tier, prefix) for tier, prefix in TIERS.items()]
    properties = {
        "resourceGuid": fixed_guid("vnet"),
        "addressSpace": {"addressPrefixes": ["10.20.0.0/16"]},
        "dhcpOptions": {"dnsServers": ["10.20.0.10"]},
        "subnets": subnets,
    }
    return tracked(properties)


def _subnet(tier: str, prefix: str) -> dict[str, Json]:
    properties: dict[str, Json] = {
        "addressPrefix": prefix,
        "networkSecurityGroup": {"id": network_id(f"networkSecurityGroups/nsg-{tier}")},
        "serviceEndpoints": [{"service": "Microsoft.Storage", "locations": ["westeurope", "northeurope"]}],
    }
    if tier == "app":
        properties["routeTable"] = {"id": network_id("routeTables/rt-shop")}
        properties["natGateway"] = {"id": network_id("natGateways/nat-shop")}
    return {"name": tier, "properties": properties}


def _public_address(name: str) -> dict[str, Json]:
    properties = {
        "resourceGuid": fixed_guid(f"pip-{name}"),
        "publicIPAllocationMethod": "Static",
        "ipAddress": public_address(network_id(f"publicIPAddresses/pip-{name}")),
        "dnsSettings": {"domainNameLabel": f"shop-{name}", "fqdn": f"shop-{name}.westeurope.cloudapp.azure.com"},
    }
    return tracked(properties, sku={"name": "Standard", "tier": "Regional"}, zones=["1", "2", "3"])


def _balancer() -> dict[str, Json]:
    balancer = network_id("loadBalancers/lb-web")
    frontend = {"publicIPAddress": {"id": network_id("publicIPAddresses/pip-web")}}
    rule = {
        "frontendIPConfiguration": {"id": f"{balancer}/frontendIPConfigurations/public"},
        "backendAddressPool": {"id": f"{balancer}/backendAddressPools/web"},
        "probe": {"id": f"{balancer}/probes/health"},
        "protocol": "Tcp",
        "frontendPort": 443,
        "backendPort": 443,
        "idleTimeoutInMinutes": 4,
        "loadDistribution": "Default",
    }
    probe = {"protocol": "Http", "port": 8080, "requestPath": "/health", "intervalInSeconds": 15, "numberOfProbes": 2}
    properties = {
        "resourceGuid": fixed_guid("lb"),
        "frontendIPConfigurations": [{"name": "public", "properties": frontend}],
        "backendAddressPools": [{"name": "web", "properties": {}}],
        "loadBalancingRules": [{"name": "https", "properties": rule}],
        "probes": [{"name": "health", "properties": probe}],
    }
    return tracked(properties, sku={"name": "Standard", "tier": "Regional"})


def _interface(name: str) -> dict[str, Json]:
    tier, _, number = name.partition("-")
    address = TIERS[tier].replace("0/24", f"1{number}")
    config: dict[str, Json] = {
        "privateIPAddress": address,
        "privateIPAllocationMethod": "Dynamic",
        "subnet": {"id": network_id(f"virtualNetworks/vnet-shop/subnets/{tier}")},
    }
    if tier == "web":
        config["loadBalancerBackendAddressPools"] = [{"id": network_id("loadBalancers/lb-web/backendAddressPools/web")}]
    else:
        config["publicIPAddress"] = {"id": network_id("publicIPAddresses/pip-jump")}
    configs = [{"name": "ipconfig1", "properties": config}]
    return tracked({"resourceGuid": fixed_guid(f"nic-{name}"), "ipConfigurations": configs})


def _lock() -> dict[str, Json]:
    return {"properties": {"level": "CanNotDelete", "notes": "the shop's public name"}}


def _dns_zone() -> dict[str, Json]:
    properties = {
        "maxNumberOfRecordSets": 10000,
        "numberOfRecordSets": 4,
        "nameServers": [f"ns{n}-01.azure-dns.example." for n in (1, 2, 3, 4)],
        "zoneType": "Public",
    }
    return {"location": "global", "tags": dict(TAGS), "properties": properties}


def _private_zone() -> dict[str, Json]:
    properties = {"maxNumberOfRecordSets": 25000, "numberOfRecordSets": 2}
    return {"location": "global", "tags": dict(TAGS), "properties": properties}


def _address_record(address: str) -> dict[str, Json]:
    return {"properties": {"TTL": 300, "ARecords": [{"ipv4Address": address}], "targetResource": {}}}
