"""Whatever is sent to any call, by whoever: no fault, no answer that the OpenAPI document does not tell, none of another form.

The requests are made by schemathesis out of the document, with ids of what there is mixed in, so that they reach the verbs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks as openapi_checks

from driftguard.flow.access import Role
from driftguard.guard.record import Naming
from tests.entry.http.service import CALLERS, Shop
from tests.entry.http.service import shop as open_shop
from tests.scenarios.steps import NAT
from tests.world import JOB, VNET

CASES, SOAKED = 9, 90  # for each of the 26 calls
CHECKS = [
    not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
]


Known = dict[str, list[str]]
"""What there is: by the name of a path parameter, some of its values."""


@contextmanager
def busy_shop(folder: Path) -> Iterator[tuple[Shop, Known]]:
    """A service with two jobs of the team's and one of others, an open halt, a proposal, and calls that were begun."""
    with open_shop(folder) as shop:
        shop.telling.first_record(NAT, job="shop-nat")
        shop.telling.first_record(VNET, job="other-prod")
        proposed = shop.telling.record("run-p", naming=Naming(resources=(NAT,)), job="shop-nat").proposal
        halt = shop.halted()["id"]
        scan = shop.post("/api/scans", {"jobs": ["shop-nat"]}, "pipeline").json()["id"]
        values = {
            "job": [JOB, "shop-nat", "other-prod", "shop-new"],
            "halt": [halt, halt[:9]],
            "proposal": [str(proposed)],
            "call": [scan],
            "version": ["1"],
            "form": ["json", "md", "html"],
        }
        yield shop, values


def operations(shop: Shop) -> list[Any]:
    schema = schemathesis.openapi.from_dict(shop.app.openapi())
    return [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]


def requests_of(operation: Any, known: Known) -> st.SearchStrategy[tuple[Any, str]]:
    """A request of this call, and who sends it: mostly with an id of what there is, and by somebody who may."""
    modes = st.sampled_from([GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    made = modes.flatmap(lambda mode: operation.as_strategy(generation_mode=mode))
    roles = {Role(role) for role in operation.definition.raw["x-roles"]}
    ours = {name: caller for name, caller in CALLERS.items() if not name.startswith("other-")}
    may = [name for name, caller in ours.items() if any(caller.has(role) for role in roles)]
    callers = st.sampled_from([*CALLERS, *may * 10])
    return st.tuples(made, callers, st.randoms(use_true_random=False)).map(
        lambda drawn: (_with_known(drawn[0], known, drawn[2]), drawn[1])
    )


def _with_known(case: Any, known: Known, chance: random.Random) -> Any:
    for name in list(case.path_parameters or {}):
        if name in known and chance.random() < 0.85:
            case.path_parameters[name] = chance.choice(known[name])
    return case


def _seen(shop: Shop, case: Any) -> dict[str, str]:
    """The ETag of what the request is about, as somebody has it who looked at it just before."""
    for kind in ("halt", "job"):
        if case.method == "POST" and kind in (case.path_parameters or {}):
            path = f"/api/{kind}s/{quote(str(case.path_parameters[kind]), safe='')}"
            answer = shop.client.request("GET", path, headers={"Authorization": "Bearer local"})
            return {"If-Match": answer.headers["etag"]} if answer.status_code == 200 else {}
    return {}


def send(shop: Shop, case: Any, who: str) -> Any:
    """Send it as schemathesis means it, and check what is answered."""
    wanted = case.as_transport_kwargs(base_url="http://127.0.0.1")
    wanted["headers"] = {**wanted.get("headers", {}), **_seen(shop, case), "Authorization": f"Bearer {who}"}
    allowed = {name: wanted[name] for name in ("method", "url", "headers", "params", "json", "data") if name in wanted}
    sent = requests.Request(**allowed).prepare()
    headers = [(name.encode("latin-1"), _bytes(value)) for name, value in sent.headers.items()]
    answer = shop.client.request(str(sent.method), str(sent.url), headers=headers, content=sent.body)
    if answer.status_code == 503:  # the sandbox's ARM is there: what cannot be told is what somebody asked for
        assert answer.json()["type"].endswith((":could-not-tell", ":unavailable")), answer.text
    checks = CHECKS if answer.status_code != 503 else CHECKS[1:]
    case.validate_response(answer, checks=checks)
    return answer


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1", "replace")


def play(folder: Path, cases: int) -> dict[int, int]:
    """So many requests of each call; how often each status was answered."""
    counted: dict[int, int] = {}
    with busy_shop(folder) as (shop, known):
        for operation in operations(shop):

            @hypothesis.settings(
                max_examples=cases,
                phases=[Phase.generate],
                database=None,
                derandomize=True,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            )
            @hypothesis.given(requests_of(operation, known))
            def one(drawn: tuple[Any, str]) -> None:
                status = send(shop, *drawn).status_code
                counted[status] = counted.get(status, 0) + 1

            one()
    return counted


@pytest.mark.parametrize("cases", [CASES, pytest.param(SOAKED, marks=pytest.mark.soak)])
def test_every_answer_is_one_that_the_document_tells(tmp_path: Path, cases: int) -> None:
    counted = play(tmp_path, cases)
    print(f"{sum(counted.values())} requests: {dict(sorted(counted.items()))}")
    assert sum(counted.values()) >= 26 * cases * 0.8
    assert {200, 201, 202, 400, 403, 404, 412, 422} <= set(counted), "the requests reach the verbs"
