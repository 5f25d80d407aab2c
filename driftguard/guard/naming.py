"""Naming: which resources a record is about, from deployments, ids and scopes.

Rules:
- A deployment has ended, and succeeded unless the run says that it failed.
- A scope is listed whole or not at all; nothing named means what the last record named, and everything recorded.
- All resources are of the job's tenant, as ARM says it.
- Where the policy gives the job scopes, what is named, and what is then to be read, is inside of them (job_scopes.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from driftguard.errors import Busy, CannotTell, OtherScope, WrongUse
from driftguard.flow.reading import Deployment
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.guard import pending
from driftguard.guard.blobs import load_baseline
from driftguard.guard.context import Guard
from driftguard.guard.job_scopes import require_inside
from driftguard.guard.recorded import Naming, Recording
from driftguard.guard.work import Work

_ENDED = ("succeeded", "failed", "canceled")


@dataclass(frozen=True)
class Named:
    """What the run named, resolved to resources.

    `only_listed`: keys that a scope lists and nobody named one by one. `claimed`: keys that this call itself names, by
    whatever; not what is read only because an earlier record named it.
    """

    refs: tuple[ResourceRef, ...]
    selectors: dict[str, list[str]]
    deployments: tuple[Deployment, ...]
    only_listed: frozenset[str]
    claimed: frozenset[str] = frozenset()


def resolve(guard: Guard, work: Work, call: Recording) -> Named:
    """The resources that the run names; nothing named means what the last record named. Raises NotAllowed for others'."""
    job, naming = work.job, call.naming
    rules = guard.policy().for_job(call.job)
    if not naming and not work.exists:
        raise WrongUse(
            f"nothing is named to record for the job {job.name}",
            "name it: --deployment ID, --resource ID, --resource-group ID, --subscription ID, --container URL or --ids-file F",
        )
    if not naming:
        naming = Naming(scopes=tuple(job.selectors.get("scope", [])))
    parse = partial(parse_ref, cloud=guard.cloud)
    require_inside(rules, map(parse, (*naming.deployments, *naming.resources, *naming.scopes)))
    recorded: list[ResourceRef] = []
    if job.baseline and (not call.naming or rules.scopes is not None):
        recorded = [entry.ref for entry in load_baseline(guard.store, job.baseline).entries.values()]
    require_inside(rules, recorded)  # a record reads them too
    deployments = tuple(_ended(guard, parse(text), call.after_failure) for text in naming.deployments)
    refs = [parse(text) for text in naming.resources]
    refs += [ref for deployment in deployments for ref in deployment.resources]
    listed: list[ResourceRef] = []
    for text in naming.scopes:
        members = guard.reader.members(parse(text))
        if not members.complete:
            raise CannotTell(f"{text} could not be listed whole: {members.detail}", "nothing was recorded: try again")
        listed += members.refs
    claimed = frozenset(ref.key for ref in (*refs, *listed)) if call.naming else frozenset()
    if not call.naming:
        refs += recorded
    # What an earlier record waits for is read with this one: otherwise nobody would ask for it again.
    refs += pending.waiting_for(guard, job)
    only_listed = {ref.key for ref in listed} - {ref.key for ref in refs}
    refs += listed
    require_inside(rules, refs)
    tenants = {name: guard.reader.tenant_of(name) for name in sorted({ref.subscription for ref in refs}) if name}
    placed = [replace(ref, tenant=tenants.get(ref.subscription, "")) for ref in refs]
    _require_tenant(guard, work, tenants)
    if not placed:
        raise WrongUse(
            "what is named holds no resource", "name resources that exist; a record of nothing guards nothing"
        )
    selectors = {
        "deployment": list(naming.deployments),
        "scope": list(naming.scopes),
    }
    unique = tuple({ref.key: ref for ref in placed}.values())
    return Named(unique, selectors, deployments, frozenset(only_listed), claimed)


def _ended(guard: Guard, ref: ResourceRef, after_failure: bool) -> Deployment:
    deployment = guard.reader.deployment(ref)
    if deployment.state.lower() not in _ENDED:
        raise Busy(f"the deployment {ref.name} is {deployment.state}", "record after it has ended")
    if deployment.state.lower() != "succeeded" and not after_failure:
        raise WrongUse(
            f"the deployment {ref.name} {deployment.state.lower()}",
            "repeat it, or record what it left with --after-failure",
        )
    return deployment


def _require_tenant(guard: Guard, work: Work, tenants: dict[str, str]) -> None:
    """Everything named is of one tenant: the job's, and the one that the settings name. Raises OtherScope."""
    job = work.job
    if guard.tenant and job.tenant and guard.tenant != job.tenant:
        raise OtherScope(
            f"the job {job.name} is recorded in the tenant {job.tenant}, the settings say {guard.tenant}",
            "set AZURE_TENANT_ID to the job's tenant",
        )
    for subscription, tenant in tenants.items():
        if guard.tenant and tenant != guard.tenant:
            raise OtherScope(
                f"the subscription {subscription} is of the tenant {tenant}, the settings say {guard.tenant}",
                "set AZURE_TENANT_ID to the tenant of the resources",
            )
        if job.tenant and tenant != job.tenant:
            raise OtherScope(
                f"the subscription {subscription} is of the tenant {tenant}, the job {job.name} is of {job.tenant}",
                "use a job of its own for each tenant",
            )
    if len(set(tenants.values())) > 1:
        raise OtherScope("the resources are of more than one tenant", "use a job of its own for each tenant")
