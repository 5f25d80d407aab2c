"""What Azure Storage takes, checked in our own code before anything is sent: the emulator takes more.

Rules:
- What does not fit is WrongUse. A message names what it is about and holds nothing of a body.
- Sizes are those that Azure counts: UTF-16 for text, and for a transaction everything that goes over the wire.

Sources: learn.microsoft.com "Understanding the Table service data model" (an entity: 1 MiB, 252 properties of the caller,
64 KiB a property, 1 KiB each for PartitionKey and RowKey), "Performing entity group transactions" (100 entities, 4 MiB,
each entity once), "Naming and referencing containers, blobs, and metadata" (1,024 characters, 254 path segments).
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from driftguard.errors import WrongUse

MAX_KEY = 512  # UTF-16 units of 2 bytes
MAX_BLOB_NAME = 1024
MAX_SEGMENTS = 254
MAX_PROPERTIES = 252
MAX_PROPERTY = 64 * 1024
MAX_ENTITY = 1024 * 1024
MAX_OPERATIONS = 100
MAX_TRANSACTION = 4 * 1024 * 1024

_KEYS = ("PartitionKey", "RowKey")
# Of each operation: boundary, request line, headers; the keys stand in its URL, where a character takes up to 3 bytes.
_AROUND_OPERATION = 1200
_URL_BYTES = 3


def check_key(what: str, name: str, form: str) -> None:
    """Raises WrongUse where the form of a name is too long for a key; `what` says which name it is."""
    if len(form) > MAX_KEY:
        raise WrongUse(
            f"the {what} {_shortened(name)} is too long for Azure Storage ({len(form)} of {MAX_KEY} characters as stored)",
            "use a shorter name; letters and digits of ASCII, - and _ take one character, others up to six",
        )


def check_blob_name(key: str, name: str) -> None:
    """Raises WrongUse where the name of a key's blob is too long."""
    if len(name) > MAX_BLOB_NAME or name.count("/") >= MAX_SEGMENTS:
        raise WrongUse(
            f"the blob key {_shortened(key)} is too long for Azure Storage ({len(name)} characters as stored)",
            f"use a key of at most {MAX_BLOB_NAME} characters as stored and {MAX_SEGMENTS} segments",
        )


def check_entity(row: str, entity: Mapping[str, Any]) -> None:
    """Raises WrongUse for an entity that Azure refuses. `row` names it in the message."""
    if len(entity) - len(_KEYS) > MAX_PROPERTIES:
        raise _too_much(row, f"more than {MAX_PROPERTIES} properties")
    sizes = {name: _size(value) for name, value in entity.items() if name not in _KEYS}
    if any(size > MAX_PROPERTY for size in sizes.values()):
        raise _too_much(row, f"a property of more than {MAX_PROPERTY} bytes")
    # The sum that Azure's documentation gives: 4 + keys + for each property 8 + name + value.
    whole = 4 + sum(2 * len(entity[key]) for key in _KEYS) + sum(8 + 2 * len(name) + 4 + sizes[name] for name in sizes)
    if whole > MAX_ENTITY:
        raise _too_much(row, f"more than {MAX_ENTITY} bytes")


def check_transaction(entities: Sequence[Mapping[str, Any]]) -> None:
    """Raises WrongUse for more operations or bytes than one transaction takes."""
    if len(entities) > MAX_OPERATIONS:
        raise WrongUse(f"{len(entities)} writes in one commit", f"commit at most {MAX_OPERATIONS} at a time")
    whole = transaction_size(entities)
    if whole > MAX_TRANSACTION:
        raise WrongUse(
            f"the commit has {whole} bytes, Azure Storage takes {MAX_TRANSACTION} at a time",
            "commit fewer rows at a time",
        )


def transaction_size(entities: Sequence[Mapping[str, Any]]) -> int:
    """The most bytes that a transaction of these entities has on the wire."""
    return sum(_wire_size(entity) for entity in entities)


def _wire_size(entity: Mapping[str, Any]) -> int:
    text = json.dumps({name: _as_sent(value) for name, value in entity.items()})
    # Each property has its type told beside it.
    types = sum(len(name) + 40 for name in entity)
    return _AROUND_OPERATION + _URL_BYTES * sum(len(entity[key]) for key in _KEYS) + len(text) + types


def _as_sent(value: Any) -> Any:
    return b64encode(value).decode("ascii") if isinstance(value, bytes) else value


def _size(value: Any) -> int:
    if isinstance(value, bytes):
        return len(value)
    return len(str(value).encode("utf-16-le", "surrogatepass"))


def _shortened(name: str) -> str:
    return repr(name if len(name) <= 60 else f"{name[:57]}...")


def _too_much(row: str, what: str) -> WrongUse:
    return WrongUse(f"{row} has {what}, which Azure Storage does not take", "put what is large into a blob")
