"""driftguard explain"""

from __future__ import annotations

import click

from driftguard.entry.call import Call, common, working
from driftguard.entry.telling import exit_code_of


@click.command()
@click.option("--job", required=True, help="The job.")
@click.argument("resource")
@click.argument("path", required=False)
@common
def explain(call: Call, job: str, resource: str, path: str | None) -> int:
    """Say which rule decides on a RESOURCE (its id, or a name that is unique in the job), or on one PATH of it.

    Exit code 2 where it could not be read.
    """
    from driftguard.render.tools import explain_text

    with call.verbs() as verbs, working(f"reading {resource}"):
        told = verbs.explain(job, resource, path)
    code = exit_code_of(told)
    call.tell(lambda: told, lambda: explain_text(told))
    return code
