"""driftguard replay"""

from __future__ import annotations

import click

from driftguard.entry.call import Call, common


@click.command()
@click.argument("file")
@click.option("--verdicts", "out", metavar="OUT.jsonl", help="Write one verdict per line to this file.")
@common
def replay(call: Call, file: str, out: str | None) -> int:
    """Judge recorded pairs of readings in FILE (plain or gzip; - for standard input) as check does, offline.

    Exit code 0 where every line was judged, drift or not; 2 where a line could not be read.
    """
    from datetime import UTC, datetime

    from driftguard.entry.verdicts import verdicts_file
    from driftguard.guard.replay import ReplaySummary, judge_lines
    from driftguard.guard.traffic_file import open_lines
    from driftguard.render.tools import replay_text, replay_view
    from driftguard.wiring import policy_loader

    policy = policy_loader(call.settings)()
    today = datetime.now(UTC).date()
    summary = ReplaySummary()
    with open_lines(file) as lines, verdicts_file(out, lines.is_file) as write:
        for verdict in judge_lines(lines, policy, today):
            summary.add(verdict)
            write(verdict.as_json())
    call.tell(lambda: replay_view(summary), lambda: replay_text(summary))
    return summary.exit_code
