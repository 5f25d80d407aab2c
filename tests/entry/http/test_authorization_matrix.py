"""Who may call what: every call of the service × every caller × every kind of token, against the literal tables here.

The service, the store, the checks of tokens and the identity provider (on loopback) are the real ones. A refused call changes
nothing in the store.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from driftguard.adapters.identities.authority import Authority
from driftguard.adapters.identities.entra import Entra
from driftguard.adapters.identities.keys import SigningKeys
from driftguard.flow.access import Identities
from tests.entry.http.service import Shop, over
from tests.scenarios.steps import ROBS_DNS, halted, set_dns, story
from tests.simulators.identity_provider import (
    AUDIENCE,
    OTHER_TENANT,
    TENANT,
    Claims,
    IdentityProvider,
    identity_provider,
)
from tests.world import JOB, VNET

OTHER_JOB = "warehouse"
PIPELINE_APP, OTHER_APP, REVIEWING_APP = (f"a{number}a00000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
READER, REVIEWER, OTHER_REVIEWER, NO_ROLE, RELEASER = (
    f"b{number}b00000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3, 4, 5)
)
READERS, REVIEWERS, OTHER_REVIEWERS = (f"c{number}c00000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
POLICY = f"""version: 1
defaults: {{stability_gap: 0s, settle: 0s, unknown_author: allow}}
jobs:
  - match: "{JOB}"
    pipelines: [{PIPELINE_APP}, {RELEASER}, {NO_ROLE}]
    readers: [{READERS}, {NO_ROLE}]
    reviewers: [{REVIEWERS}, {REVIEWING_APP}, {NO_ROLE}]
  - match: "{OTHER_JOB}"
    pipelines: [{OTHER_APP}]
    reviewers: [{OTHER_REVIEWERS}]
"""

CALLERS: dict[str, Callable[[IdentityProvider], Claims]] = {
    "pipeline": lambda provider: provider.application(PIPELINE_APP, "Pipeline"),
    "another team's pipeline": lambda provider: provider.application(OTHER_APP, "Pipeline"),
    "reader": lambda provider: provider.person(READER, "Reader", groups=[READERS]),
    "reviewer": lambda provider: provider.person(REVIEWER, "Reviewer", groups=[REVIEWERS]),
    "another team's reviewer": lambda provider: provider.person(OTHER_REVIEWER, "Reviewer", groups=[OTHER_REVIEWERS]),
    "nobody with a role": lambda provider: provider.person(NO_ROLE),
    "person with the pipeline's role": lambda provider: provider.person(RELEASER, "Pipeline"),
    "application with the reviewer's role": lambda provider: provider.application(REVIEWING_APP, "Reviewer"),
}
PIPELINE, PEOPLE_WHO_READ = {"pipeline"}, {"reader", "reviewer"}
PEOPLE_WITH_A_ROLE = {*PEOPLE_WHO_READ, "another team's reviewer"}  # what they see holds only what they are bound to
REVIEWS: set[str] = {"reviewer"}
EVERYBODY, NOBODY = set(CALLERS), set[str]()
STALE, WHY = '"0"', {"reason": "agreed in the change board"}


@dataclass(frozen=True)
class Row:
    """A call: who may make it, and with what; `case` tells two rows of one call apart. `open`: nobody signs in for it.

    `current`: If-Match is the job's own version, so that nothing but the caller is wrong.
    """

    method: str
    path: str
    may: set[str]
    body: Mapping[str, Any] | None = None
    case: str = ""
    open: bool = False
    query: str = ""
    current: bool = False

    @property
    def id(self) -> str:
        return " ".join(filter(None, (self.method, self.path, self.case)))


MATRIX = [
    Row("POST", "/api/jobs/{job}/checks", PIPELINE, {"run": "run-1", "gate": True}),
    Row("GET", "/api/jobs/{job}/checks/{call}", PIPELINE),
    Row("POST", "/api/jobs/{job}/records", PIPELINE, {"run": "run-1", "clearance": "none"}),
    Row("GET", "/api/jobs/{job}/records/{call}", PIPELINE),
    Row("POST", "/api/scans", PIPELINE, {"jobs": [JOB]}),
    Row("GET", "/api/scans/{call}", {*PIPELINE, "another team's pipeline"}),
    Row("GET", "/api/jobs", PEOPLE_WITH_A_ROLE),
    Row("GET", "/api/jobs/{job}", PEOPLE_WHO_READ),
    Row("GET", "/api/jobs/{job}/explain", PEOPLE_WHO_READ, query=f"?resource={VNET}"),
    Row("GET", "/api/jobs/{job}/proposals", PEOPLE_WHO_READ),
    Row("GET", "/api/proposals", PEOPLE_WITH_A_ROLE),
    Row("GET", "/api/halts", PEOPLE_WITH_A_ROLE),
    Row("GET", "/api/halts", PEOPLE_WHO_READ, case="of the job", query=f"?job={JOB}"),
    Row("GET", "/api/halts/{halt}", PEOPLE_WHO_READ),
    Row("GET", "/api/halts/{halt}/evidence", PEOPLE_WHO_READ),
    Row("GET", "/api/halts/{halt}/evidence.{form}", PEOPLE_WHO_READ),
    Row("GET", "/api/halts/{halt}/evidence/{version}", PEOPLE_WHO_READ),
    Row("GET", "/api/halts/{halt}/evidence/{version}.{form}", PEOPLE_WHO_READ),
    Row("GET", "/api/deliveries", PEOPLE_WITH_A_ROLE),
    Row("POST", "/api/halts/{halt}/decisions", REVIEWS, {"decision": "overwrite", **WHY}),
    Row("POST", "/api/halts/{halt}/confirmations", REVIEWS, {"in_code": "0ddba11"}),
    Row("POST", "/api/jobs/{job}/release", REVIEWS, WHY),
    Row("POST", "/api/jobs/{job}/release", PIPELINE, {"clearance": "none", **WHY}, case="with a clearance"),
    Row("POST", "/api/jobs/{job}/retire", REVIEWS, {"resources": [VNET], **WHY}),
    Row("POST", "/api/jobs/{job}/move", REVIEWS, {"to": JOB, "resources": [VNET], **WHY}),
    Row(
        "POST", "/api/jobs/{job}/move", NOBODY, {"to": OTHER_JOB, "resources": [VNET], **WHY},
        case="to another team's job", current=True,
    ),
    Row("POST", "/api/jobs/{job}/proposals/{proposal}/accept", REVIEWS, WHY),
    Row("POST", "/api/jobs/{job}/hold", REVIEWS, WHY),
    Row("POST", "/api/jobs/{job}/unhold", REVIEWS, WHY),
    Row("GET", "/healthz", EVERYBODY, open=True),
    Row("GET", "/readyz", EVERYBODY, open=True),
]  # fmt: skip
PAGES = [
    Row("GET", "/api/openapi.json", EVERYBODY, open=True),
    Row("GET", "/", EVERYBODY, open=True),
    Row("GET", "/ui", EVERYBODY, open=True),
    Row("GET", "/ui/", PEOPLE_WITH_A_ROLE),
    Row("GET", "/ui/halts/{halt}", PEOPLE_WHO_READ),
    Row("GET", "/ui/{rest:path}", EVERYBODY),  # there is no such page
]
SIGNS_IN = {("GET", "/ui/sign-in")}  # takes a one-time token: tests of the pages
NAMES = {"job": JOB, "call": "c-0", "proposal": "p-0", "form": "json", "version": "1", "rest:path": "nothing"}


def _late(claims: Claims, **moved: int) -> Claims:
    return {**claims, **{claim: claims[claim] + seconds for claim, seconds in moved.items()}}


def _of_other_tenant(claims: Claims) -> Claims:
    return {**claims, "tid": OTHER_TENANT, "iss": claims["iss"].replace(TENANT, OTHER_TENANT)}


def _without_kind(claims: Claims) -> Claims:
    return {claim: value for claim, value in claims.items() if claim not in ("scp", "idtyp")}


# The Authorization header of each kind, made of a caller's claims. All of these prove nobody: 401.
Header = Callable[[IdentityProvider, Claims], str | None]
PROVES_NOBODY: dict[str, Header] = {
    "no token": lambda provider, claims: None,
    "no bearer token": lambda provider, claims: "Basic " + provider.sign(claims),
    "no text": lambda provider, claims: "Bearer",
    "no token at all": lambda provider, claims: "Bearer pipeline",
    "expired": lambda provider, claims: "Bearer " + provider.sign(_late(claims, iat=-7200, nbf=-7200, exp=-7200)),
    "not yet valid": lambda provider, claims: "Bearer " + provider.sign(_late(claims, nbf=3000)),
    "wrong audience": lambda provider, claims: "Bearer " + provider.sign({**claims, "aud": "https://graph.example"}),
    "wrong tenant": lambda provider, claims: "Bearer " + provider.sign(_of_other_tenant(claims)),
    "wrong tenant's claim": lambda provider, claims: "Bearer " + provider.sign({**claims, "tid": OTHER_TENANT}),
    "wrong issuer": lambda provider, claims: "Bearer " + provider.sign({**claims, "iss": provider.address}),
    "an ID token": lambda provider, claims: "Bearer " + provider.sign(_without_kind(claims)),
    "wrong algorithm": lambda provider, claims: "Bearer " + provider.sign(claims, algorithm="RS512"),
    "HS256 with the public key": lambda provider, claims: "Bearer " + provider.sign(claims, algorithm="HS256"),
    "alg none": lambda provider, claims: "Bearer " + provider.sign(claims, algorithm="none"),
    "unknown key": lambda provider, claims: "Bearer " + provider.sign(claims, key=9),
    "another key under a known id": lambda provider, claims: "Bearer " + provider.sign(claims, key=9, kid="key-0"),
}


def _valid(provider: IdentityProvider, claims: Claims) -> str:
    return "Bearer " + provider.sign(claims)


@dataclass
class Services:
    """One world, and services over it whose identity providers are well, have changed their key, or are down."""

    well: Shop
    rotated: Shop
    down: Shop
    providers: dict[str, IdentityProvider]
    halt: str
    headers: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def header(self, kind: str, caller: str, make: Header, provider: str = "well") -> str | None:
        """The header of this kind for this caller; made once, since signing takes a while."""
        key = (kind, caller)
        if key not in self.headers:
            self.headers[key] = make(self.providers[provider], CALLERS[caller](self.providers[provider]))
        return self.headers[key]

    def rows(self) -> list[tuple[object, ...]]:
        """Everything in the store."""
        connection = sqlite3.connect(self.well.telling.folder / "store.db")
        try:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return [(table, *row) for table in tables for row in connection.execute(f'SELECT * FROM "{table}"')]
        finally:
            connection.close()

    def call(self, shop: Shop, row: Row, authorization: str | None, seen: str = STALE) -> Response:
        path = row.path
        for name, value in {**NAMES, "halt": self.halt}.items():
            path = path.replace(f"{{{name}}}", value)
        headers = {} if authorization is None else {"Authorization": authorization}
        if row.method == "POST":
            headers["If-Match"] = seen
        more: dict[str, Any] = {} if row.body is None else {"json": row.body}
        return shop(row.method, path + row.query, None, headers=headers, **more)

    def current(self) -> str:
        """The job's ETag."""
        token = self.header("valid", "reviewer", _valid)
        answer = self.well("GET", f"/api/jobs/{JOB}", None, headers={"Authorization": str(token)})
        return str(answer.headers["etag"])

    def wait(self, shop: Shop, answer: Response, authorization: str) -> None:
        """Until what was begun has ended: the next look at the store is to see nothing of it."""
        headers = {"Authorization": authorization}
        for _ in range(2000):
            if shop("GET", answer.headers["location"], None, headers=headers).json()["state"] != "running":
                return
            threading.Event().wait(0.005)
        pytest.fail("the call does not end")


def entra(provider: IdentityProvider) -> Identities:
    keys = SigningKeys(Authority.of(TENANT, override=provider.address).keys, cooldown=0.0)
    return Entra(TENANT, [AUDIENCE], override=provider.address, keys=keys)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder: Path = tmp_path_factory.mktemp("matrix")
    with (
        identity_provider() as well,
        identity_provider() as rotated,
        identity_provider() as down,
        story(folder) as telling,
    ):
        telling.with_policy(POLICY)
        telling.first_record(VNET)
        telling.first_record(VNET.replace("virtualNetworks/vnet-shop", "natGateways/nat-shop"), job=OTHER_JOB)
        set_dns(telling, ROBS_DNS)
        halt = halted(telling.check())
        shops = [over(telling, identities=entra(provider)) for provider in (well, rotated, down)]
        providers = {"well": well, "rotated": rotated, "down": down}
        found = Services(shops[0], shops[1], shops[2], providers, halt.id)
        _rotate(found)
        down.mode = "down"
        try:
            yield found
        finally:
            for shop in shops:
                shop.client.close()


def _rotate(services: Services) -> None:
    """The service has seen the first key; then the identity provider signs with another one, and publishes only that."""
    provider = services.providers["rotated"]
    for caller in CALLERS:
        services.header("rotated out", caller, _valid, "rotated")
    listing = Row("GET", "/api/jobs", EVERYBODY)
    assert services.call(services.rotated, listing, services.headers["rotated out", "reader"]).status_code == 200
    provider.rotate()
    after = services.header("rotated in", "reader", _valid, "rotated")
    assert services.call(services.rotated, listing, after).status_code == 200, "the new key is looked up"


def test_every_call_of_the_service_stands_in_the_matrix(services: Services) -> None:
    document = services.well.app.openapi()
    documented = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert {(row.method, row.path) for row in MATRIX} == documented, "give a new call its row"
    served = {
        (method, str(getattr(route, "path", "")))
        for route in services.well.app.routes
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD"
    }
    assert {(row.method, row.path) for row in (*MATRIX, *PAGES)} == served - SIGNS_IN, "also what is not documented"
    assert len({row.id for row in MATRIX}) == len(MATRIX)


def test_the_document_tells_the_roles_of_the_matrix(services: Services) -> None:
    roles = {"Pipeline": "pipeline", "Reader": "reader", "Reviewer": "reviewer"}
    for path, item in services.well.app.openapi()["paths"].items():
        for method, operation in item.items():
            rows = [row for row in MATRIX if (row.method, row.path) == (method.upper(), path) and not row.open]
            may = set().union(*(row.may for row in rows)) & set(roles.values())
            told = {roles[role] for role in operation["x-roles"]}
            assert told | ({"reviewer"} if "reader" in told else set()) == may, (method, path)


def refused(answer: Response, status: int, row: Row, why: str, authorization: str | None) -> None:
    assert answer.status_code == status, (row.id, why, answer.status_code, answer.text[:300])
    token = (authorization or "").rpartition(" ")[2]
    assert len(token) < 20 or token not in answer.text
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer"), (row.id, why)
    if row.path.startswith("/api/"):
        assert answer.headers["content-type"].startswith("application/problem+json")
        problem = answer.json()
        assert problem["exit_code"] == (2 if status == 503 else 3)
        assert problem["title"]
        assert JOB not in problem["detail"] or status == 403


@pytest.mark.parametrize("row", [*MATRIX, *PAGES], ids=lambda row: row.id)
def test_only_who_may_call_is_answered_and_a_refused_call_changes_nothing(services: Services, row: Row) -> None:
    before, seen = services.rows(), services.current() if row.current else STALE
    for caller in CALLERS:
        # The shop, the header, and what it comes to: 401, 403, 503, or None for an answer.
        entitled = None if caller in row.may else 403
        tries: list[tuple[str, Shop, str | None, int | None]] = [
            (kind, services.well, services.header(kind, caller, make), 401) for kind, make in PROVES_NOBODY.items()
        ]
        tries += [
            ("rotated out", services.rotated, services.headers["rotated out", caller], 401),
            ("keys down", services.down, services.header("down", caller, _valid, "down"), 503),
            ("valid", services.well, services.header("valid", caller, _valid), entitled),
            ("rotated in", services.rotated, services.header("rotated in", caller, _valid, "rotated"), entitled),
        ]
        for kind, shop, authorization, status in tries:
            if row.open or status is None:
                continue  # below, since it may change something
            why = f"{caller}, {kind}"
            refused(services.call(shop, row, authorization, seen), status, row, why, authorization)
    assert services.rows() == before, "a refused call changed the store"


@pytest.mark.parametrize("row", [*MATRIX, *PAGES], ids=lambda row: row.id)
def test_who_may_call_is_not_refused(services: Services, row: Row) -> None:
    for caller in CALLERS if row.open else row.may:
        for kind, shop, provider in (("valid", services.well, "well"), ("rotated in", services.rotated, "rotated")):
            authorization = services.header(kind, caller, _valid, provider)
            answer = services.call(shop, row, authorization)
            assert answer.status_code not in (401, 403), (caller, kind, answer.text[:300])
            assert answer.status_code < 500, answer.text[:300]
            if answer.status_code == 202:
                services.wait(shop, answer, str(authorization))


@pytest.mark.parametrize("row", [row for row in (*MATRIX, *PAGES) if row.open], ids=lambda row: row.id)
@pytest.mark.parametrize("kind", ["no token", "expired", "alg none"])
def test_what_is_open_to_all_asks_for_no_token_and_looks_at_none(services: Services, row: Row, kind: str) -> None:
    header = services.header(kind, "reader", PROVES_NOBODY[kind])
    for shop in (services.well, services.down):
        answer = services.call(shop, row, header)
        assert answer.status_code < 400, answer.text
        assert JOB not in answer.text


@pytest.mark.parametrize(
    "path", ["/api/jobs", "/api/halts?all=true", "/api/proposals", "/api/deliveries?all=true", "/ui/"]
)
def test_lists_hold_nothing_of_another_teams_job(services: Services, path: str) -> None:
    seen = {}
    for caller in ("reader", "reviewer", "another team's reviewer"):
        headers = {"Authorization": str(services.header("valid", caller, _valid))}
        answer = services.well("GET", path, None, headers=headers)
        assert answer.status_code == 200
        seen[caller] = (JOB in answer.text, OTHER_JOB in answer.text)
    assert not seen["another team's reviewer"][0]
    assert not seen["reader"][1]
    assert not seen["reviewer"][1]
    if "proposals" not in path:
        assert seen["reader"][0], "the test would see it"


@pytest.mark.parametrize("row", [row for row in MATRIX if not row.open], ids=lambda row: row.id)
def test_two_credentials_at_once_are_none(services: Services, row: Row) -> None:
    caller = next(iter(row.may), "reviewer")
    valid, other = (str(services.header("valid", one, _valid)) for one in (caller, "reviewer"))
    path = row.path
    for name, value in {**NAMES, "halt": services.halt}.items():
        path = path.replace(f"{{{name}}}", value)
    headers = [("Authorization", valid), ("Authorization", other), ("If-Match", STALE)]
    answer = services.well.client.request(row.method, path + row.query, headers=headers, json=row.body)
    assert answer.status_code == 401, answer.text


def test_without_an_identity_provider_nobody_is_answered(services: Services) -> None:
    nobody = over(services.well.telling, identities=None)
    try:
        for row in MATRIX:
            if not row.open:
                answer = services.call(nobody, row, services.header("valid", "reviewer", _valid))
                assert answer.status_code == 503, row.id
                assert answer.json()["type"] == "urn:driftguard:problem:bad-configuration"
    finally:
        nobody.client.close()
