// Where metrics, traces and logs go, and the workbook that shows them. Items are sent with the connection string alone, so
// local authentication stays on: whoever has that string can add items, and read none.
param token string
param location string
param tags object

@minValue(30)
@maxValue(730)
param days int

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: 'log-${token}'
  location: location
  tags: tags
  properties: {
    retentionInDays: days
    sku: {
      name: 'PerGB2018'
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${token}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    DisableLocalAuth: false
    WorkspaceResourceId: workspace.id
  }
}

resource workbook 'Microsoft.Insights/workbooks@2022-04-01' = {
  name: guid(insights.id, 'driftguard')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    category: 'workbook'
    displayName: 'Drift Guard'
    serializedData: loadTextContent('../workbook.json')
    sourceId: insights.id
    version: '1.0'
  }
}

output id string = insights.id
output name string = insights.name
