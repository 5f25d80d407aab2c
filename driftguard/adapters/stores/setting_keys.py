"""The keys that turn secrets into marks, from a setting: for a store that has no disk beside it, or a vault that keeps them.

Rules:
- The text is the content of a key file, or keys in base64 with commas or blanks between them, the active one first.
- Nothing is looked at before the first use; then everything is: a text that is not whole is refused, not half used.
- The store remembers every key id that was active: a setting that lacks one is SecretKeyMissing, also where another
  process brings a key of its own to a new store at the same time. So a wrong or new key is noticed before a mark is
  compared, and rotation puts a new key first and leaves the old ones in.
- A reference to a vault that the platform has not replaced is BadConfiguration, never a key.
- No message holds anything of the text.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Mapping

from driftguard.adapters.stores.keys import (
    KEY_BYTES,
    REMEMBERED,
    Meta,
    id_of,
    lost_keys,
    mark_of,
    parse_key_file,
)
from driftguard.errors import BadConfiguration, SecretKeyMissing
from driftguard.flow.ports import Sealer

_SETTING = "DRIFTGUARD_SECRET_KEY"
_REFERENCE = "@microsoft.keyvault("  # how App Service writes a reference to Key Vault in a setting
_FORM = f"set {_SETTING} to the content of a key file, or to base64 of 32 random bytes (openssl rand -base64 32)"
_FEWEST_BYTES = 8  # 32 random bytes have fewer different ones with a chance below 2^-100


class SettingKeys(Sealer):
    """The port `Sealer` with the keys that the setting DRIFTGUARD_SECRET_KEY holds. Threads may share it.

    Every use raises SecretKeyMissing where no key, or not every key that the store remembers, is set; BadConfiguration
    where the setting is damaged; StoreUnavailable.
    """

    def __init__(self, store: Meta, text: str | None) -> None:
        self._store = store
        self._text = text
        self._loaded: tuple[str, dict[str, bytes]] | None = None
        self._turn = threading.Lock()

    @property
    def key_id(self) -> str:  # type: ignore[override]  # reason: the port's attribute, known only once the keys are read
        """The active key's id."""
        return self._keys()[0]

    def mark(self, name: str, value: str, key_id: str | None = None) -> str:
        active, keys = self._keys()
        used = active if key_id is None else key_id
        if used not in keys:
            raise _lacks([used])
        return mark_of(used, keys[used], name, value)

    def _keys(self) -> tuple[str, dict[str, bytes]]:
        with self._turn:
            if self._loaded is None:
                active, keys = _keys_in(self._text or "")
                if REMEMBERED + active not in self._remembered(keys):
                    self._store.update_meta(lambda: self._with(active, keys))
                self._loaded = active, keys
            return self._loaded

    def _with(self, active: str, keys: Mapping[str, bytes]) -> dict[str, str]:
        """The active key as a fact to keep; asked where no other process can add one that is not looked at here."""
        self._remembered(keys)
        return {REMEMBERED + active: ""}

    def _remembered(self, keys: Mapping[str, bytes]) -> dict[str, str]:
        """What the store remembers. Raises SecretKeyMissing where not all of it is among the keys."""
        remembered = self._store.meta(REMEMBERED)
        if lost := lost_keys(keys, remembered):
            raise _lacks(lost)
        return remembered


def _keys_in(text: str) -> tuple[str, dict[str, bytes]]:
    """The active key's id and all keys. Raises SecretKeyMissing, BadConfiguration."""
    text = text.strip()
    if not text:
        raise SecretKeyMissing("there is no key for secrets", _FORM)
    if text.lower().startswith(_REFERENCE):
        raise BadConfiguration(
            f"{_SETTING} is a reference to Key Vault that the platform has not replaced by the secret",
            "check that the secret is there, and that the app's identity has the role Key Vault Secrets User",
        )
    try:
        active, keys = parse_key_file(text) if text.startswith("{") else _listed(text)
        if any(len(set(key)) < _FEWEST_BYTES for key in keys.values()):
            raise ValueError("a key is not random")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # Not chained: the cause could quote the keys.
        raise BadConfiguration(f"{_SETTING} holds no keys ({type(error).__name__})", _FORM) from None
    return active, keys


def _listed(text: str) -> tuple[str, dict[str, bytes]]:
    keys = [base64.b64decode(one, validate=True) for one in re.split(r"[,\s]+", text) if one]
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise ValueError("no key, or one of another length")
    return id_of(keys[0]), {id_of(key): key for key in keys}


def _lacks(lost: list[str]) -> SecretKeyMissing:
    return SecretKeyMissing(
        f"{_SETTING} lacks the key {', '.join(lost)} that the store uses",
        "add that key to the setting, after the active one; without it, stored secrets cannot be compared",
    )
