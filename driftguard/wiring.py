"""The composition root: settings in, a guard out. The only place that knows which adapter stands behind which port."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path

from driftguard import __version__
from driftguard.errors import BadConfiguration
from driftguard.flow.access import Identities
from driftguard.flow.policy import Policy
from driftguard.flow.ports import Sealer, Store
from driftguard.guard.context import Checkout, Guard
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


class Opening(StrEnum):
    """When the store is opened, and whether it may be begun where it is not there."""

    NOW = "now"
    NOW_OR_BEGIN = "now or begin"
    AT_FIRST_USE = "at first use"
    BEGIN_AT_FIRST_WRITE = "begin at first write"


@contextmanager
def guard_from(settings: Settings, opening: Opening = Opening.NOW_OR_BEGIN) -> Iterator[Guard]:
    """A guard with real adapters. Nothing of Azure is imported before a request needs it.

    A store that is not there, and may not be begun, is BadConfiguration: at once, or at its first use. Where it may be
    begun with the first write, one that is there is opened at once all the same. What else is wrong is found before the
    store is touched. Raises BadConfiguration, StoreUnavailable, SecretKeyMissing.
    """
    require_lasting_store(settings)
    with ExitStack() as stack:
        yield _assemble(settings, stack, opening)


class SharedGuard:
    """One guard for all threads of a service, opened when it is first asked for; what fails then is tried again next time.

    The policy file is read again where it changed, so that a service need not be started anew; one that became wrong is
    BadConfiguration from then on, and nothing is judged by the earlier one.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._turn = threading.Lock()
        self._stack = ExitStack()
        self._guard: Guard | None = None

    def __call__(self) -> Guard:
        """The guard. Raises BadConfiguration, StoreUnavailable, SecretKeyMissing."""
        with self._turn:
            if self._guard is None:
                require_lasting_store(self.settings)
                with ExitStack() as stack:
                    guard = _assemble(self.settings, stack, Opening.NOW_OR_BEGIN)
                    self._guard = replace(guard, policy=policy_as_it_is_now(self.settings))
                    self._stack = stack.pop_all()
            return self._guard

    def close(self) -> None:
        """Give back what was opened; asked for again, it opens anew."""
        with self._turn:
            self._guard = None
            self._stack.close()


def _assemble(settings: Settings, stack: ExitStack, opening: Opening) -> Guard:
    # Imported here, so that a command that needs no store and no Azure starts at once.
    from driftguard.adapters.checkouts import CHECKOUTS
    from driftguard.adapters.pipelines import PIPELINES
    from driftguard.adapters.readers import READERS
    from driftguard.adapters.readers.arm_options import ArmOptions
    from driftguard.adapters.sources import SOURCES
    from driftguard.adapters.tickets import TICKETS

    clock = SystemClock()
    options = ArmOptions(
        cloud=settings.cloud,
        endpoint=settings.arm_endpoint,
        token=settings.arm_token,
        tenant=settings.tenant,
        read_timeout=settings.read_timeout,
        # Beside a store that is there: a call that is refused makes no folder.
        cache_folder=settings.store.parent if settings.store.exists() or opening is Opening.NOW_OR_BEGIN else None,
    )
    store, sealer = _open_store(settings, stack, opening)
    policy = policy_loader(settings)
    reader = READERS["arm"](options, clock, pins=_Pins(policy))
    stack.callback(reader.close)
    latency = timedelta(seconds=settings.log_latency)
    targets = (TICKETS["file"](settings.tickets), PIPELINES["exit-code"]())
    return Guard(
        store=store,
        reader=reader,
        sources=(SOURCES["activity-log"](reader.client, clock, latency),),
        sealer=sealer,
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


def _open_store(settings: Settings, stack: ExitStack, opening: Opening) -> tuple[Store, Sealer]:
    from driftguard.adapters.stores.first_use import KeysAtFirstUse, StoreAtFirstUse
    from driftguard.adapters.stores.secret_key import open_key_ring
    from driftguard.adapters.stores.sqlite import open_sqlite

    key_file = settings.store.parent / f"{settings.store.name}.key"
    begins_later = opening is Opening.BEGIN_AT_FIRST_WRITE and not settings.store.exists()
    if begins_later or opening is Opening.AT_FIRST_USE:
        later = StoreAtFirstUse(settings.store, may_begin=begins_later)
        stack.callback(later.close)
        return later, KeysAtFirstUse(later, key_file, secrets.token_bytes)
    store = open_sqlite(settings.store, create=opening is Opening.NOW_OR_BEGIN)
    stack.callback(store.close)
    return store, open_key_ring(store, key_file, secrets.token_bytes)


def policy_loader(settings: Settings) -> Callable[[], Policy]:
    """Loads the policy once, when it is first asked for."""
    return cache(lambda: load_policy(settings.policy, folder=policies_folder()))


def policy_as_it_is_now(settings: Settings) -> Callable[[], Policy]:
    """Loads the policy, again whenever its file changed."""
    turn = threading.Lock()
    read: tuple[tuple[int, int, int], Policy] | None = None

    def load() -> Policy:
        nonlocal read
        with turn:
            state = _state_of(settings.policy)
            if read is None or read[0] != state:
                read = None
                read = (state, load_policy(settings.policy, folder=policies_folder()))
            return read[1]

    return load


def _state_of(file: Path | None) -> tuple[int, int, int]:
    """What changes when somebody writes the file; the built-in default never does."""
    try:
        status = file.stat() if file else None
    except OSError:  # reason: load_policy says what is wrong with the file, with the remedy
        return (0, 0, 0)
    return (status.st_ino, status.st_mtime_ns, status.st_size) if status else (1, 1, 1)


def identities_from(settings: Settings) -> Identities | None:
    """The identity provider of the settings; None where none is set up. Raises BadConfiguration where it is half set up."""
    if not settings.auth_tenant and not settings.auth_audiences and not settings.auth_authority:
        return None
    if not settings.auth_tenant or not settings.auth_audiences:
        missing = "DRIFTGUARD_AUTH_AUDIENCE" if settings.auth_tenant else "DRIFTGUARD_AUTH_TENANT"
        raise BadConfiguration(
            f"the identity provider is half set up: {missing} is missing",
            "set DRIFTGUARD_AUTH_TENANT and DRIFTGUARD_AUTH_AUDIENCE, or neither",
        )
    from driftguard.adapters.identities import IDENTITIES

    return IDENTITIES["entra"](
        settings.auth_tenant, settings.auth_audiences, cloud=settings.cloud, override=settings.auth_authority
    )


def local_identity(token: str, user: str) -> Identities:
    """The one user of a service on their own machine. Raises BadConfiguration for a token that could be guessed."""
    from driftguard.adapters.identities.local_token import LocalToken

    return LocalToken(token, user)


def service_credential(settings: Settings) -> Callable[[], str]:
    """What gives the token for the service, each time it is asked; nothing is imported or asked for before.

    Raises BadConfiguration where none is set up; the call itself raises Unavailable and BadConfiguration.
    """
    token, scope = settings.token, settings.server_scope
    if token is not None:
        return lambda: token
    if scope is None:
        raise BadConfiguration(
            "there is no sign-in for the service",
            "set DRIFTGUARD_TOKEN, or DRIFTGUARD_SERVER_SCOPE (such as api://CLIENT-ID/.default) to sign in with Azure",
        )
    from driftguard.adapters.readers.arm_credential import credential_for
    from driftguard.adapters.readers.arm_options import ArmOptions

    credential = credential_for(ArmOptions(cloud=settings.cloud, tenant=settings.tenant), SystemClock())
    return lambda: credential.get_token(scope).token


def local_checkout() -> Checkout:
    """The checkout in the folder that the command runs in."""
    from driftguard.adapters.checkouts import CHECKOUTS

    return CHECKOUTS["git"](Path.cwd())


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
