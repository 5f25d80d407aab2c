"""What ARM adds to the bodies of some types: embedded children, read-only properties, defaults. Literal tables.

Rules:
- Keys are types in lower case. A type that is not listed keeps its body as written.
- An embedded child (a subnet, a security rule) lives in a list of its parent's properties; reading it reads that list.
- A read-only property in a written body is dropped, and the one that stands is kept.
- A default fills what a written body leaves out.

Shapes: recorded traffic and the published schemas of the types.
"""

from __future__ import annotations

from typing import Any

Json = Any  # what json.loads gives

EMBEDDED: dict[str, tuple[str, ...]] = {
    "microsoft.network/virtualnetworks": ("subnets", "virtualNetworkPeerings"),
    "microsoft.network/networksecuritygroups": ("securityRules", "defaultSecurityRules"),
    "microsoft.network/routetables": ("routes",),
    "microsoft.network/networkinterfaces": ("ipConfigurations", "tapConfigurations"),
    "microsoft.network/loadbalancers": (
        "frontendIPConfigurations",
        "backendAddressPools",
        "loadBalancingRules",
        "probes",
        "inboundNatRules",
        "outboundRules",
    ),
    "microsoft.network/privateendpoints": ("privateLinkServiceConnections",),
}

READ_ONLY: dict[str, tuple[str, ...]] = {
    "microsoft.network/virtualnetworks": ("resourceGuid",),
    "microsoft.network/virtualnetworks/subnets": ("ipConfigurations", "privateEndpoints", "purpose"),
    "microsoft.network/networksecuritygroups": (
        "resourceGuid",
        "defaultSecurityRules",
        "networkInterfaces",
        "subnets",
    ),
    "microsoft.network/routetables": ("resourceGuid", "subnets"),
    "microsoft.network/networkinterfaces": (
        "resourceGuid",
        "macAddress",
        "virtualMachine",
        "primary",
        "privateEndpoint",
        "hostedWorkloads",
        "vnetEncryptionSupported",
    ),
    "microsoft.network/publicipaddresses": ("resourceGuid", "ipAddress", "ipConfiguration"),
    "microsoft.network/loadbalancers": ("resourceGuid",),
    "microsoft.network/loadbalancers/backendaddresspools": ("backendIPConfigurations", "loadBalancingRules"),
    "microsoft.network/privateendpoints": ("resourceGuid", "networkInterfaces"),
    "microsoft.network/natgateways": ("resourceGuid", "subnets"),
    "microsoft.network/dnszones": ("nameServers", "numberOfRecordSets", "maxNumberOfRecordSets"),
    "microsoft.compute/virtualmachines": ("vmId", "timeCreated"),
    "microsoft.compute/disks": ("timeCreated", "uniqueId", "diskState", "diskSizeBytes"),
    "microsoft.storage/storageaccounts": (
        "creationTime",
        "primaryEndpoints",
        "primaryLocation",
        "statusOfPrimary",
        "privateEndpointConnections",
        "keyCreationTime",
    ),
    "microsoft.keyvault/vaults": ("vaultUri", "privateEndpointConnections"),
    "microsoft.web/serverfarms": ("numberOfSites", "currentNumberOfWorkers", "serverFarmId", "status", "geoRegion"),
    "microsoft.web/sites": (
        "state",
        "hostNames",
        "defaultHostName",
        "enabledHostNames",
        "lastModifiedTimeUtc",
        "outboundIpAddresses",
        "availabilityState",
        "usageState",
    ),
    "microsoft.sql/servers": ("fullyQualifiedDomainName", "state", "privateEndpointConnections"),
    "microsoft.sql/servers/databases": ("databaseId", "creationDate", "currentServiceObjectiveName", "status"),
    "microsoft.managedidentity/userassignedidentities": ("principalId", "clientId", "tenantId"),
    "microsoft.insights/components": ("AppId", "InstrumentationKey", "ConnectionString", "CreationDate", "TenantId"),
    "microsoft.operationalinsights/workspaces": ("customerId", "createdDate", "modifiedDate"),
    "microsoft.containerregistry/registries": ("loginServer", "creationDate"),
}
# Top-level properties that the platform writes.
READ_ONLY_TOP: dict[str, tuple[str, ...]] = {"microsoft.compute/disks": ("managedBy",)}


def _default_rule(
    name: str, priority: int, direction: str, source: str, target: str, access: str, description: str
) -> dict[str, Json]:
    return {
        "name": name,
        "properties": {
            "description": description,
            "protocol": "*",
            "sourcePortRange": "*",
            "destinationPortRange": "*",
            "sourceAddressPrefix": source,
            "destinationAddressPrefix": target,
            "access": access,
            "priority": priority,
            "direction": direction,
            "sourcePortRanges": [],
            "destinationPortRanges": [],
            "sourceAddressPrefixes": [],
            "destinationAddressPrefixes": [],
        },
    }


DEFAULT_SECURITY_RULES: list[Json] = [
    _default_rule(*row)
    for row in (
        ("AllowVnetInBound", 65000, "Inbound", "VirtualNetwork", "VirtualNetwork", "Allow", "Allow inbound from VNET"),
        ("AllowAzureLoadBalancerInBound", 65001, "Inbound", "AzureLoadBalancer", "*", "Allow", "Allow inbound from LB"),
        ("DenyAllInBound", 65500, "Inbound", "*", "*", "Deny", "Deny all inbound"),
        ("AllowVnetOutBound", 65000, "Outbound", "VirtualNetwork", "VirtualNetwork", "Allow", "Allow outbound to VNET"),
        ("AllowInternetOutBound", 65001, "Outbound", "*", "Internet", "Allow", "Allow outbound to Internet"),
        ("DenyAllOutBound", 65500, "Outbound", "*", "*", "Deny", "Deny all outbound"),
    )
]
_RULE: dict[str, Json] = {
    "sourcePortRanges": [],
    "destinationPortRanges": [],
    "sourceAddressPrefixes": [],
    "destinationAddressPrefixes": [],
}

DEFAULTS: dict[str, dict[str, Json]] = {
    "microsoft.network/virtualnetworks": {
        "addressSpace": {"addressPrefixes": []},
        "subnets": [],
        "virtualNetworkPeerings": [],
        "enableDdosProtection": False,
        "privateEndpointVNetPolicies": "Disabled",
    },
    "microsoft.network/virtualnetworks/subnets": {
        "delegations": [],
        "privateEndpointNetworkPolicies": "Disabled",
        "privateLinkServiceNetworkPolicies": "Enabled",
    },
    "microsoft.network/networksecuritygroups": {
        "securityRules": [],
        "defaultSecurityRules": DEFAULT_SECURITY_RULES,
    },
    "microsoft.network/networksecuritygroups/securityrules": _RULE,
    "microsoft.network/routetables": {"disableBgpRoutePropagation": False, "routes": []},
    "microsoft.network/routetables/routes": {"hasBgpOverride": False},
    "microsoft.network/networkinterfaces": {
        "ipConfigurations": [],
        "dnsSettings": {"dnsServers": [], "appliedDnsServers": []},
        "enableAcceleratedNetworking": False,
        "enableIPForwarding": False,
        "disableTcpStateTracking": False,
        "hostedWorkloads": [],
        "tapConfigurations": [],
        "nicType": "Standard",
        "auxiliaryMode": "None",
        "auxiliarySku": "None",
    },
    "microsoft.network/networkinterfaces/ipconfigurations": {
        "privateIPAllocationMethod": "Dynamic",
        "primary": True,
        "privateIPAddressVersion": "IPv4",
    },
    "microsoft.network/publicipaddresses": {
        "publicIPAddressVersion": "IPv4",
        "publicIPAllocationMethod": "Dynamic",
        "idleTimeoutInMinutes": 4,
        "ipTags": [],
    },
    "microsoft.network/loadbalancers": {
        "frontendIPConfigurations": [],
        "backendAddressPools": [],
        "loadBalancingRules": [],
        "probes": [],
        "inboundNatRules": [],
        "outboundRules": [],
        "inboundNatPools": [],
    },
    "microsoft.network/natgateways": {"idleTimeoutInMinutes": 4},
    "microsoft.compute/disks": {"diskState": "Unattached", "networkAccessPolicy": "AllowAll"},
    "microsoft.web/serverfarms": {"numberOfSites": 0, "perSiteScaling": False, "status": "Ready"},
    "microsoft.web/sites": {"state": "Running", "enabled": True, "httpsOnly": False, "clientAffinityEnabled": True},
    "microsoft.storage/storageaccounts": {
        "minimumTlsVersion": "TLS1_2",
        "allowBlobPublicAccess": False,
        "supportsHttpsTrafficOnly": True,
        "networkAcls": {"bypass": "AzureServices", "virtualNetworkRules": [], "ipRules": [], "defaultAction": "Allow"},
        "privateEndpointConnections": [],
    },
}

# Properties that an older api-version does not know: (first api-version that shows it).
SINCE: dict[str, dict[str, str]] = {
    "microsoft.network/virtualnetworks": {"privateEndpointVNetPolicies": "2024-03-01"},
    "microsoft.network/networkinterfaces": {"disableTcpStateTracking": "2022-07-01", "auxiliarySku": "2023-05-01"},
    "microsoft.storage/storageaccounts": {"publicNetworkAccess": "2021-06-01"},
}

_WITH_STATE = (
    "microsoft.network/",
    "microsoft.compute/",
    "microsoft.storage/storageaccounts",
    "microsoft.keyvault/vaults",
    "microsoft.containerregistry/",
    "microsoft.containerservice/",
    "microsoft.operationalinsights/workspaces",
    "microsoft.insights/components",
    "microsoft.web/serverfarms",
    "microsoft.resources/resourcegroups",
    "microsoft.resources/deployments",
    "microsoft.servicebus/",
)
_WITHOUT_STATE = ("microsoft.network/dnszones/", "microsoft.network/privatednszones/")
_WITH_SYSTEM_DATA = (
    "microsoft.keyvault/",
    "microsoft.containerregistry/",
    "microsoft.containerservice/",
    "microsoft.operationalinsights/",
    "microsoft.servicebus/",
    "microsoft.search/",
    "microsoft.network/privatednszones",
    "microsoft.authorization/locks",
    "microsoft.cognitiveservices/",
)


def has_state(resource_type: str) -> bool:
    """Whether the type shows `properties.provisioningState`."""
    name = resource_type.lower()
    return name.startswith(_WITH_STATE) and not name.startswith(_WITHOUT_STATE)


def has_system_data(resource_type: str) -> bool:
    """Whether the type shows `systemData`."""
    return resource_type.lower().startswith(_WITH_SYSTEM_DATA)


def going_on(resource_type: str) -> str:
    """The provisioningState of a type while a write goes on."""
    return "Running" if resource_type.lower() == "microsoft.resources/deployments" else "Updating"


# Types whose PUT goes on after its answer: seconds of the virtual clock until Succeeded.
ASYNC: dict[str, float] = {
    "microsoft.network/virtualnetworks": 0,
    "microsoft.network/networksecuritygroups": 0,
    "microsoft.network/publicipaddresses": 0,
    "microsoft.network/networkinterfaces": 0,
    "microsoft.network/loadbalancers": 0,
    "microsoft.network/routetables": 0,
    "microsoft.network/natgateways": 0,
    "microsoft.network/privateendpoints": 0,
    "microsoft.compute/virtualmachines": 0,
    "microsoft.compute/virtualmachinescalesets": 0,
    "microsoft.containerservice/managedclusters": 0,
    "microsoft.resources/deployments": 0,
}
