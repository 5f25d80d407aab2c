"""A store and its keys that are begun with the first thing that is kept. That it is a store at all: the contract suite."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from driftguard.adapters.stores.first_use import KeysAtFirstUse, StoreAtFirstUse
from driftguard.adapters.stores.secret_key import open_key_ring
from driftguard.adapters.stores.sqlite import open_sqlite
from driftguard.errors import BadConfiguration, SecretKeyMissing
from driftguard.flow.ports import Put


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[StoreAtFirstUse]:
    with closing(StoreAtFirstUse(path, may_begin=True)) as made:
        yield made


def keys(store: StoreAtFirstUse, path: Path) -> KeysAtFirstUse:
    return KeysAtFirstUse(store, path.with_name("store.db.key"), secrets.token_bytes)


def test_a_store_that_is_only_looked_into_is_never_begun(store: StoreAtFirstUse, path: Path) -> None:
    keys(store, path)
    assert (store.get("job", "k", "1"), store.list("job", "k"), store.partitions()) == (None, [], [])
    assert (store.read("blob"), store.blobs("")) == (None, [])
    assert not path.parent.exists()


def test_the_first_write_begins_it(store: StoreAtFirstUse, path: Path) -> None:
    store.commit("job", [Put("k", "1", {"a": 1}, None)])
    assert path.exists() and store.partitions() == ["job"]


def test_the_first_secret_begins_it_with_its_key(store: StoreAtFirstUse, path: Path) -> None:
    sealer = keys(store, path)
    mark = sealer.mark("password", "x")
    assert mark.startswith(f"secret:{sealer.key_id}:")
    with closing(open_sqlite(path, create=False)) as plain:
        assert open_key_ring(plain, path.with_name("store.db.key"), secrets.token_bytes).mark("password", "x") == mark


def test_a_store_that_another_process_begins_meanwhile_is_used(store: StoreAtFirstUse, path: Path) -> None:
    assert store.partitions() == []
    with closing(open_sqlite(path)) as other:
        other.commit("job", [Put("k", "1", {}, None)])
    assert store.partitions() == ["job"]


def test_threads_that_come_first_at_once_open_one_store_and_one_ring(store: StoreAtFirstUse, path: Path) -> None:
    sealer = keys(store, path)
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: sealer.mark("a", "b"), range(16)))) == 1
        assert len({id(one) for one in pool.map(lambda _: store.open(), range(16))}) == 1


def test_a_store_that_may_not_be_begun_is_an_error_at_its_first_use(path: Path) -> None:
    with closing(StoreAtFirstUse(path, may_begin=False)) as none:
        for use in (none.partitions, lambda: none.get("job", "k", "1"), lambda: keys(none, path).key_id):
            with pytest.raises(BadConfiguration, match="there is no store"):
                use()
    assert not path.parent.exists()


def test_keys_that_are_not_at_hand_are_an_error_at_their_first_use_and_hide_no_row(path: Path) -> None:
    with closing(open_sqlite(path)) as plain:
        plain.commit("job", [Put("k", "1", {}, None)])
        open_key_ring(plain, path.with_name("store.db.key"), secrets.token_bytes)
    path.with_name("store.db.key").unlink()
    with closing(StoreAtFirstUse(path, may_begin=False)) as store:
        sealer = keys(store, path)
        assert store.partitions() == ["job"]
        with pytest.raises(SecretKeyMissing):
            sealer.mark("a", "b")
