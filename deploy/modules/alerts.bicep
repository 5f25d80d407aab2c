// Alerts: rows of one table, each a query over Application Insights. Names of metrics are those of driftguard/flow/telemetry.py,
// names of functions those of function_app.py.
param token string
param location string
param tags object
param applicationInsightsId string
param email string

@minValue(1)
param haltMinutes int

@minValue(1)
param noteMinutes int
param scanSilence string

var rules = [
  {
    name: 'halts-open'
    title: 'A halt waits for a decision'
    description: 'The oldest open halt is older than it should be: its job cannot be updated. driftguard halts list'
    severity: 2
    query: 'customMetrics | where name == "driftguard.halts.oldest_age" | project timestamp, seconds = valueSum'
    column: 'seconds'
    aggregation: 'Maximum'
    operator: 'GreaterThan'
    threshold: haltMinutes * 60
    window: 'PT30M'
  }
  {
    name: 'notes-undelivered'
    title: 'A note was not sent'
    description: 'The oldest note waits for longer than it should: its ticket does not say what was found. driftguard deliveries'
    severity: 2
    query: 'customMetrics | where name == "driftguard.notes.oldest_age" | project timestamp, seconds = valueSum'
    column: 'seconds'
    aggregation: 'Maximum'
    operator: 'GreaterThan'
    threshold: noteMinutes * 60
    window: 'PT30M'
  }
  {
    name: 'scans-failed'
    title: 'The scan fails'
    description: 'A scan could not tell for a job, or did not run to its end: drift there is not seen. driftguard doctor'
    severity: 1
    query: 'requests | where name == "drift_scan" and success == false | summarize invocations = count()'
    column: 'invocations'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 0
    window: scanSilence
  }
  {
    name: 'scans-silent'
    title: 'No scan succeeds'
    description: 'No scan ended well for as long as the window says: drift is not seen. Look at the app and its schedule.'
    severity: 1
    query: 'requests | where name == "drift_scan" and success == true | summarize invocations = count()'
    column: 'invocations'
    aggregation: 'Total'
    operator: 'LessThan'
    threshold: 1
    window: scanSilence
  }
  {
    name: 'deliveries-failed'
    title: 'The delivery of notes fails'
    description: 'The store could not be asked for notes that are due. driftguard doctor'
    severity: 2
    query: 'requests | where name == "deliver_notes" and success == false | summarize invocations = count()'
    column: 'invocations'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 4
    window: 'PT30M'
  }
  {
    name: 'ledger-rewritten'
    title: 'A ledger or an anchor was rewritten'
    description: 'What was recorded is not what was anchored, or an anchor is gone: somebody changed the store or the anchors. driftguard verify --store'
    severity: 1
    query: 'customMetrics | where name == "driftguard.sweep.faults" and tostring(customDimensions.part) == "integrity" | project timestamp, faults = valueSum'
    column: 'faults'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 0
    window: scanSilence // told by every scan: longer than the pause between two, so that it stays until it is mended
  }
  {
    name: 'sweep-faults'
    title: 'A part of the sweep fails'
    description: 'After scans something could not be purged, anchored or measured; it is tried again, and tells why in the log of the scan.'
    severity: 3
    query: 'customMetrics | where name == "driftguard.sweep.faults" and tostring(customDimensions.part) != "integrity" | project timestamp, faults = valueSum'
    column: 'faults'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 3
    window: 'P1D' // once in a scan, and a scan may come every few hours only
  }
  {
    name: 'guard-not-opened'
    title: 'The guard does not open'
    description: 'The store, its key or a setting is not in order: nothing is judged, and no check is counted. driftguard doctor'
    severity: 1
    query: 'customMetrics | where name == "driftguard.openings" and tostring(customDimensions.outcome) != "opened" | project timestamp, openings = valueSum'
    column: 'openings'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 2
    window: 'PT1H'
  }
  {
    name: 'checks-cannot-tell'
    title: 'Checks cannot tell'
    description: 'Checks let nothing pass because something could not be read: roles, throttling, or an outage. driftguard doctor'
    severity: 2
    query: 'customMetrics | where name == "driftguard.checks" and tostring(customDimensions.verdict) == "cannot-tell" | project timestamp, checks = valueSum'
    column: 'checks'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 9
    window: 'PT1H'
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'ag-${token}'
  location: 'Global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'driftguard'
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2022-06-15' = [for rule in rules: {
  name: 'driftguard-${rule.name}-${token}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Drift Guard: ${rule.title}'
    description: rule.description
    enabled: true
    severity: rule.severity
    evaluationFrequency: 'PT5M'
    windowSize: rule.window
    scopes: [
      applicationInsightsId
    ]
    criteria: {
      allOf: [
        {
          query: rule.query
          metricMeasureColumn: rule.column
          timeAggregation: rule.aggregation
          operator: rule.operator
          threshold: rule.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true // a new workspace has no metric yet
    actions: {
      actionGroups: empty(email) ? [] : [people.id]
    }
  }
}]
