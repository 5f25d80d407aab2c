"""Answers of Azure Storage that are lost, cut or something else: nothing is written twice, lost or taken for what it is not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from driftguard.adapters.stores import azure_clients, azure_errors
from driftguard.adapters.stores.azure import AzureStore, open_azure_store
from driftguard.adapters.stores.azure_address import place_of
from driftguard.errors import BadConfiguration, Conflict, DriftGuardError, StoreUnavailable
from driftguard.flow.ports import Delete, Put
from tests.adapters.stores.azure_proxy import Action, Asked, Between, Canned, Lost, Never, between
from tests.adapters.stores.azure_stores import every_call, opened, put
from tests.azurite.server import KEY, Azurite


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three tries, with no time between them."""
    monkeypatch.setattr(azure_errors, "PAUSES", (0.0, 0.0))


@pytest.fixture
def proxy(azurite: Azurite) -> Iterator[Between]:
    with between(azurite) as proxy:
        yield proxy


@pytest.fixture
def store(proxy: Between) -> Iterator[AzureStore]:
    """A store that is in use, and whose requests pass the proxy."""
    store = opened(proxy.azurite.store(), proxy.connection)
    put(store, "old", {"n": 1})
    proxy.asked.clear()
    yield store
    store.close()


def is_batch(asked: Asked) -> bool:
    return asked.is_batch


def is_put_of_a_blob(asked: Asked) -> bool:
    return asked.service == "blob" and asked.method == "PUT"


LOST: dict[str, Action] = {
    "lost": Lost(),
    "cut": Lost(keep=40),
    "empty": Lost(keep=0),
    "never sent": Never(),
    "busy": Canned(503, headers={"x-ms-error-code": "ServerBusy"}),
    "failed": Canned(500, b"<html>", {"Content-Type": "text/html"}),
    "too many": Canned(429, b"{}", {"Content-Type": "application/json"}),
    "timed out": Canned(504),
}


# Commits


@pytest.mark.parametrize("loss", LOST.values(), ids=LOST)
def test_a_commit_whose_answer_is_lost_is_made_once(proxy: Between, store: AzureStore, loss: Action) -> None:
    old = store.version("job", "k", "old")
    assert old is not None
    proxy.once(loss, is_batch)
    versions = store.commit("job", [Put("k", "new", {"n": 1}, None), Put("k", "old", {"n": 2}, old)])
    rows = {row.id: row for row in store.list("job", "k")}
    assert {row_id: row.body for row_id, row in rows.items()} == {"new": {"n": 1}, "old": {"n": 2}}
    assert versions == {("k", row_id): row.version for row_id, row in rows.items()}
    store.commit("job", [Delete("k", "new", versions["k", "new"])])  # the versions told are those that are there


@pytest.mark.parametrize("loss", [Lost(), Lost(keep=40)], ids=["lost", "cut"])
def test_a_commit_that_was_refused_stays_refused_when_that_answer_is_lost(
    proxy: Between, store: AzureStore, loss: Action
) -> None:
    proxy.once(loss, is_batch)
    with pytest.raises(Conflict, match="'old'"):
        put(store, "old", {"n": 2})
    row = store.get("job", "k", "old")
    assert row is not None and row.body == {"n": 1}


def test_a_commit_that_was_made_is_known_also_when_others_changed_some_of_its_rows(
    proxy: Between, store: AzureStore, azurite: Azurite
) -> None:
    other = opened(store.address, azurite.connection)

    def somebody_else_is_quick(asked: Asked) -> None:
        if asked.is_batch:
            proxy.before = lambda asked: None
            put(other, "a", {"of": "other"}, other.version("job", "k", "a"))

    proxy.before = somebody_else_is_quick
    proxy.once(Lost(), is_batch)
    versions = store.commit("job", [Put("k", "a", {"of": "us"}, None), Put("k", "b", {"of": "us"}, None)])
    assert versions["k", "b"] == store.version("job", "k", "b")
    with pytest.raises(Conflict):  # what was told of the row that changed since is a version that it is not at
        put(store, "a", {"of": "us again"}, versions["k", "a"])
    row = store.get("job", "k", "a")
    assert row is not None and row.body == {"of": "other"}
    other.close()


def test_deletions_alone_whose_answer_is_lost_end_as_a_conflict_and_are_made(proxy: Between, store: AzureStore) -> None:
    version = store.version("job", "k", "old")
    assert version is not None
    proxy.once(Lost(), is_batch)
    with pytest.raises(Conflict):
        store.commit("job", [Delete("k", "old", version)])
    assert store.get("job", "k", "old") is None


def test_counting_under_lost_answers_loses_and_doubles_nothing(proxy: Between, store: AzureStore) -> None:
    number = [0]

    def every_third(asked: Asked) -> Action:
        number[0] += 1
        return (Lost(), Never(), Lost(keep=30))[number[0] // 3 % 3] if number[0] % 3 == 0 else None

    proxy.act = every_third
    version, told = None, None
    for value in range(1, 31):
        version = store.commit("job", [Put("counter", "shared", {"value": value}, version)])["counter", "shared"]
        told = store.get("job", "counter", "shared")
        assert told is not None and told.body == {"value": value} and told.version == version


def test_a_begin_whose_answers_are_lost_begins_one_store(proxy: Between) -> None:
    seen: set[str] = set()

    def each_kind_once(asked: Asked) -> Action:
        kind = f"{asked.service} {asked.method} {asked.path.partition('?')[0]}"
        new = kind not in seen
        seen.add(kind)
        return Lost() if new and asked.method != "GET" else None

    proxy.act = each_kind_once
    store = opened(proxy.azurite.store(), proxy.connection)
    store.update_meta(lambda: {"a": "1"})
    put(store, "one", {})
    assert store.meta("") == {"a": "1"} and store.partitions() == ["job"]
    store.close()


# Blobs


@pytest.mark.parametrize("loss", LOST.values(), ids=LOST)
def test_a_blob_whose_answer_is_lost_is_put_once_and_known(proxy: Between, store: AzureStore, loss: Action) -> None:
    proxy.once(loss, is_put_of_a_blob)
    assert store.put_once("a", b"ours") is True
    assert store.put_once("a", b"again") is False
    assert store.read("a") == b"ours"


@pytest.mark.parametrize("loss", [Lost(), Never()], ids=["lost", "never sent"])
def test_a_blob_of_somebody_else_is_not_taken_for_ours(proxy: Between, store: AzureStore, loss: Action) -> None:
    other = opened(store.address, proxy.azurite.connection)
    other.put_once("a", b"theirs")
    proxy.once(loss, is_put_of_a_blob)
    assert store.put_once("a", b"ours") is False
    assert store.read("a") == b"theirs"
    other.close()


@pytest.mark.parametrize("keep", [0, 1, 99_999])
def test_a_blob_is_read_whole_or_not_at_all(proxy: Between, store: AzureStore, keep: int) -> None:
    data = bytes(range(250)) * 400
    store.put_once("a", data)
    proxy.once(Lost(keep=keep), lambda asked: asked.method == "GET")
    assert store.read("a") == data
    proxy.act = lambda asked: Lost(keep=keep)
    with pytest.raises(StoreUnavailable):
        store.read("a")


@pytest.mark.parametrize("loss", LOST.values(), ids=LOST)
def test_forgetting_goes_on_where_an_answer_was_lost(proxy: Between, store: AzureStore, loss: Action) -> None:
    for keys in (["a"], ["b", "c"]):
        for key in keys:
            store.put_once(key, b"")
        proxy.once(loss, lambda asked: asked.method in ("DELETE", "POST"))
        assert store.forget(keys) is True
    assert store.blobs("") == []


# Answers that are errors, or none


ID = {"x-ms-request-id": "1"}
JSON, XML = {"Content-Type": "application/json"}, {"Content-Type": "application/xml"}
ANSWERS: dict[str, Action] = {
    "no answer": Never(),
    "a wrong key": Canned(403, b"", {"x-ms-error-code": "AuthenticationFailed"}),
    "forbidden": Canned(
        403, b'{"odata.error": {"code": "AuthorizationPermissionMismatch", "message": {"value": "CANARY"}}}', JSON
    ),
    "who are you": Canned(401, b"CANARY", {"WWW-Authenticate": "Bearer CANARY"}),
    "a 404 of no service": Canned(404, b"<html>CANARY</html>", {"Content-Type": "text/html"}),
    "a 404 of another thing": Canned(404, b"", {"x-ms-error-code": "ResourceTypeNotFound"}),
    "busy": Canned(503, b"CANARY", {"x-ms-error-code": "ServerBusy", "Retry-After": "3600"}),
    "throttled": Canned(429, b"CANARY"),
    "broken": Canned(500, b"CANARY"),
    "another method": Canned(405, b"CANARY"),
    "a redirect": Canned(302, b"", {"Location": "http://127.0.0.1:1/CANARY"}),
    "html": Canned(200, b"<html>CANARY</html>", {"Content-Type": "text/html"}),
    "half json": Canned(200, b'{"value": [{"CANARY', JSON),
    "half xml": Canned(200, b"<EnumerationResults><CANARY", XML),
    "empty": Canned(200, b""),
    "another system's success": Canned(201, b"{}", JSON),
    "no list": Canned(200, b"{}", {**JSON, **ID}),
    "no list of blobs": Canned(200, b"<EnumerationResults/>", {**XML, **ID}),
    "a success without content": Canned(204, b"", ID),
    "a code that is none": Canned(400, b"", {"x-ms-error-code": "CANARY: bad"}),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_every_answer_that_is_an_error_or_none_is_our_error(proxy: Between, store: AzureStore, answer: Action) -> None:
    proxy.act = lambda asked: answer
    for name, call in every_call(store).items():
        with pytest.raises((StoreUnavailable, BadConfiguration)) as caught:
            call()
        told = f"{caught.value!s} {caught.value.__cause__!r}"
        assert "CANARY" not in told and "127.0.0.1" not in told and KEY not in told, name
        assert store.address in caught.value.message and caught.value.remedy, name
    if isinstance(answer, Canned) and answer.status == 403:
        assert (
            "Storage Table Data Contributor" in caught.value.remedy and "Blob Data Contributor" in caught.value.remedy
        )


def test_a_blob_without_the_length_that_it_should_have_is_no_blob(proxy: Between, store: AzureStore) -> None:
    for headers in ({}, {"Content-Range": "bytes 0-5/600"}, {"Content-Range": "nonsense"}):
        headers["x-ms-request-id"] = "1"
        proxy.act = lambda asked, headers=headers: Canned(206, b"CANARY", headers)  # type: ignore[misc]  # reason: a default binds it
        with pytest.raises(StoreUnavailable):
            store.read("a")


def test_a_first_use_that_fails_is_no_empty_store(proxy: Between) -> None:
    for answer in ANSWERS.values():
        proxy.act = lambda asked, answer=answer: answer  # type: ignore[misc]  # reason: a default binds it
        store = opened(proxy.azurite.store(), proxy.connection)
        for call in every_call(store).values():
            with pytest.raises((StoreUnavailable, BadConfiguration)):
                call()
        store.close()


def test_a_wrong_key_is_told_without_it(azurite: Azurite) -> None:
    connection = azurite.connection.replace(KEY, "d3Jvbmcga2V5")
    store = opened(azurite.store(), connection)
    # Azurite says AuthorizationFailure, Azure AuthenticationFailed.
    with pytest.raises(StoreUnavailable, match="DRIFTGUARD_STORE_CONNECTION") as caught:
        store.get("job", "k", "one")
    assert "d3Jvbmcga2V5" not in str(caught.value)
    store.close()


ROW = b'{"PartitionKey": "%s", "RowKey": "%s", "body": "{}", "odata.etag": "W/\\"datetime\'2026-11-22T20%%3A44%%3A34Z\'\\""}'


def page(*rows: tuple[bytes, bytes], more: str = "") -> Canned:
    continued = {"x-ms-continuation-NextPartitionKey": more} if more else {}
    return Canned(200, b'{"value": [' + b",".join(ROW % row for row in rows) + b"]}", {**JSON, **ID, **continued})


def test_pages_are_followed_to_the_end_also_empty_ones(proxy: Between, store: AzureStore) -> None:
    pages = [page((b"job", b"k!a"), more="p1"), page(more="p2"), page(more="p3"), page((b"job", b"k!b"))]
    proxy.act = lambda asked: pages.pop(0)
    assert [row.id for row in store.list("job", "k")] == ["a", "b"]
    assert "NextPartitionKey=p3" in proxy.asked[-1].path


def test_a_page_whose_answer_is_lost_is_asked_for_again(proxy: Between, store: AzureStore) -> None:
    pages: list[Action] = [page((b"job", b"k!a"), more="p1"), Never(), page((b"job", b"k!b"))]
    proxy.act = lambda asked: pages.pop(0)
    assert [row.id for row in store.list("job", "k")] == ["a", "b"]


def test_pages_that_lead_to_themselves_are_an_error(proxy: Between, store: AzureStore) -> None:
    proxy.act = lambda asked: page(more="p1")
    with pytest.raises(StoreUnavailable):
        store.list("job", "k")
    assert len(proxy.asked) < 5


UNREADABLE = {
    "a time that is none": b'{"PartitionKey": "job", "RowKey": "k!a", "Timestamp": "none"}',
    "no entity": b"null",
    "text": b'"CANARY"',
    "a type that is not the value's": b'{"PartitionKey": "job", "RowKey": "k!a", "x": "q", "x@odata.type": "Edm.Int64"}',
}


def unreadable(entity: bytes, more: str = "") -> Canned:
    headers = {**JSON, **ID, **({"x-ms-continuation-NextPartitionKey": more} if more else {})}
    return Canned(200, b'{"value": [' + entity + b"]}", headers)


@pytest.mark.parametrize("entity", UNREADABLE.values(), ids=UNREADABLE)
def test_a_page_that_cannot_be_read_is_asked_for_again_and_is_never_the_end(
    proxy: Between, store: AzureStore, entity: bytes
) -> None:
    lists: dict[str, Callable[[], object]] = {
        "list": lambda: [row.id for row in store.list("job", "k")],
        "partitions": store.partitions,
        "kinds": lambda: store.kinds("job"),
        "meta": lambda: store.meta(""),
    }
    whole = {name: call() for name, call in lists.items()}
    for name, call in lists.items():
        proxy.once(unreadable(entity), lambda asked: "()" in asked.path)
        assert call() == whole[name]
        proxy.act = lambda asked: unreadable(entity)
        with pytest.raises(StoreUnavailable) as caught:
            call()
        assert "CANARY" not in str(caught.value), name
        proxy.act = lambda asked: None


@pytest.mark.parametrize("entity", UNREADABLE.values(), ids=UNREADABLE)
def test_a_later_page_that_cannot_be_read_is_asked_for_again_and_is_never_the_end(
    proxy: Between, store: AzureStore, entity: bytes
) -> None:
    first, last = page((b"job", b"k!a"), more="p1"), page((b"job", b"k!b"))
    pages = [first, unreadable(entity, more="p9"), unreadable(entity), last]
    proxy.act = lambda asked: pages.pop(0)
    assert [row.id for row in store.list("job", "k")] == ["a", "b"]
    assert ["NextPartitionKey=p1" in asked.path for asked in proxy.asked] == [False, True, True, True]
    proxy.act = lambda asked: unreadable(entity) if "NextPartitionKey" in asked.path else first
    with pytest.raises(StoreUnavailable):
        store.list("job", "k")


@pytest.mark.parametrize("entity", UNREADABLE.values(), ids=UNREADABLE)
def test_a_row_that_cannot_be_read_is_asked_for_again_and_is_never_missing(
    proxy: Between, store: AzureStore, entity: bytes
) -> None:
    answer = Canned(200, entity, {**JSON, **ID})
    proxy.once(answer, lambda asked: True)
    found = store.get("job", "k", "old")
    assert found is not None and found.body == {"n": 1}
    proxy.act = lambda asked: answer
    for call in (lambda: store.get("job", "k", "old"), lambda: store.version("job", "k", "old")):
        with pytest.raises(StoreUnavailable):
            call()


def blob_page(*names: bytes, more: bytes = b"", end: bytes = b"</Blobs>") -> Canned:
    blobs = b"".join(b"<Blob><Name>" + name + b"</Name></Blob>" for name in names)
    rest = b"<NextMarker>" + more + b"</NextMarker></EnumerationResults>" if end else b""
    return Canned(200, b"<EnumerationResults><Blobs>" + blobs + end + rest, {**XML, **ID})


def test_a_page_of_blobs_that_cannot_be_read_is_asked_for_again_and_is_never_the_end(
    proxy: Between, store: AzureStore
) -> None:
    first, half, last = blob_page(b"a", more=b"p1"), blob_page(b"CANARY", end=b""), blob_page(b"b")
    for pages in ([half, half, first, last], [first, half, half, last], [half, first, half, last]):
        left = list(pages)
        proxy.asked.clear()
        proxy.act = lambda asked, left=left: left.pop(0)  # type: ignore[misc]  # reason: a default binds it
        assert store.blobs("") == ["a", "b"]
        assert "marker=p1" in proxy.asked[-1].path and "marker" not in proxy.asked[0].path
    for answers in ([half], [first, half]):
        proxy.act = lambda asked, answers=answers: answers["marker" in asked.path and len(answers) > 1]  # type: ignore[misc]  # reason: a default binds it
        with pytest.raises(StoreUnavailable) as caught:
            store.blobs("")
        assert "CANARY" not in str(caught.value)
    proxy.act = lambda asked: blob_page(b"a", more=b"p1")
    with pytest.raises(StoreUnavailable, match="damaged"):
        store.blobs("")


def test_a_blob_without_a_name_is_damage_and_not_left_out(proxy: Between, store: AzureStore) -> None:
    for blob in (b"<Blob></Blob>", b"<Blob><Name/></Blob>", b"<Blob><Other>a</Other></Blob>"):
        body = b"<EnumerationResults><Blobs>" + blob + b"</Blobs><NextMarker/></EnumerationResults>"
        proxy.act = lambda asked, body=body: Canned(200, body, {**XML, **ID})  # type: ignore[misc]  # reason: a default binds it
        with pytest.raises(StoreUnavailable):
            store.blobs("")


@pytest.mark.parametrize(
    "rows",
    [
        [(b"job", b"k!b"), (b"job", b"k!a")],
        [(b"job", b"k!a"), (b"job", b"k!a")],
        [(b"other", b"k!a")],
        [(b"job", b"other!a")],
        [(b"job", b"a")],
    ],
)
def test_rows_that_were_not_asked_for_are_an_error(
    proxy: Between, store: AzureStore, rows: list[tuple[bytes, bytes]]
) -> None:
    proxy.act = lambda asked: Canned(200, b'{"value": [' + b",".join(ROW % row for row in rows) + b"]}", {**JSON, **ID})
    for call in (lambda: store.list("job", "k"), store.partitions, lambda: store.kinds("job")):
        with pytest.raises(StoreUnavailable):
            call()
    assert len(proxy.asked) < 20


# Time


def test_a_storage_that_hangs_is_given_up_after_a_time(proxy: Between, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure_clients, "SILENT_FOR", 0.2)
    monkeypatch.setattr(azure_clients, "TABLE_WITHIN", 0.3)
    done = threading.Event()
    try:
        proxy.act = lambda asked: Canned(200, b"x" * 1000, drip=done)
        store = opened(proxy.azurite.store(), proxy.connection)
        with pytest.raises(StoreUnavailable):
            store.get("job", "k", "one")
        store.close()
    finally:
        done.set()
    assert len(proxy.asked) == 3


PLACE = place_of("azure://stshop", cloud="public", connection=None)


def test_no_try_begins_when_the_time_is_over() -> None:
    time, slept = [0.0], list[float]()

    def fail() -> None:
        time[0] += 30.0
        raise azure_errors.Unanswered("x")

    asking = azure_errors.Asking(PLACE, pauses=(1.0, 2.0, 3.0), sleep=slept.append, monotonic=lambda: time[0])
    with pytest.raises(StoreUnavailable):
        asking.ask(fail, when_refused=_never)
    assert slept == [1.0]


def _never(refused: azure_errors.Refused, unsure: bool) -> None:
    raise AssertionError("nothing was refused")


@pytest.mark.parametrize(
    ("cloud", "table", "blob"),
    [
        ("public", "https://storage.azure.com/.default", "https://storage.azure.com/.default"),
        ("usgov", "https://storage.azure.us/.default", "https://stshop.blob.core.usgovcloudapi.net/.default"),
        ("china", "https://storage.azure.cn/.default", "https://stshop.blob.core.chinacloudapi.cn/.default"),
    ],
)
def test_a_sign_in_is_for_the_cloud_and_one_that_fails_is_told_as_it_is(cloud: str, table: str, blob: str) -> None:
    scopes: list[str] = []

    class Failing:
        def get_token(self, *asked: str, **options: object) -> Any:
            scopes.extend(asked)
            raise DriftGuardError("no sign-in", "sign in")

    store = open_azure_store("azure://stshop", Failing(), cloud=cloud, may_begin=True, new_id=lambda: "x")
    with pytest.raises(DriftGuardError, match="no sign-in"):
        store.get("job", "k", "one")
    with pytest.raises(DriftGuardError, match="no sign-in"):
        store._opened().blobs.read("a")
    assert scopes == [table, blob]
    store.close()
