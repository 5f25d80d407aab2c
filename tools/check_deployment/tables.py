"""What is true outside of this project, or is decided: each row with its source or its reason."""

from __future__ import annotations

# Settings that settings.py reads and that the app on Azure is not given.
NOT_FOR_THE_APP: dict[str, str] = {
    "DRIFTGUARD_STORE_CONNECTION": "the app signs in with its identity; the accounts have no keys",
    "DRIFTGUARD_ANCHORS_CONNECTION": "the app signs in with its identity; the accounts have no keys",
    "DRIFTGUARD_BLOB_CONNECTION": "the app signs in with its identity",
    "DRIFTGUARD_READ_TIMEOUT": "default 30",
    "DRIFTGUARD_LOG_LATENCY": "default 1200",
    "DRIFTGUARD_ARM_ENDPOINT": "a simulator on one machine",
    "DRIFTGUARD_ARM_TOKEN": "a simulator on one machine",
    "DRIFTGUARD_AUTH_AUTHORITY": "a simulator on one machine",
    "DRIFTGUARD_SERVER": "for the commands that call a service",
    "DRIFTGUARD_TOKEN": "for the commands that call a service",
    "DRIFTGUARD_SERVER_SCOPE": "for the commands that call a service",
    "DRIFTGUARD_FUNCTION_KEY": "for the commands that call a service",
    "USERNAME": "who sits at a machine with Windows",
}

# App settings that somebody else than settings.py reads.
_APP_SETTINGS = "learn.microsoft.com/azure/azure-functions/functions-app-settings"
_IDENTITY = "learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity"
READ_BY_OTHERS: dict[str, str] = {
    "AZURE_CLIENT_ID": "azure-identity: which user-assigned identity is meant",
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "azure-monitor-opentelemetry-exporter: no measurements of its own",
    "AzureWebJobsDisableHomepage": _APP_SETTINGS,
    "AzureWebJobsStorage__blobServiceUri": _IDENTITY,
    "AzureWebJobsStorage__clientId": _IDENTITY,
    "AzureWebJobsStorage__credential": _IDENTITY,
    "AzureWebJobsStorage__tableServiceUri": _IDENTITY,
}

# Built-in roles: learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES: dict[str, str] = {
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
}

# Types with the version that their properties were looked up for: learn.microsoft.com/azure/templates
API_VERSIONS: dict[str, str] = {
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Insights/actionGroups": "2023-01-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.Insights/scheduledQueryRules": "2022-06-15",
    "Microsoft.Insights/workbooks": "2022-04-01",
    "Microsoft.KeyVault/vaults": "2023-07-01",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "2023-01-31",
    "Microsoft.OperationalInsights/workspaces": "2023-09-01",
    "Microsoft.Resources/resourceGroups": "2024-03-01",
    "Microsoft.Storage/storageAccounts": "2023-05-01",
    "Microsoft.Storage/storageAccounts/blobServices": "2023-05-01",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "2023-05-01",
    "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies": "2023-05-01",
    "Microsoft.Web/serverfarms": "2024-04-01",
    "Microsoft.Web/sites": "2024-04-01",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "2024-04-01",
    "Microsoft.Web/sites/config": "2024-04-01",
}

# What a log alert may look back over: learn.microsoft.com/azure/azure-monitor/alerts/alerts-types#log-alerts, and the values of
# window_duration of azurerm_monitor_scheduled_query_rules_alert_v2 (PT1M and P2D are not for every rule).
WINDOWS = (
    "PT5M", "PT10M", "PT15M", "PT30M", "PT45M", "PT1H", "PT2H", "PT3H", "PT4H", "PT5H", "PT6H", "P1D",
)  # fmt: skip
OPERATORS = frozenset({"Equals", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual"})
AGGREGATIONS = frozenset({"Average", "Count", "Maximum", "Minimum", "Total"})

# What must hold of a resource, whoever edits the file: dotted path of its properties, value.
MUST_HOLD: dict[str, dict[str, dict[str, object]]] = {
    "modules/storage.bicep": {
        "Microsoft.Storage/storageAccounts": {
            "properties.allowSharedKeyAccess": False,
            "properties.allowBlobPublicAccess": False,
            "properties.allowCrossTenantReplication": False,
            "properties.minimumTlsVersion": "TLS1_2",
            "properties.supportsHttpsTrafficOnly": True,
        },
        # A secret that was removed from the store must be gone.
        "Microsoft.Storage/storageAccounts/blobServices": {
            "properties.deleteRetentionPolicy.enabled": False,
            "properties.isVersioningEnabled": False,
            "properties.changeFeed.enabled": False,
        },
        "Microsoft.Storage/storageAccounts/blobServices/containers": {"properties.publicAccess": "None"},
    },
    "modules/anchors.bicep": {
        "Microsoft.Storage/storageAccounts": {
            "properties.allowSharedKeyAccess": False,
            "properties.allowBlobPublicAccess": False,
            "properties.allowCrossTenantReplication": False,
            "properties.minimumTlsVersion": "TLS1_2",
            "properties.supportsHttpsTrafficOnly": True,
        },
        "Microsoft.Storage/storageAccounts/blobServices/containers": {
            "name": "driftguard-anchors",
            "properties.publicAccess": "None",
        },
        "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies": {
            "name": "default",
            "properties.allowProtectedAppendWrites": False,
            "properties.immutabilityPeriodSinceCreationInDays": "days",
        },
    },
    "modules/secrets.bicep": {
        "Microsoft.KeyVault/vaults": {
            "properties.enableRbacAuthorization": True,
            "properties.enablePurgeProtection": True,
            "properties.enableSoftDelete": True,
        },
    },
    "modules/app.bicep": {
        "Microsoft.Web/sites": {
            "properties.httpsOnly": True,
            "properties.keyVaultReferenceIdentity": "identityId",
            "properties.siteConfig.minTlsVersion": "1.2",
            "properties.functionAppConfig.runtime.name": "python",
            "properties.functionAppConfig.deployment.storage.authentication.type": "UserAssignedIdentity",
            "properties.functionAppConfig.deployment.storage.authentication.userAssignedIdentityResourceId": "identityId",
            "properties.functionAppConfig.scaleAndConcurrency.alwaysReady": [{"name": "http", "instanceCount": 1}],
        },
        "Microsoft.Web/serverfarms": {"sku.name": "FC1", "sku.tier": "FlexConsumption"},
        "Microsoft.Web/sites/basicPublishingCredentialsPolicies": {"properties.allow": False},
    },
}

# azure.yaml as far as it is used here: github.com/Azure/azure-dev, schemas/v1.0/azure.yaml.json
AZURE_YAML: dict[str, object] = {
    "type": "object",
    "required": ["name", "requiredVersions", "infra", "services", "hooks"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 2, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
        # Earlier ones do not read .funcignore, and publish stores, keys and all: github.com/Azure/azure-dev/pull/5383
        "requiredVersions": {
            "type": "object",
            "required": ["azd"],
            "additionalProperties": False,
            "properties": {"azd": {"const": ">= 1.18.0"}},
        },
        "infra": {
            "type": "object",
            "required": ["provider", "path", "module"],
            "additionalProperties": False,
            "properties": {"provider": {"const": "bicep"}, "path": {"type": "string"}, "module": {"type": "string"}},
        },
        "services": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": {
                "type": "object",
                "required": ["project", "host", "language"],
                "additionalProperties": False,
                "properties": {
                    "project": {"type": "string"},
                    "host": {"const": "function"},
                    "language": {"enum": ["py", "python"]},
                    "remoteBuild": {"const": True},
                },
            },
        },
        "hooks": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "postprovision": {
                    "type": "object",
                    "required": ["shell", "run"],
                    "additionalProperties": False,
                    "properties": {"shell": {"const": "sh"}, "run": {"type": "string"}},
                }
            },
        },
    },
}

# What azd gives by itself: learn.microsoft.com/azure/developer/azure-developer-cli/manage-environment-variables
GIVEN_BY_AZD = frozenset({"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"})

# What makes up the app, and with whom the licence goes.
SHIPPED = (
    "function_app.py",
    "host.json",
    "requirements.txt",
    "driftguard/flow/ports.py",
    "policies/default.yaml",
    "LICENSE",
)
NOT_SHIPPED = (
    "deploy/main.bicep", "azure.yaml", ".azure/prod/.env", "tests/conftest.py", "tools/check_deployment/tables.py",
    "docs/runbook.md", ".venv/bin/python", ".git/config", "local.settings.json", "Makefile", "benchmarks/copy.py",
    ".driftguard/store.db.key",
)  # fmt: skip
