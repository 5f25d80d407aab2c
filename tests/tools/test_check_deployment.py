"""The deployment agrees with the code; and each check finds the mistake that it is there for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import table
from tests.source_tree import ROOT
from tools.check_deployment.bicep import read_bicep
from tools.check_deployment.checks import faults

CHECKED = (
    "deploy", "azure.yaml", "host.json", "function_app.py", ".funcignore", "driftguard/settings.py", "docs/function-app.md",
)  # fmt: skip
APP, MAIN, ALERTS = "deploy/modules/app.bicep", "deploy/main.bicep", "deploy/modules/alerts.bicep"
STORAGE, ANCHORS, SECRETS = (f"deploy/modules/{name}.bicep" for name in ("storage", "anchors", "secrets"))
PARAMETERS, HOST, FUNCTIONS, PAGE = (
    "deploy/main.parameters.json",
    "host.json",
    "function_app.py",
    "docs/function-app.md",
)
READING = "deploy/modules/reading.bicep"
SETTINGS = "driftguard/settings.py"
OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
SUPERFLUOUS = "  'ba92f5b4-2d11-453d-a403-e96b0029c9fe' // Storage Blob Data Contributor\n"
BLOBS, TABLES = re.findall(r"^  '[0-9a-f-]{36}' // .+\n", (ROOT / STORAGE).read_text(encoding="utf-8"), re.MULTILINE)
TELLING = "insights.properties.ConnectionString"
KEEPS = "entionPolicy: {\n      enabled: "

# (file, what stands there, what is put there, a part of the fault)
MISTAKES = [
    # settings
    (APP, "    DRIFTGUARD_ANCHORS: anchorsAddress\n", "", "settings.py reads DRIFTGUARD_ANCHORS"),
    (APP, "DRIFTGUARD_STORE:", "DRIFTGUARD_STOER:", "sets DRIFTGUARD_STOER, and nobody reads it"),
    (APP, "DRIFT_SCAN_SCHEDULE: scan", "DRIFT_SCANS_SCHEDULE: scan", "names %DRIFT_SCAN_SCHEDULE%"),
    (APP, "    AZURE_CLIENT_ID: identityClientId\n", "", "AZURE_CLIENT_ID, and it is read or set no more"),
    (APP, "    DRIFT_SCAN", "    DRIFTGUARD_ARM_TOKEN: token\n    DRIFT_SCAN", "is not for the app: a simulator"),
    (APP, "AzureChinaCloud: 'china'", "AzureChinaCloud: 'cn'", "the clouds are not those"),
    (SETTINGS, '_seconds(environ, "DRIFTGUARD_LOG_', '_seconds(environ, "DRIFTGUARD_LAG_', "reads DRIFTGUARD_LAG_LATENCY"),
    (SETTINGS, 'environ.get("DRIFTGUARD_POLICY")', 'environ["DRIFTGUARD_RULES"]', "reads DRIFTGUARD_RULES"),
    # functions, routes, schedules
    (FUNCTIONS, '"%DRIFT_SCAN_SCHEDULE%"', '"0 */5 * * * *"', "the schedule of drift_scan is no setting"),
    (FUNCTIONS, '@app.function_name("deliver_notes")', '@app.function_name("deliver")', "there is no function 'deliver_notes'"),
    (FUNCTIONS, 'route="ui/{*rest}"', 'route="pages/{*rest}"', "ui is not told with `pages/{*rest}`"),
    (FUNCTIONS, '"HEAD"], auth_level=func.AuthLevel.ANONYMOUS', '"HEAD"]', "ui is told with or without"),
    (HOST, '"routePrefix": ""', '"routePrefix": "api"', "a route prefix"),
    (HOST, '"maxConcurrentRequests": 250', '"maxConcurrentRequests": 50', "sends 100 requests to an instance"),
    (MAIN, "'0 */15 * * * *'", "'*/15 * * * *'", "scanSchedule has no default of six fields"),
    (MAIN, "'0 */15 * * * *'", "'0 */10 * * * *'", "DRIFT_SCAN_SCHEDULE is told with another example"),
    (PAGE, "| `healthz` |", "| `health` |", "healthz is not told"),
    # alerts
    (ALERTS, "driftguard.notes.oldest_age", "driftguard.notes.age", "nothing measures 'driftguard.notes.age'"),
    (ALERTS, "customDimensions.verdict", "customDimensions.result", "has no attribute result"),
    (ALERTS, '"cannot-tell"', '"unknown"', "verdict is never 'unknown'"),
    (ALERTS, "column: 'faults'", "column: 'errors'", "no column 'errors'"),
    (ALERTS, 'name == "drift_scan"', 'name == "scan"', "there is no function 'scan'"),
    (ALERTS, '"driftguard.sweep.faults"', '"driftguard.scans"', 'no alert on "driftguard.sweep.faults"'),
    (ALERTS, "customDimensions.part) != ", "customDimensions.part) == ", "no alert on customDimensions.part) !="),
    (ALERTS, "customDimensions.part) == ", "customDimensions.part) != ", "no alert on customDimensions.part) =="),
    (ALERTS, 'part) == "integrity"', 'part) == "rewritten"', "part is never 'rewritten'"),
    (ALERTS, "window: 'P1D'", "window: 'PT7H'", "sweep-faults: no window is 'PT7H'"),
    (ALERTS, "operator: 'LessThan'", "operator: 'Below'", "scans-silent: 'Below' of 'Total' is no condition"),
    (ALERTS, "severity: 3", "severity: 5", "no severity is 5"),
    (MAIN, "  'PT6H'\n", "  'PT8H'\n", "scanSilence may be PT8H"),
    # roles
    (STORAGE, TABLES, "", "appPrincipalId is not given Storage Table Data Contributor"),
    (STORAGE, BLOBS, "", "appPrincipalId is not given Storage Blob Data Owner"),
    (STORAGE, TABLES, TABLES + SUPERFLUOUS, "and nothing here needs it"),
    (STORAGE, "  scope: account\n", "  scope: blobs\n", "appPrincipalId is not given Storage Blob Data Owner"),
    (ANCHORS, "  scope: container\n", "  scope: account\n", "Contributor on Microsoft.Storage/storageAccounts, and"),
    (ANCHORS, "principalId: appPrincipalId", "principalId: name", "appPrincipalId is not given Storage Blob Data Contributor"),
    (ANCHORS, "Definitions', role)", "Definitions', sku)", "is given param sku"),
    (SECRETS, "Definitions', reads)", "Definitions', writes)", "appPrincipalId is not given Key Vault Secrets User"),
    (SECRETS, "    principalId: deployerPrincipalId", "    principalId: appPrincipalId", "deployerPrincipalId is not given"),
    (READING, "targetScope = 'subscription'\n", "", "appPrincipalId is not given param role on subscription"),
    (MAIN, "appPrincipalId: identity.outputs.principalId", "appPrincipalId: principalId", "appPrincipalId is principalId"),
    (MAIN, "readingRole string = 'acdd72a7-3385-48ef-bd42-f606fba81ae7'", f"readingRole string = '{OWNER}'", "is not Reader"),
    # names of properties
    (APP, "userAssignedIdentityResourceId:", "userAssignedIdentityResourceID:", "has no properties.functionAppConfig.deployment"),
    (APP, "    userAssignedIdentities:", "    userAssignedIdentity:", "has no identity.userAssignedIdentity.'${identityId}'"),
    (APP, "instanceMemoryMB", "instanceMemoryMb", "has no properties.functionAppConfig.scaleAndConcurrency.instanceMemoryMb"),
    (APP, "perInstanceConcurrency: 100", "perInstanceConcurrency: 90", "is not told with the 90 at once"),
    (ALERTS, "failingPeriods:", "failingPeriod:", "has no properties.criteria.allOf[].failingPeriod"),
    (STORAGE, "tags: tags\n", "tag: tags\n", "has no tag of Microsoft.Storage/storageAccounts"),
    # templates
    (MAIN, "name: 'id-${token}'", "name: 'id-${tokn}'", "tokn is used and not declared"),
    (MAIN, "days: int(anchorDays)", "days: int(anchorDay)", "anchorDay is used and not declared"),
    (MAIN, "days: int(anchorDays)", "days: 730", "anchorDays is declared and not used"),
    (MAIN, "    email: alertEmail\n", "", "module alerts: email is not given"),
    (MAIN, "    email: alertEmail\n", "    email: alertEmail\n    mail: alertEmail\n", "has no parameter mail"),
    (MAIN, "identity.outputs.clientId", "identity.outputs.client", "has no output client"),
    (MAIN, "'modules/reading.bicep'", "'modules/readings.bicep'", "modules/readings.bicep is not there"),
    (MAIN, "resource group '", "resource group = '", "cannot be parsed"),
    (APP, "Microsoft.Web/sites@2024-04-01", "Microsoft.Web/sites@2014-04-01", "is asked for as 2014-04-01"),
    (APP, "string = 'https://${app.properties.defaultHostName}'", f"string = {TELLING}", "tells a secret: uri"),
    (APP, "Homepage: 'true'", "Homepage: storage.listKeys().keys[0].value", "a secret is made or read"),
    (STORAGE, "0a9a7e1f-", "0a9a7e1e-", "none of the roles"),
    (STORAGE, "// Storage Table Data Contributor", "// Storage Queue Data Contributor", "is Storage Table Data Contributor, and"),
    (STORAGE, "allowSharedKeyAccess: false", "allowSharedKeyAccess: true", "allowSharedKeyAccess is True"),
    (STORAGE, "isVersioningEnabled: false", "isVersioningEnabled: true", "isVersioningEnabled is True"),
    (STORAGE, f" deleteRet{KEEPS}false", f" deleteRet{KEEPS}true", "deleteRetentionPolicy.enabled is True"),
    (ANCHORS, "allowProtectedAppendWrites: false", "allowProtectedAppendWrites: true", "allowProtectedAppendWrites is True"),
    (ANCHORS, "name: 'driftguard-anchors'", "name: 'anchors'", "name is 'anchors'"),
    (SECRETS, "    enablePurgeProtection: true\n", "", "enablePurgeProtection is None"),
    (APP, "instanceCount: 1", "instanceCount: 0", "alwaysReady is"),
    (APP, "keyVaultReferenceIdentity: identityId", "keyVaultReferenceIdentity: 'SystemAssigned'", "keyVaultReferenceIdentity is"),
    # parameters
    (PARAMETERS, "ANCHOR_DAYS=730", "ANCHOR_DAYS=7", "anchorDays has another default"),
    (PARAMETERS, '"${ALERT_EMAIL}"', '"operators@contoso.com"', "alertEmail does not come from azd's environment"),
    (PARAMETERS, '"alertEmail"', '"alertMail"', "alertMail is not a parameter"),
    (MAIN, "param location string", "param location string\n@description('x')\nparam zone string", "zone is missing"),
    # azd, publishing
    ("azure.yaml", ">= 1.18.0", ">= 1.0.0", "'>= 1.18.0' was expected"),
    ("azure.yaml", "path: deploy", "path: infra", "the template that it names"),
    ("azure.yaml", "host: function", "host: appservice", "azure.yaml: 'function' was expected"),
    ("azure.yaml", "  guard:", "  driftguard:", "has not the tag azd-service-name driftguard"),
    ("azure.yaml", "secret-key.sh", "secret-keys.sh", "is not there, or cannot be run"),
    (MAIN, "output APP_ID", "output APP_IDENTITY", "needs APP_ID"),
    (".funcignore", "azure.yaml\n", "", "azure.yaml goes into the app"),
    (".funcignore", "docs\n", "docs\npolicies\n", "policies/default.yaml stays out of the app"),
]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what is checked."""
    for name in CHECKED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_deployment_agrees_with_the_code() -> None:
    assert faults(ROOT) == []


@pytest.mark.parametrize(("file", "there", "instead", "fault"), MISTAKES, ids=[row[3] for row in MISTAKES])
def test_each_mistake_is_found(project: Path, file: str, there: str, instead: str, fault: str) -> None:
    text = (project / file).read_text(encoding="utf-8")
    assert there in text
    (project / file).write_text(text.replace(there, instead), encoding="utf-8")
    assert [one for one in faults(project) if fault in one], faults(project)


@pytest.mark.parametrize("file", [MAIN, APP, ALERTS, "deploy/workbook.json", PARAMETERS, "azure.yaml"])
def test_a_file_that_is_gone_is_a_fault(project: Path, file: str) -> None:
    (project / file).unlink()
    assert faults(project)


def test_a_workbook_that_is_no_json_is_a_fault(project: Path) -> None:
    (project / "deploy/workbook.json").write_text("{", encoding="utf-8")
    assert [one for one in faults(project) if "workbook.json is no JSON" in one]


def test_a_template_that_nobody_uses_is_a_fault(project: Path) -> None:
    (project / "deploy/modules/other.bicep").write_text("param x string\noutput y string = x\n", encoding="utf-8")
    assert faults(project) == ["deploy/modules/other.bicep: no other template uses it"]


def test_the_command_tells_the_faults_and_fails(project: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tools.check_deployment", str(project)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, told.stdout) == (0, "the deployment agrees with the code (checked as text)\n")
    (project / ".funcignore").write_text("docs\n", encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-m", "tools.check_deployment", str(project)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1 and "goes into the app by mistake" in told.stdout


def test_names_are_found_wherever_they_are_used(tmp_path: Path) -> None:
    file = tmp_path / "x.bicep"
    file.write_text(
        """
        param a string
        var list = [for one in b: { key: one.c, other: d[e.f].g.h }]
        var text = 'it''s not ${i.j} nor ${guid(k, 'l')}'
        resource r 'A/b@2020-01-01' = if (m == 'n') {
          name: o ? p : q.r
          tags: union(s, { 't': u })
        }
        """.replace("it''s", "it is"),
        encoding="utf-8",
    )
    assert read_bicep(file).used == set("bdeikmopqsu") | {"one"}


def test_every_parameter_of_the_deployment_stands_in_its_document() -> None:
    page = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    values = json.loads((ROOT / PARAMETERS).read_text(encoding="utf-8"))["parameters"].values()
    names = {re.match(r"\$\{([A-Z_]+)", one["value"])[1] for one in values}  # type: ignore[index]  # reason: parameter_faults holds the form
    assert {name for name in names if f"| `{name}` |" not in page} == set()
    outputs = re.findall(r"^output (\w+)", (ROOT / MAIN).read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for name in outputs if f"`{name}`" not in page} == set()


def test_every_alert_stands_in_the_document() -> None:
    rules = read_bicep(ROOT / ALERTS).variables["rules"]
    assert [row[0] for row in table(ROOT / "docs/deployment.md", "alert")[1:]] == [rule["title"] for rule in rules]
    assert len(rules) == 9, "the table of what is made says nine"


def test_every_window_of_the_silence_stands_in_the_document() -> None:
    [told] = [row[1] for row in table(ROOT / "docs/deployment.md", "variable") if row[0] == "SCAN_SILENCE"]
    [allowed] = [
        one["argument"]
        for one in read_bicep(ROOT / MAIN).params["scanSilence"]["decorators"]
        if one["type"] == "allowed"
    ]
    assert re.findall(r"P[T0-9HMD]+", told) == allowed


def test_the_rewritten_ledger_is_an_alert_at_its_first_fault_and_until_it_is_mended() -> None:
    [rule] = [one for one in read_bicep(ROOT / ALERTS).variables["rules"] if one["name"] == "ledger-rewritten"]
    assert (rule["severity"], rule["operator"], rule["threshold"]) == (1, "GreaterThan", 0)
    assert rule["window"] == "scanSilence", "longer than the pause between two scans, and each of them tells it"


def test_the_document_says_that_nothing_was_run() -> None:
    for page in ("docs/deployment.md", "docs/function-app.md"):
        assert "checked as text" in " ".join((ROOT / page).read_text(encoding="utf-8").split()), page
