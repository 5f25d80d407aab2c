"""Where a store of a test is: a file of SQLite or Azure Storage, opened by any process, and copied row by row."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from driftguard.adapters.stores.secret_key import open_key_ring
from driftguard.adapters.stores.sqlite import open_sqlite
from driftguard.flow.ports import MAX_WRITES, Put, Sealer, Store
from driftguard.flow.telemetry import NO_TELEMETRY
from driftguard.guard.index import all_rows

if TYPE_CHECKING:
    from tests.azurite.server import Azurite

SECRET_KEY = base64.b64encode(hashlib.sha256(b"a key of the tests").digest()).decode()


@dataclass(frozen=True)
class Place:
    """A store as the settings name it: DRIFTGUARD_STORE, DRIFTGUARD_STORE_CONNECTION, DRIFTGUARD_SECRET_KEY."""

    store: str
    connection: str | None = None
    secret_key: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a command that works with it."""
        settings = {
            "DRIFTGUARD_STORE": self.store,
            "DRIFTGUARD_STORE_CONNECTION": self.connection,
            "DRIFTGUARD_SECRET_KEY": self.secret_key,
        }
        return {name: value for name, value in settings.items() if value}

    @contextmanager
    def opened(self, *, create: bool = True) -> Iterator[tuple[Store, Sealer]]:
        """The store and its keys."""
        if not self.connection:
            path = Path(self.store)
            local = open_sqlite(path, create=create)
            try:
                yield local, open_key_ring(local, path.with_name(path.name + ".key"), _as_good_as_random)
            finally:
                local.close()
            return
        from driftguard.adapters.stores.azure import open_azure_store
        from driftguard.adapters.stores.setting_keys import SettingKeys
        from driftguard.settings import read_settings
        from driftguard.wiring_places import credential_of

        remote = open_azure_store(
            self.store,
            credential_of(read_settings(self.environment)),  # never asked: the connection string signs
            cloud="public",
            connection=self.connection,
            may_begin=create,
            new_id=lambda: uuid.uuid4().hex,
            telemetry=NO_TELEMETRY,
        )
        try:
            yield remote, SettingKeys(remote, self.secret_key)
        finally:
            remote.close()

    def copied(self, to: Place) -> Place:
        """The other place, holding the same rows and blobs."""
        with self.opened(create=False) as (source, _), to.opened() as (target, _):
            for partition in source.partitions():
                writes = [
                    Put(row.kind, row.id, row.body, None)
                    for kind in source.kinds(partition)
                    for row in all_rows(source, partition, kind)
                ]
                for start in range(0, len(writes), MAX_WRITES):
                    target.commit(partition, writes[start : start + MAX_WRITES])
            for key in source.blobs(""):
                data = source.read(key)
                assert data is not None
                target.put_once(key, data)
        return to


def in_folder(folder: Path) -> Place:
    """A SQLite store in the folder."""
    return Place(str(folder / "store.db"))


def on(azurite: Azurite) -> Place:
    """A store of Azure Storage that no other test has."""
    return Place(azurite.store(), azurite.connection, SECRET_KEY)


def behind(place: Place, proxied: str) -> Place:
    """The same store, asked through another connection string."""
    return replace(place, connection=proxied)


def _as_good_as_random(count: int) -> bytes:
    return bytes(range(count))
