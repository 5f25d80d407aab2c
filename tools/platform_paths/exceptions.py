"""Paths that a person can change although the packages call them read-only.

Rules:
- One row for each path, with the request that changes it; the path is left out of the table, so that a change of it counts.
- `Namespace/*` stands for every type of the namespace.
- A row that no longer leaves anything out is an error: the list stays true.
- Whether something is running at the moment has no row here: a policy rule watches that where it matters.
"""

from __future__ import annotations

from collections.abc import Iterable

CHANGED_OTHERWISE: dict[tuple[str, str], str] = {
    ("Microsoft.ApiManagement/service/notifications", "properties.recipients"): "PUT of a recipient below it",
    (
        "Microsoft.ApiManagement/service/workspaces/notifications",
        "properties.recipients",
    ): "PUT of a recipient below it",
    ("Microsoft.Cdn/profiles/endpoints/customDomains", "properties.customHttpsParameters"): "POST enableCustomHttps",
    ("Microsoft.Compute/snapshots", "properties.immutabilityPolicy"): "POST updateImmutabilityPolicy",
    ("Microsoft.DataBoxEdge/dataBoxEdgeDevices", "properties.description"): "PUT at api-version 2019-08-01",
    ("Microsoft.DataBoxEdge/dataBoxEdgeDevices", "properties.friendlyName"): "PUT at api-version 2019-08-01",
    ("Microsoft.DataBoxEdge/dataBoxEdgeDevices", "properties.modelDescription"): "PUT at api-version 2019-08-01",
    ("Microsoft.DataFactory/factories/triggers", "properties.runtimeState"): "POST start, stop",
    (
        "Microsoft.DataProtection/backupVaults/backupInstances",
        "properties.currentProtectionState",
    ): "POST stopProtection",
    ("Microsoft.HDInsight/clusters/extensions", "clusterMonitoringEnabled"): "PUT and DELETE of the extension",
    ("Microsoft.HybridNetwork/*", "properties.artifactManifestState"): "POST updateState",
    ("Microsoft.HybridNetwork/*", "properties.versionState"): "POST updateState",
    ("Microsoft.ManagedNetworkFabric/*", "properties.administrativeState"): "POST updateAdministrativeState",
    ("Microsoft.OperationalInsights/workspaces/summaryLogs", "properties.isActive"): "POST start, stop",
    (
        "Microsoft.RecoveryServices/vaults/backupEncryptionConfigs",
        "properties.userAssignedIdentity",
    ): "in doubt: not marked",
    ("Microsoft.RecoveryServices/vaults/backupEncryptionConfigs", "properties.useSystemAssignedIdentity"): (
        "in doubt: not marked"
    ),
    ("Microsoft.Resources/subscriptions", "displayName"): "POST rename of Microsoft.Subscription",
    ("Microsoft.Sql/managedInstances/databases/ledgerDigestUploads", "properties.state"): "POST disable",
    ("Microsoft.Sql/servers/databases/ledgerDigestUploads", "properties.state"): "POST disable",
    (
        "Microsoft.Storage/storageAccounts/blobServices/containers",
        "properties.hasImmutabilityPolicy",
    ): "PUT of its policy",
    ("Microsoft.Storage/storageAccounts/blobServices/containers", "properties.hasLegalHold"): "POST setLegalHold",
    ("Microsoft.Storage/storageAccounts/blobServices/containers", "properties.immutabilityPolicy"): "PUT of its policy",
    ("Microsoft.Storage/storageAccounts/blobServices/containers", "properties.legalHold"): "POST setLegalHold",
    ("Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies", "properties.state"): "POST lock",
}


def without_exceptions(resource_type: str, paths: Iterable[str]) -> list[str]:
    """The paths without those that a person can change."""
    return [path for path in paths if not _rows(resource_type, path) & CHANGED_OTHERWISE.keys()]


def unused(found: Iterable[tuple[str, str]], types: Iterable[str]) -> list[str]:
    """The rows of known types that leave nothing out; `found`: every read-only path before exceptions, by type."""
    used = {row for name, path in found for row in _rows(name, path)}
    known = {name for of_type in types for name in (of_type, _every_type_beside(of_type))}
    return [f"{name} {path}" for name, path in CHANGED_OTHERWISE if name in known and (name, path) not in used]


def _rows(resource_type: str, path: str) -> set[tuple[str, str]]:
    return {(resource_type, path), (_every_type_beside(resource_type), path)}


def _every_type_beside(resource_type: str) -> str:
    return f"{resource_type.partition('/')[0]}/*"
