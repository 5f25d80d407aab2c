"""A row as an entity of a table, and an entity as a row.

Rules:
- A body of at most 32,000 characters is one property, `body`, that a person can read in a storage browser. A larger one
  is compressed in pieces: `part00`, `part01`, …; `parts` says how many, `size` how many characters they hold.
- `commit` is the id of the commit that wrote the entity: a commit whose answer was lost knows its own writes again.
- What is read is checked before it is believed, and is never unpacked beyond the size of a body.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from driftguard.adapters.stores import azure_keys, limits
from driftguard.adapters.stores.azure_versions import version_of
from driftguard.flow.ports import Row

PARTITION, ROW = "PartitionKey", "RowKey"
BODY, PARTS, SIZE, COMMIT = "body", "parts", "size", "commit"
MAX_PLAIN = 32_000
_PIECE = 60_000

NO_ROW_IN_IT = (ValueError, TypeError, KeyError, RecursionError, zlib.error)
"""What `row_of` raises for an entity that holds no row."""


def entity_of(partition: str, key: str, text: str, commit: str, *, plain_up_to: int = MAX_PLAIN) -> dict[str, Any]:
    """The entity for a body as JSON text. `partition` and `key` are forms, `commit` is the id of the commit."""
    entity: dict[str, Any] = {PARTITION: partition, ROW: key, COMMIT: commit}
    if len(text) <= plain_up_to:
        return {**entity, BODY: text}
    packed = zlib.compress(text.encode("ascii"), 9)
    pieces = [packed[start : start + _PIECE] for start in range(0, len(packed), _PIECE)]
    named = {f"part{number:02}": piece for number, piece in enumerate(pieces)}
    return {**entity, PARTS: len(pieces), SIZE: len(text), **named}


def row_of(entity: Mapping[str, Any], etag: object) -> Row:
    """The row of an entity. Raises one of NO_ROW_IN_IT."""
    kind, row_id = azure_keys.kind_and_id(_text(entity[ROW]))
    body = json.loads(_body(entity))
    if not isinstance(body, dict):
        raise ValueError("the body is no object")
    return Row(kind, row_id, version_of(etag), body)


def _body(entity: Mapping[str, Any]) -> str:
    if BODY in entity:
        return _text(entity[BODY])
    count, size = entity[PARTS], entity[SIZE]
    if not (isinstance(count, int) and isinstance(size, int) and 0 < size <= limits.MAX_BODY and 0 < count < 100):
        raise ValueError("the sizes of the body are none")
    packed = b"".join(bytes(entity[f"part{number:02}"]) for number in range(count))
    unpacking = zlib.decompressobj()
    text = unpacking.decompress(packed, size + 1)
    if len(text) != size or not unpacking.eof:
        raise ValueError("the body is not whole")
    return text.decode("ascii")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not text")
    return value
