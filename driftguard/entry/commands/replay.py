"""driftguard replay"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING

import click

from driftguard.entry.call import Call, common
from driftguard.errors import WrongUse

if TYPE_CHECKING:
    from driftguard.flow.diff import PathRules


@click.command()
@click.argument("file")
@click.option("--verdicts", "out", metavar="OUT.jsonl", help="Write one verdict per line to this file.")
@common
def replay(call: Call, file: str, out: str | None) -> int:
    """Judge recorded pairs of readings in FILE (plain or gzip; - for standard input) as check does, offline.

    Exit code 0 where every line was judged, drift or not; 2 where a line could not be read.
    """
    from driftguard.guard.replay import ReplaySummary
    from driftguard.guard.replay import replay as judge
    from driftguard.guard.traffic_file import open_lines
    from driftguard.render.tools import replay_text, replay_view

    summary = ReplaySummary()
    with _writer(out) as write:
        for verdict in judge(open_lines(file), _rules_for(call)):
            summary.add(verdict)
            write(verdict.as_json())
    call.tell(lambda: replay_view(summary), lambda: replay_text(summary))
    return summary.exit_code


def _rules_for(call: Call) -> Callable[[str], PathRules]:
    """The path rules of a resource type under the policy in use; a rule that names more than a type does not apply."""
    from datetime import UTC, datetime

    from driftguard.flow.resource import ResourceRef
    from driftguard.wiring import policy_loader

    policy = policy_loader(call.settings)()
    today = datetime.now(UTC).date()
    return lambda type_: policy.path_rules(ResourceRef("arm", "public", "", "", type_, ""), today)


@contextmanager
def _writer(out: str | None) -> Iterator[Callable[[dict[str, object]], object]]:
    if out is None:
        yield lambda verdict: None
        return
    with ExitStack() as stack:
        try:
            file: IO[str] = stack.enter_context(open(out, "w", encoding="ascii"))
        except OSError as error:
            raise WrongUse(
                f"the verdicts cannot be written: {error.strerror}", "name a file that can be written"
            ) from error
        yield lambda verdict: file.write(json.dumps(verdict) + "\n")
