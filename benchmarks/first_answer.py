"""What the first answer of a new worker process of the Functions app costs, the start of the interpreter included.

`python -m benchmarks.first_answer import|healthz|api BEGUN` prints {"cpu", "wall", "status"}: milliseconds, and the status of
the answer. BEGUN is the monotonic time at which the process was started. The functions are called as the worker calls them.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.row import Row

ROOT = Path(__file__).parents[1]
# Milliseconds of CPU. azure.functions, FastAPI and pydantic, PyJWT and its cryptography take most of it.
IMPORT, HEALTH, JOBS = 400.0, 400.0, 2000.0
_READER = "22222222-0000-4000-8000-000000000002"
_ASKED = {
    "import": ("import of function_app", IMPORT),
    "healthz": ("first answer of /healthz, new process", HEALTH),
    "api": ("first answer of /api/jobs, new process, signed in", JOBS),
}


@dataclass(frozen=True, slots=True)
class Answered:
    """CPU and wall milliseconds from the start of the process to the answer, and its status (0: there was none)."""

    cpu: float
    wall: float
    status: int


def rows(*, quick: bool = False) -> Iterator[Row]:
    """CPU milliseconds, each the median; wall milliseconds in the note."""
    rounds = 1 if quick else 7
    with TemporaryDirectory() as folder, _identity_provider(Path(folder)) as environ:
        for what, (title, bound) in _ASKED.items():
            measured = [_in_a_process(what, environ) for _ in range(rounds)]
            wall = f"{median(one.wall for one in measured):.0f} ms wall, median of {rounds}"
            yield Row(f"{title}: CPU", median(one.cpu for one in measured), bound, "ms", wall)


@contextmanager
def _identity_provider(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of an app with a store that is there, and a token for a reader in BENCH_TOKEN."""
    # Imported here: every process that is measured loads this module, and pays for what stands at its top.
    from driftguard.adapters.stores.sqlite import open_sqlite
    from tests.simulators.identity_provider import AUDIENCE, TENANT, identity_provider

    open_sqlite(folder / "store.db").close()
    with identity_provider() as provider:
        yield {
            "DRIFTGUARD_STORE": str(folder / "store.db"),
            "DRIFTGUARD_AUTH_TENANT": TENANT,
            "DRIFTGUARD_AUTH_AUDIENCE": AUDIENCE,
            "DRIFTGUARD_AUTH_AUTHORITY": provider.address,
            "BENCH_TOKEN": provider.sign(provider.person(_READER, "Reader")),
        }


def _in_a_process(what: str, environ: Mapping[str, str]) -> Answered:
    """Raises subprocess.CalledProcessError where the process fails, RuntimeError where the answer is not a good one."""
    command = [sys.executable, "-m", "benchmarks.first_answer", what, str(time.monotonic())]
    ran = subprocess.run(
        command, check=True, cwd=ROOT, env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True
    )
    answered = Answered(**json.loads(ran.stdout.splitlines()[-1]))
    if answered.status not in (0, 200):
        raise RuntimeError(f"{what} was answered with {answered.status}")
    return answered


def _answer(name: str) -> int:
    """The status that the function of this name answers with."""
    import azure.functions as func

    import function_app

    function = next(one for one in function_app.app.get_functions() if one.get_function_name() == name)
    handler = function.get_user_function()
    headers = {"Authorization": f"Bearer {os.environ['BENCH_TOKEN']}"}
    request = func.HttpRequest(
        "GET", f"http://localhost/{'healthz' if name == 'healthz' else 'api/jobs'}", headers=headers, body=b""
    )
    answer = handler(request) if name == "healthz" else asyncio.run(handler(request, None))
    return int(answer.status_code)


def _main(what: str, begun: float) -> None:
    if what == "import":
        import function_app

        status = 0 if function_app.app else 500
    else:
        status = _answer(what)
    cpu, wall = time.process_time() * 1000, (time.monotonic() - begun) * 1000
    print(json.dumps({"cpu": cpu, "wall": wall, "status": status}))


if __name__ == "__main__":
    _main(sys.argv[1], float(sys.argv[2]))
