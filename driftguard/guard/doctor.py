"""Doctor: is everything that a check needs in order? Each finding says what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from driftguard.errors import DriftGuardError
from driftguard.guard import index
from driftguard.guard.blobs import load_baseline
from driftguard.guard.context import Guard
from driftguard.guard.scan import rebuild_indexes
from driftguard.guard.verify import verify_store
from driftguard.guard.work import Work


@dataclass(frozen=True, slots=True)
class Symptom:
    """One thing looked at: `ok`, and one line that says what was found, with the remedy where it is not well."""

    name: str
    ok: bool
    told: str


def examine(guard: Guard) -> list[Symptom]:
    """Look at policy, store, ledgers, lists, notes and ARM."""
    return [
        _look("policy", lambda: _policy(guard)),
        _look("store", lambda: f"{guard.where.get('store', '')}: {len(index.jobs(guard.store))} jobs"),
        _look("secret key", lambda: f"key {guard.sealer.key_id}"),
        _look("ledgers", lambda: _ledgers(guard)),
        _look("lists across jobs", lambda: _lists(guard)),
        _look("notes", lambda: _notes(guard)),
        *(_look(f"ARM, {name}", lambda name=name: _arm(guard, name)) for name in index.jobs(guard.store)),  # type: ignore[misc]  # reason: mypy cannot type a default of a lambda
    ]


def _look(name: str, look: Callable[[], str]) -> Symptom:
    try:
        return Symptom(name, True, look())
    except DriftGuardError as error:
        return Symptom(name, False, str(error))


def _policy(guard: Guard) -> str:
    policy = guard.policy()
    warnings = policy.warnings(guard.today())
    return "; ".join([f"{policy.source} ({policy.digest[:12]})", *warnings])


def _ledgers(guard: Guard) -> str:
    result = verify_store(guard)
    if result.faults:
        raise DriftGuardError(result.faults[0], "the store was changed by hand or damaged: compare with the notes")
    return f"{len(result.checked)} whole"


def _lists(guard: Guard) -> str:
    rebuild_indexes(guard)
    return "made anew"


def _notes(guard: Guard) -> str:
    waiting = index.due_notes(guard.store, guard.clock.now())
    troubled = [row.body["problem"] for _, row in waiting if row.body["problem"]]
    if troubled:
        raise DriftGuardError(f"{len(waiting)} notes wait: {troubled[0]}", "mend it, then run driftguard deliver")
    return f"{len(waiting)} wait"


def _arm(guard: Guard, name: str) -> str:
    job = Work(guard.store, name, guard.clock.now()).job
    if not job.baseline:
        return "nothing recorded"
    entries = load_baseline(guard.store, job.baseline).entries
    subscriptions = sorted({entry.ref.subscription for entry in entries.values() if entry.ref.subscription})
    for subscription in subscriptions:
        guard.reader.tenant_of(subscription)
    return f"{len(subscriptions)} subscriptions readable, {len(entries)} resources recorded"
