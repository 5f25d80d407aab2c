"""driftguard deliveries"""

from __future__ import annotations

import click

from driftguard.entry.call import Call, common


@click.command()
@click.option("--job", help="Only this job's.")
@click.option("--all", "all_states", is_flag=True, help="Also the notes that are delivered.")
@common
def deliveries(call: Call, job: str | None, all_states: bool) -> int:
    """List the notes that wait, and why; `driftguard deliver` sends them."""
    from driftguard.render.lists import deliveries_text

    with call.verbs() as verbs:
        found = verbs.deliveries(job, all_states=all_states)
    call.tell(lambda: found, lambda: deliveries_text(found, "No notes." if all_states else "No notes are due."))
    return 0
