"""The names of properties that the templates may use, by the type of the resource.

Rules:
- A name stands here after it was looked up for the api-version of tables.py: a compiler of Bicep would find a misspelt one,
  Azure ignores or refuses it, and nothing else here tells it from a right one.
- What is an element of a list stands below `[]`. Below a name with `*` every name is the writer's own.

Sources: learn.microsoft.com/azure/templates, and the models of Microsoft's SDK: azure-mgmt-web 11.0.1, -storage 25.3.0,
-keyvault 14.1.0, -monitor 7.0.0, -loganalytics 14.0.0, -applicationinsights 4.1.0, -authorization 4.0.0, -msi 7.1.0.
"""

from __future__ import annotations

OF_EVERY_RESOURCE = ("name", "location", "parent", "scope", "tags.*")

_RETENTION = ("enabled", "days")


def _below(path: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{path}.{name}" for name in names)


_DEPLOYMENT = "properties.functionAppConfig.deployment.storage"
_SCALE = "properties.functionAppConfig.scaleAndConcurrency"
_CONDITION = "properties.criteria.allOf[]"

PROPERTY_NAMES: dict[str, tuple[str, ...]] = {
    "Microsoft.Authorization/roleAssignments": _below("properties", "principalId", "principalType", "roleDefinitionId"),
    "Microsoft.Insights/actionGroups": (
        *_below("properties", "enabled", "groupShortName"),
        *_below("properties.emailReceivers[]", "name", "emailAddress", "useCommonAlertSchema"),
    ),
    "Microsoft.Insights/components": (
        "kind",
        *_below("properties", "Application_Type", "DisableLocalAuth", "WorkspaceResourceId"),
    ),
    "Microsoft.Insights/scheduledQueryRules": (
        "kind",
        *_below("properties", "displayName", "description", "enabled", "severity", "evaluationFrequency", "windowSize"),
        *_below("properties", "scopes[]", "autoMitigate", "skipQueryValidation", "actions.actionGroups"),
        *_below(_CONDITION, "query", "metricMeasureColumn", "timeAggregation", "operator", "threshold"),
        *_below(f"{_CONDITION}.failingPeriods", "numberOfEvaluationPeriods", "minFailingPeriodsToAlert"),
    ),
    "Microsoft.Insights/workbooks": (
        "kind",
        *_below("properties", "category", "displayName", "serializedData", "sourceId", "version"),
    ),
    "Microsoft.KeyVault/vaults": (
        *_below("properties", "tenantId", "sku.family", "sku.name", "softDeleteRetentionInDays"),
        *_below("properties", "enablePurgeProtection", "enableRbacAuthorization", "enableSoftDelete"),
    ),
    "Microsoft.ManagedIdentity/userAssignedIdentities": (),
    "Microsoft.OperationalInsights/workspaces": _below("properties", "retentionInDays", "sku.name"),
    "Microsoft.Resources/resourceGroups": (),
    "Microsoft.Storage/storageAccounts": (
        "kind",
        "sku.name",
        *_below("properties", "accessTier", "allowBlobPublicAccess", "allowCrossTenantReplication"),
        *_below("properties", "allowSharedKeyAccess", "defaultToOAuthAuthentication", "minimumTlsVersion"),
        *_below("properties", "supportsHttpsTrafficOnly"),
    ),
    "Microsoft.Storage/storageAccounts/blobServices": (
        *_below("properties", "changeFeed.enabled", "isVersioningEnabled"),
        *_below("properties.containerDeleteRetentionPolicy", *_RETENTION),
        *_below("properties.deleteRetentionPolicy", *_RETENTION),
    ),
    "Microsoft.Storage/storageAccounts/blobServices/containers": _below("properties", "publicAccess"),
    "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies": _below(
        "properties", "allowProtectedAppendWrites", "immutabilityPeriodSinceCreationInDays"
    ),
    "Microsoft.Web/serverfarms": ("kind", "sku.tier", "sku.name", "properties.reserved"),
    "Microsoft.Web/sites": (
        "kind",
        "identity.type",
        "identity.userAssignedIdentities.*",
        *_below("properties", "serverFarmId", "httpsOnly", "keyVaultReferenceIdentity", "siteConfig.minTlsVersion"),
        *_below(_DEPLOYMENT, "type", "value", "authentication.type", "authentication.userAssignedIdentityResourceId"),
        *_below("properties.functionAppConfig.runtime", "name", "version"),
        *_below(_SCALE, "alwaysReady[].name", "alwaysReady[].instanceCount", "instanceMemoryMB"),
        *_below(_SCALE, "maximumInstanceCount", "triggers.http.perInstanceConcurrency"),
    ),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": _below("properties", "allow"),
    "Microsoft.Web/sites/config": ("properties.*",),
}
