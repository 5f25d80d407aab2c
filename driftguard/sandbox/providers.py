"""Resource providers: which types there are, and at which api-versions.

Rules:
- A literal table: namespace, types, api-versions newest first, previews included, as ARM lists them.
- A call with an api-version that the type does not have is refused with the list of those that it has.
- A type or namespace that is not in the table is refused with 404 InvalidResourceType or InvalidResourceNamespace:
  a 404 that does not mean that a resource is gone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from driftguard.sandbox.answers import Refused, error, missing_api_version

Json = Any  # what json.loads gives
_FORM = re.compile(r"\d{4}-\d{2}-\d{2}(-[a-z]+)?\Z")
_NETWORK = (
    "2025-07-01 2025-05-01 2025-03-01 2025-01-01 2024-10-01 2024-07-01 2024-05-01 2024-03-01 2024-01-01 "
    "2023-11-01 2023-09-01 2023-06-01 2023-05-01 2023-04-01 2023-02-01 2022-11-01 2022-07-01 2022-01-01 "
    "2021-08-01 2021-05-01 2021-02-01 2020-11-01 2020-06-01 2019-11-01"
)
_COMPUTE = "2025-04-01 2024-11-01 2024-07-01 2024-03-01 2023-09-01 2023-03-01 2022-11-01 2022-03-01 2021-07-01"
_WEB = "2025-03-01 2024-11-01 2024-04-01 2023-12-01 2023-01-01 2022-09-01 2022-03-01 2021-02-01 2018-02-01"
_SQL = "2024-11-01-preview 2024-05-01-preview 2023-08-01 2023-08-01-preview 2021-11-01 2014-04-01"
_STORAGE = "2025-06-01 2025-01-01 2024-01-01 2023-05-01 2023-01-01 2022-09-01 2021-09-01 2021-04-01 2019-06-01"
_KEYVAULT = "2026-02-01-preview 2025-05-01 2024-11-01 2023-07-01 2022-07-01 2021-10-01 2019-09-01"

# namespace -> ((types, api-versions), …)
_TABLE: dict[str, tuple[tuple[str, str], ...]] = {
    "Microsoft.Network": (
        (
            "virtualNetworks virtualNetworks/subnets virtualNetworks/virtualNetworkPeerings networkSecurityGroups "
            "networkSecurityGroups/securityRules networkSecurityGroups/defaultSecurityRules routeTables "
            "routeTables/routes networkInterfaces networkInterfaces/ipConfigurations publicIPAddresses "
            "publicIPPrefixes loadBalancers loadBalancers/inboundNatRules loadBalancers/backendAddressPools "
            "loadBalancers/frontendIPConfigurations loadBalancers/probes loadBalancers/loadBalancingRules "
            "natGateways privateEndpoints ipGroups bastionHosts applicationSecurityGroups applicationGateways "
            "azureFirewalls firewallPolicies",
            _NETWORK,
        ),
        ("dnsZones dnsZones/A dnsZones/AAAA dnsZones/CNAME dnsZones/TXT dnsZones/MX", "2023-07-01-preview 2018-05-01"),
        ("privateDnsZones privateDnsZones/A privateDnsZones/virtualNetworkLinks", "2024-06-01 2020-06-01 2018-09-01"),
        ("trafficManagerProfiles", "2022-04-01 2018-08-01"),
    ),
    "Microsoft.Compute": (
        (
            "virtualMachines virtualMachines/extensions virtualMachineScaleSets "
            "virtualMachineScaleSets/virtualMachines availabilitySets",
            _COMPUTE,
        ),
        ("disks snapshots", "2025-01-02 2024-03-02 2023-10-02 2023-04-02 2022-07-02 2021-12-01"),
    ),
    "Microsoft.Storage": (
        (
            "storageAccounts storageAccounts/blobServices storageAccounts/blobServices/containers "
            "storageAccounts/fileServices storageAccounts/managementPolicies",
            _STORAGE,
        ),
    ),
    "Microsoft.KeyVault": (("vaults vaults/secrets vaults/accessPolicies", _KEYVAULT),),
    "Microsoft.Web": (
        ("sites sites/config sites/slots sites/slots/config sites/hostNameBindings serverfarms", _WEB),
        ("connections", "2018-07-01-preview 2016-06-01"),
    ),
    "Microsoft.Sql": (("servers servers/databases servers/firewallRules servers/elasticPools", _SQL),),
    "Microsoft.ManagedIdentity": (
        (
            "userAssignedIdentities userAssignedIdentities/federatedIdentityCredentials",
            "2025-01-31-preview 2024-11-30 2023-01-31 2018-11-30",
        ),
    ),
    "Microsoft.OperationalInsights": (("workspaces", "2025-07-01 2025-02-01 2023-09-01 2022-10-01 2020-08-01"),),
    "microsoft.insights": (
        ("components", "2020-02-02 2020-02-02-preview 2018-05-01-preview 2015-05-01"),
        ("workbooks", "2023-06-01 2022-04-01"),
        ("actionGroups", "2024-10-01-preview 2023-01-01 2022-06-01"),
        ("autoscalesettings", "2022-10-01 2021-05-01-preview 2015-04-01"),
        ("metricAlerts", "2024-03-01-preview 2018-03-01"),
        ("diagnosticSettings", "2021-05-01-preview 2016-09-01"),
        ("eventtypes", "2017-03-01-preview 2016-09-01-preview 2015-04-01 2014-11-01 2014-04-01"),
    ),
    "Microsoft.ContainerRegistry": (
        ("registries registries/replications", "2026-01-01-preview 2025-11-01 2025-04-01 2023-07-01"),
    ),
    "Microsoft.ContainerService": (
        (
            "managedClusters managedClusters/agentPools",
            "2026-04-01 2026-03-02-preview 2025-10-01 2025-02-01 2024-09-01",
        ),
    ),
    "Microsoft.ServiceBus": (
        ("namespaces namespaces/queues namespaces/topics", "2025-05-01-preview 2024-01-01 2021-11-01 2017-04-01"),
    ),
    "Microsoft.Search": (("searchServices", "2026-03-01-preview 2025-05-01 2023-11-01 2022-09-01"),),
    "Microsoft.ApiManagement": (
        ("service service/apis service/products service/namedValues", "2024-06-01-preview 2024-05-01 2022-08-01"),
    ),
    "Microsoft.Authorization": (
        ("locks", "2020-05-01 2017-04-01 2016-09-01 2015-01-01"),
        ("roleAssignments", "2022-04-01 2020-10-01-preview 2020-04-01-preview 2015-07-01"),
        ("policyAssignments", "2025-03-01 2024-05-01 2023-04-01"),
    ),
    "Microsoft.Resources": (
        ("resourceGroups subscriptions", "2025-04-01 2024-11-01 2024-07-01 2022-12-01 2022-09-01 2021-04-01"),
        ("deployments", "2025-04-01 2024-11-01 2024-07-01 2022-09-01 2021-04-01"),
        ("tags", "2025-04-01 2024-11-01 2021-04-01"),
    ),
}
_ARM_OWN = "microsoft.resources"
_LOCATIONS = ("West Europe", "North Europe", "Germany West Central")


class Providers:
    """The namespaces with their types. `register` adds a type for a test."""

    def __init__(self) -> None:
        self._types: dict[str, tuple[str, str, tuple[str, ...]]] = {}
        for namespace, groups in _TABLE.items():
            for names, versions in groups:
                for name in names.split():
                    self.register(f"{namespace}/{name}", versions.split())

    def register(self, resource_type: str, api_versions: Sequence[str]) -> None:
        """Add or replace a type, `Namespace/type[/type]`, with its api-versions, newest first."""
        namespace, _, name = resource_type.partition("/")
        self._types[resource_type.lower()] = (namespace, name, tuple(api_versions))

    def newest(self, resource_type: str) -> str:
        """The newest stable api-version of a type, else its newest preview; empty for an unknown type."""
        versions = self._versions(resource_type)
        return next((it for it in versions if not it.endswith("-preview")), versions[0] if versions else "")

    def check(self, resource_type: str, api_version: str) -> None:
        """Raises Refused for a missing or unknown api-version, an unknown type or an unknown namespace."""
        if not api_version:
            raise missing_api_version()
        versions = self._versions(resource_type)
        if not versions:
            raise self._unknown(resource_type, api_version)
        if api_version not in versions:
            raise _unsupported(resource_type, api_version, versions)

    def check_form(self, api_version: str) -> None:
        """Raises Refused where a call of ARM itself (a list, a provider) names no api-version or a malformed one."""
        if not api_version:
            raise missing_api_version()
        if not _FORM.match(api_version):
            message = (
                f"The api-version '{api_version}' is invalid. The api-version should be a date such as '2021-04-01'."
            )
            raise error(400, "InvalidApiVersionParameter", message, gateway=True)

    def listed(self, subscription: str) -> list[Json]:
        """All namespaces, as `GET /subscriptions/{id}/providers` lists them."""
        return [self._document(subscription, it) for it in sorted({it[0] for it in self._types.values()})]

    def one(self, subscription: str, namespace: str) -> Mapping[str, Json]:
        """One namespace. Raises Refused for an unknown one."""
        known = next((it[0] for it in self._types.values() if it[0].lower() == namespace.lower()), None)
        if known is None:
            raise _unknown_namespace(namespace)
        return self._document(subscription, known)

    def _versions(self, resource_type: str) -> tuple[str, ...]:
        return self._types.get(resource_type.lower(), ("", "", ()))[2]

    def _unknown(self, resource_type: str, api_version: str) -> Refused:
        namespace = resource_type.partition("/")[0]
        if not any(it[0].lower() == namespace.lower() for it in self._types.values()):
            return _unknown_namespace(namespace)
        message = (
            f"The resource type could not be found in the namespace '{namespace}' for api version '{api_version}'."
        )
        return error(404, "InvalidResourceType", message, gateway=True)

    def _document(self, subscription: str, namespace: str) -> dict[str, Json]:
        types = [(name, versions) for of, name, versions in self._types.values() if of == namespace]
        return {
            "id": f"/subscriptions/{subscription}/providers/{namespace}",
            "namespace": namespace,
            "resourceTypes": [
                {
                    "resourceType": name,
                    "locations": list(_LOCATIONS),
                    "apiVersions": list(versions),
                    "defaultApiVersion": self.newest(f"{namespace}/{name}"),
                    "capabilities": "None" if "/" in name else "SupportsTags, SupportsLocation",
                }
                for name, versions in types
            ],
            "registrationState": "Registered",
            "registrationPolicy": "RegistrationRequired",
        }


def _unknown_namespace(namespace: str) -> Refused:
    return error(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.", gateway=True)


def _unsupported(resource_type: str, api_version: str, versions: Sequence[str]) -> Refused:
    namespace, _, name = resource_type.partition("/")
    supported = ", ".join(sorted(versions))
    if namespace.lower() == _ARM_OWN:
        message = f"The api-version '{api_version}' is invalid. The supported versions are '{supported}'."
        return error(400, "InvalidApiVersionParameter", message, gateway=True)
    message = (
        f"No registered resource provider found for location '' and API version '{api_version}' for type '{name}'. "
        f"The supported api-versions are '{supported}'. The supported locations are '{', '.join(_LOCATIONS)}'."
    )
    return error(400, "NoRegisteredProviderFound", message, gateway=True)
