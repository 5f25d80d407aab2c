"""Who is given which role where: exactly what the code and the host of Functions need, no less and no more.

Sources: learn.microsoft.com/azure/azure-functions/functions-reference#grant-permission-to-the-identity (without a queue or blob
trigger the host needs Storage Blob Data Owner, and Storage Table Data Contributor for its diagnostic events; a timer adds none),
…/app-service/app-service-key-vault-references; the rest by what the adapters of the app call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tools.check_deployment.bicep import Template, body_of
from tools.check_deployment.tables import ROLES

_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
_ACCOUNT = "Microsoft.Storage/storageAccounts"
_CONTAINER = "Microsoft.Storage/storageAccounts/blobServices/containers"
_VAULT = "Microsoft.KeyVault/vaults"

Given = tuple[str, str, str, str]  # file, type of what it is given on, parameter with who gets it, role

REQUIRED: dict[Given, str] = {
    ("modules/storage.bicep", _ACCOUNT, "appPrincipalId", "Storage Blob Data Owner"): "host, package, the store's blobs",
    ("modules/storage.bicep", _ACCOUNT, "appPrincipalId", "Storage Table Data Contributor"): "the store's rows",
    ("modules/anchors.bicep", _CONTAINER, "appPrincipalId", "Storage Blob Data Contributor"): "anchors are written and read",
    ("modules/secrets.bicep", _VAULT, "appPrincipalId", "Key Vault Secrets User"): "the setting DRIFTGUARD_SECRET_KEY",
    ("modules/secrets.bicep", _VAULT, "deployerPrincipalId", "Key Vault Secrets Officer"): "the hook makes the key",
    ("modules/reading.bicep", "subscription", "appPrincipalId", "param role"): "what is guarded is read",
}  # fmt: skip

# Who is behind these parameters: what main.bicep has to hand to every module that has them.
_WHO = {"appPrincipalId": "identity.outputs.principalId", "deployerPrincipalId": "principalId", "role": "readingRole"}
_READER = next(guid for guid, name in ROLES.items() if name == "Reader")


def role_faults(templates: dict[str, Template]) -> Iterator[str]:
    """Roles that are missing, roles that nobody needs, and roles of somebody else."""
    given = {(name, *one) for name, template in templates.items() for one in _given(template)}
    for file, scope, who, role in sorted(REQUIRED.keys() - given):
        why = REQUIRED[file, scope, who, role]
        yield f"deploy/{file}: {who} is not given {role} on {scope}: {why}"
    for file, scope, who, role in sorted(given - REQUIRED.keys()):
        yield f"deploy/{file}: {who} is given {role} on {scope}, and nothing here needs it"
    main = templates["main.bicep"]
    for parameter, value in _WHO.items():
        for found in re.findall(rf"^ +{parameter}: (.+)$", main.text, re.MULTILINE):
            if found != value:
                yield f"deploy/main.bicep: {parameter} is {found}, and must be {value}"
    if main.params.get("readingRole", {}).get("default") != _READER:
        yield "deploy/main.bicep: readingRole is not Reader by default"


def _given(template: Template) -> Iterator[tuple[str, str, str]]:
    for resource in template.resources.values():
        if resource["type"] == _ASSIGNMENT:
            body = body_of(resource["config"])
            scope = body.get("scope", template.scope)
            properties = body["properties"]
            for role in _roles(template, resource["config"], _role_name(properties["roleDefinitionId"])):
                yield template.resources.get(scope, {"type": scope})["type"], str(properties["principalId"]), role


def _role_name(definition: Any) -> str:
    """What stands for the role in `subscriptionResourceId(type, role)`."""
    parameters = definition.get("function", {}).get("parameters", {}) if isinstance(definition, dict) else {}
    return str(parameters.get("resource_name_1", definition))


def _roles(template: Template, config: dict[str, Any], name: str) -> list[str]:
    """The roles by their names; what cannot be told apart is its own text, and so required by nobody."""
    loop = (config.get("loop_type") or {}).get("detail", {})
    values = (
        template.variables.get(loop["array_name"]) if loop.get("item_name") == name else template.variables.get(name)
    )
    if values is None:
        return [f"param {name}" if name in template.params else name]
    guids = values if isinstance(values, list) else [values]
    return [ROLES.get(guid, str(guid)) for guid in guids]
