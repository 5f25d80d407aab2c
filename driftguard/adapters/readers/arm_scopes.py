"""What ARM says of a scope: the resources in it, a deployment to it, its tenant.

Rules:
- A row that is not an ARM id, or not of the scope that was asked for, makes the list incomplete; it is never dropped
  without a word.
- What a scope or deployment does not answer is an error or an incomplete list, never an empty one.
- A deployment whose outputs cannot all be read is an error: what it wrote must not be left out of a record. Without the
  property `outputResources`, or with null, it has none.

Sources: learn.microsoft.com/rest/api/resources (Resources - List, Deployments - Get, Subscriptions - Get).
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from driftguard.adapters.readers.arm_answers import Answer, Failure, described, error_code, object_in, server_time
from driftguard.adapters.readers.arm_client import ArmClient
from driftguard.adapters.readers.arm_pages import pages
from driftguard.adapters.readers.arm_versions import FIXED
from driftguard.errors import CannotTell, NotFound, OtherScope, Unavailable, WrongUse
from driftguard.flow.ports import Clock
from driftguard.flow.reading import Deployment, Members
from driftguard.flow.resource import ResourceRef, parse_ref

LIST_API_VERSION = "2021-04-01"
DEPLOYMENTS_API_VERSION = "2022-09-01"
BUDGET = 300.0  # seconds for a whole list
_LISTED = ("microsoft.resources/resourcegroups", "microsoft.resources/subscriptions")
_MOST_TEXT = 200


def members(client: ArmClient, clock: Clock, scope: ResourceRef) -> Members:
    """The resources that a resource group or subscription lists. Raises OtherScope, Unavailable, WrongUse."""
    if scope.type.lower() not in _LISTED:
        raise WrongUse(f"{scope.id!r} has no list of resources", "name a resource group or a subscription")
    deadline = clock.monotonic() + BUDGET
    query = {"api-version": LIST_API_VERSION}
    refs: list[ResourceRef] = []
    strange = 0
    for page in pages(client, f"{scope.id}/resources", query, subscription=scope.subscription, deadline=deadline):
        if isinstance(page, Failure):
            return Members(scope, tuple(refs), complete=False, detail=page.detail, cause=page.cause)
        for row in page:
            ref = _ref_of(row, scope)
            if ref is not None and ref.key.startswith(scope.key + "/"):
                refs.append(ref)
            else:
                strange += 1
    detail = f"{strange} listed resources have ids that cannot be read" if strange else ""
    return Members(scope, tuple(refs), complete=not strange, detail=detail)


def deployment(client: ArmClient, clock: Clock, ref: ResourceRef) -> Deployment:
    """A deployment; `at` is when it last changed its state.

    Raises NotFound, Unavailable, OtherScope, WrongUse, CannotTell where its outputs cannot be read.
    """
    if ref.type.lower() != "microsoft.resources/deployments":
        raise WrongUse(f"{ref.id!r} is not a deployment", "give the id of a Microsoft.Resources/deployments resource")
    query = {"api-version": DEPLOYMENTS_API_VERSION}
    answer = client.get(ref.id, query, subscription=ref.subscription, deadline=clock.monotonic() + BUDGET)
    body = _object_or_error(answer, f"the deployment {ref.name!r}")
    properties = body.get("properties")
    if not isinstance(properties, dict) or not isinstance(properties.get("provisioningState"), str):
        raise Unavailable(f"ARM's answer tells no state of the deployment {ref.name!r}", "try again")
    correlation_id = properties.get("correlationId")
    return Deployment(
        ref=ref,
        state=properties["provisioningState"][:_MOST_TEXT],
        correlation_id=correlation_id[:_MOST_TEXT] if isinstance(correlation_id, str) else None,
        resources=_outputs(properties.get("outputResources"), ref),
        at=_timestamp(properties.get("timestamp")) or _answered_at(answer, clock),
    )


def _outputs(rows: object, deployment: ResourceRef) -> tuple[ResourceRef, ...]:
    """What a deployment output. Raises CannotTell where something of it cannot be read."""
    if rows is None:
        return ()
    refs = [_ref_of(row, deployment) for row in rows] if isinstance(rows, list) else []
    found = tuple(ref for ref in refs if ref is not None)
    strange = len(refs) - len(found)
    if strange or not isinstance(rows, list):
        what = f"{strange} output resources" if strange else "the output resources"
        raise CannotTell(
            f"{what} of the deployment {deployment.name!r} have ids that cannot be read",
            "name what it deployed instead: --resource ID or --resource-group ID",
        )
    return found


def tenant_of(client: ArmClient, clock: Clock, subscription: str) -> str:
    """The tenant id (lower case) of a subscription. Raises NotFound, OtherScope, Unavailable, WrongUse."""
    ref = parse_ref(f"/subscriptions/{subscription}", cloud=client.options.cloud)
    query = {"api-version": FIXED[ref.type.lower()]}
    answer = client.get(ref.id, query, subscription=ref.subscription, deadline=clock.monotonic() + BUDGET)
    tenant = _object_or_error(answer, f"the subscription {subscription}").get("tenantId")
    if not isinstance(tenant, str) or not tenant:
        raise Unavailable(f"ARM's answer names no tenant of the subscription {subscription}", "try again")
    return tenant.lower()


def _object_or_error(answer: Answer | Failure, what: str) -> dict[str, Any]:
    body = object_in(answer)
    if not isinstance(body, Failure):
        return body
    if isinstance(answer, Answer) and answer.status == HTTPStatus.NOT_FOUND and error_code(answer):
        raise NotFound(f"{what} does not exist ({described(answer)})", "check the id, and that the sign-in may read it")
    raise Unavailable(
        f"{what} could not be read ({body.detail})", "try again; on 403 give the sign-in the Reader role there"
    )


def _ref_of(row: object, like: ResourceRef) -> ResourceRef | None:
    """The ref of a listed row, with the cloud and tenant of `like`; None where its id is not an ARM id."""
    text = row.get("id") if isinstance(row, dict) else None
    if not isinstance(text, str):
        return None
    try:
        return parse_ref(text, cloud=like.cloud, tenant=like.tenant)
    except (WrongUse, OtherScope):
        return None


def _timestamp(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return None if at is None else (at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC))


def _answered_at(answer: Answer | Failure, clock: Clock) -> datetime:
    return server_time(answer, clock.now()) if isinstance(answer, Answer) else clock.now()
