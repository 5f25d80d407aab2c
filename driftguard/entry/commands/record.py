"""driftguard record"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from driftguard.entry.call import Call, common, run_options, working
from driftguard.errors import WrongUse

if TYPE_CHECKING:
    from driftguard.guard.record import Naming, Recording

_MOST_IDS = 200_000


@click.command()
@click.option("--job", required=True, help="The job, such as payments-prod.")
@click.option("--clearance", metavar="C", help="The clearance that check gave to this run.")
@click.option("--deployment", "deployments", multiple=True, metavar="ID", help="An ARM deployment: what it put out.")
@click.option("--resource", "resources", multiple=True, metavar="ID", help="One resource.")
@click.option("--resource-group", "groups", multiple=True, metavar="ID", help="Everything that a resource group lists.")
@click.option(
    "--subscription", "subscriptions", multiple=True, metavar="ID", help="Everything that a subscription lists."
)
@click.option(
    "--ids-file", type=click.File("r", encoding="utf-8"), metavar="F", help="Resource ids, one a line; - for stdin."
)
@click.option("--after-failure", is_flag=True, help="The run failed: record what it left all the same.")
@run_options
@common
def record(
    call: Call,
    job: str,
    clearance: str | None,
    deployments: tuple[str, ...],
    resources: tuple[str, ...],
    groups: tuple[str, ...],
    subscriptions: tuple[str, ...],
    ids_file: IO[str] | None,
    after_failure: bool,
    ticket: str | None,
    run: str | None,
    stage: str | None,
) -> int:
    """Record what a deployment left.

    The first record of a job needs no clearance. Nothing named means: what the last record named. Without a clearance a
    later record is a proposal that a reviewer accepts.
    """
    from driftguard.guard.record import record as record_job
    from driftguard.render.json_views import record_view
    from driftguard.render.text import record_text

    scopes = (*groups, *(text if "/" in text else f"/subscriptions/{text}" for text in subscriptions))
    naming = _named(call, deployments, (*resources, *_ids(ids_file)), scopes)
    recording = _recording(call, job, naming, run, clearance, stage, ticket, after_failure)
    with call.guard_that_may_begin() as guard, working(f"reading what {job} left"):
        recorded = record_job(guard, recording)
    call.tell(lambda: record_view(recorded), lambda: record_text(recorded))
    return recorded.exit_code


def _named(call: Call, deployments: tuple[str, ...], resources: tuple[str, ...], scopes: tuple[str, ...]) -> Naming:
    """What is named, every id well formed. Raises WrongUse, OtherScope."""
    from driftguard.flow.resource import parse_ref
    from driftguard.guard.record import Naming

    for text in (*resources, *scopes, *deployments):
        parse_ref(text, cloud=call.settings.cloud)
    return Naming(deployments, resources, scopes)


def _recording(
    call: Call,
    job: str,
    naming: Naming,
    run: str | None,
    clearance: str | None,
    stage: str | None,
    ticket: str | None,
    after_failure: bool,
) -> Recording:
    """The call of the verb; what is not named comes from the CI system. Raises WrongUse for a job's name that is none."""
    from driftguard.guard.record import Recording
    from driftguard.guard.work import require_job_name

    settings = call.settings
    return Recording(
        require_job_name(job),
        run or settings.run,
        clearance,
        naming,
        stage or settings.stage,
        ticket,
        call.starter(),
        after_failure,
    )


def _ids(file: IO[str] | None) -> list[str]:
    """The ids in a file; blank lines and lines that begin with # do not count. Raises WrongUse."""
    if file is None:
        return []
    try:
        lines = [line.strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(
            f"the ids file cannot be read: {type(error).__name__}", "give a UTF-8 text, one id a line"
        ) from error
    ids = [line for line in lines if line and not line.startswith("#")]
    if not ids or len(ids) > _MOST_IDS:
        raise WrongUse(f"the ids file names {len(ids)} resources", f"name between 1 and {_MOST_IDS}")
    return ids
