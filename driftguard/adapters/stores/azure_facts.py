"""The facts that a store on Azure Storage keeps about itself, and how one is begun.

Rules:
- They lie in a partition whose key is no name's form. Its row `schema` makes table and container a store.
- A store of a newer schema is refused, never guessed at.
- Facts are changed together with the row `schema`, at the ETag that was read before: of two that change them at the same
  time, one looks again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from driftguard.adapters.stores import azure_keys
from driftguard.adapters.stores.azure_clients import Clients
from driftguard.adapters.stores.azure_commit import Operation
from driftguard.adapters.stores.azure_entities import PARTITION, ROW
from driftguard.adapters.stores.azure_errors import Asking, Refused
from driftguard.adapters.stores.azure_tables import Table
from driftguard.adapters.stores.azure_versions import etag_of, version_of
from driftguard.errors import BadConfiguration, Conflict

SCHEMA = 1
_OWN = "!meta"
_SCHEMA_ROW = "schema"
_FACT = "fact"
_VALUE = "value"
_MOST = 10_000
_TRIES = 40


class Facts:
    """The facts of one store. Threads may share it. Every call raises StoreUnavailable, BadConfiguration."""

    def __init__(self, table: Table, asking: Asking, address: str) -> None:
        self._table = table
        self._asking = asking
        self._address = address

    def has_store(self) -> bool:
        """Whether there is a store. Raises BadConfiguration for one of a newer schema."""
        return self._schema() is not None

    def begin(self, clients: Clients) -> None:
        """Make the container, the table and the row that makes them a store, as far as they are not there."""
        self._make(lambda: clients.container.create_container(), "ContainerAlreadyExists")
        self._make(lambda: clients.table.create_table(), "TableAlreadyExists")
        if self._table.entities("PartitionKey gt ''", 1, only_keys=True) and not self.has_store():
            raise BadConfiguration(
                f"the table of {self._address} holds something else than a store",
                "name another store, such as azure://ACCOUNT/driftguard2",
            )
        first: Operation = ("create", {PARTITION: _OWN, ROW: _SCHEMA_ROW, _VALUE: str(SCHEMA)}, {})
        self._make(lambda: self._table.submit([first]), "EntityAlreadyExists")

    def facts(self, prefix: str) -> dict[str, str]:
        """The facts whose name starts with `prefix`, with their values."""
        start, end = azure_keys.row_key(_FACT, ""), _FACT + azure_keys.BEHIND_SEPARATOR
        condition = f"PartitionKey eq '{_OWN}' and RowKey gt '{start}' and RowKey lt '{end}'"
        try:
            found = {
                azure_keys.kind_and_id(entity[ROW])[1]: str(entity[_VALUE])
                for entity in self._table.entities(condition, _MOST)
            }
        except (ValueError, KeyError):
            raise self._asking.damaged() from None
        return {name: value for name, value in found.items() if name.startswith(prefix)}

    def update(self, change: Callable[[], Mapping[str, str]]) -> None:
        """Keep the facts that `change` returns; it is called again where others changed facts meanwhile."""
        for _ in range(_TRIES):
            etag = self._schema()
            if etag is None:
                raise self._asking.damaged()
            if self._kept(etag, change()):
                return
        raise Conflict("the facts of the store changed too often", "try again in a moment")

    def _kept(self, etag: str, facts: Mapping[str, str]) -> bool:
        from azure.core import MatchConditions

        condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified, "mode": "replace"}
        own = {PARTITION: _OWN}
        operations: list[Operation] = [("update", {**own, ROW: _SCHEMA_ROW, _VALUE: str(SCHEMA)}, condition)]
        operations += [
            ("upsert", {**own, ROW: azure_keys.row_key(_FACT, name), _VALUE: value}, {"mode": "replace"})
            for name, value in facts.items()
        ]

        def request() -> bool:
            self._table.submit(operations)
            return True

        def refused(refusal: Refused, _unsure: bool) -> bool:
            # Refused by its own first try, whose answer was lost: written once more, which changes nothing.
            if refusal.status != 412:
                raise self._asking.error(refusal)
            return False

        return self._asking.ask(request, when_refused=refused)

    def _schema(self) -> str | None:
        """The ETag of the row `schema`; None where table or row is not there."""
        found = self._entity()
        if found is None:
            return None
        value = found.get(_VALUE)
        try:
            etag = etag_of(version_of(getattr(found, "metadata", {}).get("etag")))
            number = int(str(value))
        except ValueError:
            raise self._asking.damaged() from None
        if number > SCHEMA:
            raise BadConfiguration(
                f"the store {self._address} has schema {number}, this Drift Guard knows schemas up to {SCHEMA}",
                "use the newer version of Drift Guard that wrote it, or restore a backup from before that upgrade",
            )
        return etag

    def _entity(self) -> Mapping[str, Any] | None:
        return self._table.entity(_OWN, _SCHEMA_ROW, also_no_table=True)

    def _make(self, request: Callable[[], object], exists: str) -> None:
        def refused(refusal: Refused, _unsure: bool) -> None:
            if refusal.code != exists:
                raise self._asking.error(refusal)

        self._asking.ask(request, when_refused=refused)
