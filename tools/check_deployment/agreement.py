"""The templates and what lies outside of them: settings, functions, alerts, host.json, azd, what is published."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from driftguard.flow.resource import CLOUDS
from driftguard.flow.telemetry import FORMS, INSTRUMENTS
from tools.check_deployment.app_code import Function, functions_in, settings_read
from tools.check_deployment.bicep import Template
from tools.check_deployment.tables import (
    AGGREGATIONS,
    AZURE_YAML,
    NOT_FOR_THE_APP,
    NOT_SHIPPED,
    OPERATORS,
    READ_BY_OTHERS,
    SHIPPED,
    WINDOWS,
)

_SIX_FIELDS = re.compile(r"[0-9*/,-]+(?: [0-9*/,-]+){5}\Z")
_COMPARED = re.compile(r'customDimensions\.(\w+)\) [!=]= "([^"]*)"')
_MUST_ALERT = (
    '"driftguard.halts.oldest_age"', '"driftguard.notes.oldest_age"', '"drift_scan"', '"driftguard.sweep.faults"',
    '"driftguard.openings"',
    'customDimensions.part) == "integrity"', 'customDimensions.part) != "integrity"',
)  # fmt: skip
_NEEDED_BY_HOOK = re.compile(r"\$\{([A-Z_]+):\?")


def app_settings(app: Template) -> dict[str, Any]:
    """The app settings by name, as the JSON form of Bicep has them."""
    return {
        name: value for body in app.resource("Microsoft.Web/sites/config") for name, value in body["properties"].items()
    }


def setting_faults(root: Path, app: Template) -> Iterator[str]:
    """Settings that the code reads and nobody sets, and settings that are set and nobody reads."""
    given = set(app_settings(app))
    read = settings_read(root / "driftguard/settings.py")
    triggers = {one.schedule.strip("%") for one in functions_in(root / "function_app.py") if one.schedule}
    for name in sorted(read - given - NOT_FOR_THE_APP.keys()):
        yield f"settings.py reads {name}, and modules/app.bicep does not set it"
    for name in sorted(triggers - given):
        yield f"function_app.py names %{name}%, and modules/app.bicep does not set it"
    for name in sorted(given - read - triggers - READ_BY_OTHERS.keys()):
        yield f"modules/app.bicep sets {name}, and nobody reads it"
    for name in sorted((NOT_FOR_THE_APP.keys() - read) | (READ_BY_OTHERS.keys() - given)):
        yield f"the tables of check_deployment name {name}, and it is read or set no more"
    for name in sorted(NOT_FOR_THE_APP.keys() & given):
        yield f"modules/app.bicep sets {name}, which is not for the app: {NOT_FOR_THE_APP[name]}"
    clouds = app.variables.get("clouds")
    if not isinstance(clouds, dict) or set(clouds.values()) != set(CLOUDS):
        yield "modules/app.bicep: the clouds are not those of settings.py"


def schedule_faults(root: Path, main: Template) -> Iterator[str]:
    """Schedules that are no schedules, or others than the documents tell."""
    document = (root / "docs/function-app.md").read_text(encoding="utf-8")
    for function in functions_in(root / "function_app.py"):
        if not function.schedule:
            continue
        setting = function.schedule.strip("%")
        if not re.fullmatch(r"%DRIFT_[A-Z]+_SCHEDULE%", function.schedule):
            yield f"function_app.py: the schedule of {function.name} is no setting"
            continue
        parameter = f"{setting.split('_')[1].lower()}Schedule"
        found = re.search(rf"{parameter}: empty\({parameter}\) \? '([^']+)'", main.text)
        if not found or not _SIX_FIELDS.match(found[1]):
            yield f"deploy/main.bicep: {parameter} has no default of six fields"
        elif not re.search(rf"^\| `{setting}` \|.*`{re.escape(found[1])}` \|$", document, re.MULTILINE):
            yield f"docs/function-app.md: {setting} is told with another example than the default {found[1]!r}"


def function_faults(root: Path, app: Template) -> Iterator[str]:
    """Functions and routes that host.json, the plan or the documents do not have in the same way."""
    host: dict[str, Any] = json.loads((root / "host.json").read_text(encoding="utf-8"))
    document = (root / "docs/function-app.md").read_text(encoding="utf-8")
    http = host["extensions"]["http"]
    if http["routePrefix"]:
        yield "host.json: a route prefix puts the routes of function_app.py elsewhere"
    for function in functions_in(root / "function_app.py"):
        told = f"setting `{function.schedule.strip('%')}`" if function.schedule else f"`{function.route}`"
        row = re.search(rf"^\| `{function.name}` \|(.*)\|$", document, re.MULTILINE)
        if row is None or told not in row[1]:
            yield f"docs/function-app.md: {function.name} is not told with {told}"
        elif function.route and _key_is_told(row[1]) is function.anonymous:
            yield f"docs/function-app.md: {function.name} is told with or without a function key by mistake"
    most, named = http["maxConcurrentRequests"], "extensions.http.maxConcurrentRequests"
    for site in app.resource("Microsoft.Web/sites"):
        scale = site["properties"]["functionAppConfig"]["scaleAndConcurrency"]
        at_once = scale["triggers"]["http"]["perInstanceConcurrency"]
        if not isinstance(at_once, int) or at_once > most:
            yield f"modules/app.bicep sends {at_once} requests to an instance, host.json takes {most}"
        if not re.search(rf"^\| `{named}` \| `{most}` \|.*\b{at_once} at once", document, re.MULTILINE):
            yield f"docs/function-app.md: {named} is not told with the {at_once} at once of modules/app.bicep"


def _key_is_told(row: str) -> bool:
    return "function key |" in f"{row.split('|')[0]}|"


def alert_faults(root: Path, alerts: Template) -> Iterator[str]:
    """Alerts on metrics, attributes and functions that are not there."""
    functions: dict[str, Function] = {one.name: one for one in functions_in(root / "function_app.py")}
    rules = alerts.variables.get("rules")
    if not isinstance(rules, list) or not rules:
        yield "modules/alerts.bicep: there is no table of rules"
        return
    asked = " ".join(str(rule.get("query")) for rule in rules)
    for name in _MUST_ALERT:
        if name not in asked:
            yield f"modules/alerts.bicep: no alert on {name}"
    for rule in rules:
        query = str(rule.get("query"))
        where = f"modules/alerts.bicep: {rule.get('name')}"
        table, name = query.split(" ", 1)[0], (re.search(r'name == "([^"]+)"', query) or ["", ""])[1]
        if table == "customMetrics":
            instrument = INSTRUMENTS.get(name)
            asked_of = set(re.findall(r"customDimensions\.(\w+)", query))
            if instrument is None:
                yield f"{where}: nothing measures {name!r}"
            elif not asked_of <= set(instrument.attributes):
                yield f"{where}: {name} has no attribute {', '.join(sorted(asked_of - set(instrument.attributes)))}"
            for attribute, value in _COMPARED.findall(query):
                form = FORMS.get(attribute)
                if isinstance(form, frozenset) and value not in form:
                    yield f"{where}: {attribute} is never {value!r}"
        elif table != "requests" or name not in functions:
            yield f"{where}: there is no function {name!r}"
        yield from (f"{where}: {fault}" for fault in _rule_faults(rule))
        if not re.search(rf"\b{re.escape(str(rule.get('column')))} = ", query):
            yield f"{where}: the query has no column {rule.get('column')!r}"


def _rule_faults(rule: dict[str, Any]) -> Iterator[str]:
    """Values that Azure does not take. `scanSilence` is held to the same windows by `silence_faults`."""
    if rule.get("window") not in (*WINDOWS, "scanSilence"):
        yield f"no window is {rule.get('window')!r}"
    if rule.get("operator") not in OPERATORS or rule.get("aggregation") not in AGGREGATIONS:
        yield f"{rule.get('operator')!r} of {rule.get('aggregation')!r} is no condition"
    if rule.get("severity") not in range(5):
        yield f"no severity is {rule.get('severity')!r}"


def silence_faults(main: Template) -> Iterator[str]:
    """`scanSilence` may be nothing but a window of an alert: another text would be refused halfway through a deployment."""
    allowed = [
        value
        for decorator in main.params.get("scanSilence", {}).get("decorators", ())
        if decorator["type"] == "allowed"
        for value in decorator["argument"]
    ]
    for value in sorted(set(allowed) - set(WINDOWS)) or ([] if allowed else ["anything"]):
        yield f"deploy/main.bicep: scanSilence may be {value}, and no window of an alert is that"


def azd_faults(root: Path, main: Template, app: Template) -> Iterator[str]:
    """azure.yaml: its shape, and that what it names is there."""
    try:
        azd: Any = yaml.safe_load((root / "azure.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        yield f"azure.yaml: cannot be read ({type(error).__name__})"
        return
    wrong = [error.message for error in Draft202012Validator(AZURE_YAML).iter_errors(azd)]
    yield from (f"azure.yaml: {message}" for message in wrong)
    if wrong:
        return
    if not (root / azd["infra"]["path"] / f"{azd['infra']['module']}.bicep").is_file():
        yield "azure.yaml: the template that it names is not there"
    if main.scope != "subscription" or "'azd-env-name'" not in main.text:
        yield "deploy/main.bicep: azd needs the scope of a subscription and the tag azd-env-name"
    for name, service in azd["services"].items():
        if not all((root / service["project"] / file).is_file() for file in ("function_app.py", "host.json")):
            yield f"azure.yaml: the project of {name} has no function_app.py or host.json"
        if f"'azd-service-name': '{name}'" not in app.text:
            yield f"modules/app.bicep: the app has not the tag azd-service-name {name}"
    for hook in azd["hooks"].values():
        script = root / hook["run"]
        if not script.is_file() or not os.access(script, os.X_OK):
            yield f"azure.yaml: {hook['run']} is not there, or cannot be run"
            continue
        for name in sorted(set(_NEEDED_BY_HOOK.findall(script.read_text(encoding="utf-8"))) - main.outputs):
            yield f"{hook['run']}: needs {name}, which is no output of main.bicep"


def publishing_faults(root: Path) -> Iterator[str]:
    """.funcignore: what the app needs goes into it, and nothing of the rest."""
    lines = (root / ".funcignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    for path in (*SHIPPED, *NOT_SHIPPED):
        ignored = any(fnmatch(part, pattern) for part in path.split("/") for pattern in patterns)
        if ignored is (path in SHIPPED):
            yield f".funcignore: {path} {'stays out of' if ignored else 'goes into'} the app by mistake"
