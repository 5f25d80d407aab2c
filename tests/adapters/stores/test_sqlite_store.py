"""What the SQLite store adds to the contract of all stores: its file, its schema, its words when it cannot work."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import driftguard
from driftguard.adapters.stores import schema
from driftguard.adapters.stores.sqlite import SqliteStore, open_sqlite
from driftguard.adapters.stores.sqlite_errors import store_errors
from driftguard.errors import BadConfiguration, DriftGuardError, StoreUnavailable
from driftguard.flow.copy_mark import COPIED, COPYING, KIND, PARTITION, ROW
from driftguard.flow.ports import Put

SCHEMA_1 = Path(__file__).parents[2] / "stores" / "sqlite_schema_1.sql"
NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def put(store: SqliteStore, row_id: str, text: str = "") -> None:
    store.commit("job", [Put("k", row_id, {"text": text}, None)])


def make_store(path: Path, rows: int = 1) -> None:
    with closing(open_sqlite(path)) as store:
        for index in range(rows):
            put(store, f"{index:03}", "x" * 500)


def write_schema_1(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA_1.read_text(encoding="utf-8"))


def run_sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def assert_says(error: DriftGuardError, path: Path, *words: str) -> None:
    assert str(path) in error.message
    assert error.remedy
    for word in words:
        assert word in str(error)


# The file


def test_a_new_store_has_its_folder_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "store.db"
    umask = os.umask(0)
    try:
        with closing(open_sqlite(path)) as store:
            put(store, "one")
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
            assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        os.umask(umask)
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


def test_what_is_committed_is_on_the_disk(path: Path) -> None:
    with closing(open_sqlite(path)) as store, store._open() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


@pytest.mark.parametrize("name", ["a b%20?c#d.db", "ü.db", "mode=memory&x.db"])
def test_any_file_name_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    make_store(tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_relative_path_stays_the_same_file_when_the_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(open_sqlite(Path("store.db"))) as store:
        monkeypatch.chdir("/")
        put(store, "one")
    assert (tmp_path / "store.db").exists()


def test_twenty_processes_make_one_store_and_lose_no_row(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from driftguard.adapters.stores.sqlite import open_sqlite\n"
        "from driftguard.flow.ports import Put\n"
        "store = open_sqlite(Path(sys.argv[1]))\n"
        "for index in range(5): store.commit('job', [Put('k', f'{sys.argv[2]}-{index}', {}, None)])\n"
        "store.close()"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(driftguard.__file__).parents[1])}
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(index)], env=environment) for index in range(20)
    ]
    assert [process.wait(120) for process in processes] == [0] * 20
    with closing(open_sqlite(path)) as store:
        assert len(store.list("job", "k")) == 100
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


def test_a_store_that_is_not_there_is_made_only_when_asked(path: Path) -> None:
    with pytest.raises(BadConfiguration) as caught:
        open_sqlite(path, create=False)
    assert_says(caught.value, path, "no store")
    assert not path.exists()


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration) as caught:
        open_sqlite(tmp_path)
    assert_says(caught.value, tmp_path, "folder")


def test_a_path_below_a_file_is_out_of_reach(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(StoreUnavailable) as caught:
        open_sqlite(path / "store.db")
    assert_says(caught.value, path / "store.db")


@pytest.mark.parametrize("act", ["removed", "replaced"])
def test_a_store_that_is_removed_or_replaced_while_open_takes_nothing_more(path: Path, act: str) -> None:
    with closing(open_sqlite(path)) as store:
        path.unlink()
        if act == "replaced":
            path.write_bytes(b"")
        for call in (lambda: put(store, "one"), lambda: store.get("job", "k", "one"), lambda: store.put_once("b", b"")):
            with pytest.raises(StoreUnavailable) as caught:
                call()
            assert_says(caught.value, path)


def test_a_lost_store_whose_log_is_left_is_not_made_anew(path: Path) -> None:
    with closing(open_sqlite(path)) as store:
        put(store, "one")
        log = path.with_name("store.db-wal").read_bytes()
    path.unlink()
    path.with_name("store.db-wal").write_bytes(log)
    with pytest.raises(StoreUnavailable) as caught:
        open_sqlite(path)
    assert_says(caught.value, path, "store.db-wal")
    assert not path.exists()


# What is refused by the disk


@pytest.mark.parametrize("content", [b"", b"not a database " * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_store_is_refused_and_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises((StoreUnavailable, BadConfiguration)) as caught:
        open_sqlite(path)
    assert_says(caught.value, path)
    assert path.read_bytes() == content


def test_a_database_of_something_else_is_refused_and_left_as_it_is(path: Path) -> None:
    run_sql(path, "CREATE TABLE other (name)")
    before = path.read_bytes()
    with pytest.raises(BadConfiguration) as caught:
        open_sqlite(path)
    assert_says(caught.value, path, "not a Drift Guard store")
    assert path.read_bytes() == before


def test_damaged_pages_are_told_at_any_call(path: Path) -> None:
    make_store(path, rows=100)
    with closing(open_sqlite(path)) as store:
        with path.open("r+b") as file:
            file.seek(2 * 4096)
            file.write(b"\xa5" * (path.stat().st_size - 2 * 4096))
        for call in (
            lambda: store.list("job", "k"),
            lambda: store.get("job", "k", "050"),
            lambda: store.partitions(),
            lambda: put(store, "new"),
            lambda: store.read("blob"),
            lambda: store.blobs(""),
            lambda: store.put_once("blob", b""),
        ):
            with pytest.raises(StoreUnavailable) as caught:
                call()
            assert_says(caught.value, path, "damaged", "backup")


def test_a_store_cut_in_half_is_told_as_damaged(path: Path) -> None:
    make_store(path, rows=100)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(StoreUnavailable) as caught, closing(open_sqlite(path)) as store:
        store.list("job", "k")
    assert_says(caught.value, path, "damaged")


@pytest.mark.parametrize("body", ["{", "[]", "", "\N{LATIN SMALL LETTER U WITH DIAERESIS}", "[" * 100_000])
def test_a_row_whose_body_is_not_what_was_written_is_told_as_damaged(path: Path, body: str) -> None:
    make_store(path)
    with closing(open_sqlite(path)) as store:
        with store._open() as connection:
            connection.execute("UPDATE rows SET body = ?", (body,))
        with pytest.raises(StoreUnavailable) as caught:
            store.get("job", "k", "000")
        assert_says(caught.value, path, "damaged")
        with pytest.raises(StoreUnavailable):
            store.list("job", "k")


@pytest.mark.parametrize("what", ["DELETE FROM meta", "UPDATE meta SET value = 'x'", "DROP TABLE rows"])
def test_a_store_that_lost_what_it_needs_is_unavailable(path: Path, what: str) -> None:
    make_store(path)
    run_sql(path, what)
    with pytest.raises(StoreUnavailable) as caught, closing(open_sqlite(path)) as store:
        put(store, "one")
    assert_says(caught.value, path)


def test_a_store_that_lost_its_version_counter_writes_nothing(path: Path) -> None:
    make_store(path)
    run_sql(path, "DELETE FROM meta WHERE name = 'last-version'")
    with closing(open_sqlite(path)) as store:
        with pytest.raises(StoreUnavailable) as caught:
            put(store, "one")
        assert_says(caught.value, path, "damaged")
        assert store.get("job", "k", "one") is None


def test_on_a_full_disk_nothing_is_written(path: Path) -> None:
    make_store(path)
    with closing(open_sqlite(path)) as store:
        with store._open() as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreUnavailable) as caught:
            store.commit("job", [Put("k", f"new-{index}", {"text": "x" * 5000}, None) for index in range(20)])
        assert_says(caught.value, path, "space")
        with pytest.raises(StoreUnavailable):
            store.put_once("blob", b"x" * 100_000)
        assert [row.id for row in store.list("job", "k")] == ["000"]
        assert store.blobs("") == []
        with store._open() as connection:
            connection.execute("PRAGMA max_page_count = 100000")
        put(store, "later", "x" * 5000)
        assert len(store.list("job", "k")) == 2


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_SHMSIZE,
        sqlite3.SQLITE_IOERR,
    ],
)
def test_whatever_a_full_disk_looks_like_to_sqlite_the_remedy_is_to_free_space(path: Path, code: int) -> None:
    refused = sqlite3.OperationalError("disk I/O error")
    refused.sqlite_errorcode, refused.sqlite_errorname = code, "SQLITE_X"
    with pytest.raises(StoreUnavailable) as caught, store_errors(path):
        raise refused
    assert_says(caught.value, path, "space", "SQLITE_X")


def test_a_full_disk_under_a_file_operation_says_so_too(path: Path) -> None:
    with pytest.raises(StoreUnavailable) as caught, store_errors(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert_says(caught.value, path, "no space left", "free space")


def test_a_store_locked_beyond_the_busy_timeout_is_unavailable_and_can_still_be_read(path: Path) -> None:
    make_store(path)
    with closing(open_sqlite(path, busy_timeout=0.05)) as store, closing(open_sqlite(path)) as other:
        with other._transaction():
            for call in (lambda: put(store, "one"), lambda: store.put_once("blob", b"")):
                with pytest.raises(StoreUnavailable) as caught:
                    call()
                assert_says(caught.value, path, "locked")
                assert caught.value.exit_code == 2
            assert store.get("job", "k", "000") is not None
        put(store, "one")


def test_a_read_does_not_wait_behind_a_writer_that_waits_for_another_process(path: Path) -> None:
    make_store(path)
    with closing(open_sqlite(path, busy_timeout=30)) as store, closing(open_sqlite(path)) as other:
        with ThreadPoolExecutor(1) as pool:
            with other._transaction():
                writing = pool.submit(put, store, "waits")
                while store._writing.turn.acquire(blocking=False):  # until the writer has its turn, and waits in it
                    store._writing.turn.release()
                assert store.get("job", "k", "000") is not None
                assert [row.id for row in store.list("job", "k")] == ["000"]
                assert store.version("job", "k", "000") and store.partitions() == ["job"]
                assert not writing.done()
            writing.result(30)
        assert store.get("job", "k", "waits") is not None


def test_the_connection_for_reads_changes_nothing(path: Path) -> None:
    make_store(path)
    with closing(open_sqlite(path)) as store:
        with pytest.raises(StoreUnavailable), store._open_to_read() as connection:
            connection.execute("DELETE FROM rows")
        assert store.get("job", "k", "000") is not None


@contextmanager
def folder_of_an_ordinary_user() -> Iterator[Path]:
    """A folder whose permissions count: where the tests run as root, this process is another user meanwhile."""
    folder = Path(tempfile.mkdtemp())
    as_root = os.geteuid() == 0
    if as_root:
        os.chown(folder, NOBODY, -1)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if as_root:
            os.seteuid(0)
        folder.chmod(0o700)
        shutil.rmtree(folder)


def test_a_backup_in_a_folder_that_nobody_can_write_to_is_read_and_left_as_it_is() -> None:
    with folder_of_an_ordinary_user() as folder:
        path = folder / "backup.db"
        make_store(path, rows=3)
        path.chmod(0o400)
        folder.chmod(0o500)
        before = path.read_bytes(), path.stat().st_mtime_ns
        with closing(open_sqlite(path, create=False, read_only=True)) as store:
            assert [row.id for row in store.list("job", "k")] == ["000", "001", "002"]
            assert (store.partitions(), store.blobs(""), store.meta("secret")) == (["job"], [], {})
            with pytest.raises(StoreUnavailable, match="cannot be written"):
                put(store, "more")
        assert [file.name for file in folder.iterdir()] == ["backup.db"]
        assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_a_read_only_file_with_a_log_that_cannot_be_used_is_not_read_without_it() -> None:
    with folder_of_an_ordinary_user() as folder:
        path, copy = folder / "store.db", folder / "copy"
        copy.mkdir()
        with closing(open_sqlite(path)) as store:
            put(store, "only in the log")
            for file in (path, path.with_name("store.db-wal")):
                shutil.copy(file, copy)
        copy.chmod(0o500)
        with pytest.raises(StoreUnavailable):
            open_sqlite(copy / "store.db", create=False, read_only=True)
        copy.chmod(0o700)


def test_a_file_that_changes_while_it_is_read_as_nobodys_is_refused() -> None:
    with folder_of_an_ordinary_user() as folder:
        path = folder / "store.db"
        make_store(path)
        folder.chmod(0o500)
        with closing(open_sqlite(path, create=False, read_only=True)) as store:
            folder.chmod(0o700)
            with closing(open_sqlite(path)) as other:
                put(other, "new")
                with pytest.raises(StoreUnavailable, match="replaced or changed"):
                    store.partitions()


def test_a_store_in_use_is_read_with_what_is_in_its_log_and_keeps_no_file_of_the_reader(path: Path) -> None:
    with closing(open_sqlite(path)) as store:
        put(store, "one")
        with closing(open_sqlite(path, create=False, read_only=True)) as reader:
            put(store, "two")
            assert [row.id for row in reader.list("job", "k")] == ["one", "two"]
            with pytest.raises(StoreUnavailable, match="cannot be written"):
                put(reader, "three")
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("index_is_lost", [False, True])
def test_after_a_killed_writer_a_reader_leaves_the_file_and_its_log_as_they_are(
    path: Path, tmp_path: Path, index_is_lost: bool
) -> None:
    left = tmp_path / "left" / "store.db"
    left.parent.mkdir()
    log = left.with_name("store.db-wal")
    with closing(open_sqlite(path)) as store:
        put(store, "only in the log")
        for end in ("", "-wal") if index_is_lost else ("", "-wal", "-shm"):
            shutil.copy(path.with_name(path.name + end), left.parent)  # what stays of a process that is killed now
    before = left.read_bytes(), log.read_bytes()
    assert before[1]
    with closing(open_sqlite(left, create=False, read_only=True)) as reader:
        assert [row.id for row in reader.list("job", "k")] == ["only in the log"]
    assert (left.read_bytes(), log.read_bytes()) == before
    with closing(open_sqlite(left, create=False)) as writer:
        assert [row.id for row in writer.list("job", "k")] == ["only in the log"]


def test_a_reader_leaves_no_file_beside_a_store_that_was_closed_and_a_killed_one_none_in_the_way(path: Path) -> None:
    make_store(path)
    before = path.read_bytes(), path.stat().st_mtime_ns
    with closing(open_sqlite(path, create=False, read_only=True)) as reader:
        assert reader.partitions() == ["job"]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    path.unlink()
    path.with_name("store.db-wal").write_bytes(b"")  # what a killed reader leaves
    with closing(open_sqlite(path)) as store:
        assert store.partitions() == []
        put(store, "new")


def test_a_store_that_becomes_an_unfinished_copy_while_it_is_open_is_refused_until_it_is_whole(path: Path) -> None:
    with closing(open_sqlite(path)) as store, closing(open_sqlite(path, unfinished=True)) as copy:
        put(store, "one")
        mark = copy.commit(PARTITION, [Put(KIND, ROW, {"state": COPYING}, None)])[KIND, ROW]
        for use in (lambda: put(store, "two"), lambda: store.put_once("b", b""), lambda: store.list("job", "k")):
            with pytest.raises(BadConfiguration, match="unfinished copy"):
                use()
        copy.commit(PARTITION, [Put(KIND, ROW, {"state": COPIED}, mark)])
        put(store, "two")
        assert [row.id for row in store.list("job", "k")] == ["one", "two"]


def test_a_read_only_file_takes_no_write() -> None:
    with folder_of_an_ordinary_user() as folder:
        path = folder / "store.db"
        make_store(path)
        path.chmod(0o400)
        with pytest.raises(StoreUnavailable) as caught, closing(open_sqlite(path)) as store:
            put(store, "one")
        assert_says(caught.value, path, "permissions")


def test_a_file_that_may_not_be_read_is_out_of_reach() -> None:
    with folder_of_an_ordinary_user() as folder:
        path = folder / "store.db"
        make_store(path)
        path.chmod(0)
        with pytest.raises(StoreUnavailable) as caught:
            open_sqlite(path)
        assert_says(caught.value, path)


def test_a_read_only_folder_is_out_of_reach_for_a_new_store_and_for_an_old_one() -> None:
    with folder_of_an_ordinary_user() as folder:
        old = folder / "store.db"
        make_store(old)
        folder.chmod(0o500)
        for path in (old, folder / "new.db", folder / "new" / "store.db"):
            with pytest.raises(StoreUnavailable) as caught, closing(open_sqlite(path)) as store:
                put(store, "one")
            assert_says(caught.value, path)


# The schema


def add_a_column(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE blobs ADD COLUMN note TEXT NOT NULL DEFAULT 'none'")


def fail_in_the_middle(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE half (name)")
    connection.execute("SELECT * FROM missing")


def assert_holds_what_schema_1_held(store: SqliteStore) -> None:
    job = store.get("payments-prod", "job", "job")
    assert job is not None
    assert (job.version, job.body) == ("3", {"generation": 1, "name": "payments-prod"})
    assert [row.body for row in store.list("payments-prod", "ledger")] == [{"text": "ü"}]
    assert store.partitions() == ["payments-prod", "~open"]
    assert store.read("baseline/payments-prod/1") == b"\x00\xff\x10"
    assert store.meta("secret-key:") == {"secret-key:3f0c8f1d2b7a4e55": ""}
    versions = store.commit("payments-prod", [Put("job", "job", {"generation": 2}, "3")])
    assert versions == {("job", "job"): "4"}


def test_a_store_of_schema_1_is_opened(path: Path) -> None:
    write_schema_1(path)
    with closing(open_sqlite(path)) as store:
        assert_holds_what_schema_1_held(store)


def test_a_new_store_has_the_tables_of_the_kept_schema(tmp_path: Path) -> None:
    make_store(tmp_path / "new.db")
    write_schema_1(tmp_path / "kept.db")
    tables = []
    for name in ("new.db", "kept.db"):
        with closing(open_sqlite(tmp_path / name)) as store, store._open() as connection:
            tables.append(connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall())
    assert tables[0] == tables[1]


def test_an_earlier_store_is_migrated_once_and_keeps_everything(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_schema_1(path)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, add_a_column))
    for _ in range(2):  # a second time the column would be there already
        with closing(open_sqlite(path)) as store, store._open() as connection:
            assert schema.schema_of(connection, path) == 2
            assert connection.execute("SELECT note FROM blobs").fetchone() == ("none",)
    with closing(open_sqlite(path)) as store:
        assert_holds_what_schema_1_held(store)


def test_of_many_that_open_an_earlier_store_at_once_one_migrates_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add_slowly(connection: sqlite3.Connection) -> None:
        threading.Event().wait(0.1)  # the others find the earlier schema meanwhile, and wait for the lock
        add_a_column(connection)

    write_schema_1(path)
    open_sqlite(path).close()
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, add_slowly))
    with ThreadPoolExecutor(4) as pool:
        for store in pool.map(lambda _: open_sqlite(path), range(4)):
            store.close()
    with closing(open_sqlite(path)) as store:
        assert_holds_what_schema_1_held(store)


def test_a_migration_that_fails_leaves_the_earlier_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_schema_1(path)
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, add_a_column, fail_in_the_middle))
        with pytest.raises(StoreUnavailable) as caught:
            open_sqlite(path)
        assert_says(caught.value, path)
    with closing(open_sqlite(path)) as store:
        assert_holds_what_schema_1_held(store)


def test_a_store_of_a_newer_schema_is_refused_with_both_numbers_and_left_as_it_is(path: Path) -> None:
    make_store(path)
    run_sql(path, "UPDATE meta SET value = '7' WHERE name = 'schema'")
    before = path.read_bytes()
    with pytest.raises(BadConfiguration) as caught:
        open_sqlite(path)
    assert_says(caught.value, path, "schema 7", f"up to {len(schema.MIGRATIONS)}", "newer version")
    assert path.read_bytes() == before


def test_a_store_that_is_migrated_while_open_takes_no_more_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(open_sqlite(path)) as store:
        monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, add_a_column))
        open_sqlite(path).close()
        for call in (lambda: put(store, "one"), lambda: store.put_once("blob", b"")):
            with pytest.raises(BadConfiguration) as caught:
                call()
            assert_says(caught.value, path, "schema 1", "2")


# Facts about the store itself


def test_facts_are_kept_and_found_by_prefix(path: Path) -> None:
    with closing(open_sqlite(path)) as store:
        store.update_meta(lambda: {"a:1": "x", "a:2": "y", "b:1": "z"})
        store.update_meta(lambda: {"a:1": "changed"})
    with closing(open_sqlite(path)) as store:
        assert store.meta("a:") == {"a:1": "changed", "a:2": "y"}


def test_a_change_of_facts_that_fails_leaves_them(path: Path) -> None:
    def fail() -> dict[str, str]:
        raise BadConfiguration("no", "remedy")

    with closing(open_sqlite(path)) as store:
        store.update_meta(lambda: {"a": "1"})
        with pytest.raises(BadConfiguration):
            store.update_meta(fail)
        assert store.meta("a") == {"a": "1"}
        put(store, "one")


# What is forgotten


SECRET = b"Quiet-Otter-4711"


def on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))


@pytest.mark.parametrize("size", [1, 50_000], ids=["in a page with others", "in pages of its own"])
def test_what_is_forgotten_stands_neither_in_the_file_nor_in_its_log(path: Path, size: int) -> None:
    with closing(open_sqlite(path)) as store, closing(open_sqlite(path, create=False)) as other:
        store.put_once("a", SECRET * size)
        store.put_once("b", b"stays")
        assert SECRET in on_disk(path)
        assert other.read("a")
        assert store.forget(["a"])
        assert SECRET not in on_disk(path)
        assert other.read("b") == b"stays"


def test_a_row_that_is_written_anew_or_deleted_leaves_nothing_of_it(path: Path) -> None:
    with closing(open_sqlite(path)) as store:
        version = store.commit("job", [Put("k", "1", {"text": SECRET.decode() * 20_000}, None)])["k", "1"]
        store.commit("job", [Put("k", "1", {"text": ""}, version)])
        assert store.forget([])
        assert SECRET not in on_disk(path)


def test_while_somebody_reads_the_log_it_says_that_it_could_not_be_cut(path: Path) -> None:
    with closing(open_sqlite(path, busy_timeout=0.1)) as store, closing(sqlite3.connect(path)) as reader:
        store.put_once("a", SECRET)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM blobs").fetchall()
        assert store.forget(["a"]) is False
        assert store.read("a") is None
        reader.execute("COMMIT")
        assert store.forget(["a"]) is True
        assert SECRET not in on_disk(path)
