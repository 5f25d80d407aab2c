"""One Reader made of the readers of each kind of resource.

Rules:
- A kind is read by its own reader, one kind at a time: a list of one kind goes through as it is, without a pause.
- What is of another kind than the one that is read now waits, at most `MOST_WAITING` of each kind: memory stays flat for a
  list of any length and order.
- All share one budget. A kind without a reader is refused as soon as it is met.
- What a reader raises ends the whole call: nothing that another reader answered stands for it.
- Deployments, subscriptions and tenants are Azure Resource Manager's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from driftguard.errors import WrongUse
from driftguard.flow.ports import Clock, Reader
from driftguard.flow.reading import Deployment, Members, Reading, Wanted
from driftguard.flow.resource import ResourceRef

MOST_WAITING = 1000


class ByKind(Reader):
    """The port `Reader`: each resource is read by the reader of its kind."""

    def __init__(self, readers: Mapping[str, Reader], clock: Clock) -> None:
        self._readers = readers
        self._clock = clock

    def read(self, wanted: Iterable[Wanted], *, budget: float) -> Iterator[Reading]:
        """One reading per wanted resource, in any order; `budget` in seconds for all of them.

        Raises WrongUse for a kind without a reader, and what the readers raise.
        """
        deadline = self._clock.monotonic() + budget
        line = _Line(wanted, self._readers)
        while (kind := line.longest()) is not None:
            left = max(0.0, deadline - self._clock.monotonic())
            yield from self._readers[kind].read(line.of(kind), budget=left)

    def members(self, scope: ResourceRef) -> Members:
        """What the scope lists. Raises as the reader of its kind."""
        _require(self._readers, scope)
        return self._readers[scope.kind].members(scope)

    def deployment(self, ref: ResourceRef) -> Deployment:
        """A deployment with what it output. Raises WrongUse for what is none, and as the reader of ARM."""
        return self._readers["arm"].deployment(ref)

    def tenant_of(self, subscription: str) -> str:
        """The tenant of a subscription. Raises as the reader of ARM."""
        return self._readers["arm"].tenant_of(subscription)


class _Line:
    """What is still to be read, kind by kind, taken from its source only as far as needed."""

    def __init__(self, wanted: Iterable[Wanted], readers: Mapping[str, Reader]) -> None:
        self._source = iter(wanted)
        self._readers = readers
        self._waiting: dict[str, deque[Wanted]] = {}

    def longest(self) -> str | None:
        """The kind of which most is waiting; None where nothing is left."""
        if not any(self._waiting.values()) and not self._take_one():
            return None
        return max(self._waiting, key=lambda kind: len(self._waiting[kind]))

    def of(self, kind: str) -> Iterator[Wanted]:
        """What is wanted of one kind, until nothing is left or too much of another kind waits."""
        mine = self._waiting[kind]
        while True:
            if mine:
                yield mine.popleft()
            elif any(len(others) >= MOST_WAITING for others in self._waiting.values()) or not self._take_one():
                return

    def _take_one(self) -> bool:
        one = next(self._source, None)
        if one is None:
            return False
        _require(self._readers, one.ref)
        self._waiting.setdefault(one.ref.kind, deque()).append(one)
        return True


def _require(readers: Mapping[str, Reader], ref: ResourceRef) -> None:
    if ref.kind not in readers:
        raise WrongUse(f"{ref.id!r} is of the kind {ref.kind!r}, which nothing here reads", "leave it out")
