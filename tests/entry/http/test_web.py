"""The pages: who may see them, what they say, and that nobody changes anything by them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from fastapi import FastAPI
from starlette.responses import JSONResponse

from driftguard.entry.api import create_app
from driftguard.entry.http.service import Service
from driftguard.entry.http.sessions import Sessions
from driftguard.entry.web import COOKIE, add_pages
from driftguard.errors import NotSignedIn, StoreUnavailable
from driftguard.flow.access import Caller, Role
from driftguard.flow.halt import Decision
from driftguard.flow.review import Person
from driftguard.guard.context import Guard
from driftguard.guard.rows import HaltRow
from driftguard.render.html import EVIDENCE_CSP
from tests.entry.http.browser import Browser
from tests.render.test_html import Page
from tests.scenarios.steps import ROBS_DNS, decided, halted, set_dns, story
from tests.world import JOB, World

READERS = "11111111-0000-4000-8000-000000000001"
OTHERS = "11111111-0000-4000-8000-000000000002"
POLICY = f"version: 1\njobs:\n  - match: {JOB}\n    readers: [{READERS}]\n  - match: other\n    readers: [{OTHERS}]\n"
OWNER = Caller(Person("dana", asserted=True), is_person=True, everything=True)
BASE = "http://127.0.0.1:8765"


def person(*roles: Role, groups: str = READERS) -> Caller:
    return Caller(Person("ada", object_id="o-1"), is_person=True, roles=frozenset(roles), groups=frozenset({groups}))


class Table:
    """An identity provider that knows these tokens."""

    name = "table"
    callers: ClassVar = {
        "reader": person(Role.READER),
        "reviewer": person(Role.REVIEWER),
        "other": person(Role.READER, groups=OTHERS),
        "nobody": person(),
        "pipeline": Caller(Person("p", app_id=READERS), is_person=False, roles=frozenset({Role.PIPELINE})),
        "owner": OWNER,
    }

    def caller(self, credential: str) -> Caller:
        if credential not in self.callers:
            raise NotSignedIn("the token proves nobody", "sign in again")
        return self.callers[credential]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with story(tmp_path_factory.mktemp("web")) as telling:
        telling.with_policy(POLICY)
        telling.first_record()
        set_dns(telling, ROBS_DNS)
        yield telling


@pytest.fixture(scope="module")
def halt(shop: World) -> HaltRow:
    return halted(shop.check("run-1", ticket="CHG0030001"))


def sessions() -> Sessions:
    numbers = itertools.count(1)
    return Sessions(OWNER, lambda: 0.0, lambda: f"token-{next(numbers)}")


def browser(service: Service, base: str = BASE) -> Browser:
    """A browser that follows nothing by itself, on an application with the pages and one call that changes something."""
    app = FastAPI(openapi_url=None)
    add_pages(app, service)
    return Browser(app, base)


@pytest.fixture
def azure(shop: World, halt: HaltRow) -> Browser:
    """The service with an identity provider, as on Azure."""
    return browser(Service(guard=lambda: shop.guard, identities=Table()))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_start_leads_to_the_open_halts(azure: Browser) -> None:
    for address in ("/", "/ui"):
        answer = azure.get(address)
        assert (answer.status_code, answer.headers["location"]) == (303, "/ui/")


def test_the_list_shows_the_open_halts_with_their_links(azure: Browser, halt: HaltRow) -> None:
    answer = azure.get("/ui/", headers=bearer("reader"))
    assert answer.status_code == 200
    page = Page(answer.text)
    assert ("a", {"href": f"halts/{halt.id}"}) in page.elements
    for words in (halt.id, JOB, "CHG0030001", "open", "vnet-shop"):
        assert words in page.text, words


def test_the_page_of_a_halt_shows_its_evidence_its_state_and_the_next_steps(azure: Browser, halt: HaltRow) -> None:
    answer = azure.get(f"/ui/halts/{halt.id}", headers={"Authorization": "bearer reviewer"})
    assert answer.status_code == 200
    page = Page(answer.text)
    for words in (
        halt.id,
        ROBS_DNS,
        halt.evidence_digest,
        "State now: open",
        f"driftguard halts decide {halt.id} keep",
    ):
        assert words in page.text, words
    assert ("a", {"href": "../"}) in page.elements


@pytest.mark.parametrize("address", ["/ui/", "/ui/halts/{halt}", "/ui/nothing"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Basic reader"}, 401),
        ({"Cookie": f"{COOKIE}=guess"}, 401),
    ],
)
def test_who_is_not_signed_in_sees_how_to_sign_in_and_nothing_else(
    azure: Browser, halt: HaltRow, address: str, headers: dict[str, str], status: int
) -> None:
    answer = azure.get(address.format(halt=halt.id), headers=headers)
    assert answer.status_code == status
    assert answer.headers["www-authenticate"] == "Bearer"
    page = Page(answer.text)
    assert "Sign in" in page.text and halt.id not in page.text and JOB not in page.text


def test_without_a_session_the_page_names_the_command_line_and_the_token(azure: Browser, shop: World) -> None:
    assert "driftguard halts list, or send a bearer token" in azure.get("/ui/").text
    local = browser(Service(guard=lambda: shop.guard, sessions=sessions()))
    assert "start driftguard serve again" in local.get("/ui/").text


def test_a_caller_without_the_reader_s_role_sees_nothing(azure: Browser, halt: HaltRow) -> None:
    for token in ("nobody", "pipeline"):
        for address in ("/ui/", f"/ui/halts/{halt.id}", "/ui/halts/h-000000000000"):
            answer = azure.get(address, headers=bearer(token))
            assert answer.status_code == 403, (token, address)
            assert "Not allowed" in answer.text and ROBS_DNS not in answer.text


def test_a_reader_of_another_team_sees_an_empty_list_and_no_halt(azure: Browser, halt: HaltRow) -> None:
    assert halt.id not in azure.get("/ui/", headers=bearer("other")).text
    answer = azure.get(f"/ui/halts/{halt.id}", headers=bearer("other"))
    assert answer.status_code == 403 and ROBS_DNS not in answer.text


def test_an_etag_of_the_page_is_not_told_to_who_may_not_see_it(azure: Browser, halt: HaltRow) -> None:
    address = f"/ui/halts/{halt.id}"
    tag = azure.get(address, headers=bearer("reader")).headers["etag"]
    for token in ("other", "nobody"):
        answer = azure.get(address, headers=bearer(token) | {"If-None-Match": tag})
        assert answer.status_code == 403 and "etag" not in answer.headers


@pytest.mark.parametrize("name", ["h-000000000000", "h-", "%2e%2e", "x" * 3000, "<script>", "h-0%0a"])
def test_a_halt_that_is_not_there_is_404(azure: Browser, name: str) -> None:
    answer = azure.get(f"/ui/halts/{name}", headers=bearer("owner"))
    assert answer.status_code == 404 and "<script>" not in answer.text


def test_every_page_forbids_scripts_caches_and_handing_on_its_address(azure: Browser, halt: HaltRow) -> None:
    for address in ("/", "/ui/", f"/ui/halts/{halt.id}", "/ui/sign-in?token=x", "/ui/nothing"):
        for headers in ({}, bearer("reader")):
            answer = azure.get(address, headers=headers)
            assert answer.headers["content-security-policy"] == EVIDENCE_CSP
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["x-content-type-options"] == "nosniff"
            good = answer.status_code == 200
            assert answer.headers["cache-control"] == ("private, no-cache" if good else "no-store"), address


def test_an_unchanged_page_is_304_and_a_decision_makes_it_another(
    shop: World, halt: HaltRow, azure: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/ui/halts/{halt.id}"
    first = azure.get(address, headers=bearer("reader"))
    listed = azure.get("/ui/", headers=bearer("reader"))
    condition = {"If-None-Match": first.headers["etag"]}
    with monkeypatch.context() as patch:
        patch.setattr(type(shop.guard.store), "read", lambda *_: pytest.fail("nothing is loaded for a 304"))
        again = azure.get(address, headers=bearer("reader") | condition)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    tag = {"If-None-Match": listed.headers["etag"]}
    assert azure.get("/ui/", headers=bearer("reader") | tag).status_code == 304

    decided(shop, halt, Decision.KEEP)
    after = azure.get(address, headers=bearer("reader") | condition)
    assert after.status_code == 200 and "State now: kept" in Page(after.text).text
    assert azure.get("/ui/", headers=bearer("reader") | tag).status_code == 200


def local(shop: World, base: str = BASE) -> tuple[Browser, Sessions]:
    """The service on one's own machine."""
    own = sessions()
    return browser(Service(guard=lambda: shop.guard, sessions=own), base), own


def test_the_one_time_address_begins_a_session_and_works_once(shop: World, halt: HaltRow) -> None:
    client, own = local(shop)
    token = own.invite()
    answer = client.get(f"/ui/sign-in?token={token}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/")
    assert answer.headers["cache-control"] == "no-store"
    cookie = answer.headers["set-cookie"].lower()
    for words in ("httponly", "samesite=strict", "path=/", "max-age=43200"):
        assert words in cookie, words
    assert "secure" not in cookie and token not in cookie
    assert halt.id in client.get("/ui/").text
    assert client.get(f"/ui/halts/{halt.id}").status_code == 200

    stranger, _ = local(shop)
    for used in (f"?token={token}", "?token=", "", "?token=x&token=y"):
        refused = client.get(f"/ui/sign-in{used}")
        assert refused.status_code == 401 and "set-cookie" not in refused.headers
        assert token not in refused.text
    assert stranger.get(f"/ui/sign-in?token={token}").status_code == 401


def test_a_cookie_opens_the_pages_and_no_call(shop: World, halt: HaltRow) -> None:
    own = sessions()
    client = Browser(create_app(Service(guard=lambda: shop.guard, identities=Table(), sessions=own)), BASE)
    assert client.get(f"/ui/sign-in?token={own.invite()}").status_code == 303
    page = client.get(f"/ui/halts/{halt.id}")
    assert page.status_code == 200 and page.headers["content-security-policy"] == EVIDENCE_CSP
    assert page.headers["x-correlation-id"]
    for method, address in (
        ("GET", "/api/halts"),
        ("GET", f"/api/halts/{halt.id}/evidence.html"),
        ("POST", f"/api/halts/{halt.id}/decisions"),
        ("POST", "/api/scans"),
    ):
        assert client.request(method, address).status_code == 401, address
    assert client.request("POST", f"/ui/halts/{halt.id}").status_code == 405


def test_the_page_of_the_api_is_the_same_and_carries_the_same_policy(shop: World, halt: HaltRow) -> None:
    client = Browser(create_app(Service(guard=lambda: shop.guard, identities=Table())), BASE)
    answer = client.get(f"/api/halts/{halt.id}/evidence.html", headers=bearer("reader"))
    assert answer.status_code == 200 and answer.headers["content-security-policy"] == EVIDENCE_CSP
    assert halt.id in Page(answer.text).text and ROBS_DNS in Page(answer.text).text


def test_over_https_the_cookie_is_secure(shop: World) -> None:
    client, own = local(shop, "https://127.0.0.1:8765")
    assert "; secure" in client.get(f"/ui/sign-in?token={own.invite()}").headers["set-cookie"].lower()


def test_who_only_looks_at_the_address_uses_up_nothing(shop: World) -> None:
    own = sessions()
    client = browser(Service(lambda: shop.guard, sessions=own))
    address = f"/ui/sign-in?token={own.invite()}"
    looked = client.request("HEAD", address)
    assert (looked.status_code, looked.headers["allow"]) == (405, "GET")
    assert "set-cookie" not in looked.headers
    assert client.get(address).status_code == 303


def test_without_sessions_no_address_signs_in(azure: Browser) -> None:
    assert azure.get("/ui/sign-in?token=").status_code == 401


def test_the_pages_answer_to_nothing_but_get(azure: Browser, halt: HaltRow) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for address in ("/", "/ui/", "/ui/sign-in", f"/ui/halts/{halt.id}"):
            assert azure.request(method, address, headers=bearer("owner")).status_code == 405


def test_without_an_identity_provider_and_sessions_the_pages_say_so(shop: World) -> None:
    answer = browser(Service(guard=lambda: shop.guard)).get("/ui/")
    assert answer.status_code == 503 and "This cannot be shown now" in answer.text


def test_a_store_that_is_down_is_503_and_only_the_operator_reads_which() -> None:
    def down() -> Guard:
        raise StoreUnavailable("the store /srv/secret/store.db is locked", "wait")

    client = browser(Service(guard=down, identities=Table()))
    for token, told in (("reader", False), ("owner", True)):
        answer = client.get("/ui/", headers=bearer(token))
        assert answer.status_code == 503
        assert ("/srv/secret/store.db" in answer.text) is told


def test_a_halt_that_no_list_knows_is_found_and_bound_all_the_same(
    shop: World, halt: HaltRow, azure: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftguard.guard.review.job_of_halt", lambda *_: None)
    assert azure.get(f"/ui/halts/{halt.id}", headers=bearer("reader")).status_code == 200
    assert azure.get(f"/ui/halts/{halt.id}", headers=bearer("other")).status_code == 403


def test_the_pages_stand_beside_the_calls_of_an_application(tmp_path: Path, shop: World) -> None:
    app = FastAPI()
    app.add_route("/api/x", lambda request: JSONResponse({}), methods=["GET"])
    add_pages(app, replace(Service(guard=lambda: shop.guard), identities=Table()))
    assert Browser(app, BASE).get("/api/x").status_code == 200
    assert list(app.openapi()["paths"]) == [], "the pages are no part of the interface for machines"
