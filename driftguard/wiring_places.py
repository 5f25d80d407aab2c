"""What is kept, and where: settings to the store with the keys of its marks, to the place of anchors, to the ends of a copy."""

from __future__ import annotations

import secrets
import uuid
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from driftguard.errors import WrongUse
from driftguard.flow.ports import Anchors, Sealer, Store
from driftguard.flow.telemetry import Telemetry
from driftguard.settings import Settings, require_lasting_store
from driftguard.system_clock import SystemClock

if TYPE_CHECKING:
    from driftguard.adapters.readers.arm_credential import Credential
    from driftguard.guard.store_copy import Copied, End

SECRET_KEY = "DRIFTGUARD_SECRET_KEY"


class Opening(StrEnum):
    """When the store is opened, and whether it may be begun where it is not there."""

    NOW = "now"
    NOW_OR_BEGIN = "now or begin"
    AT_FIRST_USE = "at first use"
    BEGIN_AT_FIRST_WRITE = "begin at first write"


def credential_of(settings: Settings) -> Credential:
    """The sign-in to Azure; nothing is imported or asked for before its first token."""
    from driftguard.adapters.readers.arm_credential import credential_for
    from driftguard.adapters.readers.arm_options import ArmOptions

    return credential_for(ArmOptions(cloud=settings.cloud, tenant=settings.tenant), SystemClock())


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


def open_anchors(settings: Settings, stack: ExitStack) -> Anchors | None:
    """As `anchors_of`; closed with the stack."""
    anchors = anchors_of(settings)
    if anchors is not None:
        stack.callback(anchors.close)
    return anchors


def open_store(settings: Settings, stack: ExitStack, opening: Opening, telemetry: Telemetry) -> tuple[Store, Sealer]:
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
    _refuse_same_file(source, target)
    with ExitStack() as stack:
        from_ = _open_end(source, stack, is_target=False)
        from_.store.partitions()  # a source that is not there leaves no target behind
        to = _open_end(target, stack, is_target=True)
        return copy_store(from_, to, SystemClock(), key_ids=REMEMBERED)


def _refuse_same_file(source: Settings, target: Settings) -> None:
    """Raises WrongUse for one file under two names: its log has the name of the file, and two of them would damage it."""
    if source.store_address or target.store_address:
        return
    try:
        same = source.store.samefile(target.store)
    except OSError:  # reason: one of them is not there or cannot be looked at, which opening it tells with its remedy
        return
    if same:
        raise WrongUse(f"{source.store} cannot be copied onto itself", "name another store to copy to")


def _open_end(settings: Settings, stack: ExitStack, *, is_target: bool) -> End:
    from driftguard.adapters.stores.azure import open_azure_store
    from driftguard.adapters.stores.sqlite import open_sqlite
    from driftguard.guard.store_copy import End

    if not settings.store_address:
        path = settings.store.resolve()
        local = open_sqlite(path, create=is_target, unfinished=is_target, read_only=not is_target)
        stack.callback(local.close)
        return End(local, str(path), SECRET_KEY if settings.secret_key else str(key_file_of(path)))
    store = open_azure_store(
        settings.store_address,
        credential_of(settings),
        cloud=settings.cloud,
        connection=_connection_to(settings),
        may_begin=is_target,
        new_id=lambda: uuid.uuid4().hex,
        unfinished=is_target,
    )
    stack.callback(store.close)
    return End(store, store.address, SECRET_KEY)


def _connection_to(settings: Settings) -> str | None:
    """The connection string, if it is for the account of the store: a copy may name two accounts, and it is of one of them.

    One that names no account is passed on, and refused where it is used. Raises BadConfiguration.
    """
    from driftguard.adapters.stores.azure_address import account_named

    connection = settings.store_connection
    named = account_named(connection) if connection else None
    return connection if named in (None, settings.store_address.split("/")[2]) else None
