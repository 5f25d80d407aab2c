"""Runs a Functions app through the library that Azure's own Python worker loads, in this process.

- The app is indexed and invoked by `azure_functions_runtime` 1.3.0: worker init, functions metadata, load, invocation.
- The worker hands the runtime its generated protobuf module; attribute bags with the same names do the same here.
- What the host does lies outside: matching of routes, checking of keys, host.json, `%SETTING%`, the timer's schedule.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, unquote

import azure_functions_runtime as runtime


class Bag(SimpleNamespace):
    """A protobuf message: attributes, and for a oneof the name of the member that is set."""

    def WhichOneof(self, _group: str) -> str | None:
        return next(iter(vars(self)), None)


class StatusResult(Bag):
    Failure, Success = 0, 1


class BindingInfo(Bag):
    undefined = 0
    out, inout = 1, 2


class Protos:
    """Stands for the worker's protobuf module: every message is a Bag."""

    StatusResult = StatusResult
    BindingInfo = BindingInfo

    def __getattr__(self, name: str) -> type[Bag]:
        if name == "TypedData":  # the runtime probes for it on messages too
            return Bag
        return type(name, (Bag,), {})


@dataclass(frozen=True)
class Invocation:
    """How an invocation ended. `status`, `headers`, `body` are set for HTTP; `error` and `trace` for a failed one."""

    succeeded: bool
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""
    trace: str = ""

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Request:
    """An HTTP request as the host hands it on."""

    method: str = "GET"
    url: str = "http://localhost/"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = b""


@dataclass(frozen=True)
class FunctionsApp:
    """An indexed app: the bindings of each function by its name, as they are told to the host."""

    bindings: dict[str, list[dict[str, Any]]]
    ids: dict[str, str]

    def http(
        self,
        name: str,
        method: str = "GET",
        url: str = "http://localhost/",
        body: bytes | None = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Invocation:
        """Invokes a function with an HTTP trigger. `body` None: the host sends no body at all."""
        return self.http_at_once(name, [Request(method, url, headers or {}, body)])[0]

    def http_at_once(self, name: str, requests: Sequence[Request]) -> list[Invocation]:
        """Invokes it for all of them at the same time, on one event loop, as one worker process does."""
        return self._at_once(name, "httpTrigger", [self._as_sent(name, one) for one in requests])

    def timer(self, name: str, past_due: bool = False) -> Invocation:
        """Invokes a function with a timer trigger."""
        return self.timer_at_once(name, 1, past_due)[0]

    def timer_at_once(self, name: str, times: int, past_due: bool = False) -> list[Invocation]:
        """Invokes it so many times at once: the host's lease on a timer can be lost."""
        status = {"Last": "2026-03-02T02:00:00Z", "Next": "2026-03-02T02:15:00Z", "LastUpdated": "2026-03-02T02:00:00Z"}
        told = json.dumps({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due})
        return self._at_once(name, "timerTrigger", [Bag(json=told) for _ in range(times)])

    def _as_sent(self, name: str, request: Request) -> Bag:
        address = re.fullmatch(r"\w+://[^/]*([^?]*)\??(.*)", request.url)  # also what no library calls an address
        assert address
        route = next(one["route"] for one in self.bindings[name] if one["type"] == "httpTrigger")
        prefix, _, rest = route.partition("{*")
        params = {rest.rstrip("}"): unquote(address[1]).lstrip("/").removeprefix(prefix)} if rest else {}
        return Bag(
            http=Bag(
                method=request.method,
                url=request.url,
                headers=dict(request.headers),
                params=params,
                query=dict(parse_qsl(address[2], keep_blank_values=True)),
                body=Bag() if request.body is None else Bag(bytes=request.body),
            )
        )

    def _at_once(self, name: str, trigger: str, data: Sequence[Bag]) -> list[Invocation]:
        async def all_of_them() -> list[Invocation]:
            return list(await asyncio.gather(*(self._invoke(name, trigger, one) for one in data)))

        return asyncio.run(all_of_them())

    async def _invoke(self, name: str, trigger: str, data: Bag) -> Invocation:
        parameter = next(binding["name"] for binding in self.bindings[name] if binding["type"] == trigger)
        request = Bag(
            invocation_id=str(uuid.uuid4()),
            function_id=self.ids[name],
            input_data=[_Input(name=parameter, data=data)],
            trigger_metadata={},
            trace_context=Bag(trace_parent="", trace_state="", attributes={}),
            retry_context=Bag(retry_count=0, max_retry_count=0, exception=None),
        )
        answer = await runtime.invocation_request(Bag(request=Bag(invocation_request=request)))
        if answer.result.status != StatusResult.Success:
            return Invocation(False, error=answer.result.exception.message, trace=answer.result.exception.stack_trace)
        http = getattr(answer.return_value, "http", None)
        if http is None:
            return Invocation(True)
        return Invocation(True, int(http.status_code), http.headers, http.body.bytes)


class _Input(Bag):
    def WhichOneof(self, _group: str) -> str:
        return "data"


@contextmanager
def functions_app(folder: Path) -> Iterator[FunctionsApp]:
    """The app in `folder`, loaded as a worker loads it. Raises RuntimeError with the worker's reason."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # as the worker does
    sys.modules.pop("function_app", None)  # a worker process indexes an app once, in a module that is new
    init = Bag(capabilities={}, function_app_directory=str(folder))
    asked = Bag(request=Bag(worker_init_request=init), properties={"protos": Protos(), "host": "127.0.0.1"})
    runtime.start_threadpool_executor()
    try:
        started = asyncio.run(runtime.worker_init_request(asked))
        if started.result.status != StatusResult.Success:
            raise RuntimeError(started.result.exception.message + started.result.exception.stack_trace)
        told = asyncio.run(runtime.functions_metadata_request(asked)).function_metadata_results or []
        yield FunctionsApp(
            {function.name: [json.loads(raw) for raw in function.raw_bindings] for function in told},
            {function.name: function.function_id for function in told},
        )
    finally:
        runtime.stop_threadpool_executor()
