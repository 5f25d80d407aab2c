"""Which resources may be part of a job: the `scopes` of the policy.

Rules:
- A service reads Azure with an identity of its own, which can often read more than the pipeline that calls it. So where the
  policy names the scopes of a job, nothing outside is read for a record, or becomes part of the job in any other way.
- A resource is inside a scope where its id is that of the scope, or lies below it, segment by segment.
"""

from __future__ import annotations

from collections.abc import Iterable

from driftguard.errors import NotAllowed
from driftguard.flow.policy import JobPolicy
from driftguard.flow.resource import ResourceRef, is_within


def require_inside(rules: JobPolicy, refs: Iterable[ResourceRef]) -> None:
    """Raises NotAllowed for a resource outside the scopes of the job."""
    if rules.scopes is None:
        return
    for ref in refs:
        if not any(is_within(ref.key, scope) for scope in rules.scopes):
            raise NotAllowed(
                f"{ref.id} is outside the scopes that the policy gives the job {rules.job}",
                "leave it out, or take it out of the job (driftguard jobs retire); or name it under `scopes` of the job",
            )
