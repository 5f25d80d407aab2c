"""What every verb works with: the ports, the clock, the settings that matter to judgement. Made by wiring.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Protocol

from driftguard.flow.policy import Policy
from driftguard.flow.ports import Anchors, Clock, Reader, Sealer, Source, Store, Target
from driftguard.flow.telemetry import NO_TELEMETRY, Telemetry


class Checkout(Protocol):
    """The run's own source code."""

    def contains(self, commit: str) -> bool | None:
        """Whether the checked-out commit contains `commit`; None where it cannot be told."""
        ...


@dataclass(frozen=True)
class Guard:
    """The ports by name. `policy` loads the policy (raises BadConfiguration), so that a verb without need of it works.

    `new_id` gives a fresh random id. `targets` are told of every halt, by name.
    `anchors` keeps the heads of the ledgers outside the store, where one is set up. `in_ci` refuses asserted decisions.
    """

    store: Store
    reader: Reader
    sources: tuple[Source, ...]
    sealer: Sealer
    targets: Mapping[str, Target]
    policy: Callable[[], Policy]
    clock: Clock
    new_id: Callable[[], str]
    checkout: Checkout
    cloud: str = "public"
    tenant: str = ""
    in_ci: bool = False
    version: str = ""
    where: Mapping[str, str] = field(default_factory=dict)
    telemetry: Telemetry = NO_TELEMETRY
    anchors: Anchors | None = None

    def today(self) -> date:
        """The day, for rules that expire."""
        return self.clock.now().date()


LASTING_TIMES = 3
LASTING_FOR = timedelta(minutes=15)
