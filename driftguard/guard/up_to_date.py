"""What every verb does to a job before its own work: seal again what became a secret, try again what is pending."""

from __future__ import annotations

from driftguard.flow.policy import Policy
from driftguard.guard import pending
from driftguard.guard.context import Guard
from driftguard.guard.reseal import is_sealed, reseal
from driftguard.guard.reseal_rest import also_told
from driftguard.guard.work import Work


def bring_up_to_date(
    guard: Guard, name: str, policy: Policy, *, renewing: tuple[str, str] | None = None
) -> tuple[tuple[str, ...], Work | None]:
    """What is worth telling of it, and the job as read where nothing was to be done: it need not be read once more.

    `renewing` is a run, with its caller, that asks for its lease once more. Raises as `reseal` and `catch_up` do.
    """
    work = Work(guard.store, name, guard.clock.now())
    if not work.exists or (is_sealed(work.job, policy) and pending.is_caught_up(work.job)):
        return (), work
    told = reseal(guard, name, policy)
    with also_told(told):
        pending.catch_up(guard, name, policy, renewing=renewing)
    return told, None
