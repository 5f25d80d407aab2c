"""The calls one by one: what they answer and refuse, with the exit code that the command line gives for it."""

from __future__ import annotations

from typing import Any

import pytest

from driftguard.guard.record import Naming
from tests.entry.http.service import Shop
from tests.scenarios.steps import NAT, set_dns
from tests.world import JOB, VNET


def told(answer: Any) -> tuple[int, str, int]:
    document = answer.json()
    return answer.status_code, document["type"].removeprefix("urn:driftguard:problem:"), document["exit_code"]


def decide(shop: Shop, halt: str, decision: str, who: str = "dana", **more: Any) -> Any:
    tag = shop.get(f"/api/halts/{halt}", "local").headers["etag"]
    body = {"decision": decision, "reason": "agreed in the change board", **more}
    return shop.post(f"/api/halts/{halt}/decisions", body, who, If_Match=tag)


def test_a_check_says_why_it_cannot_clear(shop: Shop) -> None:
    assert told(shop.check(job="shop-none")) == (428, "nothing-recorded", 2)
    assert shop.check("run-1").status_code == 200
    busy = shop.check("run-2")
    assert told(busy) == (409, "busy", 4) and busy.headers["retry-after"] == "30"
    assert "run-1" in busy.json()["detail"]


def test_a_check_that_could_not_tell_is_503_with_the_whole_answer(shop: Shop) -> None:
    shop.telling.sandbox.fault(VNET, "403", method="GET")
    answer = shop.check("run-1")
    assert told(answer) == (503, "could-not-tell", 2)
    assert answer.json()["check"]["verdict"] == "cannot tell"
    assert answer.json()["check"]["clearance"] is None


def test_observe_mode_answers_200_and_says_what_would_have_been(shop: Shop) -> None:
    text = (shop.telling.folder / "policy.yaml").read_text().replace('"shop-*"\n', '"shop-*"\n    mode: observe\n')
    shop.telling.with_policy(text)
    set_dns(shop.telling, "10.20.0.99")
    answer = shop.check("run-1")
    assert answer.status_code == 200
    assert answer.json()["observed"] is True and answer.json()["verdict"] == "halt"


def test_a_kept_change_passes_a_run_whose_code_contains_it(shop: Shop) -> None:
    halt = shop.halted()["id"]
    assert decide(shop, halt, "keep", in_code="0ddba11").status_code == 201
    tag = shop.get(f"/api/halts/{halt}").headers["etag"]
    confirmed = shop.post(f"/api/halts/{halt}/confirmations", {"in_code": "0ddba11"}, "erin", If_Match=tag)
    assert (confirmed.status_code, confirmed.json()["state"]) == (201, "kept-confirmed")
    assert confirmed.json()["confirmation"]["by"] == "erin@contoso.com"
    assert told(shop.check("run-1")) == (412, "halt", 1), "nobody said whether the run's code contains it"
    assert told(shop.check("run-1", contains={"0ddba11": False})) == (412, "halt", 1)
    assert shop.check("run-1", contains={"0ddba11": True}).status_code == 200


def test_four_eyes_are_those_of_the_token(shop: Shop) -> None:
    halt = shop.halted()["id"]
    assert told(decide(shop, halt, "overwrite", "rob")) == (403, "not-allowed", 3), "rob made the change"
    assert decide(shop, halt, "overwrite", "dana", **{"as": "somebody"}).status_code == 400
    assert told(decide(shop, halt, "overwrite", "reader")) == (403, "not-allowed", 3)
    assert told(decide(shop, halt, "overwrite", "pipeline")) == (403, "not-allowed", 3)
    assert told(decide(shop, halt, "overwrite", "other-reviewer")) == (403, "not-allowed", 3)
    local = decide(shop, halt, "overwrite", "local", **{"as": "erin@contoso.com"})
    assert local.json()["decision"]["by"] == "erin@contoso.com" and local.json()["decision"]["asserted"] is True


def test_a_decision_is_refused_where_it_does_not_fit(shop: Shop) -> None:
    halt = shop.halted()["id"]
    assert decide(shop, halt, "waive").status_code == 403
    assert decide(shop, halt, "burn").status_code == 422
    assert told(decide(shop, halt, "stop", reason=" ")) == (400, "wrong-use", 3)
    assert told(decide(shop, halt, "stop", evidence=7)) == (412, "stale", 3)
    assert told(decide(shop, halt, "keep", resources=["nonsense"])) == (400, "wrong-use", 3)
    assert decide(shop, halt, "stop", evidence=1).json()["final"] is True
    assert told(decide(shop, halt, "stop")) == (409, "already-final", 3)


def test_a_record_is_refused_without_what_it_needs(shop: Shop) -> None:
    path = f"/api/jobs/{JOB}/records"
    assert told(shop.post(path, {"run": "r", "clearance": "c-0"}, "pipeline")) == (409, "no-clearance", 3)
    assert shop.post(path, {"resources": ["nonsense"]}, "pipeline").status_code == 400
    assert shop.post("/api/jobs/shop-new/records", {}, "pipeline").status_code == 400
    first = shop.post("/api/jobs/shop-new/records", {"resources": [NAT]}, "pipeline")
    assert first.status_code == 201 and first.json()["generation"] == 1
    assert shop.post("/api/jobs/other-prod/records", {"resources": [NAT]}, "pipeline").status_code == 403
    shop.halted()
    assert told(shop.post(path, {"run": "run-1", "resources": [VNET]}, "pipeline")) == (409, "halt-open", 1)


def test_a_lease_is_released_by_its_run_or_by_a_reviewer(shop: Shop) -> None:
    path = f"/api/jobs/{JOB}/release"
    clearance = shop.check("run-1").json()["clearance"]
    assert shop.post(path, {"clearance": clearance}, "dana").status_code == 403
    assert shop.post(path, {"reason": "mine"}, "pipeline").status_code == 403
    assert told(shop.post(path, {"clearance": "c-0"}, "pipeline")) == (412, "stale", 3)
    assert shop.post(path, {"clearance": clearance}, "other-pipeline").status_code == 403
    assert told(shop.post(path, {"reason": "cancelled"}, "dana")) == (428, "precondition-missing", 3)
    assert shop.post(path, {"clearance": clearance}, "pipeline", If_Match='"0"').status_code == 412
    released = shop.post(path, {"reason": "cancelled"}, "dana", If_Match=shop.job_tag())
    assert released.status_code == 200 and released.json()["lease"] is None
    assert told(shop.post(path, {"reason": "again"}, "dana", If_Match=shop.job_tag())) == (409, "already-final", 3)


def test_resources_move_between_jobs_of_one_reviewer(shop: Shop) -> None:
    shop.telling.record(None, naming=Naming(resources=(NAT, VNET)), job="shop-net")
    body = {"to": "shop-nat", "resources": [NAT], "reason": "theirs now"}
    tag = shop.job_tag("shop-net")
    assert shop.post("/api/jobs/shop-net/move", {**body, "to": "other-prod"}, If_Match=tag).status_code == 403
    assert shop.post("/api/jobs/shop-net/move", {**body, "to": "~index"}, If_Match=tag).status_code == 400
    moved = shop.post("/api/jobs/shop-net/move", body, If_Match=tag)
    assert moved.status_code == 200 and moved.json()["job"] == "shop-nat"
    assert [one["resource"] for one in moved.json()["baseline"]["resources"]] == [NAT]
    retired = shop.post("/api/jobs/shop-net/retire", {"reason": "gone"}, If_Match=shop.job_tag("shop-net"))
    assert retired.json()["retired_at"]


def test_a_proposal_is_accepted_by_a_reviewer(shop: Shop) -> None:
    proposed = shop.post(f"/api/jobs/{JOB}/records", {"resources": [VNET, NAT], "started_by": "erin"}, "pipeline")
    proposal = proposed.json()["proposal"]
    listed = shop.get("/api/proposals").json()
    assert [one["id"] for one in listed["proposals"]] == [proposal]
    assert shop.get(f"/api/jobs/{JOB}/proposals").json()["proposals"] == listed["proposals"]
    assert shop.get("/api/proposals", "other-reader").json()["proposals"] == []
    path = f"/api/jobs/{JOB}/proposals/{proposal}/accept"
    accepted = shop.post(path, {"reason": "as agreed"}, If_Match=shop.job_tag())
    assert accepted.status_code == 200 and accepted.json()["generation"] == 2
    assert told(shop.post(path, {"reason": "again"}, If_Match=shop.job_tag())) == (409, "already-final", 3)
    other = path.replace(str(proposal), "p-none")
    assert told(shop.post(other, {"reason": "x"}, If_Match=shop.job_tag())) == (404, "not-found", 3)


def test_a_path_is_explained(shop: Shop) -> None:
    answer = shop("GET", f"/api/jobs/{JOB}/explain", params={"resource": VNET, "path": "properties.dhcpOptions"})
    assert answer.status_code == 200 and answer.json()["paths"][0]["path"] == "properties.dhcpOptions"
    assert shop("GET", f"/api/jobs/{JOB}/explain").status_code == 422
    assert shop("GET", f"/api/jobs/{JOB}/explain", params={"resource": VNET, "path": "a[["}).status_code == 400


@pytest.mark.parametrize("who", ["reader", "local"])
def test_an_id_of_a_halt_may_be_shortened_while_it_is_unique(shop: Shop, who: str) -> None:
    halt = shop.halted()
    short = halt["id"][:8]
    assert shop.get(f"/api/halts/{short}", who).json() == halt
    for guess in (short, "h-00000000"):
        told = shop.get(f"/api/halts/{guess}", "other-reader")
        assert told.status_code == 404, "nobody learns by guesses which halts others have"
    tag = shop.get(f"/api/halts/{short}").headers["etag"]
    assert shop.get(f"/api/halts/{short}", who, If_None_Match=tag).status_code == 304
