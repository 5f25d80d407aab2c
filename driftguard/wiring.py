"""The composition root: settings in, a guard out. The only place that knows which adapter stands behind which port."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from driftguard import __version__
from driftguard.flow.policy import Policy
from driftguard.guard.context import Guard
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy
from driftguard.settings import Settings, read_settings, require_lasting_store


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time of day, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@contextmanager
def open_guard(environ: Mapping[str, str]) -> Iterator[Guard]:
    """A guard from the environment alone, as the Function app has it. Raises BadConfiguration, StoreUnavailable."""
    with guard_from(read_settings(environ)) as guard:
        yield guard


@contextmanager
def guard_from(settings: Settings, *, create_store: bool = True) -> Iterator[Guard]:
    """A guard with real adapters. Nothing of Azure is imported before a request needs it.

    `create_store` False: a store that is not there is BadConfiguration instead of a new, empty one.
    """
    require_lasting_store(settings)
    with ExitStack() as stack:
        yield _assemble(settings, stack, create_store)


def _assemble(settings: Settings, stack: ExitStack, create_store: bool) -> Guard:
    # Imported here, so that a command that needs no store and no Azure starts at once.
    from driftguard.adapters.checkouts import CHECKOUTS
    from driftguard.adapters.pipelines import PIPELINES
    from driftguard.adapters.readers import READERS
    from driftguard.adapters.readers.arm_options import ArmOptions
    from driftguard.adapters.sources import SOURCES
    from driftguard.adapters.stores.secret_key import open_key_ring
    from driftguard.adapters.stores.sqlite import open_sqlite
    from driftguard.adapters.tickets import TICKETS

    clock = SystemClock()
    store = open_sqlite(settings.store, create=create_store)
    stack.callback(store.close)
    key_file = settings.store.with_name(settings.store.name + ".key")
    options = ArmOptions(
        cloud=settings.cloud,
        endpoint=settings.arm_endpoint,
        token=settings.arm_token,
        tenant=settings.tenant,
        read_timeout=settings.read_timeout,
        cache_folder=settings.store.parent,
    )
    policy = policy_loader(settings)
    reader = READERS["arm"](options, clock, pins=_Pins(policy))
    stack.callback(reader.close)
    latency = timedelta(seconds=settings.log_latency)
    targets = (TICKETS["file"](settings.tickets), PIPELINES["exit-code"]())
    return Guard(
        store=store,
        reader=reader,
        sources=(SOURCES["activity-log"](reader.client, clock, latency),),
        sealer=open_key_ring(store, key_file, secrets.token_bytes),
        targets={target.name: target for target in targets},
        policy=policy,
        clock=clock,
        new_id=lambda: uuid.uuid4().hex[:16],
        checkout=CHECKOUTS["git"](Path.cwd()),
        cloud=settings.cloud,
        tenant=settings.tenant,
        in_ci=settings.in_ci,
        version=__version__,
        where={
            "store": str(settings.store),
            "tickets": str(settings.tickets),
            "policy": str(settings.policy or "built-in default"),
            "cloud": settings.cloud,
            "arm": settings.arm_endpoint or "Azure",
        },
    )


def policy_loader(settings: Settings) -> Callable[[], Policy]:
    """Loads the policy once, when it is first asked for."""
    return cache(lambda: load_policy(settings.policy, folder=policies_folder()))


class _Pins(Mapping[str, str]):
    """The policy's api-versions by resource type in lower case, loaded when a new baseline first needs one."""

    def __init__(self, policy: Callable[[], Policy]) -> None:
        self._policy = policy

    def __getitem__(self, resource_type: str) -> str:
        return self._policy().api_versions[resource_type]

    def __iter__(self) -> Iterator[str]:
        return iter(self._policy().api_versions)

    def __len__(self) -> int:
        return len(self._policy().api_versions)
