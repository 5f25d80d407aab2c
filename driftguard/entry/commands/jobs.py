"""driftguard jobs"""

from __future__ import annotations

import click

from driftguard.entry.call import Call, common, require_known_job


@click.group()
def jobs() -> None:
    """List and show jobs; release, retire, move, accept a proposal."""


@jobs.command("list")
@common
def list_(call: Call) -> int:
    """List all jobs."""
    from driftguard.guard.jobs import list_jobs
    from driftguard.render.json_views import jobs_view
    from driftguard.render.lists import jobs_text

    with call.guard() as guard:
        views = list_jobs(guard)
    call.tell(lambda: jobs_view(views), lambda: jobs_text(views))
    return 0


@jobs.command()
@click.argument("job")
@common
def show(call: Call, job: str) -> int:
    """Show one job with what it has recorded."""
    from driftguard.guard.jobs import show_job

    with call.guard() as guard:
        _tell(call, show_job(guard, job))
    return 0


@jobs.command()
@click.argument("job")
@click.option("--reason", default="", help="Why (not needed with --clearance).")
@click.option("--clearance", metavar="C", help="The run's own clearance: it gives back its lease.")
@click.option("--as", "name", metavar="NAME", help="Who releases (default: the operating system's user).")
@common
def release(call: Call, job: str, reason: str, clearance: str | None, name: str | None) -> int:
    """End the lease of a job that is updating."""
    from driftguard.guard import jobs as verbs

    with call.guard() as guard:
        verbs.release(guard, job, by=call.reviewer(name), reason=reason, clearance=clearance)
        _tell(call, verbs.show_job(guard, job))
    return 0


@jobs.command()
@click.argument("job")
@click.option("--reason", required=True, help="Why.")
@click.option(
    "--resource", "resources", multiple=True, metavar="ID", help="Only this resource (default: the whole job)."
)
@click.option("--as", "name", metavar="NAME", help="Who retires it (default: the operating system's user).")
@common
def retire(call: Call, job: str, reason: str, resources: tuple[str, ...], name: str | None) -> int:
    """Take resources out of a job, or retire all of it."""
    from driftguard.guard import jobs as verbs

    with call.guard() as guard:
        verbs.retire(guard, job, by=call.reviewer(name), reason=reason, resources=resources)
        _tell(call, verbs.show_job(guard, job))
    return 0


@jobs.command()
@click.argument("job")
@click.option("--to", required=True, metavar="JOB", help="The job that gets them.")
@click.option("--resource", "resources", multiple=True, required=True, metavar="ID", help="A resource that moves.")
@click.option("--reason", required=True, help="Why.")
@click.option("--as", "name", metavar="NAME", help="Who moves them (default: the operating system's user).")
@common
def move(call: Call, job: str, to: str, resources: tuple[str, ...], reason: str, name: str | None) -> int:
    """Move resources with what is recorded of them to another job."""
    from driftguard.guard import jobs as verbs

    with call.guard() as guard:
        verbs.move(guard, job, to, by=call.reviewer(name), reason=reason, resources=resources)
        _tell(call, verbs.show_job(guard, to))
    return 0


@jobs.command()
@click.option("--job", help="Only this job's.")
@common
def proposals(call: Call, job: str | None) -> int:
    """List the proposals that wait for a reviewer."""
    from driftguard.guard import jobs as verbs
    from driftguard.render.json_views import proposals_view
    from driftguard.render.lists import proposals_text

    with call.guard() as guard:
        require_known_job(guard, job)
        found = verbs.proposals(guard, job)
    call.tell(lambda: proposals_view(found), lambda: proposals_text(found))
    return 0


@jobs.command()
@click.argument("job")
@click.argument("proposal")
@click.option("--reason", required=True, help="Why.")
@click.option("--as", "name", metavar="NAME", help="Who accepts it (default: the operating system's user).")
@common
def accept(call: Call, job: str, proposal: str, reason: str, name: str | None) -> int:
    """Make a proposal the job's baseline, if what it read is still live."""
    from driftguard.guard import jobs as verbs

    with call.guard() as guard:
        verbs.accept(guard, job, proposal, by=call.reviewer(name), reason=reason)
        _tell(call, verbs.show_job(guard, job))
    return 0


def _tell(call: Call, view: object) -> None:
    from driftguard.guard.jobs import JobView
    from driftguard.render.json_views import job_view
    from driftguard.render.lists import job_text

    if isinstance(view, JobView):
        call.tell(lambda: job_view(view), lambda: job_text(view))
