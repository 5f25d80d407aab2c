"""Who asks for what: sign-in, role and binding of one request, before a byte of its body is read.

Rules:
- First who it is (401, or 503 where that cannot be told), then whether they hold a role that the call needs (403), then which
  job the address names, and whether the policy binds them to it (403). Only then is anything else looked at.
- A halt's job is found by the lists, else by asking every job.
- What is asked here may block (keys of the identity provider, the store): it runs on a worker thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from driftguard.entry.http.etags import still_good
from driftguard.entry.http.problems import Refused
from driftguard.entry.in_process import InProcess
from driftguard.errors import NotAllowed, NotFound, NotSignedIn, Stale, WrongUse
from driftguard.flow.access import Caller, Role, is_bound, require_bound, require_role
from driftguard.flow.review import Person

if TYPE_CHECKING:
    from starlette.requests import Request

    from driftguard.entry.http.long_calls import LongCalls
    from driftguard.entry.http.service import Service
    from driftguard.guard.context import Guard

_LONGEST_TOKEN = 32 * 1024
_MOST_KNOWN = 10_000  # halts whose job is remembered


@dataclass
class Asked:
    """A request that may be answered. `job` and `halt` are those that the address names, empty where it names none.

    `role` is the first of the call's roles that the caller holds (for the job, where one is named); `has_pages`: the service
    has pages, that is sessions for browsers. `at` is before anything is read for the answer: what is still ahead then is in
    its tag.
    """

    guard: Guard
    caller: Caller
    role: Role
    calls: LongCalls
    request: Request
    at: datetime
    job: str = ""
    halt: str = ""
    has_pages: bool = False

    @property
    def verbs(self) -> InProcess:
        """The verbs on the service's guard."""
        return InProcess(self.guard)

    @property
    def caller_id(self) -> str:
        """What tells this caller from others."""
        person = self.caller.person
        return person.object_id or person.app_id or person.name

    def require(self, role: Role, job: str) -> None:
        """Raises NotAllowed where the caller does not hold the role for the job, WrongUse for what is no job's name."""
        from driftguard.guard.work import require_job_name

        require_role(self.caller, role)
        require_bound(self.caller, role, self.guard.policy().for_job(require_job_name(job)))

    def may(self, role: Role, job: str) -> bool:
        """Whether the caller holds the role for the job."""
        return is_bound(self.caller, role, self.guard.policy().for_job(job))

    def reviewer(self, name: str | None) -> Person:
        """Who decides. `name` is taken from the user of a service on their own machine only, and is asserted."""
        if self.caller.everything:
            return Person(name or self.caller.person.name, asserted=True)
        if name is not None:
            raise WrongUse("who decides is said by the token", "leave `as` out")
        return self.caller.person

    def still_good(self, version: str | None, representation: str) -> str | None:
        """The tag that the caller has, where it is of this version of a row and still good; as `etags.still_good`."""
        return still_good(self.request, version, representation, self.at)

    def job_version(self) -> str | None:
        """The version of the job's row."""
        from driftguard.guard.rows import JOB, JOB_ROW

        return self.guard.store.version(self.job, JOB, JOB_ROW)

    def stale(self) -> Stale:
        """What a caller is told who decided on another state than the present one: the words of the verb in process."""
        if self.halt:
            return Stale("the halt changed since you saw it", f"look again: driftguard halts show {self.halt}")
        return Stale(f"the job {self.job} changed since you saw it", f"look again: driftguard jobs show {self.job}")

    def halt_version(self) -> str | None:
        """The version of the halt's row."""
        from driftguard.guard.rows import HALT

        return self.guard.store.version(self.job, HALT, self.halt)


def admit(service: Service, calls: LongCalls, request: Request, roles: Sequence[Role]) -> Asked:
    """The request as one that may be answered. Raises NotSignedIn, NotAllowed, NotFound, WrongUse, CannotTell."""
    caller = sign_in(service, request)
    request.state.caller = caller  # problems.py tells the user of a local service what it tells nobody else
    held = [role for role in roles if caller.has(role)]
    if not held:
        require_role(caller, roles[0])
    guard = service.guard()
    asked = Asked(guard, caller, held[0], calls, request, guard.clock.now(), has_pages=service.sessions is not None)
    _name_job(asked, request.path_params, held)
    if asked.job:
        bound = [role for role in held if asked.may(role, asked.job)]
        if not bound:
            asked.require(held[0], asked.job)
            raise NotAllowed("the policy binds the caller to the job in no role of this call", "bind it in the policy")
        asked.role = bound[0]
    request.state.asked = asked
    return asked


def sign_in(service: Service, request: Request) -> Caller:
    """Who presents the bearer token. Raises NotSignedIn, Unavailable; Refused where no identity provider is set up."""
    if service.identities is None:
        raise Refused(
            "bad-configuration",
            "no identity provider is set up: the service answers nobody",
            "set DRIFTGUARD_AUTH_TENANT and DRIFTGUARD_AUTH_AUDIENCE of the service",
        )
    given = request.headers.getlist("authorization")
    kind, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    token = token.strip(" ")
    if kind.lower() != "bearer" or not token or len(token) > _LONGEST_TOKEN or not token.isascii():
        raise NotSignedIn("the request has no bearer token", "send it: Authorization: Bearer TOKEN")
    return service.identities.caller(token)


def _name_job(asked: Asked, names: dict[str, str], held: Sequence[Role]) -> None:
    """Finds the job that the address names, itself or by one of its halts.

    A shortened id is looked for among the caller's own jobs only: nobody learns by guesses which halts others have.
    """
    from driftguard.guard.review import find_halt, job_of_halt
    from driftguard.guard.work import require_job_name

    if "job" in names:
        asked.job = require_job_name(names["job"])
    elif "halt" in names:
        named = names["halt"]
        if not named.startswith("h-"):
            raise NotFound("there is no such halt", "see driftguard halts list --all")
        known = asked.calls.jobs_of_halts
        job = known.get(named) or job_of_halt(asked.guard, named)
        if job is not None:
            if len(known) >= _MOST_KNOWN:
                known.clear()
            known[named] = job
        else:
            found, _ = find_halt(asked.guard, named, lambda name: any(asked.may(role, name) for role in held))
            job, named = found.job, found.id
        asked.job, asked.halt = job, named
