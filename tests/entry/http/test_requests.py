"""What every request is held to: sign-in, role, form, size, name of the service, correlation; and how it is refused."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from driftguard import __version__, errors
from driftguard.adapters.anchors.folder import FolderAnchors
from driftguard.adapters.stores.keys import Meta
from driftguard.adapters.stores.setting_keys import SettingKeys
from driftguard.entry.http import problems
from driftguard.entry.http.layers import MOST, MOST_OF_A_RECORD, MOST_OF_MANY
from driftguard.errors import BadConfiguration, StoreUnavailable, Unavailable
from driftguard.flow.ports import Put
from tests.entry.http.service import Shop, over
from tests.entry.http.service import shop as open_shop
from tests.test_docs import all_errors
from tests.world import JOB, VNET


def problem(answer: Any) -> str:
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["status"] == answer.status_code and told["title"] and told["detail"]
    assert told["correlation_id"] == answer.headers["x-correlation-id"]
    return str(told["type"]).removeprefix("urn:driftguard:problem:")


def test_every_error_has_a_status() -> None:
    ours = {kind.problem for kind in all_errors(errors.DriftGuardError) if kind.__module__ == errors.__name__}
    assert set(problems.STATUS) == ours


def test_who_does_not_sign_in_is_told_nothing(shop: Shop) -> None:
    for path in ("/api/jobs", f"/api/jobs/{JOB}", "/api/jobs/none", "/api/halts/h-000000000000", "/api/scans/x"):
        answer = shop.get(path, None)
        assert (answer.status_code, problem(answer)) == (401, "not-signed-in")
        assert answer.headers["www-authenticate"] == "Bearer" and answer.json()["exit_code"] == 3
    for header in ("reader", "Basic reader", "Bearer", "Bearer  ", "Bearer stranger", "Bearer " + "x" * 40_000):
        assert shop("GET", "/api/jobs", None, headers={"Authorization": header}).status_code == 401, header
    twice = [("Authorization", "Bearer reader"), ("Authorization", "Bearer dana")]
    assert shop.client.request("GET", "/api/jobs", headers=twice).status_code == 401


def test_the_role_is_asked_before_anything_is_read(shop: Shop) -> None:
    """Who may not call is refused without a byte of the body being read."""
    read: list[bytes] = []
    for who, status in ((None, 401), ("reader", 403), ("other-pipeline", 403), ("dana", 403)):
        answer = shop("POST", f"/api/jobs/{JOB}/checks", who, content=_limited(read))
        assert answer.status_code == status
    assert not read


def _limited(read: list[bytes]) -> AsyncIterator[bytes]:
    async def body() -> AsyncIterator[bytes]:
        read.append(b"{")
        yield b"{"

    return body()


def test_roles_and_bindings_are_asked_of_every_call(shop: Shop) -> None:
    for who in ("nobody", "pipeline", "other-reader"):
        assert shop.get(f"/api/jobs/{JOB}", who).status_code == 403
    assert shop.get(f"/api/jobs/{JOB}", "dana").status_code == 200
    assert shop.get("/api/jobs", "other-reader").json() == {"jobs": [], "next": None}
    assert shop.get(f"/api/halts?job={JOB}", "other-reader").status_code == 403
    assert shop.get("/api/halts?job=shop-none").status_code == 404
    assert shop.get(f"/api/jobs/{JOB}", "local").status_code == 200


def test_without_an_identity_provider_nobody_is_answered(shop: Shop) -> None:
    closed = over(shop.telling, identities=None)
    try:
        for path in ("/api/jobs", f"/api/jobs/{JOB}/checks/x"):
            answer = closed.get(path, "local")
            assert (answer.status_code, problem(answer), answer.json()["exit_code"]) == (503, "bad-configuration", 3)
        assert closed.get("/healthz", None).status_code == 200
        ready = closed.get("/readyz", None)
        assert ready.status_code == 503 and "identities" in ready.json()["detail"]
        assert closed.get("/api/openapi.json", None).status_code == 200
    finally:
        closed.client.close()


def test_health_and_readiness(shop: Shop) -> None:
    assert shop.get("/healthz", None).json() == {"status": "ok", "version": __version__}
    assert shop.get("/readyz", None).json()["status"] == "ready"

    def broken() -> Any:
        raise BadConfiguration("the policy /srv/secret/policy.yaml:3 is wrong", "mend it")

    shop.telling.guard = replace(shop.telling.guard, policy=broken)
    ready = shop.get("/readyz", None)
    assert problem(ready) == "unavailable" and ready.json()["parts"]["policy"] == "not in order"
    assert ready.json()["parts"]["store"] == "in order" and "secret" not in ready.text


def test_a_service_whose_keys_are_not_at_hand_is_not_ready(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    keys = SettingKeys(cast(Meta, shop.telling.guard.store), None)
    shop.telling.guard = replace(shop.telling.guard, sealer=keys)
    with caplog.at_level(logging.ERROR, "driftguard.http"):
        ready = shop.get("/readyz", None)
    assert (ready.status_code, ready.json()["detail"]) == (503, "not in order: keys")
    assert ready.json()["parts"]["store"] == "in order" and ready.json()["parts"]["anchors"] == "not set up"
    assert "there is no key for secrets" in caplog.text and "DRIFTGUARD_SECRET_KEY" not in ready.text


def test_a_service_whose_anchors_cannot_be_read_is_not_ready_until_they_can(shop: Shop, tmp_path: Path) -> None:
    place = tmp_path / "anchors"
    shop.telling.guard = replace(shop.telling.guard, anchors=FolderAnchors(place))
    ready = shop.get("/readyz", None)
    assert (ready.status_code, ready.json()["detail"]) == (503, "not in order: anchors")
    assert str(place) not in ready.text
    place.mkdir()
    shop.telling.advance(minutes=2)
    assert shop.get("/readyz", None).status_code == 200


class Place:
    """Anchors that count how often they are asked, and answer when they may."""

    where = "a place"

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer, self.is_asked = threading.Event(), threading.Event()

    def read(self, name: str) -> bytes | None:
        self.asked += 1
        self.is_asked.set()
        assert self.may_answer.wait(10)
        return None


def test_probes_ask_the_anchors_once_a_minute(shop: Shop) -> None:
    place = Place()
    place.may_answer.set()
    shop.telling.guard = replace(shop.telling.guard, anchors=place)  # type: ignore[arg-type]  # reason: reads only
    assert [shop.get("/readyz", None).status_code for _ in range(5)] == [200] * 5 and place.asked == 1
    shop.telling.advance(minutes=2)
    assert shop.get("/readyz", None).status_code == 200 and place.asked == 2


def test_anchors_that_hang_hold_up_one_probe_only(shop: Shop) -> None:
    place = Place()
    shop.telling.guard = replace(shop.telling.guard, anchors=place)  # type: ignore[arg-type]  # reason: reads only
    answers: list[int] = []
    first = threading.Thread(target=lambda: answers.append(shop.get("/readyz", None).status_code))
    first.start()
    assert place.is_asked.wait(10)
    assert shop.get("/readyz", None).json()["parts"]["anchors"] == "not in order"
    place.may_answer.set()
    first.join(10)
    assert answers == [200] and shop.get("/readyz", None).status_code == 200 and place.asked == 1


def test_what_is_wrong_inside_is_told_to_the_local_user_only(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Any:
        raise StoreUnavailable("the store /srv/inside/store.db is locked", "wait")

    shop.telling.guard = replace(shop.telling.guard, policy=broken)
    with caplog.at_level(logging.ERROR, "driftguard.http"):
        told = shop.get(f"/api/jobs/{JOB}", "reader")
    assert (told.status_code, problem(told)) == (503, "store-unavailable")
    assert "inside" not in told.text
    assert "/srv/inside/store.db" in caplog.text and told.json()["correlation_id"] in caplog.text
    assert "inside" in shop.get(f"/api/jobs/{JOB}", "local").json()["detail"]


def test_an_unforeseen_fault_is_a_problem_without_its_text(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Any:
        raise ZeroDivisionError("a secret stands here")

    shop.telling.guard = replace(shop.telling.guard, policy=broken)
    for method, path in (("GET", f"/api/jobs/{JOB}"), ("POST", f"/api/jobs/{JOB}/checks"), ("GET", "/readyz")):
        answer = shop(method, path, "pipeline" if method == "POST" else "reader", json={"run": "1"})
        assert (answer.status_code, problem(answer), answer.json()["exit_code"]) == (500, "internal-fault", 2)
        assert "secret" not in answer.text and answer.headers["x-content-type-options"] == "nosniff"
    assert "ZeroDivisionError at tests" in caplog.text and "secret" not in caplog.text


def test_a_fault_in_a_check_s_own_thread_is_a_problem_too(shop: Shop) -> None:
    class Reader:
        def read(self, *_: object, **__: object) -> Any:
            raise ZeroDivisionError("a secret stands here")

    shop.telling.guard = replace(shop.telling.guard, reader=Reader())  # type: ignore[arg-type]  # reason: fails at once
    answer = shop.check()
    assert (answer.status_code, problem(answer)) == (500, "internal-fault")
    assert "secret" not in answer.text


def test_every_answer_carries_a_correlation_id_and_its_headers(shop: Shop) -> None:
    assert shop.get("/api/jobs", X_Correlation_Id="run-4711.a_B").headers["x-correlation-id"] == "run-4711.a_B"
    for given in ("", "a b", "x" * 129, "a\tb", "<script>"):
        made = shop.get("/api/jobs", X_Correlation_Id=given).headers["x-correlation-id"]
        assert made != given and len(made) == 32
    for path in ("/api/jobs", "/api/none", "/healthz", "/api/openapi.json"):
        headers = shop.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == ("private, no-cache" if path == "/api/jobs" else "no-store")


def test_an_address_or_method_that_is_not_there(shop: Shop) -> None:
    for path in ("/api/none", "/api/jobs/", "/api/jobs/a/b/c", "/docs", "/redoc", "/openapi.json"):
        answer = shop.get(path)
        assert (answer.status_code, problem(answer), answer.json()["exit_code"]) == (404, "not-found", 3), path
    answer = shop("DELETE", f"/api/jobs/{JOB}")
    assert (answer.status_code, problem(answer), answer.headers["allow"]) == (405, "method-not-allowed", "GET")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_may_add_to_the_query(shop: Shop, path: str) -> None:
    assert shop.get(f"{path}?x=1&x=2", None).status_code == 200


def test_a_client_that_goes_in_the_middle_of_its_body_is_no_fault(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    async def call() -> list[Any]:
        headers = [(b"authorization", b"Bearer pipeline"), (b"content-type", b"application/json")]
        path = f"/api/jobs/{JOB}/checks"
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
        messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
        sent: list[Any] = []

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message)

        await shop.app({**scope, "headers": headers, "http_version": "1.1", "scheme": "http"}, receive, send)
        return sent

    with caplog.at_level("INFO"):
        sent = asyncio.run(call())
    assert sent == []
    assert "went before its request was whole" in caplog.text
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_row_of_a_form_that_was_never_written_is_told_as_the_store_s_fault(shop: Shop) -> None:
    store = shop.telling.guard.store
    row = store.get(JOB, "job", "job")
    assert row
    written = store.commit(JOB, [Put("job", "job", {"x": 1}, row.version)])
    told = shop.get(f"/api/jobs/{JOB}", "local")
    assert (told.status_code, told.json()["type"]) == (503, "urn:driftguard:problem:store-unavailable")
    store.commit(JOB, [Put("job", "job", {"schema": 99}, written["job", "job"])])
    told = shop.get(f"/api/jobs/{JOB}", "local")
    assert (told.status_code, told.json()["type"]) == (503, "urn:driftguard:problem:bad-configuration")
    assert "newer version" in told.json()["title"]


def test_head_is_get_without_the_body(shop: Shop) -> None:
    got, head = shop.get(f"/api/jobs/{JOB}"), shop("HEAD", f"/api/jobs/{JOB}")
    assert head.status_code == 200 and not head.content
    for name in ("etag", "content-type", "content-length", "cache-control"):
        assert head.headers[name] == got.headers[name]
    assert shop("HEAD", f"/api/jobs/{JOB}", None).status_code == 401


@pytest.mark.parametrize("query", ["?statee=open", "?state=open&state=kept", "?code=key", "?All=true"])
def test_a_filter_that_is_not_known_or_given_twice_never_widens_a_list(shop: Shop, query: str) -> None:
    answer = shop.get(f"/api/halts{query}")
    assert (answer.status_code, problem(answer)) == (400, "invalid-input")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b'{"run": "1", "run": "2"}', 400),
        (b'{"run": NaN}', 400),
        (b'{"run": 1e999}', 400),
        (b'{"run": ' + b"[" * 30_000, 400),
        (b"\xff\xfe", 400),
        (b'{"run": 4711}', 422),
        (b'{"run": ""}', 400),
        (b'{"run": "1", "gate": "true"}', 422),
        (b'{"run": "1", "clearance": "c-1"}', 422),
        (b'{"run": "1", "\\ud800": 1}', 422),
        (b'{"run": "\\ud800"}', 422),
        (b'{"run": "1", "resources": ["nonsense"]}', 400),
        (b'{"run": "1", "contains": {"a": "yes"}}', 422),
        (json.dumps({"run": "1", "contains": {str(n): True for n in range(21)}}).encode(), 422),
        (b'{}', 422),
    ],
)  # fmt: skip
def test_a_body_is_strict_json_of_its_form(shop: Shop, body: bytes, status: int) -> None:
    answer = shop(
        "POST", f"/api/jobs/{JOB}/checks", "pipeline", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status, answer.text
    assert problem(answer) in ("invalid-input", "wrong-use")
    assert "nonsense" not in answer.text or status == 400


def test_a_refused_body_is_not_echoed(shop: Shop) -> None:
    answer = shop.post(f"/api/jobs/{JOB}/checks", {"run": {"password": "hunter2"}, "x" * 300: 1}, "pipeline")
    assert answer.status_code == 422 and "hunter2" not in answer.text
    assert answer.json()["errors"][0]["where"] == "body.run"


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/problem+json", ";"]
)
def test_a_body_says_that_it_is_json(shop: Shop, kind: str) -> None:
    answer = shop(
        "POST", f"/api/jobs/{JOB}/checks", "pipeline", content=b'{"run": "1"}', headers={"Content-Type": kind}
    )
    assert (answer.status_code, problem(answer)) == (415, "unsupported-media-type")


def test_a_body_is_not_larger_than_it_may_be(shop: Shop) -> None:
    def padded(size: int) -> bytes:
        return b'{"run": "1"' + b" " * (size - 12) + b"}"

    def send(path: str, content: Any, as_: str = "pipeline") -> Any:
        headers = {"Content-Type": "application/json"}
        return shop("POST", f"/api/jobs/{JOB}/{path}", as_, content=content, headers=headers)

    async def streamed(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 8192 + 1):
            yield b" " * 8192

    assert send("checks", padded(MOST_OF_MANY)).status_code == 200
    for path, most in (("checks", MOST_OF_MANY), ("retire", MOST_OF_MANY), ("move", MOST_OF_MANY), ("release", MOST)):
        answer = send(path, padded(most + 1), "local")
        assert (answer.status_code, problem(answer)) == (413, "too-large"), path
    for content in (padded(MOST_OF_MANY + 1), streamed(MOST_OF_MANY)):
        answer = send("checks", content)
        assert (answer.status_code, problem(answer), answer.json()["exit_code"]) == (413, "too-large", 3)
    assert send("records", padded(MOST * 4)).status_code != 413
    told = shop("POST", f"/api/jobs/{JOB}/records", "pipeline", headers={"Content-Length": str(MOST_OF_A_RECORD + 1)})
    assert told.status_code == 413
    assert shop("POST", f"/api/jobs/{JOB}/records", "pipeline", headers={"Content-Length": "-1"}).status_code == 400


def test_a_service_with_names_answers_to_them_only(tmp_path: Path) -> None:
    with open_shop(tmp_path, hosts=("127.0.0.1", "localhost", "[::1]")) as shop:
        for host in ("127.0.0.1", "127.0.0.1:8765", "LocalHost:1", "[::1]:8765", "[::1]"):
            assert shop.get("/api/jobs", Host=host).status_code == 200, host
        for host in ("evil.example", "127.0.0.1.evil.example", "evil.example:127", "", "[::2]", "127.0.0.1:x", "::1"):
            answer = shop.get("/api/jobs", Host=host)
            assert (answer.status_code, problem(answer)) == (400, "wrong-use"), host
            assert shop.get("/healthz", None, Host=host).status_code == 400


def test_what_the_identity_provider_cannot_tell_lets_nobody_in(shop: Shop) -> None:
    class Down:
        name = "down"

        def caller(self, credential: str) -> Any:
            raise Unavailable("the keys of the identity provider cannot be had", "try again")

    down = over(shop.telling, identities=Down())
    try:
        answer = down.get("/api/jobs")
        assert (answer.status_code, problem(answer), answer.headers["retry-after"]) == (503, "unavailable", "10")
    finally:
        down.client.close()


def test_a_name_that_no_job_or_halt_can_have(shop: Shop) -> None:
    for path, status in (
        ("/api/jobs/~index", 400),
        ("/api/jobs/a%00b", 400),
        ("/api/jobs/" + "x" * 101, 400),
        ("/api/halts/h-", 404),
        ("/api/halts/x", 404),
        ("/api/halts/h-%00%01%02", 400),
        ("/api/halts/h-" + "0" * 600, 400),
        ("/api/halts/h-000000000000", 404),
    ):
        assert shop.get(path, "local").status_code == status, path
    assert shop.get(f"/api/jobs/{JOB}/explain?resource={VNET}").status_code == 200
    assert shop.get(f"/api/jobs/{JOB}/explain?resource=x").status_code == 404
