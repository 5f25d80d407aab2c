"""The templates by themselves: what they name is there, and what must hold of them holds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.check_deployment.bicep import NotBicep, Template, body_of, property_paths, read_bicep
from tools.check_deployment.property_names import OF_EVERY_RESOURCE, PROPERTY_NAMES
from tools.check_deployment.roles import role_faults
from tools.check_deployment.tables import API_VERSIONS, GIVEN_BY_AZD, MUST_HOLD, ROLES

_LOADED = re.compile(r"load(?:Text|Json)Content\('([^']+)'")
_PARAMETER = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?:=([^}]*))?\}\Z")
_TELLS_A_SECRET = re.compile(r"\blist\w*\(|ConnectionString|InstrumentationKey|getSecret|newGuid\(|@secure\(")


def read_templates(deploy: Path) -> tuple[dict[str, Template], list[str]]:
    """Every template by its path below deploy/, and a line for each that cannot be parsed."""
    templates: dict[str, Template] = {}
    unreadable = []
    for path in sorted(deploy.rglob("*.bicep")):
        name = path.relative_to(deploy).as_posix()
        try:
            templates[name] = read_bicep(path)
        except NotBicep as error:
            unreadable.append(f"deploy/{name}: cannot be parsed: {error}")
    return templates, unreadable


def template_faults(deploy: Path, templates: dict[str, Template]) -> Iterator[str]:
    """What is wrong with the templates; one line each."""
    for name, template in templates.items():
        for fault in (
            *_names(template),
            *_files(deploy / name, template),
            *_modules(name, template, templates),
            *_resources(template),
            *_properties(template),
            *_roles(template),
            *_promises(template, MUST_HOLD.get(name, {})),
        ):
            yield f"deploy/{name}: {fault}"
    used = {(Path(name).parent / one.path).as_posix() for name, t in templates.items() for one in t.modules.values()}
    for name in sorted(templates.keys() - used - {"main.bicep"}):
        yield f"deploy/{name}: no other template uses it"
    for name in sorted(MUST_HOLD.keys() - templates.keys()):
        yield f"deploy/{name}: is not there"
    yield from role_faults(templates)


def parameter_faults(deploy: Path, main: Template) -> Iterator[str]:
    """What is wrong with main.parameters.json."""
    where = "deploy/main.parameters.json"
    try:
        given: dict[str, Any] = json.loads((deploy / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]
        values = {name: one["value"] for name, one in given.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield f"{where}: cannot be read ({type(error).__name__})"
        return
    for name in sorted(values.keys() ^ main.params.keys()):
        yield f"{where}: {name} is {'not a parameter of main.bicep' if name in values else 'missing'}"
    for name in sorted(values.keys() & main.params.keys()):
        found = _PARAMETER.match(str(values[name]))
        if not found:
            yield f"{where}: {name} does not come from azd's environment alone"
        elif (found[2] or "") != (main.params[name]["default"] or ""):
            yield f"{where}: {name} has another default than main.bicep"
        elif main.params[name]["default"] is None and found[1] not in GIVEN_BY_AZD:
            yield f"{where}: {name} has no default, and azd does not give it by itself"
        if main.params[name]["type"] != "string":
            yield f"deploy/main.bicep: {name} is no text, and azd gives texts only"


def _names(template: Template) -> Iterator[str]:
    for name in sorted(template.used - template.declared):
        yield f"{name} is used and not declared"
    for name in sorted({*template.params, *template.variables} - template.used):
        yield f"{name} is declared and not used"
    for line in template.text.splitlines():
        if line.startswith("output ") and _TELLS_A_SECRET.search(line):
            yield f"an output tells a secret: {line.split()[1]}"
    if _TELLS_A_SECRET.search(template.text.replace("insights.properties.ConnectionString", "")):
        yield "a secret is made or read here: no template has one in hand"


def _files(path: Path, template: Template) -> Iterator[str]:
    for loaded in _LOADED.findall(template.text):
        file = path.parent / loaded
        if not file.is_file():
            yield f"{loaded} is not there"
        elif file.suffix == ".json":
            try:
                json.loads(file.read_text(encoding="utf-8"))
            except ValueError:
                yield f"{loaded} is no JSON"


def _modules(name: str, template: Template, templates: dict[str, Template]) -> Iterator[str]:
    for symbol, module in template.modules.items():
        found = templates.get((Path(name).parent / module.path).as_posix())
        if found is None:
            yield f"module {symbol}: {module.path} is not there"
            continue
        for missing in sorted(found.required - module.params):
            yield f"module {symbol}: {missing} is not given"
        for unknown in sorted(module.params - found.params.keys()):
            yield f"module {symbol}: {module.path} has no parameter {unknown}"
        for of, output in template.module_outputs:
            if of == symbol and output not in found.outputs:
                yield f"module {symbol}: {module.path} has no output {output}"


def _resources(template: Template) -> Iterator[str]:
    for symbol, resource in template.resources.items():
        version = API_VERSIONS.get(resource["type"])
        if version is None:
            yield f"{symbol}: the table of api-versions has no {resource['type']}"
        elif version != resource["api_version"]:
            yield f"{symbol}: {resource['type']} is asked for as {resource['api_version']}, not {version}"


def _properties(template: Template) -> Iterator[str]:
    for symbol, resource in template.resources.items():
        allowed = (*OF_EVERY_RESOURCE, *PROPERTY_NAMES.get(resource["type"], ()))
        free = tuple(path.removesuffix("*") for path in allowed if path.endswith(".*"))
        for path in property_paths(body_of(resource["config"])):
            whole = {path, f"{path}.*"}  # `tags: tags` gives all of them at once
            if not whole & set(allowed) and not path.startswith(free):
                yield f"{symbol}: the table of property names has no {path} of {resource['type']}"


def _roles(template: Template) -> Iterator[str]:
    for guid, line in template.guids:
        role = ROLES.get(guid)
        if role is None:
            yield f"{guid} is none of the roles that are known here"
        elif f"// {role}" not in line and not line.startswith("param "):
            yield f"{guid} is {role}, and its line does not say so"


def _promises(template: Template, promised: dict[str, dict[str, object]]) -> Iterator[str]:
    for of_type, values in promised.items():
        bodies = [
            body for body in template.resource(of_type) if set(body) != {"name"}
        ]  # not one that is only looked up
        if not bodies:
            yield f"there is no {of_type}"
        for body in bodies:
            for dotted, value in values.items():
                if (found := _at(body, dotted)) != value:
                    yield f"{of_type}: {dotted} is {found!r}, and must be {value!r}"


def _at(body: dict[str, Any], dotted: str) -> object:
    found: Any = body
    for step in dotted.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found
