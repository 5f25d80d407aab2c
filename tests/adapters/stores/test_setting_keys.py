"""The keys from a setting: the same marks as from a file, nothing before the first use, and never a word of a key."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from driftguard.adapters.stores.first_use import StoreAtFirstUse
from driftguard.adapters.stores.keys import KEY_BYTES, REMEMBERED, Meta, id_of
from driftguard.adapters.stores.secret_key import open_key_ring
from driftguard.adapters.stores.setting_keys import SettingKeys
from driftguard.adapters.stores.sqlite import SqliteStore, open_sqlite
from driftguard.errors import BadConfiguration, SecretKeyMissing
from tests.adapters.stores.azure_stores import opened
from tests.azurite.server import Azurite

FIRST, SECOND = bytes(range(KEY_BYTES)), bytes(range(100, 100 + KEY_BYTES))


def text_of(*keys: bytes) -> str:
    return ", ".join(base64.b64encode(key).decode() for key in keys)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(open_sqlite(tmp_path / "store.db")) as made:
        yield made


def test_the_content_of_a_key_file_makes_the_marks_that_the_file_makes(store: SqliteStore, tmp_path: Path) -> None:
    file = tmp_path / "store.db.key"
    ring = open_key_ring(store, file, secrets.token_bytes)
    old = ring.mark("password", "x")
    ring.rotate()
    keys = SettingKeys(store, file.read_text())
    assert keys.key_id == ring.key_id
    assert keys.mark("password", "x") == ring.mark("password", "x")
    assert keys.mark("password", "x", old.split(":")[1]) == old


@pytest.mark.parametrize("between", [",", " ", "\n", " , "])
def test_of_listed_keys_the_first_is_active_and_all_are_at_hand(store: SqliteStore, between: str) -> None:
    text = f" {between.join([text_of(FIRST), text_of(SECOND)])}\n"
    keys = SettingKeys(store, text)
    assert keys.key_id == id_of(FIRST) and store.meta(REMEMBERED) == {REMEMBERED + id_of(FIRST): ""}
    assert keys.mark("a", "x", id_of(SECOND)).startswith(f"secret:{id_of(SECOND)}:")
    with pytest.raises(SecretKeyMissing, match="lacks the key ffff"):
        keys.mark("a", "x", "ffff")


def test_a_setting_that_lacks_a_remembered_key_is_told_before_a_mark_is_made(store: SqliteStore) -> None:
    assert SettingKeys(store, text_of(FIRST)).key_id == id_of(FIRST)
    with pytest.raises(SecretKeyMissing, match=id_of(FIRST)) as caught:
        SettingKeys(store, text_of(SECOND)).mark("a", "x")
    assert "after the active one" in caught.value.remedy
    assert store.meta(REMEMBERED) == {REMEMBERED + id_of(FIRST): ""}
    assert SettingKeys(store, text_of(SECOND, FIRST)).key_id == id_of(SECOND)
    assert len(store.meta(REMEMBERED)) == 2


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_without_a_key_the_first_use_says_what_to_set(store: SqliteStore, text: str | None) -> None:
    keys = SettingKeys(store, text)
    with pytest.raises(SecretKeyMissing, match="there is no key") as caught:
        keys.mark("a", "x")
    assert "DRIFTGUARD_SECRET_KEY" in caught.value.remedy
    assert store.meta(REMEMBERED) == {}


def test_a_reference_that_the_platform_has_not_replaced_is_no_key(store: SqliteStore) -> None:
    keys = SettingKeys(store, "@Microsoft.KeyVault(SecretUri=https://kv-shop.vault.azure.net/secrets/digest-key)")
    with pytest.raises(BadConfiguration, match="reference to Key Vault") as caught:
        keys.mark("a", "x")
    assert "Key Vault Secrets User" in caught.value.remedy and "kv-shop" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        ",",
        text_of(FIRST)[:-2],
        text_of(FIRST[:-1]),
        f"{text_of(FIRST)},hunter2",
        text_of(bytes(KEY_BYTES)),
        "{",
        '{"active": "hunter2", "keys": {}}',
        json.dumps({"active": "a", "keys": {"a": text_of(FIRST)}}),
    ],
)
def test_a_text_that_holds_no_keys_is_refused_and_not_told(store: SqliteStore, text: str) -> None:
    with pytest.raises(BadConfiguration, match="DRIFTGUARD_SECRET_KEY holds no keys") as caught:
        SettingKeys(store, text).mark("a", "x")
    assert "hunter2" not in str(caught.value) and text_of(FIRST)[:8] not in str(caught.value)
    assert caught.value.__cause__ is None
    assert store.meta(REMEMBERED) == {}


def test_nothing_is_asked_of_the_store_before_the_first_use(tmp_path: Path) -> None:
    with closing(StoreAtFirstUse(tmp_path / "later" / "store.db", may_begin=True)) as later:
        keys = SettingKeys(later, text_of(FIRST))
        assert not (tmp_path / "later").exists()
        assert keys.key_id == id_of(FIRST)
        assert later.meta(REMEMBERED) == {REMEMBERED + id_of(FIRST): ""}


class MeetingTheOther:
    """The facts of a store; who has read them waits until the other one has, too."""

    def __init__(self, store: Meta, both: threading.Barrier) -> None:
        self._store = store
        self._both = both
        self._met = False

    def meta(self, prefix: str) -> dict[str, str]:
        found = self._store.meta(prefix)
        if not self._met:
            self._met = True
            self._both.wait(10)
        return found

    def update_meta(self, change: Callable[[], Mapping[str, str]]) -> None:
        self._store.update_meta(change)


def one_of_two_keys_is_taken(stores: Sequence[Meta]) -> None:
    both = threading.Barrier(2)

    def key_id_of(key: bytes, store: Meta) -> str:
        try:
            return SettingKeys(MeetingTheOther(store, both), text_of(key)).key_id
        except SecretKeyMissing as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(key_id_of, (FIRST, SECOND), stores))
    taken = [key for key, said in zip((FIRST, SECOND), told, strict=True) if said == id_of(key)]
    assert len(taken) == 1 and stores[0].meta(REMEMBERED) == {REMEMBERED + id_of(taken[0]): ""}
    assert [f"lacks the key {id_of(taken[0])}" in said for said in told].count(True) == 1


def test_of_two_fresh_keys_at_once_one_is_taken_on_a_local_disk(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(open_sqlite(path)) as one, closing(open_sqlite(path)) as other:
        one_of_two_keys_is_taken([one, other])


def test_of_two_fresh_keys_at_once_one_is_taken_on_azure(azurite: Azurite) -> None:
    address = azurite.store()
    with closing(opened(address, azurite.connection)) as one, closing(opened(address, azurite.connection)) as other:
        one_of_two_keys_is_taken([one, other])
