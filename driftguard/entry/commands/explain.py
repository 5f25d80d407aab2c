"""driftguard explain"""

from __future__ import annotations

import click

from driftguard.entry.call import Call, common, working


@click.command()
@click.option("--job", required=True, help="The job.")
@click.argument("resource")
@click.argument("path", required=False)
@common
def explain(call: Call, job: str, resource: str, path: str | None) -> int:
    """Say which rule decides on a RESOURCE (its id, or a name that is unique in the job), or on one PATH of it.

    Exit code 2 where it could not be read.
    """
    from driftguard.guard.explain import explain as ask_guard
    from driftguard.render.tools import explain_text, explain_view

    with call.guard() as guard, working(f"reading {resource}"):
        told = ask_guard(guard, job, resource, path)
    call.tell(lambda: explain_view(told), lambda: explain_text(told))
    return told.exit_code
