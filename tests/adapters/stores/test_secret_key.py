"""The key ring beside a SQLite store: its marks, its file, and what happens when either is not as it was."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import driftguard
from driftguard.adapters.stores.secret_key import KeyRing, open_key_ring
from driftguard.adapters.stores.sqlite import SqliteStore, open_sqlite
from driftguard.errors import BadConfiguration, CannotTell, SecretKeyMissing
from driftguard.flow.ports import Sealer

MARK = re.compile(r"secret:([0-9a-f]{16}):[0-9a-f]{32}\Z")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(open_sqlite(tmp_path / "store.db")) as store:
        yield store


@pytest.fixture
def path(store: SqliteStore) -> Path:
    return store.path.with_name("store.db.key")


def open_ring(store: SqliteStore) -> KeyRing:
    return open_key_ring(store, store.path.with_name("store.db.key"), secrets.token_bytes)


def content(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# Marks


def test_a_mark_is_the_keyed_digest_of_name_and_value(store: SqliteStore, path: Path) -> None:
    ring: Sealer = open_ring(store)
    key = base64.b64decode(content(path)["keys"][ring.key_id])
    digest = hmac.new(key, b"adminPassword\0h\xc3\xbcnter2", hashlib.sha256).hexdigest()[:32]
    assert ring.mark("adminPassword", "hünter2") == f"secret:{ring.key_id}:{digest}"


def test_equal_secrets_have_equal_marks_and_others_differ(store: SqliteStore) -> None:
    ring = open_ring(store)
    assert ring.mark("a", "x") == ring.mark("a", "x") == open_ring(store).mark("a", "x", ring.key_id)
    assert len({ring.mark("a", "x"), ring.mark("b", "x"), ring.mark("a", "y"), ring.mark("ax", "")}) == 4


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(st.characters(), max_size=2000))
def test_a_mark_has_one_form_whatever_the_secret_is(store: SqliteStore, value: str) -> None:
    ring = open_ring(store)
    mark = ring.mark("name", value)
    assert MARK.match(mark)
    assert len(mark) == len(ring.mark("name", ""))


def test_stores_do_not_share_a_key(tmp_path: Path) -> None:
    marks = set()
    for name in ("one", "two"):
        with closing(open_sqlite(tmp_path / name / "store.db")) as store:
            marks.add(open_ring(store).mark("a", "x").split(":")[2])
    assert len(marks) == 2


# The file


def test_the_file_is_made_once_and_only_its_owner_can_read_it(store: SqliteStore, path: Path) -> None:
    umask = os.umask(0)
    try:
        first = open_ring(store)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert open_ring(store).key_id == first.key_id
    assert path.read_bytes() == before
    assert [len(base64.b64decode(key)) for key in content(path)["keys"].values()] == [32]
    assert not list(path.parent.glob(".*"))


def test_twenty_processes_that_open_a_new_store_have_one_key(tmp_path: Path) -> None:
    code = (
        "import secrets, sys; from pathlib import Path\n"
        "from driftguard.adapters.stores.sqlite import open_sqlite\n"
        "from driftguard.adapters.stores.secret_key import open_key_ring\n"
        "path = Path(sys.argv[1])\n"
        "store = open_sqlite(path)\n"
        "print(open_key_ring(store, path.with_name('store.db.key'), secrets.token_bytes).mark('a', 'x'))\n"
        "store.close()"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(driftguard.__file__).parents[1])}
    command = [sys.executable, "-c", code, str(tmp_path / "store.db")]
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(20)]
    marks = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert len(set(marks)) == 1
    assert MARK.match(marks[0])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["store.db", "store.db.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_can_read_is_refused(store: SqliteStore, path: Path, mode: int) -> None:
    open_ring(store)
    path.chmod(mode)
    with pytest.raises(BadConfiguration) as caught:
        open_ring(store)
    assert str(path) in caught.value.message
    assert "chmod 600" in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"active": "a"}',
        '{"active": "a", "keys": {}}',
        '{"active": "a", "keys": {"a": "AAAA"}}',
        '{"active": "a", "keys": {"a": 7}}',
        '{"active": ["a"], "keys": {"a": "!"}}',
        '{"active": "a", "keys": {"a": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}',
    ],
)
def test_a_damaged_file_is_refused_and_kept(store: SqliteStore, path: Path, text: str) -> None:
    open_ring(store)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadConfiguration) as caught:
        open_ring(store)
    assert str(path) in caught.value.message
    assert "backup" in caught.value.remedy
    assert path.read_text(encoding="utf-8") == text


def test_a_key_changed_under_its_id_is_noticed_and_not_told(store: SqliteStore, path: Path) -> None:
    ring = open_ring(store)
    changed = base64.b64encode(bytes(32)).decode()
    path.write_text(json.dumps({"active": ring.key_id, "keys": {ring.key_id: changed}}), encoding="utf-8")
    with pytest.raises(BadConfiguration) as caught:
        open_ring(store)
    assert changed not in str(caught.value)
    assert caught.value.__cause__ is None


# A key that is not at hand


def test_a_lost_file_of_a_store_that_has_marks_is_told_and_no_fresh_key_is_made(store: SqliteStore, path: Path) -> None:
    open_ring(store)
    path.unlink()
    with pytest.raises(SecretKeyMissing) as caught:
        open_ring(store)
    assert isinstance(caught.value, CannotTell)
    assert str(path) in caught.value.message
    assert "restore" in caught.value.remedy
    assert not path.exists()


def test_the_file_of_another_store_is_told_as_a_missing_key(store: SqliteStore, path: Path, tmp_path: Path) -> None:
    lost = open_ring(store).key_id
    with closing(open_sqlite(tmp_path / "other" / "store.db")) as other:
        open_ring(other)
        path.write_bytes(other.path.with_name("store.db.key").read_bytes())
    with pytest.raises(SecretKeyMissing) as caught:
        open_ring(store)
    assert lost in caught.value.message


def test_an_unknown_key_id_is_told(store: SqliteStore) -> None:
    with pytest.raises(SecretKeyMissing) as caught:
        open_ring(store).mark("a", "the-value", "unknown")
    assert "unknown" in caught.value.message
    assert caught.value.remedy
    assert "the-value" not in str(caught.value)


def test_a_folder_that_takes_no_key_file_is_told(store: SqliteStore, tmp_path: Path) -> None:
    with pytest.raises(SecretKeyMissing) as caught:
        open_key_ring(store, tmp_path / "missing" / "store.db.key", secrets.token_bytes)
    assert "missing" in caught.value.message
    assert caught.value.remedy


def test_a_folder_at_the_place_of_the_file_is_told(store: SqliteStore, path: Path) -> None:
    path.mkdir(mode=0o700)
    with pytest.raises(SecretKeyMissing):
        open_ring(store)


def test_a_file_made_by_a_process_that_died_before_the_store_knew_is_used(store: SqliteStore, path: Path) -> None:
    ring = open_ring(store)
    with store._open() as connection:
        connection.execute("DELETE FROM meta WHERE name LIKE 'secret-key:%'")
    assert open_ring(store).key_id == ring.key_id
    path.unlink()
    with pytest.raises(SecretKeyMissing):
        open_ring(store)


# Rotation


def test_rotation_makes_a_new_active_key_and_keeps_the_old_marks(store: SqliteStore, path: Path) -> None:
    ring = open_ring(store)
    old, old_mark = ring.key_id, ring.mark("a", "x")
    new = ring.rotate()
    assert new == ring.key_id != old
    assert ring.mark("a", "x").startswith(f"secret:{new}:")
    for other in (ring, open_ring(store)):
        assert other.key_id == new
        assert other.mark("a", "x", old) == old_mark
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(content(path)["keys"]) == {old, new}


def test_a_ring_that_was_open_before_a_rotation_finds_the_new_key(store: SqliteStore) -> None:
    before, rotating = open_ring(store), open_ring(store)
    new = rotating.rotate()
    assert before.mark("a", "x", new) == rotating.mark("a", "x")


def test_after_a_rotation_the_old_file_is_told_as_a_missing_key(store: SqliteStore, path: Path) -> None:
    ring = open_ring(store)
    old = path.read_bytes()
    new = ring.rotate()
    path.write_bytes(old)
    with pytest.raises(SecretKeyMissing) as caught:
        open_ring(store)
    assert new in caught.value.message


def test_rotations_at_once_lose_no_key(store: SqliteStore, path: Path) -> None:
    def rotate(_: int) -> str:
        with closing(open_sqlite(store.path)) as own:
            return open_ring(own).rotate()

    open_ring(store)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(rotate, range(8)))
    keys = content(path)["keys"]
    assert len(keys) == 9
    assert set(made) <= set(keys)
    assert set(store.meta("secret-key:")) == {f"secret-key:{key_id}" for key_id in keys}


def test_a_rotation_that_fails_changes_nothing(store: SqliteStore, path: Path) -> None:
    ring = open_ring(store)
    path.chmod(0o644)
    before = path.read_bytes()
    with pytest.raises(BadConfiguration):
        ring.rotate()
    assert path.read_bytes() == before
    path.chmod(0o600)
    assert len(store.meta("secret-key:")) == 1
    assert open_ring(store).key_id == ring.key_id
