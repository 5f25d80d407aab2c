"""The facts that a store on Azure Storage keeps about itself, and how one is begun.

Rules:
- They lie in a partition whose key is no name's form. Its row `schema` makes table and container a store. One request
  reads all of it: whether there is a store, its schema, and the fact that marks an unfinished copy.
- A store of a newer schema is refused, never guessed at.
- Facts are changed together with the row `schema`, at the ETag that was read before: of two that change them at the same
  time, one looks again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
_FACTS = azure_keys.row_key(_FACT, "")  # how the keys of facts begin; rows of another kind are a later version's
_VALUE = "value"
_MOST = 10_000
_TRIES = 40


@dataclass(frozen=True, slots=True)
class Known:
    """What a store says of itself: the ETag of its row `schema`, and its facts by name."""

    etag: str
    facts: Mapping[str, str]


class Facts:
    """The facts of one store. Threads may share it. Every call raises StoreUnavailable, BadConfiguration."""

    def __init__(self, table: Table, asking: Asking, address: str) -> None:
        self._table = table
        self._asking = asking
        self._address = address

    def look(self) -> Known | None:
        """What the store says of itself now; None where there is none. Raises BadConfiguration for a newer schema."""
        found = self._table.entities(f"PartitionKey eq '{_OWN}'", _MOST, also_no_table=True)
        own = {str(entity.get(ROW)): entity for entity in found}
        schema = own.pop(_SCHEMA_ROW, None)
        if schema is None:
            return None
        try:
            etag = etag_of(version_of(getattr(schema, "metadata", {}).get("etag")))
            number = int(str(schema.get(_VALUE)))
            facts = {
                azure_keys.kind_and_id(key)[1]: str(entity[_VALUE])
                for key, entity in own.items()
                if key.startswith(_FACTS)
            }
        except (ValueError, KeyError):
            raise self._asking.damaged() from None
        if number > SCHEMA:
            raise BadConfiguration(
                f"the store {self._address} has schema {number}, this Drift Guard knows schemas up to {SCHEMA}",
                "use the newer version of Drift Guard that wrote it, or restore a backup from before that upgrade",
            )
        if etag is None or len(found) >= _MOST or any(entity.get(PARTITION) != _OWN for entity in found):
            raise self._asking.damaged()
        return Known(etag, facts)

    def begin(self, clients: Clients) -> None:
        """Make the container, the table and the row that makes them a store, as far as they are not there."""
        self._make(lambda: clients.container.create_container(), "ContainerAlreadyExists")
        self._make(lambda: clients.table.create_table(), "TableAlreadyExists")
        if self._table.entities("PartitionKey gt ''", 1, only_keys=True) and self.look() is None:
            raise BadConfiguration(
                f"the table of {self._address} holds something else than a store",
                "name another store, such as azure://ACCOUNT/driftguard2",
            )
        first: Operation = ("create", {PARTITION: _OWN, ROW: _SCHEMA_ROW, _VALUE: str(SCHEMA)}, {})
        self._make(lambda: self._table.submit([first]), "EntityAlreadyExists")

    def facts(self, prefix: str) -> dict[str, str]:
        """The facts whose name starts with `prefix`, with their values."""
        return {name: value for name, value in self._known().facts.items() if name.startswith(prefix)}

    def update(self, change: Callable[[], Mapping[str, str]]) -> None:
        """Keep the facts that `change` returns; it is called again where others changed facts meanwhile."""
        for _ in range(_TRIES):
            if self._kept(self._known().etag, change()):
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

    def _known(self) -> Known:
        known = self.look()
        if known is None:
            raise self._asking.gone()
        return known

    def _make(self, request: Callable[[], object], exists: str) -> None:
        def refused(refusal: Refused, _unsure: bool) -> None:
            if refusal.code != exists:
                raise self._asking.error(refusal)

        self._asking.ask(request, when_refused=refused)
