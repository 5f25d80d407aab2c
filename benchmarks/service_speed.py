"""How the service on this machine answers over HTTP: its start, 200 checks at once, a halt that did not change.

The service is a process of its own, as `driftguard serve` starts it, and so is ARM. A conditional and a full GET of the same
halt take turns on one connection, so that a busy machine slows both.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from benchmarks.arm_process import arm, environment, resource_ids
from benchmarks.row import Row

START_SECONDS, RATIO, ONE_HALT = 3.0, 1 / 3, 20
_POLICY = "version: 1\ndefaults: {stability_gap: 0s, settle: 0s}\n"


@dataclass(frozen=True)
class Service:
    """A running service: where, the token, and the seconds from its start to its first answer."""

    host: str
    port: int
    token: str
    started_in: float

    def connect(self) -> HTTPConnection:
        """A connection of its own."""
        return HTTPConnection(self.host, self.port, timeout=120)

    def ask(
        self, connection: HTTPConnection, method: str, path: str, body: Mapping[str, Any] | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers by name in lower case, body)."""
        fields = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, json.dumps(body) if body is not None else None, fields)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def rows(*, quick: bool = False) -> Iterator[Row]:
    """Start to /healthz, errors and p50 and p99 of checks at once, and 304 against 200 for halts of three sizes."""
    at_once, sizes, rounds = (4, (1,), 3) if quick else (200, (1, ONE_HALT, 200), 60)
    count = at_once + sum(sizes)  # no resource is of two jobs
    with TemporaryDirectory() as folder, arm(count) as server:
        environ = environment(server.endpoint, str(Path(folder) / "store.db"))
        (Path(folder) / "policy.yaml").write_text(_POLICY)
        environ["DRIFTGUARD_POLICY"] = str(Path(folder) / "policy.yaml")
        ids = resource_ids(count)
        with serving(environ, folder) as service:
            yield Row("serve to the first answer of /healthz", service.started_in, START_SECONDS)
            yield from _checks(service, ids[:at_once])
            yield from _halts(service, server.endpoint, ids[at_once:], sizes, rounds)


@contextmanager
def serving(environ: Mapping[str, str], folder: str) -> Iterator[Service]:
    """The service as the command line starts it."""
    command = [sys.executable, "-m", "driftguard", "serve", "--port", "0", "--scan-every", "off", "--json"]
    full = {**environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    begun = time.perf_counter()
    with subprocess.Popen(command, env=full, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            urlopen(f"{told['server']}/healthz").close()
            place = urlsplit(told["server"])
            yield Service(str(place.hostname), int(place.port or 0), told["token"], time.perf_counter() - begun)
        finally:
            process.terminate()


def _checks(service: Service, ids: list[str]) -> Iterator[Row]:
    """Checks of as many jobs with one resource each, then as many gates of one job, all at the same moment."""
    jobs = [f"job-{number:03d}" for number in range(len(ids))]
    connection = service.connect()
    for job, resource in zip(jobs, ids, strict=True):
        status, _, body = service.ask(connection, "POST", f"/api/jobs/{job}/records", {"resources": [resource]})
        assert status == 201, body
    connection.close()
    kinds = {
        f"checks of {len(ids)} jobs at once": (jobs, False),
        f"gates of one job, {len(ids)} at once": ([jobs[0]] * len(ids), True),
    }
    for what, (asked, gate) in kinds.items():
        if gate:
            _release(service, asked[0])
        yield from _at_once(service, what, asked, gate)


def _release(service: Service, job: str) -> None:
    connection = service.connect()
    _, headers, _ = service.ask(connection, "GET", f"/api/jobs/{job}")
    status, _, body = service.ask(
        connection, "POST", f"/api/jobs/{job}/release", {"reason": "measured"}, If_Match=headers["etag"]
    )
    assert status == 200, body
    connection.close()


def _at_once(service: Service, what: str, jobs: list[str], gate: bool) -> Iterator[Row]:
    def one(number: int) -> tuple[float, bool]:
        connection = service.connect()
        begun = time.perf_counter()
        body = {"run": f"run-{number}", "gate": gate}
        path = f"/api/jobs/{jobs[number]}/checks"
        status, headers, data = service.ask(connection, "POST", path, body)
        while status == 202 or (status == 200 and "answer" in json.loads(data)):
            path = headers.get("location", path)
            told = json.loads(data)
            if told["state"] != "running":
                status, data = (200, json.dumps(told["answer"]).encode()) if told["state"] == "done" else (500, data)
                break
            time.sleep(0.5)
            status, headers, data = service.ask(connection, "GET", path)
        taken = time.perf_counter() - begun
        connection.close()
        return taken, status == 200 and json.loads(data)["exit_code"] == 0

    with ThreadPoolExecutor(len(jobs)) as pool:
        begun = time.perf_counter()
        answers = list(pool.map(one, range(len(jobs))))
        whole = time.perf_counter() - begun
    seconds = sorted(taken for taken, _ in answers)
    note = f"{len(jobs) / whole:.0f} a second"
    yield Row(f"{what}: errors", sum(1 for _, good in answers if not good), 0.0, "")
    yield Row(f"{what}: p50", seconds[len(seconds) // 2], note=note)
    yield Row(f"{what}: p99", seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))])


def _halts(service: Service, endpoint: str, ids: list[str], sizes: tuple[int, ...], rounds: int) -> Iterator[Row]:
    """Halts of jobs with so many changed resources."""
    connection = service.connect()
    begin = 0
    for size in sizes:
        mine, begin = ids[begin : begin + size], begin + size
        path = _halt_of(service, connection, endpoint, f"halt-{size}", mine)
        status, headers, full = service.ask(connection, "GET", path)
        assert status == 200
        times = _in_turn(service, connection, path, headers["etag"], rounds)
        whole, unchanged = (median(side) for side in times)
        bound = RATIO if size == ONE_HALT else None
        note = f"{unchanged * 1000:.1f} ms against {whole * 1000:.1f} ms for {len(full):,} bytes, median of {rounds}"
        yield Row(f"unchanged halt of {size}: 304 against 200", unchanged / whole, bound, "x", note)
    connection.close()


def _halt_of(service: Service, connection: HTTPConnection, endpoint: str, job: str, ids: list[str]) -> str:
    """The address of a halt of a new job with these resources, all changed."""
    status, _, body = service.ask(connection, "POST", f"/api/jobs/{job}/records", {"resources": ids})
    assert status == 201, body
    for resource in ids:
        changed = json.dumps({"id": resource, "set": {"tags.measured": "by hand"}, "as": "person-portal"}).encode()
        urlopen(Request(f"{endpoint}/sandbox/platform", changed, method="POST")).close()
    status, _, body = service.ask(connection, "POST", f"/api/jobs/{job}/checks", {"run": "run-1"})
    assert status == 412, body
    return f"/api/halts/{json.loads(body)['halt']['id']}"


def _in_turn(
    service: Service, connection: HTTPConnection, path: str, tag: str, rounds: int
) -> tuple[list[float], list[float]]:
    """The seconds of full and of conditional GETs, one of each a round."""
    full, conditional = list[float](), list[float]()
    for _ in range(rounds):
        begun = time.perf_counter()
        assert service.ask(connection, "GET", path)[0] == 200
        between = time.perf_counter()
        assert service.ask(connection, "GET", path, If_None_Match=tag)[0] == 304
        full.append(between - begun)
        conditional.append(time.perf_counter() - between)
    return full, conditional
