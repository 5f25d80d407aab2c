"""The sandbox ARM in a process of its own, so that it takes no time from what is measured.

`python -m benchmarks.arm_process N SIZE` serves N resources of about SIZE bytes, prints its endpoint, and ends with its
standard input.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

from driftguard.sandbox import Sandbox, many

BUCKET = {"reads": [250, 25]}  # what ARM documents for one principal in one subscription: capacity, refill per second


class Arm:
    """A running sandbox, seen from outside."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def latency(self, seconds: float) -> None:
        """Let every answer take that long."""
        self._post("latency", {"seconds": seconds})

    def throttle(self, limits: Mapping[str, list[int]]) -> None:
        """Limit kinds of operation and fill the buckets; an empty mapping is no limit."""
        self._post("throttle", limits)

    def refusals(self) -> int:
        """How many GETs were answered with 429 since this was last asked."""
        counters = self._call("GET", "log")["counters"]
        self._call("DELETE", "log")
        return int(counters.get("GET 429", 0))

    def _post(self, lever: str, body: Mapping[str, object]) -> None:
        self._call("POST", lever, json.dumps(body).encode())

    def _call(self, method: str, lever: str, data: bytes | None = None) -> Any:
        with urlopen(Request(f"{self.endpoint}/sandbox/{lever}", data, method=method)) as answer:
            return json.load(answer)


def resource_ids(count: int) -> list[str]:
    """The ids of the resources that `arm(count)` serves, without their groups."""
    return [resource_id for resource_id, _ in many(count, 0) if "/providers/" in resource_id]


def group_ids(count: int) -> list[str]:
    """The ids of the resource groups that hold them."""
    return [resource_id for resource_id, _ in many(count, 0) if "/providers/" not in resource_id]


@contextmanager
def arm(count: int, size: int = 3000) -> Iterator[Arm]:
    """Serve `count` resources of about `size` bytes."""
    command = [sys.executable, "-m", "benchmarks.arm_process", str(count), str(size)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield Arm(process.stdout.readline().strip())
        finally:
            process.stdin.close()
            process.wait()


def environment(endpoint: str, store: str) -> dict[str, str]:
    """What the settings need to reach a sandbox."""
    return {
        "DRIFTGUARD_STORE": store,
        "DRIFTGUARD_ARM_ENDPOINT": endpoint,
        "DRIFTGUARD_ARM_TOKEN": "pipeline",
    }


def _serve(count: int, size: int) -> None:
    with Sandbox(many(count, size)) as sandbox:
        print(sandbox.endpoint, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
