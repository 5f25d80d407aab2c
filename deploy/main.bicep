// Drift Guard on Azure, for `azd up`: a resource group with the app, its store, the place of its anchors, its key, its
// telemetry and alerts, and the roles with which the app signs in. No key and no password is made here or told by it.
// Parameters that name several things, or a number, are texts: azd fills them from its environment.
targetScope = 'subscription'

@description('Name of the azd environment; the names of all resources are made from it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region of all resources: one that has the Flex Consumption plan.')
@minLength(1)
param location string

@description('Object id of who runs this, so that they can make the secret key once. Empty: nobody gets that role.')
param principalId string = ''

@description('What principalId is: a person signs in, or a service principal of a build.')
@allowed([
  'User'
  'ServicePrincipal'
])
param principalType string = 'User'

@description('Tenant whose tokens the service accepts. Empty: the tenant of this deployment.')
param authTenant string = ''

@description('Audiences that the service accepts, with commas between them. Empty: every call is refused.')
param authAudience string = ''

@description('Path of the policy file in the app, such as /home/site/wwwroot/driftguard.yaml. Empty: the built-in default.')
param policyFile string = ''

@description('When every job is judged: six fields, seconds first, UTC. Empty: every 15 minutes.')
param scanSchedule string = ''

@description('When notes are sent: six fields, seconds first, UTC. Empty: every minute.')
param deliverSchedule string = ''

@description('Ids of the subscriptions that are guarded, with commas between them. Empty: the one that is deployed to.')
param guardedSubscriptions string = ''

@description('Role that reads what is guarded: Reader, or the GUID of the role made from custom-role.json.')
param readingRole string = 'acdd72a7-3385-48ef-bd42-f606fba81ae7'

@description('Version of Python.')
@allowed([
  '3.11'
  '3.12'
  '3.13'
])
param pythonVersion string = '3.11'

@description('Instances that the app may grow to, 40 to 1000.')
param maximumInstances string = '40'

@description('Memory of an instance in MB.')
@allowed([
  '2048'
  '4096'
])
param instanceMemory string = '2048'

@description('Replication of the store and of the anchors. LRS is in every region; with ZRS a zone that fails takes neither.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GZRS'
])
param storageSku string = 'Standard_LRS'

@description('Name of the store in its account: a table and a container. Another name is another store.')
@minLength(3)
@maxLength(41)
param storeName string = 'driftguard'

@description('Days for which nobody can change or remove an anchor.')
param anchorDays string = '730'

@description('true once the policy of the anchors was locked: it is not touched any more, since Azure refuses that.')
@allowed([
  'true'
  'false'
])
param anchorsLocked string = 'false'

@description('Days for which logs and metrics are kept.')
param telemetryDays string = '90'

@description('Where alerts are sent. Empty: they show in the portal only.')
param alertEmail string = ''

@description('Age in minutes from which an open halt is an alert.')
param haltMinutes string = '60'

@description('Age in minutes from which a note that was not sent is an alert.')
param noteMinutes string = '30'

@description('Time without a good scan that is an alert: longer than the pause between two scans.')
@allowed([
  'PT30M'
  'PT45M'
  'PT1H'
  'PT2H'
  'PT3H'
  'PT4H'
  'PT5H'
  'PT6H'
  'P1D'
])
param scanSilence string = 'PT1H'

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = {
  'azd-env-name': environmentName
}
var subscriptions = empty(guardedSubscriptions) ? [subscription().subscriptionId] : split(replace(guardedSubscriptions, ' ', ''), ',')

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-${token}'
    location: location
    tags: tags
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'st${token}'
    location: location
    tags: tags
    sku: storageSku
    appPrincipalId: identity.outputs.principalId
  }
}

module anchors 'modules/anchors.bicep' = {
  name: 'anchors'
  scope: group
  params: {
    name: 'an${token}'
    location: location
    tags: tags
    sku: storageSku
    days: int(anchorDays)
    locked: anchorsLocked == 'true'
    appPrincipalId: identity.outputs.principalId
  }
}

module secrets 'modules/secrets.bicep' = {
  name: 'secrets'
  scope: group
  params: {
    name: 'kv-${token}'
    location: location
    tags: tags
    appPrincipalId: identity.outputs.principalId
    deployerPrincipalId: principalId
    deployerPrincipalType: principalType
  }
}

module telemetry 'modules/telemetry.bicep' = {
  name: 'telemetry'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    days: int(telemetryDays)
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    applicationInsightsId: telemetry.outputs.id
    email: alertEmail
    haltMinutes: int(haltMinutes)
    noteMinutes: int(noteMinutes)
    scanSilence: scanSilence
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageName: storage.outputs.name
    storeName: storeName
    packageContainer: storage.outputs.packageContainer
    anchorsAddress: anchors.outputs.address
    secretKeyUri: secrets.outputs.secretKeyUri
    applicationInsightsName: telemetry.outputs.name
    pythonVersion: pythonVersion
    maximumInstances: int(maximumInstances)
    instanceMemory: int(instanceMemory)
    policyFile: policyFile
    authTenant: empty(authTenant) ? tenant().tenantId : authTenant
    authAudience: authAudience
    scanSchedule: empty(scanSchedule) ? '0 */15 * * * *' : scanSchedule
    deliverSchedule: empty(deliverSchedule) ? '0 * * * * *' : deliverSchedule
  }
}

module reading 'modules/reading.bicep' = [for one in subscriptions: {
  name: 'reading-${uniqueString(one, token)}'
  scope: subscription(one)
  params: {
    appPrincipalId: identity.outputs.principalId
    role: readingRole
  }
}]

// azd keeps outputs in its environment: names and addresses only.
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_KEY_VAULT_NAME string = secrets.outputs.name
output SECRET_KEY_NAME string = secrets.outputs.secretKeyName
output APP_ID string = app.outputs.id
output APP_NAME string = app.outputs.name
output APP_URI string = app.outputs.uri
output APP_PRINCIPAL_ID string = identity.outputs.principalId
output STORE_ACCOUNT string = storage.outputs.name
output ANCHORS_ACCOUNT string = anchors.outputs.name
output ANCHORS_CONTAINER string = anchors.outputs.container
