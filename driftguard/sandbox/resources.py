"""The verbs on a resource: GET, PUT, PATCH, DELETE and actions, and the events that they leave.

Rules:
- Order of refusals: api-version, right to write, group, parent, lock, other work, condition.
- A refused call changes nothing.
- A PUT or PATCH of a type that provisions answers `Updating` with `Azure-AsyncOperation`; its ETag is not the last.
- While a resource is being provisioned, further writes of it are refused (409 AnotherOperationInProgress).
- What Azure Policy's managed identity writes leaves a row of category Policy besides, as a remediation does.
- A refused write (403, 409, 412) leaves Started and Failed in the Activity Log, one that passed Started and Succeeded.

Source: resource provider contract, "resource-api-reference".
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime
from typing import Any

from driftguard.flow.resource import ResourceRef
from driftguard.sandbox import answers, etags, refusals, shapes
from driftguard.sandbox.activity_log import ActivityLog, Operation
from driftguard.sandbox.actors import Actor, policy_insights
from driftguard.sandbox.answers import Answer, Refused, Request, error
from driftguard.sandbox.bodies import accepted, merged
from driftguard.sandbox.clock import stamp
from driftguard.sandbox.providers import Providers
from driftguard.sandbox.state import State, place_of

Json = Any  # what json.loads gives


class Resources:
    """The verbs over a state. `slow`: how many seconds the PUT of a type (lower case) goes on after its answer."""

    def __init__(self, state: State, log: ActivityLog, providers: Providers, tenant: str) -> None:
        self.state, self.log, self.providers, self._tenant = state, log, providers, tenant
        self.slow: dict[str, float] = dict(shapes.ASYNC)
        self.operations: dict[str, datetime] = {}  # when each ends, by operation id
        self.deployed: dict[str, list[Json]] = {}  # the operations of each deployment, by its key

    def get(self, request: Request, ref: ResourceRef) -> Answer:
        """The resource. Raises Refused for whatever is missing."""
        self.providers.check(ref.type, request.api_version)
        refusals.refuse_missing_group(self.state, ref)
        return self._shown(request, ref, 200)

    def write(self, request: Request, ref: ResourceRef, actor: Actor, now: datetime) -> Answer:
        """PUT, PATCH or DELETE with its events. Raises Refused."""
        self.providers.check(ref.type, request.api_version)
        operation = self.operation(request, ref, actor, "delete" if request.method == "DELETE" else "write")
        try:
            refuse_without_right(operation)
            refusals.refuse_missing_group(self.state, ref)
            status = _VERBS[request.method](self, request, ref, actor, now)
        except Refused as refused:
            if refused.answer.status in (403, 409, 412):
                self._log(replace(operation, status=refused.answer.status), now, "Failed")
            raise
        if request.method == "DELETE":
            if status == 200:
                self._log(operation, now, "Succeeded")
            return Answer(status)
        return self._written(request, ref, replace(operation, status=status), now)

    def act(self, request: Request, ref: ResourceRef, action: str, actor: Actor, now: datetime) -> Answer:
        """POST of an action on an existing resource: an event, and an empty object as answer."""
        self.get(request, ref)
        operation = self.operation(request, ref, actor, f"{action}/action")
        refuse_without_right(operation)
        self._log(operation, now, "Succeeded")
        return Answer(200, {})

    def finish(self, now: datetime) -> None:
        """End the provisioning that is due, each with its Succeeded event."""
        for ended in self.state.settle(now):
            self.log.add(ended.note, ended.ends, ended.until)

    def operation(self, request: Request, ref: ResourceRef, actor: Actor, verb: str) -> Operation:
        """A new operation on a resource, as the Activity Log will show it."""
        name = f"{ref.type}/{verb}"
        return Operation(str(uuid.uuid4()), ref.id, ref.type, name, actor, request, self._tenant)

    def _put(self, request: Request, ref: ResourceRef, actor: Actor, now: datetime) -> int:
        refusals.refuse_missing_parent(self.state, ref)
        old = self.state.find(place_of(ref))
        return self._store(request, ref, request.body, old, actor, now)

    def _patch(self, request: Request, ref: ResourceRef, actor: Actor, now: datetime) -> int:
        old = self.state.find(place_of(ref))
        if old is None:
            raise refusals.missing(self.state, ref)
        if not isinstance(request.body, dict):
            raise answers.invalid_body("an object is expected")
        return self._store(request, ref, merged(old, request.body), old, actor, now)

    def _delete(self, request: Request, ref: ResourceRef, _actor: Actor, _now: datetime) -> int:
        place = place_of(ref)
        if self.state.find(place) is None:
            return 204
        refusals.refuse_locked(self.state, ref, "delete")
        refusals.refuse_failed_condition(self.state, request, ref)
        self.state.remove(place)
        return 200

    def _store(self, request: Request, ref: ResourceRef, body: Json, old: Json, actor: Actor, now: datetime) -> int:
        """Store a body after the last refusals; 201 or 200."""
        refusals.refuse_locked(self.state, ref, "write")
        self._refuse_while_provisioning(ref)
        refusals.refuse_failed_condition(self.state, request, ref)
        if place_of(ref).collection and isinstance(body, dict):
            body = {**body, "name": ref.name if old is None else old["name"]}
            kept = accepted(ref.type, body, old)
            kept["name"] = body["name"]
        else:
            kept = accepted(ref.type, body, old)
        if shapes.has_system_data(ref.type):
            kept["systemData"] = system_data(old or {}, actor, now)
        self.state.write(ref, kept, now)
        return 201 if old is None else 200

    def _written(self, request: Request, ref: ResourceRef, operation: Operation, now: datetime) -> Answer:
        """The answer to a PUT or PATCH that passed, with its events."""
        key = place_of(ref).key
        seconds = self.slow.get(self.state.records[key].type.lower())
        if seconds is None:
            self._log(operation, now, "Succeeded")
            return self._shown(request, ref, operation.status)
        self.operations[operation.id] = self.state.begin(key, now, seconds, operation)
        self._log(operation, now, "Accepted")
        return self._shown(request, ref, operation.status).with_headers(
            {"Azure-AsyncOperation": _operation_path(ref, operation.id, request.api_version)}
        )

    def _shown(self, request: Request, ref: ResourceRef, status: int) -> Answer:
        place = place_of(ref)
        shown = self.state.shown(place, request.api_version)
        if shown is None:
            raise refusals.missing(self.state, ref)
        value = self.state.records[place.key].etag
        header = etags.header_of(etags.form_of(ref.type), value, request.api_version)
        return Answer(status, shown, {"ETag": header} if header else {})

    def _refuse_while_provisioning(self, ref: ResourceRef) -> None:
        going_on = self.state.busy(place_of(ref).key)
        if going_on is not None:
            address = _operation_path(ref, going_on.note.id, going_on.note.request.api_version)
            message = (
                "Another operation on this or dependent resource is in progress. "
                f"To retrieve status of the operation use uri: {address}."
            )
            raise error(409, "AnotherOperationInProgress", message)

    def _log(self, operation: Operation, now: datetime, outcome: str) -> None:
        self.log.add(operation, "Started", now)
        self.log.add(operation, outcome, now)
        if operation.actor.kind == "ManagedIdentity" and outcome != "Failed":
            effect = replace(operation, actor=policy_insights(operation.actor), name=_REMEDIATION)
            self.log.add(effect, "Succeeded", now)


_REMEDIATION = "Microsoft.Authorization/policies/deployIfNotExists/action"
_VERBS = {"PUT": Resources._put, "PATCH": Resources._patch, "DELETE": Resources._delete}


def refuse_without_right(operation: Operation) -> None:
    """Raises Refused where the actor may only read."""
    actor = operation.actor
    if not actor.may_write:
        raise answers.not_permitted(actor.caller, actor.object_id, operation.name, operation.resource_id)


def system_data(old: dict[str, Json], actor: Actor, now: datetime) -> dict[str, Json]:
    """The systemData after a write: who created it stays, who wrote it last is the actor."""
    by, kind, at = actor.written_by, actor.kind, stamp(now)
    created = old.get("systemData") or {"createdBy": by, "createdByType": kind, "createdAt": at}
    return {**created, "lastModifiedBy": by, "lastModifiedByType": kind, "lastModifiedAt": at}


def _operation_path(ref: ResourceRef, operation_id: str, api_version: str) -> str:
    """Path and query of an operation's status; the server puts its address before it."""
    where = (
        f"/subscriptions/{ref.subscription}/providers/{ref.namespace}/locations/westeurope/operations/{operation_id}"
    )
    return f"{where}?api-version={api_version}"
