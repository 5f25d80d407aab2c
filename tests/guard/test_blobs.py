"""What lies in blobs comes back, or the store is said to be damaged."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftguard.adapters.stores.sqlite import SqliteStore
from driftguard.errors import StoreUnavailable
from driftguard.flow.diff import same
from driftguard.flow.reading import ETags
from driftguard.flow.record import Baseline, Entry, Snapshot
from driftguard.guard.blobs import Bodies, get_json, get_named, load_baseline, put_json, put_named, put_pack
from tests.flow.bodies import bodies
from tests.flow.findings import NOON, ref


def snapshot(name: str, body: dict[str, Any]) -> Snapshot:
    return Snapshot(ref(name), "2024-05-01", ETags("1"), f"print-{name}", NOON, body)


def test_a_value_is_written_once_and_read_as_it_was(store: SqliteStore) -> None:
    value = {"b": [1, None, "é\ud800\n"], "a": {}}
    assert put_json(store, "job/x/1", value)
    assert not put_json(store, "job/x/1", {"another": "value"})
    assert get_json(store, "job/x/1") == value
    assert store.read("job/x/1") == gzip.compress(
        json.dumps(value, sort_keys=True, separators=(",", ":")).encode(), 6, mtime=0
    )


def test_another_value_under_the_same_prefix_gets_another_key_and_the_same_value_the_same(store: SqliteStore) -> None:
    one, other = (
        put_named(store, "job/baseline/000001-r", {"a": 1}),
        put_named(store, "job/baseline/000001-r", {"a": 2}),
    )
    assert one != other
    assert put_named(store, "job/baseline/000001-r", {"a": 1}) == one
    assert (get_json(store, one), get_json(store, other)) == ({"a": 1}, {"a": 2})
    assert all(key.startswith("job/baseline/000001-r-") for key in (one, other))


def test_what_is_named_by_its_content_is_read_only_where_it_matches(store: SqliteStore) -> None:
    key = put_named(store, "job/x", {"b": [1.5, None, "é"], "a": 1})
    assert get_named(store, key) == {"a": 1, "b": [1.5, None, "é"]}
    put_json(store, "job/x-0123456789ab", {"a": 1})
    with pytest.raises(StoreUnavailable, match="damaged job/x-0123456789ab"):
        get_named(store, "job/x-0123456789ab")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8)  # each one writes to the disk
@given(told=st.lists(bodies, min_size=1, max_size=12))
def test_every_body_comes_back_from_its_line_of_the_pack(store: SqliteStore, told: list[dict[str, Any]]) -> None:
    snapshots = [snapshot(f"v{line}", body) for line, body in enumerate([{"line\n": "0\n"}, *told, {}])]
    key = f"job/pack/{len(store.blobs('job/pack/'))}"
    put_pack(store, key, snapshots)
    reader = Bodies(store)
    for line, one in reversed(list(enumerate(snapshots))):
        back = reader.of(Entry.of(one, pack=key, line=line))
        assert same(back.body, one.body)
        assert replace(back, body=one.body) == one


def test_a_baseline_is_loaded_without_a_body(store: SqliteStore) -> None:
    entry = Entry.of(snapshot("a", {}), pack="job/pack/lost", line=3)
    baseline = Baseline("job", 3, NOON, "dana", "run", None, {entry.ref.key: entry})
    put_json(store, "job/baseline/3", baseline.to_dict())
    assert load_baseline(store, "job/baseline/3") == baseline


DAMAGED = {
    "nothing": None,
    "empty": b"",
    "not gzip": b"plain text",
    "cut": gzip.compress(b'{"a": 1}' * 100)[:-9],
    "changed": gzip.compress(b'{"a": 1}')[:-8] + b"\0" * 8,
    "not JSON": gzip.compress(b"not JSON"),
    "not text": gzip.compress(b"\xff\xfe"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_what_is_lost_or_damaged_makes_the_store_unavailable_and_names_the_blob(store: SqliteStore, what: str) -> None:
    data = DAMAGED[what]
    if data is not None:
        store.put_once("job/x", data)
    entry = Entry.of(snapshot("a", {}), pack="job/x", line=0)
    for read in (
        lambda: get_json(store, "job/x"),
        lambda: get_named(store, "job/x"),
        lambda: load_baseline(store, "job/x"),
        lambda: Bodies(store).of(entry),
    ):
        with pytest.raises(StoreUnavailable, match="job/x") as told:
            read()
        assert "backup" in told.value.remedy


@pytest.mark.parametrize("value", [None, [], {}, {"entries": [{}]}, {"entries": 1}, "text"])
def test_a_baseline_that_is_none_makes_the_store_unavailable(store: SqliteStore, value: Any) -> None:
    put_json(store, "job/baseline/1", value)
    with pytest.raises(StoreUnavailable, match="damaged job/baseline/1"):
        load_baseline(store, "job/baseline/1")


def test_a_line_that_the_pack_does_not_have_makes_the_store_unavailable(store: SqliteStore) -> None:
    put_pack(store, "job/pack/1", [snapshot("a", {})])
    for line in (1, 2, 99):
        with pytest.raises(StoreUnavailable, match="damaged job/pack/1"):
            Bodies(store).of(Entry.of(snapshot("a", {}), pack="job/pack/1", line=line))
