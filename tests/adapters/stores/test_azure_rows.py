"""Versions, entities and limits: what is made of a row before it is sent, and what is believed of an answer."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from driftguard.adapters.stores import azure_limits, limits
from driftguard.adapters.stores.azure_entities import (
    BODY,
    MAX_PLAIN,
    NO_ROW_IN_IT,
    PARTITION,
    PARTS,
    ROW,
    SIZE,
    entity_of,
    row_of,
)
from driftguard.adapters.stores.azure_versions import NEVER, etag_of, version_of
from driftguard.errors import WrongUse

ETAG = "W/\"datetime'2026-11-22T20%3A44%3A34.1234567Z'\""


# Versions


@pytest.mark.parametrize("fraction", ["", ".1", ".0000000", ".1234567"])
def test_a_version_is_reversible_and_can_stand_in_an_etag_of_ours(fraction: str) -> None:
    etag = ETAG.replace(".1234567", fraction)
    version = version_of(etag)
    assert etag_of(version) == etag
    assert re.fullmatch(r"[A-Za-z0-9_-]+", version)
    assert version == "20261122T204434" + fraction.replace(".", "-")


@given(st.text() | st.from_regex(r"\d{8}T\d{6}(-\d*)?.?", fullmatch=True))
def test_whatever_a_caller_sends_becomes_the_etag_of_one_state_or_none(text: str) -> None:
    etag = etag_of(text)
    assert etag is None or (version_of(etag) == text and etag.startswith("W/\"datetime'"))


@pytest.mark.parametrize(
    "text", ["*", "", '"*"', "W/*", ETAG, "20261122T204434-", "20261122T204434-1\n", "٢0261122T204434"]
)
def test_what_is_no_version_is_no_etag(text: str) -> None:
    assert etag_of(text) is None


@pytest.mark.parametrize("etag", [None, "", "*", '"1"', "W/\"datetime'x'\"", ETAG + "\n", ETAG[2:], 7])
def test_what_is_no_entitys_etag_is_no_version(etag: object) -> None:
    with pytest.raises(ValueError, match="ETag"):
        version_of(etag)


def test_the_version_of_a_state_that_is_past_is_one_that_can_be_sent() -> None:
    assert etag_of(NEVER) == "W/\"datetime'1601-01-01T00%3A00%3A00Z'\""


# Entities


def text_of(size: int, *, packs: bool = True) -> str:
    letters = "x" * size if packs else "".join(random.Random(1).choices("".join(map(chr, range(35, 91))), k=size))
    return json.dumps({"t": letters[: size - 8]}, separators=(",", ":"))


@pytest.mark.parametrize("size", [8, MAX_PLAIN, MAX_PLAIN + 1, 200_000, limits.MAX_BODY])
@pytest.mark.parametrize("packs", [True, False])
def test_a_body_of_any_size_comes_back_and_fits(size: int, packs: bool) -> None:
    text = text_of(size, packs=packs)
    entity = entity_of("job", "k!one", text, "id")
    azure_limits.check_entity("the row", entity)
    assert (BODY in entity) == (size <= MAX_PLAIN)
    row = row_of(entity, ETAG)
    assert (row.kind, row.id, row.version, row.body) == ("k", "one", version_of(ETAG), json.loads(text))


LARGE = entity_of("job", "k!one", text_of(200_000, packs=False), "id")
DAMAGED: dict[str, dict[str, Any]] = {
    "no body": {PARTITION: "job", ROW: "k!one"},
    "no json": {PARTITION: "job", ROW: "k!one", BODY: "{"},
    "no object": {PARTITION: "job", ROW: "k!one", BODY: "[1]"},
    "no text": {PARTITION: "job", ROW: "k!one", BODY: 7},
    "deep": {PARTITION: "job", ROW: "k!one", BODY: "[" * 100_000},
    "another key": {PARTITION: "job", ROW: "k", BODY: "{}"},
    "a part is missing": {name: value for name, value in LARGE.items() if name != "part01"},
    "cut": {**LARGE, "part01": LARGE["part01"][:-9]},
    "turned": {**LARGE, "part00": LARGE["part01"], "part01": LARGE["part00"]},
    "another size": {**LARGE, SIZE: LARGE[SIZE] - 1},
    "a size beyond a body": {**LARGE, SIZE: limits.MAX_BODY + 1},
    "no number of parts": {**LARGE, PARTS: "2"},
    "text for bytes": {**LARGE, "part00": "x"},
}


@pytest.mark.parametrize("entity", DAMAGED.values(), ids=DAMAGED)
def test_an_entity_that_holds_no_row_is_not_believed(entity: dict[str, Any]) -> None:
    with pytest.raises(NO_ROW_IN_IT):
        row_of(entity, ETAG)


# Limits


def entity(**properties: Any) -> dict[str, Any]:
    return {PARTITION: "p", ROW: "r", **properties}


def test_what_azure_takes_just_so_is_taken() -> None:
    azure_limits.check_entity("the row", entity(**{f"p{number}": 1 for number in range(252)}))
    azure_limits.check_entity("the row", entity(text="x" * 32 * 1024, data=b"x" * 64 * 1024))
    azure_limits.check_key("row", "x", "x" * 512)
    azure_limits.check_blob_name("x", "/".join("x" * 254))
    azure_limits.check_transaction([entity()] * 100)


@pytest.mark.parametrize(
    "bad",
    [
        entity(**{f"p{number}": 1 for number in range(253)}),
        entity(text="CANARY" + "x" * 32 * 1024),
        entity(text="ü😀" * 11_000),
        entity(data=b"CANARY" + b"x" * 64 * 1024),
        entity(**{f"p{number:02}": b"CANARY" + b"x" * 65_000 for number in range(17)}),
    ],
)
def test_an_entity_that_azure_refuses_is_wrong_use_with_nothing_of_it(bad: dict[str, Any]) -> None:
    with pytest.raises(WrongUse) as caught:
        azure_limits.check_entity("the row k 'one'", bad)
    assert "the row k 'one'" in str(caught.value) and caught.value.remedy
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("bad", [[entity()] * 101, [entity(data=b"x" * 60_000)] * 60, [entity(text='"' * 30_000)] * 80])
def test_a_transaction_that_azure_refuses_is_wrong_use(bad: list[dict[str, Any]]) -> None:
    with pytest.raises(WrongUse):
        azure_limits.check_transaction(bad)


@pytest.mark.parametrize(("key", "name"), [("x", "x" * 1025), ("x", "/".join("x" * 255))])
def test_a_blobs_name_that_azure_refuses_is_wrong_use(key: str, name: str) -> None:
    with pytest.raises(WrongUse):
        azure_limits.check_blob_name(key, name)


def test_a_key_that_azure_refuses_is_wrong_use_and_is_told_shortened() -> None:
    with pytest.raises(WrongUse) as caught:
        azure_limits.check_key("row", "x" * 500, "x" * 513)
    assert len(str(caught.value)) < 300
