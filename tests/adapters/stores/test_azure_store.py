"""The store on Azure Storage, on Azurite: its first use, its own facts, how often it asks, what it refuses before it asks."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import TableClient

from driftguard.adapters.stores.azure import KNOWN_FOR, AzureStore
from driftguard.errors import BadConfiguration, Conflict, StoreUnavailable, WrongUse
from driftguard.flow import copy_mark
from driftguard.flow.ports import Delete, Put
from driftguard.flow.telemetry import NoTelemetry
from tests.adapters.stores.azure_proxy import Between, between
from tests.adapters.stores.azure_stores import every_call, opened, put
from tests.azurite.server import ACCOUNT, KEY, Azurite


@pytest.fixture
def proxy(azurite: Azurite) -> Iterator[Between]:
    with between(azurite) as proxy:
        yield proxy


@contextmanager
def store_at(address: str, connection: str, **options: Any) -> Iterator[AzureStore]:
    store = opened(address, connection, **options)
    yield store
    store.close()


def table_of(azurite: Azurite, address: str) -> TableClient:
    name = address.rpartition("/")[2]
    return TableClient(azurite.table_endpoint, name, credential=AzureNamedKeyCredential(ACCOUNT, KEY))


# The first use


def test_opening_and_closing_asks_nothing(proxy: Between) -> None:
    with store_at(proxy.azurite.store(), proxy.connection):
        pass
    assert proxy.asked == []


def test_reads_of_a_store_that_may_be_begun_begin_none(proxy: Between) -> None:
    address = proxy.azurite.store()
    with store_at(address, proxy.connection) as store:
        assert store.get("job", "k", "one") is None and store.version("job", "k", "one") is None
        assert store.list("job", "k") == []
        assert store.partitions() == store.kinds("job") == store.blobs("") == []
        assert store.read("a") is None and store.forget(["a"]) is True and store.meta("") == {}
    assert {asked.method for asked in proxy.asked} == {"GET"}


def test_what_another_handle_begins_is_seen_at_once(azurite: Azurite) -> None:
    address = azurite.store()
    with store_at(address, azurite.connection) as one, store_at(address, azurite.connection) as other:
        assert other.get("job", "k", "one") is None
        put(one, "one", {"n": 1})
        assert other.get("job", "k", "one") is not None
        assert other.partitions() == ["job"]


def test_a_store_that_is_not_there_and_may_not_be_begun_is_bad_configuration(azurite: Azurite) -> None:
    address = azurite.store()
    with store_at(address, azurite.connection, may_begin=False) as store:
        for call in (lambda: store.get("job", "k", "one"), lambda: store.read("a"), lambda: put(store, "one", {})):
            with pytest.raises(BadConfiguration, match="there is no store") as caught:
                call()
            assert address in str(caught.value) and caught.value.remedy
    with store_at(address, azurite.connection) as store:
        assert store.partitions() == []  # the refused write began nothing


def test_of_many_that_begin_a_store_at_once_none_fails(azurite: Azurite) -> None:
    address = azurite.store()
    stores = [opened(address, azurite.connection) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: put(stores[number], f"row-{number}", {}), range(6)))
    assert [row.id for row in stores[0].list("job", "k")] == [f"row-{number}" for number in range(6)]
    for store in stores:
        store.close()


@pytest.mark.parametrize("already", ["table", "container", "both"])
def test_a_table_or_container_that_a_deployment_made_empty_is_used(azurite: Azurite, already: str) -> None:
    from azure.storage.blob import ContainerClient

    address = azurite.store()
    name = address.rpartition("/")[2]
    if already != "container":
        with table_of(azurite, address) as table:
            table.create_table()
    if already != "table":
        with ContainerClient(
            azurite.blob_endpoint, name, credential=AzureNamedKeyCredential(ACCOUNT, KEY)
        ) as container:
            container.create_container()
    with store_at(address, azurite.connection) as store:
        assert store.partitions() == []
        put(store, "one", {})
        assert store.put_once("a", b"") is True


def test_a_table_that_holds_something_else_is_not_taken_for_a_new_store(azurite: Azurite) -> None:
    address = azurite.store()
    with table_of(azurite, address) as table:
        table.create_table()
        table.create_entity({"PartitionKey": "orders", "RowKey": "1"})
    with store_at(address, azurite.connection) as store, pytest.raises(BadConfiguration, match="something else"):
        put(store, "one", {})


def test_a_newer_schema_is_refused_and_a_strange_one_is_damage(azurite: Azurite) -> None:
    address = azurite.store()
    with store_at(address, azurite.connection) as store:
        put(store, "one", {})
    for value, error in (("2", BadConfiguration), ("no number", StoreUnavailable)):
        with table_of(azurite, address) as table:
            table.upsert_entity({"PartitionKey": "!meta", "RowKey": "schema", "value": value})
        with store_at(address, azurite.connection) as store, pytest.raises(error):
            store.get("job", "k", "one")


def test_an_unfinished_copy_is_refused_until_it_is_whole_but_not_to_the_copy(azurite: Azurite) -> None:
    address = azurite.store()
    with store_at(address, azurite.connection, unfinished=True) as copying:
        for state in (copy_mark.COPYING, "what nobody knows", ""):
            copying.update_meta(lambda state=state: {copy_mark.FACT: state})  # type: ignore[misc]  # reason: a default binds it
            assert copying.get("job", "k", "one") is None
            with store_at(address, azurite.connection) as store:
                for call in every_call(store).values():
                    with pytest.raises(BadConfiguration, match="unfinished") as caught:
                        call()
                    assert "driftguard store copy" in caught.value.remedy
        copying.update_meta(lambda: {copy_mark.FACT: copy_mark.COPIED})
        with store_at(address, azurite.connection) as store:
            put(store, "one", {})


def test_a_copy_that_begins_while_a_store_is_open_is_noticed_in_a_moment_by_every_call(azurite: Azurite) -> None:
    address, time = azurite.store(), [100.0]
    with (
        store_at(address, azurite.connection, monotonic=lambda: time[0]) as store,
        store_at(address, azurite.connection, unfinished=True) as copying,
    ):
        put(store, "one", {})
        copying.update_meta(lambda: {copy_mark.FACT: copy_mark.COPYING})
        time[0] += KNOWN_FOR
        for call in every_call(store).values():
            with pytest.raises(BadConfiguration, match="unfinished"):
                call()
        copying.update_meta(lambda: {copy_mark.FACT: copy_mark.COPIED})
        assert store.get("job", "k", "new") is None


def test_a_newer_version_that_took_the_store_over_is_noticed_in_a_moment(azurite: Azurite) -> None:
    address, time = azurite.store(), [100.0]
    with store_at(address, azurite.connection, monotonic=lambda: time[0]) as store:
        put(store, "one", {})
        with table_of(azurite, address) as table:
            table.upsert_entity({"PartitionKey": "!meta", "RowKey": "schema", "value": "2"})
        time[0] += KNOWN_FOR
        with pytest.raises(BadConfiguration, match="schema 2"):
            put(store, "two", {})


def test_what_a_store_is_is_asked_for_once_in_a_while_and_by_the_copy_once(proxy: Between) -> None:
    address, time = proxy.azurite.store(), [100.0]
    for unfinished, looks in ((False, 4), (True, 0)):
        with store_at(address, proxy.connection, unfinished=unfinished, monotonic=lambda: time[0]) as store:
            store.get("job", "k", "one")
            if not unfinished:
                put(store, "one", {})
            proxy.asked.clear()
            for _ in range(60):
                time[0] += 1.0
                store.get("job", "k", "one")
            assert len([asked for asked in proxy.asked if "!meta" in asked.path]) == looks


def test_a_store_that_is_gone_after_a_while_is_not_begun_anew(azurite: Azurite) -> None:
    address, time = azurite.store(), [100.0]
    with store_at(address, azurite.connection, monotonic=lambda: time[0]) as store:
        put(store, "one", {})
        with table_of(azurite, address) as table:
            table.delete_table()
        time[0] += KNOWN_FOR
        for call in every_call(store).values():
            with pytest.raises(StoreUnavailable, match="missing"):
                call()
    with store_at(address, azurite.connection) as another:
        assert another.partitions() == []


def test_rows_beside_the_facts_that_a_later_version_may_have_are_left_alone(azurite: Azurite) -> None:
    address = azurite.store()
    with store_at(address, azurite.connection) as store:
        store.update_meta(lambda: {"a": "1"})
        with table_of(azurite, address) as table:
            table.upsert_entity({"PartitionKey": "!meta", "RowKey": "later!x", "value": 3})
        assert store.meta("") == {"a": "1"}
        with table_of(azurite, address) as table:
            table.upsert_entity({"PartitionKey": "!meta", "RowKey": "fact!=", "value": "3"})
        with pytest.raises(StoreUnavailable, match="damaged"):
            store.meta("")


def test_a_store_that_is_removed_while_it_is_open_is_unavailable_and_not_empty(azurite: Azurite) -> None:
    address = azurite.store()
    with store_at(address, azurite.connection) as store:
        put(store, "one", {})
        store.put_once("a", b"")
        with table_of(azurite, address) as table:
            table.delete_table()
        for call in (
            lambda: store.get("job", "k", "one"),
            lambda: store.list("job", "k"),
            lambda: put(store, "two", {}),
        ):
            with pytest.raises(StoreUnavailable, match="missing"):
                call()
        store._opened().clients.container.delete_container()
        of_blobs: list[Callable[[], object]] = [
            lambda: store.read("a"),
            lambda: store.blobs(""),
            lambda: store.put_once("b", b""),
        ]
        for ask in of_blobs:
            with pytest.raises(StoreUnavailable, match="missing"):
                ask()


def test_a_closed_store_is_wrong_use_for_every_call(azurite: Azurite) -> None:
    store = opened(azurite.store(), azurite.connection)
    store.close()
    for call in (
        lambda: store.get("job", "k", "one"),
        lambda: put(store, "one", {}),
        lambda: store.read("a"),
        lambda: store.forget(["a"]),
        lambda: store.meta(""),
        lambda: store.update_meta(dict),
    ):
        with pytest.raises(WrongUse, match="closed"):
            call()
    store.close()


# The store's own facts


def test_facts_are_kept_changed_and_found_by_the_start_of_their_name(azurite: Azurite) -> None:
    address = azurite.store()
    with store_at(address, azurite.connection) as store:
        store.update_meta(lambda: {"secret-key:b": "", "secret-key:a": "1", "other": "ü"})
        store.update_meta(lambda: {"secret-key:a": "2"})
        assert store.meta("secret-key:") == {"secret-key:a": "2", "secret-key:b": ""}
        assert store.meta("") == {"secret-key:a": "2", "secret-key:b": "", "other": "ü"}
        assert store.partitions() == []
    with store_at(address, azurite.connection, may_begin=False) as again:
        assert again.meta("other") == {"other": "ü"}


def test_facts_that_others_change_at_the_same_time_are_decided_on_again(azurite: Azurite) -> None:
    address = azurite.store()
    with store_at(address, azurite.connection) as one, store_at(address, azurite.connection) as other:
        seen: list[dict[str, str]] = []

        def change() -> dict[str, str]:
            seen.append(one.meta(""))
            if len(seen) == 1:
                other.update_meta(lambda: {"of": "other"})
            return {"count": str(len(seen))}

        one.update_meta(change)
        assert seen == [{}, {"of": "other"}]
        assert one.meta("") == {"of": "other", "count": "2"}


def test_an_error_in_the_change_leaves_the_facts(azurite: Azurite) -> None:
    with store_at(azurite.store(), azurite.connection) as store:
        store.update_meta(lambda: {"a": "1"})

        def fail() -> dict[str, str]:
            raise WrongUse("no")

        with pytest.raises(WrongUse):
            store.update_meta(fail)
        assert store.meta("") == {"a": "1"}


# How often it asks


def test_each_call_asks_as_seldom_as_can_be(proxy: Between) -> None:
    with store_at(proxy.azurite.store(), proxy.connection) as store:
        store.update_meta(lambda: {"a": ""})
        versions = store.commit("job", [Put("k", f"{number:03}", {"n": number}, None) for number in range(100)])
        store.put_once("job/a", b"x" * 6_000_000)

        def asked(call: object) -> int:
            proxy.asked.clear()
            assert callable(call)
            call()
            return len(proxy.asked)

        assert asked(lambda: store.get("job", "k", "001")) == 1
        assert asked(lambda: store.version("job", "k", "001")) == 1
        assert "body" not in proxy.asked[0].path
        assert asked(lambda: store.list("job", "k")) == 1
        assert asked(lambda: store.list("job", "k", limit=30)) == 1
        assert "$top=30" in proxy.asked[0].path
        assert asked(lambda: store.read("job/a")) == 1
        assert asked(lambda: store.blobs("job/")) == 1
        assert asked(lambda: store.put_once("job/b", b"x" * 6_000_000)) == 1
        assert asked(lambda: store.put_once("job/b", b"")) == 1
        assert asked(lambda: store.forget(["job/a"])) == 1
        assert asked(lambda: store.forget([f"job/{number}" for number in range(200)])) == 1
        writes = [Put("k", row_id, {}, version) for (_, row_id), version in versions.items()]
        assert asked(lambda: store.commit("job", writes)) == 1
        assert asked(lambda: store.commit("job", [])) == 0
        assert asked(lambda: store.kinds("job")) == 2 and asked(store.partitions) == 2
        with store_at(store.address, proxy.connection) as another:
            assert asked(lambda: another.get("job", "k", "001")) == 2  # what the store is, the row


def test_what_azure_would_refuse_is_refused_before_it_is_sent(proxy: Between) -> None:
    with store_at(proxy.azurite.store(), proxy.connection) as store:
        put(store, "one", {})
        proxy.asked.clear()
        letters = "".join(map(chr, range(35, 91)))
        hard_to_pack = "".join(random.Random(4).choices(letters, k=60_000))
        for call in (
            lambda: store.commit("job", [Put("k", str(number), {}, None) for number in range(101)]),
            lambda: store.commit("job", [Put("k", "x" * 511, {}, None)]),
            lambda: store.commit("ü" * 129, [Put("k", "one", {}, None)]),
            lambda: store.commit("job", [Put("k", "big", {"text": "x" * 1_000_000}, None)]),
            lambda: store.commit("job", [Put("k", str(number), {"text": hard_to_pack}, None) for number in range(100)]),
            lambda: store.put_once("/" * 600, b""),
            lambda: store.read("ü" * 300),
        ):
            with pytest.raises(WrongUse) as caught:
                call()
            assert len(str(caught.value)) < 400
        assert proxy.asked == []
        assert [row.id for row in store.list("job", "k")] == ["one"]


def test_many_middling_bodies_are_compressed_where_they_are_too_much_together(proxy: Between) -> None:
    with store_at(proxy.azurite.store(), proxy.connection) as store:
        bodies = {f"{number:03}": {"text": json.dumps({"a": "b"}) * 2000, "n": number} for number in range(100)}
        store.commit("job", [Put("k", row_id, body, None) for row_id, body in bodies.items()])
        assert max(len(asked.body) for asked in proxy.asked) < 1_000_000
        assert {row.id: row.body for row in store.list("job", "k")} == bodies


@pytest.mark.parametrize(
    "expected", ["*", "", '"*"', "W/*", "*\r\nX: y", "W/\"datetime'2026'\"", "20261122T204434-1\n"]
)
def test_no_condition_but_one_states_etag_is_ever_sent(proxy: Between, expected: str) -> None:
    with store_at(proxy.azurite.store(), proxy.connection) as store:
        put(store, "one", {"n": 1})
        proxy.asked.clear()
        for write in (Put("k", "one", {"n": 2}, expected), Delete("k", "one", expected)):
            with pytest.raises(Conflict, match="changed since it was read"):
                store.commit("job", [Put("k", "two", {}, None), write])
        assert proxy.asked == []
        row = store.get("job", "k", "one")
        assert row is not None and row.body == {"n": 1}


def test_a_conflict_names_the_row_that_it_is_about(azurite: Azurite) -> None:
    with store_at(azurite.store(), azurite.connection) as store:
        put(store, "three", {})
        writes = [Put("k", name, {}, None) for name in ("one", "two", "three", "four")]
        with pytest.raises(Conflict, match="'three'"):
            store.commit("job", writes)


# What it reads is checked


def test_a_damaged_row_is_an_error_for_a_get_and_for_a_list(azurite: Azurite) -> None:
    address = azurite.store()
    with store_at(address, azurite.connection) as store:
        put(store, "one", {})
        with table_of(azurite, address) as table:
            table.upsert_entity({"PartitionKey": "job", "RowKey": "k!two", "body": '{"CANARY'})
        for call in (lambda: store.get("job", "k", "two"), lambda: store.list("job", "k")):
            with pytest.raises(StoreUnavailable, match="damaged") as caught:
                call()
            assert "CANARY" not in str(caught.value) and caught.value.__cause__ is None
        with table_of(azurite, address) as table:
            table.upsert_entity({"PartitionKey": "é", "RowKey": "k!two", "body": "{}"})
        with pytest.raises(StoreUnavailable, match="damaged"):
            store.partitions()


def test_blobs_that_somebody_else_put_there_are_left_out(azurite: Azurite) -> None:
    with store_at(azurite.store(), azurite.connection) as store:
        store.put_once("a/1", b"")
        container = store._opened().clients.container
        for name in ("notes.txt", "a b", "a//x"):
            container.upload_blob(name, b"")
        assert store.blobs("") == ["a/1"]


# What it tells


class Counting(NoTelemetry):
    def __init__(self) -> None:
        self.counted: list[tuple[str, str]] = []

    def count(self, name: str, amount: int = 1, **attributes: str) -> None:
        assert name == "driftguard.storage.requests" and amount == 1 and set(attributes) == {"service", "answer"}
        self.counted.append((attributes["service"], attributes["answer"]))


def test_requests_are_counted_by_service_and_kind_of_answer(azurite: Azurite) -> None:
    telemetry = Counting()
    with store_at(azurite.store(), azurite.connection, telemetry=telemetry) as store:
        version = put(store, "one", {})
        telemetry.counted.clear()
        put(store, "one", {"n": 2}, version)
        with pytest.raises(Conflict):
            put(store, "one", {"n": 3}, version)
        with pytest.raises(Conflict):
            put(store, "one", {"n": 3})
        store.get("job", "k", "none")
        store.put_once("a", b"")
        store.put_once("a", b"")
        store.read("none")
    assert telemetry.counted == [
        ("table", "ok"),
        ("table", "precondition"),
        ("table", "conflict"),
        ("table", "not-found"),
        ("blob", "ok"),
        ("blob", "conflict"),
        ("blob", "not-found"),
    ]


def test_nothing_is_logged(azurite: Azurite, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), store_at(azurite.store(), azurite.connection) as store:
        put(store, "one", {})
        store.put_once("a", b"")
        store.read("a")
        store.read("none")
        store.list("job", "k")
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []
