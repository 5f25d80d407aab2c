"""The keys that turn secrets into marks, for a store on a local disk: a file beside the store.

Rules:
- The file is made whole and once, however many processes open the new store at the same time; only its owner reads it.
- The store remembers every key id that was ever active: a file that lacks one is SecretKeyMissing, and no fresh key is
  made for a store that has marks.
- Rotation adds a key and keeps the old ones.

The forms of marks, key ids and the file: keys.py.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from driftguard.adapters.stores.files import draft, fill, place_once, replace
from driftguard.adapters.stores.keys import (
    KEY_BYTES,
    REMEMBERED,
    Meta,
    id_of,
    key_file_text,
    lost_keys,
    mark_of,
    parse_key_file,
)
from driftguard.errors import BadConfiguration, SecretKeyMissing
from driftguard.flow.ports import Sealer

_RESTORE = "restore the key file from the backup of its store; without it, stored secrets cannot be compared"


class KeyRing(Sealer):
    """The port `Sealer` with the keys of one file; made by `open_key_ring`. Threads may share it."""

    key_id: str

    def __init__(self, store: Meta, path: Path, random_bytes: Callable[[int], bytes]) -> None:
        self._store = store
        self._path = path
        self._random_bytes = random_bytes
        self._load()

    def mark(self, name: str, value: str, key_id: str | None = None) -> str:
        used = self.key_id if key_id is None else key_id
        if used not in self._keys:
            self._load()  # another process may have rotated since
        if used not in self._keys:
            raise SecretKeyMissing(f"the key file {self._path} has no key {used!r}", _RESTORE)
        return mark_of(used, self._keys[used], name, value)

    def rotate(self) -> str:
        """Add a new key, make it the active one, keep the old ones; returns its id.

        Raises as `open_key_ring`.
        """
        self._store.update_meta(self._add_key)
        self._load()
        return self.key_id

    def _add_key(self) -> dict[str, str]:
        """Runs while no other process can write to the store, so that two rotations do not lose each other's key."""
        _, keys = _read(self._path)
        _refuse_lost_keys(self._path, keys, self._store.meta(REMEMBERED))
        key = self._random_bytes(KEY_BYTES)
        _write(self._path, id_of(key), {**keys, id_of(key): key})
        return {REMEMBERED + id_of(key): ""}

    def _load(self) -> None:
        # The store is asked first: a key id is remembered only when it is already in the file.
        remembered = self._store.meta(REMEMBERED)
        if not remembered:
            key = self._random_bytes(KEY_BYTES)
            _create(self._path, id_of(key), {id_of(key): key})
        active, keys = _read(self._path)
        _refuse_lost_keys(self._path, keys, remembered)
        if REMEMBERED + active not in remembered:
            self._store.update_meta(lambda: {REMEMBERED + active: ""})
        self._keys, self.key_id = keys, active


def open_key_ring(store: Meta, path: Path, random_bytes: Callable[[int], bytes]) -> KeyRing:
    """The keys in the file `path` (of a store `store.db` it is `store.db.key`); made where store and file are new.

    `random_bytes` gives that many unpredictable bytes, as secrets.token_bytes does.
    Raises SecretKeyMissing where the file, or a key that the store remembers, is not at hand; BadConfiguration where
    others can read the file or it is damaged; StoreUnavailable.
    """
    return KeyRing(store, path.absolute(), random_bytes)


def _refuse_lost_keys(path: Path, keys: Mapping[str, bytes], remembered: Mapping[str, str]) -> None:
    if lost := lost_keys(keys, remembered):
        raise SecretKeyMissing(f"the key file {path} lacks the key {', '.join(lost)} that its store uses", _RESTORE)


def _create(path: Path, active: str, keys: Mapping[str, bytes]) -> None:
    try:
        with draft(path) as file:
            fill(file, key_file_text(active, keys))
            place_once(file, path)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _write(path: Path, active: str, keys: Mapping[str, bytes]) -> None:
    try:
        with draft(path) as file:
            fill(file, key_file_text(active, keys))
            replace(file, path)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _read(path: Path) -> tuple[str, dict[str, bytes]]:
    """The active key's id and all keys."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            # Windows has no such bits: there the folder's access list protects the file.
            if os.name != "nt" and stat.S_IMODE(mode) & 0o077:
                raise BadConfiguration(
                    f"the key file {path} is open to others (mode {stat.S_IMODE(mode):04o})",
                    f"run `chmod 600 {path}`; if somebody else may have read it, also rotate the key",
                )
            data = file.read()
    except OSError as error:
        raise SecretKeyMissing(f"the key file {path} cannot be read ({error.strerror})", _RESTORE) from error
    try:
        return parse_key_file(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # Not chained: the cause could quote the keys.
        raise BadConfiguration(f"the key file {path} is damaged ({type(error).__name__})", _RESTORE) from None


def _cannot_write(path: Path, error: OSError) -> SecretKeyMissing:
    return SecretKeyMissing(
        f"the key file {path} cannot be written ({error.strerror})",
        "check that its folder can be written and its disk has free space",
    )
