"""ETags and conditions: what a tag names, 304 without loading anything, If-Match on every change, Accept."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driftguard import __version__
from driftguard.entry.http.accept import chosen
from driftguard.entry.http.problems import HTTP_ONLY
from tests.entry.http.service import POLICY, Shop, over
from tests.scenarios.steps import story
from tests.world import JOB, VNET

DECISION = {"decision": "stop", "reason": "not this week"}


class Counting:
    """A store that counts what is asked of it."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._store, name)


def counting(shop: Shop) -> Counting:
    store = Counting(shop.telling.guard.store)
    shop.telling.guard = replace(shop.telling.guard, store=store)
    return store


def test_a_tag_names_state_representation_and_product(shop: Shop) -> None:
    halt = shop.halted()
    path = f"/api/halts/{halt['id']}"
    version = halt["version"]
    tags = {
        shop.get(path).headers["etag"]: f'"{version}.json.{__version__}"',
        shop.get(f"{path}?evidence=1").headers["etag"]: f'"e1-{version}.json.{__version__}"',
        **{
            shop.get(f"{path}/evidence{more}.{form}").headers["etag"]: f'"{begin}.evidence-{form}.{__version__}"'
            for more, begin in (("", version), ("/1", f"e1-{version}"))
            for form in ("json", "md", "html")
        },
    }
    assert len(tags) == 8
    assert all(sent == wanted for sent, wanted in tags.items())


@pytest.mark.parametrize("what", ["", "?evidence=1", "/evidence", "/evidence/1", "/evidence.html", "/evidence/1.md"])
def test_what_is_unchanged_is_answered_without_loading_it(shop: Shop, what: str) -> None:
    path = f"/api/halts/{shop.halted()['id']}{what}"
    full = shop.get(path)
    store = counting(shop)
    answer = shop.get(path, If_None_Match=full.headers["etag"])
    assert answer.status_code == 304 and not answer.content
    assert answer.headers["etag"] == full.headers["etag"]
    assert answer.headers["cache-control"] == full.headers["cache-control"]
    assert answer.headers.get("vary") == full.headers.get("vary")
    assert set(store.calls) <= {"version", "list"}, "neither the row, nor evidence, nor findings"


def test_a_job_and_a_page_are_answered_with_304(shop: Shop) -> None:
    for path in (f"/api/jobs/{JOB}", "/api/jobs", "/api/halts", "/api/deliveries?all=true", "/api/proposals"):
        tag = shop.get(path).headers["etag"]
        assert shop.get(path, If_None_Match=f'"x", W/{tag}').status_code == 304
        assert shop.get(path, If_None_Match='"other"').status_code == 200
        assert shop.get(path, If_None_Match="not a tag").status_code == 200
    before = shop.get("/api/jobs").headers["etag"]
    shop.halted()
    assert shop.get("/api/jobs", If_None_Match=before).status_code == 200


def test_who_may_not_read_is_refused_before_any_304(shop: Shop) -> None:
    path = f"/api/halts/{shop.halted()['id']}"
    tag = shop.get(path).headers["etag"]
    assert shop.get(path, "other-reader", If_None_Match=tag).status_code == 403
    assert shop.get(path, None, If_None_Match=tag).status_code == 401


@pytest.mark.parametrize(
    ("given", "status", "problem"),
    [
        (None, 428, "precondition-missing"),
        ("", 428, "precondition-missing"),
        ("*", 428, "precondition-missing"),
        ('W/"{v}.json.{p}"', 412, "stale"),
        ('"0.json.{p}"', 412, "stale"),
        ('"{v}0.json.{p}"', 412, "stale"),
        ('""', 412, "stale"),
        ("{v}", 400, "invalid-input"),
        ('"{v}.json.{p}" "1"', 400, "invalid-input"),
        ('"{v}"', 201, ""),
        ('"{v}.json.{p}"', 201, ""),
        ('"{v}.evidence-html.{p}"', 201, ""),
        ('"e1-{v}.json.{p}"', 412, "stale"),
        ('"e1-{v}.evidence-json.{p}"', 412, "stale"),
        ('"0", "{v}.json.{p}" , W/"1"', 201, ""),
    ],
)
def test_a_change_passes_only_over_the_state_that_was_seen(
    shop: Shop, given: str | None, status: int, problem: str
) -> None:
    halt = shop.halted()
    headers = {} if given is None else {"If_Match": given.format(v=halt["version"], p=__version__)}
    answer = shop.post(f"/api/halts/{halt['id']}/decisions", DECISION, **headers)
    assert answer.status_code == status, answer.text
    if problem:
        assert answer.json()["type"].endswith(f":{problem}")
        assert answer.json()["exit_code"] == HTTP_ONLY.get(problem, (0, 3))[1]
        assert shop.get(f"/api/halts/{halt['id']}").json()["version"] == halt["version"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("release", {"reason": "the run was cancelled"}),
        ("retire", {"reason": "gone for good"}),
        ("move", {"reason": "theirs", "to": "shop-other", "resources": ["/subscriptions/x"]}),
        ("proposals/p-1/accept", {"reason": "as agreed"}),
    ],
)
def test_every_change_of_a_job_names_its_state(shop: Shop, path: str, body: dict[str, Any]) -> None:
    refused = shop.post(f"/api/jobs/{JOB}/{path}", body)
    assert (refused.status_code, refused.json()["type"]) == (428, "urn:driftguard:problem:precondition-missing")
    assert shop.post(f"/api/jobs/{JOB}/{path}", body, If_Match='"1"').status_code == 412
    assert shop.post("/api/jobs/shop-none/release", {"reason": "x"}, If_Match='"1"').status_code == 404


def test_a_tag_of_an_earlier_evidence_is_no_tag_of_the_state_that_has_a_newer_one(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=600) as telling:
        telling.with_policy(POLICY)
        policy = telling.guard.policy()
        telling.guard = replace(telling.guard, policy=lambda: policy)
        telling.first_record(VNET)
        telling.advance(minutes=20)
        shop = over(telling)
        try:
            halt = shop.halted()
            path = f"/api/halts/{halt['id']}"
            telling.advance(minutes=30)
            shop.check("run-2")
            assert shop.get(path).json()["evidence"]["version"] == 2
            for earlier in ("?evidence=1", "/evidence/1", "/evidence/1.html", "/evidence/2.json"):
                seen = shop.get(path + earlier).headers["etag"]
                refused = shop.post(f"{path}/decisions", DECISION, If_Match=seen)
                assert (refused.status_code, refused.json()["type"]) == (412, "urn:driftguard:problem:stale"), earlier
            now = shop.get(f"{path}/evidence.md").headers["etag"]
            assert shop.post(f"{path}/decisions", DECISION, If_Match=now).status_code == 201
        finally:
            shop.client.close()


def test_of_two_reviewers_at_once_one_decides_and_the_other_is_told_to_look_again(shop: Shop) -> None:
    halt = shop.halted()
    both = threading.Barrier(2)
    answers: dict[str, int] = {}

    def decide(who: str, decision: str) -> None:
        both.wait()
        body = {"decision": decision, "reason": "at the same moment"}
        answer = shop.post(f"/api/halts/{halt['id']}/decisions", body, who, If_Match=f'"{halt["version"]}"')
        answers[who] = answer.status_code

    threads = [threading.Thread(target=decide, args=one) for one in (("dana", "overwrite"), ("erin", "keep"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers.values()) == [201, 412]
    winner = next(who for who, status in answers.items() if status == 201)
    told = shop.get(f"/api/halts/{halt['id']}").json()
    assert told["decision"]["by"] == f"{winner}@contoso.com"


def test_evidence_has_a_form_for_everybody(shop: Shop) -> None:
    path = f"/api/halts/{shop.halted()['id']}/evidence"
    as_json = shop.get(f"{path}/1.json")
    assert json.loads(as_json.content)["version"] == 1
    assert as_json.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert "vary" not in as_json.headers
    negotiated = shop.get(path, Accept="text/html;q=0.5, text/markdown")
    assert negotiated.headers["content-type"] == "text/markdown; charset=utf-8"
    assert negotiated.headers["vary"] == "Accept"
    assert negotiated.text.startswith("# Halt `h-")
    html = shop.get(f"{path}.html", Accept="application/json")
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assert "style-src" in html.headers["content-security-policy"]
    assert shop.get(f"{path}.json").content == shop.get(path, Accept="application/json").content == as_json.content
    refused = shop.get(path, Accept="image/png, text/*;q=0, application/json;q=0")
    assert (refused.status_code, refused.json()["type"]) == (406, "urn:driftguard:problem:not-acceptable")
    assert refused.headers["vary"] == "Accept"
    for missing in (f"{path}/9", f"{path}/9.md", f"{path.removesuffix('/evidence')}?evidence=9"):
        for told in (shop.get(missing), shop.get(missing, If_None_Match="*")):
            assert (told.status_code, told.json()["type"]) == (404, "urn:driftguard:problem:not-found")
    assert shop.get(f"{path}.pdf").status_code == 422


OFFERED = ["application/json", "text/markdown", "text/html"]


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "text/html"),
        ("text/*", "text/markdown"),
        ("text/*;q=0.3, text/html", "text/html"),
        ("text/html;q=0.3, */*;q=0.9", "application/json"),
        ("application/json;q=0, */*", "text/markdown"),
        ("text/html; charset=utf-8; Q=1.000, application/json;q=0.999", "text/html"),
        ("TEXT/HTML", "text/html"),
        ("image/png", None),
        ("*/*;q=0", None),
        ("text/html;q=2", "application/json"),
        ("nonsense", "application/json"),
        (" ,, ", "application/json"),
    ],
)
def test_accept_is_read_as_the_standard_says(accept: str, wanted: str | None) -> None:
    assert chosen(accept, OFFERED) == wanted
