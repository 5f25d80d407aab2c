"""driftguard deliver"""

from __future__ import annotations

import click

from driftguard.entry.call import Call, common


@click.command()
@click.option("--job", help="Only this job's.")
@common
def deliver(call: Call, job: str | None) -> int:
    """Send the notes that wait, also those whose next try is not due. Exit code 2 where one could not be sent."""
    from driftguard.entry.in_process import require_known_job
    from driftguard.guard.deliver import deliver_due, waiting
    from driftguard.guard.scan import rebuild_indexes
    from driftguard.render.json_views import deliveries_view
    from driftguard.render.lists import deliveries_text

    with call.guard() as guard:
        require_known_job(guard, job)
        rebuild_indexes(guard)
        results = deliver_due(guard, job, now=True)
    view = deliveries_view(results)
    call.tell(lambda: view, lambda: deliveries_text(view))
    return 2 if waiting(results) else 0
