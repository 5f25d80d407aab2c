"""What one commit sends: an operation for each write, with the one state of the row that it is for.

Rules:
- A row is created where it must not exist, and otherwise replaced or deleted by If-Match with the ETag of one state. An
  expected version that is no ETag of an entity is a conflict before anything is sent: no condition that every state meets
  can get into a request.
- Everything that Azure would refuse for its size is refused here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from driftguard.adapters.stores import azure_keys, azure_limits, limits
from driftguard.adapters.stores.azure_entities import MAX_PLAIN, PARTITION, ROW, entity_of
from driftguard.adapters.stores.azure_versions import etag_of
from driftguard.errors import Conflict
from driftguard.flow.ports import Put, Write

Operation = tuple[str, dict[str, Any], dict[str, Any]]
"""Name, entity and options, as the SDK's `submit_transaction` takes them."""


def operations_of(partition: str, writes: Sequence[Write], commit_id: str) -> list[Operation]:
    """One operation for each write, each with its condition. Raises Conflict for an expected version that is none, WrongUse."""
    texts = {
        (write.kind, write.id): limits.body_text(write.kind, write.id, write.body)
        for write in writes
        if isinstance(write, Put)
    }
    key = partition_form(partition)
    for plain_up_to in (MAX_PLAIN, 0):
        operations = [
            _operation(partition, key, write, texts.get((write.kind, write.id)), commit_id, plain_up_to)
            for write in writes
        ]
        entities = [entity for _, entity, _ in operations]
        # Many bodies that are small enough each can be too much together: compressed they take a part of it.
        if azure_limits.transaction_size(entities) <= azure_limits.MAX_TRANSACTION:
            break
    for write, entity in zip(writes, entities, strict=True):
        azure_limits.check_entity(f"the row {write.kind} {write.id!r}", entity)
    azure_limits.check_transaction(entities)
    return operations


def _operation(partition: str, key: str, write: Write, text: str | None, commit_id: str, plain_up_to: int) -> Operation:
    row = row_form(write.kind, write.id)
    entity = (
        {PARTITION: key, ROW: row} if text is None else entity_of(key, row, text, commit_id, plain_up_to=plain_up_to)
    )
    if text is not None and write.expected is None:
        return "create", entity, {"response_preference": "return-no-content"}
    # An expected version may come from a caller's If-Match and be any text: what is none is no row's.
    etag = etag_of(write.expected or "")
    if etag is None:
        raise conflict(partition, write)
    from azure.core import MatchConditions

    condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    return ("delete", entity, condition) if text is None else ("update", entity, {**condition, "mode": "replace"})


def partition_form(name: str) -> str:
    """The PartitionKey of a partition. Raises WrongUse where it is too long."""
    form = azure_keys.encoded(name)
    azure_limits.check_key("partition", name, form)
    return form


def row_form(kind: str, row_id: str) -> str:
    """The RowKey of a row. Raises WrongUse where it is too long."""
    form = azure_keys.row_key(kind, row_id)
    azure_limits.check_key("row", f"{kind} {row_id}", form)
    return form


def conflict(partition: str, write: Write) -> Conflict:
    """The error for a row that is not at its expected version."""
    return Conflict(
        f"the row {write.kind} {write.id!r} of {partition!r} changed since it was read", "read it again and repeat"
    )
