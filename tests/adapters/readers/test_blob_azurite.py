"""The reader of blobs on Azurite: lists, content in pieces, and what it counts."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from driftguard.adapters.readers import blob_client
from driftguard.flow.reading import Cause, Outcome, Wanted
from driftguard.flow.resource import parse_ref
from driftguard.flow.telemetry import NoTelemetry
from tests.adapters.readers.blob_shop import HOST, Blobs, blob_reader, blobs
from tests.azurite.server import KEY, Azurite


class Counts(NoTelemetry):
    """Keeps what is counted."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    def count(self, name: str, amount: int = 1, **attributes: Any) -> None:
        self.told.append((name, attributes))


@pytest.fixture
def mine(azurite: Azurite) -> Iterator[Blobs]:
    with blobs(azurite) as found:
        yield found


def test_a_container_lists_its_blobs_page_by_page(mine: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_client, "PAGE", 3)
    names = [f"a/{number}.json" for number in range(8)] + ["\u00fc %?#&", "A", "a"]
    for name in names:
        mine.put(name, b"{}")
    mine.container.get_blob_client("A").create_snapshot()
    members = mine.reader.members(parse_ref(mine.url))

    assert members.complete
    assert len(members.refs) == len(names) == len({ref.key for ref in members.refs})
    readings = mine.read(*(ref.id for ref in members.refs))
    assert {reading.outcome for reading in readings} == {Outcome.FOUND}


def test_a_name_that_cannot_be_guarded_makes_the_list_incomplete(mine: Blobs) -> None:
    mine.put("good", b"")
    mine.put("a\u202eb", b"")
    members = mine.reader.members(parse_ref(mine.url))

    assert [ref.name for ref in members.refs] == ["good"]
    assert not members.complete and members.detail == "1 blobs have names that cannot be guarded"


def test_a_list_that_cannot_be_had_is_no_empty_one(mine: Blobs) -> None:
    members = mine.reader.members(parse_ref(f"{HOST}/not-there-at-all"))

    assert (members.refs, members.complete, members.cause) == ((), False, Cause.REFUSED)
    assert members.detail == "404 ContainerNotFound"


def test_a_large_blob_is_digested_in_pieces(mine: Blobs) -> None:
    data = os.urandom(9 * 1024 * 1024)
    reading = mine.one(mine.put("large", data))

    assert reading.body is not None
    digest = reading.body["contentDigest"]
    assert (digest["length"], digest["value"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_a_blob_that_is_written_while_it_is_read_is_in_flight(mine: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = mine.put("large", b"a" * 9 * 1024 * 1024)
    calls = []

    def written_meanwhile() -> Any:
        calls.append(mine.put("large", b"b" * 9 * 1024 * 1024))
        return hashlib.sha256()

    monkeypatch.setattr(blob_client, "hashlib", SimpleNamespace(sha256=written_meanwhile))
    reading = mine.one(id_)

    assert calls
    assert (reading.outcome, reading.cause) == (Outcome.UNREADABLE, Cause.IN_FLIGHT)


def test_page_and_append_blobs_are_read_too(mine: Blobs) -> None:
    mine.container.get_blob_client("page").create_page_blob(512)
    mine.container.get_blob_client("log").create_append_blob()
    mine.container.get_blob_client("log").append_block(b"line")
    bodies = [reading.body for reading in mine.read(f"{mine.url}/page", f"{mine.url}/log")]

    assert {body["properties"]["blobType"] for body in bodies if body} == {"PageBlob", "AppendBlob"}


def test_requests_are_counted_by_what_they_asked_and_how_it_was_answered(azurite: Azurite) -> None:
    counts = Counts()
    with blobs(azurite, counts) as mine:
        mine.read(mine.put("a", b"x"), f"{mine.url}/none")
        mine.reader.members(parse_ref(mine.url))

    assert {name for name, _ in counts.told} == {"driftguard.blob.requests"}
    told = sorted((attributes["kind"], attributes["answer"]) for _, attributes in counts.told)
    assert told == [("blob", "not-found"), ("blob", "ok"), ("container", "ok"), ("list", "ok")]


def test_nothing_of_key_or_content_is_logged(
    azurite: Azurite, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with blobs(azurite) as mine:
        id_ = mine.put("a", b"content-canary")
        caplog.clear()
        mine.read(id_, f"{mine.url}/none", f"{HOST}/not-there-at-all/x")
        printed = capfd.readouterr()
    logged = caplog.text + printed.out + printed.err

    assert KEY not in logged and "content-canary" not in logged and "SharedKey" not in logged


def test_an_account_that_cannot_be_reached_tells_nothing_of_its_blobs(azurite: Azurite) -> None:
    nobody = azurite.connection.replace(str(azurite.blob_port), "1")
    reader = blob_reader(azurite, connection=nobody)
    (reading,) = reader.read([Wanted(parse_ref(f"{HOST}/config/a"))], budget=0.8)
    assert (reading.outcome, reading.cause) == (Outcome.UNREADABLE, Cause.NO_CONNECTION)
