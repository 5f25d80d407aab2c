"""How many requests to Azure Storage each verb makes: real HTTP requests, counted at a proxy in front of the emulator.

The resources answer from memory: ARM's side is measured elsewhere. A commit is one request, however many rows it has; a
second try of the SDK counts too. The calls of the store's port stand beside them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.counted_store import WRITES, CountedStore, told
from benchmarks.known_reader import KnownReader, QuietLog
from benchmarks.row import Row
from driftguard.adapters.pipelines.exit_code import ExitCode
from driftguard.adapters.tickets.file import FileTickets
from driftguard.flow.decide import Verdict
from driftguard.flow.halt import Decision
from driftguard.flow.review import Person
from driftguard.guard.check import Ask, check
from driftguard.guard.context import Guard
from driftguard.guard.deliver import deliver_due
from driftguard.guard.record import Naming, Recording, record
from driftguard.guard.review import Deciding, decide, list_halts
from driftguard.guard.scan import gate_every_job
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy
from driftguard.system_clock import SystemClock

if TYPE_CHECKING:
    from tests.azurite.server import Azurite
    from tests.scenarios.places import Place
    from tests.scenarios.storage_proxy import StorageProxy

JOB = "bench"
SIZE = 3000
MOST_FOR_A_RECORD, MOST_READS_OF_A_CHECK = 40, 5
UNCHANGED = "check, nothing changed"
_POLICY = "version: 1\ndefaults: {stability_gap: 0s, settle: 0s, unknown_author: allow}\n"
_TOUCHED = 10  # per cent of the resources that a deployment changes


@dataclass(frozen=True)
class Cost:
    """What one verb asked of the storage: HTTP requests that read and that write, and the calls of the port."""

    what: str
    reads: int
    writes: int
    calls: str

    @property
    def requests(self) -> int:
        """All of them."""
        return self.reads + self.writes


def rows(*, quick: bool = False) -> Iterator[Row]:
    """Requests of every verb, with the bounds of a record and of a check's reads."""
    count = 40 if quick else 10_000
    from tests.azurite.server import why_not

    if reason := why_not():
        yield Row(f"requests of a record of {count:,}", None, MOST_FOR_A_RECORD, "", note=reason)
        return
    for cost in costs(count):
        bound = MOST_FOR_A_RECORD if "record" in cost.what else None
        note = f"{count:,} resources; {cost.reads} + {cost.writes}; {cost.calls}"
        yield Row(f"requests: {cost.what}", cost.requests, bound, "", note)
        if cost.what.startswith(UNCHANGED):
            yield Row(f"read requests: {cost.what}", cost.reads, MOST_READS_OF_A_CHECK, "")


def costs(count: int) -> Iterator[Cost]:
    """The verbs of a job of `count` resources, one after the other, on a store of the emulator."""
    from tests.azurite.server import running_azurite
    from tests.scenarios.storage_proxy import storage_proxy

    with running_azurite() as azurite, storage_proxy(azurite) as proxy:
        yield from costs_on(azurite, proxy, count)


def costs_on(azurite: Azurite, proxy: StorageProxy, count: int) -> Iterator[Cost]:
    """As `costs`, on an emulator that runs already."""
    from tests.scenarios.places import behind, on

    place = behind(on(azurite), proxy.connection)
    reader = KnownReader(count, SIZE)
    with TemporaryDirectory() as text:
        yield from _story(place, proxy, reader, Path(text))


def _story(place: Place, proxy: StorageProxy, reader: KnownReader, folder: Path) -> Iterator[Cost]:
    everything = Naming(resources=reader.ids)
    changed = reader.ids[: max(1, len(reader.ids) * _TOUCHED // 100)]
    with _guard(place, reader, folder) as (guard, store):

        def cost(what: str, verb: Callable[[], Any]) -> tuple[Cost, Any]:
            return _cost(what, verb, proxy, store)

        first, recorded = cost("first record", lambda: record(guard, Recording(JOB, None, None, everything)))
        assert recorded.exit_code == 0 and recorded.generation == 1
        yield first
        unchanged, answer = cost(UNCHANGED, lambda: check(guard, Ask(JOB, "run-1")))
        assert answer.verdict is Verdict.PROCEED and answer.coverage.read == len(reader.ids)
        yield unchanged
        reader.tag(changed, "1")
        again = Recording(JOB, "run-1", answer.clearance, everything)
        later, recorded = cost(f"record, {_TOUCHED} % changed", lambda: record(guard, again))
        assert recorded.exit_code == 0 and recorded.generation == 2
        yield later
    with _guard(place, reader, folder) as (guard, store):
        # One of these asks whether there is a store, and a whole one.
        cold, answer = _cost(f"{UNCHANGED}, in a new process", lambda: check(guard, Ask(JOB, "run-2")), proxy, store)
        assert answer.verdict is Verdict.PROCEED
        yield cold
    with _guard(place, reader, folder) as (guard, store):
        again = Recording(JOB, "run-2", answer.clearance, everything)
        proxy.fresh()
        cold, recorded = _cost("record, nothing changed, in a new process", lambda: record(guard, again), proxy, store)
        assert recorded.exit_code == 0
        yield cold
        yield from _halted(guard, store, proxy, reader, changed[:1])


def _halted(
    guard: Guard, store: CountedStore, proxy: StorageProxy, reader: KnownReader, changed: tuple[str, ...]
) -> Iterator[Cost]:
    """A manual change, and what follows."""

    def cost(what: str, verb: Callable[[], Any]) -> tuple[Cost, Any]:
        return _cost(what, verb, proxy, store)

    scan, report = cost("scan, nothing changed, one job", lambda: gate_every_job(guard))
    assert report.exit_code == 0, report.errors
    yield scan
    reader.tag(changed, "by hand")
    halting, answer = cost("check that halts, with its two notes", lambda: check(guard, Ask(JOB, "run-3")))
    assert answer.verdict is Verdict.HALT
    yield halting
    yield cost("check that meets the halt", lambda: check(guard, Ask(JOB, "run-4")))[0]
    yield cost("deliver, nothing due", lambda: deliver_due(guard))[0]
    yield cost("list of halts", lambda: list_halts(guard))[0]
    reviewer = Person("dana@contoso.com", asserted=True)
    deciding = Deciding(answer.halt.id, Decision.OVERWRITE, "agreed", reviewer)
    yield cost("decide, with its two notes", lambda: decide(guard, deciding))[0]
    allowed, answer = cost("check that passes by the decision", lambda: check(guard, Ask(JOB, "run-5")))
    assert answer.verdict is Verdict.PROCEED, answer.why
    yield allowed


def _cost(what: str, verb: Callable[[], Any], proxy: StorageProxy, store: CountedStore) -> tuple[Cost, Any]:
    proxy.fresh()
    store.fresh()
    result = verb()
    asked, calls = proxy.fresh(), store.fresh()
    reads = sum(1 for one in asked if one.reads)
    writing = [call for call in calls if call[0] in WRITES]
    reading = [call for call in calls if call[0] not in WRITES]
    return Cost(what, reads, len(asked) - reads, f"reads: {told(reading)}; writes: {told(writing)}"), result


@contextmanager
def _guard(place: Place, reader: KnownReader, folder: Path) -> Iterator[tuple[Guard, CountedStore]]:
    """A guard as a process opens it; its store has asked for nothing yet."""
    policy = folder / "policy.yaml"
    policy.write_text(_POLICY)
    with place.opened() as (opened, sealer):
        store = CountedStore(opened)
        targets = (FileTickets(folder / "tickets"), ExitCode())
        guard = Guard(
            store=store,
            reader=reader,
            sources=(QuietLog(),),
            sealer=sealer,
            targets={target.name: target for target in targets},
            policy=lambda: load_policy(policy, folder=policies_folder()),
            clock=SystemClock(),
            new_id=lambda: uuid.uuid4().hex[:16],
            checkout=_NoCheckout(),
        )
        yield guard, store


class _NoCheckout:
    def contains(self, commit: str) -> bool | None:
        return None
