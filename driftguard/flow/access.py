"""Who may call what of a service: a role that the identity provider gives, bound to jobs by the policy.

Rules:
- A call needs its role, and the policy must bind the caller to the job in that role: by object id, application id or group,
  never by a name, which its owner can change.
- Pipelines are applications and reviewers are people: a role on the other kind of token counts for nothing.
- A reviewer of a job may also read it. A pipeline may do neither: it checks and records the jobs that it is bound to.
- Where the policy binds nobody to a job, nobody may: an entry that is missing never opens anything. An empty list of
  pipelines binds nobody either; only where there is none do the job's principals count.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from driftguard.errors import NotAllowed
from driftguard.flow.policy import JobPolicy
from driftguard.flow.review import Person


class Role(StrEnum):
    """The roles, as the identity provider names them."""

    PIPELINE = "Pipeline"
    READER = "Reader"
    REVIEWER = "Reviewer"


# Whom a role may be given to: an application, a person, or either.
_KINDS = {Role.PIPELINE: (False,), Role.READER: (False, True), Role.REVIEWER: (True,)}


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who signed in. `groups` are the ids of the groups, in lower case, that the identity provider told.

    `all_groups` is false where there are too many of them to be told. `everything` is the one user of a service on their
    own machine: every role, for every job.
    """

    person: Person
    is_person: bool
    roles: frozenset[Role] = frozenset()
    groups: frozenset[str] = frozenset()
    all_groups: bool = True
    everything: bool = False

    @property
    def ids(self) -> frozenset[str]:
        """The ids that a policy can bind, in lower case. A person is not the application that they signed in with."""
        own = (self.person.object_id, "" if self.is_person else self.person.app_id)
        return self.groups.union(text.lower() for text in own if text)

    def has(self, role: Role) -> bool:
        """Whether the caller holds the role, and is of a kind that may hold it. A reviewer is also a reader."""
        if self.everything:
            return True
        held = {one for one in self.roles if self.is_person in _KINDS[one]}
        return role in held or (role is Role.READER and Role.REVIEWER in held)


class Identities(Protocol):
    """An identity provider: who it is that calls."""

    name: str

    def caller(self, credential: str) -> Caller:
        """Who presents this credential. Raises NotSignedIn where it proves nobody, Unavailable where it cannot be told."""
        ...


def require_role(caller: Caller, role: Role) -> None:
    """Raises NotAllowed where the caller does not hold the role, or is of the other kind."""
    if not caller.has(role):
        kind = "a person" if caller.is_person else "an application"
        raise NotAllowed(
            f"{caller.person.name or caller.person.object_id} is {kind} without the role {role}",
            f"have the app role {role} assigned; Pipeline is for applications, Reviewer for people",
        )


def is_bound(caller: Caller, role: Role, rules: JobPolicy) -> bool:
    """Whether the caller holds the role for this job."""
    return caller.everything or (caller.has(role) and bool(caller.ids & _bound(caller, role, rules)))


def require_bound(caller: Caller, role: Role, rules: JobPolicy) -> None:
    """Raises NotAllowed where the caller does not hold the role for this job."""
    require_role(caller, role)
    if is_bound(caller, role, rules):
        return
    if not caller.all_groups:
        raise NotAllowed(
            f"the token names too many groups to tell whether one is bound to {rules.job} as {role}",
            "let the identity provider send only groups assigned to the application, or bind the object id",
        )
    raise NotAllowed(
        f"the policy binds {caller.person.name or caller.person.object_id} to {rules.job} in no role of {role}",
        f"bind the object id, application id or a group in the job's entry of the policy: {_KEYS[role]}",
    )


_KEYS = {Role.PIPELINE: "pipelines or principals", Role.READER: "readers or reviewers", Role.REVIEWER: "reviewers"}


def _bound(caller: Caller, role: Role, rules: JobPolicy) -> frozenset[str]:
    """The ids that the policy binds to the job in this role, in lower case."""
    if role is Role.REVIEWER:
        return _lower(rules.reviewers)
    if role is Role.READER:
        # Who only holds the reader's role reads as a reader; a reviewer reads what they review.
        reviews = rules.reviewers if caller.has(Role.REVIEWER) else ()
        return _lower((*rules.readers, *reviews))
    principals = [text for one in rules.principals for text in (one.app_id, one.object_id)]
    return _lower(principals if rules.pipelines is None else rules.pipelines)


def _lower(ids: tuple[str, ...] | list[str]) -> frozenset[str]:
    return frozenset(text.lower() for text in ids if text)
