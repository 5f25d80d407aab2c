"""The control endpoints under /sandbox/: the levers of `Controls` over HTTP, without a token.

Rules:
- A literal table: method and path -> what it does. An unknown one is 404, a wrong value 400 with the remedy.
- They are for tests and demonstrations: loopback only, as the whole server.

| call | body |
|---|---|
| POST, DELETE /sandbox/faults | {"match", "fault", "method", "times", "retry_after", "code", "after", "size"} |
| POST /sandbox/latency | {"seconds": 0.08} |
| GET, POST /sandbox/clock | {"advance": 3600} |
| POST /sandbox/throttle | {"reads": [250, 25]}; {} for no limit |
| POST /sandbox/provisioning | {"type": "Microsoft.Network/virtualNetworks", "seconds": 30} |
| POST /sandbox/activity-log | {"latency": 300} |
| POST /sandbox/touch | {"id", "state"} |
| POST /sandbox/platform | {"id", "set": {path: value}, "as"} |
| GET, DELETE /sandbox/log | |
| GET /sandbox/ids | |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from driftguard.errors import WrongUse
from driftguard.sandbox.answers import Answer
from driftguard.sandbox.clock import stamp
from driftguard.sandbox.controls import Controls
from driftguard.sandbox.faults import fault_of

Json = Any  # what json.loads gives


def answer(controls: Controls, method: str, path: str, body: Json) -> Answer:
    """The answer to a control call; never raises for a call that is wrong."""
    action = _TABLE.get((method, path.rstrip("/")))
    if action is None:
        known = ", ".join(f"{verb} {where}" for verb, where in _TABLE)
        return Answer(404, {"error": {"code": "NotFound", "message": f"Known: {known}"}})
    try:
        return Answer(200, action(controls, body if isinstance(body, dict) else {}))
    except WrongUse as refused:
        return Answer(400, {"error": {"code": "WrongUse", "message": str(refused)}})


def _fault(controls: Controls, body: Json) -> Json:
    controls.arm.faults.add(fault_of(body))
    return {}


def _no_faults(controls: Controls, _body: Json) -> Json:
    controls.clear_faults()
    return {}


def _latency(controls: Controls, body: Json) -> Json:
    controls.latency(_number(body, "seconds"))
    return {}


def _clock(controls: Controls, _body: Json) -> Json:
    return {"now": stamp(controls.now())}


def _advance(controls: Controls, body: Json) -> Json:
    return {"now": stamp(controls.advance(_number(body, "advance")))}


def _throttle(controls: Controls, body: Json) -> Json:
    for kind, pair in body.items():
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(it, int | float) for it in pair)):
            raise WrongUse(f"{kind} is not a throttle", "give a capacity and a refill per second: [250, 25]")
    controls.throttle({kind: (pair[0], pair[1]) for kind, pair in body.items()})
    return {}


def _provisioning(controls: Controls, body: Json) -> Json:
    controls.slow(_text(body, "type"), _number(body, "seconds"))
    return {}


def _activity_log(controls: Controls, body: Json) -> Json:
    controls.log_latency(_number(body, "latency"))
    return {}


def _touch(controls: Controls, body: Json) -> Json:
    controls.touch(_text(body, "id"), _text(body, "state") if "state" in body else None)
    return {}


def _platform(controls: Controls, body: Json) -> Json:
    values = body.get("set")
    if not isinstance(values, dict):
        raise WrongUse("set is missing", 'name paths and values: {"set": {"properties.x": 1}}')
    controls.platform(_text(body, "id"), values, _text(body, "as") if body.get("as") else None)
    return {}


def _log(controls: Controls, _body: Json) -> Json:
    requests = [
        {"method": method, "path": path, "status": status} for method, path, status in controls.traffic.requests()
    ]
    return {"requests": requests, "counters": controls.traffic.counters()}


def _forget(controls: Controls, _body: Json) -> Json:
    controls.traffic.forget()
    return {}


def _ids(controls: Controls, _body: Json) -> Json:
    return {"ids": controls.ids()}


def _number(body: Json, name: str) -> float:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise WrongUse(f"{name} is missing or no number", f'give it as {{"{name}": 1.5}}')
    return value


def _text(body: Json, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise WrongUse(f"{name} is missing or no text", f'give it as {{"{name}": "…"}}')
    return value


_TABLE: dict[tuple[str, str], Callable[[Controls, Json], Json]] = {
    ("POST", "/sandbox/faults"): _fault,
    ("DELETE", "/sandbox/faults"): _no_faults,
    ("POST", "/sandbox/latency"): _latency,
    ("GET", "/sandbox/clock"): _clock,
    ("POST", "/sandbox/clock"): _advance,
    ("POST", "/sandbox/throttle"): _throttle,
    ("POST", "/sandbox/provisioning"): _provisioning,
    ("POST", "/sandbox/activity-log"): _activity_log,
    ("POST", "/sandbox/touch"): _touch,
    ("POST", "/sandbox/platform"): _platform,
    ("GET", "/sandbox/log"): _log,
    ("DELETE", "/sandbox/log"): _forget,
    ("GET", "/sandbox/ids"): _ids,
}
