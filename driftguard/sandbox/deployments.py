"""Deployments: a template whose resources are written one after the other under one correlation id.

Rules:
- The template is a convention of the sandbox: `properties.template.resources` is a list of whole bodies, each with
  `apiVersion` and either `id`, or `type` and `name` (names of nested resources with `/`) in the deployment's scope.
- A resource that is refused ends the deployment as Failed; what was written before it stays written.
- `outputResources` lists the ids that were written. The deployment is itself a resource, read with GET.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from driftguard.errors import WrongUse
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.sandbox import refusals
from driftguard.sandbox.actors import Actor
from driftguard.sandbox.answers import Answer, Refused, Request, error, invalid_body
from driftguard.sandbox.clock import stamp
from driftguard.sandbox.faults import STATUSES, Faults
from driftguard.sandbox.resources import Resources

Json = Any  # what json.loads gives
TYPE = "microsoft.resources/deployments"


def deploy(
    resources: Resources, faults: Faults, request: Request, ref: ResourceRef, actor: Actor, now: datetime
) -> Answer:
    """Write the template's resources, then the deployment itself. Raises Refused where the call itself is wrong."""
    resources.providers.check(ref.type, request.api_version)
    template = _template(request.body)
    written: list[Json] = []
    operations: list[Json] = []
    problem: Json = None
    for entry in template:
        target, body, api_version = _target(entry, ref)
        call = replace(request, method="PUT", path=target.id, query={"api-version": api_version}, body=body, headers={})
        answer = _write_one(resources, faults, call, target, actor, now)
        operations.append(_operation(ref, target, answer, now, len(operations)))
        if answer.status >= 400:
            problem = _failure(answer, target)
            break
        written.append({"id": target.id})
    body = _document(request, written, problem, now)
    stored = resources.write(replace(request, body=body, headers={}), ref, actor, now)
    resources.deployed[ref.key] = operations
    if problem:
        resources.state.will_fail(ref.key)
    return stored


def operations_of(resources: Resources, ref: ResourceRef) -> Answer:
    """The operations of a deployment, as `GET …/deployments/{name}/operations` lists them."""
    if ref.key not in resources.state.records:
        raise refusals.missing(resources.state, ref)
    return Answer(200, {"value": resources.deployed[ref.key]})


def _template(body: Json) -> list[Json]:
    properties = body.get("properties") if isinstance(body, dict) else None
    template = properties.get("template") if isinstance(properties, dict) else None
    entries = template.get("resources") if isinstance(template, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise error(400, "InvalidTemplate", "Deployment template validation failed: 'resources' has to be a list.")
    return entries


def _target(entry: dict[str, Json], deployment: ResourceRef) -> tuple[ResourceRef, Json, str]:
    """The ref, body and api-version of a template's resource."""
    body = {name: value for name, value in entry.items() if name not in ("apiVersion", "id", "type", "name")}
    try:
        target = parse_ref(str(entry.get("id") or _id_of(entry, deployment)))
    except WrongUse as refused:
        raise invalid_body(refused.message) from refused
    return target, body, str(entry.get("apiVersion", ""))


def _id_of(entry: dict[str, Json], deployment: ResourceRef) -> str:
    namespace, *types = str(entry.get("type", "")).split("/")
    names = str(entry.get("name", "")).split("/")
    pairs = "/".join(f"{kind}/{name}" for kind, name in zip(types, names, strict=False))
    scope = deployment.id[: deployment.key.rindex("/providers/")]
    return f"{scope}/providers/{namespace}/{pairs}"


def _write_one(
    resources: Resources, faults: Faults, call: Request, target: ResourceRef, actor: Actor, now: datetime
) -> Answer:
    fault = faults.take(call.method, call.path)
    try:
        if fault is not None and fault.fault in STATUSES:
            raise fault.refusal()
        return resources.write(call, target, actor, now)
    except Refused as refused:
        return refused.answer


def _failure(answer: Answer, target: ResourceRef) -> Json:
    details = [{"code": answer.code, "message": answer.message, "target": target.id}]
    message = "At least one resource deployment operation failed. Please list deployment operations for details."
    return {"code": "DeploymentFailed", "message": message, "details": details}


def _operation(deployment: ResourceRef, target: ResourceRef, answer: Answer, now: datetime, number: int) -> Json:
    name = f"{number:016X}"
    properties: dict[str, Json] = {
        "provisioningOperation": "Create",
        "provisioningState": "Succeeded" if answer.status < 400 else "Failed",
        "timestamp": stamp(now),
        "statusCode": str(answer.status),
        "targetResource": {"id": target.id, "resourceType": target.type, "resourceName": target.name},
    }
    if answer.status >= 400:
        properties["statusMessage"] = {"error": {"code": answer.code, "message": answer.message}}
    return {"id": f"{deployment.id}/operations/{name}", "operationId": name, "properties": properties}


def _document(request: Request, written: list[Json], problem: Json, now: datetime) -> Json:
    properties: dict[str, Json] = {
        "mode": request.body["properties"].get("mode", "Incremental"),
        "correlationId": request.correlation_id,
        "timestamp": stamp(now),
        "duration": f"PT{1 + len(written)}.5S",
        "outputResources": written,
    }
    if problem:
        properties["error"] = problem
    return {"properties": properties, **({"tags": request.body["tags"]} if "tags" in request.body else {})}
