"""driftguard record"""

from __future__ import annotations

import click

from driftguard.entry.call import Call, common, run_options, working
from driftguard.entry.commands.named import Named, naming_options
from driftguard.entry.telling import exit_code_of, review_lines


@click.command()
@click.option("--job", required=True, help="The job, such as payments-prod.")
@click.option("--clearance", metavar="C", help="The clearance that check gave to this run.")
@naming_options
@click.option("--after-failure", is_flag=True, help="The run failed: record what it left all the same.")
@run_options
@common
def record(
    call: Call,
    job: str,
    clearance: str | None,
    named: Named,
    after_failure: bool,
    ticket: str | None,
    run: str | None,
    stage: str | None,
) -> int:
    """Record what a deployment left.

    The first record of a job needs no clearance. Nothing named means: what the last record named. Without a clearance a
    later record is a proposal that a reviewer accepts.
    """
    from driftguard.guard.recorded import Recording
    from driftguard.guard.work import require_job_name
    from driftguard.render.text import record_text
    from driftguard.wiring_places import Opening

    settings = call.settings
    naming = named.naming(settings.cloud)
    recording = Recording(
        require_job_name(job),
        run or settings.run,
        clearance,
        naming,
        stage or settings.stage,
        ticket,
        call.starter(),
        after_failure,
    )
    with call.verbs(Opening.BEGIN_AT_FIRST_WRITE) as verbs, working(f"reading what {job} left"):
        recorded = verbs.record(recording)
        review = review_lines(verbs, recorded)
    code = exit_code_of(recorded)
    call.tell(lambda: recorded, lambda: "\n".join([record_text(recorded), *review]))
    return code
