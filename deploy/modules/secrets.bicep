// The vault of the key that turns secrets into marks. The key itself is made once by deploy/hooks/secret-key.sh, and never
// replaced: a template that is deployed again would write a new one, and no stored mark could be compared any more.
param name string
param location string
param tags object
param appPrincipalId string
param deployerPrincipalId string
param deployerPrincipalType string

var reads = '4633458b-17de-408a-b874-0445c86b69e6' // Key Vault Secrets User: the app
var writes = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7' // Key Vault Secrets Officer: who makes the key
var keyName = 'driftguard-secret-key'

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enablePurgeProtection: true
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
  }
}

resource appReads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, appPrincipalId, reads)
  scope: vault
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', reads)
  }
}

resource deployerWrites 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerPrincipalId)) {
  name: guid(vault.id, deployerPrincipalId, writes)
  scope: vault
  properties: {
    principalId: deployerPrincipalId
    principalType: deployerPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', writes)
  }
}

output name string = vault.name
output secretKeyName string = keyName
output secretKeyUri string = '${vault.properties.vaultUri}secrets/${keyName}'
