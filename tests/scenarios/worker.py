"""Other processes that work on the same job, each a fork of one process that has imported everything already.

Started as `python worker.py`. An order is one line of JSON: a list of calls that run at once, each in a process of its own:
{"verb": …, "folder": of tickets, "store": path or address, "connection": of the store, "secret_key": …, "arm": endpoint,
"later": seconds, "kill_before": n or null, "policy": path or null, …the verb's arguments}.
The answer is one line: a list of {"exit": code, "said": what the verb says}. Rules:
- A process that is to be killed ends with 137 right before its write number n (from 0): a commit, a blob, or a file of the
  tickets that takes its name.
- Its clock runs `later` seconds ahead, and waiting takes no time.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
import uuid
from builtins import list as List  # the port has a method `list`, which hides the type in the class body
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from driftguard.adapters.pipelines.exit_code import ExitCode
from driftguard.adapters.readers.arm import ArmReader
from driftguard.adapters.readers.arm_options import ArmOptions
from driftguard.adapters.sources.activity_log import ActivityLog
from driftguard.adapters.tickets.file import FileTickets
from driftguard.errors import DriftGuardError
from driftguard.flow.halt import Decision
from driftguard.flow.ports import Row, Store, Write
from driftguard.flow.review import Person
from driftguard.guard.check import Ask, check
from driftguard.guard.context import Guard
from driftguard.guard.deliver import deliver_due
from driftguard.guard.record import Naming, Recording, record
from driftguard.guard.review import Deciding, decide
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy
from tests.scenarios.places import Place

KILLED, BROKEN = 137, 99
# What the reader imports when it first needs it: once here instead of once in every process.
IMPORTED_LATE = (
    "azure.mgmt.resource.resources",
    "azure.mgmt.core.tools",
    "azure.core.pipeline.transport",
    "azure.data.tables",
    "azure.storage.blob",
    "requests",
)


class AheadClock:
    """The machine's clock, ahead by some seconds; waiting only moves it further."""

    def __init__(self, ahead: float) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def monotonic(self) -> float:
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        self._ahead += seconds


class Killer:
    """Ends the process right before its write number `at` (from 0); None: never."""

    def __init__(self, at: int | None) -> None:
        self._left = at

    def before_a_write(self) -> None:
        if self._left == 0:
            os._exit(KILLED)
        if self._left is not None:
            self._left -= 1

    def watch(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, which counts as a write."""

        def watched(*args: Any, **more: Any) -> Any:
            self.before_a_write()
            return call(*args, **more)

        return watched


class MortalStore(Store):
    """A store whose process may be killed before any of its writes."""

    def __init__(self, store: Store, killer: Killer) -> None:
        self._store, self._killer = store, killer

    def get(self, partition: str, kind: str, row_id: str) -> Row | None:
        return self._store.get(partition, kind, row_id)

    def list(self, partition: str, kind: str, *, after: str = "", limit: int = 1000) -> List[Row]:
        return self._store.list(partition, kind, after=after, limit=limit)

    def version(self, partition: str, kind: str, row_id: str) -> str | None:
        return self._store.version(partition, kind, row_id)

    def partitions(self) -> List[str]:
        return self._store.partitions()

    def kinds(self, partition: str) -> List[str]:
        return self._store.kinds(partition)

    def read(self, key: str) -> bytes | None:
        return self._store.read(key)

    def blobs(self, prefix: str) -> List[str]:
        return self._store.blobs(prefix)

    def commit(self, partition: str, writes: Sequence[Write]) -> dict[tuple[str, str], str]:
        self._killer.before_a_write()
        return self._store.commit(partition, writes)

    def put_once(self, key: str, data: bytes) -> bool:
        self._killer.before_a_write()
        return self._store.put_once(key, data)

    def forget(self, keys: Sequence[str]) -> bool:
        self._killer.before_a_write()
        return self._store.forget(keys)

    def close(self) -> None:
        self._store.close()


def do_check(guard: Guard, job: str, run: str, **more: Any) -> tuple[int, Any]:
    answer = check(guard, Ask(job, run, **more))
    return answer.exit_code, {"clearance": answer.clearance, "halt": answer.halt.id if answer.halt else None}


def do_record(guard: Guard, job: str, run: str | None, clearance: str | None, resources: list[str]) -> tuple[int, Any]:
    recorded = record(guard, Recording(job, run, clearance, Naming(resources=tuple(resources))))
    return recorded.exit_code, {"generation": recorded.generation, "proposal": recorded.proposal}


def do_decide(guard: Guard, halt: str, by: str, decision: str, if_match: str) -> tuple[int, Any]:
    reviewer = Person(by, asserted=True)
    decided = decide(guard, Deciding(halt, Decision(decision), f"{by} says so", reviewer, if_match=if_match))
    return 0, {"state": str(decided.state)}


def do_deliver(guard: Guard) -> tuple[int, Any]:
    return 0, [str(one.state) for one in deliver_due(guard, now=True)]


VERBS: dict[str, Callable[..., tuple[int, Any]]] = {
    "check": do_check,
    "record": do_record,
    "decide": do_decide,
    "deliver": do_deliver,
}


def work(
    verb: str,
    folder: str,
    store: str,
    arm: str,
    later: float,
    kill_before: int | None,
    policy: str | None = None,
    connection: str | None = None,
    secret_key: str | None = None,
    **arguments: Any,
) -> tuple[int, Any]:
    """Carry out one call; its exit code and what it says."""
    killer, clock = Killer(kill_before), AheadClock(later)
    os.replace = killer.watch(os.replace)  # this process only, and it ends soon
    try:
        with Place(store, connection, secret_key).opened() as (base, sealer):
            reader = ArmReader(ArmOptions(endpoint=arm, token="pipeline"), clock, workers=4)
            targets = (FileTickets(Path(folder) / "tickets"), ExitCode())
            guard = Guard(
                store=MortalStore(base, killer),
                reader=reader,
                sources=(ActivityLog(reader.client, clock, timedelta(0)),),
                sealer=sealer,
                targets={target.name: target for target in targets},
                policy=partial(load_policy, Path(policy) if policy else None, folder=policies_folder()),
                clock=clock,
                new_id=lambda: uuid.uuid4().hex[:16],
                checkout=NoCheckout(),
            )
            try:
                return VERBS[verb](guard, **arguments)
            finally:
                reader.close()
    except DriftGuardError as error:
        return error.exit_code, f"{type(error).__name__}: {error}"


class NoCheckout:
    """Nothing can be told."""

    def contains(self, commit: str) -> bool | None:
        return None


def fork(call: dict[str, Any], go: tuple[int, int]) -> tuple[int, int]:
    """A process for one call, that begins when `go` is closed; its id and where it says something."""
    said, says = os.pipe()
    process = os.fork()
    if process:
        os.close(says)
        return process, said
    try:
        os.close(go[1])
        os.read(go[0], 1)  # the end of the pipe: all processes are there
        code, result = work(**call)
        os.write(says, json.dumps(result).encode())
        os._exit(code)
    finally:
        traceback.print_exc()
        os._exit(BROKEN)


def wait(process: int, said: int) -> dict[str, Any]:
    with os.fdopen(said, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(process, 0)
    return {"exit": os.waitstatus_to_exitcode(status), "said": json.loads(text) if text else None}


def main() -> None:
    for name in IMPORTED_LATE:
        importlib.import_module(name)
    for line in sys.stdin:
        go = os.pipe()
        processes = [fork(call, go) for call in json.loads(line)]
        os.close(go[0])
        os.close(go[1])
        print(json.dumps([wait(*one) for one in processes]), flush=True)


if __name__ == "__main__":
    main()
