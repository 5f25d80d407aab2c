"""The store on Azure Storage: a table and a container of one name, for many threads, processes and machines at once.

Rules:
- Nothing is imported or asked before the first use. That reads the store's schema, and whether it is a whole store: one
  request. It is asked again by a use `KNOWN_FOR` seconds later: a copy may have begun to fill the store meanwhile. What
  is written into a copy until that is noticed, the copy itself finds before it calls itself whole.
- A store that may be begun, and is not there, holds nothing; the first write begins it: the container, the table, and last
  the row with the schema, which makes them a store. What another process has begun meanwhile is used.
- A store that is not there, or is missing while it is used, is an error and never an empty store.
- A table that holds something else is not taken for a new store.
- The store's own facts lie in a partition that is no name's form, and are in no list.

How rows are kept: azure_tables, azure_entities; blobs: azure_blobs; names: azure_keys; limits: azure_limits.
"""

from __future__ import annotations

import threading
import time
from builtins import list as List  # reason: the port has a method `list`, which hides the type in the class body
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from driftguard.adapters.readers.arm_credential import Credential
from driftguard.adapters.stores import limits
from driftguard.adapters.stores.azure_address import Place, place_of
from driftguard.adapters.stores.azure_blobs import Blobs
from driftguard.adapters.stores.azure_clients import Clients, connect
from driftguard.adapters.stores.azure_errors import Asking
from driftguard.adapters.stores.azure_facts import Facts
from driftguard.adapters.stores.azure_tables import Table
from driftguard.adapters.stores.unfinished import refuse_unfinished_fact
from driftguard.errors import BadConfiguration, StoreUnavailable, WrongUse
from driftguard.flow.ports import Row, Store, Write
from driftguard.flow.telemetry import NO_TELEMETRY, Telemetry

KNOWN_FOR = 15.0
"""Seconds for which a store that was seen to be there, and whole, is taken for it."""


@dataclass(frozen=True, slots=True)
class _Parts:
    clients: Clients
    asking: Asking
    table: Table
    blobs: Blobs
    facts: Facts


class AzureStore(Store):
    """The port `Store`, and the facts that a store keeps about itself; made by `open_azure_store`. Threads may share it.

    Every call raises StoreUnavailable where the storage account does not answer or refuses, BadConfiguration where there is
    no store, a newer or an unfinished one, Unavailable where no sign-in was possible, and WrongUse for names and sizes
    outside the limits (limits.py, azure_limits.py).
    """

    def __init__(
        self,
        place: Place,
        make: Callable[[], _Parts],
        *,
        may_begin: bool,
        unfinished: bool,
        monotonic: Callable[[], float],
    ) -> None:
        self.address = place.address
        self._make = make
        self._may_begin = may_begin
        self._unfinished = unfinished
        self._turn = threading.Lock()
        self._parts: _Parts | None = None
        self._monotonic = monotonic
        self._seen: float | None = None  # when the store was last seen to be there, and good to work with
        self._closed = False

    def get(self, partition: str, kind: str, row_id: str) -> Row | None:
        limits.check_names(partition=partition, kind=kind, id=row_id)
        parts = self._if_there()
        return parts.table.get(partition, kind, row_id) if parts else None

    def list(self, partition: str, kind: str, *, after: str = "", limit: int = 1000) -> List[Row]:
        limits.check_names(partition=partition, kind=kind)
        limits.check_bound("start of the list", after)
        limits.check_limit(limit)
        parts = self._if_there()
        return parts.table.list(partition, kind, after=after, limit=limit) if parts else []

    def version(self, partition: str, kind: str, row_id: str) -> str | None:
        limits.check_names(partition=partition, kind=kind, id=row_id)
        parts = self._if_there()
        return parts.table.version(partition, kind, row_id) if parts else None

    def partitions(self) -> List[str]:
        parts = self._if_there()
        return parts.table.partitions() if parts else []

    def kinds(self, partition: str) -> List[str]:
        limits.check_names(partition=partition)
        parts = self._if_there()
        return parts.table.kinds(partition) if parts else []

    def commit(self, partition: str, writes: Sequence[Write]) -> dict[tuple[str, str], str]:
        limits.check_names(partition=partition)
        limits.check_writes(writes)
        if not writes:
            return {}
        return self._begun().table.commit(partition, writes)

    def put_once(self, key: str, data: bytes) -> bool:
        limits.check_blob(key, data)
        return self._begun().blobs.put_once(key, data)

    def read(self, key: str) -> bytes | None:
        limits.check_key(key)
        parts = self._if_there()
        return parts.blobs.read(key) if parts else None

    def blobs(self, prefix: str) -> List[str]:
        limits.check_bound("prefix", prefix)
        parts = self._if_there()
        return parts.blobs.keys(prefix) if parts else []

    def forget(self, keys: Sequence[str]) -> bool:
        for key in keys:
            limits.check_key(key)
        parts = self._if_there()
        if parts:
            parts.blobs.forget(keys)
        return True

    def meta(self, prefix: str) -> dict[str, str]:
        """The facts about the store itself whose name starts with `prefix`, with their values."""
        parts = self._if_there()
        return parts.facts.facts(prefix) if parts else {}

    def update_meta(self, change: Callable[[], Mapping[str, str]]) -> None:
        """Keep the facts that `change` returns: all or none, and none that another process changed in between.

        `change` is called again where another process changed the facts meanwhile; an error in it leaves them as they were.
        """
        self._begun().facts.update(change)

    def close(self) -> None:
        with self._turn:
            self._closed = True
            parts, self._parts = self._parts, None
        if parts is not None:
            parts.clients.close()

    def _if_there(self) -> _Parts | None:
        """The parts of a store that is there; None for one that may be begun and is not.

        Threads ask side by side: what they learn is the same, and none waits for another one's answer.
        """
        parts = self._opened()
        if self._is_known() or self._found(parts):
            return parts
        if self._seen is not None:  # never begun anew: it would be an empty one in the place of one that is lost
            raise parts.asking.gone()
        if self._may_begin:
            return None
        raise BadConfiguration(
            f"there is no store {self.address}", "name the store that `record` writes to, and its account and cloud"
        )

    def _begun(self) -> _Parts:
        parts = self._if_there()
        if parts is None:
            parts = self._opened()
            parts.facts.begin(parts.clients)
            if not self._found(parts):
                raise StoreUnavailable(f"the store {self.address} was begun and is not there", "try again in a moment")
        return parts

    def _is_known(self) -> bool:
        return self._seen is not None and (self._unfinished or self._monotonic() - self._seen < KNOWN_FOR)

    def _found(self, parts: _Parts) -> bool:
        """Whether there is a store. Raises BadConfiguration for one that this code must not work with."""
        asked = self._monotonic()
        known = parts.facts.look()
        if known is None:
            return False
        if not self._unfinished:
            refuse_unfinished_fact(known.facts, self.address)
        self._seen = asked
        return True

    def _opened(self) -> _Parts:
        with self._turn:
            if self._closed:
                raise WrongUse(f"the store {self.address} was closed", "open it again")
            if self._parts is None:
                self._parts = self._make()
            return self._parts


def open_azure_store(
    address: str,
    credential: Credential,
    *,
    cloud: str = "public",
    connection: str | None = None,
    may_begin: bool,
    new_id: Callable[[], str],
    telemetry: Telemetry = NO_TELEMETRY,
    unfinished: bool = False,
    monotonic: Callable[[], float] = time.monotonic,
) -> AzureStore:
    """The store at azure://ACCOUNT[/NAME]; nothing is asked of Azure before its first use.

    `connection` is the account's connection string; without one, `credential` signs in. `may_begin`: a store that is not
    there is begun by its first write. `new_id` gives an id that no other write has. `unfinished` opens a store that a copy
    has not filled yet, too. `monotonic` gives seconds that only go forward. Raises BadConfiguration.
    """
    place = place_of(address, cloud=cloud, connection=connection)

    def make() -> _Parts:
        clients, asking = connect(place, credential, telemetry), Asking(place)
        table = Table(clients.table, asking, new_id)
        blobs, facts = Blobs(clients.container, asking, new_id), Facts(table, asking, place.address)
        return _Parts(clients, asking, table, blobs, facts)

    return AzureStore(place, make, may_begin=may_begin, unfinished=unfinished, monotonic=monotonic)
