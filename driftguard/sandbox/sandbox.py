"""The sandbox as an object: a small, stateful ARM on loopback, and the same verbs within the process.

Rules:
- `start` serves in a thread of its own, `stop` ends it; as a context manager it does both.
- `put`, `patch`, `delete`, `get` and `deploy` go the way of an HTTP call, without faults, throttling and latency
  (the resources of a deployment meet the faults that are set).
- The estate is there from the beginning: created 30 days before the clock's start, without events.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from driftguard.errors import WrongUse
from driftguard.flow.resource import parse_ref
from driftguard.sandbox import control, lists
from driftguard.sandbox import estate as estates
from driftguard.sandbox.actors import ACTORS
from driftguard.sandbox.answers import Answer, Request
from driftguard.sandbox.arm import Arm
from driftguard.sandbox.bodies import accepted
from driftguard.sandbox.clock import VirtualClock
from driftguard.sandbox.controls import Controls, known_actor
from driftguard.sandbox.resources import system_data
from driftguard.sandbox.server import Server
from driftguard.sandbox.shapes import has_system_data
from driftguard.sandbox.traffic import Traffic

Json = Any  # what json.loads gives
Estate = Iterable[tuple[str, Mapping[str, Json]]]
_AGE = timedelta(days=30)


class Sandbox(Controls):
    """A small ARM on loopback.

    `estate`: the resources to begin with, as (id, body) pairs (default: `default_estate()`); `clock_start`: where the
    virtual clock begins; `now`: the caller's own clock instead; `throttle`: kind -> (capacity, refill per second);
    `latency`: seconds that every request waits; `log_latency`: seconds until an event shows; `page`: the size of a page
    of the generic list; `subscriptions`: subscription id -> tenant id.
    """

    def __init__(
        self,
        estate: Estate | None = None,
        *,
        clock_start: datetime | None = None,
        now: Callable[[], datetime] | None = None,
        throttle: Mapping[str, tuple[float, float]] | None = None,
        latency: float = 0.0,
        log_latency: float = 0.0,
        page: int = lists.PAGE,
        subscriptions: Mapping[str, str] | None = None,
    ) -> None:
        tenants = subscriptions or estates.TENANTS
        arm = Arm(VirtualClock(clock_start, now), tenants, estates.TENANT, page=page)
        super().__init__(arm, Traffic())
        self.throttle(throttle or {})
        self.latency(latency)
        self.log_latency(log_latency)
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._seed(estates.default_estate() if estate is None else estate)

    @property
    def endpoint(self) -> str:
        """`http://127.0.0.1:PORT`. Raises WrongUse while it is not started."""
        if self._server is None:
            raise WrongUse("the sandbox is not started", "call start(), or use it in a with statement")
        return self.arm.address

    def start(self, port: int = 0, host: str = "127.0.0.1") -> Self:
        """Listen (0: on a free port) and serve in a thread. Raises WrongUse for an address that is not loopback."""
        server = self._listen(port, host)
        self._thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="sandbox", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving and close all connections."""
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join()
        self._server = self._thread = None

    def serve_forever(self, port: int = 0, host: str = "127.0.0.1", ready: Callable[[str], None] | None = None) -> None:
        """Serve in this thread until Ctrl-C; `ready` is called with the endpoint once it listens."""
        self.start(port, host)
        try:
            if ready is not None:
                ready(self.endpoint)
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
        finally:
            self.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def call(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        as_: str = "pipeline",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        correlation_id: str | None = None,
    ) -> Answer:
        """A call of ARM within the process; the api-version of `query` is the path's newest stable one by default."""
        asked = dict(query or {})
        if "api-version" not in asked:
            asked["api-version"] = self._newest(path)
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        correlation = correlation_id or str(uuid.uuid4())
        request = Request(method, path, asked, lowered, body, correlation)
        return self.arm.answer(request, known_actor(as_))

    def get(self, resource_id: str, *, api_version: str | None = None) -> dict[str, Json] | None:
        """The resource as a GET shows it, or None where it (or its group) is missing."""
        answer = self.call("GET", resource_id, as_="reader", query=_version(api_version))
        return None if answer.status == 404 else _passed(answer)

    def put(
        self,
        resource_id: str,
        body: Mapping[str, Json],
        *,
        as_: str = "pipeline",
        api_version: str | None = None,
        if_match: str | None = None,
        correlation_id: str | None = None,
    ) -> dict[str, Json]:
        """PUT; returns the body of the answer. Raises WrongUse with ARM's code and message where it is refused."""
        headers = {"If-Match": if_match} if if_match is not None else {}
        return _passed(
            self.call(
                "PUT",
                resource_id,
                dict(body),
                as_=as_,
                query=_version(api_version),
                headers=headers,
                correlation_id=correlation_id,
            )
        )

    def patch(
        self, resource_id: str, changes: Mapping[str, Json], *, as_: str = "pipeline", correlation_id: str | None = None
    ) -> dict[str, Json]:
        """PATCH with a JSON merge patch (null removes); returns the body of the answer. Raises as `put`."""
        return _passed(self.call("PATCH", resource_id, dict(changes), as_=as_, correlation_id=correlation_id))

    def delete(self, resource_id: str, *, as_: str = "pipeline", correlation_id: str | None = None) -> None:
        """DELETE, also of a resource that is not there. Raises as `put`."""
        _passed(self.call("DELETE", resource_id, as_=as_, correlation_id=correlation_id))

    def deploy(
        self,
        name: str,
        resources: Sequence[Mapping[str, Json]],
        *,
        as_: str = "pipeline",
        resource_group: str | None = None,
        correlation_id: str | None = None,
    ) -> dict[str, Json]:
        """Deploy whole bodies with `id` (api-version by default the newest); returns the deployment as GET shows it.

        The scope is the resource group of that name, by default that of the first resource. Raises as `put`; a resource
        that is refused raises nothing: the deployment's provisioningState is Failed.
        """
        entries = [{"apiVersion": self._newest(str(entry.get("id", ""))), **entry} for entry in resources]
        first = parse_ref(str(entries[0]["id"])) if entries else None
        subscription = first.subscription if first else estates.SUBSCRIPTION
        group = resource_group or (first.id.split("/")[4] if first and first.resource_group else "")
        scope = f"/subscriptions/{subscription}" + (f"/resourceGroups/{group}" if group else "")
        deployment = f"{scope}/providers/Microsoft.Resources/deployments/{name}"
        body = {"properties": {"mode": "Incremental", "template": {"resources": entries}}}
        _passed(self.call("PUT", deployment, body, as_=as_, correlation_id=correlation_id))
        return _passed(self.call("GET", deployment, as_="reader"))

    def _listen(self, port: int, host: str) -> Server:
        if self._server is not None:
            raise WrongUse("the sandbox is already started", "stop() it first")
        try:
            self._server = Server(host, port, self.arm, self.traffic, lambda *call: control.answer(self, *call))
        except OSError as taken:
            raise WrongUse(f"cannot listen on {host}:{port}: {taken.strerror}", "choose another port") from taken
        name = f"[{host}]" if ":" in host else host
        self.arm.address = f"http://{name}:{self._server.server_address[1]}"
        return self._server

    def _seed(self, estate: Estate) -> None:
        """Put the estate in place, as if the pipeline had made it long ago."""
        created = self.now() - _AGE
        for resource_id, body in estate:
            ref = parse_ref(resource_id)
            kept = accepted(ref.type, body, dict(body))
            if has_system_data(ref.type):
                kept["systemData"] = body.get("systemData") or system_data({}, ACTORS["pipeline"], created)
            self.arm.state.write(ref, kept, created)

    def _newest(self, path: str) -> str:
        """The newest stable api-version of the type that a path names; a fixed one for a call of ARM itself."""
        try:
            ref = parse_ref(path)
        except WrongUse:  # a list
            return "2021-04-01"
        return self.arm.providers.newest(ref.type) or "2021-04-01"


def _version(api_version: str | None) -> dict[str, str]:
    return {"api-version": api_version} if api_version else {}


def _passed(answer: Answer) -> dict[str, Json]:
    """The body of an answer that is no error. Raises WrongUse with ARM's code and message for one that is."""
    if answer.status >= 400:
        raise WrongUse(f"{answer.status} {answer.code}: {answer.message}", "see the sandbox's state and the call")
    return answer.body if isinstance(answer.body, dict) else {}
