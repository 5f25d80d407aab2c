"""What stores accept, checked before anything is written, and what every one of them holds.

Rules, checked for every store:
- A partition, kind or row id has 1 to 512 characters, no control character (what Azure Tables allows in a key).
- A blob's key has 1 to 1024 characters, no control character (what Azure Storage allows in a blob's name),
  and a blob at most 256 MiB.
- A row's body is a JSON object of at most 900 KiB as stored: sorted keys, ASCII, no NaN, no infinity, at most 500 deep.
  Every store takes every such body, whatever is in it, and gives it back: how deep a store's own code stands when it
  reads or writes one decides nothing.
- A commit has at most MAX_WRITES writes and names each row once.

What every store holds is less, where names or commits are large; a store that holds less refuses the rest as WrongUse,
before anything is sent. On Azure Storage:
- a partition of at most 512, and kind and id of a row of together at most 511 characters, a blob's key of at most 1024 in
  at most 254 parts between slashes. ASCII letters, digits, `-` and `_` count one, other ASCII two (a slash within a blob's
  key one), other characters four, those above U+FFFF six;
- commits whose bodies are together at most 1.5 MiB, whatever is in them; up to 4 MiB and more where they compress well.

What the product itself names is short, or shortened to a digest (guard/index.py); jobs have at most 100 characters.

Sources: learn.microsoft.com "Understanding the Table service data model", "Performing entity group transactions",
"Naming and referencing containers, blobs, and metadata".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from driftguard.errors import WrongUse
from driftguard.flow.ports import MAX_WRITES, Write

MAX_NAME = 512
MAX_KEY = 1024
MAX_BODY = 900 * 1024
MAX_DEPTH = 500  # Python's JSON gives up near 1,000, less what stands on the stack already
MAX_BLOB = 256 * 1024 * 1024
MAX_LISTED = 100_000

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_NESTING = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}]')  # a text, which may hold brackets of its own, or a bracket
_SURROGATE = re.compile("[\ud800-\udfff]")


def check_names(**names: str) -> None:
    """Raises WrongUse for a partition, kind or row id that a store cannot hold; the keyword says which one it is."""
    for what, text in names.items():
        _check_text(what, text, MAX_NAME)


def check_blob(key: str, data: bytes) -> None:
    """Raises WrongUse for a key or an amount of data that a store cannot hold."""
    check_key(key)
    if len(data) > MAX_BLOB:
        raise WrongUse(f"the blob {key!r} has {len(data)} bytes, at most {MAX_BLOB} are stored", "split it")


def check_key(key: str) -> None:
    """Raises WrongUse for a blob's key that a store cannot hold."""
    _check_text("blob key", key, MAX_KEY)


def check_bound(what: str, text: str) -> None:
    """Raises WrongUse for the start of a list or a prefix that is not Unicode text; it may be empty."""
    if _SURROGATE.search(text):
        raise WrongUse(f"the {what} is not Unicode text", "remove its surrogate characters")


def check_limit(limit: int) -> None:
    """Raises WrongUse for an amount of rows that no list can have."""
    if not 1 <= limit <= MAX_LISTED:
        raise WrongUse(f"a list of {limit} rows was asked for", f"ask for 1 to {MAX_LISTED}, and page with `after`")


def check_writes(writes: Sequence[Write]) -> None:
    """Raises WrongUse for too many writes, a row that is named twice, or a name that a store cannot hold."""
    if len(writes) > MAX_WRITES:
        raise WrongUse(f"{len(writes)} writes in one commit", f"commit at most {MAX_WRITES} at a time")
    named: set[tuple[str, str]] = set()
    for write in writes:
        check_names(kind=write.kind, id=write.id)
        if (write.kind, write.id) in named:
            raise WrongUse(f"the row {write.kind} {write.id!r} is named twice in one commit", "name each row once")
        named.add((write.kind, write.id))


def body_text(kind: str, row_id: str, body: Mapping[str, Any]) -> str:
    """The body as it is stored. Raises WrongUse, with nothing of the body in it, for what is not JSON or too large."""
    try:
        text = json.dumps(dict(body), sort_keys=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise WrongUse(
            f"the body of the row {kind} {row_id!r} is not JSON ({type(error).__name__})",
            "use only objects with text keys, lists, text, finite numbers, booleans and null",
        ) from None  # the cause could quote the body
    if _is_too_deep(text):
        raise WrongUse(
            f"the body of the row {kind} {row_id!r} is more than {MAX_DEPTH} deep",
            "put what is deep into a blob, as text",
        )
    if len(text) > MAX_BODY:
        raise WrongUse(
            f"the body of the row {kind} {row_id!r} has {len(text)} bytes, at most {MAX_BODY} are stored",
            "put what is large into a blob",
        )
    return text


def _is_too_deep(text: str) -> bool:
    """Whether objects and lists of a JSON text lie more than MAX_DEPTH within each other."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:  # as good as always
        return False
    depth = 0
    for found in _NESTING.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(found.group(), 0)
        if depth > MAX_DEPTH:
            return True
    return False


def _check_text(what: str, text: str, most: int) -> None:
    if not 1 <= len(text) <= most:
        raise WrongUse(f"the {what} has {len(text)} characters", f"use 1 to {most} characters")
    if _CONTROL.search(text):
        raise WrongUse(f"the {what} {text!r} has a control character", "remove it")
    check_bound(what, text)
