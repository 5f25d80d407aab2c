"""What time alone changed is told as it is, by lists, halt, page and job; its ETags change with it, and a look writes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from driftguard.entry.http.etags import next_deadline
from driftguard.entry.in_process import InProcess
from driftguard.flow.moment import from_text, to_text
from tests.entry.http.service import Shop
from tests.entry.http.test_conditions import counting
from tests.world import JOB

OVERWRITE = {"decision": "overwrite", "reason": "agreed in CHG0030001"}
SHAPES = ["", "?evidence=1", "/evidence.html"]


def decided(shop: Shop) -> str:
    """The address of a halt with a decision that holds for a day."""
    halt = shop.halted()
    path = f"/api/halts/{halt['id']}"
    answer = shop.post(f"{path}/decisions", OVERWRITE, If_Match=f'"{halt["version"]}"')
    assert answer.status_code == 201, answer.text
    return path


def in_use(shop: Shop) -> str:
    """The address of a halt that a run uses, for a lease of some hours."""
    path = decided(shop)
    assert shop.check("run-2").json()["clearance"]
    return path


def rows(shop: Shop) -> list[Any]:
    store = shop.telling.guard.store
    return [store.list(JOB, kind) for kind in ("job", "halt", "ledger", "outbox")]


def test_a_decision_whose_time_passed_is_told_as_expired_everywhere_and_nothing_is_written(shop: Shop) -> None:
    path = decided(shop)
    job, before = shop.get(f"/api/jobs/{JOB}").json(), rows(shop)
    shop.telling.advance(hours=25)
    halt = shop.get(path).json()
    assert (halt["state"], halt["final"], halt["closed_at"]) == ("expired", True, halt["expires_at"])
    assert shop.get("/api/halts").json()["halts"] == shop.get(f"/api/halts?job={JOB}").json()["halts"] == []
    for query in ("state=expired", "all=true", f"all=true&job={JOB}"):
        assert [one["state"] for one in shop.get(f"/api/halts?{query}").json()["halts"]] == ["expired"]
    assert shop.get(f"/api/jobs/{JOB}").json() == {**job, "halt": None}
    assert shop.get("/api/jobs").json()["jobs"][0]["halt"] is None
    verbs = InProcess(shop.telling.guard)
    assert verbs.halt(halt["id"], None) == halt
    assert verbs.halts(JOB, all_states=False)["halts"] == verbs.halts(None, all_states=False)["halts"] == []
    assert verbs.job(JOB)["halt"] is None and verbs.jobs()["jobs"][0]["halt"] is None
    assert rows(shop) == before
    shop.check("run-9")
    assert shop.get(path).json()["closed_at"] == halt["closed_at"], "as it was told before it was written down"


def test_a_lease_that_ended_is_told_as_ended_and_its_halt_as_decided(shop: Shop) -> None:
    path = in_use(shop)
    used, before = shop.get(f"/api/jobs/{JOB}").json(), rows(shop)
    assert used["lease"]["run"] == "run-2" and shop.get(path).json()["state"] == "in-use"
    shop.telling.advance(hours=5)
    job = shop.get(f"/api/jobs/{JOB}").json()
    assert (job["lease"], job["halt"]["state"]) == (None, "overwrite-allowed")
    assert shop.get(path).json()["state"] == "overwrite-allowed"
    assert [one["state"] for one in shop.get("/api/halts").json()["halts"]] == ["overwrite-allowed"]
    assert job["ledger"] == used["ledger"] and rows(shop) == before


@pytest.mark.parametrize("path", [*SHAPES, "job"])
@pytest.mark.parametrize("story", [decided, in_use])
def test_an_etag_changes_exactly_when_the_bytes_do(shop: Shop, story: Any, path: str) -> None:
    halt = story(shop)
    address = f"/api/jobs/{JOB}" if path == "job" else halt + path
    told: dict[str, bytes] = {}
    last = ""
    for _ in range(16):
        full = shop.get(address)
        tag = full.headers["etag"]
        assert told.setdefault(tag, full.content) == full.content
        assert shop.get(address, If_None_Match=tag).status_code == 304
        if last:
            again = shop.get(address, If_None_Match=last)
            assert again.status_code == (304 if last == tag else 200)
        last = tag
        shop.telling.advance(hours=2)
    assert len(set(told.values())) == len(told) >= 2


@pytest.mark.parametrize("path", [*SHAPES, "job"])
def test_before_its_deadline_a_tag_is_good_without_any_row(shop: Shop, path: str) -> None:
    halt = decided(shop)
    address = f"/api/jobs/{JOB}" if path == "job" else halt + path
    tag = shop.get(address).headers["etag"]
    until = next_deadline([shop.get(halt).json()["expires_at"]], shop.telling.sandbox.now())
    assert f"-{until}." in tag
    store = counting(shop)
    shop.telling.advance(hours=23)
    assert shop.get(address, If_None_Match=tag).status_code == 304
    assert set(store.calls) <= {"version", "list"}
    shop.telling.advance(hours=2)
    assert shop.get(address, If_None_Match=tag).status_code == 200
    assert "get" in store.calls


def test_a_tag_with_a_deadline_names_its_state_in_if_match(shop: Shop) -> None:
    path = decided(shop)
    tag = shop.get(path).headers["etag"]
    keep = {"decision": "stop", "reason": "not this week"}
    assert shop.post(f"{path}/decisions", keep, If_Match=tag).status_code == 201


def test_on_an_expired_decision_nothing_more_is_decided(shop: Shop) -> None:
    path = decided(shop)
    shop.telling.advance(hours=25)
    tag = shop.get(path).headers["etag"]
    assert shop.post(f"{path}/decisions", OVERWRITE, If_Match=tag).json()["type"].endswith(":already-final")


FIRST, SECOND = "2026-03-01T00:00:00.000001Z", "2026-03-02T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [([None, ""], None), ([SECOND, None, FIRST], 1772323200000001), ([FIRST, SECOND], 1772323200000001)],
)
def test_the_next_deadline_is_the_earliest_that_is_ahead(given: list[str | None], wanted: int | None) -> None:
    now = from_text("2026-03-01T00:00:00.000000Z")
    assert next_deadline(given, now) == wanted
    assert next_deadline([to_text(now)], now) is None, "it has passed"
