"""The ports: what the verbs in guard/ ask of the outside world. Adapters implement them; flow/ itself calls none.

Rules for every adapter:
- Only errors of `driftguard.errors` leave it.
- It never turns a failure into an empty answer: what was not read is said.
"""

from __future__ import annotations

from builtins import list as List  # reason: the method `list` of Store hides the type inside its class
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from driftguard.flow.attribute import Events
from driftguard.flow.reading import Deployment, Members, Reading, Wanted
from driftguard.flow.resource import ResourceRef


class Clock(Protocol):
    """Time, passed in."""

    def now(self) -> datetime:
        """The time of day, UTC, timezone-aware."""
        ...

    def monotonic(self) -> float:
        """Seconds that only go forward, for budgets and waits."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Reader(Protocol):
    """Reads resources of one kind."""

    def read(self, wanted: Iterable[Wanted], *, budget: float) -> Iterator[Reading]:
        """One reading per wanted resource, in any order, as they arrive; `wanted` may be long and is consumed lazily.

        After `budget` seconds what is left is UNREADABLE with cause OUT_OF_TIME. Never raises for one resource's trouble.
        Raises OtherScope where a subscription is of another tenant, Unavailable where no token can be had.
        """
        ...

    def members(self, scope: ResourceRef) -> Members:
        """The resources that a resource group or subscription lists."""
        ...

    def deployment(self, ref: ResourceRef) -> Deployment:
        """A deployment with what it output. Raises NotFound, Unavailable."""
        ...

    def tenant_of(self, subscription: str) -> str:
        """The tenant id (lower case) of a subscription. Raises NotFound, OtherScope, Unavailable."""
        ...


class Source(Protocol):
    """A source of attribution: who wrote what, when. `kinds`: of which kinds of resource it tells, as its answers say too."""

    name: str
    kinds: tuple[str, ...]

    def events(self, refs: Sequence[ResourceRef], since: datetime, until: datetime) -> Events:
        """The write, delete and action events on these resources and on what lies below them, since ≤ time ≤ until.

        Never raises for a source that is down: `Events.problem` says so, and `covered_until` stays None.
        """
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """A stored row. `version` is opaque and changes with every write: the row's ETag."""

    kind: str
    id: str
    version: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Put:
    """Write a row. `expected` is the version that was read, or None where the row must not exist yet."""

    kind: str
    id: str
    body: Mapping[str, Any]
    expected: str | None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a row that is at `expected`."""

    kind: str
    id: str
    expected: str


Write = Put | Delete
MAX_WRITES = 100


class Store(Protocol):
    """Rows in partitions, and blobs that never change. The partition is a job, or an index whose name starts with `~`."""

    def get(self, partition: str, kind: str, row_id: str) -> Row | None:
        """The row, or None."""
        ...

    def list(self, partition: str, kind: str, *, after: str = "", limit: int = 1000) -> List[Row]:
        """The rows of a kind with id > `after`, in order of id (code points), at most `limit`."""
        ...

    def version(self, partition: str, kind: str, row_id: str) -> str | None:
        """The row's version without its body, or None where there is no such row."""
        ...

    def partitions(self) -> List[str]:
        """The names of all partitions that hold a row, sorted."""
        ...

    def kinds(self, partition: str) -> List[str]:
        """The kinds of which the partition holds a row, sorted."""
        ...

    def commit(self, partition: str, writes: Sequence[Write]) -> dict[tuple[str, str], str]:
        """All writes or none, at most MAX_WRITES, each row named once. Returns the new version of each row put.

        Raises Conflict where a row is not at its expected version, WrongUse for too many or doubled writes.
        """
        ...

    def put_once(self, key: str, data: bytes) -> bool:
        """Store a blob under a new key; False, and nothing changed, where the key exists already."""
        ...

    def read(self, key: str) -> bytes | None:
        """The blob, or None."""
        ...

    def blobs(self, prefix: str) -> List[str]:
        """The keys that start with `prefix`, sorted."""
        ...

    def forget(self, keys: Sequence[str]) -> bool:
        """Remove blobs for good, also from what the store keeps beside its data; one that is not there is no error.

        False where somebody still reads what was removed, so that it may lie on the disk yet: call it again later.
        """
        ...

    def close(self) -> None:
        """Give back connections; the store is not used afterwards."""
        ...


class Sealer(Protocol):
    """Turns a secret into a mark: a keyed digest that shows a change and nothing else."""

    key_id: str

    def mark(self, name: str, value: str, key_id: str | None = None) -> str:
        """The mark of a value under the property `name`, by the key `key_id` (default: the active one).

        Raises SecretKeyMissing where that key is not at hand.
        """
        ...


class Anchors(Protocol):
    """A place outside the store that keeps what is written once, and lets nobody change it: for the heads of ledgers.

    `where` is its address or path, for people. Every call raises Unavailable where it cannot be asked.
    """

    where: str

    def put_once(self, name: str, data: bytes) -> bool:
        """Keep it under a new name; False, and nothing changed, where the name exists already."""
        ...

    def read(self, name: str) -> bytes | None:
        """What was kept, or None. Raises NotADocument for what cannot be one, such as a file that is too large."""
        ...

    def names(self) -> List[str]:
        """All names, sorted."""
        ...

    def close(self) -> None:
        """Give back connections; used again, it connects anew."""
        ...


@dataclass(frozen=True, slots=True)
class Note:
    """What a target is told of a halt. `event` is halted, amended-n, decided-n or resolved; the target renders it.

    `status` says where the halt stands now ({"state", "decision", "closed_because", …}); `evidence` is the latest version as
    it was written (JSON), `version` its number, `evidence_digest` its digest; `ledger_head` anchors the job's ledger.
    """

    halt: str
    job: str
    event: str
    ticket: str | None
    run: str | None
    status: Mapping[str, Any]
    evidence: bytes
    version: int
    evidence_digest: str
    ledger_head: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a note now stands: an address or path for a person, and whether an earlier note was amended."""

    where: str
    amended: bool


class Target(Protocol):
    """A ticket or pipeline system that is told of a halt.

    `claim`: for how many seconds a note that is being sent is left to the process that sends it. 0 where the same note may
    be sent by several processes at once and is one note all the same: then a process that was killed holds up nobody.
    """

    name: str
    claim: float

    def deliver(self, note: Note) -> Receipt:
        """Tell it. Telling the same (halt, event) twice leaves one note. Raises Unavailable to be tried again."""
        ...
