"""Is this evidence what was written, and is the ledger that it stands in whole?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driftguard.errors import WrongUse
from driftguard.flow.evidence import digest_of
from driftguard.flow.ports import Delete, Put
from driftguard.guard.halting import load_evidence
from driftguard.guard.rows import JOB, JOB_ROW, LEDGER
from driftguard.guard.verify import read_evidence, verify_file, verify_in_store, verify_store
from tests.scenarios.steps import ROBS_DNS, halted, set_dns, story
from tests.world import JOB as SHOP
from tests.world import World

DOCUMENT: dict[str, Any] = {"schema": "driftguard/evidence/1", "job": SHOP, "findings": []}
DOCUMENT["digest"] = digest_of(DOCUMENT)


def as_file(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A job with a halt; every test leaves its ledger whole again."""
    with story(tmp_path_factory.mktemp("shop")) as telling:
        telling.first_record()
        set_dns(telling, ROBS_DNS)
        halted(telling.check())
        yield telling


def evidence_of(shop: World) -> bytes:
    return load_evidence(shop.guard, halted(shop.check()))


def test_evidence_as_it_was_written_has_no_fault(shop: World) -> None:
    document = read_evidence(evidence_of(shop))
    assert verify_file(document).exit_code == 0
    verified = verify_in_store(shop.guard, document)
    assert (verified.faults, verified.exit_code) == ((), 0)
    assert document["digest"] in verified.checked[0]
    assert any("ledger of shop-prod" in text for text in verified.checked)


def test_evidence_in_another_layout_is_the_same_evidence(shop: World) -> None:
    document = json.loads(evidence_of(shop))
    for text in (json.dumps(document), json.dumps(dict(reversed(document.items())), indent=4, ensure_ascii=False)):
        assert verify_in_store(shop.guard, read_evidence(text.encode())).exit_code == 0


def test_changed_evidence_is_a_fault_also_with_a_digest_made_again(shop: World) -> None:
    document = json.loads(evidence_of(shop))
    document["findings"][0]["attribution"]["who"] = "somebody else"
    changed = verify_file(read_evidence(as_file(document)))
    assert (changed.exit_code, "was changed" in changed.faults[0]) == (1, True)
    document["digest"] = digest_of(document)
    forged = read_evidence(as_file(document))
    assert verify_file(forged).exit_code == 0
    [fault] = verify_in_store(shop.guard, forged).faults
    assert "knows no evidence with this digest" in fault


@pytest.mark.parametrize("digest", [None, "", 7, "sha256:", DOCUMENT["digest"].upper(), [DOCUMENT["digest"]]])
def test_a_missing_or_other_digest_is_a_fault(digest: Any) -> None:
    assert verify_file(read_evidence(as_file({**DOCUMENT, "digest": digest}))).exit_code == 1
    assert verify_file({key: value for key, value in DOCUMENT.items() if key != "digest"}).exit_code == 1


def twice(member: str) -> bytes:
    return as_file(DOCUMENT)[:-1] + f', "{member}": null}}'.encode()


NO_EVIDENCE = {
    "nothing": b"",
    "text": b"the note says: halted",
    "another document": b'{"schema": "driftguard/evidence/2"}',
    "no schema": b"{}",
    "a list": b"[]",
    "null": b"null",
    "a number": b"7",
    "half a file": as_file(DOCUMENT)[:-1],
    "two documents": as_file(DOCUMENT) * 2,
    "a byte order mark": b"\xef\xbb\xbf" + as_file(DOCUMENT),
    "not UTF-8": as_file(DOCUMENT).replace(b"shop", b"sh\xff\xfep"),
    "UTF-16": as_file(DOCUMENT).decode().encode("utf-16"),
    "gzip": b"\x1f\x8b\x08\x00",
    "NUL": b"\x00" * 100,
    "a member given twice": twice("job"),
    "the digest given twice": twice("digest"),
    "a member of a member given twice": as_file({**DOCUMENT, "x": {"a": 1}}).replace(b'{"a": 1}', b'{"a": 1, "a": 1}'),
    "a number without end": as_file(DOCUMENT).replace(b"[]", b"1" * 5000),
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "deep inside": as_file(DOCUMENT).replace(b"[]", b"[" * 200_000 + b"]" * 200_000),
}


@pytest.mark.parametrize("what", NO_EVIDENCE)
def test_what_is_no_evidence_is_wrong_use_in_one_line(what: str) -> None:
    with pytest.raises(WrongUse) as refused:
        read_evidence(NO_EVIDENCE[what])
    assert refused.value.remedy
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


@pytest.mark.parametrize("depth", [100, 300, *range(880, 1000, 4), 2000, 9_000])
def test_evidence_of_any_depth_is_read_refused_or_a_fault_and_never_a_crash(depth: int) -> None:
    data = as_file(DOCUMENT).replace(b"[]", b"[" * depth + b"]" * depth)
    try:
        document = read_evidence(data)
    except WrongUse:
        assert depth > 300
        return
    assert verify_file(document).exit_code == 1


def test_a_large_file_is_read_and_judged() -> None:
    large = {
        **DOCUMENT,
        "findings": [{"path": f"properties.p{number}", "before": "x" * 100} for number in range(50_000)],
    }
    assert verify_file(read_evidence(as_file(large))).exit_code == 1
    large["digest"] = digest_of(large)
    assert verify_file(read_evidence(as_file(large))).exit_code == 0


@pytest.mark.parametrize("job", [None, "", "../x", "~index", "nobody", 7, {"a": 1}])
def test_evidence_that_names_no_job_of_the_store_is_never_good(shop: World, job: Any) -> None:
    document = {**DOCUMENT, "job": job}
    document["digest"] = digest_of(document)
    try:
        verified = verify_in_store(shop.guard, document)
    except WrongUse:
        return
    assert verified.exit_code == 1


def test_the_ledgers_of_all_jobs_are_verified(shop: World) -> None:
    verified = verify_store(shop.guard)
    assert (verified.exit_code, len(verified.checked)) == (0, 1)


EDITS: dict[str, Any] = {
    "another event": lambda body: {**body, "event": "resolved"},
    "another time": lambda body: {**body, "at": "2020-01-01T00:00:00.000000Z"},
    "another value": lambda body: {**body, "data": {**body["data"], "by": "somebody"}},
    "no data": lambda body: {**body, "data": None},
    "no hash": lambda body: {key: value for key, value in body.items() if key != "hash"},
    "nothing": lambda body: {},
}


@pytest.mark.parametrize("edit", [*EDITS, "removed"])
@pytest.mark.parametrize("place", [0, -1])
def test_a_ledger_that_was_edited_in_the_store_is_a_fault(shop: World, edit: str, place: int) -> None:
    store = shop.guard.store
    row = store.list(SHOP, LEDGER)[place]
    if edit == "removed":
        store.commit(SHOP, [Delete(LEDGER, row.id, row.version)])
    else:
        store.commit(SHOP, [Put(LEDGER, row.id, EDITS[edit](row.body), row.version)])
    try:
        [fault] = verify_store(shop.guard).faults
        assert fault.startswith("ledger of shop-prod: ")
        document = read_evidence(evidence_in_file(shop))
        assert fault in verify_in_store(shop.guard, document).faults
    finally:
        now = store.get(SHOP, LEDGER, row.id)
        store.commit(SHOP, [Put(LEDGER, row.id, row.body, now.version if now else None)])
    assert verify_store(shop.guard).exit_code == 0


def evidence_in_file(shop: World) -> bytes:
    """The first evidence as it lies in the store; no verb runs, so that a broken ledger is not continued."""
    [key, *_] = shop.guard.store.blobs(f"{SHOP}/evidence/")
    data = shop.guard.store.read(key)
    assert data
    return data


def test_a_ledger_cut_short_together_with_nothing_else_shows_against_the_jobs_row(shop: World) -> None:
    store = shop.guard.store
    row = store.get(SHOP, JOB, JOB_ROW)
    assert row
    for change in ({"ledger_number": 0}, {"ledger_head": "0" * 64}):
        store.commit(SHOP, [Put(JOB, JOB_ROW, {**row.body, **change}, row.version)])
        assert verify_store(shop.guard).exit_code == 1
        now = store.get(SHOP, JOB, JOB_ROW)
        assert now
        store.commit(SHOP, [Put(JOB, JOB_ROW, row.body, now.version)])
        row = replace(row, version=store.get(SHOP, JOB, JOB_ROW).version)  # type: ignore[union-attr]  # reason: just written


def test_evidence_of_another_store_is_a_fault(shop: World, tmp_path: Path) -> None:
    with story(tmp_path) as other:
        other.first_record()
        faults = verify_in_store(other.guard, read_evidence(evidence_in_file(shop))).faults
    assert faults == ("the ledger of the job shop-prod knows no evidence with this digest",)
