"""The service over a world: the real app, store and verbs, with a table of test tokens in the place of an identity provider."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from httpx import Response

from driftguard.entry.api import create_app
from driftguard.entry.http.service import Service
from driftguard.errors import NotSignedIn
from driftguard.flow.access import Caller, Role
from driftguard.flow.review import Person
from tests.scenarios.steps import set_dns, story
from tests.world import JOB, VNET, World

TEAM, OTHERS = "aaaaaaaa-0000-4000-8000-00000000000a", "bbbbbbbb-0000-4000-8000-00000000000b"
POLICY = f"""version: 1
defaults: {{stability_gap: 0s, settle: 0s, unknown_author: allow}}
jobs:
  - match: "shop-*"
    pipelines: [{TEAM}]
    readers: [{TEAM}]
    reviewers: [{TEAM}]
  - match: "other-*"
    pipelines: [{OTHERS}]
    readers: [{OTHERS}]
    reviewers: [{OTHERS}]
"""


def _caller(name: str, role: Role | None, group: str = TEAM, *, person: bool = True) -> Caller:
    return Caller(
        Person(f"{name}@contoso.com", object_id=f"oid-{name}"),
        is_person=person,
        roles=frozenset([role] if role else []),
        groups=frozenset([group]),
    )


CALLERS = {
    "pipeline": _caller("pipeline", Role.PIPELINE, person=False),
    "pipeline2": _caller("pipeline2", Role.PIPELINE, person=False),
    "reader": _caller("reader", Role.READER),
    "dana": _caller("dana", Role.REVIEWER),
    "erin": _caller("erin", Role.REVIEWER),
    "rob": _caller("rob", Role.REVIEWER),  # who changes things by hand in the sandbox
    "nobody": _caller("nobody", None),
    "other-pipeline": _caller("other-pipeline", Role.PIPELINE, OTHERS, person=False),
    "other-reader": _caller("other-reader", Role.READER, OTHERS),
    "other-reviewer": _caller("other-reviewer", Role.REVIEWER, OTHERS),
    "local": Caller(Person("local-user", asserted=True), is_person=True, everything=True),
}


class Tokens:
    """The port `Identities`: a caller's name is their token."""

    name = "test tokens"

    def caller(self, credential: str) -> Caller:
        if credential not in CALLERS:
            raise NotSignedIn("the token proves nobody", "sign in again")
        return CALLERS[credential]


class Client:
    """A client of the app in this process: the app runs on an event loop of its own, so that threads may call at once."""

    def __init__(self, app: FastAPI) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="app", daemon=True)
        self._thread.start()
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60)

    def request(self, method: str, path: str, **more: Any) -> Response:
        return asyncio.run_coroutine_threadsafe(self._http.request(method, path, **more), self._loop).result(90)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._http.aclose(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@dataclass
class Shop:
    """A world with a service over it."""

    telling: World
    app: FastAPI
    client: Client = field(repr=False)

    def __call__(self, method: str, path: str, as_: str | None = "reader", **more: Any) -> Response:
        headers: Mapping[str, str] = more.pop("headers", {})
        token = {"Authorization": f"Bearer {as_}"} if as_ else {}
        return self.client.request(method, path, headers={**token, **headers}, **more)

    def get(self, path: str, as_: str | None = "reader", **headers: str) -> Response:
        return self("GET", path, as_, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, body: Any, as_: str | None = "dana", **headers: str) -> Response:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        return self("POST", path, as_, json=body, headers=told)

    def check(self, run: str = "run-1", job: str = JOB, as_: str = "pipeline", **body: Any) -> Response:
        return self.post(f"/api/jobs/{job}/checks", {"run": run, **body}, as_)

    def halted(self, run: str = "run-1") -> dict[str, Any]:
        """The halt of a change that somebody made by hand just now."""
        set_dns(self.telling, "10.20.0.99")
        answer = self.check(run)
        assert answer.status_code == 412, answer.text
        halt = self.get(f"/api/halts/{answer.json()['halt']['id']}")
        assert halt.status_code == 200
        return dict(halt.json())

    def job_tag(self, job: str = JOB) -> str:
        return self.get(f"/api/jobs/{job}").headers["etag"]


@contextmanager
def shop(folder: Path, **service: Any) -> Iterator[Shop]:
    """A shop with one recorded job."""
    with story(folder) as telling:
        telling.with_policy(POLICY)
        # A service reads the file once, and again only where it changed (wiring.py): so is it here.
        policy = telling.guard.policy()
        telling.guard = replace(telling.guard, policy=lambda: policy)
        telling.first_record(VNET)
        telling.advance(minutes=1)
        opened = over(telling, **service)
        try:
            yield opened
        finally:
            opened.client.close()


def over(telling: World, **service: Any) -> Shop:
    app = create_app(Service(guard=lambda: telling.guard, **{"identities": Tokens(), **service}))
    return Shop(telling, app, Client(app))


__all__ = ["CALLERS", "POLICY", "Shop", "Tokens", "over", "shop"]
