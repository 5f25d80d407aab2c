"""driftguard scan"""

from __future__ import annotations

import click

from driftguard.entry.call import Call, common, working
from driftguard.entry.telling import exit_code_of


@click.command()
@click.option("--job", "jobs", multiple=True, help="Only this job; may be given more than once (default: every job).")
@common
def scan(call: Call, jobs: tuple[str, ...]) -> int:
    """Judge every job as `check --gate` does: drift is halted and told before a pipeline runs.

    A job that a run is updating is left alone. Exit code 1 where a job would be stopped, else 2 where one could not be
    judged.
    """
    from driftguard.render.lists import scan_text

    with call.verbs() as verbs, working(f"judging {', '.join(jobs) or 'every job'}"):
        found = verbs.scan(jobs or None)
    code = exit_code_of(found)
    call.tell(lambda: found, lambda: scan_text(found))
    return code
