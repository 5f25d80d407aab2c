"""One fetch of the identity provider's public keys, bounded in time and size.

Rules:
- It ends after a total time, however slowly the answer arrives: who asked is told, and what still drips is left alone.
- One fetch is under way at a time, so that a server that drips holds one thread and one connection, never more.
- No redirect is followed; an answer that is larger than any set of keys is not read to its end.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jwt import PyJWK

MOST_BYTES = 1024 * 1024
_CHUNK = 64 * 1024


class KeySet:
    """The set of keys at one address. `timeout`: seconds for each part of the answer, `total` for all of it."""

    def __init__(self, address: str, *, timeout: float, total: float, most: int = MOST_BYTES) -> None:
        self._address, self._timeout, self._total, self._most = address, timeout, total, most
        self._under_way: threading.Thread | None = None

    def fetch(self) -> Sequence[PyJWK] | None:
        """The keys that sign, None where they cannot be had in time. Not to be called by two threads at once."""
        if self._under_way is not None and self._under_way.is_alive():
            return None  # an earlier fetch still drips
        found: list[Sequence[PyJWK]] = []
        ends = time.monotonic() + self._total

        def ask() -> None:
            found.extend(self._ask(ends))

        self._under_way = threading.Thread(target=ask, name="identity-keys", daemon=True)
        self._under_way.start()
        self._under_way.join(self._total)
        return found[0] if found else None

    def _ask(self, ends: float) -> Sequence[Sequence[PyJWK]]:
        """The keys as the one element; nothing where there are none to be had."""
        from jwt import PyJWKSet
        from jwt.exceptions import PyJWTError

        try:
            keys = PyJWKSet.from_dict({"keys": _members(self._read(ends))}).keys
        except (PyJWTError, OSError, ValueError, RecursionError, HTTPException):
            return ()
        signing = [key for key in keys if key.key_id and key.public_key_use in ("sig", None)]
        return (signing,) if signing else ()

    def _read(self, ends: float) -> Any:
        """Raises OSError, HTTPException, ValueError, RecursionError."""
        import urllib.request

        opener = urllib.request.build_opener(_no_redirects())
        with opener.open(self._address, timeout=self._timeout) as response:
            data = bytearray()
            while part := response.read1(_CHUNK):
                data += part
                if len(data) > self._most:
                    raise ValueError("larger than a set of keys")
                if time.monotonic() > ends:
                    raise TimeoutError("slower than a set of keys")
        return json.loads(data)


def _members(document: Any) -> list[dict[str, Any]]:
    """The keys as they stand in the document. Raises ValueError for another form."""
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise ValueError("no set of keys")
    return keys


def _no_redirects() -> Any:
    import urllib.request

    class NoRedirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            """None: the redirect is the answer, and an error."""

    return NoRedirects()
