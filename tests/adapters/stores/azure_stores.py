"""Stores on Azure Storage for the tests, opened as the product opens them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from driftguard.adapters.stores.azure import AzureStore, open_azure_store
from driftguard.flow.ports import Put, Store


class Nobody:
    """A sign-in that must not be asked for."""

    def get_token(self, *scopes: str, **options: Any) -> Any:
        raise AssertionError("a store with a connection string asks for no sign-in")


def opened(address: str, connection: str, *, may_begin: bool = True, **options: Any) -> AzureStore:
    """A store; ids of its writes are random unless told otherwise."""
    new_id: Callable[[], str] = options.pop("new_id", lambda: uuid.uuid4().hex)
    return open_azure_store(address, Nobody(), connection=connection, may_begin=may_begin, new_id=new_id, **options)


def put(store: Store, row_id: str, body: dict[str, Any], expected: str | None = None) -> str:
    """Put one row of kind `k` in the partition `job`; its version."""
    return store.commit("job", [Put("k", row_id, body, expected)])["k", row_id]


def every_call(store: AzureStore) -> dict[str, Callable[[], object]]:
    """Every call of a store but `close`; what they write has a canary in it."""
    return {
        "get": lambda: store.get("job", "k", "old"),
        "version": lambda: store.version("job", "k", "old"),
        "list": lambda: store.list("job", "k"),
        "partitions": store.partitions,
        "kinds": lambda: store.kinds("job"),
        "commit": lambda: put(store, "new", {"secret": "CANARY"}),
        "put_once": lambda: store.put_once("a", b"CANARY"),
        "read": lambda: store.read("a"),
        "blobs": lambda: store.blobs(""),
        "forget": lambda: store.forget(["a"]),
        "forget many": lambda: store.forget(["a", "b"]),
        "meta": lambda: store.meta(""),
        "update_meta": lambda: store.update_meta(lambda: {"a": "CANARY"}),
    }
