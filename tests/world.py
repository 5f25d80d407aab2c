"""A whole world for scenario tests: the sandbox ARM over HTTP, a real store, a virtual clock, and a guard over them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path

from driftguard.adapters.pipelines.exit_code import ExitCode
from driftguard.adapters.readers.arm import ArmReader
from driftguard.adapters.readers.arm_options import ArmOptions
from driftguard.adapters.sources.activity_log import ActivityLog
from driftguard.adapters.tickets.file import FileTickets
from driftguard.flow.policy import Policy
from driftguard.flow.ports import Store, Target
from driftguard.flow.review import Person
from driftguard.guard.check import Answer, Ask, check
from driftguard.guard.context import Guard
from driftguard.guard.record import Naming, Recorded, Recording, record
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy
from driftguard.sandbox import SUBSCRIPTION, Sandbox
from tests.scenarios.places import Place, in_folder

NETWORK = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-network"
PROVIDERS = f"{NETWORK}/providers/Microsoft.Network"
VNET = f"{PROVIDERS}/virtualNetworks/vnet-shop"
JOB = "shop-prod"
NOTHING_NAMED = Naming()
DANA = Person("dana@contoso.com", asserted=True)
ERIN = Person("erin@contoso.com", asserted=True)


class VirtualClock:
    """The sandbox's clock: sleeping advances it, and nobody waits."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._start = sandbox.now()

    def now(self):  # type: ignore[no-untyped-def]  # reason: the port's own signature
        return self._sandbox.now()

    def monotonic(self) -> float:
        return (self._sandbox.now() - self._start).total_seconds()

    def sleep(self, seconds: float) -> None:
        self._sandbox.advance(seconds)


class Checkout:
    """A checkout that contains the commits it is told."""

    def __init__(self, commits: Mapping[str, bool] | None = None) -> None:
        self.commits = dict(commits or {})

    def contains(self, commit: str) -> bool | None:
        return self.commits.get(commit)


@dataclass
class World:
    """The parts, each to be taken hold of by a test."""

    sandbox: Sandbox
    folder: Path
    guard: Guard
    checkout: Checkout = field(default_factory=Checkout)

    def check(self, run: str = "run-1", **more: object) -> Answer:
        return check(self.guard, Ask(str(more.pop("job", JOB)), run, started_by=Person("pipeline-user"), **more))  # type: ignore[arg-type]  # reason: a test names only what it needs

    def record(self, run: str | None = "run-1", *, naming: Naming = NOTHING_NAMED, **more: object) -> Recorded:
        return record(self.guard, Recording(str(more.pop("job", JOB)), run, naming=naming, **more))  # type: ignore[arg-type]  # reason: a test names only what it needs

    def first_record(self, *resources: str, job: str = JOB) -> Recorded:
        return self.record(None, naming=Naming(resources=resources or (VNET,)), job=job)

    def advance(self, **span: float) -> None:
        self.sandbox.advance(timedelta(**span).total_seconds())

    def notes(self) -> list[Path]:
        return sorted((self.folder / "tickets").rglob("*.md"))

    def with_policy(self, text: str) -> None:
        """Use this policy from now on."""
        path = self.folder / "policy.yaml"
        path.write_text(text)
        self.guard = replace(self.guard, policy=lambda: _policy(path))


def _policy(path: Path | None) -> Policy:
    """The policy as it is now: read again where the file changed, as by a service."""
    return _loaded(path, path.read_bytes() if path and path.is_file() else b"")


@cache
def _loaded(path: Path | None, content: bytes) -> Policy:
    return load_policy(path, folder=policies_folder())


@contextmanager
def world(
    folder: Path,
    *,
    sandbox: Sandbox | None = None,
    store: Store | None = None,
    targets: Mapping[str, Target] | None = None,
    read_timeout: float = 2.0,
    place: Place | None = None,
) -> Iterator[World]:
    """A world whose ids count up, so that a run can be repeated exactly. `place`: where its store is, else in the folder."""
    with sandbox or Sandbox() as box, (place or in_folder(folder)).opened() as (base, sealer):
        clock = VirtualClock(box)
        options = ArmOptions(endpoint=box.endpoint, token="pipeline", read_timeout=read_timeout, connect_timeout=2.0)
        reader = ArmReader(options, clock)
        ids = itertools.count(1)
        tickets = FileTickets(folder / "tickets")
        exit_code = ExitCode()
        checkout = Checkout()
        guard = Guard(
            store=store or base,
            reader=reader,
            sources=(ActivityLog(reader.client, clock, timedelta(0)),),
            sealer=sealer,
            targets=targets if targets is not None else {tickets.name: tickets, exit_code.name: exit_code},
            policy=lambda: _policy(None),
            clock=clock,
            new_id=lambda: f"{next(ids):06d}",
            checkout=checkout,
            version="test",
        )
        try:
            yield World(box, folder, guard, checkout)
        finally:
            reader.close()
