"""The composition root: settings in, a guard out. The only place that knows which adapter stands behind which port."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

from driftguard import __version__
from driftguard.errors import BadConfiguration, DriftGuardError
from driftguard.flow.access import Identities
from driftguard.flow.policy import Policy
from driftguard.flow.ports import Reader
from driftguard.flow.telemetry import NO_TELEMETRY, Telemetry
from driftguard.guard.context import Checkout, Guard
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy
from driftguard.settings import Settings, read_settings, require_lasting_store
from driftguard.system_clock import SystemClock
from driftguard.wiring_places import Opening, credential_of, open_anchors, open_store


@contextmanager
def open_guard(environ: Mapping[str, str]) -> Iterator[Guard]:
    """A guard from the environment alone, as the Function app has it. Raises BadConfiguration, StoreUnavailable."""
    with guard_from(read_settings(environ)) as guard:
        yield guard


@contextmanager
def guard_from(settings: Settings, opening: Opening = Opening.NOW_OR_BEGIN) -> Iterator[Guard]:
    """A guard with real adapters. Nothing of Azure is imported before a request needs it.

    A store that is not there, and may not be begun, is BadConfiguration: at once, or at its first use. Where it may be
    begun with the first write, one that is there is opened at once all the same. What else is wrong is found before the
    store is touched. Raises BadConfiguration, StoreUnavailable, SecretKeyMissing.
    """
    with ExitStack() as stack:
        telemetry = _telemetry(settings.telemetry, stack)
        yield _opened(settings, stack, opening, telemetry)


class SharedTelemetry:
    """Where all threads of a service measure, opened when it is first asked for: apart from the guard, so that a guard that
    cannot be opened is measured too. `connection` gives the connection string as it is then; None: nothing is measured.
    """

    def __init__(self, connection: Callable[[], str | None]) -> None:
        self._connection = connection
        self._turn = threading.Lock()
        self._stack = ExitStack()
        self._telemetry: Telemetry | None = None

    def __call__(self) -> Telemetry:
        """Where to measure; nothing else is opened for it."""
        with self._turn:
            if self._telemetry is None:
                self._telemetry = _telemetry(self._connection(), self._stack)
            return self._telemetry

    def close(self) -> None:
        """Send what is left; asked for again, it opens anew."""
        with self._turn:
            stack, self._stack, self._telemetry = self._stack, ExitStack(), None
        stack.close()


class SharedGuard:
    """One guard for all threads of a service, opened when it is first asked for; what fails then is tried again next time.

    The policy file is read again where it changed, so that a service need not be started anew; one that became wrong is
    BadConfiguration from then on, and nothing is judged by the earlier one. `telemetry` is open where the guard is not.
    """

    def __init__(self, settings: Settings, telemetry: SharedTelemetry | None = None) -> None:
        self.settings = settings
        self.telemetry = telemetry or SharedTelemetry(lambda: settings.telemetry)
        self._turn = threading.Lock()
        self._stack = ExitStack()
        self._guard: Guard | None = None

    def __call__(self) -> Guard:
        """The guard. Raises BadConfiguration, StoreUnavailable, SecretKeyMissing."""
        with self._turn:
            if self._guard is None:
                with ExitStack() as stack:
                    guard = _opened(self.settings, stack, Opening.NOW_OR_BEGIN, self.telemetry())
                    self._guard = replace(guard, policy=policy_as_it_is_now(self.settings))
                    self._stack = stack.pop_all()
            return self._guard

    def close(self) -> None:
        """Give back what was opened; asked for again, it opens anew."""
        with self._turn:
            self._guard = None
            self._stack.close()
        self.telemetry.close()


def _opened(settings: Settings, stack: ExitStack, opening: Opening, telemetry: Telemetry) -> Guard:
    with failure_counted(telemetry):
        require_lasting_store(settings)
        guard = _assemble(settings, stack, opening, telemetry)
    telemetry.count("driftguard.openings", outcome="opened")
    return guard


@contextmanager
def failure_counted(telemetry: Telemetry) -> Iterator[None]:
    """Count an opening of the guard that fails inside. What it raises goes on."""
    try:
        yield
    except DriftGuardError as error:
        from driftguard.guard.measured import how_refused

        telemetry.count("driftguard.openings", outcome=how_refused(error))
        raise
    except Exception:  # reason: it is counted, and goes on
        telemetry.count("driftguard.openings", outcome="failed")
        raise


def _assemble(settings: Settings, stack: ExitStack, opening: Opening, telemetry: Telemetry) -> Guard:
    # Imported here, so that a command that needs no store and no Azure starts at once.
    from driftguard.adapters.checkouts import CHECKOUTS
    from driftguard.adapters.pipelines import PIPELINES
    from driftguard.adapters.readers import READERS
    from driftguard.adapters.readers.arm_options import ArmOptions
    from driftguard.adapters.readers.by_kind import ByKind
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
        cache_folder=_cache_folder(settings, opening),
        telemetry=telemetry,
    )
    store, sealer = open_store(settings, stack, opening, telemetry)
    policy = policy_loader(settings)
    arm = READERS["arm"](options, clock, pins=_Pins(policy))
    stack.callback(arm.close)
    blob = READERS["blob"](
        credential_of(settings), clock, cloud=settings.cloud, connection=settings.blob_connection, telemetry=telemetry
    )
    stack.callback(blob.close)
    readers: dict[str, Reader] = {"arm": arm, "blob": blob}
    latency = timedelta(seconds=settings.log_latency)
    targets = (TICKETS["file"](settings.tickets), PIPELINES["exit-code"]())
    return Guard(
        store=store,
        reader=ByKind(readers, clock),
        sources=(SOURCES["activity-log"](arm.client, clock, latency),),
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
            "store": settings.store_name,
            "tickets": str(settings.tickets),
            "policy": str(settings.policy or "built-in default"),
            "cloud": settings.cloud,
            "arm": settings.arm_endpoint or "Azure",
        },
        telemetry=telemetry,
        anchors=open_anchors(settings, stack),
    )


def _cache_folder(settings: Settings, opening: Opening) -> Path | None:
    """Where api-versions are kept for a day: beside a local store that is there. A call that is refused makes no folder."""
    if settings.store_address:
        return None
    return settings.store.parent if settings.store.exists() or opening is Opening.NOW_OR_BEGIN else None


def _telemetry(connection: str | None, stack: ExitStack) -> Telemetry:
    """Where measurements go; nothing is imported where nothing is set up."""
    if connection is None:
        return NO_TELEMETRY
    from driftguard.adapters.telemetry import TELEMETRY

    measured = TELEMETRY["azure-monitor"](connection, __version__)
    stack.callback(measured.close)
    return measured


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
    credential = credential_of(settings)
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
