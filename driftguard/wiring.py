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
from typing import TYPE_CHECKING

from driftguard import __version__
from driftguard.errors import BadConfiguration
from driftguard.flow.access import Identities
from driftguard.flow.policy import Policy
from driftguard.flow.ports import Anchors, Reader, Sealer, Store
from driftguard.flow.telemetry import NO_TELEMETRY, Telemetry
from driftguard.guard.context import Checkout, Guard
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy
from driftguard.settings import Settings, read_settings, require_lasting_store

if TYPE_CHECKING:
    from driftguard.adapters.readers.arm_credential import Credential
    from driftguard.guard.store_copy import Copied, End

SECRET_KEY = "DRIFTGUARD_SECRET_KEY"


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

    def telemetry(self) -> Telemetry:
        """Where the guard measures, while it is open; nothing is opened for it."""
        guard = self._guard
        return guard.telemetry if guard is not None else NO_TELEMETRY

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
    from driftguard.adapters.readers.by_kind import ByKind
    from driftguard.adapters.sources import SOURCES
    from driftguard.adapters.tickets import TICKETS

    clock = SystemClock()
    telemetry = _telemetry(settings, stack)
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
    store, sealer = _open_store(settings, stack, opening, telemetry)
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
        anchors=_anchors(settings, stack),
    )


def _cache_folder(settings: Settings, opening: Opening) -> Path | None:
    """Where api-versions are kept for a day: beside a local store that is there. A call that is refused makes no folder."""
    if settings.store_address:
        return None
    return settings.store.parent if settings.store.exists() or opening is Opening.NOW_OR_BEGIN else None


def credential_of(settings: Settings) -> Credential:
    """The sign-in to Azure; nothing is imported or asked for before its first token."""
    from driftguard.adapters.readers.arm_credential import credential_for
    from driftguard.adapters.readers.arm_options import ArmOptions

    return credential_for(ArmOptions(cloud=settings.cloud, tenant=settings.tenant), SystemClock())


def _telemetry(settings: Settings, stack: ExitStack) -> Telemetry:
    """Where measurements go; nothing is imported where nothing is set up."""
    if settings.telemetry is None:
        return NO_TELEMETRY
    from driftguard.adapters.telemetry import TELEMETRY

    measured = TELEMETRY["azure-monitor"](settings.telemetry, __version__)
    stack.callback(measured.close)
    return measured


def anchors_of(settings: Settings) -> Anchors | None:
    """The place for the heads of ledgers; None where none is set up. Raises BadConfiguration."""
    if not settings.anchors:
        return None
    from driftguard.adapters.anchors import ANCHORS

    anchors: Anchors
    if "://" not in settings.anchors:
        anchors = ANCHORS["folder"](Path(settings.anchors))
        return anchors
    same_account = settings.anchors.split("/")[2:3] == settings.store_address.split("/")[2:3]
    anchors = ANCHORS["azure"](
        settings.anchors,
        credential_of(settings),
        cloud=settings.cloud,
        connection=settings.anchors_connection or (settings.store_connection if same_account else None),
    )
    return anchors


def _anchors(settings: Settings, stack: ExitStack) -> Anchors | None:
    anchors = anchors_of(settings)
    if anchors is not None:
        stack.callback(anchors.close)
    return anchors


def _open_store(settings: Settings, stack: ExitStack, opening: Opening, telemetry: Telemetry) -> tuple[Store, Sealer]:
    """The store with the keys of its marks: those of the setting, else those of the file beside a SQLite store."""
    if settings.store_address:
        return _open_azure_store(settings, stack, opening, telemetry)
    from driftguard.adapters.stores.first_use import KeysAtFirstUse, StoreAtFirstUse
    from driftguard.adapters.stores.secret_key import open_key_ring
    from driftguard.adapters.stores.setting_keys import SettingKeys
    from driftguard.adapters.stores.sqlite import open_sqlite

    key_file, key_text = key_file_of(settings.store), settings.secret_key
    begins_later = opening is Opening.BEGIN_AT_FIRST_WRITE and not settings.store.exists()
    if begins_later or opening is Opening.AT_FIRST_USE:
        later = StoreAtFirstUse(settings.store, may_begin=begins_later)
        stack.callback(later.close)
        return later, SettingKeys(later, key_text) if key_text else KeysAtFirstUse(later, key_file, secrets.token_bytes)
    store = open_sqlite(settings.store, create=opening is Opening.NOW_OR_BEGIN)
    stack.callback(store.close)
    return store, SettingKeys(store, key_text) if key_text else open_key_ring(store, key_file, secrets.token_bytes)


def key_file_of(store: Path) -> Path:
    """Where the keys of a SQLite store are, unless the setting holds them."""
    return store.parent / f"{store.name}.key"


def _open_azure_store(
    settings: Settings, stack: ExitStack, opening: Opening, telemetry: Telemetry
) -> tuple[Store, Sealer]:
    """Nothing is asked of Azure before the first use: whether the store is there shows then."""
    from driftguard.adapters.stores.azure import open_azure_store
    from driftguard.adapters.stores.setting_keys import SettingKeys

    store = open_azure_store(
        settings.store_address,
        credential_of(settings),
        cloud=settings.cloud,
        connection=settings.store_connection,
        may_begin=opening in (Opening.NOW_OR_BEGIN, Opening.BEGIN_AT_FIRST_WRITE),
        new_id=lambda: uuid.uuid4().hex,
        telemetry=telemetry,
    )
    stack.callback(store.close)
    return store, SettingKeys(store, settings.secret_key)


def copy_between(source: Settings, target: Settings) -> Copied:
    """Copy the store of one setting into that of the other. The source must be there; the target is begun, or goes on.

    Raises as `copy_store`; BadConfiguration.
    """
    from driftguard.adapters.stores.keys import REMEMBERED
    from driftguard.guard.store_copy import copy_store

    require_lasting_store(target)
    with ExitStack() as stack:
        ends = _open_end(source, stack, is_target=False), _open_end(target, stack, is_target=True)
        return copy_store(*ends, SystemClock(), key_ids=REMEMBERED)


def _open_end(settings: Settings, stack: ExitStack, *, is_target: bool) -> End:
    from driftguard.adapters.stores.azure import open_azure_store
    from driftguard.adapters.stores.sqlite import open_sqlite
    from driftguard.guard.store_copy import End

    if not settings.store_address:
        path = settings.store.resolve()
        local = open_sqlite(path, create=is_target, unfinished=is_target)
        stack.callback(local.close)
        return End(local, str(path), SECRET_KEY if settings.secret_key else str(key_file_of(path)))
    store = open_azure_store(
        settings.store_address,
        credential_of(settings),
        cloud=settings.cloud,
        connection=settings.store_connection if _is_of_account(settings) else None,
        may_begin=is_target,
        new_id=lambda: uuid.uuid4().hex,
        unfinished=is_target,
    )
    stack.callback(store.close)
    return End(store, store.address, SECRET_KEY)


def _is_of_account(settings: Settings) -> bool:
    """Whether the connection string is for the account of the store: a copy may name two accounts, and one of them has it."""
    account = settings.store_address.removeprefix("azure://").partition("/")[0]
    parts = (settings.store_connection or "").split(";")
    return f"accountname={account.lower()}" in (part.strip().lower() for part in parts)


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
