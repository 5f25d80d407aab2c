"""The shop's data: storage, key vaults, SQL, container registry, service bus, search, and the private endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from driftguard.sandbox import estate_network
from driftguard.sandbox.estate_parts import DATA, MADE_AT, TENANT, fixed_guid, resource_id, tracked

Json = Any  # what json.loads gives
VAULTS = ("kv-shop-prod", "kv-shop-certs")
ACCOUNTS = ("stshopdata", "stshoplogs", "stshopweb")
_SERVER = "Microsoft.Sql/servers/sql-shop"


def resources() -> list[tuple[str, Mapping[str, Json]]]:
    """(id, body) in the order in which they can be made."""
    return [
        *((resource_id(DATA, f"Microsoft.Storage/storageAccounts/{name}"), _account(name)) for name in ACCOUNTS),
        estate_network.private_endpoint(),
        *((resource_id(DATA, f"Microsoft.KeyVault/vaults/{name}"), _vault(name)) for name in VAULTS),
        (resource_id(DATA, _SERVER), _sql_server()),
        *((resource_id(DATA, f"{_SERVER}/databases/{name}"), _database(name)) for name in ("orders", "catalog")),
        (resource_id(DATA, f"{_SERVER}/firewallRules/office"), _firewall_rule("203.0.113.0", "203.0.113.15")),
        (resource_id(DATA, f"{_SERVER}/firewallRules/AllowAllWindowsAzureIps"), _firewall_rule("0.0.0.0", "0.0.0.0")),
        (resource_id(DATA, "Microsoft.ContainerRegistry/registries/crshop"), _registry()),
        (resource_id(DATA, "Microsoft.ServiceBus/namespaces/sb-shop"), _service_bus()),
        (resource_id(DATA, "Microsoft.ServiceBus/namespaces/sb-shop/queues/orders"), _queue()),
        (resource_id(DATA, "Microsoft.Search/searchServices/srch-shop"), _search()),
    ]


def _account(name: str) -> dict[str, Json]:
    properties = {
        "creationTime": MADE_AT,
        "primaryLocation": "westeurope",
        "statusOfPrimary": "available",
        "accessTier": "Hot",
        "publicNetworkAccess": "Enabled",
        "allowSharedKeyAccess": False,
        "keyCreationTime": {"key1": MADE_AT, "key2": MADE_AT},
        "primaryEndpoints": {it: f"https://{name}.{it}.core.windows.net/" for it in ("blob", "queue", "table", "file")},
        "encryption": {
            "services": {it: {"keyType": "Account", "enabled": True} for it in ("blob", "file")},
            "keySource": "Microsoft.Storage",
        },
        "networkAcls": {
            "bypass": "AzureServices",
            "virtualNetworkRules": [],
            "ipRules": [{"value": "203.0.113.0/28", "action": "Allow"}],
            "defaultAction": "Deny",
        },
    }
    return tracked(properties, sku={"name": "Standard_ZRS", "tier": "Standard"}, kind="StorageV2")


def _vault(name: str) -> dict[str, Json]:
    properties = {
        "sku": {"family": "A", "name": "standard"},
        "tenantId": TENANT,
        "accessPolicies": [],
        "enabledForDeployment": False,
        "enableSoftDelete": True,
        "softDeleteRetentionInDays": 90,
        "enablePurgeProtection": True,
        "enableRbacAuthorization": True,
        "publicNetworkAccess": "Enabled",
        "networkAcls": {"bypass": "AzureServices", "defaultAction": "Deny", "ipRules": [{"value": "203.0.113.5/32"}]},
        "vaultUri": f"https://{name}.vault.azure.net/",
    }
    return tracked(properties)


def _sql_server() -> dict[str, Json]:
    properties = {
        "administratorLogin": "shopadmin",
        "version": "12.0",
        "state": "Ready",
        "fullyQualifiedDomainName": "sql-shop.database.windows.net",
        "privateEndpointConnections": [],
        "minimalTlsVersion": "1.2",
        "publicNetworkAccess": "Enabled",
        "restrictOutboundNetworkAccess": "Disabled",
    }
    return tracked(properties, kind="v12.0")


def _database(name: str) -> dict[str, Json]:
    properties = {
        "collation": "SQL_Latin1_General_CP1_CI_AS",
        "maxSizeBytes": 268435456000,
        "status": "Online",
        "databaseId": fixed_guid(f"db-{name}"),
        "creationDate": MADE_AT,
        "currentServiceObjectiveName": "S1",
        "requestedServiceObjectiveName": "S1",
        "zoneRedundant": False,
        "readScale": "Disabled",
        "requestedBackupStorageRedundancy": "Geo",
    }
    return tracked(properties, sku={"name": "Standard", "tier": "Standard", "capacity": 20}, kind="v12.0,user")


def _firewall_rule(first: str, last: str) -> dict[str, Json]:
    return {"properties": {"startIpAddress": first, "endIpAddress": last}}


def _registry() -> dict[str, Json]:
    properties = {
        "loginServer": "crshop.azurecr.io",
        "creationDate": MADE_AT,
        "adminUserEnabled": False,
        "policies": {
            "quarantinePolicy": {"status": "disabled"},
            "trustPolicy": {"type": "Notary", "status": "disabled"},
            "retentionPolicy": {"days": 7, "status": "disabled"},
        },
        "publicNetworkAccess": "Enabled",
        "zoneRedundancy": "Disabled",
    }
    return tracked(properties, sku={"name": "Premium", "tier": "Premium"})


def _service_bus() -> dict[str, Json]:
    properties = {
        "minimumTlsVersion": "1.2",
        "publicNetworkAccess": "Enabled",
        "disableLocalAuth": True,
        "zoneRedundant": True,
        "status": "Active",
        "serviceBusEndpoint": "https://sb-shop.servicebus.windows.net:443/",
    }
    return tracked(properties, sku={"name": "Standard", "tier": "Standard"})


def _queue() -> dict[str, Json]:
    properties = {
        "lockDuration": "PT1M",
        "maxSizeInMegabytes": 1024,
        "maxDeliveryCount": 10,
        "deadLetteringOnMessageExpiration": True,
        "defaultMessageTimeToLive": "P14D",
        "status": "Active",
    }
    return {"properties": properties}


def _search() -> dict[str, Json]:
    properties = {"replicaCount": 1, "partitionCount": 1, "hostingMode": "default", "publicNetworkAccess": "enabled"}
    return tracked(properties, sku={"name": "basic"})
