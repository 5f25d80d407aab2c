"""A store with ledgers and nothing else: jobs of which nothing is recorded, so that a scan of them asks Azure nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from driftguard.adapters.stores.sqlite import open_sqlite
from driftguard.flow.ports import Anchors, Store
from driftguard.guard.context import Guard
from driftguard.guard.scan import ScanReport, gate_every_job
from driftguard.guard.work import Work
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy

_built_in = cache(lambda: load_policy(None, folder=policies_folder()))
NOBODY: Any = None  # what no verb of these stories asks


@dataclass
class Clock:
    """Time that moves only when it is told to."""

    at: datetime = field(default_factory=lambda: datetime(2026, 3, 2, 2, tzinfo=UTC))

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        self.advance(seconds=seconds)

    def advance(self, **span: float) -> None:
        self.at += timedelta(**span)


@dataclass
class Ledgers:
    """The guard over the store, and its clock."""

    guard: Guard
    clock: Clock

    def write(self, job: str, *events: str) -> None:
        """Entries of the job's ledger, each with a commit of its own, as verbs write them."""
        for event in events:
            work = Work(self.guard.store, job, self.clock.now())
            work.log(event, run="r", by="pipeline")
            work.commit()

    def scan(self, **span: float) -> ScanReport:
        """Let time pass, then scan every job."""
        self.clock.advance(**span)
        return gate_every_job(self.guard)


@contextmanager
def ledgers(
    folder: Path, anchors: Anchors | None, ids: str = "57a7e", *, store: Store | None = None
) -> Iterator[Ledgers]:
    """The store that is given, or a new one in the folder. `ids` is what its ids begin with."""
    clock, numbers = Clock(), itertools.count(1)
    store = store or open_sqlite(folder / "store.db")
    guard = Guard(
        store=store,
        reader=NOBODY,
        sources=(),
        sealer=NOBODY,
        targets={},
        policy=_built_in,
        clock=clock,
        new_id=lambda: f"{ids}{next(numbers):04d}",
        checkout=NOBODY,
        anchors=anchors,
    )
    try:
        yield Ledgers(guard, clock)
    finally:
        store.close()
