"""Lists across jobs where names are long: every store takes their rows, and readers find those of earlier versions too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from driftguard.adapters.stores import azure_keys, azure_limits
from driftguard.adapters.stores.sqlite import SqliteStore, open_sqlite
from driftguard.flow.ports import Put
from driftguard.guard import index
from tests.flow.findings import NOON

SUBSCRIPTION = "/subscriptions/00000000-0000-4000-8000-00000000feed"
ORDINARY = f"{SUBSCRIPTION}/resourcegroups/rg-shop"
LONG = {
    "not ascii": f"{SUBSCRIPTION}/resourcegroups/{'ü' * 90}",
    "beyond the plane": f"{SUBSCRIPTION}/resourcegroups/{'𝛼' * 90}",
    "very long": f"{SUBSCRIPTION}/resourcegroups/{'x' * 1900}",
}
JOB = "a." * 49 + "bb"  # 100 characters, half of them take two in a key


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = open_sqlite(tmp_path / "store.db")
    yield store
    store.close()


@pytest.mark.parametrize("scope", [ORDINARY, f"{SUBSCRIPTION}/resourcegroups/{'(.)' * 30}", *LONG.values()])
def test_a_scope_of_any_length_is_noted_found_and_fits_every_store(store: SqliteStore, scope: str) -> None:
    index.add(store, index.SCOPES, [(scope, JOB), (scope, "other")], NOON)
    assert index.jobs_in(store, scope) == [JOB, "other"]
    assert index.jobs_in(store, scope[:-1]) == []
    for row in store.list(index.INDEX, index.SCOPES):
        azure_limits.check_key("row", row.id, azure_keys.row_key(row.kind, row.id))


def test_an_ordinary_scope_can_be_read_in_the_rows_id(store: SqliteStore) -> None:
    index.add(store, index.SCOPES, [(ORDINARY, "shop")], NOON)
    assert [row.id for row in store.list(index.INDEX, index.SCOPES)] == [f"{ORDINARY}|shop"]


def test_long_scopes_noted_by_an_earlier_version_are_found_once(store: SqliteStore) -> None:
    scope = LONG["not ascii"]
    store.commit(
        index.INDEX, [Put(index.SCOPES, f"{scope}|{job}", {"at": "2026-11-22T12:00:00Z"}, None) for job in ("a", "b")]
    )
    index.add(store, index.SCOPES, [(scope, "b"), (scope, "c")], NOON)
    assert sorted(index.jobs_in(store, scope)) == ["a", "b", "c"]
