"""Scan: judges every job, as a gate does, and makes the lists across jobs anew.

Rules:
- One job that cannot be judged stops no other, whatever is wrong with it; it is named in the report as an error.
- Lists across jobs that cannot be made anew stay as they are: the jobs are judged all the same.
- A retired job is not judged; what is stored of it is sealed again where more counts as a secret now.
- Every job that is named gets its line: one that cannot be judged, since it is retired or has nothing recorded, an error.
- A job that is updating or settling is left alone: its run, or its record, speaks next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from driftguard.errors import Busy, CannotTell, Conflict, DriftGuardError
from driftguard.flow.decide import Verdict
from driftguard.guard import index
from driftguard.guard.blobs import Damaged, load_baseline
from driftguard.guard.check import Answer, Ask, check
from driftguard.guard.context import Guard
from driftguard.guard.deliver import Delivered, send_due
from driftguard.guard.measured import measured_scan
from driftguard.guard.neighbours import scope_of
from driftguard.guard.reseal import reseal
from driftguard.guard.sweep import Swept, sweep
from driftguard.guard.work import Work

_LISTS = CannotTell(
    "the lists across jobs could not be made anew", "they stay as they were; the jobs were judged all the same"
)


@dataclass(frozen=True)
class ScanReport:
    """What a scan found, by job: answers, jobs that were busy or settling, and errors. `scan` is its id, the run of its checks.

    An error under the name of the index partition is of the lists across jobs. `swept` is empty where jobs were named.
    """

    scan: str
    answers: tuple[Answer, ...]
    busy: tuple[str, ...]
    errors: dict[str, DriftGuardError]
    delivered: tuple[Delivered, ...]
    swept: Swept = Swept()

    @property
    def could_not_tell(self) -> tuple[str, ...]:
        """The jobs that could not be judged."""
        unclear = [a.job for a in self.answers if a.verdict is Verdict.CANNOT_TELL and not a.observed]
        return tuple(sorted([*unclear, *self.errors]))

    @property
    def exit_code(self) -> int:
        """1 where a job would be stopped, else 2 where one could not be judged, else 0."""
        if any(answer.exit_code == 1 for answer in self.answers):
            return 1
        return 2 if self.could_not_tell else 0

    def summary(self) -> dict[str, Any]:
        """Counts, as one line of a log."""
        verdicts = [str(answer.verdict) for answer in self.answers]
        return {
            "jobs": len(self.answers) + len(self.busy) + len(self.errors.keys() - {index.INDEX}),
            "verdicts": {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))},
            "halted": sorted(a.job for a in self.answers if a.verdict is Verdict.HALT and not a.observed),
            "would_have_halted": sorted(a.job for a in self.answers if a.verdict is Verdict.HALT and a.observed),
            "busy": sorted(self.busy),
            "could_not_tell": list(self.could_not_tell),
            "notes_waiting": sum(1 for note in self.delivered if note.problem),
            "swept": self.swept.to_dict(),
        }


def gate_every_job(guard: Guard, only: Sequence[str] | None = None) -> ScanReport:
    """Judge every job that has a baseline, or exactly the jobs that are named.

    Raises StoreUnavailable and BadConfiguration, which concern all of them.
    """
    return measured_scan(guard, lambda: _gate(guard, only))


def _gate(guard: Guard, only: Sequence[str] | None) -> ScanReport:
    policy = guard.policy()
    answers: list[Answer] = []
    busy: list[str] = []
    errors: dict[str, DriftGuardError] = {}
    run = "scan-" + guard.new_id()
    try:
        rebuild_indexes(guard)
    except Exception as error:  # noqa: BLE001  # reason: the lists of one damaged job must not stop the others' checks
        # Whoever named jobs is told of these: the error may speak of others.
        errors[index.INDEX] = _as_ours(index.INDEX, error) if only is None else _LISTS
    for name in index.jobs(guard.store) if only is None else dict.fromkeys(only):
        try:
            job = Work(guard.store, name, guard.clock.now()).job
            if job.retired_at and only is None:
                reseal(guard, name, policy)  # no other verb works on it
            elif job.baseline or only is not None:
                answers.append(check(guard, Ask(name, run, gate=True), by_scan=True))
        except Conflict as error:
            errors[name] = error  # nobody's lease: it was not judged, and no run of its own speaks next
        except Busy:
            busy.append(name)
        except Exception as error:  # noqa: BLE001  # reason: an unforeseen fault of one job must not hide the others' drift
            errors[name] = _as_ours(name, error)
    notes = [note for note in send_due(guard) if only is None or note.job in only]
    swept = sweep(guard, policy) if only is None else Swept()
    return ScanReport(run, tuple(answers), tuple(busy), errors, tuple(notes), swept)


def is_judged(guard: Guard, name: str) -> bool:
    """Whether a scan that names no job judges this one; true of one that cannot be loaded, which the scan then tells."""
    try:
        job = Work(guard.store, name, guard.clock.now()).job
    except DriftGuardError:
        return True
    return bool(job.baseline and not job.retired_at)


def _as_ours(name: str, error: Exception) -> DriftGuardError:
    """The error; for a fault that nobody foresaw one that says so, with its kind only: its text may hold a body."""
    if isinstance(error, DriftGuardError):
        return error
    return CannotTell(
        f"{name} could not be judged: an unforeseen {type(error).__name__}",
        f"run it alone to see more: driftguard check --job {name} --gate",
    )


def rebuild_indexes(guard: Guard) -> None:
    """Make the lists across jobs again from the jobs. A baseline that cannot be read leaves its scopes as they were."""

    def scopes_of(name: str) -> Iterable[str]:
        job = Work(guard.store, name, guard.clock.now()).job
        if not job.baseline:
            return set()
        try:
            return {scope_of(entry.ref) for entry in load_baseline(guard.store, job.baseline).entries.values()}
        except Damaged:
            return set()  # nothing is removed by leaving them out, and the job's own check says what is wrong

    index.rebuild(guard.store, guard.clock.now(), scopes_of)
