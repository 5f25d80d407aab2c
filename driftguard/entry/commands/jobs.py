"""driftguard jobs"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from driftguard.entry.call import Call, as_option, common

if TYPE_CHECKING:
    from driftguard.entry.verbs import View


@click.group()
def jobs() -> None:
    """List and show jobs; release, retire, move, accept a proposal, hold."""


def _if_match(command: Callable[..., int]) -> Callable[..., int]:
    option = click.option(
        "--if-match", metavar="VERSION", help="Only if the job is still at this version (see show --json)."
    )
    return option(command)


@jobs.command("list")
@common
def list_(call: Call) -> int:
    """List all jobs."""
    from driftguard.render.lists import jobs_text

    with call.verbs() as verbs:
        found = verbs.jobs()
    call.tell(lambda: found, lambda: jobs_text(found))
    return 0


@jobs.command()
@click.argument("job")
@common
def show(call: Call, job: str) -> int:
    """Show one job with what it has recorded."""
    with call.verbs() as verbs:
        found = verbs.job(job)
    return _tell(call, found)


@jobs.command()
@click.argument("job")
@click.option("--reason", default="", help="Why (not needed with --clearance).")
@click.option("--clearance", metavar="C", help="The run's own clearance: it gives back its lease.")
@as_option("Who releases")
@_if_match
@common
def release(call: Call, job: str, reason: str, clearance: str | None, name: str | None, if_match: str | None) -> int:
    """End the lease of a job that is updating."""
    from driftguard.entry.verbs import JobChange

    by = call.reviewer(name, decides=clearance is None)
    with call.verbs() as verbs:
        left = verbs.release(JobChange(job, by, reason, clearance=clearance, if_match=if_match))
    return _tell(call, left)


@jobs.command()
@click.argument("job")
@click.option("--reason", required=True, help="Why.")
@click.option(
    "--resource", "resources", multiple=True, metavar="ID", help="Only this resource (default: the whole job)."
)
@as_option("Who retires it")
@_if_match
@common
def retire(
    call: Call, job: str, reason: str, resources: tuple[str, ...], name: str | None, if_match: str | None
) -> int:
    """Take resources out of a job, or retire all of it."""
    from driftguard.entry.verbs import JobChange

    by = call.reviewer(name)
    with call.verbs() as verbs:
        left = verbs.retire(JobChange(job, by, reason, resources, if_match=if_match))
    return _tell(call, left)


@jobs.command()
@click.argument("job")
@click.option("--to", required=True, metavar="JOB", help="The job that gets them.")
@click.option("--resource", "resources", multiple=True, required=True, metavar="ID", help="A resource that moves.")
@click.option("--reason", required=True, help="Why.")
@as_option("Who moves them")
@_if_match
@common
def move(
    call: Call, job: str, to: str, resources: tuple[str, ...], reason: str, name: str | None, if_match: str | None
) -> int:
    """Move resources with what is recorded of them to another job."""
    from driftguard.entry.verbs import JobChange

    by = call.reviewer(name)
    with call.verbs() as verbs:
        receiving = verbs.move(JobChange(job, by, reason, resources, if_match=if_match), to)
    return _tell(call, receiving)


@jobs.command()
@click.option("--job", help="Only this job's.")
@common
def proposals(call: Call, job: str | None) -> int:
    """List the proposals that wait for a reviewer."""
    from driftguard.render.lists import proposals_text

    with call.verbs() as verbs:
        found = verbs.proposals(job)
    call.tell(lambda: found, lambda: proposals_text(found))
    return 0


@jobs.command()
@click.argument("job")
@click.argument("proposal")
@click.option("--reason", required=True, help="Why.")
@as_option("Who accepts it")
@_if_match
@common
def accept(call: Call, job: str, proposal: str, reason: str, name: str | None, if_match: str | None) -> int:
    """Make a proposal the job's baseline, if what it read is still live."""
    from driftguard.entry.verbs import JobChange

    by = call.reviewer(name)
    with call.verbs() as verbs:
        left = verbs.accept(JobChange(job, by, reason, if_match=if_match), proposal)
    return _tell(call, left)


@jobs.command()
@click.argument("job")
@click.option("--reason", required=True, help="Why.")
@as_option("Who puts it under hold")
@_if_match
@common
def hold(call: Call, job: str, reason: str, name: str | None, if_match: str | None) -> int:
    """Put a job under legal hold: nothing of it is removed."""
    from driftguard.entry.verbs import JobChange

    by = call.reviewer(name)
    with call.verbs() as verbs:
        left = verbs.hold(JobChange(job, by, reason, if_match=if_match))
    return _tell(call, left)


@jobs.command()
@click.argument("job")
@click.option("--reason", required=True, help="Why.")
@as_option("Who takes the hold away")
@_if_match
@common
def unhold(call: Call, job: str, reason: str, name: str | None, if_match: str | None) -> int:
    """Take a job's legal hold away."""
    from driftguard.entry.verbs import JobChange

    by = call.reviewer(name)
    with call.verbs() as verbs:
        left = verbs.unhold(JobChange(job, by, reason, if_match=if_match))
    return _tell(call, left)


def _tell(call: Call, job: View) -> int:
    from driftguard.render.lists import job_text

    call.tell(lambda: job, lambda: job_text(job))
    return 0
