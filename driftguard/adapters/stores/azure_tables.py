"""The rows of a store in one table of Azure Storage: PartitionKey is the partition, RowKey kind and id.

Rules:
- A commit is one entity group transaction. Each operation has its condition: a row is created where it must not exist, and
  otherwise replaced or deleted by If-Match with the ETag of exactly one state.
- An answer that was lost: the same transaction is sent again. It can be carried out once only, since its own first run
  changed every row that it names. If that is what refuses the second try, a row shows the commit's id: the commit was made.
- A commit of deletions alone leaves no row to show an id. Where its answer was lost and the rows are gone, it ends as a
  conflict: the rows are gone either way, and the caller looks again, as for any conflict.
- Pages are followed to their end, also empty ones. Rows that come out of order, twice or from elsewhere are an error.
"""

from __future__ import annotations

import itertools
from builtins import list as List  # reason: the method `list` hides the type inside the class
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from driftguard.adapters.stores import azure_keys, azure_limits
from driftguard.adapters.stores.azure_commit import Operation, conflict, operations_of, partition_form, row_form
from driftguard.adapters.stores.azure_entities import COMMIT, NO_ROW_IN_IT, PARTITION, ROW, row_of
from driftguard.adapters.stores.azure_errors import Asking, Refused, Unanswered
from driftguard.adapters.stores.azure_pages import all_pages
from driftguard.adapters.stores.azure_versions import NEVER, version_of
from driftguard.flow.ports import Put, Row, Write

if TYPE_CHECKING:
    from azure.core.paging import ItemPaged
    from azure.data.tables import TableClient

_PAGE = 1000  # the most entities that Azure gives at once
_STALE = frozenset(
    {"EntityAlreadyExists", "UpdateConditionNotSatisfied", "ConditionNotMet", "ResourceNotFound", "EntityNotFound"}
)
_NO_ROW = frozenset({"ResourceNotFound", "EntityNotFound"})
_ONLY_STATE = ["Timestamp", COMMIT]  # the ETag is made of the first, where an answer does not have it beside


class Table:
    """The rows. Threads may share it. Names are checked here against what Azure takes (see azure_limits).

    Every call raises StoreUnavailable, BadConfiguration, and WrongUse for names that are too long.
    """

    def __init__(self, client: TableClient, asking: Asking, new_id: Callable[[], str]) -> None:
        self._client = client
        self._asking = asking
        self._new_id = new_id

    def get(self, partition: str, kind: str, row_id: str) -> Row | None:
        """The row, or None."""
        found = self.entity(partition_form(partition), row_form(kind, row_id))
        return None if found is None else self._row(found)

    def version(self, partition: str, kind: str, row_id: str) -> str | None:
        """The row's version without its body, or None."""
        found = self.entity(partition_form(partition), row_form(kind, row_id), only_state=True)
        return None if found is None else self._version(found)

    def list(self, partition: str, kind: str, *, after: str, limit: int) -> List[Row]:
        """The rows of a kind with id > `after`, in order of id."""
        key = partition_form(partition)
        row_form(kind, "-")
        # No row's key is longer than a key may be: what `after` has beyond that decides nothing.
        start = azure_keys.row_key(kind, after)[: azure_limits.MAX_KEY + 1]
        end = azure_keys.encoded(kind) + azure_keys.BEHIND_SEPARATOR
        found = self.entities(f"PartitionKey eq '{key}' and RowKey gt '{start}' and RowKey lt '{end}'", limit)
        rows = [self._row(entity) for entity in found]
        ids = [after, *(row.id for row in rows)]
        in_order = all(one < other for one, other in itertools.pairwise(ids))
        if not in_order or any(row.kind != kind for row in rows) or any(each[PARTITION] != key for each in found):
            raise self._asking.damaged()
        return rows

    def partitions(self) -> List[str]:
        """The names of all partitions that hold a row, sorted: one request for each, and one."""
        found: List[str] = []
        # The store's own facts come first: no name's form begins with their mark.
        last = azure_keys.BEHIND_SEPARATOR
        while page := self.entities(f"PartitionKey gt '{last}'", 1, only_keys=True):
            last = self._further(str(page[0][PARTITION]), last)
            found.append(self._name(last))
        return found

    def kinds(self, partition: str) -> List[str]:
        """The kinds of which the partition holds a row, sorted: one request for each, and one."""
        key, found, last = partition_form(partition), List[str](), ""
        while page := self.entities(f"PartitionKey eq '{key}' and RowKey gt '{last}'", 1, only_keys=True):
            kind, _, _ = self._further(str(page[0][ROW]), last).partition(azure_keys.SEPARATOR)
            last = kind + azure_keys.BEHIND_SEPARATOR
            found.append(self._name(kind))
        return found

    def commit(self, partition: str, writes: Sequence[Write]) -> dict[tuple[str, str], str]:
        """All writes or none; the new versions of the rows put. Raises Conflict."""
        commit_id = self._new_id()
        operations = operations_of(partition, writes, commit_id)

        def refused(refusal: Refused, unsure: bool) -> dict[tuple[str, str], str]:
            if refusal.status != 412 and refusal.code not in _STALE:
                raise self._asking.error(refusal)
            puts = [write for write in writes if isinstance(write, Put)]
            if unsure and (made := self._made(partition, puts, commit_id)):
                return made
            raise conflict(partition, writes[min(refusal.index, len(writes) - 1)])

        return self._asking.ask(lambda: self._committed(writes, operations), when_refused=refused)

    def entity(self, partition: str, key: str, *, only_state: bool = False) -> Mapping[str, Any] | None:
        """The entity of these keys, or None; a table that is not there is an error."""

        def nothing(refusal: Refused, _unsure: bool) -> None:
            if refusal.status != 404 or refusal.code not in _NO_ROW:
                raise self._asking.error(refusal)

        def request() -> Mapping[str, Any] | None:
            return self._client.get_entity(partition, key, select=_ONLY_STATE if only_state else None)

        return self._asking.ask(request, when_refused=nothing)

    def entities(
        self, condition: str, limit: int, *, only_keys: bool = False, also_no_table: bool = False
    ) -> List[Mapping[str, Any]]:
        """The first entities that meet an OData condition, in order of their keys, at most `limit`.

        A table that is not there is an error, unless `also_no_table`: then it holds none.
        """

        def nothing(refusal: Refused) -> List[Any]:
            if also_no_table and refusal.status == 404 and refusal.code == "TableNotFound":
                return []
            raise self._asking.error(refusal)

        def items() -> ItemPaged[Any]:
            return self._client.query_entities(
                condition, results_per_page=min(limit, _PAGE), select=[PARTITION, ROW] if only_keys else None
            )

        found: List[Mapping[str, Any]] = []
        for page in all_pages(self._asking, items, nothing):
            found += page
            if len(found) >= limit:
                break
        return found[:limit]

    def submit(self, operations: Sequence[Operation]) -> List[Mapping[str, Any]]:
        """One try of one transaction; raises what the SDK raises. Only within `Asking.ask`."""
        return list(self._client.submit_transaction(operations))

    def _committed(self, writes: Sequence[Write], operations: Sequence[Operation]) -> dict[tuple[str, str], str]:
        answers = self.submit(operations)
        try:
            return {
                (write.kind, write.id): version_of(answer.get("etag"))
                for write, answer in zip(writes, answers, strict=True)
                if isinstance(write, Put)
            }
        except ValueError:
            raise Unanswered("half an answer") from None

    def _made(self, partition: str, puts: Sequence[Put], commit_id: str) -> dict[tuple[str, str], str]:
        """The new versions, if this commit was made; else nothing. One row that shows its id is enough to know."""
        states = {
            (put.kind, put.id): self.entity(partition_form(partition), row_form(put.kind, put.id), only_state=True)
            for put in puts
        }
        if not any(state is not None and state.get(COMMIT) == commit_id for state in states.values()):
            return {}
        return {
            row: self._version(state) if state is not None and state.get(COMMIT) == commit_id else NEVER
            for row, state in states.items()
        }

    def _row(self, entity: Mapping[str, Any]) -> Row:
        try:
            return row_of(entity, _etag(entity))
        except NO_ROW_IN_IT:
            raise self._asking.damaged() from None  # the cause could quote the body

    def _version(self, entity: Mapping[str, Any]) -> str:
        try:
            return version_of(_etag(entity))
        except ValueError:
            raise self._asking.damaged() from None

    def _name(self, form: str) -> str:
        try:
            return azure_keys.decoded(form)
        except ValueError:
            raise self._asking.damaged() from None

    def _further(self, key: str, last: str) -> str:
        if key <= last:  # else an answer that does not heed the condition would be asked for ever
            raise self._asking.damaged()
        return key


def _etag(entity: Mapping[str, Any]) -> object:
    """The ETag that the SDK keeps beside an entity."""
    return getattr(entity, "metadata", {}).get("etag")
