"""Lists over HTTP: pages, cursors and filters; only what the caller is bound to; nothing twice and nothing left out."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from driftguard.guard.record import Naming
from tests.entry.http.service import Shop
from tests.scenarios.steps import NAT, set_dns
from tests.world import JOB, VNET


def walked(shop: Shop, path: str, name: str, as_: str = "reader", between: Any = None) -> list[dict[str, Any]]:
    """Every item, page by page; `between` is called after the first page."""
    items: list[dict[str, Any]] = []
    following: str | None = path
    while following:
        answer = shop.get(following, as_)
        assert answer.status_code == 200, answer.text
        items += answer.json()[name]
        following = answer.json()["next"]
        if between and following:
            between, _ = None, between()
    return items


def jobs_of_the_team(shop: Shop, *names: str) -> None:
    for name in names:
        shop.telling.record(None, naming=Naming(resources=(NAT,)), job=name)


def test_jobs_come_in_order_page_by_page_while_jobs_are_added(shop: Shop) -> None:
    jobs_of_the_team(shop, "shop-b", "shop-d", "shop-f", "other-a", "other-z")
    whole = [one["job"] for one in walked(shop, "/api/jobs", "jobs")]
    assert whole == ["shop-b", "shop-d", "shop-f", JOB]
    assert [one["job"] for one in walked(shop, "/api/jobs?limit=1", "jobs")] == whole
    add = lambda: jobs_of_the_team(shop, "shop-a", "shop-e")  # noqa: E731 - one line says it
    assert [one["job"] for one in walked(shop, "/api/jobs?limit=2", "jobs", between=add)] == [
        "shop-b", "shop-d", "shop-e", "shop-f", JOB,
    ]  # fmt: skip
    assert [one["job"] for one in walked(shop, "/api/jobs?limit=1", "jobs", "other-reader")] == ["other-a", "other-z"]
    assert len(walked(shop, "/api/jobs?limit=3", "jobs", "local")) == 8


def test_halts_are_paged_and_filtered(shop: Shop) -> None:
    for number in range(4):
        set_dns(shop.telling, f"10.20.0.{number + 90}")
        assert shop.check(f"run-{number}").status_code == 412
    found = walked(shop, "/api/halts?all=true&limit=1", "halts")
    assert len(found) == len({one["id"] for one in found}) == 4
    assert [one["opened_at"] for one in found] == sorted(one["opened_at"] for one in found)
    open_now = walked(shop, "/api/halts", "halts")
    assert [one["id"] for one in open_now] == [found[-1]["id"]]
    assert walked(shop, "/api/halts?state=open", "halts") == open_now
    assert walked(shop, "/api/halts?state=stopped", "halts") == []
    finals = walked(shop, "/api/halts?state=superseded", "halts") + walked(shop, "/api/halts?state=resolved", "halts")
    assert {one["id"] for one in finals} == {one["id"] for one in found[:-1]}
    assert walked(shop, f"/api/halts?all=true&run={found[0]['run']}", "halts") == [
        one for one in found if one["run"] == found[0]["run"]
    ]
    assert walked(shop, "/api/halts?ticket=CHG-none&all=true", "halts") == []
    actor = open_now[0]["actor"]
    assert walked(shop, f"/api/halts?actor={actor.upper()}", "halts") == open_now
    assert walked(shop, f"/api/halts?job={JOB}", "halts") == open_now
    assert walked(shop, "/api/halts?all=true", "halts", "other-reader") == []
    following = shop.get("/api/halts?all=true&limit=1&job=" + JOB).json()["next"]
    assert "all=true" in following and "limit=1" in following and f"job={JOB}" in following


def test_notes_and_proposals_are_paged(shop: Shop) -> None:
    jobs_of_the_team(shop, "shop-a", "shop-b")
    for job in ("shop-a", "shop-b"):
        for _ in range(2):
            shop.telling.record(None, naming=Naming(resources=(NAT, VNET)), job=job)
    proposals = walked(shop, "/api/proposals", "proposals")
    assert len(proposals) == 4
    assert walked(shop, "/api/proposals?limit=1", "proposals") == proposals
    assert walked(shop, "/api/jobs/shop-b/proposals?limit=1", "proposals") == proposals[2:]
    assert shop.get("/api/jobs/shop-none/proposals").status_code == 404
    shop.halted()
    notes = walked(shop, "/api/deliveries?all=true", "deliveries")
    assert len(notes) == 2 and {note["state"] for note in notes} == {"delivered"}
    assert walked(shop, "/api/deliveries?all=true&limit=1", "deliveries") == notes
    assert walked(shop, f"/api/deliveries?all=true&job={JOB}", "deliveries") == notes
    assert walked(shop, "/api/deliveries", "deliveries") == []
    assert walked(shop, "/api/deliveries?all=true", "deliveries", "other-reader") == []


def cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "after",
    [
        "", "x", "%00", "é", "=" * 9, "A" * 3000, cursor(["jobs", "a"]), cursor(["halts"]), cursor(["halts", 1, 2]),
        cursor({"halts": 1}), cursor("halts"), cursor(["halts", "a", "b", "c"]), cursor(["deliveries", "a", "b"]),
        base64.urlsafe_b64encode(b"[" * 1500).decode(),
    ],
)  # fmt: skip
def test_what_is_no_cursor_of_the_list_is_refused(shop: Shop, after: str) -> None:
    answer = shop("GET", "/api/halts", params={"after": after})
    assert answer.status_code == 400, answer.text
    assert answer.json()["type"] == "urn:driftguard:problem:invalid-input"


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1e2", ""])
def test_a_page_has_at_most_200(shop: Shop, limit: str) -> None:
    assert shop.get(f"/api/jobs?limit={limit}").status_code == 422
    assert shop.get("/api/jobs?limit=200").status_code == 200
