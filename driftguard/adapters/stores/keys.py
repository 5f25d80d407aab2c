"""The form of the keys that turn secrets into marks, and what a store remembers of them: the same wherever they are kept.

Rules:
- A mark is `secret:<key id>:<32 hex>`: HMAC-SHA256 over name, NUL and value, cut to 128 bits. All have one length,
  and nobody can try values against one without the key.
- A key id is derived from its key, so that a changed key is noticed and never makes other marks under an old id.
- The store remembers every key id that was ever active, so that one that is not at hand is noticed.
- No message holds anything of a key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Protocol

KEY_BYTES = 32
REMEMBERED = "secret-key:"


class Meta(Protocol):
    """The facts that a store keeps about itself (see SqliteStore)."""

    def meta(self, prefix: str) -> dict[str, str]: ...

    def update_meta(self, change: Callable[[], Mapping[str, str]]) -> None: ...


def id_of(key: bytes) -> str:
    """The id of a key."""
    return hmac.new(key, b"key id", hashlib.sha256).hexdigest()[:16]


def mark_of(key_id: str, key: bytes, name: str, value: str) -> str:
    """The mark of a value under the property `name`."""
    # JSON may hold lone surrogates, which plain UTF-8 refuses.
    message = f"{name}\0{value}".encode("utf-8", "surrogatepass")
    return f"secret:{key_id}:{hmac.new(key, message, hashlib.sha256).hexdigest()[:32]}"


def lost_keys(keys: Mapping[str, bytes], remembered: Mapping[str, str]) -> list[str]:
    """The ids that a store remembers and that are not at hand, sorted."""
    return sorted({name.removeprefix(REMEMBERED) for name in remembered} - set(keys))


def key_file_text(active: str, keys: Mapping[str, bytes]) -> bytes:
    """The content of a key file: {"active": key id, "keys": {key id: base64 of 32 random bytes}}."""
    encoded = {key_id: base64.b64encode(key).decode("ascii") for key_id, key in keys.items()}
    return json.dumps({"active": active, "keys": encoded}, indent=1).encode("ascii")


def parse_key_file(data: bytes | str) -> tuple[str, dict[str, bytes]]:
    """The active key's id and all keys. Raises ValueError, KeyError, TypeError, AttributeError, RecursionError."""
    content = json.loads(data)
    keys = {key_id: base64.b64decode(text, validate=True) for key_id, text in content["keys"].items()}
    if content["active"] not in keys:
        raise ValueError("no active key")
    if any(len(key) != KEY_BYTES or id_of(key) != key_id for key_id, key in keys.items()):
        raise ValueError("a key is not the one that its id names")
    return content["active"], keys
