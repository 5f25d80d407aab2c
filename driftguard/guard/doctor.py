"""Doctor: is everything that a check needs in order? Each finding says what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial

from driftguard.errors import CannotTell, DriftGuardError, NotFound, OtherScope
from driftguard.flow.anchor import named
from driftguard.flow.policy import Policy
from driftguard.flow.policy_notices import notices
from driftguard.flow.reading import Outcome, Wanted
from driftguard.flow.resource import ResourceRef, scope_key
from driftguard.guard import index
from driftguard.guard.anchor_memory import store_id
from driftguard.guard.blobs import load_baseline
from driftguard.guard.context import Guard
from driftguard.guard.scan import rebuild_indexes
from driftguard.guard.verify import verify_ledgers
from driftguard.guard.work import Work, sealed_under

_READ_WITHIN = 60.0  # seconds
_NO_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Symptom:
    """One thing looked at: `ok`, and one line that says what was found, with the remedy where it is not well."""

    name: str
    ok: bool
    told: str


def examine(guard: Guard) -> list[Symptom]:
    """Look at policy, store, key, ledgers, anchors, lists, notes and ARM; one that is not in order hides none of the others.

    The guard's store and sealer may raise at their first use.
    """
    policy = _look("policy", lambda: _policy(guard))
    store = _look("store", lambda: _store(guard))
    if not store.ok:
        return [policy, store, _look("ARM", lambda: _sign_in(guard))]
    return [
        policy,
        store,
        _look("secret key", lambda: f"key {guard.sealer.key_id}"),
        _look("ledgers", lambda: _ledgers(guard)),
        _look("anchors", lambda: _anchors(guard)),
        _look("secrets", lambda: _secrets(guard)),
        _look("lists across jobs", lambda: _lists(guard)),
        _look("notes", lambda: _notes(guard)),
        *_arm(guard),
    ]


def examine_policy(policy: Callable[[], Policy], today: date, trouble: DriftGuardError) -> list[Symptom]:
    """Where the settings are so wrong that there is no guard: the policy, and what is wrong."""
    return [_look("policy", lambda: _told_policy(policy(), today)), Symptom("settings", False, str(trouble))]


def _look(name: str, look: Callable[[], str]) -> Symptom:
    try:
        return Symptom(name, True, look())
    except DriftGuardError as error:
        return Symptom(name, False, str(error))


def _policy(guard: Guard) -> str:
    return _told_policy(guard.policy(), guard.today())


def _told_policy(policy: Policy, today: date) -> str:
    warnings = map(str, notices(policy, today))
    return "; ".join([f"{policy.source} ({policy.digest[:12]})", *warnings])


def _store(guard: Guard) -> str:
    return f"{guard.where.get('store', '')}: {_number(len(index.jobs(guard.store)), 'job')}"


def _ledgers(guard: Guard) -> str:
    result = verify_ledgers(guard)
    if wrong := result.faults or result.unclear:
        raise DriftGuardError(wrong[0], "the store was changed by hand or damaged: compare with the notes")
    return f"{len(result.checked)} whole"


def _anchors(guard: Guard) -> str:
    """When the heads of the ledgers were anchored last, as the place for them says."""
    if guard.anchors is None:
        return "none set up: a store that was written anew as a whole would not show (DRIFTGUARD_ANCHORS)"
    store = store_id(guard.store)
    today = guard.today()
    days = [of[0] for name in guard.anchors.names() if (of := named(name)) and of[1] == store and of[0] <= today]
    if not days:
        return f"warning: {guard.anchors.where} has none of this store yet: driftguard scan writes one a day"
    since = (today - max(days)).days
    told = f"{_number(len(days), 'day')} in {guard.anchors.where}, the last of {max(days)}"
    return f"warning: {told}, {since} days ago: driftguard scan, without --job, writes one a day" if since > 1 else told


def _secrets(guard: Guard) -> str:
    """What a rule for secrets came too late for: no fault of the store, and nothing that it can mend."""
    jobs = [Work(guard.store, name, guard.clock.now()).job for name in index.jobs(guard.store)]
    holding = [one.replace(" ", " version ") for job in jobs for one in job.holding]
    waiting = _number(sum(len(job.forget) for job in jobs), "blob")
    told = [f"{waiting} wait to be removed"] if any(job.forget for job in jobs) else []
    if holding:
        others = len(holding) - 1 + sum(job.holding_more for job in jobs)
        more = f" and {others} more" if others else ""
        told.append(
            f"evidence of {holding[0]}{more} holds values that are secrets now: change those where they are used"
        )
    under = sealed_under(guard.policy())
    behind = sum(1 for job in jobs if job.sealed != under)
    if behind:
        told.append(f"{_number(behind, 'job')} not sealed under the rules of today: the next check of each does it")
    return "; ".join(told) or "sealed by the rules of today"


def _lists(guard: Guard) -> str:
    rebuild_indexes(guard)
    return "made anew"


def _notes(guard: Guard) -> str:
    waiting = index.due_notes(guard.store, guard.clock.now())
    troubled = [row.body["problem"] for _, row in waiting if row.body["problem"]]
    if troubled:
        raise DriftGuardError(
            f"{_number(len(waiting), 'note')} waiting: {troubled[0]}", "mend it, then run driftguard deliver"
        )
    return f"{len(waiting)} wait"


def _arm(guard: Guard) -> list[Symptom]:
    jobs = index.jobs(guard.store)
    if not jobs:
        return [_look("ARM", lambda: f"no job recorded yet; {_sign_in(guard)}")]
    return [_look(f"ARM, {job}", partial(_arm_of, guard, job)) for job in jobs]


def _arm_of(guard: Guard, name: str) -> str:
    job = Work(guard.store, name, guard.clock.now()).job
    if not job.baseline:
        return "nothing recorded"
    entries = load_baseline(guard.store, job.baseline).entries
    subscriptions = sorted({entry.ref.subscription for entry in entries.values() if entry.ref.subscription})
    for subscription in subscriptions:
        guard.reader.tenant_of(subscription)
    _require_readable(guard, [entry.ref for entry in entries.values() if not entry.ref.subscription])
    return f"{_number(len(subscriptions), 'subscription')} readable, {_number(len(entries), 'resource')} recorded"


def _require_readable(guard: Guard, refs: Sequence[ResourceRef]) -> None:
    """Read one resource of each scope that is in no subscription, such as a container. Raises CannotTell."""
    one_each = {scope_key(ref): Wanted(ref) for ref in refs}
    for reading in guard.reader.read(one_each.values(), budget=_READ_WITHIN):
        if reading.outcome is Outcome.UNREADABLE:
            raise CannotTell(
                f"{reading.ref.id} could not be read: {reading.detail}", "give the sign-in a role to read it"
            )


def _sign_in(guard: Guard) -> str:
    """Ask for a subscription that cannot be: who is not signed in is refused before ARM looks for it."""
    with suppress(NotFound, OtherScope):
        guard.reader.tenant_of(_NO_SUBSCRIPTION)
    return f"signed in to {guard.where.get('arm', 'ARM')}"


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
