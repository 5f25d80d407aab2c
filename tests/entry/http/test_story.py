"""The whole story over HTTP: record, check, halt, evidence, decision, update, record."""

from __future__ import annotations

from tests.entry.http.service import Shop
from tests.scenarios.steps import set_dns
from tests.world import JOB, VNET


def test_a_change_by_hand_halts_the_run_until_a_reviewer_decides(shop: Shop) -> None:
    calm = shop.check("run-0")
    assert calm.status_code == 200 and calm.json()["clearance"]
    released = shop.post(f"/api/jobs/{JOB}/release", {"clearance": calm.json()["clearance"]}, "pipeline")
    assert released.status_code == 200 and released.json()["lease"] is None

    halt = shop.halted("run-1")
    listed = shop.get("/api/halts").json()
    assert [one["id"] for one in listed["halts"]] == [halt["id"]] and listed["next"] is None

    tag = shop.get(f"/api/halts/{halt['id']}").headers["etag"]
    body = {"decision": "overwrite", "reason": "agreed in the change board"}
    decided = shop.post(f"/api/halts/{halt['id']}/decisions", body, "dana", If_Match=tag)
    assert decided.status_code == 201, decided.text
    assert decided.json()["state"] == "overwrite-allowed"
    assert decided.json()["decision"]["by"] == "dana@contoso.com"
    assert decided.json()["decision"]["asserted"] is False

    passed = shop.check("run-1")
    assert passed.status_code == 200 and passed.json()["clearance"]
    set_dns(shop.telling, "10.20.0.10", as_="pipeline")
    recorded = shop.post(
        f"/api/jobs/{JOB}/records",
        {"run": "run-1", "clearance": passed.json()["clearance"], "resources": [VNET]},
        "pipeline",
    )
    assert recorded.status_code == 201, recorded.text
    assert recorded.json()["exit_code"] == 0
    assert shop.get(f"/api/halts/{halt['id']}").json()["state"] == "resolved"


def test_a_halt_is_a_problem_with_the_whole_answer(shop: Shop) -> None:
    set_dns(shop.telling, "10.20.0.99")
    answer = shop.check("run-1", started_by="release-bot", ticket="CHG1")
    told = answer.json()
    assert answer.status_code == 412
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["type"] == "urn:driftguard:problem:halt" and told["exit_code"] == 1
    assert told["check"]["exit_code"] == 1 and told["check"]["halt"]["id"] == told["halt"]["id"]
    assert told["halt"]["state"] == "open" and told["halt"]["digest"]
    assert "review" not in told  # a service without sessions has no pages that a person could sign in to
    assert told["table"].startswith("HALT")
    starter = told["check"]["halt"]["started_by"]
    assert starter["name"] == "release-bot" and starter["asserted"]
