// The app on the Flex Consumption plan, and its settings: each is told in docs/function-app.md.
// The runtime and the storage of the host are signed in to by the identity: no connection string is set.
param token string
param location string
param tags object
param identityId string
param identityClientId string
param storageName string
param storeName string
param packageContainer string
param anchorsAddress string
param secretKeyUri string
param applicationInsightsName string
param pythonVersion string

@minValue(40)
@maxValue(1000)
param maximumInstances int
param instanceMemory int
param policyFile string
param authTenant string
param authAudience string
param scanSchedule string
param deliverSchedule string

var clouds = {
  AzureCloud: 'public'
  AzureUSGovernment: 'usgov'
  AzureChinaCloud: 'china'
}

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    tier: 'FlexConsumption'
    name: 'FC1'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: 'func-${token}'
  location: location
  tags: union(tags, { 'azd-service-name': 'guard' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    siteConfig: {
      minTlsVersion: '1.2'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: pythonVersion
      }
      scaleAndConcurrency: {
        alwaysReady: [
          {
            name: 'http'
            instanceCount: 1
          }
        ]
        instanceMemoryMB: instanceMemory
        maximumInstanceCount: maximumInstances
        triggers: {
          http: {
            perInstanceConcurrency: 100 // the plan's own default for Python is 1; a check waits for Azure most of its time
          }
        }
      }
    }
  }
}

resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: {
    APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
    APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL: 'true'
    AZURE_CLIENT_ID: identityClientId
    AZURE_TENANT_ID: tenant().tenantId
    AzureWebJobsDisableHomepage: 'true'
    AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
    AzureWebJobsStorage__clientId: identityClientId
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__tableServiceUri: storage.properties.primaryEndpoints.table
    DRIFTGUARD_ANCHORS: anchorsAddress
    DRIFTGUARD_AUTH_AUDIENCE: authAudience
    DRIFTGUARD_AUTH_TENANT: authTenant
    DRIFTGUARD_CLOUD: clouds[environment().name]
    DRIFTGUARD_POLICY: policyFile
    DRIFTGUARD_SECRET_KEY: '@Microsoft.KeyVault(SecretUri=${secretKeyUri})'
    DRIFTGUARD_STORE: 'azure://${storageName}/${storeName}'
    DRIFTGUARD_TICKETS: '/tmp/driftguard/tickets'
    DRIFT_DELIVER_SCHEDULE: deliverSchedule
    DRIFT_SCAN_SCHEDULE: scanSchedule
  }
}

resource noPasswordForPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = [for way in ['ftp', 'scm']: {
  parent: app
  name: way
  properties: {
    allow: false
  }
}]

output id string = app.id
output name string = app.name
output uri string = 'https://${app.properties.defaultHostName}'
