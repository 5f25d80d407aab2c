"""The shop's applications: machines and disks, web apps, a cluster, identities, monitoring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from driftguard.sandbox.estate_network import MACHINES, network_id
from driftguard.sandbox.estate_parts import APP, MADE_AT, TENANT, fixed_guid, resource_id, tracked

Json = Any  # what json.loads gives
SITES = ("app-shop-web", "app-shop-api")
IDENTITIES = ("id-shop-web", "id-shop-deploy")
_PLAN = "Microsoft.Web/serverfarms/plan-shop"
_WORKSPACE = "Microsoft.OperationalInsights/workspaces/log-shop"
_CLUSTER = "Microsoft.ContainerService/managedClusters/aks-shop"


def resources() -> list[tuple[str, Mapping[str, Json]]]:
    """(id, body) in the order in which they can be made."""
    identities = [(f"Microsoft.ManagedIdentity/userAssignedIdentities/{name}", _identity(name)) for name in IDENTITIES]
    disks = [(f"Microsoft.Compute/disks/disk-{name}", _disk()) for name in MACHINES]
    machines = [(f"Microsoft.Compute/virtualMachines/vm-{name}", _machine(name)) for name in MACHINES]
    sites = [(f"Microsoft.Web/sites/{name}", _site(name)) for name in SITES]
    settings = [(f"Microsoft.Web/sites/{name}/config/web", _site_config()) for name in SITES]
    rest = [
        (_CLUSTER, _cluster()),
        (f"{_CLUSTER}/agentPools/system", _agent_pool()),
        (_WORKSPACE, _workspace()),
        ("microsoft.insights/components/appi-shop", _insights()),
        ("microsoft.insights/actionGroups/ag-shop", _action_group()),
        ("Microsoft.Compute/virtualMachineScaleSets/vmss-jobs", _scale_set()),
    ]
    made = [*identities, *disks, *machines, (_PLAN, _plan()), *sites, *settings, *rest]
    return [(resource_id(APP, path), body) for path, body in made]


def _identity(name: str) -> dict[str, Json]:
    ids = {"principalId": fixed_guid(f"{name} principal"), "clientId": fixed_guid(f"{name} client")}
    return tracked({"tenantId": TENANT, **ids})


def _disk() -> dict[str, Json]:
    properties = {
        "osType": "Linux",
        "hyperVGeneration": "V2",
        "creationData": {"createOption": "FromImage"},
        "diskSizeGB": 30,
        "diskIOPSReadWrite": 120,
        "diskMBpsReadWrite": 25,
        "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
        "timeCreated": MADE_AT,
    }
    return tracked(properties, sku={"name": "Premium_LRS", "tier": "Premium"}, zones=["1"])


def _machine(name: str) -> dict[str, Json]:
    ssh = [{"path": "/home/shop/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 shop"}]
    properties = {
        "vmId": fixed_guid(f"vm-{name}"),
        "timeCreated": MADE_AT,
        "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
        "storageProfile": {
            "imageReference": {
                "publisher": "Canonical",
                "offer": "ubuntu-24_04-lts",
                "sku": "server",
                "version": "latest",
                "exactVersion": "24.04.202601100",
            },
            "osDisk": {
                "osType": "Linux",
                "name": f"disk-{name}",
                "createOption": "FromImage",
                "caching": "ReadWrite",
                "managedDisk": {"id": resource_id(APP, f"Microsoft.Compute/disks/disk-{name}")},
                "diskSizeGB": 30,
            },
            "dataDisks": [],
        },
        "osProfile": {
            "computerName": f"vm-{name}",
            "adminUsername": "shop",
            "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": ssh}},
            "secrets": [],
            "allowExtensionOperations": True,
        },
        "networkProfile": {"networkInterfaces": [{"id": network_id(f"networkInterfaces/nic-{name}")}]},
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
    }
    return tracked(properties, zones=["1"])


def _plan() -> dict[str, Json]:
    properties = {"currentNumberOfWorkers": 2, "geoRegion": "West Europe", "reserved": True, "zoneRedundant": False}
    sku = {"name": "P1v3", "tier": "PremiumV3", "size": "P1v3", "family": "Pv3", "capacity": 2}
    return tracked(properties, kind="linux", sku=sku)


def _site(name: str) -> dict[str, Json]:
    host = f"{name}.azurewebsites.net"
    properties = {
        "hostNames": [host],
        "defaultHostName": host,
        "enabledHostNames": [host, f"{name}.scm.azurewebsites.net"],
        "usageState": "Normal",
        "availabilityState": "Normal",
        "serverFarmId": resource_id(APP, _PLAN),
        "httpsOnly": True,
        "clientAffinityEnabled": False,
        "lastModifiedTimeUtc": "2026-01-15T08:30:00.42",
        "outboundIpAddresses": "20.50.2.10,20.50.2.11",
        "siteConfig": {"numberOfWorkers": 1, "linuxFxVersion": "PYTHON|3.13", "alwaysOn": True, "http20Enabled": True},
    }
    identity = resource_id(APP, "Microsoft.ManagedIdentity/userAssignedIdentities/id-shop-web")
    return tracked(
        properties,
        kind="app,linux",
        identity={
            "type": "UserAssigned",
            "userAssignedIdentities": {
                identity: {
                    "principalId": fixed_guid("id-shop-web principal"),
                    "clientId": fixed_guid("id-shop-web client"),
                }
            },
        },
    )


def _site_config() -> dict[str, Json]:
    return {
        "location": "West Europe",
        "properties": {
            "numberOfWorkers": 1,
            "linuxFxVersion": "PYTHON|3.13",
            "alwaysOn": True,
            "http20Enabled": True,
            "minTlsVersion": "1.2",
            "ftpsState": "Disabled",
            "ipSecurityRestrictions": [{"ipAddress": "Any", "action": "Allow", "priority": 2147483647, "name": "all"}],
        },
    }


def _agent_pool() -> dict[str, Json]:
    profile = {
        "count": 3,
        "vmSize": "Standard_D4s_v5",
        "mode": "System",
        "osType": "Linux",
        "type": "VirtualMachineScaleSets",
    }
    return {"properties": {**profile, "orchestratorVersion": "1.33.2", "enableAutoScaling": False}}


def _cluster() -> dict[str, Json]:
    properties = {
        "kubernetesVersion": "1.33.2",
        "dnsPrefix": "aks-shop",
        "fqdn": "aks-shop-1a2b3c4d.hcp.westeurope.azmk8s.io",
        "enableRBAC": True,
        "nodeResourceGroup": "MC_rg-shop-app_aks-shop_westeurope",
        "networkProfile": {"networkPlugin": "azure", "serviceCidr": "10.30.0.0/16", "dnsServiceIP": "10.30.0.10"},
        "powerState": {"code": "Running"},
    }
    return tracked(properties, sku={"name": "Base", "tier": "Standard"}, identity={"type": "SystemAssigned"})


def _workspace() -> dict[str, Json]:
    properties = {
        "customerId": fixed_guid("log-shop"),
        "sku": {"name": "PerGB2018", "lastSkuUpdate": MADE_AT},
        "retentionInDays": 30,
        "workspaceCapping": {"dailyQuotaGb": -1.0, "dataIngestionStatus": "RespectQuota"},
        "publicNetworkAccessForIngestion": "Enabled",
        "publicNetworkAccessForQuery": "Enabled",
        "createdDate": MADE_AT,
        "modifiedDate": MADE_AT,
    }
    return tracked(properties)


def _insights() -> dict[str, Json]:
    key = fixed_guid("appi-shop key")
    properties = {
        "Ver": "v2",
        "AppId": fixed_guid("appi-shop"),
        "Application_Type": "web",
        "Flow_Type": "Bluefield",
        "InstrumentationKey": key,
        "ConnectionString": f"InstrumentationKey={key};IngestionEndpoint=https://westeurope.in.applicationinsights.azure.com/",
        "CreationDate": MADE_AT,
        "TenantId": TENANT,
        "WorkspaceResourceId": resource_id(APP, _WORKSPACE),
        "RetentionInDays": 90,
    }
    return tracked(properties, kind="web")


def _action_group() -> dict[str, Json]:
    receivers = [
        {"name": "on-call", "emailAddress": "oncall@contoso.com", "useCommonAlertSchema": True, "status": "Enabled"}
    ]
    return {
        "location": "Global",
        "properties": {"groupShortName": "shop", "enabled": True, "emailReceivers": receivers},
    }


def _scale_set() -> dict[str, Json]:
    properties = {
        "orchestrationMode": "Flexible",
        "upgradePolicy": {"mode": "Manual"},
        "uniqueId": fixed_guid("vmss-jobs"),
        "platformFaultDomainCount": 1,
        "singlePlacementGroup": False,
    }
    return tracked(properties, sku={"name": "Standard_D2s_v5", "tier": "Standard", "capacity": 2})
