"""The stores under contract, and what other processes do to them in the contract's tests.

Run as `python store_worker.py ROLE STORE ADDRESS [ARGUMENT …]`; ROLES has the roles.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driftguard.adapters.stores.azure import AzureStore, open_azure_store
from driftguard.adapters.stores.first_use import StoreAtFirstUse
from driftguard.adapters.stores.sqlite import open_sqlite
from driftguard.errors import Conflict
from driftguard.flow.ports import Put, Row, Store, Write
from tests.azurite.server import Azurite

ROWS_TOGETHER = 20


@dataclass(frozen=True)
class StoreUnderTest:
    """How a test makes the address of a new store, from a folder of its own or in Azurite, and how a process opens it.

    `rounds`: how often each of eight writers adds one, as processes and as threads. A round on Azurite takes a hundred times
    as long as one on SQLite, and threads that share an interpreter twice as long again.
    """

    new_address: Callable[[Path, Callable[[], Azurite]], str]
    open: Callable[[str], Store]
    rounds: tuple[int, int] = (50, 50)


def in_azurite(_folder: Path, azurite: Callable[[], Azurite]) -> str:
    """The address of a store in the emulator, with what another process needs to open it."""
    running = azurite()
    return json.dumps({"address": running.store(), "connection": running.connection})


def open_in_azurite(address: str, *, may_begin: bool = True) -> AzureStore:
    """The store of an address made by `in_azurite`."""
    return open_azure_store(
        **json.loads(address), credential=NOBODY, may_begin=may_begin, new_id=lambda: uuid.uuid4().hex
    )


class _Nobody:
    def get_token(self, *scopes: str, **options: Any) -> Any:
        raise AssertionError("a store with a connection string asks for no sign-in")


NOBODY = _Nobody()


def open_begun_in_azurite(address: str) -> AzureStore:
    """The same, by a process that may not begin it and finds it begun."""
    first = open_in_azurite(address)
    first.update_meta(dict)
    first.close()
    return open_in_azurite(address, may_begin=False)


STORES = {
    "sqlite": StoreUnderTest(lambda folder, _: str(folder / "store.db"), lambda address: open_sqlite(Path(address))),
    "sqlite at first use": StoreUnderTest(
        lambda folder, _: str(folder / "store.db"), lambda address: StoreAtFirstUse(Path(address), may_begin=True)
    ),
    "azure": StoreUnderTest(in_azurite, open_begun_in_azurite, rounds=(50, 10)),
    "azure at first use": StoreUnderTest(in_azurite, open_in_azurite, rounds=(2, 2)),
}


def add_one(store: Store, partition: str) -> int:
    """Add one to a shared counter, again and again until no other writer was in between; returns the new value."""
    while True:
        row: Row | None = store.get(partition, "counter", "shared")
        value = 1 + (row.body["value"] if row else 0)
        write = Put("counter", "shared", {"value": value}, row.version if row else None)
        try:
            store.commit(partition, [write])
        except Conflict:
            continue
        return value


def wait_for_the_others() -> None:
    """Tell that this process is ready, and wait for the word to begin."""
    print("ready", flush=True)
    sys.stdin.readline()


def count(store: Store, partition: str, rounds: str) -> None:
    """Add one to the shared counter that many times."""
    wait_for_the_others()
    for _ in range(int(rounds)):
        add_one(store, partition)


def commit_forever(store: Store, partition: str) -> None:
    """Write the same number to many rows and a blob, commit after commit, and tell each number when it is committed."""
    rows = {row.id: row for row in store.list(partition, "number")}
    number = max((row.body["number"] for row in rows.values()), default=0)
    expected = {row_id: row.version for row_id, row in rows.items()}
    while True:
        number += 1
        ids = [f"row-{index:02}" for index in range(ROWS_TOGETHER)]
        writes: list[Write] = [Put("number", row_id, {"number": number}, expected.get(row_id)) for row_id in ids]
        versions = store.commit(partition, writes)
        expected = {row_id: versions["number", row_id] for row_id in ids}
        store.put_once(f"{partition}/{number}", b"x" * 10_000)
        print(number, flush=True)


def tell_once(store: Store, key: str, data: str) -> None:
    """Try to put a blob and tell whether it was new."""
    wait_for_the_others()
    print(store.put_once(key, data.encode()), flush=True)


ROLES: dict[str, Callable[..., None]] = {"count": count, "commit_forever": commit_forever, "tell_once": tell_once}


def main(role: str, store_name: str, address: str, *arguments: str) -> None:
    store = STORES[store_name].open(address)
    try:
        ROLES[role](store, *arguments)
    finally:
        store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
