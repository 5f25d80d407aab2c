"""Why a call of a resource is refused: its group, its parent or itself is missing, a lock, a condition, other work.

Rules:
- 404 has a family: the group, the parent, the resource by ARM's front door, or an embedded child by its provider.
- A lock holds for its scope and everything below: CanNotDelete forbids deletes, ReadOnly writes as well.
  A delete would take what is below with it, so a lock there forbids it too.
- The 412 bodies are those recorded of Network, Compute and DNS; other types answer a general one.
"""

from __future__ import annotations

from driftguard.errors import WrongUse
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.sandbox import answers, etags
from driftguard.sandbox.answers import Refused, Request, error
from driftguard.sandbox.state import GROUP, LOCK, State, place_of


def refuse_missing_group(state: State, ref: ResourceRef) -> None:
    """Raises Refused where the ref lies in a resource group that does not exist."""
    if ref.resource_group and ref.type.lower() != GROUP:
        group = "/".join(ref.key.split("/")[:5])
        if group not in state.records:
            raise answers.group_not_found(ref.id.split("/")[4])


def refuse_missing_parent(state: State, ref: ResourceRef) -> None:
    """Raises Refused where what the ref is nested in, or extends, does not exist."""
    parent = _parent_of(ref)
    if parent is not None and state.find(place_of(parent)) is None:
        raise answers.parent_not_found(parent.name)


def _parent_of(ref: ResourceRef) -> ResourceRef | None:
    """The resource that a nested or extension resource belongs to; None for one directly in a group or subscription."""
    extends = ref.key.rfind("/providers/")
    nested = ref.key[extends + 1 :].count("/") > 3
    parent = ref.id.rsplit("/", 2)[0] if nested else ref.id[: max(extends, 0)]
    try:
        found = parse_ref(parent)
    except WrongUse:  # the tenant
        return None
    return None if found.type == "Microsoft.Resources/subscriptions" else found


def missing(state: State, ref: ResourceRef) -> Refused:
    """The 404 for a resource that is not there while its group is."""
    if ref.type.lower() == GROUP:
        return answers.group_not_found(ref.name)
    if ref.type.lower() == "microsoft.resources/deployments":
        return error(404, "DeploymentNotFound", f"Deployment '{ref.name}' could not be found.", gateway=True)
    parent = _parent_of(ref)
    if parent is not None and state.find(place_of(parent)) is None:
        return answers.parent_not_found(parent.name)
    if place_of(ref).collection:
        return error(404, "NotFound", f"Resource {ref.id} not found.")
    namespace, _, types = ref.type.partition("/")
    names = ref.id[ref.key.rfind("/providers/") + 1 :].split("/")[3::2]
    pairs = "/".join(f"{kind}/{name}" for kind, name in zip(types.split("/"), names, strict=False))
    group = ref.id.split("/")[4] if ref.resource_group else ""
    return answers.resource_not_found(f"{namespace}/{pairs}", group)


def refuse_locked(state: State, ref: ResourceRef, verb: str) -> None:
    """Raises Refused where a lock forbids the `write` or `delete`. Locks themselves can always be removed."""
    if ref.type.lower() == LOCK:
        return
    forbidding = {"ReadOnly"} if verb == "write" else {"ReadOnly", "CanNotDelete"}
    locks = state.locks_over(ref.key) + (state.locks_below(ref.key) if verb == "delete" else [])
    scopes = [scope for scope, level in locks if level in forbidding]
    if scopes:
        raise answers.locked(ref.id, verb, scopes)


def refuse_failed_condition(state: State, request: Request, ref: ResourceRef) -> None:
    """Raises Refused with the type's 412 where If-Match or If-None-Match does not hold."""
    place, form = place_of(ref), etags.form_of(ref.type)
    current = state.records[place.key].etag if state.find(place) is not None else None
    if_match, if_none_match = request.headers.get("if-match", ""), request.headers.get("if-none-match", "")
    if etags.failed_condition(form, current, if_match, if_none_match):
        raise _precondition_failed(ref, form, if_match, current)


def _precondition_failed(ref: ResourceRef, form: etags.Form, if_match: str, current: str | None) -> Refused:
    written = (form.body or form.header).format
    given, stands = written(etags.normal(if_match)), written(current or "")
    if form is etags.DNS:
        kind = "Zone" if ref.type.count("/") == 1 else "Record set"
        how = "has been modified (etag mismatch)." if if_match else "exists already and hence cannot be created again."
        return answers.bare_error(412, "PreconditionFailed", f"The {kind} {ref.name} {how}")
    if form is etags.COUNTER and if_match:
        message = f"Etag provided in if-match header {given} does not match etag {stands} of resource."
        return error(412, "PreconditionFailed", message)
    if form is etags.WEAK and if_match and current is not None:
        message = f"Etag provided in if-match header {given} does not match etag {stands} of resource {ref.id} in NRP data store."
        details = [{"code": "PreconditionFailedEtagMismatch", "message": message}]
        return error(412, "PreconditionFailed", "Precondition failed.", details=details)
    if current is None:
        message = "Resource not found but ETag header is provided."
    elif if_match:
        message = "The condition given in the If-Match header does not hold: the resource has been modified."
    else:
        message = "The condition given in the If-None-Match header does not hold: the resource exists."
    return error(412, "PreconditionFailed", message)
