"""`driftguard store copy` as somebody calls it, between a file and Azure Storage, and a store that is restored by it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.filled_store import fill
from driftguard.adapters.stores.sqlite import open_sqlite
from driftguard.flow.copy_mark import KIND, PARTITION, ROW
from driftguard.flow.ports import Put, Store
from driftguard.guard.index import all_rows
from tests.azurite.server import Azurite
from tests.entry.cli_shop import Shop, cli_shop
from tests.scenarios.steps import ROBS_DNS
from tests.world import JOB, VNET

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECORD = ("record", "--job", JOB, "--resource", VNET)
CHECK = ("check", "--job", JOB, "--json")


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    with cli_shop(tmp_path, capsys) as made:
        yield made


def contents(store: Store) -> tuple[list[Any], dict[str, bytes | None]]:
    """Every row, but the mark of a copy, and every blob."""
    rows = [
        (partition, row.kind, row.id, row.body)
        for partition in store.partitions()
        if partition != PARTITION
        for kind in store.kinds(partition)
        for row in all_rows(store, partition, kind)
    ]
    return rows, {key: store.read(key) for key in store.blobs("")}


def contents_of(path: Path) -> tuple[list[Any], dict[str, bytes | None]]:
    with closing(open_sqlite(path, create=False)) as store:
        return contents(store)


@pytest.mark.parametrize(
    ("resources", "halts"), [(600, 40), pytest.param(10_000, 500, marks=pytest.mark.soak)], ids=["some", "many"]
)
def test_a_store_goes_to_azure_storage_and_back_with_every_row_and_digest(
    shop: Shop, azurite: Azurite, resources: int, halts: int
) -> None:
    first, back, address = shop.folder / "first.db", shop.folder / "back.db", azurite.store()
    with closing(open_sqlite(first)) as store:
        fill(store, resources, halts, NOW)
    signed = {"DRIFTGUARD_STORE_CONNECTION": azurite.connection}
    there = shop("store", "copy", str(first), address, "--json", environ=signed)
    again = shop("store", "copy", address, str(back), "--json", environ=signed)
    assert (there.code, again.code) == (0, 0), (there.err, again.err)
    assert there.json()["digest"] == again.json()["digest"]
    assert there.json()["rows"] == again.json()["rows"] > halts * 4
    assert contents_of(first) == contents_of(back)


def test_a_restored_store_finds_the_same_halt_and_carries_its_decision_out(shop: Shop, azurite: Azurite) -> None:
    assert shop(*RECORD).code == 0
    shop.sandbox.patch(VNET, {"properties": {"dhcpOptions": {"dnsServers": [ROBS_DNS]}}}, as_="person-portal")
    halt = shop(*CHECK, "--run", "1").json()["halt"]["id"]
    backup = azurite.store()
    azure = {"DRIFTGUARD_STORE_CONNECTION": azurite.connection}
    assert shop("store", "copy", str(shop.store), backup, environ=azure).code == 0
    key = (shop.folder / "store.db.key").read_text()
    for lost in shop.folder.glob("store.db*"):
        lost.unlink()

    azure |= {"DRIFTGUARD_STORE": backup, "DRIFTGUARD_SECRET_KEY": key}
    met = shop(*CHECK, "--run", "2", environ=azure)
    assert (met.code, met.json()["halt"]["id"]) == (1, halt)
    restored = shop(
        "store", "copy", backup, str(shop.store), environ={k: azure[k] for k in azure if k != "DRIFTGUARD_STORE"}
    )
    assert restored.code == 0, restored.err
    ours = {"DRIFTGUARD_SECRET_KEY": key}
    assert shop(*CHECK, "--run", "3", environ=ours).json()["halt"]["id"] == halt
    assert (
        shop("halts", "decide", halt, "keep", "--reason", "agreed", "--as", "dana@contoso.com", environ=ours).code == 0
    )
    assert shop("halts", "list", environ=ours).code == 0
    assert key not in "".join(shop.told)


def test_without_its_key_a_restored_store_cannot_tell(shop: Shop) -> None:
    assert shop(*RECORD).code == 0
    copy = shop.folder / "copy" / "store.db"
    told = shop("store", "copy", str(shop.store), str(copy))
    assert told.code == 0
    assert f"they are in   {shop.store}.key" in told.out and f"put them in   {copy}.key" in told.out
    there = {"DRIFTGUARD_STORE": str(copy)}
    assert shop(*CHECK, "--run", "1", environ=there).code == 2
    key_file = copy.with_name("store.db.key")
    key_file.touch(mode=0o600)
    key_file.write_bytes((shop.folder / "store.db.key").read_bytes())
    assert shop(*CHECK, "--run", "1", environ=there).code == 0


def test_an_unfinished_copy_is_refused_by_every_command(shop: Shop) -> None:
    assert shop(*RECORD).code == 0
    with closing(open_sqlite(shop.store)) as store:
        store.commit(PARTITION, [Put(KIND, ROW, {"state": "copying", "from": "elsewhere"}, None)])
    for command in (CHECK, RECORD, ("halts", "list"), ("scan",)):
        ran = shop(*command)
        assert ran.code == 3 and "unfinished copy" in ran.err
    assert shop("store", "copy", str(shop.store), str(shop.folder / "other.db")).code == 3


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("store.db", "onto itself"),
        ("taken.db", "not empty"),
        ("gs://bucket", "no store for gs://"),
        ("azure://", "azure://ACCOUNT"),
    ],
)
def test_a_wrong_target_is_told_in_one_line(shop: Shop, target: str, says: str) -> None:
    for name in ("store.db", "taken.db"):
        with closing(open_sqlite(shop.folder / name)) as store:
            fill(store, 4, 4, NOW)
    before = contents_of(shop.store)
    named = target if "://" in target else str(shop.folder / target)
    ran = shop("store", "copy", str(shop.store), named)
    assert (ran.code, ran.err.count("\n")) == (3, 1) and says in ran.err
    assert contents_of(shop.store) == before


def test_one_file_under_two_names_is_not_copied_onto_itself(shop: Shop) -> None:
    assert shop(*RECORD).code == 0
    other = shop.folder / "other.db"
    other.hardlink_to(shop.store)
    before = shop.store.read_bytes()
    ran = shop("store", "copy", str(shop.store), str(other))
    assert ran.code == 3 and "onto itself" in ran.err
    assert shop.store.read_bytes() == before


def test_a_source_that_is_not_there_makes_no_target(shop: Shop) -> None:
    ran = shop("store", "copy", str(shop.folder / "none.db"), str(shop.folder / "to.db"), "--json")
    assert ran.code == 3 and "there is no store" in ran.json()["message"]
    assert not (shop.folder / "to.db").exists()


KEYED = "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=c2VjcmV0LWtleQ==;EndpointSuffix=core.windows.net"
SIGNED = "BlobEndpoint=https://acct.blob.core.windows.net/;SharedAccessSignature=sv=2024&sig=c2VjcmV0LWtleQ"
WITH_SECRETS = [
    KEYED,
    SIGNED,
    "azure://acct/store?sv=2024&SIG=c2VjcmV0LWtleQ",
    "azure://acct/store?sig%3Dc2VjcmV0LWtleQ",
    "https://acct.blob.core.windows.net/store?sig=c2VjcmV0LWtleQ",
    "accountname=acct; accountkey = c2VjcmV0LWtleQ==",
]


@pytest.mark.parametrize("place", WITH_SECRETS, ids=["keyed", "signed", "address", "encoded", "https", "spaced"])
def test_a_connection_string_in_the_place_of_a_store_is_refused_and_never_shown(shop: Shop, place: str) -> None:
    assert shop(*RECORD).code == 0
    for ran in (
        shop("store", "copy", place, str(shop.folder / "to.db")),
        shop("store", "copy", str(shop.store), place, "--json"),
        shop("halts", "list", environ={"DRIFTGUARD_STORE": place}),
        shop("halts", "list", "--json", environ={"DRIFTGUARD_ANCHORS": place}),
    ):
        assert ran.code == 3
        assert "holds a secret" in ran.out + ran.err and "CONNECTION" in ran.out + ran.err
    assert "c2VjcmV0" not in "".join(shop.told)
    assert not (shop.folder / "to.db").exists()


def test_a_source_on_azure_that_is_not_there_makes_no_target(shop: Shop, azurite: Azurite) -> None:
    signed = {"DRIFTGUARD_STORE_CONNECTION": azurite.connection}
    ran = shop("store", "copy", azurite.store(), str(shop.folder / "to.db"), environ=signed)
    assert ran.code == 3 and "there is no store" in ran.err
    assert not (shop.folder / "to.db").exists()


def test_the_connection_string_is_used_for_the_account_that_it_names_however_it_is_spelled(
    shop: Shop, azurite: Azurite
) -> None:
    spaced = azurite.connection.replace("AccountName=", "AccountName = ")
    assert spaced != azurite.connection
    assert shop(*RECORD).code == 0
    signed = {"DRIFTGUARD_STORE_CONNECTION": spaced}
    assert shop("store", "copy", str(shop.store), azurite.store(), environ=signed).code == 0


def test_a_copy_that_was_whole_before_tells_the_result_of_then_and_that_nothing_was_written(shop: Shop) -> None:
    assert shop(*RECORD).code == 0
    command = ("store", "copy", str(shop.store), str(shop.folder / "to.db"))
    first, again = shop(*command, "--json").json(), shop(*command, "--json").json()
    assert (again["whole_before"], again["rows_written"], again["exit_code"]) == (True, 0, 3)
    same = ("digest", "rows", "blobs", "bytes", "jobs", "key_ids", "recovery_point", "finished", "keys_in", "keys_to")
    assert [again[name] for name in same] == [first[name] for name in same]
    told = shop(*command)
    assert told.code == 3 and "COPIED BEFORE" in told.out and "nothing: it was whole already at" in told.out


def test_a_store_is_restored_from_a_backup_without_its_key_file(shop: Shop) -> None:
    assert shop(*RECORD).code == 0
    backup = shop.folder / "backup" / "store.db"
    assert shop("store", "copy", str(shop.store), str(backup)).code == 0
    before = backup.read_bytes()
    ran = shop("store", "copy", str(backup), str(shop.folder / "restored.db"))
    assert ran.code == 0, ran.err
    assert [file.name for file in backup.parent.iterdir()] == ["store.db"]
    assert backup.read_bytes() == before
    assert contents_of(shop.folder / "restored.db") == contents_of(shop.store)
