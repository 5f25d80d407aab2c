"""What every store keeps, whichever product is behind it. A new store joins by a row in store_worker.STORES."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

import driftguard
from driftguard.errors import Conflict, WrongUse
from driftguard.flow.ports import MAX_WRITES, Delete, Put, Store, Write
from tests.azurite.server import Azurite
from tests.contracts.store_worker import ROWS_TOGETHER, STORES, add_one

WORKER = Path(__file__).with_name("store_worker.py")
WRITERS = 8
UNICODE = ["A", "Z", "a", "z", "ß", "é", "ü", "я", "中", "\uffee", "𝛼", "😀"]  # in order of code points


class Place:
    """A new store's address, and handles on it that are closed at the end of the test."""

    def __init__(self, name: str, folder: Path, azurite: Callable[[], Azurite]) -> None:
        self.name = name
        self.address = STORES[name].new_address(folder, azurite)
        self._opened: list[Store] = []

    def open(self) -> Store:
        store = STORES[self.name].open(self.address)
        self._opened.append(store)
        return store

    def close(self) -> None:
        for store in self._opened:
            store.close()

    def start(self, role: str, *arguments: str) -> subprocess.Popen[str]:
        """Another process on the same store."""
        command = [sys.executable, str(WORKER), role, self.name, self.address, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(Path(driftguard.__file__).parents[1])}
        return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture(params=list(STORES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    # Asked for by name: the tests of the other stores need no emulator.
    place = Place(request.param, tmp_path, lambda: request.getfixturevalue("azurite"))
    yield place
    place.close()


@pytest.fixture
def store(place: Place) -> Store:
    return place.open()


def put(store: Store, row_id: str, body: dict[str, Any], expected: str | None = None, partition: str = "job") -> str:
    return store.commit(partition, [Put("k", row_id, body, expected)])["k", row_id]


def ids(store: Store, **options: Any) -> list[str]:
    return [row.id for row in store.list("job", "k", **options)]


def run_together(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Let the processes begin when all are ready; returns what each told afterwards."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return outputs


# Rows and their versions


def test_a_row_comes_back_as_it_was_put(store: Store) -> None:
    body = {"text": "ü 😀 \ud800 \x00", "n": 1.5, "big": 2**70, "none": None, "list": [True, {"a": []}], "": {}}
    version = put(store, "one", body)
    row = store.get("job", "k", "one")
    assert row is not None
    assert (row.kind, row.id, row.version, row.body) == ("k", "one", version, body)


def test_what_was_never_put_is_none_and_lists_are_empty(store: Store) -> None:
    assert store.get("job", "k", "none") is None
    assert store.list("job", "k") == []
    assert store.partitions() == []
    assert store.read("none") is None
    assert store.blobs("") == []


def test_each_write_gives_a_new_version(store: Store) -> None:
    first = put(store, "one", {"n": 1})
    second = put(store, "one", {"n": 1}, first)
    assert first != second
    row = store.get("job", "k", "one")
    assert row is not None
    assert row.version == second


def test_a_version_is_told_without_the_row_and_is_the_rows_own(store: Store) -> None:
    assert store.version("job", "k", "one") is None
    first = put(store, "one", {"n": 1})
    assert store.version("job", "k", "one") == first
    second = put(store, "one", {"n": 2}, first)
    assert store.version("job", "k", "one") == second
    assert store.version("other", "k", "one") is store.version("job", "other", "one") is None
    store.commit("job", [Delete("k", "one", second)])
    assert store.version("job", "k", "one") is None


def test_creating_what_exists_is_a_conflict(store: Store) -> None:
    put(store, "one", {"n": 1})
    with pytest.raises(Conflict):
        put(store, "one", {"n": 2})
    row = store.get("job", "k", "one")
    assert row is not None
    assert row.body == {"n": 1}


@pytest.mark.parametrize("expected", ["", "0", "999999", "never a version", "\ud800", '"', "*"])
def test_a_put_at_a_version_that_is_not_current_is_a_conflict(store: Store, expected: str) -> None:
    put(store, "one", {"n": 1})
    with pytest.raises(Conflict):
        put(store, "one", {"n": 2}, expected)
    with pytest.raises(Conflict):
        put(store, "missing", {"n": 2}, expected)
    assert store.get("job", "k", "missing") is None


def test_a_stale_put_and_a_stale_delete_are_conflicts(store: Store) -> None:
    first = put(store, "one", {"n": 1})
    put(store, "one", {"n": 2}, first)
    with pytest.raises(Conflict):
        put(store, "one", {"n": 3}, first)
    with pytest.raises(Conflict):
        store.commit("job", [Delete("k", "one", first)])
    row = store.get("job", "k", "one")
    assert row is not None
    assert row.body == {"n": 2}


def test_deleting_what_is_missing_is_a_conflict(store: Store) -> None:
    with pytest.raises(Conflict):
        store.commit("job", [Delete("k", "one", "1")])


def test_a_deleted_row_is_gone_and_can_be_created_again(store: Store) -> None:
    version = put(store, "one", {"n": 1})
    assert store.commit("job", [Delete("k", "one", version)]) == {}
    assert store.get("job", "k", "one") is None
    put(store, "one", {"n": 2})


def test_versions_of_a_row_never_repeat_also_after_delete_and_create(place: Place) -> None:
    seen: list[str] = []
    for _ in range(3):
        store = place.open()  # a counter in memory would begin again
        for _ in range(3):
            seen.append(put(store, "one", {"n": 1}))
            seen.append(put(store, "one", {"n": 1}, seen[-1]))
            store.commit("job", [Delete("k", "one", seen[-1])])
        store.close()
    assert len(set(seen)) == len(seen)


def test_the_conflict_names_the_row_and_none_of_its_body(store: Store) -> None:
    put(store, "one", {"n": "body-text"})
    with pytest.raises(Conflict) as caught:
        put(store, "one", {"n": "body-text"})
    assert "one" in str(caught.value)
    assert caught.value.remedy
    assert "body-text" not in str(caught.value)


# Commits


def test_a_commit_with_one_conflict_writes_nothing(store: Store) -> None:
    kept = put(store, "kept", {"n": 1})
    gone = put(store, "gone", {"n": 1})
    writes: list[Write] = [Put("k", f"new-{index}", {}, None) for index in range(10)]
    writes += [Put("k", "kept", {"n": 2}, kept), Delete("k", "gone", gone), Put("k", "late", {}, "stale")]
    for order in (writes, writes[::-1]):
        with pytest.raises(Conflict):
            store.commit("job", order)
        assert ids(store) == ["gone", "kept"]
        assert [row.body for row in store.list("job", "k")] == [{"n": 1}, {"n": 1}]


def test_a_commit_puts_replaces_and_deletes_together(store: Store) -> None:
    first, second = put(store, "first", {"n": 1}), put(store, "second", {"n": 1})
    versions = store.commit(
        "job", [Put("k", "first", {"n": 2}, first), Delete("k", "second", second), Put("other", "second", {}, None)]
    )
    assert set(versions) == {("k", "first"), ("other", "second")}
    assert ids(store) == ["first"]
    row = store.get("job", "other", "second")
    assert row is not None
    assert row.version == versions["other", "second"]


def test_a_commit_of_nothing_does_nothing(store: Store) -> None:
    assert store.commit("job", []) == {}
    assert store.partitions() == []


def test_a_hundred_writes_are_one_commit_and_one_more_is_refused(store: Store) -> None:
    writes = [Put("k", f"{index:03}", {}, None) for index in range(MAX_WRITES + 1)]
    with pytest.raises(WrongUse):
        store.commit("job", writes)
    assert ids(store) == []
    assert len(store.commit("job", writes[:MAX_WRITES])) == MAX_WRITES == 100
    assert len(ids(store)) == MAX_WRITES


def test_a_row_named_twice_is_refused_before_anything_is_written(store: Store) -> None:
    version = put(store, "one", {"n": 1})
    twice: list[list[Write]] = [
        [Put("k", "two", {}, None), Put("k", "two", {}, None)],
        [Put("k", "two", {}, None), Put("k", "one", {}, version), Delete("k", "one", version)],
    ]
    for writes in twice:
        with pytest.raises(WrongUse):
            store.commit("job", writes)
    assert ids(store) == ["one"]


def test_the_same_id_under_two_kinds_is_two_rows(store: Store) -> None:
    store.commit("job", [Put("a", "one", {"n": 1}, None), Put("b", "one", {"n": 2}, None)])
    assert [row.body for kind in "ab" for row in store.list("job", kind)] == [{"n": 1}, {"n": 2}]


def test_partitions_do_not_see_each_other(store: Store) -> None:
    versions = {name: put(store, "one", {"of": name}, partition=name) for name in ("b", "a", "~index", "B")}
    for name, version in versions.items():
        row = store.get(name, "k", "one")
        assert row is not None
        assert (row.version, row.body) == (version, {"of": name})
    assert store.partitions() == ["B", "a", "b", "~index"]
    store.commit("a", [Delete("k", "one", versions["a"])])
    assert store.partitions() == ["B", "b", "~index"]
    assert store.get("b", "k", "one") is not None


# Lists


def test_lists_are_in_order_of_code_points(store: Store) -> None:
    shuffled = random.Random(1).sample(UNICODE, len(UNICODE))
    store.commit("job", [Put("k", row_id, {}, None) for row_id in shuffled])
    assert ids(store) == UNICODE


def test_lists_go_on_after_an_id_up_to_a_limit(store: Store) -> None:
    store.commit("job", [Put("k", row_id, {}, None) for row_id in UNICODE])
    assert ids(store, limit=3) == UNICODE[:3]
    assert ids(store, after="z") == UNICODE[4:]
    assert ids(store, after="b") == UNICODE[3:]  # an id that is no row
    assert ids(store, after=UNICODE[-1]) == []
    paged: list[str] = []
    while page := ids(store, after=paged[-1] if paged else "", limit=5):
        paged += page
    assert paged == UNICODE


def test_a_list_has_a_thousand_rows_unless_told_otherwise(store: Store) -> None:
    names = [f"{index:04}" for index in range(1100)]
    for start in range(0, len(names), MAX_WRITES):
        store.commit("job", [Put("k", name, {}, None) for name in names[start : start + MAX_WRITES]])
    assert ids(store) == names[:1000]
    assert ids(store, limit=5000) == names


@pytest.mark.parametrize("limit", [0, -1, 10**9])
def test_a_limit_that_no_list_has_is_wrong_use(store: Store, limit: int) -> None:
    with pytest.raises(WrongUse):
        store.list("job", "k", limit=limit)


# What is accepted


@pytest.mark.parametrize("bad", ["", "x" * 513, "a\x00b", "a\nb", "\x7f", "\x85", "\ud800"])
def test_names_that_no_store_can_hold_are_wrong_use(store: Store, bad: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.get(bad, "k", "one"),
        lambda: store.get("job", bad, "one"),
        lambda: store.get("job", "k", bad),
        lambda: store.list(bad, "k"),
        lambda: store.list("job", bad),
        lambda: store.commit(bad, [Put("k", "one", {}, None)]),
        lambda: store.commit("job", [Put(bad, "one", {}, None)]),
        lambda: store.commit("job", [Put("k", "good", {}, None), Put("k", bad, {}, None)]),
        lambda: store.commit("job", [Delete("k", bad, "1")]),
    ]
    for call in calls:
        with pytest.raises(WrongUse) as caught:
            call()
        assert caught.value.remedy
    assert store.partitions() == []


def test_the_longest_names_that_every_store_holds_are_taken(store: Store) -> None:
    for partition, kind, row_id in (
        ("x" * 512, "k", "x" * 510),
        ("a/" * 170, "k" * 255, "-" * 256),
        ("ü" * 128, "k", "中" * 127),
        ("😀" * 85, "k", "😀" * 85),
    ):
        store.commit(partition, [Put(kind, row_id, {"n": 1}, None)])
        assert [row.id for row in store.list(partition, kind)] == [row_id]
    assert store.partitions() == sorted(["x" * 512, "a/" * 170, "ü" * 128, "😀" * 85])
    assert store.put_once("x" * 1024, b"1") and store.blobs("x") == ["x" * 1024]


@pytest.mark.parametrize("name", ["x" * 255, "/subscriptions/1/a b", "%2F", "a#b?c\\d", "'; --", "..", " ", "~i"])
def test_unusual_names_are_taken_as_they_are(store: Store, name: str) -> None:
    store.commit(name, [Put(name, name, {"n": 1}, None)])
    assert [row.id for row in store.list(name, name)] == [name]
    assert store.partitions() == [name]


@pytest.mark.parametrize("bad", ["", "x" * 1025, "a\x00b", "\ud800"])
def test_blob_keys_that_no_store_can_hold_are_wrong_use(store: Store, bad: str) -> None:
    with pytest.raises(WrongUse):
        store.put_once(bad, b"")
    with pytest.raises(WrongUse):
        store.read(bad)


NOT_JSON = {
    "nan": float("nan"),
    "infinity": float("inf"),
    "bytes": b"",
    "set": {1},
    "object": object(),
    "huge": 10**5000,
}


@pytest.mark.parametrize("value", NOT_JSON.values(), ids=NOT_JSON)
def test_a_body_that_is_not_json_is_wrong_use_and_nothing_is_written(store: Store, value: object) -> None:
    with pytest.raises(WrongUse):
        store.commit("job", [Put("k", "good", {}, None), Put("k", "bad", {"deep": [value]}, None)])
    assert ids(store) == []


def test_a_body_may_be_large_but_not_above_900_kib(store: Store) -> None:
    around = len('{"text":""}')
    large = "x" * (900 * 1024 - around)
    put(store, "large", {"text": large})
    row = store.get("job", "k", "large")
    assert row is not None
    assert row.body["text"] == large
    with pytest.raises(WrongUse):
        put(store, "larger", {"text": large + "x"})
    assert ids(store) == ["large"]


def nested(depth: int) -> dict[str, Any]:
    """An object so deep, with brackets in its texts that nest nothing."""
    inner: Any = '[{\\"['
    for number in range(depth - 1):
        inner = [inner] if number % 2 else {'"[': inner}
    return {"[": inner}


def test_a_body_may_be_deep_but_not_above_500(store: Store) -> None:
    put(store, "deep", nested(500))
    row = store.get("job", "k", "deep")
    assert row is not None and row.body == nested(500)
    assert [row.body for row in store.list("job", "k")] == [nested(500)]
    for depth in (501, 950, 100_000):
        with pytest.raises(WrongUse, match=r"deep|not JSON"):
            put(store, "deeper", nested(depth))
    assert ids(store) == ["deep"]


LETTERS = "".join(map(chr, range(35, 91)))
LARGE = {
    "the same letter": "x" * 921_000,
    "letters that hardly pack": "".join(random.Random(4).choices(LETTERS, k=921_000)),
    "quotes": '"' * 460_000,
    "controls": "\x00" * 153_000,
    "beyond the first plane": "😀" * 76_000,
    "surrogates": "\udcff" * 153_000,
    "delete": "\x7f" * 31_990,
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_a_body_of_the_largest_size_is_taken_whatever_is_in_it(store: Store, text: str) -> None:
    put(store, "x" * 500, {"text": text})
    row = store.get("job", "k", "x" * 500)
    assert row is not None and row.body == {"text": text}


# Blobs


def test_a_blob_is_put_once_and_never_overwritten(store: Store) -> None:
    assert store.put_once("a/1", b"first") is True
    assert store.put_once("a/1", b"first") is False
    assert store.put_once("a/1", b"second") is False
    assert store.read("a/1") == b"first"


def test_blobs_hold_any_bytes_and_much_of_them(store: Store) -> None:
    every = bytes(range(256))
    large = random.Random(2).randbytes(5_000_000)
    for key, data in {"empty": b"", "every": every, "large": large}.items():
        assert store.put_once(key, data)
        assert store.read(key) == data


def test_what_is_forgotten_is_gone_for_every_handle_and_its_key_is_new_again(place: Place) -> None:
    one, other = place.open(), place.open()
    for key in ("a/1", "a/2", "b/1"):
        one.put_once(key, key.encode())
    assert one.forget(["a/1", "b/1", "never/there"]) is True
    assert (other.read("a/1"), other.blobs("")) == (None, ["a/2"])
    assert one.forget(["a/1"]) is True and other.forget([]) is True
    assert other.put_once("a/1", b"anew") is True
    assert one.read("a/1") == b"anew"


@pytest.mark.parametrize("bad", ["", "a\x00b", "x" * 1025])
def test_forgetting_what_no_store_can_hold_is_wrong_use_and_removes_nothing(store: Store, bad: str) -> None:
    store.put_once("a/1", b"")
    with pytest.raises(WrongUse):
        store.forget(["a/1", bad])
    assert store.read("a/1") == b""


def test_of_two_threads_that_put_a_blob_exactly_one_does(place: Place) -> None:
    for handles in ([place.open()] * 2, [place.open(), place.open()]):
        for attempt in range(20):
            key = f"{id(handles)}/{attempt}"
            barrier = threading.Barrier(2)

            def race(index: int, handles: list[Store] = handles, key: str = key, go: Any = barrier) -> bool:
                go.wait()
                return handles[index].put_once(key, str(index).encode())

            with ThreadPoolExecutor(2) as pool:
                won = list(pool.map(race, range(2)))
            assert sorted(won) == [False, True]
            assert handles[0].read(key) == str(won.index(True)).encode()


def test_of_many_processes_that_put_a_blob_exactly_one_does(place: Place) -> None:
    processes = [place.start("tell_once", "key", str(index)) for index in range(4)]
    answers = [output.strip() for output in run_together(processes)]
    assert sorted(answers) == ["False", "False", "False", "True"]
    assert place.open().read("key") == str(answers.index("True")).encode()


def test_prefixes_are_taken_literally(store: Store) -> None:
    keys = ["a%b/1", "a_b/1", "axb/1", "axxb/1", "a*b/1", "A%b/1", "a%b/2", "a%b", "ü/😀/1", "ü/\U0010ffff/1"]
    for key in keys:
        assert store.put_once(key, b"")
    for prefix in ("", "a", "a%b", "a%b/", "a_b", "a*b", "A", "ü/", "ü/😀", "ü/\U0010ffff", "none", "%", "_"):
        assert store.blobs(prefix) == sorted(key for key in keys if key.startswith(prefix))


# Many at once, and ends in the middle


def test_threads_on_one_handle_lose_no_update(place: Place) -> None:
    store, (_, rounds) = place.open(), STORES[place.name].rounds
    with ThreadPoolExecutor(WRITERS) as pool:
        seen = list(pool.map(lambda _: [add_one(store, "job") for _ in range(rounds)], range(WRITERS)))
    assert sorted(value for values in seen for value in values) == list(range(1, WRITERS * rounds + 1))


def test_processes_lose_no_update(place: Place) -> None:
    rounds, _ = STORES[place.name].rounds
    processes = [place.start("count", "job", str(rounds)) for _ in range(WRITERS)]
    run_together(processes)
    row = place.open().get("job", "counter", "shared")
    assert row is not None
    assert row.body == {"value": WRITERS * rounds}


def test_a_process_killed_in_the_middle_leaves_all_of_a_commit_or_none(place: Place) -> None:
    chance = random.Random(3)
    for _ in range(6):
        process = place.start("commit_forever", "job")
        assert process.stdout is not None
        first = process.stdout.readline()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, 0.05))
        process.kill()
        told = [int(line) for line in [first, *process.communicate()[0].splitlines()]]
        store = place.open()
        numbers = {row.body["number"] for row in store.list("job", "number")}
        assert len(store.list("job", "number")) == ROWS_TOGETHER
        assert len(numbers) == 1
        # What was told is there; at most one commit more was made and not told.
        assert numbers <= {told[-1], told[-1] + 1}
        assert all(store.read(f"job/{number}") == b"x" * 10_000 for number in told)
        store.close()


def test_opening_again_sees_everything(place: Place) -> None:
    first = place.open()
    version = put(first, "one", {"n": 1})
    first.put_once("blob", b"data")
    first.close()
    again = place.open()
    row = again.get("job", "k", "one")
    assert row is not None
    assert (row.version, row.body) == (version, {"n": 1})
    assert again.read("blob") == b"data"
    put(again, "one", {"n": 2}, version)


def test_two_handles_see_each_others_writes_at_once(place: Place) -> None:
    one, other = place.open(), place.open()
    version = put(one, "one", {"n": 1})
    newer = put(other, "one", {"n": 2}, version)
    row = one.get("job", "k", "one")
    assert row is not None
    assert (row.version, row.body) == (newer, {"n": 2})


def test_closing_twice_is_allowed_and_use_after_it_is_wrong_use(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(WrongUse):
        store.get("job", "k", "one")


# Any sequence of commits, against a dictionary

EXAMPLES = itertools.count()
NAMES = st.sampled_from(["a", "ü", "%"])
STEPS = st.lists(
    st.tuples(st.sampled_from(["p", "q"]), st.dictionaries(NAMES, st.sampled_from(["put", "delete", "stale"]))),
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, number=st.integers(0, 10**9))
def test_any_sequence_of_commits_ends_as_a_dictionary_would(store: Store, steps: list[Any], number: int) -> None:
    example = next(EXAMPLES)
    partitions = {name: f"{name}-{example}" for name in "pq"}  # new ones for every example
    model: dict[tuple[str, str], tuple[str, int]] = {}
    for step, (name, actions) in enumerate(steps):
        writes: list[Write] = []
        for row_id, action in actions.items():
            version = model.get((name, row_id), (None, 0))[0]
            if action == "delete":
                writes.append(Delete("k", row_id, version or "none"))
            else:
                writes.append(Put("k", row_id, {"n": number + step}, "stale" if action == "stale" else version))
        valid = all(
            action == "put" or (action == "delete" and (name, row_id) in model) for row_id, action in actions.items()
        )
        if not valid:
            with pytest.raises(Conflict):
                store.commit(partitions[name], writes)
            continue
        versions = store.commit(partitions[name], writes)
        for row_id, action in actions.items():
            if action == "delete":
                del model[name, row_id]
            else:
                model[name, row_id] = (versions["k", row_id], number + step)
    for name, partition in partitions.items():
        stored = {row.id: (row.version, row.body["n"]) for row in store.list(partition, "k")}
        assert stored == {row_id: value for (owner, row_id), value in model.items() if owner == name}
