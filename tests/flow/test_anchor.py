"""An anchor as a document: what is written is read again, and what nobody wrote is refused."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from driftguard.flow.anchor import Anchor, Head, Link, NotAnAnchor, digest_of, head_of, named
from driftguard.flow.ledger import GENESIS

AT = datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)
HEAD = Head(12, "ab" * 32)
BEFORE = Link("heads/2026-03-01-57a7e.json", digest_of(b"x"))
FULL = Anchor(
    "57a7e", AT, BEFORE, {"shop": HEAD, "new": Head(0, GENESIS)}, {"bad": "wrong"}, {"bad": (HEAD, BEFORE.name)}
)


def test_what_is_written_is_read_again_and_is_always_the_same_bytes() -> None:
    for anchor in (FULL, Anchor("57a7e", AT)):
        assert Anchor.from_bytes(anchor.name, anchor.to_bytes()) == anchor
        assert Anchor.from_bytes(anchor.name, anchor.to_bytes()).to_bytes() == anchor.to_bytes()


def test_the_name_says_the_day_in_utc_and_the_store() -> None:
    assert FULL.name == "heads/2026-03-02-57a7e.json"
    assert named(FULL.name) == (date(2026, 3, 2), "57a7e")
    west = timezone(timedelta(hours=-8))
    with pytest.raises(NotAnAnchor):
        Anchor.from_bytes("heads/2026-03-03-57a7e.json", FULL.to_bytes())
    assert Anchor("57a7e", AT.astimezone(west)).name == FULL.name


@pytest.mark.parametrize(
    "name",
    ["", "heads/", "heads/2026-02-30-57a7e.json", "heads/2026-03-02.json", "2026-03-02-57a7e.json", "heads/x.json"],
)
def test_any_other_name_is_of_no_anchor(name: str) -> None:
    assert named(name) is None


def edited(**members: Any) -> bytes:
    document = json.loads(FULL.to_bytes())
    return json.dumps({**document, **members}).encode()


EDITS: list[dict[str, Any]] = [
    {"schema": "driftguard/heads/2"}, {"schema": None}, {"store": "other1"}, {"store": 7}, {"at": "2026-03-02"}, {"at": 7},
    {"at": "2026-03-03T00:00:00.000000Z"}, {"previous": {}}, {"previous": "x"}, {"previous": {"name": "x", "digest": "y"}},
    {"heads": None}, {"heads": []}, {"heads": {"shop": None}}, {"heads": {"shop": {"number": True, "hash": "ab" * 32}}},
    {"heads": {"shop": {"number": -1, "hash": "ab" * 32}}}, {"heads": {"shop": {"number": 1, "hash": "AB" * 32}}},
    {"heads": {"shop": {"number": 0, "hash": "ab" * 32}}}, {"heads": {"shop": {"number": 1, "hash": GENESIS}}},
    {"heads": {"../x": {"number": 1, "hash": "ab" * 32}}}, {"heads": {"~index": {"number": 1, "hash": "ab" * 32}}},
    {"heads": {"shop": {"number": 10**10, "hash": "ab" * 32}}}, {"heads": {"shop": {"number": 1.5, "hash": "ab" * 32}}},
    {"faults": []}, {"last_good": {"shop": {}}}, {"last_good": {"shop": {"number": 1, "hash": "ab" * 32, "anchor": "x"}}},
]  # fmt: skip


@pytest.mark.parametrize("members", EDITS, ids=str)
def test_a_member_of_another_form_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(NotAnAnchor) as refused:
        Anchor.from_bytes(FULL.name, edited(**members))
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("member", json.loads(FULL.to_bytes()))
def test_a_member_that_is_missing_is_refused(member: str) -> None:
    document = json.loads(FULL.to_bytes())
    del document[member]
    with pytest.raises(NotAnAnchor):
        Anchor.from_bytes(FULL.name, json.dumps(document).encode())


def test_a_member_given_twice_is_refused() -> None:
    twice = FULL.to_bytes().rstrip()[:-1] + b', "heads": {}}'
    with pytest.raises(NotAnAnchor):
        Anchor.from_bytes(FULL.name, twice)


def test_a_head_is_a_number_with_its_hash() -> None:
    assert head_of(12, "ab" * 32) == HEAD
    for number, digest in ((True, "ab" * 32), ("1", "ab" * 32), (1, None), (1, "ab"), (None, GENESIS)):
        with pytest.raises(ValueError, match=r"no number|another form"):
            head_of(number, digest)
