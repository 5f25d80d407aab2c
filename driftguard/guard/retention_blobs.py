"""Blobs of a job that nothing names: earlier baselines and bodies, and what a process left that was killed.

Rules:
- A blob goes only where two looks at least a day apart both found it unnamed, and after the period of its kind. What was found
  is kept in a table, itself a blob, which the job's mark names (retention.py).
- Blobs are listed before the job's row is read, and the job's row is written before any of them is removed: whoever was about to
  name one loses that commit, judges again and writes under another key.
- Keys that hold no random part stay as long as somebody may write them again: what is kept of a halt while it is open, evidence
  while its halt is open or has a note to deliver.
- A pack stays while any job names it, or any stored baseline of a job under legal hold does. Where a baseline or a proposal
  cannot be read all packs and baselines stay.
- What is of no kind that stands here is of a later version, and stays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

from driftguard.flow.moment import from_text, to_text
from driftguard.flow.ports import Row
from driftguard.flow.record import Entry
from driftguard.flow.retention import Retention, was_unnamed_long_enough
from driftguard.flow.ticket import Delivery
from driftguard.guard import index, late_writes
from driftguard.guard.blobs import Damaged, damaged, get_json, put_json
from driftguard.guard.context import Guard
from driftguard.guard.reseal_bodies import entries_of, packs_of_jobs
from driftguard.guard.reseal_rest import room_left, to_forget
from driftguard.guard.rows import CALL, CHECK, HALT, OUTBOX, PROPOSAL, HaltRow
from driftguard.guard.work import Work, attempts

TABLE = "retention"
_AT_LEAST = 1  # days, of what has no period of its own: the two looks


PacksNamed = Callable[[], set[str] | None]


def packs_named_by_jobs(guard: Guard) -> set[str] | None:
    """The packs that any job names: what an earlier version moved to another job has its body where it lay. None where that
    cannot be told."""
    try:
        return packs_of_jobs(guard, held=True)
    except Damaged:
        return None


def remove_unnamed(guard: Guard, name: str, keep: Retention, table: str, packs_named: PacksNamed) -> tuple[str, int]:
    """Look once; the key of the table as it is now (empty: nothing unnamed), and how many blobs were removed.

    `table` is the key of the last look's; `packs_named` are those of all jobs. Raises Conflict, StoreUnavailable.
    """
    listed = guard.store.blobs(f"{name}/")
    work = Work(guard.store, name, guard.clock.now())
    if not work.exists or work.job.hold is not None:
        return table, 0
    known = _load(guard, table)
    named = _Named(guard, work, table)
    now = to_text(work.now)
    unnamed = {key: known.get(key, now) for key in listed if named.is_free(key)}
    ripe = [key for key, since in unnamed.items() if _is_ripe(work, keep, key, since)]
    packs = {key for key in ripe if _kind(name, key) == "pack"}
    elsewhere = packs_named() if packs else set()
    waiting = packs if elsewhere is None else packs & elsewhere
    # Baselines go before the bodies that they name.
    gone = sorted((key for key in ripe if key not in waiting), key=lambda key: (key in packs, key))
    gone = gone[: room_left(work.job)]
    if gone:
        to_forget(work.job, gone)
        work.log("purged", unnamed=len(gone))
        work.commit()
        attempts(partial(_forget, guard, name, frozenset(gone)))
    # The period of a pack that another job names begins when that one names it no more.
    left = {key: now if key in waiting else since for key, since in unnamed.items() if key not in set(gone)}
    return (table if left == known else _save(guard, name, left)), len(gone)


def _forget(guard: Guard, name: str, keys: Collection[str]) -> None:
    """Remove these of the blobs that the job's row names as to be removed: nothing names them, as was just looked up."""
    work = Work(guard.store, name, guard.clock.now())
    gone = [key for key in work.job.forget if key in keys]
    if gone and guard.store.forget(gone):
        work.job.forget = [key for key in work.job.forget if key not in keys]
        work.commit()


def _load(guard: Guard, table: str) -> Mapping[str, str]:
    """{blob: since when nothing names it}; empty where the table is lost: then all are looked at anew."""
    try:
        stored = get_json(guard.store, table) if table else {}
        for since in stored.values():
            from_text(since)
    except (Damaged, AttributeError, TypeError, ValueError):
        return {}
    return dict(stored)


def _save(guard: Guard, name: str, unnamed: Mapping[str, str]) -> str:
    if not unnamed:
        return ""
    key = f"{name}/{TABLE}/{guard.new_id()}"
    put_json(guard.store, key, dict(unnamed))
    return key


def _is_ripe(work: Work, keep: Retention, key: str, since: str) -> bool:
    days = keep.baselines if _kind(work.job.name, key) in ("baseline", "pack") else _AT_LEAST
    return was_unnamed_long_enough(from_text(since), days, work.now)


def _kind(job: str, key: str) -> str:
    kind = key.removeprefix(f"{job}/").partition("/")[0]
    return "memory" if kind.startswith("memory-") else kind


@dataclass
class _Named:
    """What the rows of a job name. `table` is the key of the present table."""

    guard: Guard
    work: Work
    table: str
    _halts: dict[str, HaltRow] = field(init=False)

    def __post_init__(self) -> None:
        self._halts = {row.id: HaltRow.from_body(row.body) for row in self._rows(HALT)}

    def is_free(self, key: str) -> bool:
        """Whether nothing names the blob, and nobody can be about to."""
        free = self._of_kind.get(_kind(self.work.job.name, key))
        return free is not None and key not in self.work.job.forget and free(key)

    @property
    def _of_kind(self) -> Mapping[str, Callable[[str], bool]]:
        job = self.work.job
        return {
            "baseline": lambda key: self._packs is not None and key not in self._baselines,
            "pack": lambda key: self._packs is not None and key not in self._packs,
            "checks": lambda key: key not in self._readings,
            "halts": self._is_free_of_halts,
            "evidence": self._is_free_evidence,
            "proposals": lambda key: key not in {row.body.get("blob") for row in self._proposals},
            "pending": lambda key: key != job.pending,
            "memory": lambda key: key != job.memory,
            "call": lambda key: key.rpartition("/")[2] not in self._calls,
            TABLE: lambda key: key != self.table,
        }

    def _rows(self, kind: str) -> list[Row]:
        return list(index.all_rows(self.guard.store, self.work.job.name, kind))

    @cached_property
    def _proposals(self) -> list[Row]:
        return self._rows(PROPOSAL)

    @cached_property
    def _readings(self) -> set[str]:
        return {str(row.body.get("readings")) for row in self._rows(CHECK)}

    @cached_property
    def _calls(self) -> set[str]:
        return {row.id for row in self._rows(CALL)}

    @cached_property
    def _baselines(self) -> set[str]:
        return {self.work.job.baseline, *late_writes.named_baselines(self.work.job)}

    @cached_property
    def _packs(self) -> set[str] | None:
        """The packs that this job names; None where that cannot be told."""
        try:
            named = {entry.pack for entry in entries_of(self.guard, self.work.job)}
            for row in self._proposals:
                named |= _packs_of(self.guard, str(row.body.get("blob")))
        except Damaged:
            return None
        return named

    @cached_property
    def _of_halts(self) -> set[str]:
        kept = {str((halt.earlier or {}).get("kept_in")) for halt in self._halts.values()}
        return kept | {halt.findings for halt in self._halts.values()}

    @cached_property
    def _untold(self) -> set[str]:
        return {row.body["halt"] for row in self._rows(OUTBOX) if row.body["state"] != Delivery.DELIVERED}

    def _is_free_of_halts(self, key: str) -> bool:
        return key not in self._of_halts and _halt_of(key) != self.work.job.open_halt

    def _is_free_evidence(self, key: str) -> bool:
        halt = self._halts.get(_halt_of(key))
        if halt is None:
            return True
        settled = halt.final and halt.id not in self._untold and len(halt.evidence_keys) == halt.evidence
        return settled and key not in halt.evidence_keys


def _halt_of(key: str) -> str:
    """The halt of a blob `<job>/<kind>/<halt>/…`."""
    parts = key.split("/")
    return parts[2] if len(parts) > 3 else ""


def _packs_of(guard: Guard, blob: str) -> set[str]:
    """The packs that a proposal names. Raises Damaged."""
    try:
        return {Entry.from_dict(entry).pack for entry in get_json(guard.store, blob)["entries"]}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(blob) from error
