"""Our side: record and check of one job through the guard, wired as the command line wires it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager

from driftguard.flow.decide import Verdict
from driftguard.guard.blobs import load_baseline
from driftguard.guard.check import Ask, check
from driftguard.guard.context import Guard
from driftguard.guard.record import Naming, Recording, record
from driftguard.guard.work import Work
from driftguard.settings import read_settings
from driftguard.wiring import guard_from

JOB = "bench"


def open_guard(environ: Mapping[str, str]) -> AbstractContextManager[Guard]:
    """The guard of a process with this environment."""
    return guard_from(read_settings(environ))


def record_all(guard: Guard, *, resources: Iterable[str] = (), groups: Iterable[str] = ()) -> int:
    """Record these resources, and all in these groups, as the job's first baseline; how many resources it holds."""
    record(guard, Recording(JOB, "run-0", naming=Naming(resources=tuple(resources), scopes=tuple(groups))))
    return len(recorded(guard))


def recorded(guard: Guard) -> list[tuple[str, str]]:
    """(id, api-version) of every recorded resource."""
    job = Work(guard.store, JOB, guard.clock.now()).job
    return [(entry.ref.id, entry.api_version) for entry in load_baseline(guard.store, job.baseline).entries.values()]


def check_all(guard: Guard) -> int:
    """Check the job; how many resources were read. Raises AssertionError where nothing changed and it still halts."""
    answer = check(guard, Ask(JOB, "run-1"))
    assert answer.verdict is Verdict.PROCEED, answer.why
    return answer.coverage.read
